"""Draw whether more photos would help.

In:  facts.
Out: the mAP of held-out photos by how many photos taught, with the band of the best network.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from manylabel.report.plots.style import (
    color_of,
    marker_of,
    model_legend,
    new_figure,
    quiet_axes,
)


def curve_of(facts: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]] | None:
    """Return the learning curve to speak of and its network: the best one's, else the first there is."""
    models = facts["models"]
    for model in (models[facts["best"]], *models):
        if model["learning_curve"] is not None:
            return model["model"], model["learning_curve"]
    return None


def half_of(curve: Mapping[str, Any]) -> int:
    """Return the place of the point with half of the photos.

    Examples:
        >>> half_of({"n_photos": [32, 64, 96, 128]})
        1
    """
    n_photos = np.array(curve["n_photos"])
    return int(np.argmin(np.abs(n_photos - n_photos[-1] / 2)))


def draw_learning_curve(facts: Mapping[str, Any]) -> Figure | None:
    """Draw the learning curves; None where none was measured or nothing is defined."""
    drawn = [
        position
        for position, model in enumerate(facts["models"])
        if model["learning_curve"] is not None
        and any(value is not None for value in model["learning_curve"]["values"])
    ]
    found = curve_of(facts)
    if not drawn or found is None:
        return None
    figure = new_figure(height_inches=3.9, width_inches=7.4)
    axes = figure.subplots()
    for position in drawn:
        model = facts["models"][position]
        _draw_curve(
            axes, model["learning_curve"], position=position, has_band=model["learning_curve"] is found[1]
        )
    quiet_axes(axes)
    axes.set_xlim(left=0)
    axes.yaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.set_xticks(sorted({n for p in drawn for n in facts["models"][p]["learning_curve"]["n_photos"]}))
    axes.set_xlabel("photos that a head learned from")
    axes.set_ylabel("mAP of held-out photos, %")
    model_legend(figure, facts["models"])
    return figure


def _draw_curve(axes: Axes, curve: Mapping[str, Any], *, position: int, has_band: bool) -> None:
    color = color_of(position)
    n_photos = curve["n_photos"]
    values, bands = (100 * np.array(curve[name], dtype=np.float64) for name in ("values", "bands"))
    if has_band:
        axes.fill_between(n_photos, bands[:, 0], bands[:, 1], color=color, alpha=0.15, linewidth=0)
    axes.plot(
        n_photos,
        values,
        color=color,
        marker=marker_of(position),
        markersize=6,
        markeredgecolor="white",
        linewidth=2 if has_band else 1.3,
    )
