"""Draw whether probabilities mean what they say.

In:  facts.
Out: reliability diagrams of the best network, before and after calibration.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from manylabel.report.plots.style import MUTED, color_of, new_figure, quiet_axes


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


def _draw_panel(axes: Axes, reliability: Mapping[str, Any], *, color: str) -> None:
    mean, share, low, high = (
        100 * np.array(reliability[name], dtype=np.float64)
        for name in ("mean_score", "share_present", "low", "high")
    )
    quiet_axes(axes, grid="both")
    axes.plot([0, 100], [0, 100], color=MUTED, linewidth=1, linestyle=(0, (3, 3)), zorder=1)
    axes.vlines(mean, low, high, color=color, alpha=0.45, linewidth=2)
    axes.plot(
        mean, share, "o-", color=color, linewidth=1.2, markersize=5.5, markeredgecolor="white", clip_on=False
    )
    axes.set(xlim=(0, 100), ylim=(0, 102), xticks=range(0, 101, 25), yticks=range(0, 101, 25))
    axes.set_aspect("equal")
    axes.set_xlabel("probability given, %")
