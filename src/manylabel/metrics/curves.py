"""Judge how well scores rank the photos of each label.

In:  targets [n_photos, n_labels] (1 present, 0 absent, NaN unknown) and scores of the same shape.
Out: average precision and area under the ROC curve per label, and the precision-recall curve of one label.

Unknown cells take no part, whatever score stands in them. Where scikit-learn has the same metric, values
are equal to its own, ties included; where it guesses or warns because a class is missing, NaN stands here.
"""

import numpy as np
from numpy.typing import NDArray

from manylabel.metrics.arithmetic import divide
from manylabel.types import FloatArray

BoolArray = NDArray[np.bool_]


def known_cells(targets: FloatArray, answers: FloatArray | BoolArray) -> BoolArray:
    """Find the cells whose truth is known.

    Args:
        targets: 1 present, 0 absent, NaN unknown, of any shape.
        answers: The scores or decisions that belong to them, for a check.

    Returns:
        True where the target is known, in the shape of ``targets``.

    Raises:
        ValueError: Targets and answers differ in shape.

    Examples:
        >>> known_cells(np.array([[1.0, np.nan]]), np.array([[0.9, 0.2]]))
        array([[ True, False]])
    """
    if targets.shape != answers.shape:
        raise ValueError(
            f"targets have shape {targets.shape}, scores or decisions {answers.shape}; expected the same"
        )
    return ~np.isnan(targets)


def known_probabilities(targets: FloatArray, scores: FloatArray) -> BoolArray:
    """Find the cells whose truth is known, and check that their scores are probabilities.

    Args:
        targets: 1 present, 0 absent, NaN unknown, of any shape.
        scores: The scores that belong to them.

    Returns:
        True where the target is known, in the shape of ``targets``.

    Raises:
        ValueError: The two differ in shape, or a score of a known cell is no probability.

    Examples:
        >>> known_probabilities(np.array([1.0, np.nan]), np.array([0.9, np.nan]))
        array([ True, False])
    """
    known = known_cells(targets, scores)
    if not ((scores[known] >= 0) & (scores[known] <= 1)).all():
        raise ValueError("scores of known cells must be probabilities between 0 and 1, not logits or NaN")
    return known


def average_precision(targets: FloatArray, scores: FloatArray) -> FloatArray:
    """Compute the average precision of each label.

    AP is the sum over all distinct scores of (recall gained there) x (precision there), as in
    ``sklearn.metrics.average_precision_score``; nothing is interpolated.

    Args:
        targets: Float array [n_photos, n_labels]: 1 present, 0 absent, NaN unknown.
        scores: Float array [n_photos, n_labels].

    Returns:
        Average precision [n_labels] in (0, 1]; NaN where a label has no known positive.

    Examples:
        >>> targets = np.array([[1.0, 0.0], [0.0, 0.0], [1.0, np.nan]])
        >>> average_precision(targets, np.array([[0.9, 0.1], [0.6, 0.2], [0.4, 0.3]]))
        array([0.83333333,        nan])
    """
    true_positives, false_positives = _counts_down_the_ranking(targets, scores)
    n_above = true_positives + false_positives
    precision = np.divide(true_positives, n_above, out=np.zeros_like(n_above), where=n_above > 0)
    gained = (np.diff(true_positives, axis=0) * precision[1:]).sum(axis=0)
    return divide(gained, true_positives[-1])


def auroc(targets: FloatArray, scores: FloatArray) -> FloatArray:
    """Compute the area under the ROC curve of each label.

    It is the chance that a photo with the label scores higher than one without it; a tie counts half.

    Args:
        targets: Float array [n_photos, n_labels]: 1 present, 0 absent, NaN unknown.
        scores: Float array [n_photos, n_labels].

    Returns:
        Area [n_labels] in [0, 1]; NaN where a label has no known positive or no known negative.

    Examples:
        >>> targets = np.array([[1.0, 0.0], [0.0, 0.0], [1.0, np.nan]])
        >>> auroc(targets, np.array([[0.9, 0.1], [0.6, 0.2], [0.4, 0.3]]))
        array([0.5, nan])
    """
    true_positives, false_positives = _counts_down_the_ranking(targets, scores)
    widths = np.diff(false_positives, axis=0)
    heights = (true_positives[1:] + true_positives[:-1]) / 2
    return divide((widths * heights).sum(axis=0), true_positives[-1] * false_positives[-1])


def precision_recall_curve(
    targets: FloatArray, scores: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Trace precision against recall for one label.

    Args:
        targets: Float array [n_photos]: 1 present, 0 absent, NaN unknown.
        scores: Float array [n_photos].

    Returns:
        Precision [n + 1], recall [n + 1] and thresholds [n], thresholds rising: the n distinct known scores,
        each counted as "present from here on". The last precision is 1 and the last recall 0, without a
        threshold, as in scikit-learn. Recall is NaN throughout where the label has no known positive.

    Raises:
        ValueError: Targets and scores differ in shape or hold more than one label.

    Examples:
        >>> precision, recall, thresholds = precision_recall_curve(
        ...     np.array([1.0, 0.0, 1.0, np.nan]), np.array([0.9, 0.6, 0.4, 0.5])
        ... )
        >>> thresholds
        array([0.4, 0.6, 0.9])
        >>> recall
        array([1. , 0.5, 0.5, 0. ])
    """
    if targets.ndim != 1:
        raise ValueError(f"targets have shape {targets.shape}; expected [n_photos], one label at a time")
    known = known_cells(targets, scores)
    thresholds, rank = np.unique(scores[known], return_inverse=True)
    n_tied = np.bincount(rank, minlength=len(thresholds))
    n_present = np.bincount(rank, weights=targets[known], minlength=len(thresholds))
    n_above, true_positives = (np.cumsum(counts[::-1])[::-1] for counts in (n_tied, n_present))
    precision = np.append(true_positives / n_above, 1.0)
    recall = divide(np.append(true_positives, 0.0), n_present.sum())
    return precision, recall, thresholds


def _counts_down_the_ranking(targets: FloatArray, scores: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Count true and false positives for every length of each label's ranking.

    Returns:
        Two float arrays [n_photos + 1, n_labels]; row k counts the k best photos and all that tie with
        the last of them, so that the order among ties never matters. Row 0 is zero.
    """
    known_cells(targets, scores)
    order = np.argsort(-scores, axis=0)
    ranked_scores = np.take_along_axis(scores, order, axis=0)
    ranked_targets = np.take_along_axis(targets, order, axis=0)
    is_tied_with_next = np.zeros(targets.shape, dtype=np.bool_)
    is_tied_with_next[:-1] = ranked_scores[:-1] == ranked_scores[1:]

    def count(value: float) -> FloatArray:
        counts = np.zeros((len(targets) + 1, *targets.shape[1:]))
        np.cumsum(ranked_targets == value, axis=0, out=counts[1:])
        # Counts never fall, so the minimum from here to the end is the count at the end of the tie.
        counts[1:][is_tied_with_next] = np.inf
        return np.asarray(np.minimum.accumulate(counts[::-1], axis=0)[::-1])

    return count(1.0), count(0.0)
