"""Label Studio's JSON and JSON-MIN."""

import json
from pathlib import Path
from typing import Any

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


def annotation(*choices: str, **more: object) -> dict[str, Any]:
    result = [{"type": "choices", "from_name": "what", "value": {"choices": list(choices)}}]
    return {"id": 7, "was_cancelled": False, "result": result if choices else [], **more}


def task(image: str, *annotations: dict[str, Any], number: int = 1) -> dict[str, Any]:
    return {"id": number, "data": {"image": image}, "annotations": list(annotations)}


def test_choices_of_label_studio_are_labels(tmp_path: Path) -> None:
    tasks = [
        task("a.jpg", annotation("boat", "old town")),
        task("b.jpg", annotation()),
        task("c.jpg", annotation("boat")),
    ]
    table = read(tmp_path, tasks)
    assert labels_of(table) == {"a.jpg": ["boat", "old town"], "b.jpg": [], "c.jpg": ["boat"]}
    assert table.source == "export.json, read as Label Studio JSON"


def test_the_labels_of_regions_are_labels_and_texts_are_not(tmp_path: Path) -> None:
    result = [
        {"type": "rectanglelabels", "value": {"x": 1, "rectanglelabels": ["boat"]}},
        {"type": "textarea", "value": {"text": ["hello"]}},
        {"type": "rating", "value": {"rating": 4}},
        {"type": "relation"},
    ]
    table = read(tmp_path, [task("a.jpg", {"id": 1, "result": result}), task("b.jpg", annotation())])
    assert labels_of(table) == {"a.jpg": ["boat"], "b.jpg": []}


def test_tasks_without_annotation_are_left_out_with_a_note(tmp_path: Path) -> None:
    cancelled = annotation("lake", was_cancelled=True)
    tasks = [task("a.jpg", annotation("boat")), task("b.jpg"), task("c.jpg", cancelled)]
    table = read(tmp_path, tasks)
    assert table.names == ("a.jpg",)
    assert table.notes[0] == "export.json: 2 tasks without annotation left out: 'b.jpg', 'c.jpg'"


def test_old_exports_call_annotations_completions(tmp_path: Path) -> None:
    tasks = [{"id": 1, "data": {"image": "a.jpg"}, "completions": [annotation("boat")]}]
    assert labels_of(read(tmp_path, tasks)) == {"a.jpg": ["boat"]}


def test_annotators_who_agree_are_a_note(tmp_path: Path) -> None:
    table = read(
        tmp_path, [task("a.jpg", annotation("boat"), annotation("boat", id=8)), task("b.jpg", annotation())]
    )
    assert labels_of(table) == {"a.jpg": ["boat"], "b.jpg": []}
    assert "1 row repeated an earlier row: 'a.jpg'" in table.notes


def test_annotators_who_disagree_are_a_problem(tmp_path: Path) -> None:
    tasks = [task("a.jpg", annotation("boat"), annotation("boat", "lake", id=8), number=5)]
    assert problems(tmp_path, tasks) == (
        "export.json, tasks[0], annotation 8: photo 'a.jpg' is also in export.json, tasks[0], annotation 7, "
        "and they disagree on 'lake'; in Label Studio, delete the wrong annotation, or mark the right one as "
        "ground truth where both are of one task",
    )


def test_ground_truth_overrules_other_annotations(tmp_path: Path) -> None:
    tasks = [task("a.jpg", annotation("boat"), annotation("lake", id=8, ground_truth=True))]
    assert labels_of(read(tmp_path, tasks)) == {"a.jpg": ["lake"]}


@pytest.mark.parametrize(
    "address",
    [
        "/data/upload/1/0a1b2c3d-my%20boat.jpg",
        "/data/upload/1/my boat.jpg",
        "/data/local-files/?d=photos/my%20boat.jpg",
        "https://example.org/photos/my%20boat.jpg?token=3",
        "s3://bucket/photos/my boat.jpg",
        "C:\\photos\\my boat.jpg",
        "my boat.jpg",
    ],
)
def test_addresses_of_photos_lead_to_their_files(tmp_path: Path, address: str) -> None:
    tasks = [task(address, annotation("boat")), task("b.jpg", annotation())]
    assert labels_of(read(tmp_path, tasks, "my boat.jpg", "b.jpg")) == {"my boat.jpg": ["boat"], "b.jpg": []}


def test_the_photo_is_found_under_any_key(tmp_path: Path) -> None:
    tasks = [
        {"id": 1, "data": {"note": "hello", "picture_of_it": "a.jpg"}, "annotations": [annotation("boat")]}
    ]
    assert labels_of(read(tmp_path, tasks)) == {"a.jpg": ["boat"]}


def test_a_task_without_photo_is_told(tmp_path: Path) -> None:
    tasks = [{"id": 1, "data": {"text": "hello"}, "annotations": [annotation("boat")]}]
    assert problems(tmp_path, tasks) == ("export.json, tasks[0]: no photo is named",)


def flat(image: str, **more: object) -> dict[str, object]:
    return {"image": image, "id": 1, "annotator": 1, "annotation_id": 2, "created_at": "2024", **more}


def test_json_min_with_one_or_several_choices_is_read(tmp_path: Path) -> None:
    tasks = [flat("a.jpg", what={"choices": ["boat", "lake"]}), flat("b.jpg", what="lake"), flat("c.jpg")]
    table = read(tmp_path, tasks)
    assert labels_of(table) == {"a.jpg": ["boat", "lake"], "b.jpg": ["lake"], "c.jpg": []}
    assert table.source == "export.json, read as Label Studio JSON-MIN"


def test_json_min_with_single_choices_is_read_whatever_their_key(tmp_path: Path) -> None:
    table = read(tmp_path, [flat("a.jpg", what="boat"), flat("b.jpg", what="lake")])
    assert labels_of(table) == {"a.jpg": ["boat"], "b.jpg": ["lake"]}


def test_json_min_with_regions_is_read(tmp_path: Path) -> None:
    boxes = [{"x": 1, "rectanglelabels": ["boat"]}, {"x": 2, "rectanglelabels": ["boat"]}]
    assert labels_of(read(tmp_path, [flat("a.jpg", label=boxes), flat("b.jpg")])) == {
        "a.jpg": ["boat"],
        "b.jpg": [],
    }


def test_json_min_tasks_that_nobody_answered_are_left_out(tmp_path: Path) -> None:
    table = read(tmp_path, [flat("a.jpg", choice="boat"), {"image": "b.jpg", "id": 3}])
    assert table.names == ("a.jpg",)
    assert table.notes[0] == "export.json: 1 task without annotation left out: 'b.jpg'"


def test_json_min_with_two_keys_that_may_hold_choices_is_an_error(tmp_path: Path) -> None:
    [problem] = problems(tmp_path, [flat("a.jpg", place="Hanoi", what="boat")])
    assert problem == (
        "export.json: cannot tell which of these keys holds the choices: place, what; export JSON, "
        "which says so, instead of JSON-MIN"
    )


def test_json_min_without_any_choice_is_an_error(tmp_path: Path) -> None:
    assert problems(tmp_path, [flat("a.jpg")]) == (
        "export.json: no task of this Label Studio export holds a choice",
    )


@pytest.mark.parametrize("annotations", [5, {"id": 1}, [3], "text"])
def test_label_studio_annotations_of_the_wrong_kind_count_as_none(
    tmp_path: Path, annotations: object
) -> None:
    tasks = [
        task("a.jpg", annotation("boat")),
        {"id": 2, "data": {"image": "b.jpg"}, "annotations": annotations},
    ]
    assert read(tmp_path, tasks).names == ("a.jpg",)
