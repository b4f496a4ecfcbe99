"""Draw whether probabilities mean what they say.

In:  facts.
Out: reliability diagrams of the best network, of all labels together and of each, before and after
     calibration.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from manylabel.report.plots.curves import MAX_PANELS
from manylabel.report.plots.style import MUTED, color_of, new_figure, plain_text, quiet_axes, small_panels


def panels_of(calibration: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the diagrams to draw by their titles: two where a calibration is used, else one."""
    before = calibration["before"]["reliability"]
    if not calibration["is_used"]:
        return {"probabilities as they are": before}
    return {"before calibration": before, "after calibration": calibration["after"]["reliability"]}


def n_honest(reliability: Mapping[str, Any]) -> int:
    """Count the groups of cells whose mean score lies in the band of the share that is truly present.

    Examples:
        >>> n_honest({"mean_score": [0.1, 0.9], "low": [0.0, 0.5], "high": [0.2, 0.8]})
        1
    """
    mean, low, high = (
        np.array(reliability[name], dtype=np.float64) for name in ("mean_score", "low", "high")
    )
    return int(((low <= mean) & (mean <= high)).sum())


def draw_reliability(facts: Mapping[str, Any]) -> Figure | None:
    """Draw the diagrams side by side; None where no photos can tell."""
    calibration = facts["models"][facts["best"]]["calibration"]
    if calibration is None or not calibration["before"]["reliability"]["mean_score"]:
        return None
    panels = panels_of(calibration)
    figure = new_figure(height_inches=4.1, width_inches=3.9 * len(panels))
    drawn: Any = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axes, (title, reliability) in zip(drawn, panels.items(), strict=True):
        _draw_panel(axes, reliability, color=color_of(facts["best"]))
        axes.set_title(title)
    drawn[0].set_ylabel("truly present, %")
    return figure


def labels_with_points(calibration: Mapping[str, Any]) -> list[int]:
    """Return the labels that get a diagram: those with known photos, if too many the ones with most."""
    points = calibration["before"]["label_reliability"]
    n_known = [sum(of_label["n_cells"]) for of_label in points]
    most = sorted(range(len(points)), key=lambda label: (-n_known[label], label))[:MAX_PANELS]
    return sorted(label for label in most if n_known[label])


def draw_label_reliability(facts: Mapping[str, Any]) -> Figure | None:
    """Draw a small diagram per label; None where no photos can tell, or one diagram says it all."""
    calibration = facts["models"][facts["best"]]["calibration"]
    if calibration is None or len(facts["data"]["labels"]) == 1:
        return None
    labels = labels_with_points(calibration)
    if not labels:
        return None
    figure, panels = small_panels(len(labels), panel_inches=2.0, margin_inches=0.75)
    color = color_of(facts["best"])
    for axes, label in zip(panels, labels, strict=True):
        if calibration["is_used"]:
            _draw_points(axes, calibration["before"]["label_reliability"][label], color=MUTED, has_band=False)
        side = "after" if calibration["is_used"] else "before"
        _draw_points(axes, calibration[side]["label_reliability"][label], color=color, has_band=True)
        _frame(axes)
        axes.set_title(plain_text(facts["data"]["labels"][label]["name"], n_letters=21))
    panels[0].set(xticks=(0, 50, 100), yticks=(0, 50, 100))
    figure.supxlabel("probability given, %", fontsize=8.5, color=MUTED)
    figure.supylabel("truly present, %", fontsize=8.5, color=MUTED)
    if calibration["is_used"]:
        pairs = {"before calibration": MUTED, "after calibration": color}
        handles = [Line2D([], [], color=shade, marker="o", label=name) for name, shade in pairs.items()]
        figure.legend(handles=handles, loc="outside upper left", ncols=2)
    return figure


def _draw_panel(axes: Axes, points: Mapping[str, Any], *, color: str) -> None:
    _draw_points(axes, points, color=color, has_band=True)
    _frame(axes)
    axes.set(xticks=range(0, 101, 25), yticks=range(0, 101, 25))
    axes.set_xlabel("probability given, %")


def _frame(axes: Axes) -> None:
    """Draw what is the same in each diagram: the line of honest probabilities, and a square around it."""
    quiet_axes(axes, grid="both")
    axes.plot([0, 100], [0, 100], color=MUTED, linewidth=1, linestyle=(0, (3, 3)), zorder=1)
    axes.set(xlim=(0, 100), ylim=(0, 102))
    axes.set_aspect("equal")


def _draw_points(axes: Axes, points: Mapping[str, Any], *, color: str, has_band: bool) -> None:
    mean, share, low, high = (
        100 * np.array(points[name], dtype=np.float64)
        for name in ("mean_score", "share_present", "low", "high")
    )
    if has_band:
        axes.vlines(mean, low, high, color=color, alpha=0.45, linewidth=2)
    axes.plot(
        mean, share, "o-", color=color, linewidth=1.2, markersize=5.5, markeredgecolor="white", clip_on=False
    )
