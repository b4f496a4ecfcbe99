"""Measure scores and decisions against the truth.

In:  targets [n_photos, n_labels] (1 present, 0 absent, NaN unknown), scores and decisions of the same shape.
Out: one number per metric, and a few metrics per label. What is undefined is NaN.

Unknown cells take no part anywhere. A photo or label without any known cell is left out of every mean; a
mean over nothing is NaN. Apart from that, values are equal to scikit-learn's with ``zero_division=0``: a
precision, recall or F1 whose denominator is 0 counts as 0, so a photo without labels that rightly gets none
adds 0 to ``f1_samples`` but a full hit to ``exact_match``.
"""

from dataclasses import dataclass

import numpy as np

from manylabel.metrics.curves import (
    BoolArray,
    auroc,
    average_precision,
    known_cells,
    precision_recall_curve,
)
from manylabel.types import FloatArray

__all__ = [
    "auroc",
    "auroc_macro",
    "average_precision",
    "binary_accuracy",
    "class_f1",
    "class_precision",
    "class_recall",
    "coverage_error",
    "exact_match",
    "f1",
    "f1_macro",
    "f1_micro",
    "f1_samples",
    "hamming_loss",
    "mean_average_precision",
    "measure",
    "measure_labels",
    "overall_f1",
    "overall_precision",
    "overall_recall",
    "precision",
    "precision_recall_curve",
    "ranking_loss",
    "recall",
]


def measure(targets: FloatArray, scores: FloatArray, decisions: BoolArray) -> dict[str, float]:
    """Compute every metric that a table of results shows.

    Args:
        targets: Float array [n_photos, n_labels]: 1 present, 0 absent, NaN unknown.
        scores: Float array [n_photos, n_labels].
        decisions: Which labels were given [n_photos, n_labels].

    Returns:
        Metrics by name, in the order of the table. ``hamming_loss``, ``coverage_error`` and ``ranking_loss``
        are better when low, the others when high. NaN where a metric is undefined.

    Raises:
        ValueError: The three differ in shape.

    Examples:
        >>> targets, scores = np.array([[1.0, 0.0], [0.0, np.nan]]), np.array([[0.9, 0.2], [0.4, 0.7]])
        >>> metrics = measure(targets, scores, scores >= 0.3)
        >>> round(metrics["binary_accuracy"], 3), metrics["exact_match"], metrics["mAP"]
        (0.667, 0.5, 1.0)
    """
    return {
        "binary_accuracy": binary_accuracy(targets, decisions),
        "exact_match": exact_match(targets, decisions),
        "mAP": mean_average_precision(targets, scores),
        "f1_macro": f1_macro(targets, decisions),
        "f1_micro": f1_micro(targets, decisions),
        "f1_samples": f1_samples(targets, decisions),
        "auroc_macro": auroc_macro(targets, scores),
        "hamming_loss": hamming_loss(targets, decisions),
        "CP": class_precision(targets, decisions),
        "CR": class_recall(targets, decisions),
        "CF1": class_f1(targets, decisions),
        "OP": overall_precision(targets, decisions),
        "OR": overall_recall(targets, decisions),
        "OF1": overall_f1(targets, decisions),
        "coverage_error": coverage_error(targets, scores),
        "ranking_loss": ranking_loss(targets, scores),
    }


def measure_labels(targets: FloatArray, scores: FloatArray, decisions: BoolArray) -> dict[str, FloatArray]:
    """Compute the metrics of each label by itself.

    Args:
        targets: Float array [n_photos, n_labels]: 1 present, 0 absent, NaN unknown.
        scores: Float array [n_photos, n_labels].
        decisions: Which labels were given [n_photos, n_labels].

    Returns:
        Arrays [n_labels] by name: ``n_positive`` and ``n_known`` (photos), ``average_precision``, ``auroc``,
        ``precision``, ``recall`` and ``f1``.

    Raises:
        ValueError: The three differ in shape.

    Examples:
        >>> targets, scores = np.array([[1.0, 0.0], [0.0, np.nan]]), np.array([[0.9, 0.2], [0.4, 0.7]])
        >>> labels = measure_labels(targets, scores, scores >= 0.3)
        >>> labels["n_known"], labels["precision"]
        (array([2., 1.]), array([0.5, 0. ]))
    """
    tally = _tally(targets, decisions, axis=0)
    return {
        "n_positive": tally.present,
        "n_known": tally.known,
        "average_precision": average_precision(targets, scores),
        "auroc": auroc(targets, scores),
        "precision": tally.precision(),
        "recall": tally.recall(),
        "f1": tally.f1(),
    }


def binary_accuracy(targets: FloatArray, decisions: BoolArray) -> float:
    """Compute the share of known cells that are right."""
    return _mean(_is_right(targets, decisions))


def hamming_loss(targets: FloatArray, decisions: BoolArray) -> float:
    """Compute the share of known cells that are wrong."""
    return _mean(1 - _is_right(targets, decisions))


def exact_match(targets: FloatArray, decisions: BoolArray) -> float:
    """Compute the share of photos whose known cells are all right (subset accuracy)."""
    is_right = _is_right(targets, decisions)
    is_judged = ~np.isnan(is_right).all(axis=1)
    return _mean(np.where(is_right == 0, 0.0, 1.0)[is_judged].min(axis=1, initial=1.0))


def precision(targets: FloatArray, decisions: BoolArray) -> FloatArray:
    """Compute the share of right ones among the photos given each label [n_labels]."""
    return _tally(targets, decisions, axis=0).precision()


def recall(targets: FloatArray, decisions: BoolArray) -> FloatArray:
    """Compute the share of photos with each label that were given it [n_labels]."""
    return _tally(targets, decisions, axis=0).recall()


def f1(targets: FloatArray, decisions: BoolArray) -> FloatArray:
    """Compute the harmonic mean of precision and recall of each label [n_labels]."""
    return _tally(targets, decisions, axis=0).f1()


def f1_macro(targets: FloatArray, decisions: BoolArray) -> float:
    """Compute the mean over the labels of their F1; labels without a positive count as 0."""
    return _mean(f1(targets, decisions))


def f1_micro(targets: FloatArray, decisions: BoolArray) -> float:
    """Compute the F1 of all known cells thrown together."""
    return _mean(_tally(targets, decisions, axis=None).f1())


def f1_samples(targets: FloatArray, decisions: BoolArray) -> float:
    """Compute the mean over the photos of their F1; photos without a label count as 0."""
    return _mean(_tally(targets, decisions, axis=1).f1())


def class_precision(targets: FloatArray, decisions: BoolArray) -> float:
    """Compute CP, the mean over the labels of their precision (Wang et al., arXiv:1604.04573)."""
    return _mean(precision(targets, decisions))


def class_recall(targets: FloatArray, decisions: BoolArray) -> float:
    """Compute CR, the mean over the labels of their recall (Wang et al., arXiv:1604.04573)."""
    return _mean(recall(targets, decisions))


def class_f1(targets: FloatArray, decisions: BoolArray) -> float:
    """Compute CF1, the harmonic mean of CP and CR; it is not the mean of the F1 scores, ``f1_macro``."""
    return _harmonic_mean(class_precision(targets, decisions), class_recall(targets, decisions))


def overall_precision(targets: FloatArray, decisions: BoolArray) -> float:
    """Compute OP, the precision of all known cells thrown together (Wang et al., arXiv:1604.04573)."""
    return _mean(_tally(targets, decisions, axis=None).precision())


def overall_recall(targets: FloatArray, decisions: BoolArray) -> float:
    """Compute OR, the recall of all known cells thrown together (Wang et al., arXiv:1604.04573)."""
    return _mean(_tally(targets, decisions, axis=None).recall())


def overall_f1(targets: FloatArray, decisions: BoolArray) -> float:
    """Compute OF1, the harmonic mean of OP and OR; the literature's name for ``f1_micro``."""
    return _harmonic_mean(overall_precision(targets, decisions), overall_recall(targets, decisions))


def mean_average_precision(targets: FloatArray, scores: FloatArray) -> float:
    """Compute the mean of the average precisions of the labels that have a known positive."""
    return _mean(average_precision(targets, scores))


def auroc_macro(targets: FloatArray, scores: FloatArray) -> float:
    """Compute the mean area under the ROC curve of the labels that have known positives and negatives."""
    return _mean(auroc(targets, scores))


def coverage_error(targets: FloatArray, scores: FloatArray) -> float:
    """Compute how many labels one must go down a photo's ranking to meet all of its true ones.

    It is a mean over the photos; labels that tie with the last true one count, a photo without labels adds 0
    (``sklearn.metrics.coverage_error``).

    Examples:
        >>> coverage_error(np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]]), np.eye(3)[:2])
        2.0
    """
    known = known_cells(targets, scores)
    lowest = np.where(targets == 1, scores, np.inf).min(axis=1, initial=np.inf, keepdims=True)
    depth = (known & (scores >= lowest)).sum(axis=1)
    return _mean(depth[known.any(axis=1)].astype(np.float64))


def ranking_loss(targets: FloatArray, scores: FloatArray) -> float:
    """Compute the share of a photo's pairs (true label, false label) that are ranked the wrong way round.

    It is a mean over the photos; a tie counts as wrong, a photo without a pair adds 0
    (``sklearn.metrics.label_ranking_loss``).

    Examples:
        >>> ranking_loss(np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]]), np.eye(3)[:2])
        0.25
    """
    known = known_cells(targets, scores)
    order = np.lexsort((targets, -scores), axis=1)  # best score first; in a tie the false label first
    ranked = np.take_along_axis(targets, order, axis=1)
    n_false_above = np.cumsum(ranked == 0, axis=1)
    n_wrong_pairs = np.where(ranked == 1, n_false_above, 0).sum(axis=1)
    n_pairs = (targets == 1).sum(axis=1) * (targets == 0).sum(axis=1)
    return _mean(_ratio(n_wrong_pairs, n_pairs, n_known=known.sum(axis=1)))


@dataclass(frozen=True, eq=False, kw_only=True)
class _Tally:
    """Count known cells per label, per photo or in all: hits, decided as present, truly present, all."""

    hits: FloatArray
    decided: FloatArray
    present: FloatArray
    known: FloatArray

    def precision(self) -> FloatArray:
        """Divide the hits by what was decided."""
        return _ratio(self.hits, self.decided, n_known=self.known)

    def recall(self) -> FloatArray:
        """Divide the hits by what is present."""
        return _ratio(self.hits, self.present, n_known=self.known)

    def f1(self) -> FloatArray:
        """Combine precision and recall."""
        return _ratio(2 * self.hits, self.decided + self.present, n_known=self.known)


def _tally(targets: FloatArray, decisions: BoolArray, *, axis: int | None) -> _Tally:
    """Count per label (axis 0), per photo (axis 1) or over all cells (None)."""
    known = known_cells(targets, decisions)
    is_present = targets == 1
    cells = (is_present & decisions, known & decisions, is_present, known)
    hits, decided, present, n_known = (np.asarray(cell.sum(axis=axis), dtype=np.float64) for cell in cells)
    return _Tally(hits=hits, decided=decided, present=present, known=n_known)


def _is_right(targets: FloatArray, decisions: BoolArray) -> FloatArray:
    """Compare cell by cell: 1 right, 0 wrong, NaN unknown."""
    known = known_cells(targets, decisions)
    return np.where(known, (targets == 1) == decisions, np.nan)


def _ratio(numerator: FloatArray, denominator: FloatArray, *, n_known: FloatArray) -> FloatArray:
    """Divide, with 0 where the denominator is 0 and NaN where nothing is known."""
    ratio = np.divide(numerator, denominator, out=np.zeros(np.shape(denominator)), where=denominator > 0)
    return np.where(n_known > 0, ratio, np.nan)


def _mean(values: FloatArray) -> float:
    """Average what is defined; NaN where nothing is."""
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if defined.size else float("nan")


def _harmonic_mean(first: float, second: float) -> float:
    """Combine two shares; 0 where both are 0."""
    return 2 * first * second / (first + second) if first + second != 0 else 0.0
