"""Score photos by fits that did not see them, and choose calibration and thresholds on these scores.

In:  a training method, and the experiment that all models of a run share.
Out: out-of-fold scores; the decision policy of the model that is kept, and how it does on photos that it was
     not
     chosen on.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import assert_never

import numpy as np

from manylabel.config import EvaluationConfig, RunConfig, ThresholdName
from manylabel.constraints import LabelConstraints
from manylabel.data.stratify import stratified_folds, stratified_holdout
from manylabel.decisions.policy import (
    CrossFittedDecisions,
    DecisionPolicy,
    PolicyData,
    cross_fit_policy,
    learn_policy,
)
from manylabel.decisions.thresholds import ThresholdObjective
from manylabel.training.finished_fits import FinishedFits, FoldFit
from manylabel.training.methods import METHODS, Fit, FitRows, TrainingMethod, TrainingTask
from manylabel.training.methods.interpolation import ALPHAS, DEFAULT_ALPHA
from manylabel.training.photo_store import PhotoStore
from manylabel.trials import CalibrationSet, EvaluatedPhotos
from manylabel.types import FloatArray, IntArray, ProgressCallback, Split

_N_FOLDS = 5
_MIN_PHOTOS = 20
_MIN_VAL = 2

THRESHOLD_OBJECTIVES: dict[ThresholdName, str] = {
    "f1": "best F{beta:g} per label",
    "accuracy": "best accuracy per label",
    "cost": "lowest cost per label",
    "precision": "a precision of {target:.0%} per label",
    "recall": "a recall of {target:.0%} per label",
    "half": "0.5 for every label",
}
"""The criterion of each way to choose thresholds, in words."""

_PROMISES: dict[ThresholdName, str] = {
    "precision": "(for each label by itself; wrong in at most one of ten sets of photos like these)",
    "recall": "(for each label by itself, on average over sets of photos like these)",
}
"""The meaning of a guarantee, in words."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Experiment:
    """What all models of a run share.

    Attributes:
        store: The photos, one per row of ``targets``.
        targets: [n_photos, n_labels], NaN unknown.
        split: Training, validation and test photos, and folds.
        config: The settings.
        cache: Folder of the feature cache; None for no cache.
        on_progress: Called with the progress.
        constraints: Constraints that decisions follow; None without constraints.
        fits: The finished fits of one model, kept so that a run can be resumed; by default none.
    """

    store: PhotoStore
    targets: FloatArray
    split: Split
    config: RunConfig
    cache: Path | None
    on_progress: ProgressCallback
    constraints: LabelConstraints | None = None
    fits: FinishedFits = field(default_factory=FinishedFits)

    @property
    def scores_training_photos(self) -> bool:
        """Tell whether photos that one fit is trained on may be scored by another."""
        return bool(self.split.folds) or (self.config.evaluation.inner_folds and not len(self.split.val))

    def groups_of(self, rows: IntArray) -> IntArray | None:
        """Return the group of near-duplicates of each of some photos; None without near-duplicates."""
        return None if self.split.groups is None else self.split.groups[rows]

    def fold_rows(self, held_out: IntArray, *, fold: int) -> FitRows:
        """Return the photos of the fit of a fold, without the held-out ones."""
        return self._fit_rows(np.setdiff1d(self.split.train, held_out), held_out, fold=fold)

    def final_rows(self) -> FitRows:
        """Return the photos of the final fit."""
        return self._fit_rows(self.split.train, self.split.test, fold=None)

    def _fit_rows(self, train: IntArray, watched: IntArray, *, fold: int | None) -> FitRows:
        """Return the photos of a fit; early stopping may take some of its training photos.

        Args:
            train: Photos to train on.
            watched: Photos whose loss is plotted.
            fold: Number of the fold; None for the fit that is kept.
        """
        if len(self.split.val) or self.config.training.patience is None:
            return FitRows(train=train, watched=watched, val=self.split.val, fold=fold)
        rng = np.random.default_rng([self.config.seed, 2, 0 if fold is None else 1 + fold])
        groups = self.groups_of(train)
        if groups is not None and len(np.unique(groups)) < 2:
            groups = None  # all are near-duplicates of one photo
        rest, held_out = stratified_holdout(
            self.targets[train], fraction=self.config.split.val_fraction, rng=rng, groups=groups
        )
        return FitRows(train=train[rest], watched=watched, val=train[held_out], fold=fold)


@dataclass(frozen=True, eq=False, kw_only=True)
class CrossValidation:
    """The results of a cross-validation.

    Attributes:
        fits: The fit of every fold, without its weights.
        rows: The photos that were scored, sorted [n_rows].
        scores: Probabilities [n_variants, n_rows, n_labels]; one variant per alpha, or one in all.
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


def choose_folds(task: TrainingTask, experiment: Experiment) -> tuple[IntArray, ...]:
    """Return the photos that each fit of a cross-validation holds out.

    These are the folds of the split. Without any, and without validation photos, they are inner folds: as
    many as it takes to score the photos that the method needs.
    """
    split, train = experiment.split, experiment.split.train
    inner = METHODS[task.training.tune].inner_folds(task.initial)
    inner = inner if experiment.config.evaluation.inner_folds else None
    if split.folds or len(split.val) >= _MIN_VAL or inner is None or len(train) < _MIN_PHOTOS:
        return split.folds
    groups = experiment.groups_of(train)
    if groups is not None and len(np.unique(groups)) < inner.n_folds:
        return ()
    rng = np.random.default_rng([experiment.config.seed, 1])
    folds = stratified_folds(experiment.targets[train], n_folds=inner.n_folds, rng=rng, groups=groups)
    n_before = np.cumsum([0, *map(len, folds)])[:-1]
    return tuple(train[fold] for fold, n in zip(folds, n_before, strict=True) if n < inner.n_photos)


def cross_validate(
    method: TrainingMethod, folds: Sequence[IntArray], experiment: Experiment
) -> CrossValidation | None:
    """Score the photos of each fold by a fit that did not see them; None without folds."""
    if not folds:
        return None
    of_folds = [fit_fold(method, held_out, experiment, fold=number) for number, held_out in enumerate(folds)]
    scored = np.concatenate(folds)
    order = np.argsort(scored)
    return CrossValidation(
        fits=tuple(of_fold.fit for of_fold in of_folds),
        rows=scored[order],
        scores=np.concatenate([of_fold.scores for of_fold in of_folds], axis=1)[:, order],
        folds=tuple(folds),
    )


def fit_fold(method: TrainingMethod, held_out: IntArray, experiment: Experiment, *, fold: int) -> FoldFit:
    """Train on all training photos except those of a fold, and score the held-out photos."""
    rows = experiment.fold_rows(held_out, fold=fold)
    return experiment.fits.fold(method, rows, score=partial(_score_variants, method, rows=held_out))


def _score_variants(method: TrainingMethod, fit: Fit, rows: IntArray) -> FloatArray:
    """Return the scores [n_variants, n_rows, n_labels] of a fit for every alpha that may be chosen."""
    if fit.interpolation is None:
        return method.scores(fit, rows)[None]
    variants = []
    for alpha in ALPHAS:
        fit.interpolation.set_alpha(alpha)
        variants.append(method.scores(fit, rows))
    return np.stack(variants)


def learn_decision_policy(
    method: TrainingMethod, final: Fit, cv: CrossValidation | None, experiment: Experiment
) -> tuple[DecisionPolicy | None, CalibrationSet | None]:
    """Choose calibration and thresholds on the validation photos, else on out-of-fold scores.

    Returns:
        The policy, and cross-fitted decisions about the photos that it was chosen on; None where no photos
        were held out.
    """
    val, labels = experiment.split.val, method.task.initial.labels
    if len(val) >= _MIN_VAL:
        held_out = _held_out(val, _score_variants(method, final, val), (), experiment)
        return _learn(held_out, val, "the validation photos", experiment, labels=labels)
    if cv is None:
        return None, None
    where = "out-of-fold scores of the training photos"
    return _learn(cv.held_out(experiment), cv.rows, where, experiment, labels=labels)


def evaluate_folds(
    cv: CrossValidation,
    policy: DecisionPolicy | None,
    calibration_set: CalibrationSet | None,
    experiment: Experiment,
) -> EvaluatedPhotos:
    """Decide every out-of-fold photo by a policy that was chosen on the other folds.

    Scores are calibrated like those of the model that is kept: one calibration never changes the order of a
    label's scores, and one per fold would.
    """
    if calibration_set is not None and np.array_equal(calibration_set.evaluated.rows, cv.rows):
        raw_scores, decisions = calibration_set.raw_scores, calibration_set.evaluated.decisions
    else:
        cross_fitted = _cross_fit(cv.held_out(experiment), policy, experiment)
        raw_scores, decisions = cross_fitted.raw_scores, cross_fitted.decisions
    scores = raw_scores if policy is None else policy.calibration.calibration.apply(raw_scores)
    return EvaluatedPhotos(rows=cv.rows, scores=scores, decisions=decisions)


def _cross_fit(
    held_out: PolicyData, policy: DecisionPolicy | None, experiment: Experiment
) -> CrossFittedDecisions:
    """Choose a policy per fold, with a calibration where the policy that is kept has one."""
    return cross_fit_policy(
        held_out,
        objective=threshold_objective(experiment.config.evaluation),
        calibrate="always" if policy is not None and policy.calibration.is_used else "never",
        constraints=experiment.constraints,
    )


def _learn(
    held_out: PolicyData, rows: IntArray, where: str, experiment: Experiment, *, labels: Sequence[str]
) -> tuple[DecisionPolicy, CalibrationSet]:
    evaluation = experiment.config.evaluation
    policy = learn_policy(
        held_out,
        objective=threshold_objective(evaluation),
        calibrate="auto" if evaluation.calibrate else "never",
        labels=labels,
    )
    cross_fitted = _cross_fit(held_out, policy, experiment)
    goal = THRESHOLD_OBJECTIVES[evaluation.thresholds].format(beta=evaluation.beta, target=evaluation.target)
    n_known = int((~np.isnan(held_out.targets)).any(axis=1).sum())
    origin = goal if evaluation.thresholds == "half" else f"{goal} on {where} ({n_known} photos)"
    if not policy.are_worthwhile:
        origin = f"0.5 for every label; those of {origin} did no better on photos that did not choose them"
    if evaluation.thresholds in ("precision", "recall"):
        n_promised = policy.thresholds.is_guaranteed.sum()
        origin += f", guaranteed for {n_promised} of {len(labels)} labels {_PROMISES[evaluation.thresholds]}"
        origin += (
            ", before constraints among labels"
            if experiment.constraints is not None and experiment.constraints.constraints
            else ""
        )
    return replace(policy, thresholds=replace(policy.thresholds, origin=origin)), CalibrationSet(
        evaluated=EvaluatedPhotos(rows=rows, scores=cross_fitted.scores, decisions=cross_fitted.decisions),
        raw_scores=cross_fitted.raw_scores,
        threshold_scores=policy.calibration.scores,
        free_decisions=cross_fitted.free_decisions,
        folds=held_out.folds,
        origin=where,
    )


def threshold_objective(evaluation: EvaluationConfig) -> ThresholdObjective:
    """Return the criterion of thresholds; numbers that the method does not use are left out."""
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
    """Divide the photos into folds where they are not divided already."""
    targets, groups = experiment.targets[rows], experiment.groups_of(rows)
    if len(folds) < 2:
        n_folds = min(_N_FOLDS, len(rows) if groups is None else len(np.unique(groups)))
        if n_folds < 2:  # near-duplicates of one photo
            groups, n_folds = None, 2
        rng = np.random.default_rng([experiment.config.seed, 7])
        folds = stratified_folds(targets, n_folds=n_folds, rng=rng, groups=groups)
    usual = ALPHAS.index(DEFAULT_ALPHA) if len(scores) == len(ALPHAS) else 0
    return PolicyData(
        targets=targets,
        scores=scores,
        folds=folds,
        default_variant=usual,
        groups=experiment.groups_of(rows),
    )
