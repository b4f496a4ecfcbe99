"""Choose the score from which on a label counts as present, one threshold per label.

In:  targets [n_photos, n_labels] (1 present, 0 absent, NaN unknown) and out-of-fold scores of the same shape.
Out: thresholds [n_labels], or decisions made with thresholds that never saw the photo they decide on.

Photos that judge a model never enter its thresholds: a threshold fitted to the very photos that it is judged
on looks better than it is.
"""

from collections.abc import Callable, Sequence
from typing import assert_never

import numpy as np

from manylabel.config import ThresholdName
from manylabel.evaluation.curves import BoolArray, known_cells
from manylabel.types import FloatArray, IntArray, Thresholds

Objective = Callable[[FloatArray, FloatArray, float], FloatArray]
"""How good thresholds are, from (hits, number decided as present, number truly present); higher is better."""

# Number of photos at which a label's own threshold weighs as much as the common one. On three kinds of
# real photos, 160 of each, 10 to 30 gave similar test F1 and exact match; 0 lost up to 7 points of binary
# accuracy.
_PRIOR_PHOTOS = 10.0


def choose_thresholds(targets: FloatArray, scores: FloatArray, *, method: ThresholdName) -> Thresholds:
    """Choose one threshold per label on photos that training did not see.

    Each label's best threshold is pulled towards the one that is best for all cells thrown together, in
    logits, with weight n / (n + 10) for its own, n being the number of photos with or without the label,
    whichever is smaller: three positives do not decide a threshold, and a label without positives or
    negatives takes the common one. Where a whole range of thresholds is equally good, its middle is taken.

    Args:
        targets: Float array [n_photos, n_labels]: 1 present, 0 absent, NaN unknown.
        scores: Probabilities [n_photos, n_labels] by models that did not learn from these photos.
        method: "f1" aims at each label's F1, "accuracy" at its number of right cells, "half" is always 0.5.

    Returns:
        Thresholds in [0, 1]; 0.5 for every label where nothing is known.

    Raises:
        ValueError: Targets and scores differ in shape, or a score of a known cell is no probability.

    Examples:
        >>> targets = np.array([[1.0], [1.0], [0.0], [0.0]])
        >>> scores = np.array([[0.4], [0.3], [0.2], [0.1]])
        >>> choose_thresholds(targets, scores, method="f1").values
        array([0.25])
    """
    known = known_cells(targets, scores)
    if not ((scores[known] >= 0) & (scores[known] <= 1)).all():
        raise ValueError("scores of known cells must be probabilities between 0 and 1, not logits or NaN")
    match method:
        case "half":
            return Thresholds(values=np.full(targets.shape[1], 0.5), origin="0.5 for every label")
        case "f1":
            return Thresholds(values=_shrunk(targets, scores, _f1), origin=_origin("best F1", targets))
        case "accuracy":
            values = _shrunk(targets, scores, _n_right)
            return Thresholds(values=values, origin=_origin("most right answers", targets))
        case _:
            assert_never(method)


def cross_fit_thresholds(
    targets: FloatArray, scores: FloatArray, folds: Sequence[IntArray], *, method: ThresholdName
) -> BoolArray:
    """Decide on every photo with thresholds that were chosen on the photos of the other folds.

    Args:
        targets: Float array [n_photos, n_labels]: 1 present, 0 absent, NaN unknown.
        scores: Out-of-fold probabilities [n_photos, n_labels].
        folds: Row numbers of each fold, a partition of the photos.
        method: As in ``choose_thresholds``.

    Returns:
        Decisions [n_photos, n_labels].

    Raises:
        ValueError: The folds are not a partition of the photos, or ``choose_thresholds`` objects.

    Examples:
        >>> targets, scores = np.array([[1.0], [1.0], [0.0], [0.0]]), np.array([[0.9], [0.8], [0.2], [0.1]])
        >>> folds = (np.array([0, 2]), np.array([1, 3]))
        >>> cross_fit_thresholds(targets, scores, folds, method="f1").ravel()
        array([ True,  True, False, False])
    """
    rows = np.concatenate([np.empty(0, dtype=np.int64), *folds])
    if not np.array_equal(np.sort(rows), np.arange(len(targets))):
        raise ValueError(f"the folds are not a partition of the {len(targets)} photos that have scores")
    decisions = np.zeros(targets.shape, dtype=np.bool_)
    for fold in folds:
        others = np.setdiff1d(rows, fold)
        thresholds = choose_thresholds(targets[others], scores[others], method=method)
        decisions[fold] = thresholds.decide(scores[fold])
    return decisions


def _best_threshold(targets: FloatArray, scores: FloatArray, objective: Objective) -> float:
    """Find the threshold with the best value of an objective.

    Between two neighbouring scores every threshold decides alike, so one per gap is tried, and one below and
    one above all scores. Of the ranges of equally good thresholds the widest is taken (the lowest of equally
    wide ones), and its middle is returned.

    Args:
        targets: Known targets [n], 1 or 0.
        scores: Their probabilities [n].
        objective: What to maximise.

    Returns:
        Threshold in [0, 1]; 0.5 where there are no targets.
    """
    distinct, rank = np.unique(scores, return_inverse=True)
    # All thresholds in (lower, upper] decide alike.
    lower, upper = np.append(0.0, distinct), np.append(distinct, 1.0)
    hits, n_decided = _sum_from_here_up(rank, targets), _sum_from_here_up(rank, np.ones_like(targets))
    value = objective(hits, n_decided, float(targets.sum()))
    if distinct.size and distinct[-1] == 1:
        value[-1] = -np.inf  # no threshold lies above a score of 1
    first, last = _runs(value == value.max())
    widest = np.argmax(upper[last] - lower[first])
    low, high = lower[first[widest]], upper[last[widest]]
    middle = (low + high) / 2
    # Between neighbouring floats the middle is rounded, maybe down to the lower one, which decides otherwise.
    return float(middle if middle > low else high)


def _runs(flags: BoolArray) -> tuple[IntArray, IntArray]:
    """Find where each run of neighbouring true flags begins and ends."""
    change = np.diff(flags.astype(np.int8), prepend=0, append=0)
    return np.flatnonzero(change == 1), np.flatnonzero(change == -1) - 1


def _shrunk(targets: FloatArray, scores: FloatArray, objective: Objective) -> FloatArray:
    """Choose a threshold per label and pull it towards the common one, the harder the rarer the label."""
    known = known_cells(targets, scores)
    common = _best_threshold(targets[known], scores[known], objective)
    columns = zip(targets.T, scores.T, known.T, strict=True)
    own = np.array([_best_threshold(truth[rows], score[rows], objective) for truth, score, rows in columns])
    n_rarer = np.minimum((targets == 1).sum(axis=0), (targets == 0).sum(axis=0))
    weight = n_rarer / (n_rarer + _PRIOR_PHOTOS)
    pulled = _sigmoid(weight * _logit(own) + (1 - weight) * _logit(np.array(common)))
    # Logits round, and they cannot hold a threshold of 0: what is agreed on stays as it is.
    return np.where(own == common, common, pulled)


def _f1(hits: FloatArray, n_decided: FloatArray, n_present: float) -> FloatArray:
    """Compute the F1 of every threshold; 0 where nothing is present or decided."""
    return 2 * hits / np.maximum(n_decided + n_present, 1)


def _n_right(hits: FloatArray, n_decided: FloatArray, n_present: float) -> FloatArray:
    """Count the right cells of every threshold, less the number of absent ones, which is the same for all."""
    return hits - (n_decided - hits)


def _sum_from_here_up(rank: IntArray, values: FloatArray) -> FloatArray:
    """Sum the values of each distinct score and all higher ones, and 0 for a threshold above all of them."""
    return np.append(np.cumsum(np.bincount(rank, weights=values)[::-1])[::-1], 0.0)


def _logit(probability: FloatArray) -> FloatArray:
    """Turn probabilities into log-odds; a threshold of 0 or 1 gives a large number, not infinity."""
    clipped = np.clip(probability, 1e-12, 1 - 1e-12)
    return np.log(clipped) - np.log1p(-clipped)


def _sigmoid(logit: FloatArray) -> FloatArray:
    """Turn log-odds into probabilities."""
    return 1 / (1 + np.exp(-logit))


def _origin(goal: str, targets: FloatArray) -> str:
    """Say how thresholds were chosen."""
    return f"{goal} on {len(targets)} photos, rare labels pulled towards the threshold of all labels together"
