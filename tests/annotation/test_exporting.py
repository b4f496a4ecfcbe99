"""All labels are written to a new table, and nothing else is."""

from pathlib import Path

import pytest

from manylabel.annotation.exporting import export_labels
from manylabel.annotation.journal import journal_path
from manylabel.annotation.label_store import LabelStore
from tests.annotation.conftest import ADA, WriteTable, kill

TABLE = "image,beach,boat\na.jpg,1,0\nb.jpg,0,1\n"


@pytest.fixture
def table(write_table: WriteTable) -> Path:
    return write_table(TABLE)


def test_changes_that_the_table_lacks_are_written_and_the_table_is_not(photos: Path, table: Path) -> None:
    store = LabelStore(photos, table)
    store.set(ADA, [("a.jpg", "boat", "present")])
    kill(store)
    before = journal_path(table).read_bytes()

    export_labels(photos, table, to=table.with_name("all.csv"))

    assert table.with_name("all.csv").read_text().splitlines()[1] == "a.jpg,1,1"
    assert (table.read_text(), journal_path(table).read_bytes()) == (TABLE, before)


def test_labels_are_exported_while_they_are_changed(photos: Path, table: Path) -> None:
    with LabelStore(photos, table) as store:
        store.set(ADA, [("c.jpg", "boat", "present")])
        export_labels(photos, table, to=table.with_name("all.csv"))

    assert "c.jpg,?,1" in table.with_name("all.csv").read_text()


def test_a_table_that_nobody_has_changed_gets_no_journal(photos: Path, table: Path) -> None:
    export_labels(photos, table, to=table.with_name("all.csv"))

    assert not journal_path(table).exists()


def test_what_is_left_out_is_returned(photos: Path, table: Path) -> None:
    store = LabelStore(photos, table)
    store.set(ADA, [("a.jpg", "boat", "present"), ("in/d.jpg", "boat", "present")])
    kill(store)
    table.write_text(TABLE.replace("a.jpg,1,0", "a.jpg,1,?"))
    (photos / "in").rename(photos.parent / "elsewhere")

    found = export_labels(photos, table, to=table.with_name("all.csv"))

    assert [one.photo for one in found.pending.answers()] == ["in/d.jpg"]
    assert [one.photo for one in found.conflicts] == ["a.jpg"]
    assert table.with_name("all.csv").read_text() == "image,beach,boat\na.jpg,1,?\nb.jpg,0,1\n"
