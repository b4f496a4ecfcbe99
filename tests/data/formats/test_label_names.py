"""Names of labels: what cannot be seen is removed, and what cannot be used is told with its place."""

from pathlib import Path

import numpy as np
import pytest

from manylabel import MultiLabelClassifier
from manylabel.data.formats import read_table
from manylabel.data.formats.base import RawRow, RawTable
from manylabel.data.formats.label_names import clean_labels
from manylabel.errors import TableError
from manylabel.types import LabelTable


def raw_table(*labels: str, is_declared: bool = True) -> RawTable:
    """Make a table of one photo that carries every label."""
    row = RawRow(names=("a.jpg",), folder=Path(), where="t.csv, line 2", present=frozenset(labels))
    return RawTable(
        rows=(row,), labels=labels, title="t.csv", kind="CSV", where="t.csv, line 1", is_declared=is_declared
    )


@pytest.mark.parametrize("name", ["\u200b", "\u202e\u2066", "\ufeff", "\x00\x1b", "\u2060 \u00ad"])
def test_a_column_without_a_visible_name_is_a_problem(name: str) -> None:
    (problem,) = clean_labels(raw_table("sea", name)).problems

    written = name.encode("unicode_escape").decode()
    assert problem == f"t.csv, line 1: a label's name has no visible character: '{written}'; give it a name"


def test_an_invisible_entry_of_a_list_is_a_blank() -> None:
    cleaned = clean_labels(raw_table("sea", "\u200b", is_declared=False))

    assert (cleaned.labels, cleaned.problems, cleaned.notes) == (("sea",), (), ())
    assert cleaned.rows[0].present == {"sea"}


@pytest.mark.parametrize("is_declared", [True, False])
def test_half_a_character_is_a_problem(is_declared: bool) -> None:
    (problem,) = clean_labels(raw_table("sea", "a\ud800b", is_declared=is_declared)).problems

    assert problem == r"t.csv, line 1: a label's name holds a broken character: 'a\ud800b'"


@pytest.mark.parametrize("name", ["se\u200ba", "\u202esea", "sea\x00", "sea\u2066"])
def test_what_cannot_be_seen_is_removed_with_a_note(name: str) -> None:
    cleaned = clean_labels(raw_table(name, "sky"))

    assert (cleaned.labels, cleaned.problems) == (("sea", "sky"), ())
    assert cleaned.notes == ("t.csv, line 1: invisible characters were removed from labels: 'sea'",)


def test_a_table_with_a_column_that_nobody_can_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("image,sea,\u200b\n1.jpg,1,0\n2.jpg,0,1\n", encoding="utf-8")
    for number in (1, 2):
        (tmp_path / f"{number}.jpg").touch()

    with pytest.raises(TableError, match=r"labels\.csv, line 1: a label's name has no visible character"):
        read_table(tmp_path / "labels.csv", photos=tmp_path)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a\ud800", r"'a\ud800'"),
        ("a\x1b[2J", r"'a\x1b[2J'"),
        ("a\u202eb", r"'a\u202eb'"),
        ("a\0", r"'a\x00'"),
        (" ", "a label has an empty name"),
    ],
)
def test_names_from_python_that_no_file_can_hold_are_told_before_training(
    name: str, shown: str, shapes_table: LabelTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("manylabel.training.trial.run_trial", lambda *_: pytest.fail("it learned"))
    labels = [{name} if number % 2 else {"sea"} for number in range(len(shapes_table.photos))]

    with pytest.raises(TableError) as raised:
        MultiLabelClassifier("squeezenet1_1", settings=["model.init=random"]).fit(shapes_table.photos, labels)

    assert shown in str(raised.value)


def test_columns_without_names_stay_numbers(shapes_table: LabelTable) -> None:
    settings = ["model.init=random", "model.side_px=64", "training.epochs=1", "training.n_views=1"]
    classifier = MultiLabelClassifier("squeezenet1_1", tune="head", settings=settings)

    assert classifier.fit(shapes_table.photos, shapes_table.targets).classes_.tolist() == [0, 1, 2]
    assert np.isfinite(classifier.thresholds_).all()
