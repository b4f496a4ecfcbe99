"""The values between the stages: what is consistent is kept as it is, what is not cannot be made.

In:  tables, splits, scores, thresholds and trials, right and wrong ones.
Out: their checks, views and properties.
"""

import dataclasses
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from manylabel.trials import EvaluatedPhotos, Trial
from manylabel.types import (
    FloatArray,
    IntArray,
    LabelTable,
    Progress,
    Scores,
    Split,
    Thresholds,
    ignore_progress,
)

NO_ROWS: IntArray = np.array([], dtype=np.int64)


def make_table(**changes: Any) -> LabelTable:
    values: dict[str, Any] = {
        "photos": (Path("photos/a.jpg"), Path("photos/b.jpg"), Path("photos/c.jpg")),
        "names": ("a.jpg", "b.jpg", "c.jpg"),
        "labels": ("lake", "boat"),
        "targets": np.array([[1.0, 0.0], [0.0, np.nan], [0.0, 0.0]]),
        "parts": ("train", None, "test"),
        "source": "labels.csv",
        "notes": ("the delimiter is ';'",),
    }
    return LabelTable(**{**values, **changes})


def make_judged() -> EvaluatedPhotos:
    return EvaluatedPhotos(rows=np.array([0]), scores=np.array([[0.5]]), decisions=np.array([[True]]))


def make_trial(*, test: EvaluatedPhotos | None, out_of_fold: EvaluatedPhotos | None) -> Trial:
    return Trial(
        model="resnet50",
        init="random",
        init_note="random weights",
        head="linear",
        tune="head",
        parameters=10,
        labels=("lake",),
        thresholds=Thresholds(values=np.array([0.5]), origin="by hand"),
        pos_weight=np.array([1.0]),
        weight_decay=0.01,
        fold_weight_decays=(),
        test=test,
        out_of_fold=out_of_fold,
        history=(),
        training_seconds=1.0,
        inference_seconds=0.1,
        stage_seconds={},
    )


# --- tables


def test_a_table_counts_its_photos_and_labels() -> None:
    table = make_table()
    assert (table.n_photos, table.n_labels) == (3, 2)


def test_a_table_of_nothing_is_a_table() -> None:
    table = make_table(photos=(), names=(), parts=(), targets=np.zeros((0, 2)))
    assert (table.n_photos, table.n_labels) == (0, 2)


def test_rows_are_taken_in_the_given_order() -> None:
    taken = make_table().take(np.array([2, 0]))
    assert taken.photos == (Path("photos/c.jpg"), Path("photos/a.jpg"))
    assert taken.names == ("c.jpg", "a.jpg")
    assert taken.parts == ("test", "train")
    assert taken.targets.tolist() == [[0.0, 0.0], [1.0, 0.0]]
    assert (taken.labels, taken.source, taken.notes) == (
        ("lake", "boat"),
        "labels.csv",
        ("the delimiter is ';'",),
    )


def test_unknown_cells_stay_unknown_when_rows_are_taken() -> None:
    assert np.isnan(make_table().take(np.array([1])).targets[0, 1])


def test_no_rows_can_be_taken() -> None:
    assert make_table().take(NO_ROWS).n_photos == 0


def test_the_targets_of_a_table_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="read-only"):
        make_table().targets[0, 0] = 0.0


def test_the_fields_of_a_table_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        make_table().source = "other.csv"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"targets": np.zeros((2, 3))}, "targets have shape (2, 3), expected (3, 2) (photos x labels)"),
        ({"targets": np.zeros(6)}, "targets have shape (6,), expected (3, 2) (photos x labels)"),
        ({"names": ("a.jpg",)}, "3 photos, 1 names, 3 parts"),
        ({"parts": (None, None)}, "3 photos, 3 names, 2 parts"),
        ({"targets": np.full((3, 2), 0.5)}, "targets hold 0 (absent), 1 (present) or NaN (unknown)"),
        ({"targets": np.full((3, 2), -1.0)}, "targets hold 0 (absent), 1 (present) or NaN (unknown)"),
        ({"targets": np.full((3, 2), np.inf)}, "targets hold 0 (absent), 1 (present) or NaN (unknown)"),
    ],
)
def test_a_table_that_contradicts_itself_cannot_be_made(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(text)):
        make_table(**changes)


# --- splits


def test_a_split_may_leave_photos_out_and_have_empty_parts() -> None:
    split = Split(train=np.array([4, 1]), val=NO_ROWS, test=NO_ROWS)
    assert split.train.tolist() == [4, 1]
    assert split.folds == ()


def test_folds_divide_the_training_photos() -> None:
    folds = (np.array([5]), np.array([1, 3]))
    assert Split(train=np.array([1, 3, 5]), val=NO_ROWS, test=np.array([0]), folds=folds).folds == folds


@pytest.mark.parametrize(
    ("train", "val", "test"),
    [([0, 1], [1], []), ([0, 1], [], [0]), ([0], [1], [1]), ([0, 0], [], [])],
)
def test_no_photo_lies_in_two_parts(train: list[int], val: list[int], test: list[int]) -> None:
    train_rows, val_rows, test_rows = (np.array(rows, dtype=np.int64) for rows in (train, val, test))
    with pytest.raises(ValueError, match="a photo lies in two parts of the split"):
        Split(train=train_rows, val=val_rows, test=test_rows)


@pytest.mark.parametrize("folds", [([0, 1],), ([0, 1], [1, 2]), ([0, 1], [2, 3]), ([0], [1, 2, 2])])
def test_folds_that_do_not_divide_the_training_photos_cannot_be_made(folds: tuple[list[int], ...]) -> None:
    with pytest.raises(ValueError, match="the folds are not a partition of the training photos"):
        Split(train=np.arange(3), val=NO_ROWS, test=NO_ROWS, folds=tuple(np.array(fold) for fold in folds))


# --- scores and thresholds


def make_scores(values: FloatArray) -> Scores:
    return Scores(names=("a.jpg", "b.jpg"), labels=("lake",), values=values)


def test_scores_are_probabilities_and_their_bounds_belong_to_them() -> None:
    assert make_scores(np.array([[0.0], [1.0]])).values.tolist() == [[0.0], [1.0]]


@pytest.mark.parametrize("bad", [-0.01, 1.01, np.nan, np.inf])
def test_scores_that_are_no_probabilities_cannot_be_made(bad: float) -> None:
    with pytest.raises(ValueError, match="scores are probabilities between 0 and 1, without NaN"):
        make_scores(np.array([[0.5], [bad]]))


def test_scores_of_another_shape_cannot_be_made() -> None:
    with pytest.raises(ValueError, match=re.escape("scores have shape (1, 2), not (2, 1)")):
        make_scores(np.array([[0.5, 0.5]]))


def test_a_label_is_present_from_its_own_threshold_on() -> None:
    thresholds = Thresholds(values=np.array([0.5, 0.2]), origin="by hand")
    decisions = thresholds.decide(np.array([[0.5, 0.19], [0.49, 0.2]]))
    assert decisions.tolist() == [[True, False], [False, True]]
    assert decisions.dtype == np.bool_


def test_no_photos_give_no_decisions() -> None:
    assert Thresholds(values=np.array([0.5, 0.2]), origin="by hand").decide(np.zeros((0, 2))).shape == (0, 2)


# --- trials and progress


def test_a_trial_shows_its_test_photos_before_its_folds() -> None:
    test, out_of_fold = make_judged(), make_judged()
    assert make_trial(test=test, out_of_fold=out_of_fold).evaluated is test
    assert make_trial(test=None, out_of_fold=out_of_fold).evaluated is out_of_fold


def test_a_trial_without_held_out_photos_has_nothing_to_show() -> None:
    with pytest.raises(ValueError, match="resnet50: no photo was held out, so nothing can be evaluated"):
        _ = make_trial(test=None, out_of_fold=None).evaluated


def test_progress_may_go_unheard() -> None:
    ignore_progress(Progress(subject="resnet50", stage="features", done=1, total=2))
