"""Create ML's JSON."""

import json
from pathlib import Path

import pytest

from manylabel.data.formats import read_table
from manylabel.errors import TableError
from manylabel.types import LabelTable


def read(folder: Path, content: object, *photos: str) -> LabelTable:
    for name in photos or ("a.jpg", "b.jpg", "c.jpg"):
        (folder / name).touch()
    (folder / "export.json").write_text(json.dumps(content), encoding="utf-8")
    return read_table(folder / "export.json", photos=folder)


def problems(folder: Path, content: object) -> tuple[str, ...]:
    with pytest.raises(TableError) as caught:
        read(folder, content)
    return caught.value.problems


def labels_of(table: LabelTable) -> dict[str, list[str]]:
    rows = zip(table.names, table.targets, strict=True)
    return {name: [table.labels[label] for label in row.nonzero()[0]] for name, row in rows}


def box(label: str) -> dict[str, object]:
    return {"label": label, "coordinates": {"x": 1, "y": 1, "width": 2, "height": 2}}


@pytest.mark.parametrize("image", ["image", "imagefilename"])
@pytest.mark.parametrize("key", ["annotations", "annotation"])
def test_boxes_of_create_ml_are_labels(tmp_path: Path, image: str, key: str) -> None:
    table = read(
        tmp_path, [{image: "a.jpg", key: [box("boat"), box("lake"), box("boat")]}, {image: "b.jpg", key: []}]
    )
    assert labels_of(table) == {"a.jpg": ["boat", "lake"], "b.jpg": []}
    assert table.source == "export.json, read as Create ML JSON"


@pytest.mark.parametrize("key", ["annotations", "labels"])
def test_label_lists_of_create_ml_are_labels(tmp_path: Path, key: str) -> None:
    table = read(tmp_path, [{"image": "a.jpg", key: ["boat", "lake"]}, {"image": "b.jpg", key: []}])
    assert labels_of(table) == {"a.jpg": ["boat", "lake"], "b.jpg": []}


def test_problems_of_create_ml_are_all_told(tmp_path: Path) -> None:
    items = [{"image": "a.jpg", "annotations": ["boat"]}, {"annotations": []}, {"image": "b.jpg"}]
    assert problems(tmp_path, [*items, {"image": "c.jpg", "annotations": [{"coordinates": {}}]}, 3]) == (
        "export.json[1]: no image is named; expected one of the keys "
        "image, imagefilename, imageFilename, filename",
        "export.json[2]: no annotations; write [] where no label applies",
        "export.json[3]: an annotation has no label",
        "export.json[4]: expected an object, found int",
    )


def test_entries_of_create_ml_that_disagree_are_a_problem(tmp_path: Path) -> None:
    items = [{"image": "a.jpg", "annotations": [label]} for label in ("boat", "lake")]
    [problem] = problems(tmp_path, items)
    assert problem.endswith("'boat', 'lake'; give the photo one entry with all its annotations")


def test_a_list_is_no_name_of_a_label(tmp_path: Path) -> None:
    assert problems(tmp_path, [{"image": "a.jpg", "annotations": [{"label": ["boat", "lake"]}]}]) == (
        "export.json[0]: an annotation has no label",
    )


def test_folders_of_parts_tell_the_split_of_create_ml(tmp_path: Path) -> None:
    for part, labels in (("train", ["boat"]), ("test", [])):
        (tmp_path / part).mkdir()
        (tmp_path / part / "a.jpg").touch()
        content = [{"image": "a.jpg", "annotations": [box(label) for label in labels]}]
        (tmp_path / part / "_annotations.createml.json").write_text(json.dumps(content))
    table = read_table(None, photos=tmp_path)
    assert labels_of(table) == {"test/a.jpg": [], "train/a.jpg": ["boat"]}
    assert table.parts == ("test", "train")
