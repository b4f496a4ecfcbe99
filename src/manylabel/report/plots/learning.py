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

from manylabel.report.plots.curves import choose_labels
from manylabel.report.plots.style import (
    MUTED,
    color_of,
    marker_of,
    model_legend,
    new_figure,
    plain_text,
    quiet_axes,
    small_panels,
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


def draw_label_learning_curves(facts: Mapping[str, Any]) -> Figure | None:
    """Draw a small curve per label, with its band; None where one curve says it all."""
    found = curve_of(facts)
    labels = choose_labels(facts)
    if found is None or not labels or len(facts["data"]["labels"]) == 1:
        return None
    figure, panels = small_panels(len(labels), panel_inches=1.7, margin_inches=0.5)
    position = [model["learning_curve"] for model in facts["models"]].index(found[1])
    for axes, label in zip(panels, labels, strict=True):
        of_label = {
            "n_photos": found[1]["n_photos"],
            "values": [values[label] for values in found[1]["label_values"]],
            "bands": [bands[label] for bands in found[1]["label_bands"]],
        }
        _draw_curve(axes, of_label, position=position, has_band=True)
        quiet_axes(axes)
        axes.set_title(plain_text(facts["data"]["labels"][label]["name"], n_letters=21))
    panels[0].set_xlim(left=0)
    panels[0].set_ylim(0, 100)
    figure.supxlabel("photos that a head learned from", fontsize=8.5, color=MUTED)
    figure.supylabel("average precision, %", fontsize=8.5, color=MUTED)
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
