"""A table that lists labels is changed in its own form."""

import math
from collections.abc import Callable
from pathlib import Path

import pytest

from manylabel.annotation.delimited_file import DelimitedFile
from manylabel.annotation.label_file import LabelFile
from manylabel.annotation.open_labels import open_labels
from manylabel.config import DataConfig
from tests.annotation.conftest import WriteTable

Open = Callable[[str], LabelFile]
TABLE = "image,labels\na.jpg,beach;boat\nb.jpg,beach\n"


@pytest.fixture
def open_file(photos: Path, write_table: WriteTable) -> Open:
    """Return what opens a table."""

    def open_file(text: str) -> LabelFile:
        file = open_labels(photos, write_table(text), config=DataConfig()).file
        assert isinstance(file, DelimitedFile)
        return file

    return open_file


@pytest.mark.parametrize(
    ("cell", "written"),
    [
        ("beach;boat", "boat;lake"),
        ("beach; boat", "boat; lake"),
        ('"beach,boat"', '"boat,lake"'),
        ('"[""beach"", ""boat""]"', '"[""boat"", ""lake""]"'),
        ("['beach' 'boat']", '"[""boat"", ""lake""]"'),
    ],
)
def test_lists_keep_their_form_and_order(cell: str, written: str, open_file: Open) -> None:
    file = open_file(f"image,labels\na.jpg,{cell}\nb.jpg,boat\n")
    file.add("lake")
    file.set(1, "lake", 0.0)
    file.set(0, "lake", 1.0)
    file.set(0, "beach", 0.0)

    assert file.content().decode().splitlines()[1].split(",", 1)[1] in (written, written + ",")


def test_labels_without_an_answer_are_listed_in_a_column_of_their_own(open_file: Open) -> None:
    file = open_file(TABLE)
    file.set(0, "boat", math.nan)

    assert file.content().decode() == "image,labels,unknown labels\na.jpg,beach,boat\nb.jpg,beach,\n"


def test_a_photo_gets_a_line_with_its_first_answer_and_loses_it_with_the_last(open_file: Open) -> None:
    file = open_file(TABLE)
    file.set(2, "boat", 1.0)
    assert file.content().decode().splitlines()[3] == "c.jpg,boat,beach"
    file.set(2, "boat", math.nan)

    assert [line.rstrip(",") for line in file.content().decode().splitlines()[1:]] == TABLE.splitlines()[1:]


def test_a_name_that_would_be_split_makes_the_cell_a_list(open_file: Open) -> None:
    file = open_file(TABLE)
    file.rename("boat", "rock; cliff")

    assert file.content().decode().splitlines()[1] == 'a.jpg,"[""beach"", ""rock; cliff""]"'


def test_a_label_that_no_line_lists_is_not_named_and_absent_once_it_is_remembered(open_file: Open) -> None:
    file = open_file(TABLE)
    file.set(0, "boat", 0.0)
    assert file.unnamed() == ("boat",)

    again = open_file(file.content().decode())

    assert again.remember("boat") == [0.0, 0.0]
    assert again.unnamed() == ("boat",)


def test_a_label_that_a_line_lists_as_unknown_is_named(open_file: Open) -> None:
    file = open_file(TABLE)
    file.add("lake")

    assert file.unnamed() == ()


def test_lines_about_photos_that_are_elsewhere_are_counted(open_file: Open) -> None:
    file = open_file(TABLE + "gone.jpg,boat\n")

    assert (file.has_strangers("boat"), file.has_strangers("beach")) == (1, 0)


def test_a_removed_label_is_in_no_line(open_file: Open) -> None:
    file = open_file(TABLE + "gone.jpg,boat\n")
    file.remove("boat")

    assert file.content().decode() == "image,labels\na.jpg,beach\nb.jpg,beach\ngone.jpg,\n"
