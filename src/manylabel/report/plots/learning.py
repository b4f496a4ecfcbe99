"""Draw how training went, and whether more photos would help.

In:  results.
Out: a panel per model with its loss on training photos and on held-out photos by epoch; mAP of held-out
     photos by the number of training photos, over all labels and per label.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from manylabel.report.plots.curves import choose_labels
from manylabel.report.plots.style import (
    GRID,
    INK,
    MUTED,
    color_of,
    display_name,
    ends_of,
    grid_shape,
    marker_of,
    model_legend,
    new_figure,
    plain_text,
    quiet_axes,
    small_panels,
)
from manylabel.results import History, Interval, Number, RunResults
from manylabel.types import FloatArray


@dataclass(frozen=True, eq=False, kw_only=True)
class LossCurves:
    """Losses of one model, a row per fit.

    Attributes:
        train: Loss on the training photos [n_fits, n_epochs]; NaN where a fit had stopped.
        held_out: Loss on the held-out photos [n_fits, n_epochs]; NaN where there is none.
    """

    train: FloatArray
    held_out: FloatArray

    @property
    def has_held_out(self) -> bool:
        """Whether any held-out loss is known."""
        return bool((~np.isnan(self.held_out)).any())


def read_losses(history: History) -> LossCurves:
    """Choose the fits to draw: the one whose model is kept, or the folds where only they held photos out.

    Args:
        history: The losses of one model.
    """
    fold, epoch, train_loss, held_out_loss = (
        _numbers(values)
        for values in (history.fold, history.epoch, history.train_loss, history.held_out_loss)
    )
    is_kept = np.isnan(fold)
    is_kept_evaluated = bool((~np.isnan(held_out_loss[is_kept])).any())
    has_folds = not is_kept.all()
    chosen = ~is_kept if has_folds and not is_kept_evaluated else is_kept
    fits, fit_rows = np.unique(fold[chosen], return_inverse=True)
    epochs = epoch[chosen].astype(np.int64)
    curves = np.full((2, len(fits), int(epochs.max(initial=0))), np.nan)
    for curve, losses in zip(curves, (train_loss, held_out_loss), strict=True):
        curve[fit_rows, epochs - 1] = losses[chosen]
    return LossCurves(train=curves[0], held_out=curves[1])


def mean_curve(curves: FloatArray) -> FloatArray:
    """Average the fits in the epochs that all of them reached; NaN in the others.

    Args:
        curves: Losses [n_fits, n_epochs].

    Returns:
        Mean loss [n_epochs].
    """
    return np.asarray(curves.mean(axis=0))


def draw_losses(results: RunResults) -> Figure | None:
    """Draw one panel per model, the others' held-out loss in grey behind; None without any history."""
    losses = [read_losses(model.history) for model in results.models]
    if not any(loss.train.size for loss in losses):
        return None
    n_rows, n_columns = grid_shape(len(losses), max_columns=4)
    height = 3.4 if len(losses) == 1 else 2.45 * n_rows + 0.6
    figure = new_figure(height_inches=height)
    panels = figure.subplots(n_rows, n_columns, sharey=True, squeeze=False).ravel()
    for position, (axes, model) in enumerate(zip(panels, results.models, strict=False)):
        _draw_loss_panel(axes, losses, position=position)
        axes.set_title(
            display_name(model, n_letters=110 // n_columns - 4, joint="\n"), color=color_of(position)
        )
    for axes in panels[len(losses) :]:
        axes.set_visible(False)
    _scale_losses(panels[0], losses)
    panels[0].set_ylabel("loss")
    figure.legend(handles=_loss_legend(len(losses)), loc="outside upper left", ncols=4)
    return figure


def _draw_loss_panel(axes: Axes, losses: Sequence[LossCurves], *, position: int) -> None:
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


def _scale_losses(axes: Axes, losses: Sequence[LossCurves]) -> None:
    """Use a logarithmic scale where losses differ so much that the small ones would lie on the floor."""
    values = np.concatenate([np.concatenate([loss.train, loss.held_out]).ravel() for loss in losses])
    values = values[~np.isnan(values)]
    if values.min() > 0 and values.max() / values.min() > 20:
        axes.set_yscale("log")
    else:
        axes.set_ylim(0, 1.06 * values.max())


def _loss_legend(n_models: int) -> list[Line2D]:
    handles = [
        Line2D([], [], color=INK, linewidth=2.2, label="held-out photos"),
        Line2D([], [], color=INK, linewidth=1.3, linestyle=(0, (3, 2)), label="training photos"),
        Line2D([], [], color=INK, linestyle="", marker="o", label="lowest held-out loss"),
    ]
    if n_models > 1:
        handles.append(Line2D([], [], color=MUTED, alpha=0.5, linewidth=1.2, label="the other models"))
    return handles


def _numbers(values: Sequence[float | None]) -> FloatArray:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def draw_learning_curve(results: RunResults) -> Figure | None:
    """Draw the learning curves; None where none was measured or nothing is defined."""
    drawn = {
        position: model.learning_curve
        for position, model in enumerate(results.models)
        if model.learning_curve is not None
        and any(value is not None for value in model.learning_curve.values)
    }
    found = results.learning_curve
    if not drawn or found is None:
        return None
    figure = new_figure(height_inches=3.9, width_inches=7.4)
    axes = figure.subplots()
    for position, curve in drawn.items():
        bands = curve.bands if curve is found[1] else None
        _draw_learning_curve(axes, curve.n_photos, curve.values, position=position, bands=bands)
    quiet_axes(axes)
    axes.set_xlim(left=0)
    axes.yaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.set_xticks(sorted({n for curve in drawn.values() for n in curve.n_photos}))
    axes.set_xlabel("training photos of a linear head")
    axes.set_ylabel("mAP of held-out photos, %")
    model_legend(figure, results.models)
    return figure


def draw_label_learning_curves(results: RunResults) -> Figure | None:
    """Draw a small curve per label, with its band; None where one curve says it all."""
    found = results.learning_curve
    labels = choose_labels(results.models[0].n_positive)
    if found is None or not labels or len(results.data.labels) == 1:
        return None
    figure, panels = small_panels(len(labels), panel_inches=1.7, margin_inches=0.5)
    curve = found[1]
    position = [model.learning_curve for model in results.models].index(curve)
    for axes, label in zip(panels, labels, strict=True):
        values = [values[label] for values in curve.label_values]
        bands = [bands[label] for bands in curve.label_bands]
        _draw_learning_curve(axes, curve.n_photos, values, position=position, bands=bands)
        quiet_axes(axes)
        axes.set_title(plain_text(results.data.labels[label].name, n_letters=21))
    panels[0].set_xlim(left=0)
    panels[0].set_ylim(0, 100)
    figure.supxlabel("training photos of a linear head", fontsize=8.5, color=MUTED)
    figure.supylabel("average precision, %", fontsize=8.5, color=MUTED)
    return figure


def _draw_learning_curve(
    axes: Axes,
    n_photos: Sequence[int],
    values: Sequence[Number],
    *,
    position: int,
    bands: Sequence[Interval] | None,
) -> None:
    color = color_of(position)
    if bands is not None:
        low, high = 100 * ends_of(bands).T
        axes.fill_between(n_photos, low, high, color=color, alpha=0.15, linewidth=0)
    axes.plot(
        n_photos,
        100 * np.array(values, dtype=np.float64),
        color=color,
        marker=marker_of(position),
        markersize=6,
        markeredgecolor="white",
        linewidth=1.3 if bands is None else 2,
    )
