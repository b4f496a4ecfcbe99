"""Draw how the losses fell.

In:  facts.
Out: one panel per network with the loss on training photos and on held-out photos, epoch by epoch.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from manylabel.report.plots.style import (
    GRID,
    INK,
    MUTED,
    color_of,
    display_name,
    grid_shape,
    new_figure,
    quiet_axes,
)
from manylabel.types import FloatArray


@dataclass(frozen=True, eq=False, kw_only=True)
class LossCurves:
    """Hold the losses of one network, one row per fit.

    Attributes:
        train: Loss on the training photos [n_fits, n_epochs]; NaN where a fit had stopped.
        held_out: Loss on the held-out photos [n_fits, n_epochs]; NaN where there is none.
    """

    train: FloatArray
    held_out: FloatArray

    @property
    def has_held_out(self) -> bool:
        """Say whether any held-out loss is known."""
        return bool((~np.isnan(self.held_out)).any())


def read_losses(history: Mapping[str, Sequence[float | None]]) -> LossCurves:
    """Choose the fits to draw: the one whose model is kept, or the folds where only they held photos out.

    Args:
        history: Columns fold, epoch, train_loss and held_out_loss of one model, as in facts.
    """
    columns = {name: _numbers(values) for name, values in history.items()}
    is_kept = np.isnan(columns["fold"])
    kept_judges = bool((~np.isnan(columns["held_out_loss"][is_kept])).any())
    has_folds = not is_kept.all()
    chosen = ~is_kept if has_folds and not kept_judges else is_kept
    fits, fit_rows = np.unique(columns["fold"][chosen], return_inverse=True)
    epochs = columns["epoch"][chosen].astype(np.int64)
    curves = np.full((2, len(fits), int(epochs.max(initial=0))), np.nan)
    for curve, name in zip(curves, ("train_loss", "held_out_loss"), strict=True):
        curve[fit_rows, epochs - 1] = columns[name][chosen]
    return LossCurves(train=curves[0], held_out=curves[1])


def mean_curve(curves: FloatArray) -> FloatArray:
    """Average the fits in the epochs that all of them reached; NaN in the others.

    Args:
        curves: Losses [n_fits, n_epochs].

    Returns:
        Mean loss [n_epochs].
    """
    return np.asarray(curves.mean(axis=0))


def draw_losses(facts: Mapping[str, Any]) -> Figure | None:
    """Draw one panel per network, the others' held-out loss in grey behind; None without any history."""
    losses = [read_losses(model["history"]) for model in facts["models"]]
    if not any(loss.train.size for loss in losses):
        return None
    n_rows, n_columns = grid_shape(len(losses), max_columns=4)
    height = 3.4 if len(losses) == 1 else 2.45 * n_rows + 0.6
    figure = new_figure(height_inches=height)
    panels = figure.subplots(n_rows, n_columns, sharey=True, squeeze=False).ravel()
    for position, (axes, model) in enumerate(zip(panels, facts["models"], strict=False)):
        _draw_panel(axes, losses, position=position)
        axes.set_title(
            display_name(model, n_letters=110 // n_columns - 4, joint="\n"), color=color_of(position)
        )
    for axes in panels[len(losses) :]:
        axes.set_visible(False)
    _scale(panels[0], losses)
    panels[0].set_ylabel("loss")
    figure.legend(handles=_legend(len(losses)), loc="outside upper left", ncols=4)
    return figure


def _draw_panel(axes: Axes, losses: Sequence[LossCurves], *, position: int) -> None:
    color = color_of(position)
    for other, loss in enumerate(losses):
        if other != position:
            _draw_line(axes, mean_curve(loss.held_out), color=GRID, linewidth=1.2)
    loss = losses[position]
    for fit in loss.held_out if len(loss.held_out) > 1 else ():
        _draw_line(axes, fit, color=color, linewidth=0.7, alpha=0.35)
    held_out = mean_curve(loss.held_out)
    _draw_line(axes, mean_curve(loss.train), color=color, linewidth=1.3, linestyle=(0, (3, 2)))
    _draw_line(axes, held_out, color=color, linewidth=2.2)
    if (~np.isnan(held_out)).any():
        lowest = int(np.nanargmin(held_out))
        axes.plot(lowest + 1, held_out[lowest], "o", color=color, markersize=6, markeredgecolor="white")
    quiet_axes(axes)
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))


def _draw_line(axes: Axes, values: FloatArray, **look: Any) -> None:
    epochs = np.flatnonzero(~np.isnan(values))
    if len(epochs) == 1:
        look["marker"] = "."  # a line through one point cannot be seen
    axes.plot(epochs + 1, values[epochs], **look)


def _scale(axes: Axes, losses: Sequence[LossCurves]) -> None:
    """Use a logarithmic scale where losses differ so much that the small ones would lie on the floor."""
    values = np.concatenate([np.concatenate([loss.train, loss.held_out]).ravel() for loss in losses])
    values = values[~np.isnan(values)]
    if values.min() > 0 and values.max() / values.min() > 20:
        axes.set_yscale("log")
    else:
        axes.set_ylim(0, 1.06 * values.max())


def _legend(n_models: int) -> list[Line2D]:
    handles = [
        Line2D([], [], color=INK, linewidth=2.2, label="held-out photos"),
        Line2D([], [], color=INK, linewidth=1.3, linestyle=(0, (3, 2)), label="training photos"),
        Line2D([], [], color=INK, linestyle="", marker="o", label="lowest held-out loss"),
    ]
    if n_models > 1:
        handles.append(Line2D([], [], color=MUTED, alpha=0.5, linewidth=1.2, label="the other networks"))
    return handles


def _numbers(values: Sequence[float | None]) -> FloatArray:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)
