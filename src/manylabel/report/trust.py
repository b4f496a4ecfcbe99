"""Compute what says how far the numbers of a run can be trusted, and what to do next.

In:  the table, the split and the trials.
Out: plain values for the facts: intervals, comparisons, calibration, the benefit of thresholds, the learning
     curve, cells that are probably wrong. The layout stands at the top of ``facts.py``.
"""

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from manylabel.decisions.policy import measure_threshold_gain
from manylabel.decisions.thresholds import ThresholdObjective
from manylabel.metrics.bootstrap import Bootstrap, Interval, bootstrap_metrics
from manylabel.metrics.comparison import PairedDifference, compare_pairs
from manylabel.metrics.curves import brier_score, expected_calibration_error, log_loss, reliability
from manylabel.metrics.resamples import BoolArray
from manylabel.review.label_issues import LabelIssues, find_label_issues
from manylabel.types import EvaluatedPhotos, FloatArray, IntArray, LabelTable, Split, Trial

N_RESAMPLES = 2000
_COMPARED = ("mAP", "exact_match")
_MOST_COMPARED = 8
_N_POOLED_BINS, _N_LABEL_BINS = 10, 5
_MOST_SUSPECTS = 40
_PER_TURN = 3
Facts = dict[str, Any]


def draw_intervals(
    table: LabelTable, split: Split, evaluated: Sequence[EvaluatedPhotos], *, seed: int
) -> Bootstrap:
    """Resample the photos that judge, whole groups of copies, the same draws for all.

    Args:
        table: The truth.
        split: Knows the groups.
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


def describe_intervals(bootstrap: Bootstrap, position: int) -> Facts:
    """Return the intervals of one of those evaluated: of every metric, and of two of every label."""
    model = bootstrap.models[position]
    return {
        "intervals": {name: _ends(interval) for name, interval in model.metrics.items()},
        "label_intervals": {
            name: [_ends(interval) for interval in intervals] for name, intervals in model.labels.items()
        },
    }


def _ends(interval: Interval) -> list[float]:
    return [interval.low, interval.high]


def describe_comparisons(bootstrap: Bootstrap, best: int, *, names: Sequence[str]) -> list[Facts]:
    """Compare every two of the networks with the highest mAP; all pairs of many would fill pages.

    Args:
        bootstrap: The draws, those of the networks first.
        best: Place of the network that is always among them.
        names: The networks.
    """
    merits = np.nan_to_num([model.measured["mAP"] for model in bootstrap.models[: len(names)]], nan=-1)
    merits[best] = np.inf
    chosen = np.sort(np.argsort(-merits, kind="stable")[:_MOST_COMPARED])
    kept = replace(bootstrap, models=tuple(bootstrap.models[position] for position in chosen))
    pairs = compare_pairs(kept, names=[names[position] for position in chosen], metrics=_COMPARED)
    return [_describe_pair(pair) for pair in pairs]


def describe_against_baselines(
    bootstrap: Bootstrap, best: int, *, name: str, baselines: Sequence[str]
) -> list[Facts]:
    """Compare the best network with each baseline by mAP, on the same draws.

    Args:
        bootstrap: The draws, those of the baselines last.
        best: Place of the network among the first.
        name: The network.
        baselines: The baselines.
    """
    model, others = bootstrap.models[best], bootstrap.models[-len(baselines) :]
    return [
        _describe_pair(pair)
        for baseline, other in zip(baselines, others, strict=True)
        for pair in compare_pairs(
            replace(bootstrap, models=(model, other)), names=(name, baseline), metrics=("mAP",)
        )
    ]


def _describe_pair(pair: PairedDifference) -> Facts:
    return {
        "first": pair.first,
        "second": pair.second,
        "metric": pair.metric,
        "difference": pair.difference,
        "interval": [pair.low, pair.high],
        "is_distinguishable": pair.is_distinguishable,
        "better": pair.better,
        "n_photos": pair.n_photos,
        "n_groups": pair.n_groups,
    }


def describe_calibration(table: LabelTable, trial: Trial) -> Facts | None:
    """Say how honest probabilities are before and after calibration; None where no photo can tell."""
    calibration_set = trial.calibration_set
    if calibration_set is None or trial.calibration is None:
        return None
    targets = table.targets[calibration_set.evaluated.rows]
    return {
        **asdict(trial.calibration),
        "is_used": trial.is_calibrated,
        "origin": calibration_set.origin,
        "n_photos": len(targets),
        "before": _describe_honesty(targets, calibration_set.raw_scores),
        "after": _describe_honesty(targets, calibration_set.evaluated.scores),
    }


def _describe_honesty(targets: FloatArray, scores: FloatArray) -> Facts:
    pooled = reliability(targets.ravel(), scores.ravel(), n_bins=_N_POOLED_BINS)
    return {
        "log_loss": log_loss(targets, scores),
        "brier": brier_score(targets, scores),
        "calibration_error": expected_calibration_error(targets, scores, n_bins=_N_LABEL_BINS),
        "reliability": asdict(pooled),
        "label_reliability": [
            asdict(reliability(targets[:, column], scores[:, column], n_bins=_N_LABEL_BINS))
            for column in range(targets.shape[1])
        ],
    }


def describe_benefit(table: LabelTable, trial: Trial, *, aim: ThresholdObjective) -> Facts | None:
    """Say what thresholds gain on photos that they did not see; None where 0.5 is taken for all labels."""
    calibration_set = trial.calibration_set
    if calibration_set is None or aim.method == "half" or (trial.thresholds.values == 0.5).all():
        return None
    targets = table.targets[calibration_set.evaluated.rows]
    evaluated = calibration_set.evaluated
    # What rules among labels change is not for thresholds to answer.
    decisions = calibration_set.free_decisions
    return asdict(measure_threshold_gain(targets, evaluated.scores, decisions=decisions, objective=aim))


def describe_curve(trial: Trial) -> Facts | None:
    """Return the learning curve; None where it was not measured."""
    return None if trial.learning_curve is None else asdict(trial.learning_curve)


def describe_suspects(table: LabelTable, trial: Trial) -> Facts | None:
    """Rank the cells whose given label is probably wrong, by scores of fits that did not see them.

    Test photos are left out: labels that are corrected by what a network says of them would make it look
    better.
    """
    found = _rank_given_labels(table, trial)
    if found is None:
        return None
    rows, errors = found
    n_present = int((table.targets[rows] == 1).sum())
    return {
        "n_photos": len(rows),
        "n_present": n_present,
        "n_expected": errors.n_expected,
        "n_listed": _n_listed(errors),
        "cells": _describe_cells(table, rows, _spread_over_labels(errors), most=_MOST_SUSPECTS),
    }


def list_label_issues(table: LabelTable, trial: Trial) -> list[Facts] | None:
    """List all cells that ``label_issues.csv`` shows: as many as are probably wrong, but at least 40.

    Returns:
        Cells as in the facts; None where no photo was scored by a fit that did not see it.
    """
    found = _rank_given_labels(table, trial)
    return None if found is None else _describe_cells(table, *found, most=_n_listed(found[1]))


def _rank_given_labels(table: LabelTable, trial: Trial) -> tuple[IntArray, LabelIssues] | None:
    """Return the rows of the table that were looked at, and their cells, the most suspicious first."""
    kept_from_training = (
        trial.out_of_fold,
        None if trial.calibration_set is None else trial.calibration_set.evaluated,
    )
    said = [evaluated for evaluated in kept_from_training if evaluated is not None]
    if not said:
        return None
    rows = np.concatenate([evaluated.rows for evaluated in said])
    rows, first = np.unique(rows, return_index=True)
    scores = np.concatenate([evaluated.scores for evaluated in said])[first]
    return rows, find_label_issues(table.targets[rows], scores)


def _spread_over_labels(errors: LabelIssues) -> LabelIssues:
    """Put cells into the order in which they are shown: 3 of a label, then others first.

    A label that is wrong on many photos would fill what is shown. A cell that is probably right never comes
    before one that is probably wrong.
    """
    n_cells = np.bincount(errors.columns)  # [n_labels]
    number = np.empty(len(errors.columns), dtype=np.int64)  # of each cell among those of its label
    number[np.argsort(errors.columns, kind="stable")] = np.arange(len(number)) - np.repeat(
        np.cumsum(n_cells) - n_cells, n_cells
    )
    order = np.lexsort((np.arange(len(number)), number // _PER_TURN, errors.quality >= 0.5))
    cells: dict[str, Any] = {
        name: getattr(errors, name)[order] for name in ("rows", "columns", "given", "score", "quality")
    }
    return replace(errors, **cells)


def _n_listed(errors: LabelIssues) -> int:
    return min(len(errors.rows), max(_MOST_SUSPECTS, round(errors.n_expected)))


def _describe_cells(table: LabelTable, rows: IntArray, errors: LabelIssues, *, most: int) -> list[Facts]:
    return [
        {
            "row": int(rows[row]),
            "name": table.names[rows[row]],
            "label": table.labels[column],
            "given": int(given),
            "score": round(float(score), 4),
            "quality": round(float(quality), 4),
        }
        for row, column, given, score, quality in zip(
            errors.rows[:most],
            errors.columns[:most],
            errors.given[:most],
            errors.score[:most],
            errors.quality[:most],
            strict=True,
        )
    ]
