"""Reading labelme's JSON files."""

import json
from pathlib import Path

import numpy as np
import pytest

from manylabel.data.formats import read_table
from manylabel.data.formats.base import LabelSource
from manylabel.data.formats.labelme import LABELME
from manylabel.data.formats.registry import guess_format
from manylabel.errors import TableError
from manylabel.types import LabelTable


def put(
    folder: Path, name: str, *, flags: object = None, shapes: tuple[str, ...] = (), image: str = ""
) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "version": "5.0.1",
        "flags": {} if flags is None else flags,
        "shapes": [{"label": label, "points": [], "flags": {}} for label in shapes],
        "imagePath": image or f"{path.stem}.jpg",
        "imageData": None,
    }
    path.write_text(json.dumps(content), encoding="utf-8")


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def labels_of(table: LabelTable) -> dict[str, list[str]]:
    rows = zip(table.names, table.targets, strict=True)
    return {name: [table.labels[label] for label in (row == 1).nonzero()[0]] for name, row in rows}


def problems(folder: Path) -> tuple[str, ...]:
    with pytest.raises(TableError) as caught:
        read_table(folder, photos=folder)
    return caught.value.problems


def test_flags_and_the_labels_of_shapes_are_labels(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "b.jpg", "c.jpg")
    put(tmp_path, "a.json", flags={"beach": True}, shapes=("boat", "boat"))
    put(tmp_path, "b.json", flags={"beach": False})
    table = read_table(None, photos=tmp_path)
    assert labels_of(table) == {"a.jpg": ["beach", "boat"], "b.jpg": []}
    assert not np.isnan(table.targets).any()
    assert table.source.endswith("(2 files), read as labelme")
    assert table.notes == (f"1 of 3 photos in {tmp_path} have no labels and are left out: 'c.jpg'",)


def test_a_flag_that_a_file_does_not_list_is_unknown_there(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "b.jpg", "c.jpg")
    put(tmp_path, "a.json", flags={"beach": True, "sea": False})
    put(tmp_path, "b.json", flags={"beach": False, "sea": None})
    put(tmp_path, "c.json", flags={"beach": False, "sea": True})
    table = read_table(None, photos=tmp_path)
    np.testing.assert_array_equal(table.targets, [[1, 0], [0, np.nan], [0, 1]])
    assert table.notes == (f"{tmp_path.name}/: flags that some files do not list are unknown there: 'sea'",)


def test_files_in_a_folder_beside_that_of_the_photos_are_found(tmp_path: Path) -> None:
    touch(tmp_path, "images/a.jpg", "images/b.jpg")
    put(tmp_path, "marks/a.json", flags={"beach": True}, image="..\\images\\a.jpg")
    put(tmp_path, "marks/b.json", flags={"beach": False}, image="..\\images\\b.jpg")
    for labels in (None, tmp_path / "marks"):
        table = read_table(labels, photos=tmp_path)
        assert labels_of(table) == {"images/a.jpg": ["beach"], "images/b.jpg": []}
        assert table.notes == ()


def test_photos_in_subfolders_are_paired_with_the_file_beside_them(tmp_path: Path) -> None:
    touch(tmp_path, "day1/a.jpg", "day2/a.jpg")
    put(tmp_path, "day1/a.json", flags={"beach": True})
    put(tmp_path, "day2/a.json", flags={"beach": False}, image="old.jpg")
    table = read_table(None, photos=tmp_path)
    assert labels_of(table) == {"day1/a.jpg": ["beach"], "day2/a.jpg": []}
    assert table.notes[:2] == (
        f"{tmp_path.name}/: 1 file whose imagePath is not the name of the file, e.g. 'old.jpg' in "
        "day2/a.json; the name of the file counts where there is such a photo",
        f"{tmp_path.name}/: the names of the folders are not labels: 'day1', 'day2'",
    )


def test_the_written_name_counts_where_no_photo_is_called_like_the_file(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "b.jpg")
    put(tmp_path, "1.json", flags={"beach": True}, image="a.jpg")
    put(tmp_path, "2.json", flags={"beach": False}, image="b.jpg")
    assert labels_of(read_table(None, photos=tmp_path)) == {"a.jpg": ["beach"], "b.jpg": []}


def test_folders_of_parts_tell_the_split(tmp_path: Path) -> None:
    touch(tmp_path, "train/a.jpg", "test/a.jpg")
    put(tmp_path, "train/a.json", flags={"beach": True})
    put(tmp_path, "test/a.json", flags={"beach": False})
    table = read_table(None, photos=tmp_path)
    assert dict(zip(table.names, table.parts, strict=True)) == {"train/a.jpg": "train", "test/a.jpg": "test"}


def test_flags_that_nobody_set_are_left_out_of_training(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "b.jpg")
    put(tmp_path, "a.json", flags={"beach": True, "moon": False})
    put(tmp_path, "b.json", flags={"beach": False, "moon": False})
    table = read_table(None, photos=tmp_path)
    assert (table.labels, table.notes) == (
        ("beach",),
        (f"{tmp_path.name}/: no photo carries 'moon'; left out",),
    )


def test_json_of_another_kind_is_left_out_with_a_note(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg")
    put(tmp_path, "a.json", shapes=("boat",))
    (tmp_path / "settings.json").write_text("{}")
    notes = read_table(None, photos=tmp_path).notes
    assert f"{tmp_path.name}/: 1 JSON file of another kind left out: 'settings.json'" in notes


def test_what_is_wrong_in_the_files_is_told_at_once(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "b.jpg", "c.jpg")
    put(tmp_path, "a.json", flags={"beach": "maybe", "boat": False}, shapes=("boat", " "))
    (tmp_path / "b.json").write_text("{")
    put(tmp_path, "c.json", flags={"beach": False})
    *others, last = problems(tmp_path)
    assert last.startswith("b.json: is not valid JSON: line 1")
    assert others == [
        "a.json: flag 'beach' is 'maybe', expected true or false",
        "a.json: a shape has no label",
        "a.json: flag 'boat' is false, but a shape is called 'boat'; correct one of them",
    ]


def test_flags_that_are_a_list_are_a_problem(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg")
    put(tmp_path, "a.json", flags=["beach"])
    assert problems(tmp_path) == ("a.json: flags is a list, expected an object of true and false",)


def test_two_files_about_one_photo_that_disagree_are_a_problem(tmp_path: Path) -> None:
    touch(tmp_path, "images/a.jpg", "images/b.jpg")
    put(tmp_path, "one/a.json", flags={"beach": True})
    put(tmp_path, "two/a.json", flags={"beach": False})
    [problem] = problems(tmp_path)
    assert problem.endswith("disagree on 'beach'; keep one file with all flags and shapes of the photo")


def test_one_file_is_read_alone(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg")
    put(tmp_path, "a.json", shapes=("boat",))
    assert guess_format(LabelSource(path=tmp_path / "a.json")) == (LABELME, tmp_path / "a.json")
    assert read_table(tmp_path / "a.json", photos=tmp_path).source == "a.json, read as labelme"


def test_a_folder_without_files_of_labelme_is_an_error(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg")
    with pytest.raises(TableError, match=r"no files of labelme \(\.json\) in this folder or below it"):
        read_table(None, photos=tmp_path, format="labelme")
