"""Lines of a table belong to photos, which a table calls in its own way."""

from pathlib import Path

import pytest

from manylabel.annotation.label_file import Spelling, find_spelling
from manylabel.annotation.open_labels import open_labels
from manylabel.config import DataConfig
from manylabel.errors import InputError
from tests.annotation.conftest import WriteTable


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ([], Spelling()),
        ([("a.jpg", "in/a.jpg")], Spelling(has_folder=False)),
        ([("in/a", "in/a.jpg")], Spelling(has_ending=False)),
        ([("a", "in/a.jpg")], Spelling(has_folder=False, has_ending=False)),
        ([("img/in/a.jpg", "in/a.jpg")], Spelling(before="img/")),
        ([("a.jpg", "in/a.jpg"), ("in/b.jpg", "in/b.jpg")], Spelling()),
    ],
)
def test_the_way_photos_are_called_is_found(written: list[tuple[str, str]], expected: Spelling) -> None:
    assert find_spelling(written, ["in/a.jpg", "in/b.jpg", "c.jpg"]) == expected


def test_photos_that_would_get_the_same_name_are_called_by_their_paths() -> None:
    assert find_spelling([("a.jpg", "in/a.jpg")], ["in/a.jpg", "out/a.jpg"]) == Spelling()


def test_a_new_line_is_like_the_others(photos: Path, write_table: WriteTable) -> None:
    text = '"photo","boat"\r\n"photos/a.jpg","1"\r\n"photos/b.jpg","0"\r\n'
    file = open_labels(photos, write_table(text), config=DataConfig()).file
    file.set(3, "boat", 1.0)

    assert file.content().decode() == text + '"photos/in/d.jpg","1"\r\n'


def test_all_lines_of_a_photo_are_changed(photos: Path, write_table: WriteTable) -> None:
    text = "image,boat\na.jpg,1\nb.jpg,0\na.jpg,1\n"
    file = open_labels(photos, write_table(text), config=DataConfig()).file
    file.set(0, "boat", 0.0)

    assert file.content().decode() == "image,boat\na.jpg,0\nb.jpg,0\na.jpg,0\n"


def test_a_label_with_answers_for_photos_that_are_elsewhere_stays(
    photos: Path, write_table: WriteTable
) -> None:
    text = "image,boat\na.jpg,1\nb.jpg,0\ngone.jpg,1\n"
    file = open_labels(photos, write_table(text), config=DataConfig()).file

    with pytest.raises(InputError, match=r"labels\.csv has answers for 'boat' .* \(lines: 1\)"):
        file.check_removable("boat")


def test_a_letter_that_the_encoding_lacks_makes_the_file_utf_8(photos: Path, write_table: WriteTable) -> None:
    path = write_table("image,café\na.jpg,1\nb.jpg,0\n".encode("cp1252"))
    file = open_labels(photos, path, config=DataConfig()).file
    file.rename("café", "海")

    assert file.content() == "image,海\na.jpg,1\nb.jpg,0\n".encode("utf-8-sig")
