"""List every metric with all that tables, plots and intervals need to know about it.

In:  targets, scores and decisions [n_photos, n_labels].
Out: one number per metric, or one per metric and label, by name, in the order of the registry.

A new metric is a function in ``metrics.py`` and an entry here. One of all labels together is then measured,
gets an interval, can be compared between models, and shows up in tables, reports and files; one per label
stands in the report's numbers per label and in files.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from manylabel.metrics import metrics
from manylabel.metrics.resamples import BoolArray, Resamples
from manylabel.types import FloatArray


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A metric and what is shown of it.

    Attributes:
        name: Its key in files and in Python, scikit-learn's or the literature's name.
        heading: Its name in tables and plots.
        short_heading: The same in narrow tables; not given: ``heading``.
        description: What it measures, in words that follow a colon.
        compute: Its values on resamples of photos: [n_resamples], or [n_resamples, n_labels] per label.
        is_per_label: Whether it has a value per label, instead of one for all labels together.
        is_main: Whether tables show it first, with its interval; it is a share of all labels together.
        direction: Which values are better.
        unit: How it is written: "percent" for shares, "number" for anything else.
        highest: Its highest value; the lowest is 0.
        rests_on: What decides how much the photos can tell of it: all of them, those with a label, or those
            with the median label, where it is a mean over labels and as uncertain as these.
        absent_label_is_0: Whether a label that no photo carries adds 0 to its mean over labels.

    Raises:
        ValueError: Tables would show it first, but it is no share, or one per label.
    """

    name: str
    heading: str
    short_heading: str = ""
    description: str
    compute: Callable[[Resamples], FloatArray]
    is_per_label: bool = False
    is_main: bool = False
    direction: Literal["higher", "lower"] = "higher"
    unit: Literal["percent", "number"] = "percent"
    highest: Literal[1, "n_labels"] = 1
    rests_on: Literal["photos", "positives", "median_label"] = "positives"
    absent_label_is_0: bool = False

    def __post_init__(self) -> None:
        """Check that tables can show it."""
        if self.is_main and (self.is_per_label or self.unit != "percent"):
            raise ValueError(
                f"metric '{self.name}': main metrics are written in percent and are of all labels together; "
                "leave out is_main"
            )

    def highest_value(self, *, n_labels: int) -> float:
        """Return its highest value."""
        return float(max(n_labels, 1)) if self.highest == "n_labels" else 1.0


_ALL = (
    Metric(
        name="binary_accuracy",
        heading="Binary accuracy",
        short_heading="Binary acc.",
        description="share of all cells, a photo and a label each, that are right",
        compute=metrics.binary_accuracy,
        is_main=True,
        rests_on="photos",
    ),
    Metric(
        name="exact_match",
        heading="Exact match",
        description="share of photos with every label right",
        compute=metrics.exact_match,
        is_main=True,
        rests_on="photos",
    ),
    Metric(
        name="mAP",
        heading="mAP",
        description="how well photos with a label rank above those without it, mean over labels",
        compute=metrics.mean_average_precision,
        is_main=True,
        rests_on="median_label",
    ),
    Metric(
        name="f1_macro",
        heading="F1 macro",
        description="mean over labels of the F1, the harmonic mean of precision and recall",
        compute=metrics.f1_macro,
        is_main=True,
        absent_label_is_0=True,
    ),
    Metric(
        name="f1_micro",
        heading="F1 micro",
        description="F1 of all cells together",
        compute=metrics.f1_micro,
    ),
    Metric(
        name="f1_samples",
        heading="F1 samples",
        description="mean over photos of the F1 of their labels",
        compute=metrics.f1_samples,
    ),
    Metric(
        name="auroc_macro",
        heading="AUROC macro",
        description="mean over labels of the area under the ROC curve",
        compute=metrics.auroc_macro,
    ),
    Metric(
        name="hamming_loss",
        heading="Hamming loss",
        description="share of all cells that are wrong",
        compute=metrics.hamming_loss,
        direction="lower",
        rests_on="photos",
    ),
    Metric(
        name="CP",
        heading="CP",
        description="mean over labels of the precision",
        compute=metrics.class_precision,
        absent_label_is_0=True,
    ),
    Metric(
        name="CR",
        heading="CR",
        description="mean over labels of the recall",
        compute=metrics.class_recall,
        absent_label_is_0=True,
    ),
    Metric(
        name="CF1",
        heading="CF1",
        description="harmonic mean of CP and CR",
        compute=metrics.class_f1,
        absent_label_is_0=True,
    ),
    Metric(
        name="OP",
        heading="OP",
        description="precision of all cells together",
        compute=metrics.overall_precision,
    ),
    Metric(
        name="OR",
        heading="OR",
        description="recall of all cells together",
        compute=metrics.overall_recall,
    ),
    Metric(
        name="OF1",
        heading="OF1",
        description="harmonic mean of OP and OR",
        compute=metrics.overall_f1,
    ),
    Metric(
        name="coverage_error",
        heading="Coverage error",
        description="labels to go down a photo's ranking until all true ones are met, mean over photos",
        compute=metrics.coverage_error,
        direction="lower",
        unit="number",
        highest="n_labels",
        rests_on="photos",
    ),
    Metric(
        name="ranking_loss",
        heading="Ranking loss",
        description="share of a photo's (true, false) label pairs in the wrong order, mean over photos",
        compute=metrics.ranking_loss,
        direction="lower",
    ),
    Metric(
        name="average_precision",
        heading="Average precision",
        short_heading="AP",
        description="how well the photos with the label rank above those without it",
        compute=metrics.average_precision,
        is_per_label=True,
    ),
    Metric(
        name="auroc",
        heading="AUROC",
        description="area under the ROC curve",
        compute=metrics.auroc,
        is_per_label=True,
    ),
    Metric(
        name="precision",
        heading="Precision",
        description="share of the photos predicted to have the label that do",
        compute=metrics.precision,
        is_per_label=True,
    ),
    Metric(
        name="recall",
        heading="Recall",
        description="share of the photos with the label that are predicted to have it",
        compute=metrics.recall,
        is_per_label=True,
    ),
    Metric(
        name="f1",
        heading="F1",
        description="harmonic mean of precision and recall",
        compute=metrics.f1,
        is_per_label=True,
    ),
)

METRICS: dict[str, Metric] = {metric.name: metric for metric in _ALL}
"""All metrics by name: first those of all labels together, in the order of tables, then those per label."""


def list_metrics(*, is_per_label: bool = False) -> list[Metric]:
    """Return the metrics of all labels together, or those that have a value per label."""
    return [metric for metric in METRICS.values() if metric.is_per_label == is_per_label]


def measure(targets: FloatArray, scores: FloatArray, decisions: BoolArray) -> dict[str, float]:
    """Compute every metric of all labels together.

    Args:
        targets: Float array [n_photos, n_labels]: 1 present, 0 absent, NaN unknown.
        scores: Float array [n_photos, n_labels].
        decisions: Which labels were given [n_photos, n_labels].

    Returns:
        Metrics by name, in the order of the table. NaN where a metric is undefined.

    Raises:
        ValueError: The three differ in shape.

    Examples:
        >>> import numpy as np
        >>> targets, scores = np.array([[1.0, 0.0], [0.0, np.nan]]), np.array([[0.9, 0.2], [0.4, 0.7]])
        >>> values = measure(targets, scores, scores >= 0.3)
        >>> round(values["binary_accuracy"], 3), values["exact_match"], values["mAP"]
        (0.667, 0.5, 1.0)
    """
    photos = Resamples(targets, scores=scores, decisions=decisions)
    return {metric.name: float(metric.compute(photos)[0]) for metric in list_metrics()}


def measure_labels(targets: FloatArray, scores: FloatArray, decisions: BoolArray) -> dict[str, FloatArray]:
    """Compute the metrics of each label by itself; arguments and errors as for ``measure``.

    Returns:
        Arrays [n_labels] by name: ``n_positive`` and ``n_known`` (photos), then the metrics per label.

    Examples:
        >>> import numpy as np
        >>> targets, scores = np.array([[1.0, 0.0], [0.0, np.nan]]), np.array([[0.9, 0.2], [0.4, 0.7]])
        >>> labels = measure_labels(targets, scores, scores >= 0.3)
        >>> labels["n_known"], labels["precision"]
        (array([2., 1.]), array([0.5, 0. ]))
    """
    photos = Resamples(targets, scores=scores, decisions=decisions)
    counts = {"n_positive": photos.by_label.present[0], "n_known": photos.by_label.known[0]}
    return counts | {metric.name: metric.compute(photos)[0] for metric in list_metrics(is_per_label=True)}
