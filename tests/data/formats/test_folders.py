"""Reading a folder per label."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from manylabel.data.formats import read_table
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
    assert [note for note in table.notes if "'beach/deep/'" not in note] == []


def test_the_same_photo_in_several_folders_has_several_labels(tmp_path: Path) -> None:
    folder = put(tmp_path, {"beach/a.jpg": "same", "boat/a.jpg": "same", "boat/b.jpg": "other"})
    table = read_table(None, photos=folder)
    assert labels_of(table) == {"beach/a.jpg": ["beach", "boat"], "boat/b.jpg": ["boat"]}
    assert table.notes[0] == "1 photo in several label folders: 'beach/a.jpg'"


@pytest.mark.parametrize("other", ["diff", "longer"])
def test_photos_of_the_same_name_with_other_content_are_two_photos(tmp_path: Path, other: str) -> None:
    folder = put(tmp_path, {"beach/a.jpg": "same", "boat/a.jpg": other})
    assert labels_of(read_table(None, photos=folder)) == {"beach/a.jpg": ["beach"], "boat/a.jpg": ["boat"]}


def test_a_copy_under_another_name_in_another_label_folder_is_the_same_photo(tmp_path: Path) -> None:
    folder = put(tmp_path, {"beach/a.jpg": "same", "boat/b.jpg": "same", "boat/c.jpg": "other"})
    table = read_table(None, photos=folder)
    assert labels_of(table) == {"beach/a.jpg": ["beach", "boat"], "boat/c.jpg": ["boat"]}
    assert table.notes[0] == "1 photo in several label folders: 'beach/a.jpg'"


def test_copies_under_other_names_in_one_label_folder_stay_photos(tmp_path: Path) -> None:
    folder = put(tmp_path, {"beach/a.jpg": "same", "beach/b.jpg": "same", "boat/c.jpg": "other"})
    assert read_table(None, photos=folder).n_photos == 3


def test_copies_under_other_names_in_two_parts_stay_photos(tmp_path: Path) -> None:
    folder = put(tmp_path, {"train/beach/a.jpg": "same", "train/boat/b.jpg": "1", "test/boat/c.jpg": "same"})
    table = read_table(None, photos=folder)
    assert (table.n_photos, sorted(map(str, table.parts))) == (3, ["test", "train", "train"])


def test_empty_files_are_no_copies_of_one_another(tmp_path: Path) -> None:
    folder = put(tmp_path, {"beach/a.jpg": "", "boat/b.jpg": ""})
    assert read_table(None, photos=folder).n_photos == 2


@pytest.mark.parametrize(
    "name", ["cat & dog", "both cat & dog", "Dog and Cat", "cat+dog", "cat_and_dog", "cat,dog"]
)
def test_a_folder_named_after_other_labels_is_read_as_these(tmp_path: Path, name: str) -> None:
    folder = put(tmp_path, {"cat/a.jpg": "1", "dog/b.jpg": "2", f"{name}/c.jpg": "3"})
    table = read_table(None, photos=folder)
    assert labels_of(table)[f"{name}/c.jpg"] == ["cat", "dog"]
    assert table.notes[0].startswith(f"folder '{name}' is read as the labels ")


@pytest.mark.parametrize("name", ["cat_dog", "cat-dog"])
def test_a_folder_perhaps_named_after_other_labels_is_told(tmp_path: Path, name: str) -> None:
    folder = put(tmp_path, {"cat/a.jpg": "1", "dog/b.jpg": "2", f"{name}/c.jpg": "3"})
    table = read_table(None, photos=folder)
    assert labels_of(table)[f"{name}/c.jpg"] == [name]
    assert table.notes == (
        f"folder '{name}' is taken for a label of its own; call it 'cat & dog' if its photos carry "
        "'cat', 'dog'",
    )


@pytest.mark.parametrize("name", ["hot dog", "cat & fish"])
def test_a_folder_with_words_of_its_own_is_a_label(tmp_path: Path, name: str) -> None:
    folder = put(tmp_path, {"cat/a.jpg": "1", "dog/b.jpg": "2", "hot/d.jpg": "4", f"{name}/c.jpg": "3"})
    table = read_table(None, photos=folder)
    assert (labels_of(table)[f"{name}/c.jpg"], table.notes) == ([name], ())


def test_photos_outside_of_label_folders_are_left_out_with_one_note(tmp_path: Path) -> None:
    folder = put(tmp_path, {"beach/a.jpg": "1", "boat/b.jpg": "2", "c.jpg": "3"})
    table = read_table(None, photos=folder)
    assert table.names == ("beach/a.jpg", "boat/b.jpg")
    assert table.notes == (f"1 of 3 photos in {folder} have no labels and are left out: 'c.jpg'",)


def test_an_empty_label_folder_is_told(tmp_path: Path) -> None:
    folder = put(tmp_path, {"beach/a.jpg": "1", "boat/b.jpg": "2"})
    (folder / "bird" / "small").mkdir(parents=True)
    table = read_table(None, photos=folder)
    assert table.labels == ("beach", "boat")
    assert table.notes == ("1 folder without photos make no label: 'bird/'",)


NEST = {
    f"{folder}/{number}.jpg": f"{folder}{number}"
    for folder in ("animal/cat", "animal/dog", "vehicle/car", "vehicle/boat")
    for number in range(2)
}


def test_folders_in_folders_are_labels_at_each_level(tmp_path: Path) -> None:
    table = read_table(None, photos=put(tmp_path, NEST))
    assert table.labels == ("animal", "boat", "car", "cat", "dog", "vehicle")
    assert labels_of(table)["animal/cat/0.jpg"] == ["animal", "cat"]
    assert not np.isnan(table.targets).any()
    assert table.notes == (
        "nested folders add a label to that of the outer folder: 'animal/cat/', 'animal/dog/', "
        "'vehicle/boat/', 'vehicle/car/'; move their photos up to give them the outer label alone",
    )


def test_the_same_folder_in_several_folders_is_one_label(tmp_path: Path) -> None:
    table = read_table(None, photos=put(tmp_path, {"red/apple/a.jpg": "1", "green/apple/b.jpg": "2"}))
    assert table.labels == ("apple", "green", "red")


def test_what_a_photo_of_an_outer_folder_shows_in_detail_is_unknown(tmp_path: Path) -> None:
    table = read_table(None, photos=put(tmp_path, {**NEST, "animal/x.jpg": "x"}))
    known = dict(zip(table.labels, table.targets[table.names.index("animal/x.jpg")], strict=True))
    assert {label for label, target in known.items() if np.isnan(target)} == {"cat", "dog"}
    assert {label for label, target in known.items() if target == 1} == {"animal"}


@pytest.mark.parametrize("inner", ["2024-05-01", "100CANON", "7", "batch 2", "images", "Photos", "raw"])
def test_dates_cameras_and_general_names_in_label_folders_are_no_labels(tmp_path: Path, inner: str) -> None:
    photos = {
        f"{label}/{inner}/{number}.jpg": f"{label}{number}" for label in ("cat", "dog") for number in "12"
    }
    table = read_table(None, photos=put(tmp_path, photos))
    assert (table.labels, table.n_photos) == (("cat", "dog"), 4)
    assert f"'cat/{inner}/', 'dog/{inner}/'" in table.notes[0]


def test_folders_that_hold_all_photos_are_no_labels(tmp_path: Path) -> None:
    table = read_table(None, photos=put(tmp_path, {"set/images/cat/a.jpg": "1", "set/images/dog/b.jpg": "2"}))
    assert table.labels == ("cat", "dog")
    assert table.notes == ("all photos lie in 'set/images/', so it is not taken for a label",)


SPLITS = [
    ["train/a.jpg", "test/b.jpg"],
    ["images/train/a.jpg", "images/val/b.jpg"],
    ["train/images/a.jpg", "valid/images/b.jpg"],
    ["train2017/a.jpg", "val2017/b.jpg"],
    ["data/train_images/a.jpg", "data/test_images/b.jpg"],
]


@pytest.mark.parametrize("names", SPLITS, ids=lambda names: names[0])
def test_parts_of_a_split_are_no_labels(tmp_path: Path, names: list[str]) -> None:
    folder = put(tmp_path / "set", {name: name for name in names})
    with pytest.raises(TableError) as caught:
        read_table(None, photos=folder)
    [problem] = caught.value.problems
    assert "are parts of a split, and there is no folder per label in them; where are the labels?" in problem


@pytest.mark.parametrize("given", [".", "images"])
def test_yolo_boxes_beside_photos_are_named(tmp_path: Path, given: str) -> None:
    box = "0 0.5 0.5 0.25 0.25\n1 0.1 0.1 0.2 0.2\n"
    texts = {"labels/train/a.txt": box, "labels/val/b.txt": "", "data.yaml": "names: [cat, dog]\n"}
    put(tmp_path, {"images/train/a.jpg": "1", "images/val/b.jpg": "2", **texts})
    with pytest.raises(TableError) as caught:
        read_table(None, photos=tmp_path / given)
    assert caught.value.problems[1].endswith(
        "2 files of YOLO boxes, e.g. 'labels/train/a.txt', are not read; convert to COCO or CVAT and "
        "name that file"
    )


def test_yolo_boxes_beside_photos_without_folders_are_named(tmp_path: Path) -> None:
    put(
        tmp_path, {"a.jpg": "1", "a.txt": "0 0.5 0.5 0.25 0.25", "b.jpg": "2", "b.txt": "0 0.5 0.5 0.25 0.25"}
    )
    with pytest.raises(TableError, match=r"2 files of YOLO boxes, e\.g\. 'a\.txt'"):
        read_table(None, photos=tmp_path)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("cat/a.xml", "1 file of XML annotations, e.g. 'cat/a.xml', is not read"),
        ("marks/a.json", "1 file of JSON annotations, e.g. 'marks/a.json', is not read"),
        ("cat/a.txt", "1 file of text files, e.g. 'cat/a.txt', is not read"),
        ("cat/labels.csv", "1 file of tables, e.g. 'cat/labels.csv', is not read"),
    ],
)
def test_annotations_beside_photos_are_named(tmp_path: Path, name: str, told: str) -> None:
    table = read_table(None, photos=put(tmp_path, {"cat/a.jpg": "1", "dog/b.jpg": "2", name: "a cat"}))
    assert told in table.notes[0]


def test_other_files_beside_photos_are_not_told(tmp_path: Path) -> None:
    table = read_table(
        None, photos=put(tmp_path, {"cat/a.jpg": "1", "dog/b.jpg": "2", "readme.txt": "", "cat/note.txt": ""})
    )
    assert table.notes == ()


def test_parts_of_a_split_beside_other_folders_are_a_problem(tmp_path: Path) -> None:
    folder = put(tmp_path / "set", {"train/cat/a.jpg": "1", "test/cat/b.jpg": "2", "extra/c.jpg": "3"})
    with pytest.raises(
        TableError, match="'test', 'train' may be parts of a split, but not 'extra'; move the lat"
    ):
        read_table(None, photos=folder)


def test_a_part_of_a_split_with_label_folders_in_it_is_no_label(tmp_path: Path) -> None:
    folder = put(tmp_path / "set", {"x/train/cat/a.jpg": "1", "x/train/dog/b.jpg": "2", "x/rest/c.jpg": "3"})
    with pytest.raises(
        TableError, match="set/: 'train' may be parts of a split, but not 'rest'; move the latter"
    ):
        read_table(None, photos=folder)


def test_folders_of_dates_around_label_folders_are_no_labels(tmp_path: Path) -> None:
    names = [f"{year}/{label}/{label}.jpg" for year in ("2023", "2024") for label in ("cat", "dog")]
    table = read_table(None, photos=put(tmp_path, {name: name for name in names}))
    assert table.labels == ("cat", "dog")
    assert "that are not labels" in table.notes[0]
    assert "'2023/', '2024/'" in table.notes[0]


def test_parts_of_a_split_may_lie_in_label_folders(tmp_path: Path) -> None:
    names = ["cat/train/a.jpg", "cat/test/b.jpg", "dog/train/c.jpg", "dog/test/d.jpg"]
    table = read_table(None, photos=put(tmp_path, {name: name for name in names}))
    assert (table.labels, table.parts.count("train"), table.parts.count("test")) == (("cat", "dog"), 2, 2)


def test_parts_of_a_split_may_lie_in_a_folder_of_photos(tmp_path: Path) -> None:
    names = ["images/train/cat/a.jpg", "images/train/dog/b.jpg", "images/val/cat/c.jpg"]
    table = read_table(None, photos=put(tmp_path, {name: name for name in names}))
    assert (table.labels, table.parts.count("train"), table.parts.count("val")) == (("cat", "dog"), 2, 1)


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
    assert table.notes == ("'train' is taken for a label, like those beside it; move it if it is not one",)


@pytest.mark.parametrize("names", [("2023", "2024-05-01"), ("100CANON", "101_PANA"), ("day1", "day 2")])
def test_labels_that_look_like_dates_or_cameras_are_told(tmp_path: Path, names: tuple[str, str]) -> None:
    table = read_table(None, photos=put(tmp_path, {f"{name}/{name}.jpg": name for name in names}))
    assert len(table.labels) == 2
    assert "are taken for labels; move them away if they are not" in table.notes[0]


@pytest.mark.parametrize("names", [("0", "1"), ("n01440764", "n01443537"), ("cat", "dog 2")])
def test_labels_may_have_digits(tmp_path: Path, names: tuple[str, str]) -> None:
    table = read_table(None, photos=put(tmp_path, {f"{name}/{name}.jpg": name for name in names}))
    assert (table.labels, table.notes) == (names, ())


def test_general_names_alone_are_no_labels(tmp_path: Path) -> None:
    folder = put(tmp_path / "set", {"images/a.jpg": "1", "masks/a.jpg": "2"})
    with pytest.raises(
        TableError, match=r"set/: the folders 'images', 'masks' name no labels; where are the"
    ):
        read_table(None, photos=folder)


@pytest.mark.skipif(sys.platform != "linux", reason="names of files are bytes")
def test_a_photo_whose_name_is_no_text_is_found(tmp_path: Path) -> None:
    put(tmp_path, {"cat/a.jpg": "1", "dog/b.jpg": "2"})
    (tmp_path / "cat" / os.fsdecode(b"\xff.jpg")).write_text("3")
    assert read_table(None, photos=tmp_path).n_photos == 3


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
