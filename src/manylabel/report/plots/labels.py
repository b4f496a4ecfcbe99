"""Draw which labels and which models work.

In:  results.
Out: a bar per label: its average precision by the best model with its interval, and markers for all models;
     mAP and exact match of every model and baseline with their 95 % intervals; columns of bars for any number
     of labels.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from manylabel.metrics.registry import METRICS
from manylabel.report.plots.style import (
    INK,
    MUTED,
    PALE,
    color_of,
    display_name,
    ends_of,
    marker_of,
    model_legend,
    new_figure,
    plain_text,
    quiet_axes,
)
from manylabel.results import Measured, RunResults
from manylabel.types import FloatArray

DrawRows = Callable[[Axes, Sequence[int]], None]
"""Draws labels (their positions) at heights 0, 1, 2, ... of some axes."""

_SHOWN = ("mAP", "exact_match")


def draw_average_precision(results: RunResults) -> Figure:
    """Draw the labels sorted by how well the best model finds them, the easiest on top."""
    values = np.array(
        [model.per_label["average_precision"] for model in results.models], dtype=np.float64
    )  # [n_models, n_labels]; None becomes NaN
    n_positive, n_known = results.models[0].n_positive, results.models[0].n_known
    chance = np.array(n_positive) / np.maximum(n_known, 1)
    best = results.best_index
    ends = ends_of(results.best.label_intervals["average_precision"])
    order = np.lexsort((-chance, -np.nan_to_num(values[best], nan=-1)))

    def draw_rows(axes: Axes, labels: Sequence[int]) -> None:
        _draw_bars(axes, values[:, labels], chance=chance[labels], best=best)
        axes.hlines(np.arange(len(labels)), *(100 * ends[labels]).T, color=color_of(best), linewidth=1.6)
        _write_counts(axes, [n_positive[label] for label in labels])

    names = [label.name for label in results.data.labels]
    figure = new_label_columns([*order], names=names, draw_rows=draw_rows, head_inches=1.0)
    guess = Line2D([], [], color=MUTED, marker="|", linestyle="", markersize=9, label="by chance")
    model_legend(figure, results.models, [guess])
    return figure


def _draw_bars(axes: Axes, values: FloatArray, *, chance: FloatArray, best: int) -> None:
    heights = np.arange(values.shape[1])
    axes.barh(heights, 100 * np.nan_to_num(values[best]), height=0.62, color=color_of(best), alpha=0.28)
    is_known = ~np.isnan(values[best])
    axes.plot(100 * chance[is_known], heights[is_known], "|", color=MUTED, markersize=9)
    for position, model_values in enumerate(values):
        axes.plot(
            100 * model_values,
            heights,
            marker_of(position),
            color=color_of(position),
            markersize=6.5 if position == best else 5.2,
            markeredgecolor="white",
            markeredgewidth=0.6,
            zorder=4 if position == best else 3,
            clip_on=False,
        )
    axes.set_xlim(0, 100)
    axes.set_xlabel("average precision, %")


def _write_counts(axes: Axes, n_positive: Sequence[int]) -> None:
    """Write the number of positives in a column of its own, right of the bars."""
    for height, n in enumerate(n_positive):
        axes.text(
            1.03, height, f"{n}", transform=axes.get_yaxis_transform(), va="center", fontsize=8, color=INK
        )
        if n == 0:
            axes.text(1, height, "no photo has it, nothing to evaluate", va="center", fontsize=8, color=MUTED)
        elif height % 2:
            axes.axhspan(height - 0.5, height + 0.5, color=PALE, alpha=0.6, zorder=0, linewidth=0)
    axes.text(
        1.03, -0.75, "photos", transform=axes.get_yaxis_transform(), fontsize=7.5, color=MUTED, va="bottom"
    )


def draw_intervals(results: RunResults) -> Figure | None:
    """Draw a row per model and baseline, a panel per metric; None where both are undefined."""
    models, entries = results.models, [*results.models, *results.baselines]
    if all(entry.metrics[name] is None for entry in entries for name in _SHOWN):
        return None
    names = [display_name(model) for model in models]
    names += [plain_text(baseline.model, n_letters=34) for baseline in results.baselines]
    figure = new_figure(height_inches=0.3 * len(entries) + 0.75)
    panels: Any = figure.subplots(1, len(_SHOWN), sharey=True)
    for axes, name in zip(panels, _SHOWN, strict=True):
        _draw_interval_panel(axes, entries, name=name, n_models=len(models))
        axes.set_xlabel(f"{METRICS[name].heading}, %")
    panels[0].set_yticks(range(len(names)), names)
    panels[0].set_ylim(len(names) - 0.5, -0.5)
    for row, tick in enumerate(panels[0].get_yticklabels()):
        tick.set_color(INK if row < len(models) else MUTED)
    return figure


def _draw_interval_panel(axes: Axes, entries: Sequence[Measured], *, name: str, n_models: int) -> None:
    quiet_axes(axes, grid="x")
    axes.axhspan(n_models - 0.5, len(entries) - 0.5, color=PALE, alpha=0.6, zorder=0, linewidth=0)
    for row, entry in enumerate(entries):
        value, interval = entry.metrics[name], entry.intervals[name]
        if value is None:
            axes.text(1, row, "undefined", va="center", fontsize=8, color=MUTED)
            continue
        is_model = row < n_models
        color, marker = (color_of(row), marker_of(row)) if is_model else (MUTED, "|")
        if interval.low is not None and interval.high is not None:
            axes.plot(
                [100 * interval.low, 100 * interval.high], [row, row], color=color, linewidth=2, alpha=0.6
            )
        edge = "white" if is_model else color
        look: dict[str, Any] = {
            "color": color,
            "markersize": 7,
            "markeredgecolor": edge,
            "clip_on": False,
            "zorder": 4,
        }
        axes.plot(100 * value, row, marker, **look)
    axes.set_xlim(0, 100)


def new_label_columns(
    order: Sequence[int], *, names: Sequence[str], draw_rows: DrawRows, head_inches: float
) -> Figure:
    """Draw labels from top to bottom, then on to the next column.

    Args:
        order: Positions of the labels, the first one on top.
        names: Names of all labels.
        draw_rows: Draws the rows of one column.
        head_inches: Room above and below the rows.
    """
    n_columns = 1 if len(order) <= 30 else 2
    n_rows = -(-len(order) // n_columns)
    row_inches = 0.235 if n_rows <= 40 else 0.2
    figure = new_figure(height_inches=n_rows * row_inches + head_inches)
    columns: Any = figure.subplots(1, n_columns, sharex=True, squeeze=False)[0]
    for axes, labels in zip(columns, np.array_split(np.asarray(order), n_columns), strict=True):
        draw_rows(axes, [int(label) for label in labels])
        quiet_axes(axes, grid="x")
        letters = 34 if n_columns == 1 else 22
        axes.set_yticks(range(len(labels)), [plain_text(names[label], n_letters=letters) for label in labels])
        axes.tick_params(axis="y", labelcolor=INK)
        axes.set_ylim(n_rows - 0.4, -0.6)
    return figure
