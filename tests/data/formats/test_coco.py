"""Reading COCO's object annotations."""

import json
from pathlib import Path
from typing import Any

import pytest

from manylabel.data.formats import read_table
from manylabel.errors import TableError

CATEGORIES = [{"id": 3, "name": "boat"}, {"id": 1, "name": "beach"}]
IMAGES = [
    {"id": 10, "file_name": "a.jpg"},
    {"id": 11, "file_name": "b.jpg"},
    {"id": 12, "file_name": "c.jpg"},
]
PAIRS = [(10, 3), (10, 1), (10, 3), (11, 1)]


def document(**changes: object) -> dict[str, Any]:
    annotations = [
        {"image_id": image, "category_id": category, "bbox": [0, 0, 1, 1]} for image, category in PAIRS
    ]
    return {"info": {}, "images": IMAGES, "annotations": annotations, "categories": CATEGORIES} | changes


def put(folder: Path, *photos: str, **files: dict[str, Any]) -> Path:
    for name in photos:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    for name, content in files.items():
        (folder / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    return folder


def problems(folder: Path, content: object) -> tuple[str, ...]:
    put(folder, "a.jpg", "b.jpg", "c.jpg")
    (folder / "labels.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(TableError) as caught:
        read_table(folder / "labels.json", photos=folder, format="coco")
    return caught.value.problems


def test_categories_are_labels_in_their_order_and_images_without_annotation_carry_none(
    tmp_path: Path,
) -> None:
    folder = put(tmp_path, "a.jpg", "b.jpg", "c.jpg", labels=document())
    table = read_table(folder / "labels.json", photos=folder)
    assert table.labels == ("boat", "beach")
    assert table.names == ("a.jpg", "b.jpg", "c.jpg")
    assert table.targets.tolist() == [[1, 1], [0, 1], [0, 0]]
    assert (table.source, table.notes) == ("labels.json, read as COCO", ())


def test_categories_without_annotation_are_left_out_of_training_with_a_note(tmp_path: Path) -> None:
    content = document(categories=[{"id": 7, "name": "moon"}, *CATEGORIES])
    folder = put(tmp_path, "a.jpg", "b.jpg", "c.jpg", labels=content)
    table = read_table(folder / "labels.json", photos=folder)
    assert table.labels == ("boat", "beach")
    assert table.notes == ("labels.json, categories: no photo carries 'moon'; left out",)
    evaluated = read_table(folder / "labels.json", photos=folder, purpose="evaluation")
    assert evaluated.labels == ("moon", "boat", "beach")


def test_the_heading_that_roboflow_adds_is_no_label(tmp_path: Path) -> None:
    heading = {"id": 0, "name": "things", "supercategory": "none"}
    categories = [heading, *({**category, "supercategory": "things"} for category in CATEGORIES)]
    folder = put(tmp_path, "a.jpg", "b.jpg", "c.jpg", labels=document(categories=categories))
    table = read_table(folder / "labels.json", photos=folder, purpose="evaluation")
    assert table.labels == ("boat", "beach")
    assert table.notes == (
        "labels.json, categories[0]: 'things' is the group of the other categories, not a label",
    )


def test_a_folder_of_parts_tells_the_split(tmp_path: Path) -> None:
    folder = put(tmp_path, "train/a.jpg", "train/b.jpg", "train/c.jpg", "valid/a.jpg")
    (folder / "train/_annotations.coco.json").write_text(json.dumps(document()))
    valid = document(images=IMAGES[:1], annotations=[{"image_id": 10, "category_id": 3}])
    (folder / "valid/_annotations.coco.json").write_text(json.dumps(valid))
    table = read_table(None, photos=folder)
    assert dict(zip(table.names, table.parts, strict=True)) == {
        "train/a.jpg": "train",
        "train/b.jpg": "train",
        "train/c.jpg": "train",
        "valid/a.jpg": "val",
    }


def test_the_names_of_coco_s_own_files_tell_the_split(tmp_path: Path) -> None:
    folder = put(tmp_path, "a.jpg", "b.jpg", "c.jpg")
    one = document(images=IMAGES[:1], annotations=[{"image_id": 10, "category_id": 3}])
    two = document(images=IMAGES[1:], annotations=[{"image_id": 11, "category_id": 1}])
    (folder / "annotations").mkdir()
    put(
        folder / "annotations",
        instances_train2017=one,
        instances_val2017=two,
        captions_train2017={"images": []},
    )
    table = read_table(None, photos=folder)
    assert dict(zip(table.names, table.parts, strict=True)) == {
        "a.jpg": "train",
        "b.jpg": "val",
        "c.jpg": "val",
    }


def test_a_single_file_gives_no_split_whatever_its_name(tmp_path: Path) -> None:
    folder = put(tmp_path, "a.jpg", "b.jpg", "c.jpg", instances_val2017=document())
    assert read_table(folder / "instances_val2017.json", photos=folder).parts == (None, None, None)


def test_references_to_nothing_are_told(tmp_path: Path) -> None:
    annotations = [{"image_id": 99, "category_id": 3}, {"image_id": 10, "category_id": 99}, {}, 5]
    assert problems(tmp_path, document(annotations=annotations))[:4] == (
        "labels.json, annotations[0]: image_id 99 is not the id of any image",
        "labels.json, annotations[1]: category_id 99 is not the id of any category",
        "labels.json, annotations[2]: image_id None is not the id of any image",
        "labels.json, annotations[3]: expected an object, found int",
    )


def test_a_label_named_twice_and_an_empty_name_are_told(tmp_path: Path) -> None:
    categories = [*CATEGORIES, {"id": 5, "name": "boat"}, {"id": 6, "name": " "}, {"id": 7}]
    assert problems(tmp_path, document(categories=categories)) == (
        "labels.json, categories[2]: label 'boat' is named twice",
        "labels.json, categories[3]: the category has no name",
        "labels.json, categories[4]: the category has no name",
    )


def test_images_without_name_and_images_with_the_same_id_are_told(tmp_path: Path) -> None:
    images = [*IMAGES, {"id": 13}, {"id": 10, "file_name": "c.jpg"}]
    assert problems(tmp_path, document(images=images)) == (
        "labels.json, images[3]: the image has no file_name",
        "labels.json, images[0]: id 10 is that of several images: 'a.jpg', 'c.jpg'; "
        "give each image an id of its own",
    )


def test_an_id_that_many_images_have_is_one_problem(tmp_path: Path) -> None:
    images = [{"id": 1, "file_name": f"{name}.jpg"} for name in "abcde"]
    assert problems(tmp_path, document(images=images, annotations=[])) == (
        "labels.json, images[0]: id 1 is that of several images: 'a.jpg', 'b.jpg', 'c.jpg' and 2 more; "
        "give each image an id of its own",
    )


def test_images_and_categories_without_id_are_told(tmp_path: Path) -> None:
    images, categories = [*IMAGES, {"file_name": "d.jpg"}], [*CATEGORIES, {"name": "lamp"}]
    assert problems(tmp_path, document(images=images, categories=categories)) == (
        "labels.json, categories[2]: category 'lamp' has no id",
        "labels.json, images[3]: image 'd.jpg' has no id",
    )


def test_an_id_of_two_categories_is_a_problem(tmp_path: Path) -> None:
    categories = [*CATEGORIES, {"id": CATEGORIES[0]["id"], "name": "dog"}]
    [problem] = problems(tmp_path, document(categories=categories))
    assert problem == (
        f"labels.json, categories[2]: id {CATEGORIES[0]['id']} is that of both '{CATEGORIES[0]['name']}' and "
        "'dog', so nothing tells which of them an annotation means; give each category an id of its own"
    )


def test_what_is_listed_twice_in_the_same_way_does_no_harm(tmp_path: Path) -> None:
    put(tmp_path, "a.jpg", "b.jpg", "c.jpg", labels=document())
    plain = read_table(tmp_path / "labels.json", photos=tmp_path)
    twice = document(images=[*IMAGES, *IMAGES], categories=[*CATEGORIES, *CATEGORIES])
    put(tmp_path, labels=twice)
    again = read_table(tmp_path / "labels.json", photos=tmp_path)
    assert (again.names, again.labels) == (plain.names, plain.labels)
    assert (again.targets == plain.targets).all()


def test_annotations_with_scores_are_told(tmp_path: Path) -> None:
    annotations = [{"image_id": 10, "category_id": 3, "score": 0.9}]
    folder = put(tmp_path, "a.jpg", "b.jpg", "c.jpg", labels=document(annotations=annotations))
    notes = read_table(folder / "labels.json", photos=folder, purpose="evaluation").notes
    assert "labels.json: 1 annotation with a score, as predictions have; read as labels" in notes


@pytest.mark.parametrize("content", [[], {"images": []}, "text", None])
def test_json_of_another_kind_is_an_error(tmp_path: Path, content: object) -> None:
    assert "labels.json: is not COCO JSON; it lacks the lists" in problems(tmp_path, content)[0]


def test_a_list_of_the_wrong_kind_is_an_error(tmp_path: Path) -> None:
    assert problems(tmp_path, document(images={})) == (
        "labels.json, images: expected a list of objects, found dict",
    )


def test_a_file_without_any_annotation_has_no_labels(tmp_path: Path) -> None:
    assert problems(tmp_path, document(annotations=[])) == (
        "labels.json, categories: no labels: no photo carries any",
    )


@pytest.mark.parametrize("text", ['{"images": [', "[" * 100_000, "9" * 10_000])
def test_broken_json_is_an_error(tmp_path: Path, text: str) -> None:
    put(tmp_path, "a.jpg")
    (tmp_path / "labels.json").write_text(text)
    with pytest.raises(TableError, match=r"labels\.json: is"):
        read_table(tmp_path / "labels.json", photos=tmp_path, format="coco")
