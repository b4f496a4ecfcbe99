"""CSV files that no spreadsheet computes, and that are read back as what was written."""

import ast
import csv
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from manylabel.bundle.tables import (
    OutOfFold,
    read_out_of_fold,
    read_thresholds,
    write_out_of_fold,
    write_thresholds,
)
from manylabel.data.evaluation_set import find_learned
from manylabel.data.formats import read_table
from manylabel.data.split import read_split, write_split
from manylabel.io.csv_text import guard, keep_apostrophes, unguard
from manylabel.labeling import Suggestions, write_suggestions
from manylabel.types import LabelTable, Scores, Split

PACKAGE = Path(__file__).parents[2] / "src" / "manylabel"
NAMES = ("=1+1.jpg", "+a.jpg", "-b.jpg", "@c.jpg", "\td.jpg", "'=e.jpg", "f;=g.jpg", "\uff1dh.jpg", "i.jpg")
LABELS = ("=SUM(A1)", "@home", "'-2+3", "-0.5", "sea")
TEXTS = st.text(st.sampled_from("=+-@\t\r\n;',ab.0 \uff1d"), max_size=8)


def table_of(names: tuple[str, ...]) -> LabelTable:
    return LabelTable(
        photos=tuple(Path("photos", name) for name in names),
        names=names,
        labels=LABELS,
        targets=np.ones((len(names), len(LABELS))),
        parts=(None,) * len(names),
        source="labels.csv",
    )


def formulas_in(path: Path) -> list[str]:
    """Return the cells that a spreadsheet may compute, whatever it parts lines at; numbers are none."""
    found = []
    for line in csv.reader(path.read_text(encoding="utf-8").splitlines()):
        for cell in line:
            starts = re.split(r"[;\t\n\r]", cell)
            found += [start for start in starts if re.match(r"[=+\-@\uff1d]", start)]
    return [cell for cell in found if not re.fullmatch(r"-?[\d.]+", cell)]


@given(TEXTS)
def test_a_guarded_text_is_no_formula_and_comes_back(text: str) -> None:
    assert unguard(guard(text)) == text
    assert unguard(keep_apostrophes(text)) == text
    assert re.match(r"[=+\-@\t\r\uff1d]", guard(text)) is None or float(text) is not None


@pytest.mark.parametrize("number", ["-0.5", "+1", "1e-05", "-1.5E+3", "-.5", "0.75"])
def test_numbers_stay_numbers(number: str) -> None:
    assert guard(number) == number


def test_labels_joined_in_a_cell_are_guarded_one_by_one() -> None:
    assert guard(";".join(LABELS)) == ";".join(["'=SUM(A1)", "'@home", "''-2+3", "'-0.5", "sea"])


def test_a_split_holds_no_formula_and_is_read_back(tmp_path: Path) -> None:
    rows = np.arange(len(NAMES))
    split = Split(train=rows[:6], val=rows[6:7], test=rows[7:], folds=(), origin="drawn")
    write_split(tmp_path / "split.csv", table_of(NAMES), split)

    (tmp_path / "results.json").write_text('{"sha256": {}}', encoding="utf-8")
    assert formulas_in(tmp_path / "split.csv") == []
    np.testing.assert_array_equal(read_split(tmp_path / "split.csv", table_of(NAMES)).train, split.train)
    learned = find_learned(tmp_path, NAMES, folder=tmp_path)
    assert learned is not None
    assert len(learned) == len(NAMES)


def test_a_split_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    names = ("=1.jpg", "'=2.jpg")
    (tmp_path / "split.csv").write_text("image,part,fold\n=1.jpg,train,\n'=2.jpg,test,\n", encoding="utf-8")
    split = read_split(tmp_path / "split.csv", table_of(names))
    assert (split.train.tolist(), split.test.tolist()) == ([0], [1])


def test_thresholds_hold_no_formula_and_are_read_back(tmp_path: Path) -> None:
    values = np.array([0.1, 0.2, 0.3, 0.4, 0.5])
    write_thresholds(tmp_path / "t.csv", LABELS, values)

    assert formulas_in(tmp_path / "t.csv") == []
    np.testing.assert_array_equal(read_thresholds(tmp_path / "t.csv", LABELS), values)


def test_thresholds_with_names_as_they_are_are_read(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("label,threshold\n=x,0.25\n'=y,0.5\n", encoding="utf-8")
    assert read_thresholds(tmp_path / "t.csv", ["=x", "'=y"]).tolist() == [0.25, 0.5]


def test_out_of_fold_scores_hold_no_formula_and_are_read_back(tmp_path: Path) -> None:
    shape = (len(NAMES), len(LABELS))
    kept = OutOfFold(
        names=NAMES,
        labels=LABELS,
        targets=np.ones(shape),
        scores=np.full(shape, 0.25),
        groups=np.arange(len(NAMES)),
        folds=np.zeros(len(NAMES), dtype=np.int64),
    )
    write_out_of_fold(tmp_path / "o.csv", kept)

    assert formulas_in(tmp_path / "o.csv") == []
    assert read_out_of_fold(tmp_path / "o.csv", LABELS).names == NAMES


def test_suggestions_hold_no_formula(tmp_path: Path) -> None:
    suggestions = Suggestions(
        scores=Scores(names=NAMES, labels=LABELS, values=np.full((len(NAMES), len(LABELS)), 0.5)),
        uncertainty=np.ones(len(NAMES)),
        n_unlabeled=len(NAMES),
        notes=(),
        failures=(),
    )
    write_suggestions(tmp_path / "next.csv", suggestions)
    assert formulas_in(tmp_path / "next.csv") == []


@pytest.mark.parametrize("layout", ["one-hot", "delimited"])
def test_a_photo_whose_name_nobody_guarded_is_found(layout: str, tmp_path: Path) -> None:
    for name in ("'=a.jpg", "=b.jpg", "c.jpg"):
        (tmp_path / name).touch()
    cells = ("1", "0", "1") if layout == "one-hot" else ("sea", "", "sea")
    heading = "image,sea" if layout == "one-hot" else "image,labels"
    lines = [heading, f"'=a.jpg,{cells[0]}", f"=b.jpg,{cells[1]}", f"c.jpg,{cells[2]}"]
    (tmp_path / "labels.csv").write_text("\n".join(lines), encoding="utf-8")

    table = read_table(tmp_path / "labels.csv", photos=tmp_path)
    assert table.names == ("'=a.jpg", "=b.jpg", "c.jpg")


def test_every_csv_file_is_written_in_one_way() -> None:
    writers = [
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in ("writer", "DictWriter", "to_csv")
    ]
    assert writers == ["io/csv_text.py"]
