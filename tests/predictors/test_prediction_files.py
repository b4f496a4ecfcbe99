"""Predictions as CSV and JSON files."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest

from manylabel.errors import OutputError, PhotoError
from manylabel.predictors.batch import Predictions
from manylabel.predictors.files import check_form, to_csv, write_predictions
from manylabel.types import Scores

PREDICTIONS = Predictions(
    scores=Scores(
        names=("a.jpg", 'holiday, "1"/b.jpg'),
        labels=("sea", "sky, blue"),
        values=np.array([[0.25, 0.9999999], [0.125, 0.0625]]),
    ),
    decisions=np.array([[True, True], [False, False]]),
    thresholds=np.array([0.2, 0.5]),
    rows=np.array([0, 2]),
    failures=(PhotoError(Path("broken.jpg"), "the file is empty"),),
)


def test_csv_has_a_line_per_photo_and_one_per_unreadable_photo() -> None:
    assert list(csv.reader(io.StringIO(to_csv(PREDICTIONS)))) == [
        ["image", "labels", "error", "sea", "sky, blue"],
        ["a.jpg", "sky, blue;sea", "", "0.250000", "1.000000"],
        ['holiday, "1"/b.jpg', "", "", "0.125000", "0.062500"],
        ["broken.jpg", "", "the file is empty", "", ""],
    ]


def test_json_says_the_same(tmp_path: Path) -> None:
    write_predictions(tmp_path / "out.JSON", PREDICTIONS)

    assert json.loads((tmp_path / "out.JSON").read_text(encoding="utf-8")) == {
        "thresholds": {"sea": 0.2, "sky, blue": 0.5},
        "photos": [
            {"image": "a.jpg", "labels": ["sky, blue", "sea"], "scores": {"sea": 0.25, "sky, blue": 1.0}},
            {"image": 'holiday, "1"/b.jpg', "labels": [], "scores": {"sea": 0.125, "sky, blue": 0.0625}},
        ],
        "unreadable": [{"image": "broken.jpg", "error": "the file is empty"}],
    }


def test_a_file_is_replaced_by_the_form_that_its_ending_names(tmp_path: Path) -> None:
    (tmp_path / "out.csv").write_text("old", encoding="utf-8")
    write_predictions(tmp_path / "out.csv", PREDICTIONS)

    assert (tmp_path / "out.csv").read_bytes().decode() == to_csv(PREDICTIONS)


def test_an_unknown_ending_is_told_and_nothing_written(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"out.xlsx: unknown ending '.xlsx'; known: .csv, .json"):
        write_predictions(tmp_path / "out.xlsx", PREDICTIONS)
    with pytest.raises(OutputError, match="unknown ending ''"):
        check_form(Path("out"))

    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "out.csv").mkdir()

    with pytest.raises(OutputError, match=r"out.csv: cannot be written: Is a directory"):
        write_predictions(tmp_path / "out.csv", PREDICTIONS)
