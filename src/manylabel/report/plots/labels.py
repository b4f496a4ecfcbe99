"""Draw which labels work.

In:  facts.
Out: one bar per label: its average precision by the best network with its interval, with markers for every
     network.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from manylabel.report.plots.bars import new_label_columns
from manylabel.report.plots.style import INK, MUTED, PALE, color_of, marker_of, model_legend
from manylabel.types import FloatArray


def draw_average_precision(facts: Mapping[str, Any]) -> Figure:
    """Draw the labels sorted by how well the best network finds them, the easiest on top."""
    values = np.array(
        [model["per_label"]["average_precision"] for model in facts["models"]], dtype=np.float64
    )  # [n_models, n_labels]; None becomes NaN
    counts = facts["models"][0]["per_label"]
    chance = np.array(counts["n_positive"]) / np.maximum(counts["n_known"], 1)
    best = facts["best"]
    ends = np.array(
        facts["models"][best]["label_intervals"]["average_precision"], dtype=np.float64
    )  # [n_labels, 2]
    order = np.lexsort((-chance, -np.nan_to_num(values[best], nan=-1)))

    def draw_rows(axes: Axes, labels: Sequence[int]) -> None:
        _draw_bars(axes, values[:, labels], chance=chance[labels], best=best)
        axes.hlines(np.arange(len(labels)), *(100 * ends[labels]).T, color=color_of(best), linewidth=1.6)
        _write_counts(axes, [counts["n_positive"][label] for label in labels])

    names = [label["name"] for label in facts["data"]["labels"]]
    figure = new_label_columns([*order], names=names, draw_rows=draw_rows, head_inches=1.0)
    guess = Line2D([], [], color=MUTED, marker="|", linestyle="", markersize=9, label="by chance")
    model_legend(figure, facts["models"], [guess])
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
            axes.text(1, height, "no photo has it, nothing to judge", va="center", fontsize=8, color=MUTED)
        elif height % 2:
            axes.axhspan(height - 0.5, height + 0.5, color=PALE, alpha=0.6, zorder=0, linewidth=0)
    axes.text(
        1.03, -0.75, "photos", transform=axes.get_yaxis_transform(), fontsize=7.5, color=MUTED, va="bottom"
    )
