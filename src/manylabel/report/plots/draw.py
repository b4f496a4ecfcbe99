"""Draw every plot of a run.

In:  facts.
Out: PNG pictures by name; a plot for which there is nothing to show is left out.
"""

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure

from manylabel.report.plots.calibration import draw_label_reliability, draw_reliability
from manylabel.report.plots.counts import draw_co_occurrence, draw_label_counts, draw_labels_per_photo
from manylabel.report.plots.curves import draw_label_curves, draw_overall_curves
from manylabel.report.plots.intervals import draw_intervals
from manylabel.report.plots.labels import draw_average_precision
from manylabel.report.plots.learning import draw_label_learning_curves, draw_learning_curve
from manylabel.report.plots.losses import draw_losses
from manylabel.report.plots.style import plot_style, to_png

PLOTS: dict[str, Callable[[Mapping[str, Any]], Figure | None]] = {
    "intervals": draw_intervals,
    "average_precision": draw_average_precision,
    "reliability": draw_reliability,
    "reliability_labels": draw_label_reliability,
    "learning_curve": draw_learning_curve,
    "learning_curve_labels": draw_label_learning_curves,
    "precision_recall": draw_overall_curves,
    "precision_recall_labels": draw_label_curves,
    "label_counts": draw_label_counts,
    "labels_per_photo": draw_labels_per_photo,
    "co_occurrence": draw_co_occurrence,
    "losses": draw_losses,
}
"""The plots of a run by the names of their files."""


@dataclass(frozen=True, kw_only=True)
class Picture:
    """Hold a drawn plot.

    Attributes:
        png: The PNG file.
    """

    png: bytes

    @property
    def size(self) -> tuple[int, int]:
        """Return width and height in pixels; they stand at a fixed place of every PNG file."""
        width, height = struct.unpack(">II", self.png[16:24])
        return width, height


def draw_plots(facts: Mapping[str, Any]) -> dict[str, Picture]:
    """Draw every plot that has something to show.

    Args:
        facts: What ``collect_facts`` returned.

    Returns:
        Pictures by the names of ``PLOTS``.
    """
    pictures = {}
    with plot_style():
        for name, draw in PLOTS.items():
            figure = draw(facts)
            if figure is not None:
                pictures[name] = Picture(png=to_png(figure))
    return pictures
