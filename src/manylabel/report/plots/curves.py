"""Draw precision against recall.

In:  facts.
Out: one plot over all labels together, and one small plot per label.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from manylabel.report.plots.style import (
    GRID,
    MUTED,
    color_of,
    marker_of,
    model_legend,
    new_figure,
    plain_text,
    quiet_axes,
    small_panels,
)

MAX_PANELS = 30
"""Labels that get a small plot of their own; with more labels, those with the most positives do."""


def draw_overall_curves(facts: Mapping[str, Any]) -> Figure | None:
    """Draw all labels together, one curve per network; None where no photo has any label."""
    models = facts["models"]
    if models[0]["curves"]["overall"] is None:
        return None
    figure = new_figure(height_inches=5.2, width_inches=7.4)
    axes = figure.subplots()
    _draw_equal_f1(axes)
    for position, model in enumerate(models):
        _draw_curve(axes, model["curves"]["overall"], position=position, linewidth=2)
        _draw_decision(axes, model["metrics"]["OP"], model["metrics"]["OR"], position=position, size=9)
    quiet_axes(axes, grid="both")
    _set_range(axes)
    axes.set_xlabel("recall, %: share of the present labels that are found")
    axes.set_ylabel("precision, %: share of the given labels that are right")
    model_legend(figure, models)
    return figure


def draw_label_curves(facts: Mapping[str, Any]) -> Figure | None:
    """Draw a small plot per label, one curve per network; None where one plot says it all."""
    labels = choose_labels(facts)
    if not labels or len(facts["data"]["labels"]) == 1:
        return None
    figure, panels = small_panels(len(labels), panel_inches=2.0, margin_inches=0.75)
    _set_range(panels[0])  # all panels share it
    for axes, label in zip(panels, labels, strict=True):
        _draw_label(axes, facts, label=label)
    layout: Any = figure.get_layout_engine()
    layout.set(wspace=0.06)
    figure.supxlabel("recall, %", fontsize=8.5, color=MUTED)
    figure.supylabel("precision, %", fontsize=8.5, color=MUTED)
    model_legend(figure, facts["models"])
    return figure


def choose_labels(facts: Mapping[str, Any]) -> list[int]:
    """Choose the labels that get a plot: those with positives, if too many the ones with the most."""
    n_positive = facts["models"][0]["per_label"]["n_positive"]
    by_count = sorted(range(len(n_positive)), key=lambda label: (-n_positive[label], label))
    return sorted(label for label in by_count[:MAX_PANELS] if n_positive[label] > 0)


def _draw_label(axes: Axes, facts: Mapping[str, Any], *, label: int) -> None:
    per_label = facts["models"][0]["per_label"]
    n_positive, n_known = per_label["n_positive"][label], per_label["n_known"][label]
    axes.axhline(100 * n_positive / n_known, color=MUTED, linewidth=0.8, linestyle=(0, (1, 2)))
    for position, model in enumerate(facts["models"]):
        _draw_curve(axes, model["curves"]["labels"][label], position=position, linewidth=1.4)
        numbers = model["per_label"]
        _draw_decision(
            axes, numbers["precision"][label], numbers["recall"][label], position=position, size=5.5
        )
    quiet_axes(axes, grid="both")
    axes.set_title(f"{plain_text(facts['data']['labels'][label]['name'], n_letters=21)}  ({n_positive})")


def _draw_curve(axes: Axes, curve: Mapping[str, Any], *, position: int, linewidth: float) -> None:
    """Draw steps: between two recalls the precision is that of the higher one, down to recall 0."""
    recall = 100 * np.append(curve["recall"], 0)
    precision = 100 * np.append(curve["precision"], curve["precision"][-1])
    axes.step(recall, precision, where="post", color=color_of(position), linewidth=linewidth, alpha=0.9)


def _draw_decision(
    axes: Axes, precision: float | None, recall: float | None, *, position: int, size: float
) -> None:
    """Mark where the thresholds put a network; a network that gives no label has no such point."""
    if precision is None or recall is None or precision == 0:
        return
    axes.plot(
        100 * recall,
        100 * precision,
        marker_of(position),
        color=color_of(position),
        markersize=size,
        markeredgecolor="white",
        zorder=5,
        clip_on=False,
    )


def _draw_equal_f1(axes: Axes) -> None:
    """Draw lines of equal F1 behind the curves: precision = F1 x recall / (2 x recall - F1)."""
    for f1 in (0.2, 0.4, 0.6, 0.8):
        recall = np.linspace(f1 / (2 - f1), 1, 60)
        precision = f1 * recall / (2 * recall - f1)
        axes.plot(100 * recall, 100 * precision, color=GRID, linewidth=0.9, zorder=1)
        axes.text(
            101,
            100 * precision[-1],
            f"F1 {f1:.0%}".replace("%", " %"),
            color=MUTED,
            fontsize=7.5,
            va="center",
        )


def _set_range(axes: Axes) -> None:
    axes.set(xlim=(0, 100), ylim=(0, 103), xticks=(0, 50, 100), yticks=(0, 50, 100))
