"""Predictions as CSV, JSON, JSON Lines and Parquet files."""

import csv
import io
import json
import sys
from importlib import util
from pathlib import Path

import numpy as np
import pytest

from manylabel.errors import MissingExtraError, OutputError, PhotoError
from manylabel.predictors import files
from manylabel.predictors.batch import Predictions
from manylabel.predictors.files import check_form, open_prediction_files, write_predictions
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
    failure_rows=np.array([1]),
)
LATER = Predictions(
    scores=Scores(names=("z.jpg",), labels=("sea", "sky, blue"), values=np.array([[0.5, 0.25]])),
    decisions=np.array([[True, False]]),
    thresholds=np.array([0.2, 0.5]),
    rows=np.array([4]),
    failures=(PhotoError(Path("gone.jpg"), "there is no such file"),),
    failure_rows=np.array([3]),
)
NAMES = ["a.jpg", "broken.jpg", 'holiday, "1"/b.jpg', "gone.jpg", "z.jpg"]


def write_both(path: Path) -> Path:
    """Write two parts, one after the other."""
    with open_prediction_files([path]) as write:
        write(PREDICTIONS)
        write(LATER)
    return path


def test_csv_has_a_line_per_photo_in_the_order_of_the_photos(tmp_path: Path) -> None:
    text = write_both(tmp_path / "out.csv").read_bytes().decode()

    assert list(csv.reader(io.StringIO(text))) == [
        ["image", "labels", "error", "sea", "sky, blue"],
        ["a.jpg", "sky, blue;sea", "", "0.250000", "1.000000"],
        ["broken.jpg", "", "the file is empty", "", ""],
        ['holiday, "1"/b.jpg', "", "", "0.125000", "0.062500"],
        ["gone.jpg", "", "there is no such file", "", ""],
        ["z.jpg", "sea", "", "0.500000", "0.250000"],
    ]


def test_json_says_the_same(tmp_path: Path) -> None:
    write_both(tmp_path / "out.JSON")

    assert json.loads((tmp_path / "out.JSON").read_text(encoding="utf-8")) == {
        "thresholds": {"sea": 0.2, "sky, blue": 0.5},
        "photos": [
            {"image": "a.jpg", "labels": ["sky, blue", "sea"], "scores": {"sea": 0.25, "sky, blue": 1.0}},
            {"image": 'holiday, "1"/b.jpg', "labels": [], "scores": {"sea": 0.125, "sky, blue": 0.0625}},
            {"image": "z.jpg", "labels": ["sea"], "scores": {"sea": 0.5, "sky, blue": 0.25}},
        ],
        "unreadable": [
            {"image": "broken.jpg", "error": "the file is empty"},
            {"image": "gone.jpg", "error": "there is no such file"},
        ],
    }


def test_json_without_unreadable_photos_has_an_empty_list(tmp_path: Path) -> None:
    with open_prediction_files([tmp_path / "out.json"]):
        pass

    assert json.loads((tmp_path / "out.json").read_text(encoding="utf-8")) == {
        "photos": [],
        "unreadable": [],
    }


def test_json_lines_has_a_line_per_photo(tmp_path: Path) -> None:
    lines = write_both(tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()

    said = [json.loads(line) for line in lines]
    assert [row["image"] for row in said] == NAMES
    assert said[0]["scores"] == {"sea": 0.25, "sky, blue": 1.0}
    assert said[1] == {"image": "broken.jpg", "error": "the file is empty"}


@pytest.mark.parametrize("rows_per_group", [1, 8192])
def test_parquet_says_the_same(rows_per_group: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    monkeypatch.setattr(files, "_ROWS_PER_GROUP", rows_per_group)

    path = write_both(tmp_path / "out.parquet")

    assert parquet.ParquetFile(path).num_row_groups == (2 if rows_per_group == 1 else 1)
    assert parquet.read_table(path).to_pydict() == {
        "image": NAMES,
        "labels": [["sky, blue", "sea"], None, [], None, ["sea"]],
        "error": [None, "the file is empty", None, "there is no such file", None],
        "sea": [0.25, None, 0.125, None, 0.5],
        "sky, blue": [pytest.approx(1.0), None, 0.0625, None, 0.25],
    }


def test_a_label_that_is_called_like_a_column_has_another_column_in_parquet(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    odd = Predictions(
        scores=Scores(names=("a.jpg",), labels=("image", "labels"), values=np.array([[0.5, 0.25]])),
        decisions=np.array([[True, False]]),
        thresholds=np.array([0.2, 0.5]),
        rows=np.array([0]),
        failures=(),
        failure_rows=np.array([], dtype=np.int64),
    )
    write_predictions(tmp_path / "out.parquet", odd)

    said = parquet.read_table(tmp_path / "out.parquet").to_pydict()
    assert (said["image"], said["image (score)"], said["labels (score)"]) == (["a.jpg"], [0.5], [0.25])


def test_a_missing_pyarrow_is_told_before_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    found = util.find_spec
    monkeypatch.setattr(files, "find_spec", lambda name: None if name == "pyarrow" else found(name))
    monkeypatch.setitem(sys.modules, "pyarrow", None)

    with pytest.raises(MissingExtraError, match=r"pip install '\.\[parquet\]'"):
        check_form(Path("out.parquet"))


@pytest.mark.parametrize("ending", [".csv", ".json", ".jsonl", ".parquet"])
def test_a_stop_leaves_the_old_file_and_no_other(ending: str, tmp_path: Path) -> None:
    if ending == ".parquet":
        pytest.importorskip("pyarrow")
    old = tmp_path / f"old{ending}"
    old.write_text("old", encoding="utf-8")

    def stop_half_way() -> None:
        with open_prediction_files([old, tmp_path / "deep" / f"new{ending}"]) as write:
            write(PREDICTIONS)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stop_half_way()

    assert [path.name for path in tmp_path.iterdir()] == [f"old{ending}"]
    assert old.read_text(encoding="utf-8") == "old"


def test_a_file_that_is_named_twice_is_written_once(tmp_path: Path) -> None:
    with open_prediction_files([tmp_path / "out.jsonl", tmp_path / "out.jsonl"]) as write:
        write(PREDICTIONS)

    assert len((tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()) == 3


def test_a_file_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "out.csv").write_text("old", encoding="utf-8")
    write_predictions(tmp_path / "out.csv", PREDICTIONS)

    assert (tmp_path / "out.csv").read_text(encoding="utf-8").startswith("image,labels,error,sea")


def test_an_unknown_ending_is_told_and_nothing_written(tmp_path: Path) -> None:
    with pytest.raises(
        OutputError, match=r"out.xlsx: unknown ending '.xlsx'; known: .csv, .json, .jsonl, .parquet"
    ):
        write_predictions(tmp_path / "out.xlsx", PREDICTIONS)
    with pytest.raises(OutputError, match="unknown ending ''"):
        check_form(Path("out"))

    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "out.csv").mkdir()
    (tmp_path / "file").write_text("in the way", encoding="utf-8")

    with pytest.raises(OutputError, match=r"out.csv: cannot be written: Is a directory"):
        write_predictions(tmp_path / "out.csv", PREDICTIONS)
    with pytest.raises(OutputError, match=r"out.csv: cannot be written: (Not a directory|File exists)"):
        write_predictions(tmp_path / "file" / "out.csv", PREDICTIONS)


def test_errors_of_the_work_are_not_taken_for_those_of_the_file(tmp_path: Path) -> None:
    def fail() -> None:
        with open_prediction_files([tmp_path / "out.csv"]):
            raise OSError("the network drive went away")

    with pytest.raises(OSError, match="the network drive went away"):
        fail()
