"""Give tests of the report trials, and the results of a run.

In:  a table, a split and trials.
Out: their results; a trial about which everything is known that can be.
"""

from collections.abc import Sequence
from dataclasses import is_dataclass, replace
from typing import Any

import numpy as np

from manylabel.data.check import Check
from manylabel.decisions.thresholds import ThresholdObjective
from manylabel.report.collect import collect_results
from manylabel.results import Loss, RunInfo, RunResults
from manylabel.trials import (
    CalibrationGain,
    CalibrationSet,
    EvaluatedPhotos,
    LearningCurve,
    MissedGuarantee,
    NeighborPredictions,
    Trial,
)
from manylabel.types import LabelTable, Split

NOTHING_MORE: dict[str, Any] = {
    "calibration_set": None,
    "calibration": None,
    "missed_guarantees": (),
    "neighbors": None,
    "neighbors_out_of_fold": None,
    "learning_curve": None,
}
"""What a trial says where no photos were kept from training and no features are known."""

LOSS = Loss(name="weighted_bce", pos_weight_cap=20.0)

NOTHING_FOUND = Check(findings=())


def results_of(
    table: LabelTable, split: Split, trials: Sequence[Trial], run: RunInfo, *, check: Check = NOTHING_FOUND
) -> RunResults:
    """Collect the results of a run whose thresholds aim at F1."""
    return collect_results(
        table, split, trials, run, check=check, objective=ThresholdObjective(method="f1"), loss=LOSS
    )


def make_curve(
    *, gain: float = 0.03, low: float = 0.01, high: float = 0.05, n_labels: int = 3
) -> LearningCurve:
    """Return a curve from 40 to 160 photos; the last label gains 10 points from the last doubling."""
    label_values = np.full((4, n_labels), 0.8)
    label_values[-1, -1] = 0.9
    values = np.array([0.7, 0.8, 0.82, 0.8 + gain])
    return LearningCurve(
        n_photos=np.array([40, 80, 120, 160]),
        values=values,
        bands=np.stack([values - 0.05, values + 0.05], axis=1),
        label_values=label_values,
        label_bands=np.stack([label_values - 0.1, label_values + 0.1], axis=2),
        gain=gain,
        gain_band=np.array([low, high]),
        label_gain_bands=np.tile([0.01, 0.19], (n_labels, 1)),
    )


def with_everything(trial: Trial, table: LabelTable) -> Trial:
    """Return the trial with photos that chose, neighbors, a calibration, notes and a learning curve."""
    evaluated, rows = trial.evaluated, np.setdiff1d(np.arange(table.n_photos), trial.evaluated.rows)
    truth = np.nan_to_num(table.targets[rows], nan=0.5)
    scores = np.clip(0.2 + 0.6 * truth + np.linspace(-0.15, 0.15, truth.size).reshape(truth.shape), 0, 1)
    said = EvaluatedPhotos(rows=rows, scores=scores, decisions=scores >= 0.5)
    return replace(
        trial,
        out_of_fold=said,
        calibration_set=CalibrationSet(
            evaluated=said,
            raw_scores=0.5 + 0.6 * (scores - 0.5),
            threshold_scores=scores,
            free_decisions=said.decisions,
            folds=(np.arange(len(rows))[::2], np.arange(len(rows))[1::2]),
            origin="out-of-fold scores of the training photos",
        ),
        is_calibrated=True,
        calibration=CalibrationGain(outcome="used", log_loss_before=0.5, log_loss_after=0.4),
        missed_guarantees=(
            MissedGuarantee(label="circle", metric="recall", target=0.9, n_positive=3, n_needed=9),
        ),
        neighbors=NeighborPredictions(
            rows=evaluated.rows,
            scores=1 - 0.5 * evaluated.scores,
            decisions=evaluated.scores < 0.5,
            similar=np.tile(rows[:2], (len(evaluated.rows), 1)),
        ),
        learning_curve=make_curve(n_labels=table.n_labels),
    )


def changed(results: Any, path: str, value: object) -> Any:
    """Return results with another value at a path of fields, positions and keys, e.g."
    " ``models.0.metrics.mAP``."""
    name, _, rest = path.partition(".")
    if is_dataclass(results) and not isinstance(results, type):
        inner = changed(getattr(results, name), rest, value) if rest else value
        return replace(results, **{name: inner})
    if isinstance(results, tuple):
        position = int(name)
        inner = changed(results[position], rest, value) if rest else value
        return (*results[:position], inner, *results[position + 1 :])
    return {**results, name: changed(results[name], rest, value) if rest else value}
