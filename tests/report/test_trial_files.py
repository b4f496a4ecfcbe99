"""Scores and losses of one model as CSV files."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from manylabel.report.trial_files import given_labels, write_history, write_label_issues, write_predictions
from manylabel.trials import Epoch, EvaluatedPhotos, Trial
from manylabel.types import LabelTable, Thresholds
from tests.report.conftest import NOTHING_MORE

LABELS = ("sea", "sky", "sun")
TABLE = LabelTable(
    photos=tuple(Path(f"{name}.jpg") for name in "abcd"),
    names=("a.jpg", "b, c/b.jpg", "c.jpg", "d.jpg"),
    labels=LABELS,
    targets=np.array([[1, 1, 0], [0, 0, 0], [np.nan, 1, 0], [0, 0, 1]], dtype=np.float64),
    parts=(None,) * 4,
    source="drawn by hand",
)


def evaluated(*rows: int) -> EvaluatedPhotos:
    """Return scores that name their photo: 0.1, 0.2, ... for the first label."""
    scores = np.array([[(row + 1) / 10, 0.5, 2 / 3] for row in rows])
    return EvaluatedPhotos(rows=np.array(rows), scores=scores, decisions=scores >= [0.25, 0.6, 0.6])


def trial(*, test: EvaluatedPhotos | None, out_of_fold: EvaluatedPhotos | None) -> Trial:
    """Return a trial with nothing but scores."""
    return Trial(
        model="tiny",
        init="random",
        init_note="",
        head="linear",
        tune="head",
        parameters=1,
        labels=LABELS,
        thresholds=Thresholds(values=np.array([0.25, 0.6, 0.6]), origin=""),
        pos_weight=np.ones(3),
        weight_decay=0.01,
        fold_weight_decays=(),
        test=test,
        out_of_fold=out_of_fold,
        **NOTHING_MORE,
        history=(),
        training_seconds=0.0,
        inference_seconds=0.0,
        stage_seconds={},
    )


def read(path: Path) -> list[list[str]]:
    """Read a CSV file."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def test_labels_that_are_probably_wrong_are_listed(tmp_path: Path) -> None:
    found = trial(test=evaluated(3), out_of_fold=evaluated(0, 1, 2))

    write_label_issues(tmp_path, found, TABLE)

    heading, *rows = read(tmp_path / "label_issues.csv")
    assert heading == ["rank", "photo", "label", "given", "probability", "wrong"]
    assert len(rows) == 8  # the known cells of three photos; the fourth is a test photo
    assert [row[0] for row in rows] == [str(rank) for rank in range(1, 9)]
    wrong = [float(row[5]) for row in rows]
    assert wrong == sorted(wrong, reverse=True)
    given = {(row[1], row[2]): (row[3], row[4]) for row in rows}
    assert given["b, c/b.jpg", "sun"] == ("0", "0.6667")
    assert ("c.jpg", "sea") not in given


def test_nothing_is_listed_where_no_photo_was_kept_from_training(tmp_path: Path) -> None:
    write_label_issues(tmp_path, trial(test=evaluated(3), out_of_fold=None), TABLE)

    assert not list(tmp_path.iterdir())


def test_a_label_that_is_called_like_a_column_has_another_column(tmp_path: Path) -> None:
    odd = replace(trial(test=evaluated(3), out_of_fold=None), labels=("given", "part", "sun"))

    write_predictions(tmp_path / "p.csv", odd, replace(TABLE, labels=odd.labels))

    heading, row = read(tmp_path / "p.csv")
    assert heading == ["image", "part", "given", "predicted", "given (score)", "part (score)", "sun"]
    assert row == ["d.jpg", "test", "sun", "given;sun", "0.400000", "0.500000", "0.666667"]


def test_every_judged_photo_has_a_line(tmp_path: Path) -> None:
    path = tmp_path / "predictions" / "tiny.csv"
    write_predictions(path, trial(test=evaluated(3, 1), out_of_fold=evaluated(2, 0)), TABLE)

    assert read(path) == [
        ["image", "part", "given", "predicted", "sea", "sky", "sun"],
        ["c.jpg", "out-of-fold", "sea?;sky", "sea;sun", "0.300000", "0.500000", "0.666667"],
        ["a.jpg", "out-of-fold", "sea;sky", "sun", "0.100000", "0.500000", "0.666667"],
        ["d.jpg", "test", "sun", "sea;sun", "0.400000", "0.500000", "0.666667"],
        ["b, c/b.jpg", "test", "", "sun", "0.200000", "0.500000", "0.666667"],
    ]


def test_no_file_of_a_trial_holds_a_formula(tmp_path: Path) -> None:
    table = replace(TABLE, names=("=1.jpg", "+2.jpg", "@3.jpg", "d.jpg"), labels=("=a", "b", "-c"))
    made = replace(trial(test=None, out_of_fold=evaluated(0, 1, 2, 3)), labels=table.labels)
    write_predictions(tmp_path / "p.csv", made, table)
    write_label_issues(tmp_path, made, table)

    cells = [cell for path in tmp_path.iterdir() for line in read(path) for cell in line]
    assert {"'=1.jpg", "'=a;b", "'-c"} <= {*cells}
    assert [cell for cell in cells if cell[:1] in tuple("=+-@")] == []


@pytest.mark.parametrize("part", ["test", "out-of-fold"])
def test_a_part_that_was_not_judged_has_no_lines(part: str, tmp_path: Path) -> None:
    scores = evaluated(0)
    only = trial(test=scores, out_of_fold=None) if part == "test" else trial(test=None, out_of_fold=scores)
    write_predictions(tmp_path / "tiny.csv", only, TABLE)

    assert [line[1] for line in read(tmp_path / "tiny.csv")] == ["part", part]


def test_the_loss_of_every_epoch_has_a_line(tmp_path: Path) -> None:
    epochs = [
        Epoch(fold=0, epoch=1, train_loss=0.75, held_out_loss=0.8, learning_rate=0.000123456),
        Epoch(fold=None, epoch=1, train_loss=0.5, held_out_loss=None, learning_rate=0.0),
    ]
    write_history(tmp_path / "history" / "tiny.csv", epochs)

    assert read(tmp_path / "history" / "tiny.csv") == [
        ["fold", "epoch", "train_loss", "held_out_loss", "learning_rate"],
        ["1", "1", "0.750000", "0.800000", "0.000123"],
        ["", "1", "0.500000", "", "0"],
    ]


def test_unknown_labels_are_told_from_absent_ones() -> None:
    assert [given_labels(TABLE, row) for row in range(4)] == ["sea;sky", "", "sea?;sky", "sun"]
