"""What is unknown counts nowhere, from the table to the report.

In:  tables with unknown cells, written in every way; scores and decisions that differ under them only.
Out: failed tests where anything depends on what stands behind an unknown cell.
"""

from collections.abc import Callable, Mapping
from dataclasses import is_dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from safetensors.numpy import load_file

from manylabel.config import (
    ConstraintsConfig,
    DataConfig,
    EvaluationConfig,
    ModelConfig,
    RunConfig,
    SplitConfig,
    TrainingConfig,
)
from manylabel.data.check import as_dict, check_table
from manylabel.data.formats import read_table
from manylabel.decisions.calibration import choose_calibration
from manylabel.decisions.policy import PolicyData, cross_fit_policy, learn_policy, measure_threshold_gain
from manylabel.decisions.thresholds import ThresholdObjective, choose_thresholds, cross_fit_thresholds
from manylabel.metrics.bootstrap import bootstrap_metrics
from manylabel.metrics.comparison import compare_pairs
from manylabel.metrics.curves import (
    brier_score,
    expected_calibration_error,
    log_loss,
    reliability,
)
from manylabel.metrics.registry import measure, measure_labels
from manylabel.pipeline import train
from manylabel.preparation import RunClock, prepare
from manylabel.results import RunResults
from manylabel.review.label_issues import find_label_issues
from manylabel.training.finished_fits import FinishedFits
from manylabel.training.trial import run_trial
from manylabel.trials import EvaluatedPhotos, Trial
from manylabel.types import FloatArray, IntArray, ignore_progress

AnyJudged = TypeVar("AnyJudged", bound=EvaluatedPhotos)

OBJECTIVES = (
    ThresholdObjective(method="f1"),
    ThresholdObjective(method="accuracy"),
    ThresholdObjective(method="cost", cost_missed=2.0, cost_false=1.0),
    ThresholdObjective(method="precision", target=0.8),
    ThresholdObjective(method="recall", target=0.8),
)
N_PHOTOS, N_LABELS, N_FOLDS = 24, 3, 3
# Photos of the shapes that lose a cell: of each label, some that carry it and some that do not.
HIDDEN = {(2, 0), (5, 0), (9, 0), (12, 0), (3, 1), (6, 1), (17, 1), (4, 2), (7, 2), (21, 2), (30, 2)}


# --- scores and decisions under unknown cells


@st.composite
def hidden_differences(draw: st.DrawFn) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Draw targets with unknown cells, and two sets of scores that differ under these only."""
    shape = (N_PHOTOS, N_LABELS)
    probability = st.one_of(st.floats(0, 1), st.sampled_from((0.0, 0.25, 0.5, 1.0)))
    targets = draw(arrays(np.float64, shape, elements=st.sampled_from((0.0, 1.0, 0.0, 1.0, np.nan))))
    scores, others = (draw(arrays(np.float64, shape, elements=probability, fill=st.nothing())) for _ in "ab")
    return targets, scores, np.where(np.isnan(targets), others, scores)


def folds() -> tuple[IntArray, ...]:
    return tuple(np.arange(first, N_PHOTOS, N_FOLDS) for first in range(N_FOLDS))


def plain(value: Any) -> Any:
    """Turn results into nested lists and dicts; numbers are rounded: sums may be taken in another order."""
    if is_dataclass(value) and not isinstance(value, type):
        value = {name: getattr(value, name) for name in value.__dataclass_fields__}
    if isinstance(value, Mapping):
        return {name: plain(inner) for name, inner in value.items()}
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    return repr(round(value, 9) + 0.0) if isinstance(value, float) else value


def known(values: FloatArray, targets: FloatArray) -> FloatArray:
    return values[~np.isnan(targets)]


def choose_by_every_objective(targets: FloatArray, scores: FloatArray) -> object:
    return [choose_thresholds(targets, scores, objective=objective) for objective in OBJECTIVES]


def judge(targets: FloatArray, scores: FloatArray) -> object:
    decisions = scores >= 0.5
    return measure(targets, scores, decisions), measure_labels(targets, scores, decisions)


def calibrate(targets: FloatArray, scores: FloatArray) -> object:
    choice = choose_calibration(targets, scores, folds())
    return choice.calibration, choice.gain, choice.is_used, known(choice.scores, targets)


def look_honest(targets: FloatArray, scores: FloatArray) -> object:
    return (
        log_loss(targets, scores),
        brier_score(targets, scores),
        expected_calibration_error(targets, scores, n_bins=5),
        reliability(targets, scores, n_bins=5),
    )


def decide(targets: FloatArray, scores: FloatArray) -> object:
    held_out = PolicyData(targets=targets, scores=np.stack([scores, scores**2]), folds=folds())
    policy = learn_policy(held_out, objective=OBJECTIVES[0])
    crossed = cross_fit_policy(held_out, objective=OBJECTIVES[0], calibrate="always")
    return (
        (policy.variant, policy.thresholds, policy.calibration.calibration),
        [known(np.asarray(values, dtype=np.float64), targets) for values in vars(crossed).values()],
    )


def gain(targets: FloatArray, scores: FloatArray) -> object:
    decisions = cross_fit_thresholds(targets, scores, folds(), objective=OBJECTIVES[0])
    return measure_threshold_gain(targets, scores, decisions=decisions, objective=OBJECTIVES[0])


def resample(targets: FloatArray, scores: FloatArray) -> object:
    models = [(scores, scores >= 0.5), (scores**2, scores >= 0.8)]
    bootstrap = bootstrap_metrics(
        targets, models, groups=np.arange(N_PHOTOS) // 2, n_resamples=40, rng=np.random.default_rng(0)
    )
    pairs = compare_pairs(bootstrap, names=["first", "second"], metrics=("mAP", "exact_match"))
    return [(model.metrics, model.labels) for model in bootstrap.models], pairs


@pytest.mark.parametrize(
    "measured",
    [judge, choose_by_every_objective, calibrate, look_honest, decide, gain, resample, find_label_issues],
)
@settings(max_examples=15)
@given(case=hidden_differences())
def test_scores_under_unknown_cells_change_nothing(
    measured: Callable[[FloatArray, FloatArray], object], case: tuple[FloatArray, FloatArray, FloatArray]
) -> None:
    targets, scores, others = case
    assert plain(measured(targets, scores)) == plain(measured(targets, others))


@pytest.mark.parametrize(
    "measured",
    [judge, choose_by_every_objective, calibrate, look_honest, decide, gain, resample, find_label_issues],
)
def test_scores_under_known_cells_do_change_what_is_measured(
    measured: Callable[[FloatArray, FloatArray], object],
) -> None:
    rng = np.random.default_rng(0)
    targets = (rng.random((N_PHOTOS, N_LABELS)) < 0.4).astype(float)
    scores, others = (np.clip(0.3 + 0.4 * targets + rng.normal(0, 0.2, targets.shape), 0, 1) for _ in "ab")
    assert plain(measured(targets, scores)) != plain(measured(targets, others))


# --- a whole run


def run_config(folder: Path, labels: Path, out: str, **settings: Any) -> RunConfig:
    """Say how to train a small model of random weights on the shapes."""
    sections = {
        "data": DataConfig(photos=str(folder / "images"), labels=str(labels)),
        "model": ModelConfig(names=("squeezenet1_1",), init="random", side_px=64),
        "training": TrainingConfig(tune="head", n_views=2, precision="fp32", engine="torch", device="cpu"),
        "split": SplitConfig(test_fraction=0.25),
    }
    return RunConfig(out=str(folder / out), **{**sections, **settings})


def hide(folder: Path, name: str, *, word: str, cells: set[tuple[int, int]] = HIDDEN) -> Path:
    """Write the table of the shapes with a word for unknown in some cells."""
    heading, *lines = (folder / "labels.csv").read_text(encoding="utf-8").splitlines()
    written = [heading]
    for row, line in enumerate(lines):
        image, *values = line.split(",")
        kept = [word if (row, column) in cells else value for column, value in enumerate(values)]
        written.append(",".join([image, *kept]))
    path = folder / f"{name}.csv"
    path.write_text("\n".join(written) + "\n", encoding="utf-8")
    return path


def told_in_parts(folder: Path) -> Path:
    """Write the same table with a line per known cell; what is unknown is never mentioned."""
    heading, *lines = hide(folder, "whole", word="").read_text(encoding="utf-8").splitlines()
    written = [heading]
    for line in lines:
        image, *values = line.split(",")
        for column, value in enumerate(values):
            if value:
                written.append(",".join([image, *("" if other != column else value for other in range(3))]))
    path = folder / "parts.csv"
    path.write_text("\n".join(written) + "\n", encoding="utf-8")
    return path


def trained_weights(config: RunConfig) -> dict[str, Any]:
    return load_file(train(config).out / "weights.safetensors")


def have_same_weights(some: Mapping[str, Any], others: Mapping[str, Any]) -> bool:
    return some.keys() == others.keys() and all(np.array_equal(some[name], others[name]) for name in some)


def test_however_unknown_is_written_the_same_network_comes_out(shapes_folder: Path) -> None:
    tables = [
        hide(shapes_folder, "question", word="?"),
        hide(shapes_folder, "blank", word=""),
        hide(shapes_folder, "minus", word="-1"),
        told_in_parts(shapes_folder),
    ]
    first, *others = (
        trained_weights(run_config(shapes_folder, table, f"run{number}"))
        for number, table in enumerate(tables)
    )
    assert all(have_same_weights(first, other) for other in others)
    whole = trained_weights(run_config(shapes_folder, shapes_folder / "labels.csv", "whole"))
    absent = trained_weights(run_config(shapes_folder, hide(shapes_folder, "absent", word="0"), "absent"))
    assert not have_same_weights(first, whole)
    assert not have_same_weights(first, absent)


def test_what_is_unknown_of_one_label_changes_nothing_of_the_others(shapes_folder: Path) -> None:
    for name, cells in (("all", set()), ("some", {cell for cell in HIDDEN if cell[1] == 0})):
        table = hide(shapes_folder, name, word="?", cells=cells)
        lines = table.read_text(encoding="utf-8").splitlines()
        parts = ["split", *("test" if row % 4 == 0 else "train" for row in range(32))]
        table.write_text(
            "".join(f"{line},{part}\n" for line, part in zip(lines, parts, strict=True)), encoding="utf-8"
        )
    tuned = TrainingConfig(
        tune="head", n_views=2, precision="fp32", engine="torch", device="cpu", weight_decay=1.0
    )
    of_all, of_some = (
        trained_weights(
            run_config(
                shapes_folder,
                shapes_folder / f"{name}.csv",
                name,
                training=tuned,
                evaluation=EvaluationConfig(calibrate=False, inner_folds=False),
            )
        )
        for name in ("all", "some")
    )
    last = max(name for name in of_all if name.startswith("head.") and name.endswith(".weight"))
    np.testing.assert_allclose(of_all[last][1:], of_some[last][1:], rtol=1e-5)
    assert not np.allclose(of_all[last][0], of_some[last][0], rtol=1e-3)


def test_the_report_is_the_same_whatever_is_said_of_unknown_cells(
    shapes_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = run_config(
        shapes_folder,
        hide(shapes_folder, "question", word="?"),
        "run",
        constraints=ConstraintsConfig(exclusive=("circle | square",)),
    )
    clock = RunClock(command=(), recipe="")
    run = prepare(config, clock=clock, on_progress=ignore_progress)
    made = clock.run_info(run.config)
    monkeypatch.setattr(RunClock, "run_info", lambda clock, config: made)  # one time for both
    [(start, provenance)] = run.starts
    experiment = run.experiment(start, provenance, fits=FinishedFits(), on_progress=ignore_progress)
    trial = run_trial(start, provenance, experiment).trial
    assert np.isnan(run.table.targets[trial.evaluated.rows]).any()

    told, others = (
        as_told(run.results([one], clock)) for one in (trial, say_otherwise(trial, run.table.targets))
    )

    assert told == others


def say_otherwise(trial: Trial, targets: FloatArray) -> Trial:
    """Return a trial that says something else of all unknown cells, and the same of all known ones."""
    rng = np.random.default_rng(0)

    def change(evaluated: AnyJudged | None) -> AnyJudged | None:
        if evaluated is None:
            return None
        is_unknown = np.isnan(targets[evaluated.rows])
        scores = np.where(is_unknown, rng.random(is_unknown.shape), evaluated.scores)
        return replace(evaluated, scores=scores, decisions=evaluated.decisions ^ is_unknown)

    calibration_set = trial.calibration_set
    assert calibration_set is not None
    evaluated = change(calibration_set.evaluated)
    assert evaluated is not None
    is_unknown = np.isnan(targets[calibration_set.evaluated.rows])
    raw_scores = np.where(is_unknown, rng.random(is_unknown.shape), calibration_set.raw_scores)
    return replace(
        trial,
        test=change(trial.test),
        out_of_fold=change(trial.out_of_fold),
        neighbors=change(trial.neighbors),
        neighbors_out_of_fold=change(trial.neighbors_out_of_fold),
        calibration_set=replace(calibration_set, evaluated=evaluated, raw_scores=raw_scores),
    )


def as_told(results: RunResults) -> RunResults:
    """Return results without the labels that the gallery shows as given by the model where none is known."""
    return replace(results, gallery=tuple(replace(photo, unknown=()) for photo in results.gallery))


def test_a_check_finds_the_same_however_unknown_is_written(shapes_folder: Path) -> None:
    tables = [
        read_table(path, photos=shapes_folder / "images")
        for path in (hide(shapes_folder, "question", word="?"), told_in_parts(shapes_folder))
    ]
    checks = [as_dict(check_table(table)) for table in tables]
    assert checks[0] == checks[1]
    assert np.isnan(tables[0].targets).sum() == len(HIDDEN)
