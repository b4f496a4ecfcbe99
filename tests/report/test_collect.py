"""RunResults and tables of runs that are small enough to compute by hand."""

import csv
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from manylabel.data.check import Check, Finding
from manylabel.errors import BundleError
from manylabel.metrics.registry import list_metrics
from manylabel.report.tables import write_table
from manylabel.report.text.glossary import UNDEFINED_NOTE
from manylabel.results import (
    CalibrationResult,
    EvaluationSet,
    LabelCounts,
    NearDuplicate,
    NearDuplicateGroup,
    PrecisionRecall,
    RunInfo,
    RunResults,
    ScoredLabel,
)
from manylabel.results.table import table_rows
from manylabel.trials import CalibrationGain, Epoch, EvaluatedPhotos, Trial
from manylabel.types import FloatArray, LabelTable, Split, Thresholds
from tests.report.conftest import NOTHING_MORE, results_of, with_everything

UNKNOWN = np.nan
TARGETS = np.array(
    [[1, 0, 0], [1, 1, 0], [0, 0, 0], [1, UNKNOWN, 0], [1, 0, 0], [0, 1, UNKNOWN]], dtype=np.float64
)
TEST_SCORES = np.array([[0.9, 0.6, 0.1], [0.4, 0.7, 0.8]])
RUN = RunInfo(
    command="manylabel compare p l", started="2026-01-02T03:04:05", seconds=9.5, seed=3, recipe="quick"
)


def make_table(targets: FloatArray = TARGETS) -> LabelTable:
    names = tuple(f"{row}.jpg" for row in range(len(targets)))
    return LabelTable(
        photos=tuple(map(Path, names)),
        names=names,
        labels=("boat", "lake", "moon"),
        targets=targets.copy(),
        parts=(None,) * len(names),
        source="labels.csv",
    )


def make_split(*, folds: tuple[list[int], ...] = ()) -> Split:
    return Split(
        train=np.arange(4),
        val=np.array([], dtype=np.int64),
        test=np.array([4, 5]),
        folds=tuple(map(np.array, folds)),
    )


def judge(rows: list[int], scores: FloatArray) -> EvaluatedPhotos:
    return EvaluatedPhotos(rows=np.array(rows), scores=scores, decisions=scores >= 0.5)


def make_trial(model: str = "tiny", *, scores: FloatArray = TEST_SCORES) -> Trial:
    return Trial(
        model=model,
        init="official",
        init_note="official weights",
        head="linear",
        tune="head",
        parameters=1234,
        labels=("boat", "lake", "moon"),
        thresholds=Thresholds(values=np.full(3, 0.5), origin="always 0.5"),
        pos_weight=np.array([1 / 3, 2.0, 1.0]),
        weight_decay=0.01,
        fold_weight_decays=(),
        test=judge([4, 5], scores),
        out_of_fold=None,
        **NOTHING_MORE,
        history=(Epoch(fold=None, epoch=1, train_loss=0.7, held_out_loss=0.8, learning_rate=0.1),),
        training_seconds=12.3456789,
        inference_seconds=0.0123,
        stage_seconds={"features": 10.0, "training": 2.0},
    )


def test_metrics_of_a_model_equal_those_computed_by_hand() -> None:
    model = results_of(make_table(), make_split(), [make_trial()], RUN).models[0]
    assert model.metrics["binary_accuracy"] == pytest.approx(4 / 5)
    assert model.metrics["exact_match"] == 0.5
    assert model.metrics["mAP"] == 1.0
    assert model.metrics["f1_macro"] == pytest.approx((1 + 2 / 3 + 0) / 3)
    assert model.n_positive == (1, 1, 0)
    assert model.n_known == (2, 2, 1)


def test_a_label_without_a_positive_has_null_where_nothing_can_be_said() -> None:
    model = results_of(make_table(), make_split(), [make_trial()], RUN).models[0]
    assert model.per_label["average_precision"] == (1.0, 1.0, None)
    assert model.label_curves[2] is None


def test_the_curve_over_all_labels_leaves_unknown_cells_out() -> None:
    model = results_of(make_table(), make_split(), [make_trial()], RUN).models[0]
    assert model.curve == PrecisionRecall(
        precision=(0.4, 0.5, 0.6667, 1.0, 1.0), recall=(1.0, 1.0, 1.0, 1.0, 0.5)
    )


def test_a_long_curve_is_thinned_out_but_keeps_its_ends() -> None:
    rng = np.random.default_rng(0)
    targets = rng.integers(0, 2, size=(2000, 3)).astype(np.float64)
    rows = np.arange(4, 2000)
    scores = np.clip(0.5 * targets[4:] + rng.random((1996, 3)) / 2, 0, 1)
    split = Split(train=np.arange(4), val=np.array([], dtype=np.int64), test=rows)
    trial = replace(make_trial(), test=judge(rows.tolist(), scores))
    curve = results_of(make_table(targets), split, [trial], RUN).models[0].curve
    assert curve is not None
    assert 100 < len(curve.recall) <= 151
    assert curve.recall[0] == 1.0
    assert curve.precision[0] == pytest.approx(np.mean(targets[4:]), abs=1e-3)
    assert [*curve.recall] == sorted(curve.recall, reverse=True)


def test_where_no_photo_was_kept_aside_the_folds_judge() -> None:
    trial = replace(make_trial(), test=None, out_of_fold=judge([0, 1, 2, 3], np.nan_to_num(TARGETS[:4])))
    split = replace(make_split(folds=([0, 2], [1, 3])), test=np.array([], dtype=np.int64))
    results = results_of(make_table(), split, [trial], RUN)
    assert results.evaluated == EvaluationSet(part="out_of_fold", n_photos=4, n_known=4)
    assert results.models[0].metrics["exact_match"] == 1.0
    assert results.models[0].out_of_fold is None


def test_out_of_fold_metrics_stand_beside_those_of_the_test_photos() -> None:
    wrong = 1 - np.nan_to_num(TARGETS[:4])
    trial = replace(make_trial(), out_of_fold=judge([0, 1, 2, 3], wrong))
    model = results_of(make_table(), make_split(folds=([0, 1], [2, 3])), [trial], RUN).models[0]
    assert model.metrics["exact_match"] == 0.5
    assert model.out_of_fold is not None
    assert model.out_of_fold["exact_match"] == 0.0


def test_data_are_counted_per_label_part_and_pair() -> None:
    data = results_of(make_table(), make_split(), [make_trial()], RUN).data
    assert data.labels[1] == LabelCounts(
        name="lake", n_positive=2, n_negative=3, n_unknown=1, n_train=1, n_val=0, n_test=1, n_train_known=3
    )
    assert data.labels_per_photo == (1, 4, 1)
    assert data.co_occurrence == ((4, 1, 0), (1, 2, 0), (0, 0, 0))
    assert data.part_sizes == {"train": 4, "val": 0, "test": 2}


def test_the_gallery_tells_right_missed_wrong_and_unknown_apart() -> None:
    gallery = results_of(make_table(), make_split(), [make_trial()], RUN).gallery
    assert [(photo.group, photo.name) for photo in gallery] == [("right", "5.jpg"), ("wrong", "4.jpg")]
    assert gallery[0].right == (ScoredLabel(label="lake", score=0.7),)
    assert gallery[0].unknown == (ScoredLabel(label="moon", score=0.8),)
    assert gallery[1].right == (ScoredLabel(label="boat", score=0.9),)
    assert gallery[1].wrong == (ScoredLabel(label="lake", score=0.6),)


def test_mistakes_stand_beside_the_training_photos_that_look_most_alike() -> None:
    trial = with_everything(make_trial(), make_table())
    right, wrong = results_of(make_table(), make_split(), [trial], RUN).gallery
    assert right.similar == ()
    assert [(photo.row, photo.name) for photo in wrong.similar] == [(0, "0.jpg"), (1, "1.jpg")]
    assert [photo.labels for photo in wrong.similar] == ["boat", "boat, lake"]


def test_the_gallery_shows_the_worst_first_and_no_photo_twice() -> None:
    n_photos = 60
    targets = np.zeros((n_photos, 3))
    targets[:, 0] = 1
    scores = np.full((n_photos, 3), 0.1)
    scores[:, 0] = np.linspace(0.01, 0.45, n_photos)  # the boat is missed everywhere
    scores[:, 1] = np.linspace(0.51, 0.99, n_photos)  # and a lake is made up everywhere
    split = Split(
        train=np.array([], dtype=np.int64), val=np.array([], dtype=np.int64), test=np.arange(n_photos)
    )
    trial = replace(make_trial(), test=judge(list(range(n_photos)), scores))
    gallery = results_of(make_table(targets), split, [trial], RUN).gallery
    rows = {group: [photo.row for photo in gallery if photo.group == group] for group in ("missed", "wrong")}
    assert rows["missed"] == list(range(8))
    assert rows["wrong"] == list(range(59, 51, -1))


def test_the_best_model_is_that_with_the_highest_map() -> None:
    worse = np.array([[0.2, 0.6, 0.1], [0.4, 0.5, 0.8]])
    results = results_of(
        make_table(), make_split(), [make_trial("bad", scores=worse), make_trial("good")], RUN
    )
    assert results.best.model == "good"


def make_copies(*, differ: bool) -> tuple[LabelTable, Split]:
    """Return photos of which 0 and 4 are copies of each other, and 1 and 2."""
    targets = TARGETS.copy()
    targets[[4, 2]] = targets[[0, 1]]
    targets[4, 1] = float(differ)
    split = replace(make_split(), groups=np.array([0, 1, 1, 3, 0, 5]))
    return make_table(targets), split


def found(kind: str, *rows: int) -> Check:
    return Check(findings=(Finding(level="warning", kind=kind, text="copies", photos=rows),))


def test_copies_with_different_labels_are_shown_with_what_differs() -> None:
    table, split = make_copies(differ=True)
    (group,) = results_of(
        table, split, [make_trial()], RUN, check=found("copies_differ", 0, 4)
    ).near_duplicates
    assert group == NearDuplicateGroup(
        contested=("lake",),
        photos=(
            NearDuplicate(row=0, name="0.jpg", part="train", present=()),
            NearDuplicate(row=4, name="4.jpg", part="test", present=("lake",)),
        ),
    )


def test_copies_across_the_split_are_shown_though_their_labels_agree() -> None:
    table, split = make_copies(differ=False)
    (group,) = results_of(table, split, [make_trial()], RUN, check=found("leak", 4)).near_duplicates
    assert group.contested == ()
    assert [photo.part for photo in group.photos] == ["train", "test"]


def test_a_check_that_found_no_copies_shows_none() -> None:
    table, split = make_copies(differ=True)
    assert results_of(table, split, [make_trial()], RUN).near_duplicates == ()
    ungrouped = replace(split, groups=None)
    assert results_of(table, ungrouped, [make_trial()], RUN, check=found("leak", 4)).near_duplicates == ()


def test_the_best_networks_are_compared_where_there_are_many() -> None:
    good, bad = TEST_SCORES, np.array([[0.2, 0.6, 0.1], [0.4, 0.5, 0.8]])
    trials = [make_trial(f"bad{number}", scores=bad) for number in range(8)] + [
        make_trial("good", scores=good)
    ]
    pairs = results_of(make_table(), make_split(), trials, RUN).comparisons
    assert len(pairs) == 2 * 8 * 7 / 2
    names = {pair.first for pair in pairs} | {pair.second for pair in pairs}
    assert names == {"good", *(f"bad{number}" for number in range(7))}
    of_good = [pair for pair in pairs if "good" in (pair.first, pair.second) and pair.metric == "mAP"]
    assert {pair.better for pair in of_good} == {"good"}


def test_a_suspicious_cell_has_the_probability_that_it_is_right() -> None:
    alone = results_of(make_table(), make_split(), [make_trial()], RUN)
    assert alone.label_issues is None  # of test photos, nothing is to be corrected
    trial = replace(make_trial(), out_of_fold=make_trial().test)
    issues = results_of(make_table(), make_split(), [trial], RUN).label_issues
    assert issues is not None
    cells = issues.cells
    assert len(cells) == 5  # the known cells of the photos that were scored
    assert [cell.quality for cell in cells] == sorted(cell.quality for cell in cells)
    assert (cells[0].name, cells[0].label, cells[0].given, cells[0].score) == (
        "4.jpg", "lake", 0, 0.6
    )  # fmt: skip


def calibration_of(trial: Trial) -> CalibrationResult:
    """Return what was done to the probabilities of a model."""
    calibration = results_of(make_table(), make_split(), [trial], RUN).models[0].calibration
    assert calibration is not None
    return calibration


def test_a_calibration_that_was_left_out_is_told_apart() -> None:
    trial = with_everything(make_trial(), make_table())
    assert calibration_of(trial).is_used
    trial = replace(
        trial,
        is_calibrated=False,
        calibration=CalibrationGain(outcome="worse", log_loss_before=0.1, log_loss_after=0.2),
    )
    assert not calibration_of(trial).is_used


def test_results_with_everything_survive_json() -> None:
    trial = with_everything(make_trial(), make_table())
    results = results_of(make_table(), make_split(), [trial], RUN)
    assert RunResults.from_json(results.to_json()) == results
    assert [baseline.model for baseline in results.baselines][2] == "nearest-neighbors"


def test_results_survive_json_and_hold_no_nan() -> None:
    results = results_of(make_table(), make_split(), [make_trial()], RUN)
    assert RunResults.from_json(results.to_json()) == results
    json.loads(results.to_json(), parse_constant=pytest.fail)
    assert results.format_version == 3


def test_what_is_no_json_of_results_is_refused_by_name() -> None:
    with pytest.raises(BundleError, match=r"run/results\.json: these are no results of this version"):
        RunResults.from_json(b'{"format_version": 3}', source="run/results.json")


def test_results_show_themselves_as_a_frame_and_in_a_notebook() -> None:
    results = results_of(make_table(), make_split(), [make_trial()], RUN)
    frame = results.to_frame()
    assert list(frame.index) == ["tiny", "all-negative", "label-prior"]
    assert frame.loc["tiny", "exact_match"] == 0.5
    assert repr(results) == "RunResults(tiny; best: tiny, mAP 1.000, 2 photos)"
    assert "<td>0.500</td>" in results._repr_html_()


def test_results_hold_no_folder_of_this_machine() -> None:
    table = replace(
        make_table(), source="/home/ada/labels.csv as one-hot", notes=("/home/ada/p/1.jpg: empty",)
    )
    trial = replace(make_trial(), init="random", init_note="random weights: /home/ada/w.pth could not be had")
    unreadable = Finding(level="warning", kind="unreadable", text="not read: /home/ada/1.jpg")
    results = results_of(table, make_split(), [trial], RUN, check=Check(findings=(unreadable,)))
    assert "/ada" not in results.to_json()


@pytest.mark.parametrize(
    ("trials", "message"),
    [
        ([], "no trial"),
        ([replace(make_trial(), labels=("boat", "lake", "sun"))], "the table has"),
        (
            [make_trial(), replace(make_trial("b"), test=judge([4], TEST_SCORES[:1]))],
            "b and tiny were evaluated on",
        ),
    ],
)
def test_trials_that_cannot_be_compared_are_refused(trials: list[Trial], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        results_of(make_table(), make_split(), trials, RUN)


def test_the_csv_table_has_the_documented_columns_and_order(tmp_path: Path) -> None:
    results = results_of(make_table(), make_split(), [make_trial("first"), make_trial("second")], RUN)
    write_table(results, tmp_path)
    with (tmp_path / "table.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == [
        "model", *(metric.name for metric in list_metrics()),
        "training_seconds", "inference_seconds", "parameters", "init", "binary_accuracy_low",
        "binary_accuracy_high", "exact_match_low", "exact_match_high", "mAP_low", "mAP_high", "f1_macro_low",
        "f1_macro_high",
    ]  # fmt: skip
    assert [row["model"] for row in rows] == ["first", "second", "all-negative", "label-prior"]
    assert rows[0]["binary_accuracy"] == "0.8"
    assert 0 <= float(rows[0]["binary_accuracy_low"]) < 0.8 < float(rows[0]["binary_accuracy_high"]) <= 1
    assert rows[0]["training_seconds"] == "12.3457"
    assert (rows[0]["parameters"], rows[0]["init"]) == ("1234", "official")
    assert {rows[2][name] for name in ("training_seconds", "inference_seconds", "parameters", "init")} == {""}


def test_what_is_undefined_is_an_empty_cell_for_machines_and_a_dash_for_people(tmp_path: Path) -> None:
    targets = TARGETS.copy()
    targets[4:] = UNKNOWN
    results = results_of(make_table(targets), make_split(), [make_trial()], RUN)
    assert table_rows(results)[0].metrics["mAP"] is None
    write_table(results, tmp_path)
    no_metrics = "," * len(list_metrics())
    assert f"tiny{no_metrics},12.3457,0.0123,1234,official,,,,,,,,\n" in (tmp_path / "table.csv").read_text(
        encoding="utf-8"
    )
    text = (tmp_path / "table.md").read_text(encoding="utf-8")
    assert "| tiny | \N{EN DASH} | \N{EN DASH} |" in text
    assert UNDEFINED_NOTE in text


def test_the_markdown_table_is_rounded_and_marks_random_weights(tmp_path: Path) -> None:
    trial = replace(make_trial("a|b"), init="random", init_note="random weights: x.pth could not be had")
    write_table(results_of(make_table(), make_split(), [trial], RUN), tmp_path)
    lines = (tmp_path / "table.md").read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("| Model | Binary accuracy | Exact match | mAP | F1 macro |")
    assert re.fullmatch(
        r"\| a\\\|b \| 80.0 % \[.*\] \| 50.0 % \[.*\] \| 100.0 % \[.*\] \| 55.6 % \[.*\]"
        r" \| 12.3 s \| 12.3 ms \| 1,234 \| random \(not pre-trained\) \|",
        lines[2],
    )
    assert lines[lines.index("") + 3].startswith("No model here is pre-trained: a\\|b started from random")
