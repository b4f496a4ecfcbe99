"""Predictions as CSV, JSON, JSON Lines and Parquet files."""

import csv
import importlib
import io
import json
import sys
from collections.abc import Sequence
from importlib import util
from pathlib import Path
from unittest.mock import patch

import numpy as np
import openpyxl
import pytest

from manylabel.data.formats import read_table
from manylabel.data.formats.tables.sheet import read_sheet
from manylabel.engines.stream import Predictions
from manylabel.errors import MissingExtraError, OutputError, PhotoError
from manylabel.exporters.predictions import formats
from manylabel.exporters.predictions import registry as files
from manylabel.exporters.predictions.registry import find_format, open_prediction_files, write_predictions
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
    monkeypatch.setattr(formats, "_ROWS_PER_GROUP", rows_per_group)

    path = write_both(tmp_path / "out.parquet")

    assert parquet.ParquetFile(path).num_row_groups == (2 if rows_per_group == 1 else 1)
    assert parquet.read_table(path).to_pydict() == {
        "image": NAMES,
        "labels": [["sky, blue", "sea"], None, [], None, ["sea"]],
        "error": [None, "the file is empty", None, "there is no such file", None],
        "sea": [0.25, None, 0.125, None, 0.5],
        "sky, blue": [pytest.approx(1.0), None, 0.0625, None, 0.25],
    }


def read_rows(path: Path) -> list[list[object]]:
    """Read a table of predictions, its heading first."""
    match path.suffix:
        case ".csv":
            with path.open(newline="", encoding="utf-8") as file:
                return [list(row) for row in csv.reader(file)]
        case ".xlsx":
            return [[cell.value for cell in row] for row in openpyxl.load_workbook(path).active.rows]
        case _:
            table = pytest.importorskip("pyarrow.parquet").read_table(path)
            return [table.column_names, *(list(row.values()) for row in table.to_pylist())]


@pytest.mark.parametrize("ending", [".csv", ".xlsx", ".parquet"])
def test_a_label_that_is_called_like_a_column_has_another_column(
    ending: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    labels = ("image", "labels", "error", "photo", "error (score)")
    odd = Predictions(
        scores=Scores(names=("a.jpg",), labels=labels, values=np.array([[0.5, 0.25, 0.125, 0, 1]])),
        decisions=np.array([[True, False, False, False, True]]),
        thresholds=np.full(5, 0.5),
        rows=np.array([0]),
        failures=(),
        failure_rows=np.array([], dtype=np.int64),
    )
    if ending == ".parquet":
        pytest.importorskip("pyarrow")
    with caplog.at_level("INFO", "manylabel"):
        write_predictions(tmp_path / f"out{ending}", odd)

    heading, row = read_rows(tmp_path / f"out{ending}")
    assert heading == [
        *("image", "labels", "error"),
        *("image (score)", "labels (score)", "error (score) (score)", "photo", "error (score)"),
    ]
    assert [float(str(cell)) for cell in row[3:]] == [0.5, 0.25, 0.125, 0, 1]
    assert "label 'image' has the name of another column; its column is called 'image (score)'" in caplog.text


FORMULAS = ("=1+1.jpg", "+a.jpg", "-b.jpg", "@c.jpg", "plain.jpg", "hồ.jpg", "\x1b[31m_x001B_\n.jpg")


def of_names(names: Sequence[str], *, labels: Sequence[str] = ("=sea",)) -> Predictions:
    """Return predictions of photos that are called so, each with all labels; the last could not be read."""
    *read, broken = names
    values = np.full((len(read), len(labels)), 0.75)
    return Predictions(
        scores=Scores(names=tuple(read), labels=tuple(labels), values=values),
        decisions=values >= 0.5,
        thresholds=np.full(len(labels), 0.5),
        rows=np.arange(len(read)),
        failures=(PhotoError(Path(broken), "=it is empty"),),
        failure_rows=np.array([len(read)]),
    )


def test_text_of_a_workbook_is_text_whatever_it_starts_with(tmp_path: Path) -> None:
    write_predictions(tmp_path / "out.xlsx", of_names(FORMULAS))

    sheet = openpyxl.load_workbook(tmp_path / "out.xlsx").active
    cells = list(sheet.rows)
    assert {cell.data_type for row in cells for cell in row[:3] if cell.value is not None} == {"s"}
    assert [row[0].value for row in cells[1:-1]] == list(FORMULAS[:-1])
    # As ECMA-376 escapes what XML cannot hold; openpyxl leaves that to whoever reads it.
    assert cells[-1][0].value == "_x001B_[31m_x005F_x001B_\n.jpg"
    assert [cell.value for cell in cells[1][1:]] == ["=sea", None, 0.75]
    assert [cell.value for cell in cells[-1][1:]] == [None, "=it is empty", None]
    assert cells[1][3].data_type == "n"
    assert sheet.freeze_panes == "B2"


def test_photos_beyond_a_sheet_go_to_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats, "_MAX_SHEET_ROWS", 4)
    write_predictions(tmp_path / "out.xlsx", of_names(FORMULAS))

    book = openpyxl.load_workbook(tmp_path / "out.xlsx")
    assert book.sheetnames == ["photos", "photos 2", "photos 3"]
    assert [sheet.max_row for sheet in book] == [4, 4, 2]
    assert all(sheet["A1"].value == "image" for sheet in book)


def test_a_workbook_without_photos_can_be_opened(tmp_path: Path) -> None:
    with open_prediction_files([tmp_path / "out.xlsx"]):
        pass

    assert openpyxl.load_workbook(tmp_path / "out.xlsx").sheetnames == ["photos"]


def test_csv_for_excel_starts_with_a_mark(tmp_path: Path) -> None:
    with open_prediction_files([tmp_path / "out.csv"], is_for_excel=True) as write:
        write(of_names(FORMULAS))

    assert (tmp_path / "out.csv").read_bytes().startswith(b"\xef\xbb\xbfimage,labels,error,'=sea\r\n")


def test_csv_holds_no_formula(tmp_path: Path) -> None:
    write_predictions(tmp_path / "out.csv", of_names(FORMULAS))

    content = (tmp_path / "out.csv").read_bytes()
    assert content.startswith(b"image,labels,error,'=sea\r\n'=1+1.jpg,'=sea,,0.750000\r\n")
    rows = list(csv.reader(io.StringIO(content.decode(), newline="")))
    assert [row[0] for row in rows[1:7]] == [
        *("'=1+1.jpg", "'+a.jpg", "'-b.jpg", "'@c.jpg", "plain.jpg", "hồ.jpg"),
    ]
    assert rows[-1][2] == "'=it is empty"


def test_a_name_that_starts_with_an_apostrophe_is_itself_in_a_workbook(tmp_path: Path) -> None:
    write_predictions(tmp_path / "out.xlsx", of_names(("'=a.jpg", "b.jpg")))

    assert read_sheet(tmp_path / "out.xlsx").column(0)[0] == "'=a.jpg"


@pytest.mark.parametrize("form", [".csv", ".xlsx"])
def test_written_predictions_are_read_back_as_a_table(form: str, tmp_path: Path) -> None:
    names, labels = ("=1+1.jpg", "+a.jpg", "'=c.jpg", "\x1b_x001B_.jpg", "d.jpg"), ("=sea", "@home", "'-x")
    for name in names:
        (tmp_path / name).touch()
    write_predictions(tmp_path / f"out{form}", of_names((*names, "last.jpg"), labels=labels))

    table = read_table(
        tmp_path / f"out{form}", photos=tmp_path, label_columns=["labels"], ignore=["error"], missing="skip"
    )
    assert (set(table.names), set(table.labels)) == (set(names), set(labels))
    assert (table.targets == 1).all()


def test_a_spreadsheet_without_a_csv_file_is_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(OutputError, match="--excel: makes CSV files for spreadsheets; give a file that ends"),
        open_prediction_files([tmp_path / "out.xlsx"], is_for_excel=True),
    ):
        pass


def test_a_missing_pyarrow_is_told_before_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    found = util.find_spec
    monkeypatch.setattr(files, "find_spec", lambda name: None if name == "pyarrow" else found(name))
    monkeypatch.setitem(sys.modules, "pyarrow", None)

    with pytest.raises(MissingExtraError, match=r"pip install '\.\[parquet\]'"):
        find_format(Path("out.parquet"))


@pytest.mark.parametrize("ending", [".csv", ".xlsx", ".json", ".jsonl", ".parquet"])
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
        OutputError,
        match=r"out.xls: unknown file extension '.xls'; known: .csv, .xlsx, .json, .jsonl, .parquet",
    ):
        write_predictions(tmp_path / "out.xls", PREDICTIONS)
    with pytest.raises(OutputError, match="unknown file extension ''"):
        find_format(Path("out"))

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


def test_a_format_of_another_module_is_chosen_by_its_ending(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "format_of_mine.py").write_text(
        "from manylabel.exporters.predictions.registry import FORMATS, PredictionFormat\n"
        "class Names:\n"
        "    def __init__(self, file):\n"
        "        self._file = file\n"
        "    def write(self, predictions):\n"
        "        self._file.write(' '.join(predictions.scores.names).encode())\n"
        "    def close(self):\n"
        "        self._file.write(b' end')\n"
        "FORMATS['.txt'] = PredictionFormat(name='Names', help='for tests', ending='.txt', open=Names)\n",
        encoding="utf-8",
    )
    monkeypatch.syspath_prepend(tmp_path)
    with patch.dict(files.FORMATS):
        importlib.import_module("format_of_mine")
        write_predictions(tmp_path / "out.txt", LATER)

    assert (tmp_path / "out.txt").read_text() == "z.jpg end"
