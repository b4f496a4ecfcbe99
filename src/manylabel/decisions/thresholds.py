"""Choose the score from which on a label counts as present, one threshold per label.

In:  targets [n_photos, n_labels] (1 present, 0 absent, NaN unknown), out-of-fold scores of the same shape,
     and an objective.
Out: thresholds [n_labels], and decisions by thresholds that were chosen without the photo they decide about.

Photos that evaluate a model never enter its thresholds: a threshold fitted to the very photos that it is
evaluated on looks better than it is.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import partial
from typing import Literal, assert_never

import numpy as np

from manylabel.decisions.calibration import logit, sigmoid, with_others
from manylabel.decisions.guarantees import Guarantee, guarantee_precision, guarantee_recall
from manylabel.metrics.curves import known_probabilities
from manylabel.metrics.metrics import precision, recall
from manylabel.metrics.resamples import BoolArray, Resamples, f_beta, known_cells
from manylabel.trials import MissedGuarantee
from manylabel.types import FloatArray, IntArray, Thresholds

# Number of photos at which a label's own threshold weighs as much as the common one. On three kinds of
# real photos, 160 of each, 10 to 30 gave similar test F1 and exact match; 0 lost up to 7 points of binary
# accuracy. On drawn scores of 80 to 400 photos, calibrated and distorted, 10 had the best macro-F1.
_PRIOR_PHOTOS = 10.0
# The same for costs: on the drawn scores 30 cost up to 3 % less than 10, never 1 % more.
_PRIOR_PHOTOS_OF_COSTS = 30.0


ThresholdMethod = Literal["f1", "accuracy", "half", "cost", "precision", "recall"]

Criterion = Callable[[FloatArray, FloatArray, float], FloatArray]
"""How good thresholds are, from (hits, number decided as present, number present); higher is better."""

_NUMBERS: dict[ThresholdMethod, tuple[str, ...]] = {
    "f1": ("beta",),
    "accuracy": (),
    "half": (),
    "cost": ("cost_missed", "cost_false"),
    "precision": ("target", "confidence"),
    "recall": ("target",),
}
"""The numbers that each method takes."""


@dataclass(frozen=True, kw_only=True)
class ThresholdObjective:
    """What thresholds are chosen for.

    Attributes:
        method: "f1" for each label's F-beta, "accuracy" for its number of right cells, "cost" for the least
            cost, "precision" and "recall" for a target for each label; "half" is always 0.5.
        beta: How many times as important recall is as precision, above 0; for "f1".
        target: Precision or recall to reach, in (0, 1); for "precision" and "recall".
        confidence: Chance in (0, 1) that a promised precision is kept; for "precision". (A promised recall is
            one on average.)
        cost_missed: Cost of a label that is present and not given, above 0; for "cost".
        cost_false: Cost of a label that is given and not present, in the same unit; for "cost".

    Raises:
        ValueError: A number is missing, out of its range, or means nothing to the method.

    Examples:
        >>> ThresholdObjective(method="recall")
        Traceback (most recent call last):
        ValueError: thresholds for 'recall' need a target between 0 and 1; given: None
    """

    method: ThresholdMethod
    beta: float = 1.0
    target: float | None = None
    confidence: float = 0.9
    cost_missed: float | None = None
    cost_false: float | None = None

    def __post_init__(self) -> None:
        """Check that the method has the numbers that it takes, and no others."""
        if self.method not in _NUMBERS:
            raise ValueError(f"unknown method {self.method!r} of thresholds; known: {', '.join(_NUMBERS)}")
        for number in fields(self)[1:]:
            value = getattr(self, number.name)
            if number.name in _NUMBERS[self.method]:
                self._check(number.name, value)
            elif value != number.default:
                raise ValueError(f"thresholds for {self.method!r} take no {number.name}; given: {value}")

    @property
    def costs(self) -> tuple[float, float]:
        """Return the costs of a missed and of a false label; 1 and 1 where none are given."""
        return (
            1.0 if self.cost_missed is None else self.cost_missed,
            1.0 if self.cost_false is None else self.cost_false,
        )

    @property
    def criterion(self) -> Criterion:
        """Return the function that the best threshold maximizes; "half" has none, a ValueError."""
        match self.method:
            case "f1":
                return partial(f_beta, beta=self.beta)
            case "accuracy" | "cost":
                missed, false = self.costs
                return _saving(missed=missed, false=false)
            case "precision":
                return _most_hits_at_precision(_known_target(self))
            case "recall":
                return _fewest_at_recall(_known_target(self))
            case "half":
                raise ValueError("thresholds for 'half' maximize nothing")
            case _:
                assert_never(self.method)

    def _check(self, name: str, value: float | None) -> None:
        upper, wanted = (
            (1.0, "between 0 and 1") if name in ("target", "confidence") else (math.inf, "above 0")
        )
        if value is None or not 0 < value < upper:
            raise ValueError(f"thresholds for {self.method!r} need a {name} {wanted}; given: {value}")


@dataclass(frozen=True, eq=False, kw_only=True)
class ChosenThresholds(Thresholds):
    """Thresholds and what they promise.

    Attributes:
        is_guaranteed: For which labels the target is promised [n_labels], see ``guarantees.py``; none where
            the objective has no target.
        missed: The labels whose target cannot be promised, and why.
    """

    is_guaranteed: BoolArray
    missed: tuple[MissedGuarantee, ...] = ()


def choose_thresholds(
    targets: FloatArray,
    scores: FloatArray,
    *,
    objective: ThresholdObjective,
    labels: Sequence[str] | None = None,
    groups: IntArray | None = None,
) -> ChosenThresholds:
    """Choose one threshold per label on photos that training did not see.

    Each label's best threshold is pulled towards the one that is best for all cells thrown together, in
    logits, with weight n / (n + 10) for its own, n being the number of photos with or without the label,
    whichever is smaller: three positives do not decide a threshold, and a label without positives or
    negatives takes the common one. Where a whole range of thresholds is equally good, its middle is taken.

    With costs the weight is n / (n + 30), and the common threshold is pulled in the same way towards the one
    that costs least where scores are true probabilities, cost_false / (cost_false + cost_missed) (Elkan
    2001, "The Foundations of Cost-Sensitive Learning", section 1.2).

    A target precision or recall is promised where there are enough photos (``guarantees.py``). Elsewhere the
    threshold that reaches it on these photos, or else comes closest, is pulled towards the common one, but to
    the safe side only: up for precision, down for recall.

    Args:
        targets: Float array [n_photos, n_labels]: 1 present, 0 absent, NaN unknown.
        scores: Probabilities [n_photos, n_labels] by models that did not learn from these photos.
        objective: What to choose them for.
        labels: The label names [n_labels], for ``missed``. Not given: "1", "2" and so on.
        groups: Number of each photo's group of near-duplicates [n_photos]: for a promise each group is one
            photo, as ten copies of a photo tell no more than one. Not given: there are none.

    Returns:
        Thresholds in [0, 1]; where nothing is known 0.5, with costs what suits true probabilities.

    Raises:
        ValueError: Targets and scores differ in shape, or a score of a known cell is no probability.

    Examples:
        >>> targets = np.array([[1.0], [1.0], [0.0], [0.0]])
        >>> scores = np.array([[0.4], [0.3], [0.2], [0.1]])
        >>> choose_thresholds(targets, scores, objective=ThresholdObjective(method="f1")).values
        array([0.25])
    """
    known_probabilities(targets, scores)
    match objective.method:
        case "half":
            return _chosen(np.full(targets.shape[1], 0.5), "0.5 for every label")
        case "f1":
            return _chosen(_shrunk(targets, scores, objective), _origin(f"best F{objective.beta:g}", targets))
        case "accuracy":
            return _chosen(_shrunk(targets, scores, objective), _origin("best accuracy", targets))
        case "cost":
            return _chosen(_shrunk_twice(targets, scores, objective), _origin("lowest cost", targets))
        case "precision" | "recall":
            names = [str(1 + label) for label in range(targets.shape[1])] if labels is None else labels
            if groups is not None:
                targets, scores = _merge_groups(targets, scores, groups)
            return _promised(targets, scores, objective, names)
        case _:
            assert_never(objective.method)


def cross_fit_thresholds(
    targets: FloatArray,
    scores: FloatArray,
    folds: Sequence[IntArray],
    *,
    objective: ThresholdObjective,
) -> BoolArray:
    """Decide on every photo with thresholds that were chosen on the photos of the other folds.

    Args:
        targets: Float array [n_photos, n_labels]: 1 present, 0 absent, NaN unknown.
        scores: Out-of-fold probabilities [n_photos, n_labels].
        folds: Row numbers of each fold, a partition of the photos.
        objective: What to choose the thresholds for.

    Returns:
        Decisions [n_photos, n_labels].

    Raises:
        ValueError: The folds are not a partition of the photos, or ``choose_thresholds`` objects.

    Examples:
        >>> targets, scores = np.array([[1.0], [1.0], [0.0], [0.0]]), np.array([[0.9], [0.8], [0.2], [0.1]])
        >>> folds = (np.array([0, 2]), np.array([1, 3]))
        >>> cross_fit_thresholds(targets, scores, folds, objective=ThresholdObjective(method="f1")).ravel()
        array([ True,  True, False, False])
    """
    decisions = np.zeros(targets.shape, dtype=np.bool_)
    for fold, others in with_others(folds, n_photos=len(targets)):
        thresholds = choose_thresholds(targets[others], scores[others], objective=objective)
        decisions[fold] = thresholds.decide(scores[fold])
    return decisions


def _chosen(values: FloatArray, origin: str) -> ChosenThresholds:
    """Return thresholds that promise nothing."""
    return ChosenThresholds(values=values, origin=origin, is_guaranteed=np.zeros(len(values), dtype=np.bool_))


def _promised(
    targets: FloatArray, scores: FloatArray, objective: ThresholdObjective, labels: Sequence[str]
) -> ChosenThresholds:
    """Promise a target for the labels that have enough photos, and try to reach it for the others."""
    kept = guarantee(targets, scores, objective=objective)
    own, common = _own_and_common(targets, scores, objective.criterion)
    pulled = _pull(own, towards=common, n_photos=_n_rarer(targets))
    safer, measure = (np.minimum, recall) if objective.method == "recall" else (np.maximum, precision)
    unpromised = np.where(kept.n_positive > 0, safer(own, pulled), common)
    values = np.where(kept.is_guaranteed, kept.values, unpromised)
    reached = measure(Resamples(targets, decisions=scores >= values))[0]
    goal = f"{100 * kept.target:g} % {kept.metric} on {len(targets)} photos"
    return ChosenThresholds(
        values=values,
        origin=f"{goal}, guaranteed for {kept.is_guaranteed.sum()} of {len(values)} labels",
        is_guaranteed=kept.is_guaranteed,
        missed=kept.list_missed(labels, reached=reached),
    )


def guarantee(targets: FloatArray, scores: FloatArray, *, objective: ThresholdObjective) -> Guarantee:
    """Promise the precision or the recall of an objective, per label, where that can be done.

    Raises:
        ValueError: Targets and scores differ in shape, or the objective has no target.
    """
    target = _known_target(objective)
    if objective.method == "recall":
        return guarantee_recall(targets, scores, target=target)
    return guarantee_precision(targets, scores, target=target, confidence=objective.confidence)


def _merge_groups(targets: FloatArray, scores: FloatArray, groups: IntArray) -> tuple[FloatArray, FloatArray]:
    """Make one photo of each group: what its photos agree on, and the mean score of those that are known."""
    numbers = np.unique(groups, return_inverse=True)[1]
    n_present, n_absent, sums = np.zeros((3, numbers.max(initial=-1) + 1, targets.shape[1]))
    np.add.at(n_present, numbers, targets == 1)
    np.add.at(n_absent, numbers, targets == 0)
    np.add.at(sums, numbers, np.where(np.isnan(targets), 0.0, scores))
    agree = (n_present > 0) != (n_absent > 0)
    return np.where(agree, n_present > 0, np.nan), sums / np.maximum(n_present + n_absent, 1)


def _shrunk(targets: FloatArray, scores: FloatArray, objective: ThresholdObjective) -> FloatArray:
    """Choose a threshold per label and pull it towards the common one, the harder the rarer the label."""
    own, common = _own_and_common(targets, scores, objective.criterion)
    return _pull(own, towards=common, n_photos=_n_rarer(targets))


def _shrunk_twice(targets: FloatArray, scores: FloatArray, objective: ThresholdObjective) -> FloatArray:
    """Do the same for costs, and pull the common one towards what is best for true probabilities."""
    own, common = _own_and_common(targets, scores, objective.criterion)
    cost_missed, cost_false = objective.costs
    ideal = np.array([cost_false / (cost_false + cost_missed)])
    n_cells = _n_rarer(targets.reshape(-1, 1))
    # Pulled straight to the ideal one, distorted drawn scores cost up to 18 % more, calibrated ones 3 % less.
    common = _pull(common, towards=ideal, n_photos=n_cells, prior_photos=_PRIOR_PHOTOS_OF_COSTS)
    return _pull(own, towards=common, n_photos=_n_rarer(targets), prior_photos=_PRIOR_PHOTOS_OF_COSTS)


def _own_and_common(
    targets: FloatArray, scores: FloatArray, criterion: Criterion
) -> tuple[FloatArray, FloatArray]:
    """Find the best threshold of each label by itself [n_labels], and of all cells together [1]."""
    known = known_cells(targets, scores)
    columns = zip(targets.T, scores.T, known.T, strict=True)
    own = np.array([_best_threshold(truth[rows], score[rows], criterion) for truth, score, rows in columns])
    return own, np.array([_best_threshold(targets[known], scores[known], criterion)])


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


def _best_threshold(targets: FloatArray, scores: FloatArray, criterion: Criterion) -> float:
    """Find the threshold in [0, 1] with the best value of a criterion; 0.5 without targets.

    Between two neighboring scores every threshold decides the same: one per gap is tried, one below and one
    above all scores. Of the ranges of equally good thresholds the widest is taken (the lowest of equally
    wide ones), and its middle is returned. Targets [n] are known: 1 or 0.
    """
    distinct, rank = np.unique(scores, return_inverse=True)
    # All thresholds in (lower, upper] decide the same.
    lower, upper = np.append(0.0, distinct), np.append(distinct, 1.0)
    hits, n_decided = _sum_from_here_up(rank, targets), _sum_from_here_up(rank, np.ones_like(targets))
    value = criterion(hits, n_decided, float(targets.sum()))
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
    """Describe how thresholds were chosen."""
    return f"{goal} on {len(targets)} photos, those of rare labels shrunk toward a common one"


def _sum_from_here_up(rank: IntArray, values: FloatArray) -> FloatArray:
    """Sum the values of each distinct score and all higher ones, and 0 for a threshold above all of them."""
    return np.append(np.cumsum(np.bincount(rank, weights=values)[::-1])[::-1], 0.0)


def _saving(*, missed: float, false: float) -> Criterion:
    """Return what is saved over deciding "absent" everywhere."""
    return lambda hits, n_decided, n_present: missed * hits - false * (n_decided - hits)


def _most_hits_at_precision(target: float) -> Criterion:
    """Prefer most hits, with fewest errors, where a precision is reached, else the highest precision."""

    def criterion(hits: FloatArray, n_decided: FloatArray, n_present: float) -> FloatArray:
        reached = hits / np.maximum(n_decided, 1)
        return np.where(reached >= target, 1 + hits - n_decided / (n_decided.max() + 1), reached)

    return criterion


def _fewest_at_recall(target: float) -> Criterion:
    """Prefer the fewest decided as present where a recall is reached; the lowest threshold reaches it."""

    def criterion(hits: FloatArray, n_decided: FloatArray, n_present: float) -> FloatArray:
        return np.where(hits / max(n_present, 1) >= target, 1 + n_decided.max() - n_decided, 0.0)

    return criterion


def _known_target(objective: ThresholdObjective) -> float:
    """Return the target of an objective that has one."""
    if objective.target is None:
        raise ValueError(f"thresholds for {objective.method!r} have no target that could be promised")
    return objective.target
