"""A table with a column per label is changed in its own words."""

import math
from collections.abc import Callable
from pathlib import Path

import pytest

from manylabel.annotation.label_file import LabelFile
from manylabel.annotation.one_hot_file import OneHotFile
from manylabel.annotation.open_labels import open_labels
from manylabel.config import DataConfig
from manylabel.errors import InputError
from tests.annotation.conftest import WriteTable

Open = Callable[[str], LabelFile]


@pytest.fixture
def open_file(photos: Path, write_table: WriteTable) -> Open:
    """Return what opens a table."""

    def open_file(text: str) -> LabelFile:
        file = open_labels(photos, write_table(text), config=DataConfig()).file
        assert isinstance(file, OneHotFile)
        return file

    return open_file


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("image,boat,beach\na.jpg,1,0\nb.jpg,0,1\n", ["0", "1", "?"]),
        ("image,boat,beach\na.jpg,yes,no\nb.jpg,no,yes\n", ["no", "yes", "?"]),
        ("image,boat,beach\na.jpg,TRUE,FALSE\nb.jpg,FALSE,TRUE\n", ["FALSE", "TRUE", "?"]),
        ("image,boat,beach\na.jpg,x,\nb.jpg,,x\n", ["", "x", "?"]),
        ("image,boat,beach\na.jpg,1,0\nb.jpg,,1\nc.jpg,0,0\n", ["0", "1", ""]),
    ],
)
def test_answers_are_written_in_the_words_of_the_table(
    text: str, written: list[str], open_file: Open
) -> None:
    file = open_file(text)
    cells = []
    for target in (0.0, 1.0, math.nan):
        file.set(0, "beach", target)
        cells.append(file.content().decode().splitlines()[1].split(",")[2])

    assert cells == written


def test_a_photo_gets_a_line_with_its_first_answer_and_loses_it_with_the_last(open_file: Open) -> None:
    text = "image,boat\na.jpg,1\nb.jpg,0\n"
    file = open_file(text)
    file.set(2, "boat", 1.0)
    assert file.content().decode() == text + "c.jpg,1\n"
    file.set(2, "boat", math.nan)

    assert file.content().decode() == text


def test_a_label_gets_its_column_with_the_first_answer(open_file: Open) -> None:
    file = open_file("image,boat,note\na.jpg,1,hot\nb.jpg,0,\n")
    file.add("lake")
    assert file.unnamed() == ("lake",)
    file.set(0, "lake", 0.0)

    assert file.unnamed() == ()
    assert file.content().decode() == "image,boat,lake,note\na.jpg,1,0,hot\nb.jpg,0,?,\n"


@pytest.mark.parametrize(("mark", "meant"), [("x", 0.0), ("1", math.nan)])
def test_the_blank_column_of_a_remembered_label_keeps_what_it_means(
    mark: str, meant: float, open_file: Open
) -> None:
    absent = "0" if mark == "1" else ""
    file = open_file(f"image,boat,lake\na.jpg,{mark},\nb.jpg,{absent},\n")

    assert str(file.remember("lake")) == str([meant, meant])
    assert file.unnamed() == ("lake",)
    file.set(0, "lake", 1.0)
    assert file.unnamed() == ()
    assert file.content().decode().splitlines()[1] == f"a.jpg,{mark},{mark}"


def test_a_new_label_with_the_name_of_a_blank_column_is_unknown_there(open_file: Open) -> None:
    file = open_file("image,boat,lake\na.jpg,x,\nb.jpg,,\n")
    file.add("lake")

    assert file.content().decode() == "image,boat,lake\na.jpg,x,?\nb.jpg,,?\n"


def test_marks_that_would_be_read_otherwise_are_all_written_plainly(open_file: Open) -> None:
    file = open_file("image,boat\na.jpg,x\nb.jpg,\n")
    file.set(0, "boat", 0.0)  # nothing but blanks

    assert file.content().decode() == "image,boat\na.jpg,0\nb.jpg,0\n"


def test_a_column_that_is_no_label_keeps_its_name_for_itself(open_file: Open) -> None:
    file = open_file("image,boat,note\na.jpg,1,hot\nb.jpg,0,\n")

    with pytest.raises(InputError, match="has a column 'note' that is not a label"):
        file.check_name("note")


def test_labels_are_renamed_and_removed_with_their_columns(open_file: Open) -> None:
    file = open_file("image,boat,lake,note\na.jpg,1,0,hot\nb.jpg,0,1,\n")
    file.rename("boat", "ship")
    file.remove("lake")

    assert file.content().decode() == "image,ship,note\na.jpg,1,hot\nb.jpg,0,\n"


def test_answers_about_photos_that_are_elsewhere_are_counted(open_file: Open) -> None:
    file = open_file("image,boat,lake\na.jpg,1,0\ngone.jpg,0,?\nb.jpg,0,1\n")

    assert (file.has_strangers("boat"), file.has_strangers("lake")) == (1, 0)
