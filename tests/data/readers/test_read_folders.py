"""Reading a folder per label."""

from pathlib import Path

import pytest

from manylabel.data.readers import read_table
from manylabel.errors import TableError
from manylabel.types import LabelTable


def put(folder: Path, photos: dict[str, str]) -> Path:
    for name, content in photos.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content, encoding="utf-8")
    return folder


def labels_of(table: LabelTable) -> dict[str, list[str]]:
    rows = zip(table.names, table.targets, strict=True)
    return {name: [table.labels[label] for label in row.nonzero()[0]] for name, row in rows}


def test_the_name_of_a_folder_is_the_label_of_its_photos(tmp_path: Path) -> None:
    folder = put(tmp_path / "photos", {"boat/a.jpg": "1", "beach/b.jpg": "2", "beach/deep/c.jpg": "3"})
    table = read_table(None, photos=folder)
    assert labels_of(table) == {
        "beach/b.jpg": ["beach"],
        "beach/deep/c.jpg": ["beach"],
        "boat/a.jpg": ["boat"],
    }
    assert table.source == "photos/, read as a folder per label (2 labels)"
    assert table.notes == ()


def test_the_same_photo_in_several_folders_has_several_labels(tmp_path: Path) -> None:
    folder = put(tmp_path, {"beach/a.jpg": "same", "boat/a.jpg": "same", "boat/b.jpg": "other"})
    table = read_table(None, photos=folder)
    assert labels_of(table) == {"beach/a.jpg": ["beach", "boat"], "boat/b.jpg": ["boat"]}
    assert table.notes[0] == "1 photo in several label folders: 'beach/a.jpg'"


@pytest.mark.parametrize("other", ["diff", "longer"])
def test_photos_of_the_same_name_with_other_content_are_two_photos(tmp_path: Path, other: str) -> None:
    folder = put(tmp_path, {"beach/a.jpg": "same", "boat/a.jpg": other})
    assert labels_of(read_table(None, photos=folder)) == {"beach/a.jpg": ["beach"], "boat/a.jpg": ["boat"]}


def test_the_same_content_under_another_name_is_another_photo(tmp_path: Path) -> None:
    folder = put(tmp_path, {"beach/a.jpg": "same", "boat/b.jpg": "same"})
    assert read_table(None, photos=folder).n_photos == 2


def test_photos_outside_of_label_folders_are_left_out_with_a_note(tmp_path: Path) -> None:
    folder = put(tmp_path, {"beach/a.jpg": "1", "boat/b.jpg": "2", "c.jpg": "3"})
    table = read_table(None, photos=folder)
    assert table.names == ("beach/a.jpg", "boat/b.jpg")
    assert table.notes[0] == "1 photo in no label folder left out: 'c.jpg'"


def test_folders_of_parts_tell_the_split(tmp_path: Path) -> None:
    folder = put(
        tmp_path,
        {"train/beach/a.jpg": "1", "train/boat/b.jpg": "2", "valid/boat/c.jpg": "3", "test/beach/d.jpg": "4"},
    )
    table = read_table(None, photos=folder)
    assert table.labels == ("beach", "boat")
    assert dict(zip(table.names, table.parts, strict=True)) == {
        "train/beach/a.jpg": "train",
        "train/boat/b.jpg": "train",
        "valid/boat/c.jpg": "val",
        "test/beach/d.jpg": "test",
    }


def test_the_same_photo_in_two_parts_is_a_problem(tmp_path: Path) -> None:
    folder = put(
        tmp_path / "set", {"train/beach/a.jpg": "1", "train/boat/b.jpg": "2", "test/boat/a.jpg": "1"}
    )
    with pytest.raises(TableError) as caught:
        read_table(None, photos=folder)
    assert caught.value.problems == (
        "set/: the same photo lies in two parts of the split: test/boat/a.jpg and train/beach/a.jpg",
    )


def test_a_label_may_be_called_train(tmp_path: Path) -> None:
    folder = put(tmp_path, {"train/a.jpg": "1", "boat/b.jpg": "2"})
    table = read_table(None, photos=folder)
    assert (table.labels, table.parts) == (("boat", "train"), (None, None))


def test_a_single_subfolder_is_a_problem(tmp_path: Path) -> None:
    folder = put(tmp_path / "photos", {"images/a.jpg": "1", "images/b.jpg": "2"})
    with pytest.raises(TableError, match="all photos lie in one subfolder, 'images'"):
        read_table(None, photos=folder)


def test_label_folders_may_lie_beside_the_photos(tmp_path: Path) -> None:
    photos = put(tmp_path / "photos", {"a.jpg": "1", "b.jpg": "2"})
    labels = put(tmp_path / "sorted", {"beach/a.jpg": "1", "boat/a.jpg": "1", "boat/b.jpg": "2"})
    table = read_table(labels, photos=photos)
    assert labels_of(table) == {"a.jpg": ["beach", "boat"], "b.jpg": ["boat"]}


def test_a_file_is_no_folder_per_label(tmp_path: Path) -> None:
    put(tmp_path, {"a.jpg": "1", "labels.csv": ""})
    with pytest.raises(TableError, match=r"labels\.csv: is a file, expected a folder"):
        read_table(tmp_path / "labels.csv", photos=tmp_path, format="folders")


def test_photos_without_subfolders_are_no_folder_per_label(tmp_path: Path) -> None:
    put(tmp_path, {"a.jpg": "1"})
    with pytest.raises(TableError, match="no photo lies in a subfolder"):
        read_table(None, photos=tmp_path, format="folders")
