"""Draw how sure the main numbers are.

In:  facts.
Out: mAP and exact match of every network and baseline, each with its 95 % interval.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from manylabel.metrics.registry import METRICS
from manylabel.report.plots.style import (
    INK,
    MUTED,
    PALE,
    color_of,
    display_name,
    marker_of,
    new_figure,
    plain_text,
    quiet_axes,
)

_SHOWN = ("mAP", "exact_match")


def draw_intervals(facts: Mapping[str, Any]) -> Figure | None:
    """Draw a row per network and baseline, a panel per metric; None where both are undefined."""
    models, entries = facts["models"], [*facts["models"], *facts["baselines"]]
    if all(entry["metrics"][name] is None for entry in entries for name in _SHOWN):
        return None
    names = [display_name(model) for model in models]
    names += [plain_text(baseline["model"], n_letters=34) for baseline in facts["baselines"]]
    figure = new_figure(height_inches=0.3 * len(entries) + 0.75)
    panels: Any = figure.subplots(1, len(_SHOWN), sharey=True)
    for axes, name in zip(panels, _SHOWN, strict=True):
        _draw_panel(axes, entries, name=name, n_models=len(models))
        axes.set_xlabel(f"{METRICS[name].heading}, %")
    panels[0].set_yticks(range(len(names)), names)
    panels[0].set_ylim(len(names) - 0.5, -0.5)
    for row, tick in enumerate(panels[0].get_yticklabels()):
        tick.set_color(INK if row < len(models) else MUTED)
    return figure


def _draw_panel(axes: Axes, entries: Sequence[Mapping[str, Any]], *, name: str, n_models: int) -> None:
    quiet_axes(axes, grid="x")
    axes.axhspan(n_models - 0.5, len(entries) - 0.5, color=PALE, alpha=0.6, zorder=0, linewidth=0)
    for row, entry in enumerate(entries):
        value, ends = entry["metrics"][name], entry["intervals"][name]
        if value is None:
            axes.text(1, row, "undefined", va="center", fontsize=8, color=MUTED)
            continue
        is_model = row < n_models
        color, marker = (color_of(row), marker_of(row)) if is_model else (MUTED, "|")
        if None not in ends:
            axes.plot(100 * np.array(ends), [row, row], color=color, linewidth=2, alpha=0.6)
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
