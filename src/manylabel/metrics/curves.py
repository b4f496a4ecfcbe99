"""Trace curves of one label, and measure whether probabilities can be believed.

In:  targets [n_photos, n_labels] (1 present, 0 absent, NaN unknown) and scores of the same shape.
Out: the precision-recall curve of a label; log loss, Brier score and expected calibration error of
     probabilities, and the points of a reliability diagram: of photos scored 0.3, three in ten should carry
     the label.

Unknown cells take no part, whatever score stands in them. What is undefined is NaN.
"""

from dataclasses import dataclass

import numpy as np

from manylabel.metrics.bootstrap import wilson
from manylabel.metrics.resamples import BoolArray, divide, known_cells
from manylabel.types import FloatArray, IntArray

# Standard normal quantile of a two-sided band of 95 %.
_Z = 1.959963984540054


@dataclass(frozen=True, eq=False, kw_only=True)
class Reliability:
    """The points of a reliability diagram, one per bin that has cells, scores rising.

    Attributes:
        mean_score: Mean probability in each bin [n_filled].
        share_present: Share of the cells of each bin that are truly present [n_filled].
        n_cells: Cells in each bin [n_filled], at least 1.
        low: Lower end of the 95 % band of the share [n_filled].
        high: Upper end of it [n_filled]. Of calibrated scores, about 95 % of the bins have their mean
            score between the two.
    """

    mean_score: FloatArray
    share_present: FloatArray
    n_cells: IntArray
    low: FloatArray
    high: FloatArray


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


def known_probabilities(targets: FloatArray, scores: FloatArray) -> BoolArray:
    """Find the cells whose truth is known, and check that their scores are probabilities.

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


def log_loss(targets: FloatArray, scores: FloatArray) -> float:
    """Compute the mean over all known cells of -log of the probability given to the truth, in nats.

    A score of 0 or 1 counts as 2.2e-16 away from it, as in ``sklearn.metrics.log_loss``: being surely wrong
    costs 36, not infinity.

    Args:
        targets: 1 present, 0 absent, NaN unknown, of any shape.
        scores: Probabilities of the same shape.

    Returns:
        Log loss, 0 at best; NaN where nothing is known.

    Raises:
        ValueError: The two differ in shape, or a score of a known cell is no probability.

    Examples:
        >>> round(log_loss(np.array([[1.0, 0.0], [0.0, np.nan]]), np.array([[0.9, 0.2], [0.4, 0.7]])), 4)
        0.2798
    """
    losses = cell_losses(targets, scores)
    known = ~np.isnan(targets)
    return float(losses[known].mean()) if known.any() else float("nan")


def cell_losses(targets: FloatArray, scores: FloatArray) -> FloatArray:
    """Compute what each known cell adds to ``log_loss``, arguments and errors as there.

    Returns:
        Losses of the shape of the targets, 0 where a cell is unknown.
    """
    known = known_probabilities(targets, scores)
    tiny = np.finfo(np.float64).eps
    given_to_truth = np.where(targets[known] == 1, scores[known], 1 - scores[known])
    losses = np.zeros(targets.shape)
    losses[known] = -np.log(np.clip(given_to_truth, tiny, 1 - tiny))
    return losses


def brier_score(targets: FloatArray, scores: FloatArray) -> FloatArray:
    """Compute the mean squared distance between probability and truth (Brier 1950), one number per label.

    Args:
        targets: Float array [n_photos, n_labels]: 1 present, 0 absent, NaN unknown.
        scores: Probabilities [n_photos, n_labels].

    Returns:
        Brier score [n_labels] in [0, 1], 0 at best; NaN where nothing is known of a label.

    Raises:
        ValueError: The two differ in shape, or a score of a known cell is no probability.

    Examples:
        >>> brier_score(np.array([[1.0, np.nan], [0.0, np.nan]]), np.array([[0.9, 0.2], [0.5, 0.7]]))
        array([0.13,  nan])
    """
    known = known_probabilities(targets, scores)
    distance = np.where(known, scores - targets, 0.0)
    return divide((distance**2).sum(axis=0), known.sum(axis=0))


def expected_calibration_error(targets: FloatArray, scores: FloatArray, *, n_bins: int) -> FloatArray:
    """Compute how far scores are from the share of photos that carry the label, one number per label.

    The known photos of a label are cut into bins by the rank of their score, and |mean score - share present|
    is averaged over the bins, weighted with their photos (Naeini et al. 2015, "Obtaining well calibrated
    probabilities using Bayesian binning"). The bins hold equally many photos instead of being equally wide:
    most scores of a rare label lie near 0, where equally wide bins would put them all into one (Nixon et al.
    2019, "Measuring calibration in deep learning", section 3: adaptive calibration error). Photos with the
    same score share the bin of the middle of them, so that the order of the photos does not matter.

    Chance alone makes it positive, the more the fewer photos a bin holds (Kumar et al. 2019, "Verified
    uncertainty calibration"), so compare values of equally many photos and bins only. Perfectly calibrated
    scores of 160 simulated photos had 0.034 with 5 bins and 0.055 with 15, those of 1,000 had 0.013 and
    0.023. Thus 5 bins for a label of a small collection, 10 or 15 for thousands of photos or all labels
    pooled.

    Args:
        targets: Float array [n_photos, n_labels]: 1 present, 0 absent, NaN unknown.
        scores: Probabilities [n_photos, n_labels].
        n_bins: Bins per label, at least 1. With 1 it is |mean score - share present|.

    Returns:
        Error [n_labels] in [0, 1], 0 at best; NaN where nothing is known of a label.

    Raises:
        ValueError: The two differ in shape, a score of a known cell is no probability, or there is no bin.

    Examples:
        >>> targets, scores = np.array([[1.0], [1.0], [0.0], [0.0]]), np.array([[0.9], [0.7], [0.3], [0.3]])
        >>> expected_calibration_error(targets, scores, n_bins=2).round(3)
        array([0.25])
    """
    sums = _bin(targets, scores, n_bins)
    distance = np.abs(sums.scores - sums.present).sum(axis=0)
    return divide(distance, sums.cells.sum(axis=0))


def reliability(targets: FloatArray, scores: FloatArray, *, n_bins: int) -> Reliability:
    """Compute the points of a reliability diagram of one label, or of all cells thrown together.

    The bins are those of ``expected_calibration_error``. The band is Wilson's for a share (Wilson 1927,
    "Probable inference, the law of succession, and statistical inference"; recommended for few cases by
    Brown, Cai and DasGupta 2001, "Interval estimation for a binomial proportion"). It takes the cells for
    independent; cells of one photo are not quite, so for all labels together it is a little too narrow.

    Args:
        targets: 1 present, 0 absent, NaN unknown, of any shape: one label [n_photos], or all of them.
        scores: Probabilities of the same shape.
        n_bins: Bins to cut into, at least 1; those without a cell are left out.

    Returns:
        The points; none where nothing is known.

    Raises:
        ValueError: The two differ in shape, a score of a known cell is no probability, or there is no bin.

    Examples:
        >>> points = reliability(np.array([1.0, 0.0, 0.0, np.nan]), np.array([0.8, 0.1, 0.3, 0.5]), n_bins=2)
        >>> points.mean_score, points.share_present, points.n_cells
        (array([0.1 , 0.55]), array([0. , 0.5]), array([1, 2]))
    """
    known_cells(targets, scores)
    sums = _bin(targets.reshape(-1, 1), scores.reshape(-1, 1), n_bins)
    is_filled = sums.cells[:, 0] > 0
    n_cells, present, total = (part[is_filled, 0] for part in (sums.cells, sums.present, sums.scores))
    low, high = wilson(present / n_cells, size=n_cells, quantile=_Z)
    return Reliability(
        mean_score=total / n_cells,
        share_present=present / n_cells,
        n_cells=n_cells,
        low=low,
        high=high,
    )


@dataclass(frozen=True, eq=False, kw_only=True)
class _BinSums:
    """Sums over the known cells of each bin and label, all [n_bins, n_labels]."""

    cells: IntArray
    present: FloatArray
    scores: FloatArray


def _bin(targets: FloatArray, scores: FloatArray, n_bins: int) -> _BinSums:
    """Cut the known cells of each label into bins of equally many, and sum over each bin."""
    if n_bins < 1:
        raise ValueError(f"n_bins is {n_bins}; expected at least 1")
    known = known_probabilities(targets, scores)
    n_labels = targets.shape[1]
    ranked = np.where(known, scores, np.inf)  # unknown cells come last
    order = np.argsort(ranked, axis=0)
    ranked = np.take_along_axis(ranked, order, axis=0)
    # The middle of cell k of n lies at (k + 1/2) / n. Whole numbers throughout: nothing may be rounded here.
    number = (_twice_the_rank(ranked) + 1) * n_bins // (2 * np.maximum(known.sum(axis=0), 1))
    is_known = ranked < np.inf
    bins = (number * n_labels + np.arange(n_labels))[is_known]
    shape = (n_bins, n_labels)
    present = np.take_along_axis(targets, order, axis=0)[is_known]
    return _BinSums(
        cells=np.bincount(bins, minlength=n_bins * n_labels).reshape(shape),
        present=_sum_per_bin(bins, present, shape),
        scores=_sum_per_bin(bins, ranked[is_known], shape),
    )


def _sum_per_bin(bins: IntArray, values: FloatArray, shape: tuple[int, int]) -> FloatArray:
    """Sum the values that lie in each bin; empty bins hold 0."""
    sums = np.bincount(bins, weights=values, minlength=shape[0] * shape[1])
    return np.asarray(sums, dtype=np.float64).reshape(shape)


def _twice_the_rank(ranked: FloatArray) -> IntArray:
    """Number the rows of each sorted column from 0, times two; ties share the middle of their numbers."""
    rows = np.arange(len(ranked))[:, None]
    is_new = np.ones((len(ranked) + 1, ranked.shape[1]), dtype=np.bool_)
    is_new[1:-1] = ranked[1:] != ranked[:-1]
    first = np.maximum.accumulate(np.where(is_new[:-1], rows, 0), axis=0)
    last = np.minimum.accumulate(np.where(is_new[1:], rows, len(ranked))[::-1], axis=0)[::-1]
    return np.asarray(first + last, dtype=np.int64)
