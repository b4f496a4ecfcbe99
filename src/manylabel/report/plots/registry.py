"""Every plot of a run, with its caption.

In:  results.
Out: PNG pictures by name; a plot for which there is nothing to show is left out.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass

from matplotlib.figure import Figure

from manylabel.report.plots.counts import draw_co_occurrence, draw_label_counts, draw_labels_per_photo
from manylabel.report.plots.curves import (
    draw_label_curves,
    draw_label_reliability,
    draw_overall_curves,
    draw_reliability,
)
from manylabel.report.plots.labels import draw_average_precision, draw_intervals
from manylabel.report.plots.learning import draw_label_learning_curves, draw_learning_curve, draw_losses
from manylabel.report.plots.style import plot_style, to_png
from manylabel.report.text import captions
from manylabel.results import RunResults


@dataclass(frozen=True)
class Plot:
    """A plot of the report.

    Attributes:
        title: What it shows, for those who cannot see it.
        draw: Returns its figure; None where there is nothing to show.
        caption: Returns a sentence or two on what is to be seen in it.
    """

    title: str
    draw: Callable[[RunResults], Figure | None]
    caption: Callable[[RunResults], str]


PLOTS = {
    "intervals": Plot("mAP and exact match with 95 % intervals", draw_intervals, captions.caption_intervals),
    "average_precision": Plot(
        "Average precision per label", draw_average_precision, captions.caption_average_precision
    ),
    "reliability": Plot("Reliability diagram", draw_reliability, captions.caption_reliability),
    "reliability_labels": Plot(
        "Reliability diagram per label", draw_label_reliability, captions.caption_label_reliability
    ),
    "learning_curve": Plot("mAP by number of photos", draw_learning_curve, captions.caption_learning_curve),
    "learning_curve_labels": Plot(
        "Average precision by number of photos, per label",
        draw_label_learning_curves,
        captions.caption_label_learning_curves,
    ),
    "precision_recall": Plot(
        "Precision against recall", draw_overall_curves, captions.caption_precision_recall
    ),
    "precision_recall_labels": Plot(
        "Precision against recall per label", draw_label_curves, captions.caption_label_curves
    ),
    "label_counts": Plot("Photos per label", draw_label_counts, captions.caption_label_counts),
    "labels_per_photo": Plot("Labels per photo", draw_labels_per_photo, captions.caption_labels_per_photo),
    "co_occurrence": Plot("Labels that occur together", draw_co_occurrence, captions.caption_co_occurrence),
    "losses": Plot("Loss by epoch", draw_losses, captions.caption_losses),
}
"""The plots by the names of their files. A new one is an entry here, and its functions."""


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A drawn plot, as a PNG file."""

    png: bytes

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels, from the header of the file."""
        width, height = struct.unpack(">II", self.png[16:24])
        return width, height


def draw_plots(results: RunResults) -> dict[str, Picture]:
    """Draw every plot that has something to show.

    Args:
        results: What a run measured.

    Returns:
        Pictures by the names of ``PLOTS``.
    """
    with plot_style():
        figures = {name: plot.draw(results) for name, plot in PLOTS.items()}
        return {name: Picture(png=to_png(figure)) for name, figure in figures.items() if figure is not None}
