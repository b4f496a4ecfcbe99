"""Draw part (a): seconds against test mAP.

In:  records.
Out: a PNG, a panel per photo set and network, one colour per tool, every point with its name.
"""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from benchmarks.goals import OURS, Records, find
from benchmarks.results import Record

COLOURS = {
    OURS: "#c1121f",
    "torchvision": "#5f6b7a",
    "fastai": "#2a7f9e",
    "hf_trainer": "#b7791f",
    "lightly_train": "#6a4c93",
}
"""A colour per tool; variants of a tool share it. A tool that is not listed is drawn in black."""

_PANEL_INCHES = (4.0, 3.3)
_LEAST_GAP = 0.075


def draw_plot(path: Path, records: Records) -> None:
    """Draw the panels; the fastest and best tools are in the upper left corner."""
    measured = find(records, "training")
    sets, networks = (list(dict.fromkeys(r["key"][name] for r in measured)) for name in ("set", "network"))
    width, height = _PANEL_INCHES[0] * len(networks), _PANEL_INCHES[1] * len(sets)
    with mpl.rc_context({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(width, height), layout="constrained")
        panels = figure.subplots(len(sets), len(networks), squeeze=False)
        for row, photo_set in enumerate(sets):
            for column, network in enumerate(networks):
                found = find(records, "training", set=photo_set, network=network)
                _draw_panel(panels[row, column], found, title=f"{photo_set}, {network}")
                panels[row, 0].set_ylabel("test mAP, %")
                panels[-1, column].set_xlabel("seconds from photos to scores")
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=130, facecolor="white")


def colour_of(tool: str) -> str:
    """Return the colour of a tool or of a variant of it.

    Examples:
        >>> colour_of("manylabel top") == colour_of("manylabel quick")
        True
    """
    return next((colour for name, colour in COLOURS.items() if tool.startswith(name)), "black")


def _draw_panel(panel: Any, found: Sequence[Record], *, title: str) -> None:
    panel.set_title(title, fontsize=10, loc="left")
    panel.grid(alpha=0.25, linewidth=0.6)
    if not found:
        return
    panel.set_xscale("log")
    seconds = [record["medians"]["seconds"] for record in found]
    points = [100 * record["medians"]["mAP"] for record in found]
    panel.set_xlim(min(seconds) / 1.6, max(seconds) * 1.6)
    span = max(max(points) - min(points), 2.0)
    panel.set_ylim(min(points) - 0.15 * span, max(points) + 0.15 * span)
    # Plain numbers in place of powers of ten.
    panel.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    panel.xaxis.set_minor_formatter(lambda value, _: f"{value:g}" if f"{value:g}"[0] in "25" else "")
    heights = spread_out(points, least_gap=_LEAST_GAP * 1.3 * span)
    middle = (min(seconds) * max(seconds)) ** 0.5
    for record, second, point, height in zip(found, seconds, points, heights, strict=True):
        tool = record["key"]["tool"]
        panel.plot(second, point, "o", color=colour_of(tool), markersize=7)
        is_left = second <= middle
        panel.annotate(
            tool,
            (second, point),
            xytext=(second * (1.12 if is_left else 1 / 1.12), height),
            textcoords="data",
            ha="left" if is_left else "right",
            va="center",
            color=colour_of(tool),
            fontweight="bold" if tool.startswith(OURS) else "normal",
            fontsize=9,
        )


def spread_out(heights: Sequence[float], *, least_gap: float) -> list[float]:
    """Move heights apart, upwards from the lowest, until no two are closer than a gap.

    Examples:
        >>> spread_out([1.0, 0.0, 1.1], least_gap=0.5)
        [1.0, 0.0, 1.5]
    """
    order = sorted(range(len(heights)), key=lambda number: heights[number])
    moved = list(heights)
    for below, above in pairwise(order):
        moved[above] = max(moved[above], moved[below] + least_gap)
    return moved
