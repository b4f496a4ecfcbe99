"""A file of labels is read once, whatever it is needed for."""

from pathlib import Path

import pytest

from manylabel.data.formats import read_table
from manylabel.data.formats.memo import Memo
from manylabel.data.formats.tables import sheet
from manylabel.data.formats.tables.grid import Grid, NamesPhoto, read_separated


def test_what_was_made_is_not_made_again() -> None:
    memo, made = Memo(), list[str]()

    def make() -> str:
        made.append("sheet")
        return "sheet"

    assert [memo.get("a", make), memo.get("a", make)] == ["sheet", "sheet"]
    assert len(made) == 1
    memo.get("b", make)
    assert len(made) == 2


def test_a_table_is_parsed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.jpg").touch()
    (tmp_path / "b.jpg").touch()
    (tmp_path / "labels.csv").write_text("image,boat\na.jpg,1\nb.jpg,0\n")
    parsed: list[Path] = []

    def count(path: Path, *, title: str, names_photo: NamesPhoto) -> Grid:
        parsed.append(path)
        return read_separated(path, title=title, names_photo=names_photo)

    monkeypatch.setattr(sheet, "read_separated", count)

    assert read_table(tmp_path / "labels.csv", photos=tmp_path).labels == ("boat",)
    assert parsed == [tmp_path / "labels.csv"]
