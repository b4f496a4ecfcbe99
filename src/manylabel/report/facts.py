"""Compute once everything that the report, the tables and the model cards show.

In:  the table of labels, the split, the trials, and how the run was made.
Out: facts, one dict of plain JSON values; null stands where something is undefined. Its layout:

    format_version   2; it rises when a key changes its meaning or goes
    run              command, started, seconds, seed, recipe, versions, machine, stage_seconds, config_toml
    data             source, notes, n_photos, split_origin, n_folds, parts {train, val, test: n photos},
                     labels [{name, n_positive, n_negative, n_unknown, train, val, test: n positives there,
                     train_known: n training photos on which it is known}],
                     labels_per_photo [n photos with 0, 1, 2, ... labels],
                     co_occurrence [n_labels][n_labels]: n photos with both; its diagonal is n_positive
    check            what a look at photos and labels found before training, as ``data.check.as_dict``
                     returns it
    copies           groups of photos that are copies of each other, at most 6, those with different labels
                     first: each {contested: labels that some carry and others do not, photos [{row, name,
                     part, present: contested labels that it carries}]}
    evaluated           part ("test" or "out_of_fold"), n_photos, n_known: those with any known label
    loss             name and pos_weight_cap as the settings say, null where they do not
    models           the ranked networks in the order given: all but those whose weights are missing, or all
                     where all are; each: model, init, is_pretrained, init_note, head, tune, parameters,
                     training_seconds, inference_seconds, stage_seconds, step_seconds,
                     thresholds {values, origin},
                     pos_weight [n_labels], weight_decay, fold_weight_decays [n_folds], logit_scale,
                     learned_share,
                     metrics (names of ``measure``), per_label (names of
                     ``measure_labels``), out_of_fold (metrics of training photos by fits that did not see
                     them, where test photos judge, else null) of n_out_of_fold photos,
                     history {fold, epoch, train_loss, held_out_loss, learning_rate: [n rows]},
                     curves {overall, labels [n_labels]}, each {precision, recall} or null,
                     intervals {metric: [low, high]}, label_intervals {average_precision, f1: [n_labels]
                     of [low, high]}: 95 %, by resampling the evaluated photos,
                     calibration null or {outcome, log_loss_before, log_loss_after, is_used, origin, n_photos,
                     before, after}, the latter two {log_loss, brier [n_labels], calibration_error
                     [n_labels], reliability {mean_score, share_present, n_cells, low, high},
                     label_reliability [n_labels] of the same} of photos that chose, each calibrated by
                     others, benefit null or {half, optimistic, cross_fitted, objective}: what thresholds
                     gain, missed_guarantees [{label, metric, target, n_positive, n_needed, reached}], what
                     was asked of thresholds and cannot be promised,
                     learning_curve null or {n_photos, values, bands, label_values, label_bands, gain,
                     gain_band, label_gain_bands}
    not_ranked       the networks whose pre-trained weights are missing, where others have theirs, each as in
                     ``models``
    baselines        the same photos answered without looking, and by the nearest neighbors on the features
                     of the best network: model, metrics, per_label, intervals, label_intervals, and
                     out_of_fold: metrics of the out-of-fold photos of the best network, where it has such
                     and the baseline answers them; else null
    against_baselines  of the best network and each baseline, by mAP, in the form of ``comparisons``
    comparisons      of every two networks (of the 8 best where there are more), by mAP and exact match:
                     first, second, metric, difference, interval, is_distinguishable, better: name of the one
                     with the better value or null, n_photos, n_groups: of copies among these
    suspects         null or {n_photos, n_present, n_expected, n_listed: cells in label_issues.csv, cells: at
                     most 40, no more than 3 of a label before others had their turn}: given labels that are
                     probably wrong by what the best network says without having learned from them; each cell
                     {row, name, label, given, score, quality: the probability that the given label is right}
    best             position in ``models`` of the highest mAP; best_by: the photos that say so, "out_of_fold"
                     where test photos judge and all networks have such scores, else "evaluated"
    gallery          photos of the best model: row, name, group ("right", "missed", "wrong"), right, missed,
                     wrong, unknown: [{label, score}], and with mistakes similar: [{row, name, labels in
                     words}], the training photos that look most alike to its frozen backbone

A run that is evaluated out of fold has its out-of-fold numbers in ``metrics``.
"""

import tomllib
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from manylabel.data.check import Check
from manylabel.data.check import as_dict as check_as_dict
from manylabel.decisions.thresholds import ThresholdObjective
from manylabel.metrics.bootstrap import Bootstrap
from manylabel.metrics.curves import precision_recall_curve
from manylabel.metrics.registry import measure, measure_labels
from manylabel.report.baselines import answer_judged, answer_out_of_fold
from manylabel.report.gallery import choose_copies, choose_photos
from manylabel.report.run_info import RunInfo, gather_run_info, hide_folders_in_sentence
from manylabel.report.trust import (
    describe_against_baselines,
    describe_benefit,
    describe_calibration,
    describe_comparisons,
    describe_curve,
    describe_intervals,
    describe_suspects,
    draw_intervals,
)
from manylabel.types import PRETRAINED, EvaluatedPhotos, FloatArray, LabelTable, Split, Trial

__all__ = ["FORMAT_VERSION", "Facts", "RunInfo", "collect_facts", "gather_run_info"]

FORMAT_VERSION = 2
Facts = dict[str, Any]
"""Everything about a run, as plain JSON values; the layout stands at the top of this file."""

_N_CURVE_POINTS = 150

_FIXED = {
    "all-negative": ("f1_macro", "f1_micro", "auroc_macro", "CP", "CR", "CF1", "OP", "OR", "OF1"),
    "label-prior": ("auroc_macro",),
}
"""Metrics of baselines that are the same on all photos of the world, whatever resampling says."""


def collect_facts(
    table: LabelTable,
    split: Split,
    trials: Sequence[Trial],
    run: RunInfo,
    *,
    check: Check,
    aim: ThresholdObjective,
) -> Facts:
    """Compute everything about a run.

    Args:
        table: Which photo carries which label.
        split: Which photos trained, chose and evaluated.
        trials: The trained networks, in the order to show them; at least one, all evaluated on the same
            photos.
        run: How the run was made.
        check: What was found before training.
        aim: What thresholds aim at.

    Returns:
        Facts, ready for ``json.dumps(facts, allow_nan=False)``.

    Raises:
        ValueError: There is no trial, a trial has other labels than the table, or two trials were evaluated
            on different photos.
    """
    _check_trials(table, trials)
    trials, others = _split_off_missing(trials)
    models = [_describe_trial(table, trial, aim=aim) for trial in trials]
    not_ranked = [_describe_trial(table, trial, aim=aim) for trial in others]
    best, best_by = _choose_best(models)
    evaluated = trials[0].evaluated
    baselines = answer_judged(table, split, trials[best])
    bootstrap = draw_intervals(
        table, split, [*(trial.evaluated for trial in (*trials, *others)), *baselines.values()], seed=run.seed
    )
    for position, model in enumerate([*models, *not_ranked]):
        model |= describe_intervals(bootstrap, position)
    facts = {
        "format_version": FORMAT_VERSION,
        "run": asdict(run),
        "data": _describe_data(table, split),
        "check": _describe_check(check),
        "copies": choose_copies(table, split, check),
        "evaluated": {
            "part": "out_of_fold" if trials[0].test is None else "test",
            "n_photos": len(evaluated.rows),
            "n_known": (~np.isnan(table.targets[evaluated.rows])).any(axis=1).sum(),
        },
        "loss": _read_loss(run.config_toml),
        "models": models,
        "not_ranked": not_ranked,
        "baselines": _describe_baselines(
            table, baselines, bootstrap, out_of_fold=answer_out_of_fold(table, split, trials[best])
        ),
        "against_baselines": describe_against_baselines(
            bootstrap, best, name=trials[best].model, baselines=list(baselines)
        ),
        "comparisons": describe_comparisons(bootstrap, best, names=[trial.model for trial in trials]),
        "suspects": describe_suspects(table, trials[best]),
        "best": best,
        "best_by": best_by,
        "gallery": choose_photos(table, trials[best].evaluated, trials[best].neighbors),
    }
    return _plain_dict(facts)


def _check_trials(table: LabelTable, trials: Sequence[Trial]) -> None:
    if not trials:
        raise ValueError("there is no trial to report")
    rows = np.sort(trials[0].evaluated.rows)
    for trial in trials:
        if trial.labels != table.labels:
            raise ValueError(f"{trial.model} has labels {trial.labels}, the table has {table.labels}")
        if not np.array_equal(np.sort(trial.evaluated.rows), rows):
            raise ValueError(f"{trial.model} and {trials[0].model} were evaluated on different photos")


def _split_off_missing(trials: Sequence[Trial]) -> tuple[Sequence[Trial], Sequence[Trial]]:
    """Return the trials that are ranked, and those whose weights are missing, if any are not."""
    ranked = [trial for trial in trials if trial.init != "missing"]
    others = [trial for trial in trials if trial.init == "missing"]
    return (ranked, others) if ranked else (trials, [])


def _choose_best(models: Sequence[Facts]) -> tuple[int, str]:
    """Choose the network to tell most of, where that can be by other photos than those that judge it.

    Of four equal networks on 40 photos, the one that judges itself first is 3 points of mAP too high.
    """
    others = [model["out_of_fold"] for model in models]
    is_apart = all(metrics is not None and not np.isnan(metrics["mAP"]) for metrics in others)
    merits = [_merit(metrics) for metrics in (others if is_apart else [model["metrics"] for model in models])]
    return max(range(len(models)), key=merits.__getitem__), "out_of_fold" if is_apart else "evaluated"


def _merit(metrics: dict[str, float]) -> tuple[float, ...]:
    """Rank networks by mAP; where it is undefined or equal, by the next metric."""
    return tuple(float(np.nan_to_num(metrics[name], nan=-1)) for name in ("mAP", "exact_match", "f1_macro"))


def _describe_check(check: Check) -> Facts:
    found = check_as_dict(check)
    findings = [
        {**finding, "text": hide_folders_in_sentence(finding["text"])} for finding in found["findings"]
    ]
    return {**found, "findings": findings}


def _describe_data(table: LabelTable, split: Split) -> Facts:
    is_positive = table.targets == 1
    parts = {"train": split.train, "val": split.val, "test": split.test}
    n_positive_in = {part: is_positive[rows].sum(axis=0) for part, rows in parts.items()}
    n_negative = (table.targets == 0).sum(axis=0)
    n_unknown = np.isnan(table.targets).sum(axis=0)
    n_train_known = (~np.isnan(table.targets[split.train])).sum(axis=0)
    labels = [
        {
            "name": name,
            "n_positive": is_positive[:, column].sum(),
            "n_negative": n_negative[column],
            "n_unknown": n_unknown[column],
            **{part: counts[column] for part, counts in n_positive_in.items()},
            "train_known": n_train_known[column],
        }
        for column, name in enumerate(table.labels)
    ]
    return {
        "source": hide_folders_in_sentence(table.source),
        "notes": [hide_folders_in_sentence(note) for note in table.notes],
        "n_photos": table.n_photos,
        "split_origin": hide_folders_in_sentence(split.origin),
        "n_folds": len(split.folds),
        "parts": {part: len(rows) for part, rows in parts.items()},
        "labels": labels,
        "labels_per_photo": np.bincount(is_positive.sum(axis=1)),
        "co_occurrence": is_positive.T.astype(np.int64) @ is_positive.astype(np.int64),
    }


def _describe_trial(table: LabelTable, trial: Trial, *, aim: ThresholdObjective) -> Facts:
    out_of_fold = None if trial.test is None else trial.out_of_fold
    return {
        "model": trial.model,
        "init": trial.init,
        "is_pretrained": trial.init in PRETRAINED,
        "init_note": hide_folders_in_sentence(trial.init_note),
        "head": trial.head,
        "tune": trial.tune,
        "parameters": trial.parameters,
        "training_seconds": trial.training_seconds,
        "inference_seconds": trial.inference_seconds,
        "stage_seconds": trial.stage_seconds,
        "step_seconds": trial.step_seconds,
        "thresholds": {"values": trial.thresholds.values, "origin": trial.thresholds.origin},
        "pos_weight": trial.pos_weight,
        "weight_decay": trial.weight_decay,
        "fold_weight_decays": trial.fold_weight_decays,
        "logit_scale": trial.logit_scale,
        "learned_share": trial.learned_share,
        **_measure_judged(table, trial.evaluated),
        "out_of_fold": None if out_of_fold is None else _measure_judged(table, out_of_fold)["metrics"],
        "n_out_of_fold": 0 if out_of_fold is None else len(out_of_fold.rows),
        "history": {
            name: [getattr(epoch, name) for epoch in trial.history]
            for name in ("fold", "epoch", "train_loss", "held_out_loss", "learning_rate")
        },
        "curves": _trace_curves(table.targets[trial.evaluated.rows], trial.evaluated.scores),
        "calibration": describe_calibration(table, trial),
        "benefit": describe_benefit(table, trial, aim=aim),
        "missed_guarantees": [asdict(missed) for missed in trial.missed_guarantees],
        "learning_curve": describe_curve(trial),
    }


def _measure_judged(table: LabelTable, evaluated: EvaluatedPhotos) -> Facts:
    targets = table.targets[evaluated.rows]
    per_label = measure_labels(targets, evaluated.scores, evaluated.decisions)
    counts = {name: per_label[name].astype(np.int64) for name in ("n_positive", "n_known")}
    return {
        "metrics": measure(targets, evaluated.scores, evaluated.decisions),
        "per_label": {**per_label, **counts},
    }


def _describe_baselines(
    table: LabelTable,
    baselines: dict[str, EvaluatedPhotos],
    bootstrap: Bootstrap,
    *,
    out_of_fold: dict[str, EvaluatedPhotos],
) -> list[Facts]:
    """Describe the baselines; they are the last ones that were resampled."""
    first = len(bootstrap.models) - len(baselines)
    described = []
    for place, (name, evaluated) in enumerate(baselines.items()):
        facts = {
            "model": name,
            **_measure_judged(table, evaluated),
            "out_of_fold": _measure_judged(table, out_of_fold[name])["metrics"]
            if name in out_of_fold
            else None,
            **describe_intervals(bootstrap, first + place),
        }
        for metric in _FIXED.get(name, ()):
            facts["intervals"][metric] = [facts["metrics"][metric]] * 2
        if name == "all-negative":
            facts["label_intervals"]["f1"] = [[value] * 2 for value in facts["per_label"]["f1"]]
        described.append(facts)
    return described


def _trace_curves(targets: FloatArray, scores: FloatArray) -> Facts:
    per_label = [_trace_curve(targets[:, column], scores[:, column]) for column in range(targets.shape[1])]
    return {"overall": _trace_curve(targets.ravel(), scores.ravel()), "labels": per_label}


def _trace_curve(targets: FloatArray, scores: FloatArray) -> Facts | None:
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
    return {"precision": precision.round(4), "recall": recall.round(4)}


def _read_loss(config_toml: str) -> Facts:
    training = tomllib.loads(config_toml).get("training", {})
    return {"name": training.get("loss"), "pos_weight_cap": training.get("pos_weight_cap")}


def _plain_dict(values: Facts) -> Facts:
    return {name: _plain(value) for name, value in values.items()}


def _plain(value: object) -> object:
    """Turn arrays, tuples and numpy numbers into what JSON knows; NaN and infinity become None."""
    if isinstance(value, dict):
        return _plain_dict(value)
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value
