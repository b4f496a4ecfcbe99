"""Train and judge one network.

In:  a network at its start; photos, targets, split and settings, shared by all networks of a run.
Out: a trial, everything that tables and report show, and the trained network.
"""

import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from manylabel.config import RunConfig, ThresholdName
from manylabel.data.split import stratified_folds, stratified_holdout
from manylabel.evaluation.thresholds import choose_thresholds, cross_fit_thresholds
from manylabel.models.classifier import Classifier
from manylabel.models.weights import Provenance
from manylabel.predictors.device import choose_precision
from manylabel.predictors.torch_predictor import TorchPredictor
from manylabel.training.defaults import fill_defaults, fill_for_start
from manylabel.training.learners import LEARNERS, AnyLearner, Fit, FitRows, Lesson
from manylabel.training.photo_store import PhotoStore
from manylabel.types import FloatArray, IntArray, Judged, Listener, Progress, Split, Thresholds, Trial

_N_TIMED_PHOTOS, _LEAST_TIMED_PHOTOS = 15, 5
_ENOUGH_SECONDS = 3.0
_N_WARM_UP_PHOTOS = 3
_N_INNER_FOLDS = 5
_MIN_PHOTOS_FOR_INNER_FOLDS = 20

THRESHOLD_AIMS: dict[ThresholdName, str] = {
    "f1": "best F1 per label",
    "accuracy": "most right cells per label",
    "half": "0.5 for every label",
}
"""What each way to choose thresholds aims at, in words."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Experiment:
    """Hold what all networks of a run share.

    Attributes:
        store: The photos, one per row of ``targets``.
        targets: [n_photos, n_labels], NaN unknown.
        split: Which photos train, choose and judge.
        config: The settings.
        cache: Folder of the feature cache; None for no cache.
        listener: Hears of progress.
    """

    store: PhotoStore
    targets: FloatArray
    split: Split
    config: RunConfig
    cache: Path | None
    listener: Listener


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
    split, stages = experiment.split, dict[str, float]()
    with _timed(stages, "features"):
        learner = _make_learner(start, provenance, experiment)
    with _timed(stages, "cross-validation"):
        fold_fits, fold_scores = _cross_validate(learner, split, experiment)
    with _timed(stages, "training"):
        final = learner.fit(_fit_rows(split.train, split.test, experiment, fold=None))
    with _timed(stages, "thresholds"):
        thresholds = _choose_thresholds(learner, final, fold_scores, experiment)
    with _timed(stages, "scoring"):
        test = _judge_test(learner, final, split.test, thresholds)
    precision = choose_precision(experiment.config.training.precision, learner.device)
    predictor = TorchPredictor(final.classifier, thresholds=thresholds, precision=precision)
    with _timed(stages, "timing one photo"):
        inference_seconds = seconds_per_photo(predictor, experiment.store)
    fits = [*fold_fits, final]
    share_read = len(split.train) / len(experiment.store)
    trial = Trial(
        model=start.backbone.name,
        init=provenance.init,
        init_note=provenance.note,
        head=experiment.config.model.head,
        tune=experiment.config.training.tune,
        parameters=start.n_parameters,
        labels=start.labels,
        thresholds=thresholds,
        pos_weight=final.pos_weight,
        test=test,
        out_of_fold=_judge_folds(fold_scores, experiment),
        weight_decay=final.weight_decay,
        fold_weight_decays=tuple(fit.weight_decay for fit in fold_fits),
        history=tuple(epoch for fit in fits for epoch in fit.history),
        training_seconds=experiment.store.read_seconds * share_read
        + learner.prepared_seconds
        + statistics.median(fit.seconds for fit in fits),
        inference_seconds=inference_seconds,
        stage_seconds=stages,
        step_seconds=learner.step_seconds,
        logit_scale=final.logit_scale,
        learned_share=final.learned_share,
    )
    return TrainedNetwork(trial=trial, classifier=final.classifier, predictor=predictor)


def seconds_per_photo(predictor: TorchPredictor, store: PhotoStore) -> float:
    """Measure the median wall time of one decoded photo at batch size 1: pixels to probabilities.

    Args:
        predictor: What is timed.
        store: Up to 15 of its photos are timed after 3 that warm up; at least 5, then no more once 3 seconds
            have passed.
    """
    rows = np.arange(_N_WARM_UP_PHOTOS + _N_TIMED_PHOTOS) % len(store)
    seconds: list[float] = []
    for photo in [store[row] for row in rows.tolist()]:
        started = time.perf_counter()
        predictor.predict_proba([photo])
        seconds.append(time.perf_counter() - started)
        if sum(seconds) > _ENOUGH_SECONDS and len(seconds) >= _N_WARM_UP_PHOTOS + _LEAST_TIMED_PHOTOS:
            break
    return statistics.median(seconds[_N_WARM_UP_PHOTOS:])


def _make_learner(start: Classifier, provenance: Provenance, experiment: Experiment) -> AnyLearner:
    config, split, listener = experiment.config, experiment.split, experiment.listener
    filled = fill_defaults(config.training, head=config.model.head)
    training = fill_for_start(filled, is_pretrained=provenance.init != "random")
    name = start.backbone.name
    lesson = Lesson(
        start=start,
        store=experiment.store,
        targets=experiment.targets,
        training=training,
        augmentation=config.augmentation,
        seed=config.seed,
        is_cross_validated=bool(split.folds),
        cache=experiment.cache,
        on_step=lambda stage, done, total: listener(
            Progress(subject=name, stage=stage, done=done, total=total)
        ),
    )
    others = np.concatenate([split.val, split.test])
    return LEARNERS[training.tune](lesson, train_rows=split.train, other_rows=others)


def _cross_validate(
    learner: AnyLearner, split: Split, experiment: Experiment
) -> tuple[list[Fit], FloatArray | None]:
    """Return the fit of every fold, and the out-of-fold scores in the order of ``split.train``."""
    if not split.folds:
        return [], None
    scores = np.empty((len(learner.lesson.store), learner.lesson.targets.shape[1]))
    fits = []
    for number, held_out in enumerate(split.folds):
        others = np.setdiff1d(split.train, held_out)
        fit = learner.fit(_fit_rows(others, held_out, experiment, fold=number))
        scores[held_out] = learner.scores(fit, held_out)
        # Only losses and seconds are looked at later: the weights of every fold would fill the memory.
        start = learner.lesson.start
        fits.append(replace(fit, classifier=start, module=start))
    return fits, scores[split.train]


def _fit_rows(train: IntArray, watched: IntArray, experiment: Experiment, *, fold: int | None) -> FitRows:
    """Say which photos a fit learns from, and which choose; early stopping takes some of these if need be."""
    if len(experiment.split.val) or experiment.config.training.patience is None:
        return FitRows(train=train, watched=watched, val=experiment.split.val, fold=fold)
    rng = np.random.default_rng([experiment.config.seed, 2, 0 if fold is None else 1 + fold])
    rest, held_out = stratified_holdout(
        experiment.targets[train], fraction=experiment.config.split.val_fraction, rng=rng
    )
    return FitRows(train=train[rest], watched=watched, val=train[held_out], fold=fold)


def _choose_thresholds(
    learner: AnyLearner, final: Fit, fold_scores: FloatArray | None, experiment: Experiment
) -> Thresholds:
    """Choose thresholds on photos that training did not see: validation, else out-of-fold ones."""
    split, targets, method = experiment.split, experiment.targets, experiment.config.evaluation.thresholds
    rows, scores, where = split.train, fold_scores, "out-of-fold scores of the training photos"
    if len(split.val):
        rows, scores, where = split.val, learner.scores(final, split.val), "the validation photos"
    elif (
        scores is None and method != "half" and learner.is_cheap and len(rows) >= _MIN_PHOTOS_FOR_INNER_FOLDS
    ):
        scores = _inner_scores(learner, experiment)
    if scores is None or method == "half":
        why = "" if method == "half" else "; no photos were kept from training to choose them on"
        return Thresholds(values=np.full(targets.shape[1], 0.5), origin=f"0.5 for every label{why}")
    chosen = choose_thresholds(targets[rows], scores, method=method)
    return replace(chosen, origin=f"{THRESHOLD_AIMS[method]} on {where} ({len(rows)} photos)")


def _inner_scores(learner: AnyLearner, experiment: Experiment) -> FloatArray:
    """Return out-of-fold scores of the training photos [n_train, n_labels], cross-validated."""
    train = experiment.split.train
    rng = np.random.default_rng([experiment.config.seed, 1])
    folds = stratified_folds(experiment.targets[train], n_folds=_N_INNER_FOLDS, rng=rng)
    inner = replace(experiment.split, folds=tuple(train[fold] for fold in folds))
    _, scores = _cross_validate(learner, inner, experiment)
    assert scores is not None, "there are folds"
    return scores


def _judge_folds(fold_scores: FloatArray | None, experiment: Experiment) -> Judged | None:
    """Decide every out-of-fold photo by thresholds that were chosen on the photos of the other folds."""
    if fold_scores is None:
        return None
    split, train = experiment.split, experiment.split.train
    places = [np.searchsorted(train, held_out) for held_out in split.folds]
    decisions = cross_fit_thresholds(
        experiment.targets[train], fold_scores, places, method=experiment.config.evaluation.thresholds
    )
    return Judged(rows=train, scores=fold_scores, decisions=decisions)


def _judge_test(learner: AnyLearner, final: Fit, test: IntArray, thresholds: Thresholds) -> Judged | None:
    if not len(test):
        return None
    scores = learner.scores(final, test)
    return Judged(rows=test, scores=scores, decisions=thresholds.decide(scores))


@contextmanager
def _timed(stages: dict[str, float], stage: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    stages[stage] = time.perf_counter() - started
