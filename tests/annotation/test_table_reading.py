"""Labels are read for every photo of a folder, and a table is read as it was meant before it is kept."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from manylabel.annotation.table_reading import ReadLabels, check_reading, hash_labels, read_labels
from manylabel.config import DataConfig
from manylabel.data.formats.read import find_label_format, find_source
from manylabel.errors import InputError
from manylabel.types import FloatArray, Part
from tests.annotation.conftest import WriteTable

TABLE = "image,beach,boat\na.jpg,1,0\nb.jpg,0,?\n"
MEANT = np.array([[1, 0], [0, np.nan], [np.nan, np.nan], [np.nan, np.nan]])

Check = Callable[[str, FloatArray], None]


@pytest.fixture
def read(photos: Path, write_table: WriteTable) -> Callable[[str], ReadLabels]:
    """Return what reads a table."""

    def read(text: str) -> ReadLabels:
        folder, source, _ = find_source(DataConfig(), write_table(text), photos=photos)
        label_format, source = find_label_format(source)
        return read_labels(label_format, source, folder)

    return read


@pytest.fixture
def check(photos: Path, write_table: WriteTable) -> Check:
    """Return what checks how a table is read."""

    def check(text: str, meant: FloatArray) -> None:
        path = write_table(text)
        folder, source, _ = find_source(DataConfig(), path, photos=photos)
        check_reading(
            path,
            title="labels.csv",
            layout="one-hot",
            source=replace(source, path=Path("none")),
            folder=folder,
            labels=["beach", "boat"],
            targets=meant,
        )

    return check


@pytest.mark.parametrize(
    ("lines", "parts"),
    [
        ("a.jpg,1,train\nb.jpg,0,test\n", ("train", "test", None, None)),
        ("a.jpg,1,train\na.jpg,1,test\nb.jpg,0,\n", (None, None, None, None)),  # it disagrees with itself
    ],
)
def test_the_part_of_each_photo_is_read(
    lines: str, parts: tuple[Part | None, ...], read: Callable[[str], ReadLabels]
) -> None:
    assert read(f"image,beach,split\n{lines}").parts == parts


def test_photos_without_a_line_are_unknown(read: Callable[[str], ReadLabels]) -> None:
    found = read(TABLE)

    assert found.labels == ("beach", "boat")
    np.testing.assert_array_equal(found.targets, MEANT)


def test_lines_that_contradict_each_other_are_disputed(read: Callable[[str], ReadLabels]) -> None:
    found = read(TABLE + "a.jpg,0,0\n")

    assert found.disputed == ((0, "beach"),)
    assert np.isnan(found.targets[0, 0])


def test_a_table_that_is_read_as_it_was_meant_passes(check: Check) -> None:
    check(TABLE, MEANT)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (TABLE.replace("a.jpg,1", "a.jpg,0"), "label 'beach'"),
        ("image,labels\na.jpg,beach\n", "it looks like another format"),
        (TABLE.replace("beach", "shore"), "label 'beach'"),
        ("image\n", "no column of labels"),
    ],
)
def test_a_table_that_is_read_as_something_else_is_refused(text: str, why: str, check: Check) -> None:
    with pytest.raises(InputError, match=f"read back, it would give other answers .*{why}"):
        check(text, MEANT)


def test_without_answers_only_a_line_of_names_passes(check: Check) -> None:
    unknown = np.full((4, 2), np.nan)
    check("image,beach,boat\n", unknown)
    with pytest.raises(InputError, match="no photo has an answer"):
        check("image,beach,boat\na.jpg,?,?\n", unknown)


@pytest.mark.parametrize(
    ("text", "is_same"),
    [
        ("image;boat;beach\nb.jpg;?;0\na.jpg;0;1\n", True),
        (TABLE + "\n", True),
        (TABLE.replace("?", "0"), False),
        (TABLE.replace("boat", "ship"), False),
        (TABLE + "c.jpg,0,0\n", False),
    ],
)
def test_the_hash_of_labels_depends_on_what_they_say(
    text: str, is_same: bool, read: Callable[[str], ReadLabels]
) -> None:
    assert (hash_labels(read(text).raw) == hash_labels(read(TABLE).raw)) == is_same
