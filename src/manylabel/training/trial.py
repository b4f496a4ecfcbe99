"""Train and judge one network.

In:  a network at its start; photos, targets, split and settings, shared by all networks of a run.
Out: a trial, everything that tables and report show, and the trained network.
"""

import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from manylabel.config import EvaluationConfig, RunConfig
from manylabel.constraints import respect
from manylabel.decisions.policy import DecisionPolicy
from manylabel.engines.torch import TorchPredictor
from manylabel.models.classifier import Classifier
from manylabel.models.device import choose_precision
from manylabel.models.weights import Provenance
from manylabel.review.neighbors import FeatureArray, nearest_neighbors
from manylabel.training.cross_validation import (
    Crossed,
    choose_folds,
    cross_validate,
    judge_folds,
    learn_from_held_out,
)
from manylabel.training.defaults import fill_defaults, fill_for_start
from manylabel.training.experiment import Experiment
from manylabel.training.learning_curve import measure_learning_curve
from manylabel.training.methods import LEARNERS, AnyLearner, Fit, Lesson
from manylabel.training.methods.interpolation import SHARES
from manylabel.training.photo_store import PhotoStore
from manylabel.types import (
    PRETRAINED,
    EvaluatedPhotos,
    FloatArray,
    IntArray,
    MissedGuarantee,
    NeighborPredictions,
    Progress,
    Thresholds,
    Trial,
)

__all__ = ["Experiment", "TrainedNetwork", "run_trial", "seconds_per_photo"]

_N_TIMED_PHOTOS, _LEAST_TIMED_PHOTOS = 15, 5
_ENOUGH_SECONDS = 1.0
_N_WARM_UP_PHOTOS = 3
_MOST_SIMILAR = 3


@dataclass(frozen=True, eq=False, kw_only=True)
class TrainedNetwork:
    """Hold a trial and the network that it kept.

    Attributes:
        trial: What tables and report show.
        classifier: The network.
        predictor: The network with its thresholds, ready to use.
    """

    trial: Trial
    classifier: Classifier
    predictor: TorchPredictor


def run_trial(start: Classifier, provenance: Provenance, experiment: Experiment) -> TrainedNetwork:
    """Train one network on every fold and on all training photos, and judge it.

    Args:
        start: The network before training.
        provenance: Where its weights came from.
        experiment: What all networks of the run share.
    """
    config, split, stages = experiment.config, experiment.split, dict[str, float]()
    with _timed(stages, "features"):
        learner = _make_learner(start, provenance, experiment)
    with _timed(stages, "cross-validation"):
        crossed = cross_validate(learner, choose_folds(learner, experiment), experiment)
    with _timed(stages, "training"):
        final = learner.fit(experiment.fit_rows(split.train, split.test, fold=None))
    with _timed(stages, "calibration and thresholds"):
        rule, calibration_set = learn_from_held_out(learner, final, crossed, experiment)
        final, thresholds = _settle(final, rule), _thresholds_of(rule, start)
        out_of_fold = None if crossed is None else judge_folds(crossed, rule, calibration_set, experiment)
    with _timed(stages, "scoring"):
        test = _judge_test(learner, final, thresholds, experiment)
        neighbors, neighbors_out_of_fold = _judge_neighbors(learner, crossed, experiment)
    with _timed(stages, "learning curve"):
        curve = measure_learning_curve(learner, experiment) if config.evaluation.learning_curve else None
    precision = choose_precision(config.training.precision, learner.device)
    predictor = TorchPredictor(
        final.classifier, thresholds=thresholds, precision=precision, rules=experiment.rules
    )
    with _timed(stages, "timing one photo"):
        inference_seconds = seconds_per_photo(predictor, experiment.store)
    fold_fits = () if crossed is None else crossed.fits
    trial = Trial(
        **_describe_start(start, provenance, config),
        **_describe_fits(final, fold_fits),
        thresholds=thresholds,
        test=test,
        out_of_fold=out_of_fold,
        training_seconds=_seconds_of_a_fit(learner, [*fold_fits, final], experiment),
        inference_seconds=inference_seconds,
        stage_seconds=stages,
        step_seconds=learner.step_seconds,
        calibration_set=calibration_set,
        is_calibrated=rule is not None and rule.calibration.is_used,
        calibration=None if rule is None else rule.calibration.gain,
        missed_guarantees=_missed_guarantees(rule, config.evaluation),
        neighbors=neighbors,
        neighbors_out_of_fold=neighbors_out_of_fold,
        folds=() if crossed is None else crossed.folds,
        learning_curve=curve,
    )
    return TrainedNetwork(trial=trial, classifier=final.classifier, predictor=predictor)


def _describe_start(start: Classifier, provenance: Provenance, config: RunConfig) -> dict[str, Any]:
    """Return what a trial tells of its network before training."""
    return {
        "model": start.backbone.name,
        "init": provenance.init,
        "init_note": provenance.note,
        "head": config.model.head,
        "tune": config.training.tune,
        "parameters": start.n_parameters,
        "labels": start.labels,
    }


def _describe_fits(final: Fit, fold_fits: Sequence[Fit]) -> dict[str, Any]:
    """Return what a trial tells of its fits."""
    return {
        "pos_weight": final.pos_weight,
        "weight_decay": final.weight_decay,
        "fold_weight_decays": tuple(fit.weight_decay for fit in fold_fits),
        "history": tuple(epoch for fit in (*fold_fits, final) for epoch in fit.history),
        "logit_scale": final.logit_scale,
        "learned_share": final.learned_share,
    }


def _seconds_of_a_fit(learner: AnyLearner, fits: Sequence[Fit], experiment: Experiment) -> float:
    """Return the wall time of one fit, from photos on."""
    share_read = len(experiment.split.train) / len(experiment.store)
    reading = experiment.store.read_seconds * share_read
    return reading + learner.prepared_seconds + statistics.median(fit.seconds for fit in fits)


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


def _make_learner(start: Classifier, provenance: Provenance, experiment: Experiment) -> AnyLearner:
    config, split, on_progress = experiment.config, experiment.split, experiment.on_progress
    filled = fill_defaults(config.training, head=config.model.head)
    training = fill_for_start(filled, is_pretrained=provenance.init in PRETRAINED)
    name = start.backbone.name
    lesson = Lesson(
        start=start,
        store=experiment.store,
        targets=experiment.targets,
        training=training,
        augmentation=config.augmentation,
        seed=config.seed,
        is_cross_validated=experiment.scores_training_photos,
        cache=experiment.cache,
        groups=split.groups,
        on_step=lambda stage, done, total: on_progress(
            Progress(subject=name, stage=stage, done=done, total=total)
        ),
    )
    others = np.concatenate([split.val, split.test])
    return LEARNERS[training.tune](lesson, train_rows=split.train, other_rows=others)


def _settle(final: Fit, rule: DecisionPolicy | None) -> Fit:
    """Let the network that is kept be the variant that the rule chose, calibrated."""
    if rule is None:
        return replace(final, way=None)
    share = final.learned_share
    if final.way is not None:
        share = SHARES[rule.variant]
        final.way.stand(share)
    calibration = rule.calibration.calibration
    final.classifier.calibrate(slopes=calibration.slopes, offsets=calibration.offsets)
    return replace(final, learned_share=share, way=None)


def _thresholds_of(rule: DecisionPolicy | None, start: Classifier) -> Thresholds:
    if rule is not None:
        return rule.thresholds
    why = "no photos were kept from training to choose them on"
    return Thresholds(values=np.full(len(start.labels), 0.5), origin=f"0.5 for every label; {why}")


def _missed_guarantees(
    rule: DecisionPolicy | None, evaluation: EvaluationConfig
) -> tuple[MissedGuarantee, ...]:
    if rule is not None:
        return rule.thresholds.missed
    match evaluation.thresholds:
        case "precision" | "recall":
            return (MissedGuarantee(label=None, metric=evaluation.thresholds, target=evaluation.target),)
        case _:
            return ()


def _judge_test(
    learner: AnyLearner, final: Fit, thresholds: Thresholds, experiment: Experiment
) -> EvaluatedPhotos | None:
    test = experiment.split.test
    if not len(test):
        return None
    scores = learner.scores(final, test)
    return EvaluatedPhotos(rows=test, scores=scores, decisions=respect(experiment.rules, scores, thresholds))


def _judge_neighbors(
    learner: AnyLearner, crossed: Crossed | None, experiment: Experiment
) -> tuple[NeighborPredictions | None, NeighborPredictions | None]:
    """Ask the nearest neighbors about the photos that judge, and about the out-of-fold ones where others do.

    Photos of a fold are answered without their own fold.
    """
    train, test, targets = experiment.split.train, experiment.split.test, experiment.targets
    fold_rounds = [] if crossed is None else [(np.setdiff1d(train, fold), fold) for fold in crossed.folds]
    if not (len(test) or fold_rounds):
        return None, None
    features = learner.backbone_features(np.arange(len(targets)))
    if features is None:
        return None, None
    out_of_fold = _ask_neighbors(features, targets, fold_rounds) if fold_rounds else None
    if not len(test):
        return out_of_fold, None
    return _ask_neighbors(features, targets, [(train, test)]), out_of_fold


def _ask_neighbors(
    features: FeatureArray, targets: FloatArray, rounds: Sequence[tuple[IntArray, IntArray]]
) -> NeighborPredictions:
    """Ask about the photos of each round, the second of a pair; those of the first answer."""
    answers = [
        nearest_neighbors(features[train], targets[train], features[evaluated]) for train, evaluated in rounds
    ]
    n_similar = min(_MOST_SIMILAR, *(answer.neighbors.rows.shape[1] for answer in answers))
    similar = [
        train[answer.neighbors.rows[:, :n_similar]]
        for (train, _), answer in zip(rounds, answers, strict=True)
    ]
    rows = np.concatenate([evaluated for _, evaluated in rounds])
    order = np.argsort(rows)
    return NeighborPredictions(
        rows=rows[order],
        scores=np.concatenate([answer.scores for answer in answers])[order],
        decisions=np.concatenate([answer.decisions for answer in answers])[order],
        similar=np.concatenate(similar)[order],
    )


@contextmanager
def _timed(stages: dict[str, float], stage: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    stages[stage] = time.perf_counter() - started
