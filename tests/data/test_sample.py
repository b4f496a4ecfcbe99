"""The sample set that comes with manylabel."""

import csv
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from manylabel.data.sample import is_sample, sample_photos, write_sample
from manylabel.errors import ConfigError, OutputError
from tests.writing import contents


def read_rows(table: Path) -> list[dict[str, str]]:
    with table.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_set_is_200_pictures_and_a_table(tmp_path: Path) -> None:
    table = write_sample(tmp_path / "new" / "sample")

    assert table == tmp_path / "new" / "sample" / "labels.csv"
    rows = read_rows(table)
    names = [f"images/{number:04}.jpg" for number in range(1, 201)]
    assert [row["image"] for row in rows] == names
    assert sorted(contents(table.parent)) == [*names, "labels.csv"]
    n_labels = Counter(len(row["labels"].split(";")) if row["labels"] else 0 for row in rows)
    assert sorted(n_labels) == [0, 1, 2, 3, 4, 5, 6]


def test_the_set_is_known_by_its_photos_whatever_its_labels_are(tmp_path: Path) -> None:
    table = write_sample(tmp_path / "sample", n_photos=3)
    table.unlink()
    assert is_sample(tmp_path / "sample")

    (tmp_path / "sample" / "images" / "mine.jpg").touch()

    assert not is_sample(tmp_path / "sample")
    assert not is_sample(tmp_path)


def test_a_smaller_set_is_the_beginning_of_the_whole(tmp_path: Path) -> None:
    table = write_sample(tmp_path / "sample", n_photos=3)

    whole = contents(write_sample(tmp_path / "whole").parent)
    small = contents(table.parent)
    assert len(small) == 4
    assert whole.pop("labels.csv").startswith(small.pop("labels.csv"))
    assert small.items() <= whole.items()


def test_pictures_are_rgb_jpegs_with_sides_from_224_to_800_pixels() -> None:
    for photo in sample_photos(200):
        with Image.open(photo) as picture:
            assert (picture.format, picture.mode) == ("JPEG", "RGB")
            assert 224 <= min(picture.size) <= max(picture.size) <= 800


def test_the_whole_set_is_small() -> None:
    assert sum(photo.stat().st_size for photo in sample_photos(200)) <= 6e6


def test_a_taken_folder_is_an_error_that_says_so(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(OutputError, match="already exists"):
        write_sample(tmp_path, n_photos=1)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_overwrite_replaces_an_older_set(tmp_path: Path) -> None:
    write_sample(tmp_path / "sample", n_photos=2)
    table = write_sample(tmp_path / "sample", n_photos=1, overwrite=True)
    assert [path.name for path in (table.parent / "images").iterdir()] == ["0001.jpg"]


@pytest.mark.parametrize("n_photos", [0, 201])
def test_a_number_of_photos_that_is_not_there_is_told(n_photos: int, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"n_photos: given {n_photos}, expected 1 to 200"):
        write_sample(tmp_path / "sample", n_photos=n_photos)
    assert not (tmp_path / "sample").exists()
