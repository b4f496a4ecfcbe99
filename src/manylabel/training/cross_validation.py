"""Score photos by fits that did not see them, and learn from these scores how to decide.

In:  a learner, and the experiment.
Out: out-of-fold scores; the decision rule of the network that is kept, and how it does on photos that it was
     not learned from.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import assert_never

import numpy as np

from manylabel.config import EvaluationConfig, ThresholdName
from manylabel.data.split import stratified_folds
from manylabel.decisions.policy import (
    CrossFittedDecisions,
    DecisionPolicy,
    PolicyData,
    cross_fit_policy,
    learn_policy,
)
from manylabel.decisions.thresholds import ThresholdObjective
from manylabel.training.experiment import Experiment
from manylabel.training.methods import AnyLearner, Fit
from manylabel.training.methods.interpolation import SHARES, USUAL_SHARE
from manylabel.types import CalibrationSet, EvaluatedPhotos, FloatArray, IntArray

_N_FOLDS = 5
_MIN_PHOTOS = 20
_MIN_VAL = 2

THRESHOLD_AIMS: dict[ThresholdName, str] = {
    "f1": "best F{beta:g} per label",
    "accuracy": "most right cells per label",
    "cost": "least cost per label",
    "precision": "a precision of {target:.0%} per label",
    "recall": "a recall of {target:.0%} per label",
    "half": "0.5 for every label",
}
"""What each way to choose thresholds aims at, in words."""

_PROMISES: dict[ThresholdName, str] = {
    "precision": "(each by itself; in at most one of ten such collections is it made and broken)",
    "recall": "(each by itself, on average over sets of photos like these)",
}
"""What a promise means, in words."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Crossed:
    """Hold what a cross-validation gave.

    Attributes:
        fits: The fit of every fold, without its weights.
        rows: The photos that were scored, sorted [n_rows].
        scores: Probabilities [n_variants, n_rows, n_labels]; the variants are the shares of the way that may
            be kept, or there is one.
        folds: Row numbers of each fold.
    """

    fits: tuple[Fit, ...]
    rows: IntArray
    scores: FloatArray
    folds: tuple[IntArray, ...]

    def held_out(self, experiment: Experiment) -> PolicyData:
        """Return the scores with their targets."""
        folds = tuple(np.searchsorted(self.rows, np.sort(fold)) for fold in self.folds)
        return _held_out(self.rows, self.scores, folds, experiment)


def choose_folds(learner: AnyLearner, experiment: Experiment) -> tuple[IntArray, ...]:
    """Return the photos that each fit of a cross-validation holds out.

    Those of the split, or, where the kept network has no other photos to choose by, inner ones, as many of
    them as it takes to score the photos that the learner wants.
    """
    split, train = experiment.split, experiment.split.train
    inner = learner.inner_folds if experiment.config.evaluation.inner_folds else None
    if split.folds or len(split.val) >= _MIN_VAL or inner is None or len(train) < _MIN_PHOTOS:
        return split.folds
    groups = experiment.groups_of(train)
    if groups is not None and len(np.unique(groups)) < inner.n_folds:
        return ()
    rng = np.random.default_rng([experiment.config.seed, 1])
    folds = stratified_folds(experiment.targets[train], n_folds=inner.n_folds, rng=rng, groups=groups)
    n_before = np.cumsum([0, *map(len, folds)])[:-1]
    return tuple(train[fold] for fold, n in zip(folds, n_before, strict=True) if n < inner.n_photos)


def cross_validate(learner: AnyLearner, folds: Sequence[IntArray], experiment: Experiment) -> Crossed | None:
    """Score the photos of each fold by a fit that did not see them; None without folds."""
    if not folds:
        return None
    train, fits, scores = experiment.split.train, list[Fit](), list[FloatArray]()
    for number, held_out in enumerate(folds):
        rows = experiment.fit_rows(np.setdiff1d(train, held_out), held_out, fold=number)
        fit = learner.fit(rows)
        scores.append(_score_variants(learner, fit, held_out))
        # Only losses and seconds are looked at later: the weights of every fold would fill the memory.
        start = learner.lesson.start
        fits.append(replace(fit, classifier=start, module=start, way=None))
    scored = np.concatenate(folds)
    order = np.argsort(scored)
    return Crossed(
        fits=tuple(fits),
        rows=scored[order],
        scores=np.concatenate(scores, axis=1)[:, order],
        folds=tuple(folds),
    )


def _score_variants(learner: AnyLearner, fit: Fit, rows: IntArray) -> FloatArray:
    """Return the scores [n_variants, n_rows, n_labels] of all networks that a fit may end up as."""
    if fit.way is None:
        return learner.scores(fit, rows)[None]
    variants = []
    for share in SHARES:
        fit.way.stand(share)
        variants.append(learner.scores(fit, rows))
    return np.stack(variants)


def learn_from_held_out(
    learner: AnyLearner, final: Fit, crossed: Crossed | None, experiment: Experiment
) -> tuple[DecisionPolicy | None, CalibrationSet | None]:
    """Learn how the network that is kept decides: from validation photos, else from out-of-fold scores.

    Returns:
        The rule, and what it says about the photos that it was learned from, each fold by the others; None
        where no photos were kept from training.
    """
    val, labels = experiment.split.val, learner.lesson.start.labels
    if len(val) >= _MIN_VAL:
        held_out = _held_out(val, _score_variants(learner, final, val), (), experiment)
        return _learn(held_out, val, "the validation photos", experiment, labels=labels)
    if crossed is None:
        return None, None
    where = "out-of-fold scores of the training photos"
    return _learn(crossed.held_out(experiment), crossed.rows, where, experiment, labels=labels)


def judge_folds(
    crossed: Crossed,
    rule: DecisionPolicy | None,
    calibration_set: CalibrationSet | None,
    experiment: Experiment,
) -> EvaluatedPhotos:
    """Decide every out-of-fold photo by a rule that was learned on the other folds.

    Scores are calibrated as those of the network that is kept: a calibration never changes the order of a
    label's scores, and one per fold would.
    """
    if calibration_set is not None and np.array_equal(calibration_set.evaluated.rows, crossed.rows):
        raw_scores, decisions = calibration_set.raw_scores, calibration_set.evaluated.decisions
    else:
        said = _cross_fit(crossed.held_out(experiment), rule, experiment)
        raw_scores, decisions = said.raw_scores, said.decisions
    scores = raw_scores if rule is None else rule.calibration.calibration.apply(raw_scores)
    return EvaluatedPhotos(rows=crossed.rows, scores=scores, decisions=decisions)


def _cross_fit(
    held_out: PolicyData, rule: DecisionPolicy | None, experiment: Experiment
) -> CrossFittedDecisions:
    """Learn a rule per fold, with a calibration where the rule that is kept has one."""
    return cross_fit_policy(
        held_out,
        objective=threshold_aim(experiment.config.evaluation),
        calibrate="always" if rule is not None and rule.calibration.is_used else "never",
        rules=experiment.rules,
    )


def _learn(
    held_out: PolicyData, rows: IntArray, where: str, experiment: Experiment, *, labels: Sequence[str]
) -> tuple[DecisionPolicy, CalibrationSet]:
    evaluation = experiment.config.evaluation
    rule = learn_policy(
        held_out,
        objective=threshold_aim(evaluation),
        calibrate="auto" if evaluation.calibrate else "never",
        labels=labels,
    )
    said = _cross_fit(held_out, rule, experiment)
    goal = THRESHOLD_AIMS[evaluation.thresholds].format(beta=evaluation.beta, target=evaluation.target)
    n_known = int((~np.isnan(held_out.targets)).any(axis=1).sum())
    origin = goal if evaluation.thresholds == "half" else f"{goal} on {where} ({n_known} photos)"
    if not rule.are_worthwhile:
        origin = f"0.5 for every label; those of {origin} did no better on photos that did not choose them"
    if evaluation.thresholds in ("precision", "recall"):
        n_promised = rule.thresholds.is_guaranteed.sum()
        origin += f", promised for {n_promised} of {len(labels)} labels {_PROMISES[evaluation.thresholds]}"
        origin += (
            ", before rules among labels" if experiment.rules is not None and experiment.rules.rules else ""
        )
    return replace(rule, thresholds=replace(rule.thresholds, origin=origin)), CalibrationSet(
        evaluated=EvaluatedPhotos(rows=rows, scores=said.scores, decisions=said.decisions),
        raw_scores=said.raw_scores,
        threshold_scores=rule.calibration.scores,
        free_decisions=said.free_decisions,
        folds=held_out.folds,
        origin=where,
    )


def threshold_aim(evaluation: EvaluationConfig) -> ThresholdObjective:
    """Return what thresholds aim at by the settings; numbers that mean nothing to the method are left out."""
    match evaluation.thresholds:
        case "f1":
            return ThresholdObjective(method="f1", beta=evaluation.beta)
        case "precision" | "recall":
            return ThresholdObjective(method=evaluation.thresholds, target=evaluation.target)
        case "cost":
            return ThresholdObjective(
                method="cost", cost_missed=evaluation.cost_missed, cost_false=evaluation.cost_false
            )
        case "accuracy" | "half":
            return ThresholdObjective(method=evaluation.thresholds)
        case _:
            assert_never(evaluation.thresholds)


def _held_out(
    rows: IntArray, scores: FloatArray, folds: tuple[IntArray, ...], experiment: Experiment
) -> PolicyData:
    """Divide the photos in folds for what is fitted to their scores, where they are not divided already."""
    targets, groups = experiment.targets[rows], experiment.groups_of(rows)
    if len(folds) < 2:
        n_folds = min(_N_FOLDS, len(rows) if groups is None else len(np.unique(groups)))
        if n_folds < 2:  # copies of one photo
            groups, n_folds = None, 2
        rng = np.random.default_rng([experiment.config.seed, 7])
        folds = stratified_folds(targets, n_folds=n_folds, rng=rng, groups=groups)
    usual = SHARES.index(USUAL_SHARE) if len(scores) == len(SHARES) else 0
    return PolicyData(
        targets=targets,
        scores=scores,
        folds=folds,
        default_variant=usual,
        groups=experiment.groups_of(rows),
    )
