"""Compute what is known of one trained model, and how models differ.

In:  the table, what training gave, the bootstrap.
Out: ``ModelResults``, paired differences.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np

from manylabel.decisions.policy import DecisionQuality, measure_threshold_gain
from manylabel.decisions.policy import ThresholdGain as MeasuredGain
from manylabel.decisions.thresholds import ThresholdObjective
from manylabel.metrics.bootstrap import Bootstrap, ModelIntervals, bootstrap_metrics
from manylabel.metrics.bootstrap import Interval as Ends
from manylabel.metrics.comparison import PairedDifference as Difference
from manylabel.metrics.comparison import compare_pairs
from manylabel.metrics.curves import (
    brier_score,
    expected_calibration_error,
    log_loss,
    precision_recall_curve,
    reliability,
)
from manylabel.metrics.registry import measure, measure_labels
from manylabel.metrics.resamples import BoolArray
from manylabel.report.run_info import hide_folders_in_sentence
from manylabel.results import (
    CalibrationResult,
    History,
    Interval,
    LearningCurveResult,
    Metrics,
    ModelResults,
    Number,
    PairedDifference,
    PrecisionRecall,
    ProbabilityQuality,
    Reliability,
    ThresholdGain,
)
from manylabel.trials import EvaluatedPhotos, LearningCurve, Trial
from manylabel.types import FloatArray, LabelTable, Split

N_RESAMPLES = 2000
_COMPARED = ("mAP", "exact_match")
_MOST_COMPARED = 8
_N_POOLED_BINS, _N_LABEL_BINS = 10, 5
_N_CURVE_POINTS = 150


@dataclass(frozen=True, kw_only=True)
class MeasuredPhotos:
    """Metrics on some photos: over all labels, and of single labels with their counts [n_labels]."""

    metrics: dict[str, Number]
    per_label: dict[str, tuple[Number, ...]]
    n_positive: tuple[int, ...]
    n_known: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class MeasuredTrial:
    """Metrics on the evaluated photos; and on the out-of-fold ones, where test photos are evaluated."""

    evaluated: MeasuredPhotos
    out_of_fold: Metrics | None


def measure_trial(table: LabelTable, trial: Trial) -> MeasuredTrial:
    """Measure a trained model on the photos that it did not learn from."""
    out_of_fold = None if trial.test is None else trial.out_of_fold
    return MeasuredTrial(
        evaluated=measure_evaluated(table, trial.evaluated),
        out_of_fold=None if out_of_fold is None else measure_evaluated(table, out_of_fold).metrics,
    )


def measure_evaluated(table: LabelTable, evaluated: EvaluatedPhotos) -> MeasuredPhotos:
    """Measure scores and decisions on the photos that they are about."""
    targets = table.targets[evaluated.rows]
    per_label = measure_labels(targets, evaluated.scores, evaluated.decisions)
    n_positive, n_known = (
        per_label.pop(name).astype(np.int64).tolist() for name in ("n_positive", "n_known")
    )
    metrics = measure(targets, evaluated.scores, evaluated.decisions)
    return MeasuredPhotos(
        metrics={name: _number(value) for name, value in metrics.items()},
        per_label={name: _numbers(values) for name, values in per_label.items()},
        n_positive=tuple(n_positive),
        n_known=tuple(n_known),
    )


def collect_model(
    table: LabelTable,
    trial: Trial,
    measured: MeasuredTrial,
    resampled: ModelIntervals,
    *,
    objective: ThresholdObjective,
) -> ModelResults:
    """Collect everything about a trained model.

    Args:
        table: The truth.
        trial: What training gave.
        measured: Its metrics.
        resampled: Its intervals.
        objective: What thresholds are chosen for.
    """
    targets, scores = table.targets[trial.evaluated.rows], trial.evaluated.scores
    return ModelResults(
        model=trial.model,
        init=trial.init,
        init_note=hide_folders_in_sentence(trial.init_note),
        head=trial.head,
        tune=trial.tune,
        parameters=trial.parameters,
        training_seconds=trial.training_seconds,
        inference_seconds=trial.inference_seconds,
        stage_seconds=trial.stage_seconds,
        step_seconds=trial.step_seconds,
        thresholds=_floats(trial.thresholds.values),
        threshold_origin=trial.thresholds.origin,
        missed_guarantees=trial.missed_guarantees,
        pos_weight=_floats(trial.pos_weight),
        weight_decay=trial.weight_decay,
        fold_weight_decays=trial.fold_weight_decays,
        logit_scale=trial.logit_scale,
        alpha=trial.alpha,
        metrics=measured.evaluated.metrics,
        per_label=measured.evaluated.per_label,
        n_positive=measured.evaluated.n_positive,
        n_known=measured.evaluated.n_known,
        intervals=intervals_of(resampled),
        label_intervals=label_intervals_of(resampled),
        out_of_fold=measured.out_of_fold,
        n_out_of_fold=0
        if measured.out_of_fold is None or trial.out_of_fold is None
        else len(trial.out_of_fold.rows),
        history=_collect_history(trial),
        curve=_trace_curve(targets.ravel(), scores.ravel()),
        label_curves=tuple(
            _trace_curve(targets[:, column], scores[:, column]) for column in range(targets.shape[1])
        ),
        calibration=_collect_calibration(table, trial),
        threshold_gain=_collect_threshold_gain(table, trial, objective=objective),
        learning_curve=None
        if trial.learning_curve is None
        else _collect_learning_curve(trial.learning_curve),
    )


def _collect_history(trial: Trial) -> History:
    epochs = trial.history
    return History(
        fold=tuple(epoch.fold for epoch in epochs),
        epoch=tuple(epoch.epoch for epoch in epochs),
        train_loss=tuple(epoch.train_loss for epoch in epochs),
        held_out_loss=tuple(epoch.held_out_loss for epoch in epochs),
        learning_rate=tuple(epoch.learning_rate for epoch in epochs),
    )


def _trace_curve(targets: FloatArray, scores: FloatArray) -> PrecisionRecall | None:
    """Trace precision against recall, from the lowest threshold to the first hit; None without a positive.

    A long curve is thinned out: at evenly spaced recalls the threshold with the best precision is kept.
    """
    if not (targets == 1).any():
        return None
    precision, recall, _ = precision_recall_curve(targets, scores)
    precision, recall = precision[recall > 0], recall[recall > 0]
    if len(recall) > _N_CURVE_POINTS:
        wanted = np.linspace(1, recall[-1], _N_CURVE_POINTS)
        best = np.searchsorted(-recall, -wanted, side="right") - 1
        kept = np.unique([0, *best])
        precision, recall = precision[kept], recall[kept]
    return PrecisionRecall(precision=_floats(precision.round(4)), recall=_floats(recall.round(4)))


def draw_bootstrap(
    table: LabelTable, split: Split, evaluated: Sequence[EvaluatedPhotos], *, seed: int
) -> Bootstrap:
    """Resample the evaluated photos, whole groups of near-duplicates, the same draws for all.

    Args:
        table: The truth.
        split: Has the groups.
        evaluated: Scores and decisions on the same photos, in any order of the photos.
        seed: Seed of the draws.
    """
    rows = np.sort(evaluated[0].rows)
    groups = rows if split.groups is None else split.groups[rows]
    return bootstrap_metrics(
        table.targets[rows],
        [_in_order(each) for each in evaluated],
        groups=groups,
        n_resamples=N_RESAMPLES,
        rng=np.random.default_rng([seed, 6]),
    )


def _in_order(evaluated: EvaluatedPhotos) -> tuple[FloatArray, BoolArray]:
    order = np.argsort(evaluated.rows)
    return evaluated.scores[order], evaluated.decisions[order]


def intervals_of(model: ModelIntervals) -> dict[str, Interval]:
    """Return the interval of every metric."""
    return {name: _interval(ends) for name, ends in model.metrics.items()}


def label_intervals_of(model: ModelIntervals) -> dict[str, tuple[Interval, ...]]:
    """Return the intervals of two metrics of every label."""
    return {name: tuple(map(_interval, intervals)) for name, intervals in model.labels.items()}


def collect_differences(
    bootstrap: Bootstrap, best: int, *, names: Sequence[str]
) -> tuple[PairedDifference, ...]:
    """Compare every two of the models with the highest mAP; all pairs of many would fill pages.

    Args:
        bootstrap: The draws, those of the models first.
        best: Position of the model that is always among them.
        names: The models.
    """
    merits = np.nan_to_num([model.measured["mAP"] for model in bootstrap.models[: len(names)]], nan=-1)
    merits[best] = np.inf
    chosen = np.sort(np.argsort(-merits, kind="stable")[:_MOST_COMPARED])
    kept = replace(bootstrap, models=tuple(bootstrap.models[position] for position in chosen))
    pairs = compare_pairs(kept, names=[names[position] for position in chosen], metrics=_COMPARED)
    return tuple(map(_collect_difference, pairs))


def compare_with_baselines(
    bootstrap: Bootstrap, best: int, *, name: str, baselines: Sequence[str]
) -> tuple[PairedDifference, ...]:
    """Compare the best model with each baseline by mAP, on the same draws.

    Args:
        bootstrap: The draws, those of the baselines last.
        best: Position of the model among the first.
        name: The model.
        baselines: The baselines.
    """
    model, others = bootstrap.models[best], bootstrap.models[-len(baselines) :]
    return tuple(
        _collect_difference(pair)
        for baseline, other in zip(baselines, others, strict=True)
        for pair in compare_pairs(
            replace(bootstrap, models=(model, other)), names=(name, baseline), metrics=("mAP",)
        )
    )


def _collect_difference(pair: Difference) -> PairedDifference:
    return PairedDifference(
        first=pair.first,
        second=pair.second,
        metric=pair.metric,
        difference=_number(pair.difference),
        interval=Interval(low=_number(pair.low), high=_number(pair.high)),
        is_distinguishable=pair.is_distinguishable,
        better=pair.better,
        n_photos=pair.n_photos,
        n_groups=pair.n_groups,
    )


def _collect_calibration(table: LabelTable, trial: Trial) -> CalibrationResult | None:
    """Compare probabilities before and after calibration; None where no photo can tell."""
    calibration_set = trial.calibration_set
    if calibration_set is None or trial.calibration is None:
        return None
    targets = table.targets[calibration_set.evaluated.rows]
    return CalibrationResult(
        outcome=trial.calibration.outcome,
        log_loss_before=_number(trial.calibration.log_loss_before),
        log_loss_after=_number(trial.calibration.log_loss_after),
        is_used=trial.is_calibrated,
        origin=calibration_set.origin,
        n_photos=len(targets),
        before=_probability_quality(targets, calibration_set.raw_scores),
        after=_probability_quality(targets, calibration_set.evaluated.scores),
    )


def _probability_quality(targets: FloatArray, scores: FloatArray) -> ProbabilityQuality:
    return ProbabilityQuality(
        log_loss=_number(log_loss(targets, scores)),
        brier=_numbers(brier_score(targets, scores)),
        calibration_error=_numbers(expected_calibration_error(targets, scores, n_bins=_N_LABEL_BINS)),
        reliability=_reliability(targets.ravel(), scores.ravel(), n_bins=_N_POOLED_BINS),
        label_reliability=tuple(
            _reliability(targets[:, column], scores[:, column], n_bins=_N_LABEL_BINS)
            for column in range(targets.shape[1])
        ),
    )


def _reliability(targets: FloatArray, scores: FloatArray, *, n_bins: int) -> Reliability:
    found = reliability(targets, scores, n_bins=n_bins)
    return Reliability(
        mean_score=_floats(found.mean_score),
        share_present=_floats(found.share_present),
        n_cells=tuple(found.n_cells.tolist()),
        low=_floats(found.low),
        high=_floats(found.high),
    )


def _collect_threshold_gain(
    table: LabelTable, trial: Trial, *, objective: ThresholdObjective
) -> ThresholdGain | None:
    """Measure what thresholds gain on photos that they did not see; None where all are 0.5."""
    calibration_set = trial.calibration_set
    if calibration_set is None or objective.method == "half" or (trial.thresholds.values == 0.5).all():
        return None
    targets, evaluated = table.targets[calibration_set.evaluated.rows], calibration_set.evaluated
    # Thresholds do not answer for what constraints change.
    return threshold_gain_result(
        measure_threshold_gain(
            targets, evaluated.scores, decisions=calibration_set.free_decisions, objective=objective
        )
    )


def threshold_gain_result(gain: MeasuredGain) -> ThresholdGain:
    """Return the gain of thresholds as results have it."""
    return ThresholdGain(
        half=_decision_metrics(gain.half),
        optimistic=_decision_metrics(gain.optimistic),
        cross_fitted=_decision_metrics(gain.cross_fitted),
        method=gain.objective.method,
        beta=gain.objective.beta,
    )


def _decision_metrics(quality: DecisionQuality) -> Metrics:
    return {name: _number(value) for name, value in asdict(quality).items()}


def _collect_learning_curve(curve: LearningCurve) -> LearningCurveResult:
    return LearningCurveResult(
        n_photos=tuple(curve.n_photos.tolist()),
        values=_numbers(curve.values),
        bands=_bands(curve.bands),
        label_values=tuple(map(_numbers, curve.label_values)),
        label_bands=tuple(map(_bands, curve.label_bands)),
        gain=_number(curve.gain),
        gain_band=_bands(curve.gain_band[None])[0],
        label_gain_bands=_bands(curve.label_gain_bands),
    )


def _number(value: float) -> Number:
    """Return a plain number, None where it is undefined."""
    return float(value) if np.isfinite(value) else None


def _numbers(values: FloatArray) -> tuple[Number, ...]:
    return tuple(map(_number, values.tolist()))


def _floats(values: FloatArray) -> tuple[float, ...]:
    return tuple(values.tolist())


def _interval(ends: Ends) -> Interval:
    return Interval(low=_number(ends.low), high=_number(ends.high))


def _bands(ends: FloatArray) -> tuple[Interval, ...]:
    """Return the intervals of ends [n, 2]."""
    return tuple(Interval(low=_number(low), high=_number(high)) for low, high in ends.tolist())
