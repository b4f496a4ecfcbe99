"""Choose the score from which on a label counts as present, one threshold per label.

In:  targets [n_photos, n_labels] (1 present, 0 absent, NaN unknown), out-of-fold scores of the same shape.
Out: thresholds [n_labels], decisions made with thresholds that never saw the photo they decide on, and what
     thresholds do for new photos.

Photos that judge a model never enter its thresholds: a threshold fitted to the very photos that it is
evaluated on looks better than it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

import numpy as np

from manylabel.decisions.folds import with_others
from manylabel.decisions.guarantees import Objective, ThresholdAim, ThresholdMethod, guarantee
from manylabel.metrics.arithmetic import logit, sigmoid
from manylabel.metrics.curves import BoolArray, known_cells, known_probabilities
from manylabel.metrics.metrics import (
    precision,
    recall,
)
from manylabel.types import FloatArray, IntArray, Thresholds

__all__ = [
    "ChosenThresholds",
    "ThresholdAim",
    "ThresholdMethod",
    "choose_thresholds",
    "cross_fit_thresholds",
]

# Number of photos at which a label's own threshold weighs as much as the common one. On three kinds of
# real photos, 160 of each, 10 to 30 gave similar test F1 and exact match; 0 lost up to 7 points of binary
# accuracy. On drawn scores of 80 to 400 photos, honest and distorted, 10 had the best macro-F1.
_PRIOR_PHOTOS = 10.0
# The same for costs: on the drawn scores 30 cost up to 3 % less than 10, never 1 % more.
_PRIOR_PHOTOS_OF_COSTS = 30.0


@dataclass(frozen=True, eq=False, kw_only=True)
class ChosenThresholds(Thresholds):
    """Hold thresholds and what they promise.

    Attributes:
        is_guaranteed: For which labels the target is promised [n_labels], see ``guarantees.py``; none where
            the aim has no target.
        notes: A sentence per label whose target cannot be promised.
    """

    is_guaranteed: BoolArray
    notes: tuple[str, ...] = ()


def choose_thresholds(
    targets: FloatArray,
    scores: FloatArray,
    *,
    method: ThresholdMethod | None = None,
    aim: ThresholdAim | None = None,
    labels: Sequence[str] | None = None,
    groups: IntArray | None = None,
) -> ChosenThresholds:
    """Choose one threshold per label on photos that training did not see.

    Each label's best threshold is pulled towards the one that is best for all cells thrown together, in
    logits, with weight n / (n + 10) for its own, n being the number of photos with or without the label,
    whichever is smaller: three positives do not decide a threshold, and a label without positives or
    negatives takes the common one. Where a whole range of thresholds is equally good, its middle is taken.

    With costs the weight is n / (n + 30), and the common threshold is pulled in the same way towards the one
    that costs least where scores are honest probabilities, cost_false / (cost_false + cost_missed) (Elkan
    2001, "The Foundations of Cost-Sensitive Learning", section 1.2).

    A target precision or recall is promised where there are enough photos (``guarantees.py``). Elsewhere the
    threshold that reaches it on these photos, or else comes closest, is pulled towards the common one, but to
    the safe side only: up for precision, down for recall.

    Args:
        targets: Float array [n_photos, n_labels]: 1 present, 0 absent, NaN unknown.
        scores: Probabilities [n_photos, n_labels] by models that did not learn from these photos.
        method: What to aim at, short for ``aim=ThresholdAim(method=method)``.
        aim: What to aim at. Either this or ``method`` is given.
        labels: The label names [n_labels], for the notes. Not given: "1", "2" and so on.
        groups: Number of each photo's group of copies [n_photos]: for a promise each group is one photo, for
            ten copies of a photo say no more than one. Not given: there are no copies.

    Returns:
        Thresholds in [0, 1]; where nothing is known 0.5, with costs what suits honest probabilities.

    Raises:
        ValueError: Targets and scores differ in shape, a score of a known cell is no probability, or not just
            one of ``method`` and ``aim`` is given.

    Examples:
        >>> targets = np.array([[1.0], [1.0], [0.0], [0.0]])
        >>> scores = np.array([[0.4], [0.3], [0.2], [0.1]])
        >>> choose_thresholds(targets, scores, method="f1").values
        array([0.25])
    """
    aim = _one_aim(method, aim)
    known_probabilities(targets, scores)
    match aim.method:
        case "half":
            return _chosen(np.full(targets.shape[1], 0.5), "0.5 for every label")
        case "f1":
            return _chosen(_shrunk(targets, scores, aim), _origin(f"best F{aim.beta:g}", targets))
        case "accuracy":
            return _chosen(_shrunk(targets, scores, aim), _origin("most right answers", targets))
        case "cost":
            return _chosen(_shrunk_twice(targets, scores, aim), _origin("least cost", targets))
        case "precision" | "recall":
            names = [str(1 + label) for label in range(targets.shape[1])] if labels is None else labels
            if groups is not None:
                targets, scores = _merge_copies(targets, scores, groups)
            return _promised(targets, scores, aim, names)
        case _:
            assert_never(aim.method)


def cross_fit_thresholds(
    targets: FloatArray,
    scores: FloatArray,
    folds: Sequence[IntArray],
    *,
    method: ThresholdMethod | None = None,
    aim: ThresholdAim | None = None,
) -> BoolArray:
    """Decide on every photo with thresholds that were chosen on the photos of the other folds.

    Args:
        targets: Float array [n_photos, n_labels]: 1 present, 0 absent, NaN unknown.
        scores: Out-of-fold probabilities [n_photos, n_labels].
        folds: Row numbers of each fold, a partition of the photos.
        method: As in ``choose_thresholds``.
        aim: As in ``choose_thresholds``.

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
    decisions = np.zeros(targets.shape, dtype=np.bool_)
    for fold, others in with_others(folds, n_photos=len(targets)):
        thresholds = choose_thresholds(targets[others], scores[others], method=method, aim=aim)
        decisions[fold] = thresholds.decide(scores[fold])
    return decisions


def _one_aim(method: ThresholdMethod | None, aim: ThresholdAim | None) -> ThresholdAim:
    """Return the aim, however it was given."""
    if method is None and aim is not None:
        return aim
    if aim is None and method is not None:
        return ThresholdAim(method=method)
    raise ValueError("say what thresholds aim at by either method or aim")


def _chosen(values: FloatArray, origin: str) -> ChosenThresholds:
    """Return thresholds that promise nothing."""
    return ChosenThresholds(values=values, origin=origin, is_guaranteed=np.zeros(len(values), dtype=np.bool_))


def _promised(
    targets: FloatArray, scores: FloatArray, aim: ThresholdAim, labels: Sequence[str]
) -> ChosenThresholds:
    """Promise a target for the labels that have enough photos, and aim at it for the others."""
    kept = guarantee(targets, scores, aim=aim)
    own, common = _own_and_common(targets, scores, aim.objective)
    pulled = _pull(own, towards=common, n_photos=_n_rarer(targets))
    safer, measure = (np.minimum, recall) if aim.method == "recall" else (np.maximum, precision)
    aimed = np.where(kept.n_positive > 0, safer(own, pulled), common)
    values = np.where(kept.is_guaranteed, kept.values, aimed)
    promised = f"promised for {kept.is_guaranteed.sum()} of {len(values)} labels"
    return ChosenThresholds(
        values=values,
        origin=f"{kept.goal} on {len(targets)} photos, {promised}",
        is_guaranteed=kept.is_guaranteed,
        notes=kept.notes(labels, reached=measure(targets, scores >= values)),
    )


def _merge_copies(targets: FloatArray, scores: FloatArray, groups: IntArray) -> tuple[FloatArray, FloatArray]:
    """Make one photo of each group: what its copies agree on, and the mean score of those that are known."""
    numbers = np.unique(groups, return_inverse=True)[1]
    n_present, n_absent, sums = np.zeros((3, numbers.max(initial=-1) + 1, targets.shape[1]))
    np.add.at(n_present, numbers, targets == 1)
    np.add.at(n_absent, numbers, targets == 0)
    np.add.at(sums, numbers, np.where(np.isnan(targets), 0.0, scores))
    agree = (n_present > 0) != (n_absent > 0)
    return np.where(agree, n_present > 0, np.nan), sums / np.maximum(n_present + n_absent, 1)


def _shrunk(targets: FloatArray, scores: FloatArray, aim: ThresholdAim) -> FloatArray:
    """Choose a threshold per label and pull it towards the common one, the harder the rarer the label."""
    own, common = _own_and_common(targets, scores, aim.objective)
    return _pull(own, towards=common, n_photos=_n_rarer(targets))


def _shrunk_twice(targets: FloatArray, scores: FloatArray, aim: ThresholdAim) -> FloatArray:
    """Do the same for costs, and pull the common one towards what is best for honest probabilities."""
    own, common = _own_and_common(targets, scores, aim.objective)
    cost_missed, cost_false = aim.costs
    honest = np.array([cost_false / (cost_false + cost_missed)])
    n_cells = _n_rarer(targets.reshape(-1, 1))
    # Pulled straight to the honest one, distorted drawn scores cost up to 18 % more, honest ones 3 % less.
    common = _pull(common, towards=honest, n_photos=n_cells, prior_photos=_PRIOR_PHOTOS_OF_COSTS)
    return _pull(own, towards=common, n_photos=_n_rarer(targets), prior_photos=_PRIOR_PHOTOS_OF_COSTS)


def _own_and_common(
    targets: FloatArray, scores: FloatArray, objective: Objective
) -> tuple[FloatArray, FloatArray]:
    """Find the best threshold of each label by itself [n_labels], and of all cells together [1]."""
    known = known_cells(targets, scores)
    columns = zip(targets.T, scores.T, known.T, strict=True)
    own = np.array([_best_threshold(truth[rows], score[rows], objective) for truth, score, rows in columns])
    return own, np.array([_best_threshold(targets[known], scores[known], objective)])


def _pull(
    own: FloatArray, *, towards: FloatArray, n_photos: IntArray, prior_photos: float = _PRIOR_PHOTOS
) -> FloatArray:
    """Pull thresholds towards others, in logits, the harder the fewer photos they come from."""
    weight = n_photos / (n_photos + prior_photos)
    # A threshold of 0 or 1 is far away, not infinitely far.
    own_odds, common_odds = (logit(threshold, least=1e-12) for threshold in (own, towards))
    pulled = sigmoid(weight * own_odds + (1 - weight) * common_odds)
    # Logits round, and they cannot hold a threshold of 0: what is agreed on stays as it is.
    return np.where(own == towards, towards, pulled)


def _n_rarer(targets: FloatArray) -> IntArray:
    """Count the photos with or without each label, whichever are fewer [n_labels]."""
    return np.asarray(np.minimum((targets == 1).sum(axis=0), (targets == 0).sum(axis=0)))


def _best_threshold(targets: FloatArray, scores: FloatArray, objective: Objective) -> float:
    """Find the threshold with the best value of an objective.

    Between two neighboring scores every threshold decides alike, so one per gap is tried, and one below and
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
    # Between neighboring floats the middle is rounded, maybe down to the lower one, which decides otherwise.
    return float(middle if middle > low else high)


def _runs(flags: BoolArray) -> tuple[IntArray, IntArray]:
    """Find where each run of neighboring true flags begins and ends."""
    change = np.diff(flags.astype(np.int8), prepend=0, append=0)
    return np.flatnonzero(change == 1), np.flatnonzero(change == -1) - 1


def _origin(goal: str, targets: FloatArray) -> str:
    """Say how thresholds were chosen."""
    return f"{goal} on {len(targets)} photos, rare labels pulled towards the threshold of all labels together"


def _sum_from_here_up(rank: IntArray, values: FloatArray) -> FloatArray:
    """Sum the values of each distinct score and all higher ones, and 0 for a threshold above all of them."""
    return np.append(np.cumsum(np.bincount(rank, weights=values)[::-1])[::-1], 0.0)
