"""Learn how to decide about new photos from photos that did not train.

In:  their targets, and their scores by one or several variants of a model.
Out: a decision policy: which variant, its calibration, a threshold per label; the decisions of such policies
     about each of these photos, learned from the others; and what thresholds gain over 0.5.

Nothing is evaluated by what was fitted to it: the variant, the calibration and the thresholds that decide
about the photos of a fold are learned from the scores and targets of the other folds alone (nested cross-
fitting). Where these scores are out-of-fold ones, the fits that gave them have learned from the fold; that
is left.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from manylabel.constraints import LabelConstraints, decide_with_constraints
from manylabel.decisions.calibration import CalibrationResult, choose_calibration, leave_uncalibrated
from manylabel.decisions.thresholds import (
    ChosenThresholds,
    ThresholdObjective,
    choose_thresholds,
    cross_fit_thresholds,
)
from manylabel.metrics.bootstrap import affordable_resamples, draw_resamples
from manylabel.metrics.curves import log_loss
from manylabel.metrics.metrics import binary_accuracy, class_recall, exact_match, mean_over_labels
from manylabel.metrics.resamples import BoolArray, Resamples
from manylabel.types import FloatArray, IntArray

# Fewer photos cannot tell which variant is best.
_MIN_PHOTOS = 40
_N_RESAMPLES = 200


@dataclass(frozen=True, eq=False, kw_only=True)
class PolicyData:
    """Photos that did not train, to learn a decision policy from.

    Attributes:
        targets: [n_photos, n_labels]: 1 present, 0 absent, NaN unknown.
        scores: Probabilities [n_variants, n_photos, n_labels].
        folds: Row numbers of each fold, a partition of the photos, at least 2.
        default_variant: Number of the variant to take where too few photos can choose.
        groups: Number of each photo's group of near-duplicates [n_photos]; None where there are none.

    Raises:
        ValueError: The sizes do not fit together, or the folds are not a partition.
    """

    targets: FloatArray
    scores: FloatArray
    folds: tuple[IntArray, ...]
    default_variant: int = 0
    groups: IntArray | None = None

    def __post_init__(self) -> None:
        """Check that sizes and folds fit together."""
        if self.scores.shape[1:] != self.targets.shape:
            raise ValueError(f"scores have shape {self.scores.shape}, targets {self.targets.shape}")
        rows = np.sort(np.concatenate(self.folds))
        if len(self.folds) < 2 or not np.array_equal(rows, np.arange(len(self.targets))):
            raise ValueError(f"{len(self.folds)} folds are no partition of {len(self.targets)} photos")

    def without(self, number: int) -> "PolicyData":
        """Return the photos of all folds but one; a single fold that is left is divided in two."""
        rows = np.setdiff1d(np.arange(len(self.targets)), self.folds[number])
        rest = [np.searchsorted(rows, fold) for other, fold in enumerate(self.folds) if other != number]
        groups = None if self.groups is None else self.groups[rows]
        folds = tuple(rest) if len(rest) > 1 else _halves(rest[0], groups)
        return replace(
            self, targets=self.targets[rows], scores=self.scores[:, rows], folds=folds, groups=groups
        )


def _halves(rows: IntArray, groups: IntArray | None) -> tuple[IntArray, IntArray]:
    """Divide photos in two, groups as a whole where there are several."""
    numbers = rows if groups is None else groups[rows]
    is_first = np.isin(numbers, np.unique(numbers)[::2])
    return (rows[::2], rows[1::2]) if is_first.all() else (rows[is_first], rows[~is_first])


CalibrationMode = Literal["auto", "always", "never"]
"""Whether to calibrate: by what it does for the photos at hand, or as other photos have decided."""


@dataclass(frozen=True, eq=False, kw_only=True)
class DecisionPolicy:
    """What turns scores of new photos into decisions.

    Attributes:
        variant: Number of the variant of the model that is used.
        calibration: The calibration of its probabilities, and how much that helps.
        thresholds: The score from which on a label counts as present, after calibration.
        are_worthwhile: Whether thresholds like these did better than 0.5 on photos that did not choose them,
            by more than chance; else they are 0.5.
    """

    variant: int
    calibration: CalibrationResult
    thresholds: ChosenThresholds
    are_worthwhile: bool

    def score(self, scores: FloatArray) -> FloatArray:
        """Return calibrated probabilities [n_photos, n_labels] of those of all variants."""
        return self.calibration.calibration.apply(scores[self.variant])


@dataclass(frozen=True, eq=False, kw_only=True)
class CrossFittedDecisions:
    """Scores and decisions for every photo, by a policy that was learned from the other folds.

    Attributes:
        raw_scores: Probabilities before calibration [n_photos, n_labels].
        scores: Probabilities after it [n_photos, n_labels].
        decisions: Which labels are given [n_photos, n_labels].
        free_decisions: The same by thresholds alone, whatever the constraints among labels say.
    """

    raw_scores: FloatArray
    scores: FloatArray
    decisions: BoolArray
    free_decisions: BoolArray


def learn_policy(
    data: PolicyData,
    *,
    objective: ThresholdObjective,
    calibrate: CalibrationMode = "auto",
    labels: Sequence[str] | None = None,
) -> DecisionPolicy:
    """Learn a policy.

    The variant with the lowest log loss is taken, the default one where fewer than 40 photos can tell. It is
    calibrated where that lowers the log loss of photos that the calibration was not fitted to by more than
    one standard error. Thresholds are chosen on scores that were calibrated without the photo that they
    belong to; where they are for an F score, accuracy or cost and, chosen on all folds but one, do not do
    better on that one than 0.5 by more than one standard error, it is 0.5.

    Args:
        data: What to learn from.
        objective: What to choose thresholds for.
        calibrate: Whether to calibrate.
        labels: The label names [n_labels], for guarantees that cannot be given.

    Examples:
        >>> targets = np.array([[1.0], [0.0], [1.0], [0.0]] * 10)
        >>> variants = np.array([np.full((40, 1), 0.5), np.where(targets == 1, 0.8, 0.3)])
        >>> data = PolicyData(targets=targets, scores=variants, folds=(np.arange(20), np.arange(20, 40)))
        >>> policy = learn_policy(data, objective=ThresholdObjective(method="f1"))
        >>> policy.variant, policy.thresholds.decide(policy.score(variants[:, :2])).ravel().tolist()
        (1, [True, False])
    """
    variant = _choose_variant(data)
    scores = data.scores[variant]
    calibration = (
        leave_uncalibrated(data.targets, scores)
        if calibrate == "never"
        else choose_calibration(
            data.targets, scores, data.folds, groups=data.groups, is_decided=calibrate == "always"
        )
    )
    are_worthwhile = _are_worthwhile(data, calibration.scores, objective)
    thresholds = choose_thresholds(
        data.targets,
        calibration.scores,
        objective=objective if are_worthwhile else ThresholdObjective(method="half"),
        labels=labels,
        groups=data.groups,
    )
    return DecisionPolicy(
        variant=variant, calibration=calibration, thresholds=thresholds, are_worthwhile=are_worthwhile
    )


def _choose_variant(data: PolicyData) -> int:
    n_known = (~np.isnan(data.targets)).any(axis=1).sum()
    if n_known < _MIN_PHOTOS:
        return data.default_variant
    return int(np.argmin([log_loss(data.targets, scores) for scores in data.scores]))


def _are_worthwhile(data: PolicyData, scores: FloatArray, objective: ThresholdObjective) -> bool:
    """Test whether thresholds beat 0.5 by more than chance on photos that did not choose them."""
    if objective.method not in ("f1", "accuracy", "cost"):
        return True  # what 0.5 does has nothing to do with what is asked for
    decisions = cross_fit_thresholds(data.targets, scores, data.folds, objective=objective)
    groups = np.arange(len(data.targets)) if data.groups is None else data.groups
    return gains_more_than_chance(
        data.targets, scores, decisions=decisions, objective=objective, groups=groups
    )


def cross_fit_policy(
    data: PolicyData,
    *,
    objective: ThresholdObjective,
    calibrate: CalibrationMode,
    constraints: LabelConstraints | None = None,
) -> CrossFittedDecisions:
    """Score and decide every photo by a policy that was learned from the other folds.

    Args:
        data: The photos.
        objective: What to choose thresholds for.
        calibrate: Whether to calibrate, the same in all folds: folds of which some are calibrated and some
            are not would spoil the ranking of all of them together.
        constraints: What decisions obey; not given: nothing.
    """
    raw_scores, scores = np.empty(data.targets.shape), np.empty(data.targets.shape)
    decisions, free_decisions = np.zeros((2, *data.targets.shape), dtype=np.bool_)
    for number, fold in enumerate(data.folds):
        policy = learn_policy(data.without(number), objective=objective, calibrate=calibrate)
        raw_scores[fold] = data.scores[policy.variant, fold]
        scores[fold] = policy.score(data.scores[:, fold])
        decisions[fold] = decide_with_constraints(constraints, scores[fold], policy.thresholds)
        free_decisions[fold] = policy.thresholds.decide(scores[fold])
    return CrossFittedDecisions(
        raw_scores=raw_scores, scores=scores, decisions=decisions, free_decisions=free_decisions
    )


@dataclass(frozen=True, kw_only=True)
class DecisionQuality:
    """How good decisions are: metrics by their names, NaN where nothing is known.

    Shares are in [0, 1]; ``f_beta_macro`` has the beta of the objective, 1 if it has none;
    ``precision_macro`` is the mean of the labels that are given at all; ``cost`` is what the wrong labels of
    a photo cost on average, 1 each if not given.
    """

    f_beta_macro: float
    exact_match: float
    binary_accuracy: float
    precision_macro: float
    recall_macro: float
    cost: float


@dataclass(frozen=True, kw_only=True)
class ThresholdGain:
    """What thresholds do for decisions.

    Attributes:
        half: With 0.5 for every label.
        optimistic: With thresholds that were chosen on the very photos that are evaluated.
        cross_fitted: With thresholds that were chosen on other photos, which is what new photos will see.
        objective: What the thresholds were chosen for.
    """

    half: DecisionQuality
    optimistic: DecisionQuality
    cross_fitted: DecisionQuality
    objective: ThresholdObjective


def measure_threshold_gain(
    targets: FloatArray, scores: FloatArray, *, decisions: BoolArray, objective: ThresholdObjective
) -> ThresholdGain:
    """Compare thresholds with 0.5 everywhere, on the photos that chose them and on others.

    Args:
        targets: Float array [n_photos, n_labels]: 1 present, 0 absent, NaN unknown.
        scores: Out-of-fold probabilities [n_photos, n_labels].
        decisions: Decisions by thresholds of other photos [n_photos, n_labels].
        objective: What the thresholds were chosen for.

    Raises:
        ValueError: As ``choose_thresholds``.

    Examples:
        >>> targets, scores = np.array([[1.0], [1.0], [0.0], [0.0]]), np.array([[0.4], [0.4], [0.2], [0.1]])
        >>> folds, objective = (np.array([0, 2]), np.array([1, 3])), ThresholdObjective(method="f1")
        >>> decisions = cross_fit_thresholds(targets, scores, folds, objective=objective)
        >>> gain = measure_threshold_gain(targets, scores, decisions=decisions, objective=objective)
        >>> gain.half.f_beta_macro, gain.cross_fitted.f_beta_macro
        (0.0, 1.0)
    """
    own = choose_thresholds(targets, scores, objective=objective).decide(scores)
    half, optimistic, cross_fitted = (
        _quality(Resamples(targets, decisions=given), objective) for given in (scores >= 0.5, own, decisions)
    )
    return ThresholdGain(half=half, optimistic=optimistic, cross_fitted=cross_fitted, objective=objective)


def _quality(photos: Resamples, objective: ThresholdObjective) -> DecisionQuality:
    tally = photos.by_label
    # A promised precision is about the labels that are given to any photo.
    precision_of_given = np.where(tally.given > 0, tally.precision(), np.nan)
    return DecisionQuality(
        f_beta_macro=float(mean_over_labels(tally.f_beta(objective.beta))[0]),
        exact_match=float(exact_match(photos)[0]),
        binary_accuracy=float(binary_accuracy(photos)[0]),
        precision_macro=float(mean_over_labels(precision_of_given)[0]),
        recall_macro=float(class_recall(photos)[0]),
        cost=float(_cost_of_a_photo(photos, objective)[0]),
    )


def gains_more_than_chance(
    targets: FloatArray,
    scores: FloatArray,
    *,
    decisions: BoolArray,
    objective: ThresholdObjective,
    groups: IntArray,
) -> bool:
    """Test whether decisions are better than those of 0.5 by more than one standard error.

    Better by macro-F, accuracy or cost, whatever the objective is nearest to. The standard error is that of
    the difference over resamples of the photos, near-duplicates together (Efron and Tibshirani 1993, "An
    introduction to the bootstrap", chapter 6).

    Args:
        targets: Float array [n_photos, n_labels]: 1 present, 0 absent, NaN unknown.
        scores: Out-of-fold probabilities [n_photos, n_labels].
        decisions: Decisions by thresholds of other photos [n_photos, n_labels].
        objective: What the thresholds were chosen for.
        groups: Number of each photo's group of near-duplicates [n_photos].
    """
    if len(np.unique(groups)) < 2 or np.isnan(targets).all():
        return False  # nothing tells how much chance explains
    n_photos, n_labels = targets.shape
    n_resamples = affordable_resamples(n_photos=n_photos, n_labels=n_labels, wanted=_N_RESAMPLES)
    counts = draw_resamples(groups, n_resamples=n_resamples, rng=np.random.default_rng(0))
    new, half = (
        _merits(Resamples(targets, decisions=given, counts=counts), objective)
        for given in (decisions, scores >= 0.5)
    )
    gains = np.nan_to_num(new - half)  # a resample without a known cell gains nothing
    return bool(gains[0] > gains[1:].std())


def _merits(photos: Resamples, objective: ThresholdObjective) -> FloatArray:
    """Measure how good decisions are on each resample [n_resamples]; higher is better."""
    match objective.method:
        case "f1":
            values = photos.by_label.f_beta(objective.beta)
            # A label that a resample knows nothing of counts as 0 there, for decisions of both kinds.
            return np.asarray(np.nan_to_num(values[:, ~np.isnan(values[0])]).mean(axis=1))
        case "cost":
            return -_cost_of_a_photo(photos, objective)
        case _:
            return binary_accuracy(photos)


def _cost_of_a_photo(photos: Resamples, objective: ThresholdObjective) -> FloatArray:
    """Average what wrong labels cost over the photos with a known label [n_resamples]; NaN without any."""
    cost_missed, cost_false = objective.costs
    tally = photos.by_photo
    return photos.mean_over_photos(
        cost_missed * (tally.present - tally.hits) + cost_false * (tally.given - tally.hits)
    )
