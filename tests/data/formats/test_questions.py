"""Labels of several questions, taxonomies and other results of Label Studio."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from manylabel.data.formats import read_table
from manylabel.errors import TableError
from manylabel.types import LabelTable

PHOTOS = ("a.jpg", "b.jpg", "c.jpg")


def read(folder: Path, content: object) -> LabelTable:
    for name in PHOTOS:
        (folder / name).touch()
    (folder / "export.json").write_text(json.dumps(content), encoding="utf-8")
    return read_table(folder / "export.json", photos=folder, purpose="checking")


def problems(folder: Path, content: object) -> tuple[str, ...]:
    with pytest.raises(TableError) as caught:
        read(folder, content)
    return caught.value.problems


def choice(question: str | None, *answers: str) -> dict[str, Any]:
    named = {} if question is None else {"from_name": question}
    return {**named, "type": "choices", "value": {"choices": list(answers)}}


def taxonomy(*paths: list[str]) -> dict[str, Any]:
    return {"from_name": "kind", "type": "taxonomy", "value": {"taxonomy": list(paths)}}


def box(label: str, tool: str = "tool") -> dict[str, Any]:
    return {"from_name": tool, "type": "rectanglelabels", "value": {"x": 1, "rectanglelabels": [label]}}


def tasks(*results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {"id": number, "data": {"image": photo}, "annotations": [{"id": number, "result": result}]}
        for number, (photo, result) in enumerate(zip(PHOTOS, results, strict=False))
    ]


def flat(*answers: Mapping[str, object]) -> list[dict[str, object]]:
    return [
        {"id": number, "image": photo, "annotation_id": number, "lead_time": 1.0, **given}
        for number, (photo, given) in enumerate(zip(PHOTOS, answers, strict=False))
    ]


def check(table: LabelTable, expected: dict[str, list[float]]) -> None:
    assert table.labels == tuple(expected)
    np.testing.assert_array_equal(table.targets, np.array(list(expected.values())).T)


def test_a_question_answered_by_yes_and_no_is_a_label(tmp_path: Path) -> None:
    table = read(
        tmp_path,
        tasks(
            [choice("boat", "Yes"), choice("sea", "No")],
            [choice("boat", "No"), choice("sea", "yes")],
            [choice("sea", "Unsure"), choice("boat", "No")],
        ),
    )
    check(table, {"boat": [1, 0, 0], "sea": [0, 1, np.nan]})
    assert table.notes[0] == (
        "export.json: 2 questions; those answered by yes or no are labels: 'boat', 'sea'; "
        "without an answer they are unknown"
    )


def test_json_min_with_yes_and_no_gives_the_same_labels(tmp_path: Path) -> None:
    table = read(tmp_path, flat({"boat": "Yes", "sea": "No"}, {"boat": "No", "sea": "Yes"}, {"sea": "No"}))
    check(table, {"boat": [1, 0, np.nan], "sea": [0, 1, 0]})


def test_a_single_question_of_yes_and_no_is_one_label(tmp_path: Path) -> None:
    check(
        read(tmp_path, tasks([choice("boat", "Yes")], [choice("boat", "No")], [])), {"boat": [1, 0, np.nan]}
    )


def test_answers_of_several_questions_are_never_merged(tmp_path: Path) -> None:
    table = read(
        tmp_path,
        tasks(
            [choice("sky", "blue"), choice("sea", "blue", "calm")],
            [choice("sky", "grey"), choice("sea", "grey")],
            [choice("sky", "blue")],
        ),
    )
    check(
        table,
        {
            "sea: blue": [1, 0, np.nan],
            "sea: calm": [1, 0, np.nan],
            "sea: grey": [0, 1, np.nan],
            "sky: blue": [1, 0, 1],
            "sky: grey": [0, 1, 0],
        },
    )
    assert table.notes[0] == (
        "export.json: 2 questions; labels are written 'question: answer' for 'sea', 'sky'; "
        "without an answer they are unknown"
    )


def test_answers_without_the_name_of_a_question_belong_to_the_only_one(tmp_path: Path) -> None:
    table = read(tmp_path, tasks([choice("what", "boat")], [choice(None, "boat")], [choice("what", "sea")]))
    check(table, {"boat": [1, 1, 0], "sea": [0, 0, 1]})


def test_regions_are_one_question_that_silence_answers(tmp_path: Path) -> None:
    table = read(
        tmp_path,
        tasks([box("boat"), box("lamp", tool="other")], [choice("sky", "blue")], [choice("sky", "grey")]),
    )
    check(
        table,
        {
            "regions: boat": [1, 0, 0],
            "regions: lamp": [1, 0, 0],
            "sky: blue": [np.nan, 1, 0],
            "sky: grey": [np.nan, 0, 1],
        },
    )


@pytest.mark.parametrize("is_min", [False, True])
def test_each_level_of_a_taxonomy_is_a_label(tmp_path: Path, is_min: bool) -> None:
    paths = ([["water", "sea"], ["thing"]], [["water", "lake"]], [["thing"]])
    full = tasks(*([taxonomy(*given)] for given in paths))
    short = flat(*({"kind": [{"taxonomy": given}]} for given in paths))
    table = read(tmp_path, short if is_min else full)
    check(
        table, {"thing": [1, 0, 1], "water": [1, 1, 0], "water / lake": [0, 1, 0], "water / sea": [1, 0, 0]}
    )
    assert table.notes[0] == (
        "export.json: each level of a taxonomy is a label of its own: 'thing', 'water' and 1 more"
    )


def test_ratings_and_texts_are_left_out_with_a_note(tmp_path: Path) -> None:
    rating = {"from_name": "quality", "type": "rating", "value": {"rating": 4}}
    text = {"from_name": "comment", "type": "textarea", "value": {"text": ["fine"]}}
    shape = {"from_name": "tool", "type": "rectangle", "value": {"x": 1}}
    table = read(tmp_path, tasks([choice("what", "boat"), rating, text, shape], [choice("what", "sea")]))
    assert table.labels == ("boat", "sea")
    assert table.notes[0] == "export.json: not labels, and left out: 'comment (textarea)', 'quality (rating)'"


def test_keys_of_json_min_that_may_be_texts_are_left_out_with_a_note(tmp_path: Path) -> None:
    given = flat(*({"choice": label, "comment": "fine", "stars": 4} for label in ("boat", "sea")))
    table = read(tmp_path, given)
    assert table.labels == ("boat", "sea")
    assert table.notes[0] == (
        "export.json: not labels, and left out: 'comment', 'stars'; if one of them is a question with "
        "choices, export JSON, not JSON-MIN"
    )


def test_a_file_of_predictions_alone_is_named_as_such(tmp_path: Path) -> None:
    predicted = [
        {"data": {"image": photo}, "predictions": [{"result": [choice("labels", "boat")]}]}
        for photo in PHOTOS
    ]
    assert problems(tmp_path, predicted) == (
        "export.json: holds only predictions, in 3 tasks, and nobody annotated any; accept or correct them "
        "in Label Studio, and export the annotated tasks",
    )


def test_tasks_that_nobody_annotated_are_an_error(tmp_path: Path) -> None:
    untouched = [{"data": {"image": photo}, "annotations": []} for photo in PHOTOS]
    assert problems(tmp_path, untouched) == (
        "export.json: none of its 3 tasks is annotated; export annotated tasks",
    )


def test_predictions_beside_annotations_are_no_labels(tmp_path: Path) -> None:
    [first, second] = tasks([choice("what", "boat")], [])
    second["predictions"] = [{"result": [choice("what", "sea")]}]
    check(read(tmp_path, [first, second]), {"boat": [1, 0]})
