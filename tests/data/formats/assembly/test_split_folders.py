"""Taking the split that the folders of photos name, where a table gives none."""

import json
from pathlib import Path

import pytest

from manylabel.data.formats import read_table
from manylabel.types import LabelTable

NAMES = ("train/a.jpg", "train/b.jpg", "test/c.jpg")
PARTS = ("train", "train", "test")


def put(folder: Path, names: tuple[str, ...]) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def write_csv(path: Path, names: tuple[str, ...]) -> Path:
    path.write_text(
        "image,labels\n" + "".join(f"{name},{'sky' if name[-5] == 'a' else 'sea'}\n" for name in names)
    )
    return path


def read_csv(folder: Path, names: tuple[str, ...]) -> LabelTable:
    return read_table(write_csv(folder.parent / "labels.csv", names), photos=put(folder, names))


def write_coco(path: Path, names: tuple[str, ...]) -> Path:
    images = [{"id": number, "file_name": name} for number, name in enumerate(names)]
    boxes = [
        {"id": number, "image_id": number, "category_id": number % 2, "bbox": [0, 0, 1, 1]}
        for number in range(3)
    ]
    categories = [{"id": 0, "name": "sky"}, {"id": 1, "name": "sea"}]
    path.write_text(json.dumps({"images": images, "annotations": boxes, "categories": categories}))
    return path


def write_metadata(path: Path, names: tuple[str, ...]) -> Path:
    lines = [
        json.dumps({"file_name": name, "labels": ["sky" if name[-5] == "a" else "sea"]}) for name in names
    ]
    path.write_text("\n".join(lines))
    return path


@pytest.mark.parametrize(
    ("name", "write"),
    [("labels.csv", write_csv), ("labels.json", write_coco), ("metadata.jsonl", write_metadata)],
)
def test_every_format_takes_the_split_of_the_folders(tmp_path: Path, name: str, write: object) -> None:
    assert callable(write)
    put(tmp_path, NAMES)
    table = read_table(write(tmp_path / name, NAMES), photos=tmp_path)
    assert table.parts == PARTS
    assert any("the folders of the photos tell it (2 train, 1 test)" in note for note in table.notes)


@pytest.mark.parametrize(
    "names",
    [
        ("images/train/a.jpg", "images/train/b.jpg", "images/test/c.jpg"),
        ("train2017/a.jpg", "train2017/b.jpg", "test2017/c.jpg"),
        ("train_images/x/a.jpg", "train_images/y/b.jpg", "test_images/x/c.jpg"),
    ],
    ids=lambda names: names[0],
)
def test_the_split_is_found_at_any_level_and_by_usual_names(tmp_path: Path, names: tuple[str, ...]) -> None:
    assert read_csv(tmp_path / "photos", names).parts == PARTS


def test_parts_that_the_table_gives_go_first(tmp_path: Path) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text("image,labels,split\ntrain/a.jpg,sky,test\ntrain/b.jpg,sea,train\ntest/c.jpg,sea,val\n")
    table = read_table(labels, photos=put(tmp_path / "photos", NAMES))
    assert table.parts == ("test", "train", "val")


@pytest.mark.parametrize(
    "names", [("train/a.jpg", "train/b.jpg", "train/c.jpg"), ("x/a.jpg", "y/b.jpg", "c.jpg")]
)
def test_folders_without_two_parts_are_no_split(tmp_path: Path, names: tuple[str, ...]) -> None:
    table = read_csv(tmp_path / "photos", names)
    assert (set(table.parts), table.notes) == ({None}, ())


def test_a_split_of_some_of_the_photos_is_told_and_not_taken(tmp_path: Path) -> None:
    table = read_csv(tmp_path / "photos", (*NAMES, "extra/d.jpg"))
    assert set(table.parts) == {None}
    assert table.notes == (
        "labels.csv: some photos lie in folders that name parts of a split ('test/', 'train/'), others do "
        "not ('extra/d.jpg'); so these folders are not taken for the split",
    )
