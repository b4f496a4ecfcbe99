"""Draw part (a): seconds against test mAP.

In:  records.
Out: a PNG, a panel per photo set and network, one color per tool, every point with its name.
"""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from benchmarks.goals import OURS, Records, find
from benchmarks.results import Record

COLOURS = {
    OURS: "#c1121f",
    "torchvision": "#5f6b7a",
    "fastai": "#2a7f9e",
    "hf_trainer": "#b7791f",
    "lightly_train": "#6a4c93",
}
"""A color per tool; variants of a tool share it. A tool that is not listed is drawn in black."""

_PANEL_INCHES = (4.0, 3.3)
_LEAST_GAP = 0.065
_ROOM_LEFT, _ROOM_RIGHT = 1.15, 0.75


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


def color_of(tool: str) -> str:
    """Return the color of a tool or of a variant of it.

    Examples:
        >>> color_of("manylabel top") == color_of("manylabel quick")
        True
    """
    return next((color for name, color in COLOURS.items() if tool.startswith(name)), "black")


def _draw_panel(panel: Any, found: Sequence[Record], *, title: str) -> None:
    if not found:
        panel.set_axis_off()
        return
    panel.set_title(title, fontsize=10, loc="left")
    panel.grid(alpha=0.25, linewidth=0.6)
    panel.set_xscale("log")
    seconds = [record["medians"]["seconds"] for record in found]
    points = [100 * record["medians"]["mAP"] for record in found]
    # Names stand outside, left of the fast tools and right of the slow ones, where no other point is.
    spread = max(max(seconds) / min(seconds), 8.0)
    panel.set_xlim(min(seconds) / spread**_ROOM_LEFT, max(seconds) * spread**_ROOM_RIGHT)
    span = max(max(points) - min(points), 2.0)
    panel.set_ylim(min(points) - 0.15 * span, max(points) + 0.2 * span)
    # Plain numbers in place of powers of ten.
    panel.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    panel.xaxis.set_minor_formatter(NullFormatter())
    middle = (min(seconds) * max(seconds)) ** 0.5
    for is_left, place in ((True, min(seconds) / 1.35), (False, max(seconds) * 1.35)):
        side = [number for number, second in enumerate(seconds) if (second <= middle) == is_left]
        heights = spread_out([points[number] for number in side], least_gap=_LEAST_GAP * 1.3 * span)
        for number, height in zip(side, heights, strict=True):
            _name_point(panel, found[number], name_at=(place, height), is_left=is_left)


def _name_point(panel: Any, record: Record, *, name_at: tuple[float, float], is_left: bool) -> None:
    """Draw a point, and its name in the column on its side."""
    tool = record["key"]["tool"]
    point = record["medians"]["seconds"], 100 * record["medians"]["mAP"]
    panel.plot(*point, "o", color=color_of(tool), markersize=7)
    panel.annotate(
        tool,
        point,
        xytext=name_at,
        ha="right" if is_left else "left",
        va="center",
        color=color_of(tool),
        fontweight="bold" if tool.startswith(OURS) else "normal",
        fontsize=9,
        arrowprops={
            "arrowstyle": "-",
            "color": color_of(tool),
            "linewidth": 0.7,
            "shrinkA": 0,
            "shrinkB": 3,
        },
    )


def spread_out(heights: Sequence[float], *, least_gap: float) -> list[float]:
    """Move heights apart, both ways, until no two are closer than a gap.

    Examples:
        >>> [round(height, 2) for height in spread_out([1.0, 0.0, 1.1], least_gap=0.5)]
        [0.8, 0.0, 1.3]
    """
    order = sorted(range(len(heights)), key=lambda number: heights[number])
    moved = list(heights)
    for _ in range(200):
        for below, above in pairwise(order):
            lacking = least_gap - (moved[above] - moved[below])
            if lacking > 0:
                moved[below] -= lacking / 2
                moved[above] += lacking / 2
    return moved
