"""Learn how to decide about new photos from photos that did not train.

In:  their targets, and their scores by one or several variants of a network.
Out: a decision rule: which variant, its calibration, a threshold per label; and what such a rule says about
     each of these photos when it was learned from the others.

Nothing is evaluated by what was fitted to it: the variant, the calibration and the thresholds that decide
about the photos of a fold are learned from the scores and targets of the other folds alone (nested cross-
fitting). Where these scores are out-of-fold ones, the fits that gave them have learned from the fold; that
is left.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from manylabel.constraints import LabelRules, decide_with_rules
from manylabel.decisions.calibration import CalibrationChoice, choose_calibration, leave_uncalibrated
from manylabel.decisions.threshold_gain import gains_more_than_chance
from manylabel.decisions.thresholds import (
    ChosenThresholds,
    ThresholdAim,
    choose_thresholds,
    cross_fit_thresholds,
)
from manylabel.metrics.curves import BoolArray
from manylabel.metrics.reliability import log_loss
from manylabel.types import FloatArray, IntArray

_MIN_CHOOSING = 40


@dataclass(frozen=True, eq=False, kw_only=True)
class HeldOut:
    """Hold what is known of photos that did not train.

    Attributes:
        targets: [n_photos, n_labels]: 1 present, 0 absent, NaN unknown.
        scores: Probabilities [n_variants, n_photos, n_labels].
        folds: Row numbers of each fold, a partition of the photos, at least 2.
        usual_variant: Place of the variant to take where too few photos can choose.
        groups: Number of each photo's group of copies [n_photos]; None where there are no copies.

    Raises:
        ValueError: The sizes do not fit together, or the folds are not a partition.
    """

    targets: FloatArray
    scores: FloatArray
    folds: tuple[IntArray, ...]
    usual_variant: int = 0
    groups: IntArray | None = None

    def __post_init__(self) -> None:
        """Check that sizes and folds fit together."""
        if self.scores.shape[1:] != self.targets.shape:
            raise ValueError(f"scores have shape {self.scores.shape}, targets {self.targets.shape}")
        rows = np.sort(np.concatenate(self.folds))
        if len(self.folds) < 2 or not np.array_equal(rows, np.arange(len(self.targets))):
            raise ValueError(f"{len(self.folds)} folds are no partition of {len(self.targets)} photos")

    def without(self, number: int) -> "HeldOut":
        """Return the photos of all folds but one; a single fold that is left is divided in two."""
        rows = np.setdiff1d(np.arange(len(self.targets)), self.folds[number])
        rest = [np.searchsorted(rows, fold) for other, fold in enumerate(self.folds) if other != number]
        groups = None if self.groups is None else self.groups[rows]
        folds = tuple(rest) if len(rest) > 1 else _halves(rest[0], groups)
        return replace(
            self, targets=self.targets[rows], scores=self.scores[:, rows], folds=folds, groups=groups
        )


def _halves(rows: IntArray, groups: IntArray | None) -> tuple[IntArray, IntArray]:
    """Divide photos in two, copies to the same side where there are several groups."""
    numbers = rows if groups is None else groups[rows]
    is_first = np.isin(numbers, np.unique(numbers)[::2])
    return (rows[::2], rows[1::2]) if is_first.all() else (rows[is_first], rows[~is_first])


Calibrates = Literal["decide", "always", "never"]
"""Whether to calibrate: by what it does for the photos at hand, or as other photos have decided."""


@dataclass(frozen=True, eq=False, kw_only=True)
class DecisionRule:
    """Say how scores of new photos become decisions.

    Attributes:
        variant: Place of the variant of the network that is used.
        calibration: What makes its probabilities honest, and how much that helps.
        thresholds: The score from which on a label counts as present, after calibration.
        are_worthwhile: Whether thresholds like these did better than 0.5 on photos that did not choose them,
            by more than chance; else they are 0.5.
    """

    variant: int
    calibration: CalibrationChoice
    thresholds: ChosenThresholds
    are_worthwhile: bool

    def score(self, scores: FloatArray) -> FloatArray:
        """Return calibrated probabilities [n_photos, n_labels] of those of all variants."""
        return self.calibration.calibration.apply(scores[self.variant])


@dataclass(frozen=True, eq=False, kw_only=True)
class CrossFitted:
    """Hold what is said about every photo by a rule that was learned from the other folds.

    Attributes:
        raw_scores: Probabilities before calibration [n_photos, n_labels].
        scores: Probabilities after it [n_photos, n_labels].
        decisions: Which labels are given [n_photos, n_labels].
        free_decisions: The same by thresholds alone, whatever the rules among labels say.
    """

    raw_scores: FloatArray
    scores: FloatArray
    decisions: BoolArray
    free_decisions: BoolArray


def learn_decision_rule(
    held_out: HeldOut,
    *,
    aim: ThresholdAim,
    calibrates: Calibrates = "decide",
    labels: Sequence[str] | None = None,
) -> DecisionRule:
    """Learn a rule.

    The variant with the lowest log loss is taken, the usual one where fewer than 40 photos can tell. It is
    calibrated where that lowers the log loss of photos that the calibration was not fitted to by more than
    one standard error. Thresholds are chosen on scores that were calibrated without the photo that they
    belong to; where they are for an F score, accuracy or cost and, chosen on all folds but one, do not do
    better on that one than 0.5 by more than one standard error, it is 0.5.

    Args:
        held_out: What to learn from.
        aim: What thresholds aim at.
        calibrates: Whether to calibrate.
        labels: The label names [n_labels], for what the rule says of its thresholds.

    Examples:
        >>> targets = np.array([[1.0], [0.0], [1.0], [0.0]] * 10)
        >>> variants = np.array([np.full((40, 1), 0.5), np.where(targets == 1, 0.8, 0.3)])
        >>> held_out = HeldOut(targets=targets, scores=variants, folds=(np.arange(20), np.arange(20, 40)))
        >>> rule = learn_decision_rule(held_out, aim=ThresholdAim(method="f1"))
        >>> rule.variant, rule.thresholds.decide(rule.score(variants[:, :2])).ravel().tolist()
        (1, [True, False])
    """
    variant = _choose_variant(held_out)
    scores = held_out.scores[variant]
    calibration = (
        leave_uncalibrated(held_out.targets, scores)
        if calibrates == "never"
        else choose_calibration(
            held_out.targets,
            scores,
            held_out.folds,
            groups=held_out.groups,
            is_decided=calibrates == "always",
        )
    )
    are_worthwhile = _are_worthwhile(held_out, calibration.scores, aim)
    aim = aim if are_worthwhile else ThresholdAim(method="half")
    thresholds = choose_thresholds(
        held_out.targets, calibration.scores, aim=aim, labels=labels, groups=held_out.groups
    )
    return DecisionRule(
        variant=variant, calibration=calibration, thresholds=thresholds, are_worthwhile=are_worthwhile
    )


def _are_worthwhile(held_out: HeldOut, scores: FloatArray, aim: ThresholdAim) -> bool:
    """Say whether thresholds do better than 0.5 on photos that did not choose them, by more than chance."""
    if aim.method not in ("f1", "accuracy", "cost"):
        return True  # what 0.5 does has nothing to do with what is asked for
    decisions = cross_fit_thresholds(held_out.targets, scores, held_out.folds, aim=aim)
    n_photos = len(held_out.targets)
    groups = np.arange(n_photos) if held_out.groups is None else held_out.groups
    return gains_more_than_chance(held_out.targets, scores, decisions=decisions, aim=aim, groups=groups)


def cross_fit_decision_rule(
    held_out: HeldOut, *, aim: ThresholdAim, calibrates: Calibrates, rules: LabelRules | None = None
) -> CrossFitted:
    """Score and decide every photo by a rule that was learned from the other folds.

    Args:
        held_out: The photos.
        aim: What thresholds aim at.
        calibrates: Whether to calibrate, the same in all folds: folds of which some are calibrated and some
            are not would spoil the ranking of all of them together.
        rules: What decisions obey; not given: nothing.
    """
    raw_scores, scores = np.empty(held_out.targets.shape), np.empty(held_out.targets.shape)
    decisions, free_decisions = np.zeros((2, *held_out.targets.shape), dtype=np.bool_)
    for number, fold in enumerate(held_out.folds):
        rule = learn_decision_rule(held_out.without(number), aim=aim, calibrates=calibrates)
        raw_scores[fold] = held_out.scores[rule.variant, fold]
        scores[fold] = rule.score(held_out.scores[:, fold])
        decisions[fold] = decide_with_rules(rules, scores[fold], rule.thresholds)
        free_decisions[fold] = rule.thresholds.decide(scores[fold])
    return CrossFitted(
        raw_scores=raw_scores, scores=scores, decisions=decisions, free_decisions=free_decisions
    )


def _choose_variant(held_out: HeldOut) -> int:
    n_known = (~np.isnan(held_out.targets)).any(axis=1).sum()
    if n_known < _MIN_CHOOSING:
        return held_out.usual_variant
    return int(np.argmin([log_loss(held_out.targets, scores) for scores in held_out.scores]))
