"""Draw precision against recall, and reliability diagrams.

In:  results.
Out: of each one plot over all labels together, and one small plot per label.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

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
from manylabel.results import CalibrationResult, PrecisionRecall, Reliability, RunResults

MAX_PANELS = 30
"""Labels that get a small plot of their own; with more labels, those with the most positives do."""


def draw_overall_curves(results: RunResults) -> Figure | None:
    """Draw all labels together, one curve per model; None where no photo has any label."""
    models = results.models
    if models[0].curve is None:
        return None
    figure = new_figure(height_inches=5.2, width_inches=7.4)
    axes = figure.subplots()
    _draw_equal_f1(axes)
    for position, model in enumerate(models):
        _draw_curve(axes, model.curve, position=position, linewidth=2)
        _draw_decision(axes, model.metrics["OP"], model.metrics["OR"], position=position, size=9)
    quiet_axes(axes, grid="both")
    _set_range(axes)
    axes.set_xlabel("recall, %: share of the present labels that are found")
    axes.set_ylabel("precision, %: share of the predicted labels that are right")
    model_legend(figure, models)
    return figure


def draw_label_curves(results: RunResults) -> Figure | None:
    """Draw a small plot per label, one curve per model; None where one plot says it all."""
    labels = choose_labels(results.models[0].n_positive)
    if not labels or len(results.data.labels) == 1:
        return None
    figure, panels = small_panels(len(labels), panel_inches=2.0, margin_inches=0.75)
    _set_range(panels[0])  # all panels share it
    for axes, label in zip(panels, labels, strict=True):
        _draw_label(axes, results, label=label)
    layout: Any = figure.get_layout_engine()
    layout.set(wspace=0.06)
    figure.supxlabel("recall, %", fontsize=8.5, color=MUTED)
    figure.supylabel("precision, %", fontsize=8.5, color=MUTED)
    model_legend(figure, results.models)
    return figure


def choose_labels(n_positive: Sequence[int]) -> list[int]:
    """Choose the labels that get a plot: those with positives, if too many the ones with the most."""
    by_count = sorted(range(len(n_positive)), key=lambda label: (-n_positive[label], label))
    return sorted(label for label in by_count[:MAX_PANELS] if n_positive[label] > 0)


def _draw_label(axes: Axes, results: RunResults, *, label: int) -> None:
    n_positive, n_known = results.models[0].n_positive[label], results.models[0].n_known[label]
    axes.axhline(100 * n_positive / n_known, color=MUTED, linewidth=0.8, linestyle=(0, (1, 2)))
    for position, model in enumerate(results.models):
        _draw_curve(axes, model.label_curves[label], position=position, linewidth=1.4)
        precision, recall = (model.per_label[name][label] for name in ("precision", "recall"))
        _draw_decision(axes, precision, recall, position=position, size=5.5)
    quiet_axes(axes, grid="both")
    axes.set_title(f"{plain_text(results.data.labels[label].name, n_letters=21)}  ({n_positive})")


def _draw_curve(axes: Axes, curve: PrecisionRecall | None, *, position: int, linewidth: float) -> None:
    """Draw steps: between two recalls the precision is that of the higher one, down to recall 0."""
    if curve is None:
        return
    recall = 100 * np.append(curve.recall, 0)
    precision = 100 * np.append(curve.precision, curve.precision[-1])
    axes.step(recall, precision, where="post", color=color_of(position), linewidth=linewidth, alpha=0.9)


def _draw_decision(
    axes: Axes, precision: float | None, recall: float | None, *, position: int, size: float
) -> None:
    """Mark where the thresholds put a model; a model that gives no label has no such point."""
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


def panels_of(calibration: CalibrationResult) -> dict[str, Reliability]:
    """Return the diagrams to draw by their titles: two where a calibration is used, else one."""
    before = calibration.before.reliability
    if not calibration.is_used:
        return {"probabilities as they are": before}
    return {"before calibration": before, "after calibration": calibration.after.reliability}


def draw_reliability(results: RunResults) -> Figure | None:
    """Draw the diagrams side by side; None where no photos can tell."""
    calibration = results.best.calibration
    if calibration is None or not calibration.before.reliability.mean_score:
        return None
    panels = panels_of(calibration)
    figure = new_figure(height_inches=4.1, width_inches=3.9 * len(panels))
    drawn: Any = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axes, (title, reliability) in zip(drawn, panels.items(), strict=True):
        _draw_reliability_panel(axes, reliability, color=color_of(results.best_index))
        axes.set_title(title)
    drawn[0].set_ylabel("actually present, %")
    return figure


def labels_with_points(calibration: CalibrationResult) -> list[int]:
    """Return the labels that get a diagram: those with known photos, if too many the ones with most."""
    points = calibration.before.label_reliability
    n_known = [sum(of_label.n_cells) for of_label in points]
    most = sorted(range(len(points)), key=lambda label: (-n_known[label], label))[:MAX_PANELS]
    return sorted(label for label in most if n_known[label])


def draw_label_reliability(results: RunResults) -> Figure | None:
    """Draw a small diagram per label; None where no photos can tell, or one diagram says it all."""
    calibration = results.best.calibration
    if calibration is None or len(results.data.labels) == 1:
        return None
    labels = labels_with_points(calibration)
    if not labels:
        return None
    figure, panels = small_panels(len(labels), panel_inches=2.0, margin_inches=0.75)
    color = color_of(results.best_index)
    for axes, label in zip(panels, labels, strict=True):
        if calibration.is_used:
            _draw_points(axes, calibration.before.label_reliability[label], color=MUTED, has_band=False)
        _draw_points(axes, calibration.kept.label_reliability[label], color=color, has_band=True)
        _frame_reliability(axes)
        axes.set_title(plain_text(results.data.labels[label].name, n_letters=21))
    panels[0].set(xticks=(0, 50, 100), yticks=(0, 50, 100))
    figure.supxlabel("predicted probability, %", fontsize=8.5, color=MUTED)
    figure.supylabel("actually present, %", fontsize=8.5, color=MUTED)
    if calibration.is_used:
        pairs = {"before calibration": MUTED, "after calibration": color}
        handles = [Line2D([], [], color=shade, marker="o", label=name) for name, shade in pairs.items()]
        figure.legend(handles=handles, loc="outside upper left", ncols=2)
    return figure


def _draw_reliability_panel(axes: Axes, points: Reliability, *, color: str) -> None:
    _draw_points(axes, points, color=color, has_band=True)
    _frame_reliability(axes)
    axes.set(xticks=range(0, 101, 25), yticks=range(0, 101, 25))
    axes.set_xlabel("predicted probability, %")


def _frame_reliability(axes: Axes) -> None:
    """Draw what is the same in each diagram: the line of calibrated probabilities, and a square around it."""
    quiet_axes(axes, grid="both")
    axes.plot([0, 100], [0, 100], color=MUTED, linewidth=1, linestyle=(0, (3, 3)), zorder=1)
    axes.set(xlim=(0, 100), ylim=(0, 102))
    axes.set_aspect("equal")


def _draw_points(axes: Axes, points: Reliability, *, color: str, has_band: bool) -> None:
    mean, share, low, high = (
        100 * np.array(values)
        for values in (points.mean_score, points.share_present, points.low, points.high)
    )
    if has_band:
        axes.vlines(mean, low, high, color=color, alpha=0.45, linewidth=2)
    axes.plot(
        mean, share, "o-", color=color, linewidth=1.2, markersize=5.5, markeredgecolor="white", clip_on=False
    )
