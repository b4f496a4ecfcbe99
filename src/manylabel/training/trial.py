"""Train and evaluate one model.

In:  an initial model; photos, targets, split and settings, shared by all models of a run.
Out: a trial, everything that tables and report show, and the trained model.
"""

import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np

from manylabel.config import EvaluationConfig
from manylabel.constraints import decide_with_constraints
from manylabel.decisions.policy import DecisionPolicy
from manylabel.engines.torch import TorchPredictor
from manylabel.models.classifier import Classifier
from manylabel.models.device import choose_precision
from manylabel.models.weights import Provenance
from manylabel.review.neighbors import FeatureArray, nearest_neighbors
from manylabel.training.cross_validation import (
    CrossValidation,
    Experiment,
    choose_folds,
    cross_validate,
    evaluate_folds,
    learn_decision_policy,
)
from manylabel.training.learning_curve import measure_learning_curve
from manylabel.training.methods import METHODS, Fit, TrainingMethod, TrainingTask, fill_defaults
from manylabel.training.methods.base import fill_for_initial
from manylabel.training.methods.interpolation import ALPHAS
from manylabel.training.photo_store import PhotoStore
from manylabel.trials import EvaluatedPhotos, MissedGuarantee, NeighborPredictions, Trial
from manylabel.types import PRETRAINED, FloatArray, IntArray, Progress, Thresholds

_N_TIMED_PHOTOS, _LEAST_TIMED_PHOTOS = 15, 5
_ENOUGH_SECONDS = 1.0
_N_WARM_UP_PHOTOS = 3
_MOST_SIMILAR = 3


@dataclass(frozen=True, eq=False, kw_only=True)
class TrainedModel:
    """A trial and the model that it kept.

    Attributes:
        trial: What tables and report show.
        classifier: The model.
        predictor: The model with its thresholds, ready to use.
    """

    trial: Trial
    classifier: Classifier
    predictor: TorchPredictor


def run_trial(initial: Classifier, provenance: Provenance, experiment: Experiment) -> TrainedModel:
    """Train one model on every fold and on all training photos, and evaluate it.

    Args:
        initial: The model before training.
        provenance: Where its weights came from.
        experiment: What all models of the run share.
    """
    config, stages = experiment.config, dict[str, float]()
    with _timed(stages, "features"):
        method = build_method(build_task(initial, provenance, experiment), experiment)
    with _timed(stages, "cross-validation"):
        cv = cross_validate(method, choose_folds(method.task, experiment), experiment)
    with _timed(stages, "training"):
        final = experiment.fits.final(method, experiment.final_rows())
    with _timed(stages, "calibration and thresholds"):
        policy, calibration_set = learn_decision_policy(method, final, cv, experiment)
        final, thresholds = _apply_policy(final, policy), _thresholds_of(policy, initial)
        out_of_fold = None if cv is None else evaluate_folds(cv, policy, calibration_set, experiment)
    with _timed(stages, "scoring"):
        test = _evaluate_test(method, final, thresholds, experiment)
        neighbors, neighbors_out_of_fold = _evaluate_neighbors(method, cv, experiment)
    with _timed(stages, "learning curve"):
        curve = measure_learning_curve(method, experiment) if config.evaluation.learning_curve else None
    with _timed(stages, "timing one photo"):
        predictor, inference_seconds = _build_predictor(method, final, thresholds, experiment)
    fits = [*(() if cv is None else cv.fits), final]
    trial = Trial(
        model=initial.backbone.name,
        init=provenance.init,
        init_note=provenance.note,
        head=config.model.head,
        tune=config.training.tune,
        parameters=initial.n_parameters,
        labels=initial.labels,
        thresholds=thresholds,
        pos_weight=final.pos_weight,
        weight_decay=final.weight_decay,
        fold_weight_decays=tuple(fit.weight_decay for fit in fits[:-1]),
        history=tuple(epoch for fit in fits for epoch in fit.history),
        logit_scale=final.logit_scale,
        alpha=final.alpha,
        test=test,
        out_of_fold=out_of_fold,
        training_seconds=_seconds_of_a_fit(method, fits, experiment),
        inference_seconds=inference_seconds,
        stage_seconds=stages,
        step_seconds=method.step_seconds,
        calibration_set=calibration_set,
        is_calibrated=policy is not None and policy.calibration.is_used,
        calibration=None if policy is None else policy.calibration.gain,
        missed_guarantees=_missed_guarantees(policy, config.evaluation),
        neighbors=neighbors,
        neighbors_out_of_fold=neighbors_out_of_fold,
        folds=() if cv is None else cv.folds,
        learning_curve=curve,
    )
    return TrainedModel(trial=trial, classifier=final.classifier, predictor=predictor)


def _build_predictor(
    method: TrainingMethod, final: Fit, thresholds: Thresholds, experiment: Experiment
) -> tuple[TorchPredictor, float]:
    """Return what predicts with the trained model, and how long it takes per photo, in seconds."""
    precision = choose_precision(experiment.config.training.precision, method.device)
    predictor = TorchPredictor(
        final.classifier, thresholds=thresholds, precision=precision, constraints=experiment.constraints
    )
    return predictor, seconds_per_photo(predictor, experiment.store)


def _seconds_of_a_fit(method: TrainingMethod, fits: Sequence[Fit], experiment: Experiment) -> float:
    """Return the wall time of one fit, from photos on."""
    share_read = len(experiment.split.train) / len(experiment.store)
    reading = experiment.store.read_seconds * share_read
    return reading + method.prepared_seconds + statistics.median(fit.seconds for fit in fits)


def seconds_per_photo(predictor: TorchPredictor, store: PhotoStore) -> float:
    """Measure the shortest wall time of one decoded photo at batch size 1: pixels to probabilities.

    The shortest is the one that other work on the machine disturbed least.

    Args:
        predictor: What is timed.
        store: Up to 15 of its photos are timed after 3 that warm up; at least 5, then no more once 1 second
            has passed.
    """
    rows = np.arange(_N_WARM_UP_PHOTOS + _N_TIMED_PHOTOS) % len(store)
    seconds: list[float] = []
    for photo in [store[row] for row in rows.tolist()]:
        started = time.perf_counter()
        predictor.predict_proba([photo])
        seconds.append(time.perf_counter() - started)
        if sum(seconds) > _ENOUGH_SECONDS and len(seconds) >= _N_WARM_UP_PHOTOS + _LEAST_TIMED_PHOTOS:
            break
    return min(seconds[_N_WARM_UP_PHOTOS:])


def build_task(initial: Classifier, provenance: Provenance, experiment: Experiment) -> TrainingTask:
    """Return the input of the training method of a model.

    Args:
        initial: The model before training.
        provenance: Where its weights came from.
        experiment: What all models of the run share.
    """
    config, on_progress = experiment.config, experiment.on_progress
    filled = fill_defaults(config.training, head=config.model.head)
    training = fill_for_initial(filled, is_pretrained=provenance.init in PRETRAINED)
    name = initial.backbone.name
    return TrainingTask(
        initial=initial,
        store=experiment.store,
        targets=experiment.targets,
        training=training,
        augmentation=config.augmentation,
        seed=config.seed,
        is_cross_validated=experiment.scores_training_photos,
        cache=experiment.cache,
        groups=experiment.split.groups,
        on_step=lambda stage, done, total: on_progress(
            Progress(subject=name, stage=stage, done=done, total=total)
        ),
    )


def build_method(task: TrainingTask, experiment: Experiment) -> TrainingMethod:
    """Create the training method of a model; this computes the features of all photos."""
    split = experiment.split
    others = np.concatenate([split.val, split.test])
    return METHODS[task.training.tune](task, train_rows=split.train, other_rows=others)


def _apply_policy(final: Fit, policy: DecisionPolicy | None) -> Fit:
    """Apply the alpha and the calibration that were chosen to the kept model."""
    if policy is None:
        return replace(final, interpolation=None)
    alpha = final.alpha
    if final.interpolation is not None:
        alpha = ALPHAS[policy.variant]
        final.interpolation.set_alpha(alpha)
    calibration = policy.calibration.calibration
    final.classifier.calibrate(slopes=calibration.slopes, offsets=calibration.offsets)
    return replace(final, alpha=alpha, interpolation=None)


def _thresholds_of(policy: DecisionPolicy | None, initial: Classifier) -> Thresholds:
    if policy is not None:
        return policy.thresholds
    why = "no photos were held out from training to choose them on"
    return Thresholds(values=np.full(len(initial.labels), 0.5), origin=f"0.5 for every label; {why}")


def _missed_guarantees(
    policy: DecisionPolicy | None, evaluation: EvaluationConfig
) -> tuple[MissedGuarantee, ...]:
    if policy is not None:
        return policy.thresholds.missed
    match evaluation.thresholds:
        case "precision" | "recall":
            return (MissedGuarantee(label=None, metric=evaluation.thresholds, target=evaluation.target),)
        case _:
            return ()


def _evaluate_test(
    method: TrainingMethod, final: Fit, thresholds: Thresholds, experiment: Experiment
) -> EvaluatedPhotos | None:
    test = experiment.split.test
    if not len(test):
        return None
    scores = method.scores(final, test)
    return EvaluatedPhotos(
        rows=test,
        scores=scores,
        decisions=decide_with_constraints(experiment.constraints, scores, thresholds),
    )


def _evaluate_neighbors(
    method: TrainingMethod, cv: CrossValidation | None, experiment: Experiment
) -> tuple[NeighborPredictions | None, NeighborPredictions | None]:
    """Predict the test photos and the out-of-fold photos by their nearest neighbors.

    Neighbors of the photos of a fold are those of the other folds.
    """
    train, test, targets = experiment.split.train, experiment.split.test, experiment.targets
    fold_rounds = [] if cv is None else [(np.setdiff1d(train, fold), fold) for fold in cv.folds]
    if not (len(test) or fold_rounds):
        return None, None
    features = method.backbone_features(np.arange(len(targets)))
    if features is None:
        return None, None
    out_of_fold = _predict_by_neighbors(features, targets, fold_rounds) if fold_rounds else None
    if not len(test):
        return out_of_fold, None
    return _predict_by_neighbors(features, targets, [(train, test)]), out_of_fold


def _predict_by_neighbors(
    features: FeatureArray, targets: FloatArray, rounds: Sequence[tuple[IntArray, IntArray]]
) -> NeighborPredictions:
    """Predict the photos of each round, the second of a pair, by their neighbors in the first."""
    predictions = [
        nearest_neighbors(features[train], targets[train], features[evaluated]) for train, evaluated in rounds
    ]
    n_similar = min(_MOST_SIMILAR, *(found.neighbors.rows.shape[1] for found in predictions))
    similar = [
        train[found.neighbors.rows[:, :n_similar]]
        for (train, _), found in zip(rounds, predictions, strict=True)
    ]
    rows = np.concatenate([evaluated for _, evaluated in rounds])
    order = np.argsort(rows)
    return NeighborPredictions(
        rows=rows[order],
        scores=np.concatenate([found.scores for found in predictions])[order],
        decisions=np.concatenate([found.decisions for found in predictions])[order],
        similar=np.concatenate(similar)[order],
    )


@contextmanager
def _timed(stages: dict[str, float], stage: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    stages[stage] = time.perf_counter() - started
