"""Reading Hugging Face image folders and Roboflow exports: a table per part of the split."""

import json
from pathlib import Path

import numpy as np
import pytest

from manylabel.data.formats import read_table
from manylabel.errors import TableError


def put(folder: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content, encoding="utf-8")
    return folder


def json_lines(*records: object) -> str:
    return "\n".join(map(json.dumps, records)) + "\n"


PARTS = ("train/a.jpg", "train/b.jpg", "valid/a.jpg", "test/c.jpg")


def test_a_roboflow_export_is_read_with_its_split(tmp_path: Path) -> None:
    folder = put(tmp_path / "export", dict.fromkeys(PARTS, ""))
    header = "filename, boat, beach\n"
    put(folder, {"train/_classes.csv": f"{header}a.jpg, 1, 0\nb.jpg, 0, 0\n"})
    put(
        folder,
        {"valid/_classes.csv": f"{header}a.jpg, 0, 1\n", "test/_classes.csv": f"{header}c.jpg, 1, 1\n"},
    )
    table = read_table(None, photos=folder)
    rows = dict(zip(table.names, zip(table.parts, table.targets.tolist(), strict=True), strict=True))
    assert table.labels == ("boat", "beach")
    assert rows == {
        "train/a.jpg": ("train", [1, 0]),
        "train/b.jpg": ("train", [0, 0]),
        "valid/a.jpg": ("val", [0, 1]),
        "test/c.jpg": ("test", [1, 1]),
    }
    assert table.source == "export/ (3 files), read as Roboflow export: one-hot CSV (2 labels)"


def test_a_label_that_one_part_does_not_list_is_unknown_there(tmp_path: Path) -> None:
    folder = put(tmp_path, {"train/a.jpg": "", "train/b.jpg": "", "test/c.jpg": ""})
    put(folder, {"train/_classes.csv": "filename,boat\na.jpg,1\nb.jpg,0\n"})
    put(folder, {"test/_classes.csv": "filename,boat,beach\nc.jpg,0,1\n"})
    table = read_table(folder, photos=folder)
    boat, beach = table.labels.index("boat"), table.labels.index("beach")
    train = [row for row, part in enumerate(table.parts) if part == "train"]
    assert np.isnan(table.targets[train, beach]).all()
    assert sorted(table.targets[train, boat]) == [0, 1]


def test_one_file_of_an_export_is_read_alone(tmp_path: Path) -> None:
    folder = put(tmp_path, {"train/a.jpg": "", "train/b.jpg": "", "test/a.jpg": ""})
    put(folder, {"train/_classes.csv": "filename, boat\na.jpg, 1\nb.jpg, 0\n"})
    table = read_table(folder / "train" / "_classes.csv", photos=folder)
    assert (table.names, table.parts) == (("train/a.jpg", "train/b.jpg"), (None, None))
    assert table.source == "_classes.csv, read as Roboflow export: one-hot CSV (1 label)"


def test_a_problem_in_a_part_names_the_file_of_that_part(tmp_path: Path) -> None:
    folder = put(tmp_path, {"train/a.jpg": "", "test/b.jpg": ""})
    put(folder, {"train/_classes.csv": "filename,boat\na.jpg,1\n"})
    put(folder, {"test/_classes.csv": "filename,boat\nb.jpg,0\nc.jpg,7\n"})
    with pytest.raises(TableError) as caught:
        read_table(folder, photos=folder)
    assert "test/_classes.csv, line 3, column 'boat': '7' is none of" in caught.value.problems[0]


def test_a_folder_without_export_is_an_error(tmp_path: Path) -> None:
    put(tmp_path, {"a.jpg": ""})
    with pytest.raises(TableError, match=r"no _classes\.csv in this folder"):
        read_table(tmp_path, photos=tmp_path, format="roboflow")


def test_hf_metadata_csv_with_label_lists_is_read_with_its_split(tmp_path: Path) -> None:
    folder = put(tmp_path, {"train/a.jpg": "", "train/b.jpg": "", "test/c.jpg": ""})
    put(folder, {"train/metadata.csv": "file_name,labels,text\na.jpg,boat;beach,hello\nb.jpg,,ho\n"})
    put(folder, {"test/metadata.csv": "file_name,labels,text\nc.jpg,boat,hi\n"})
    table = read_table(None, photos=folder)
    assert table.labels == ("beach", "boat")
    assert table.names == ("test/c.jpg", "train/a.jpg", "train/b.jpg")
    assert table.parts == ("test", "train", "train")
    assert table.targets.tolist() == [[0, 1], [1, 1], [0, 0]]
    assert any(
        "train/metadata.csv, line 1: columns that hold no labels are left out: 'text'" in n
        for n in table.notes
    )


def test_hf_metadata_jsonl_with_label_lists_is_read(tmp_path: Path) -> None:
    folder = put(tmp_path, {"images/a.jpg": "", "b.jpg": "", "c.jpg": ""})
    records = [
        {"file_name": "images/a.jpg", "labels": ["old town", "lake"], "width": 5},
        {"file_name": "b.jpg", "labels": []},
        {"file_name": "c.jpg", "labels": "lake"},
    ]
    put(folder, {"metadata.jsonl": json_lines(*records)})
    table = read_table(None, photos=folder)
    assert table.labels == ("lake", "old town")
    assert table.targets.tolist() == [[1, 1], [0, 0], [1, 0]]
    assert table.source == (
        "metadata.jsonl, read as Hugging Face metadata: delimited JSON lines (file_name, labels), "
        "labels as lists"
    )


def test_hf_metadata_with_a_column_per_label_is_read(tmp_path: Path) -> None:
    folder = put(tmp_path, {"a.jpg": "", "b.jpg": ""})
    records = [
        {"file_name": "a.jpg", "boat": True, "beach": None, "author": "Anna"},
        {"file_name": "b.jpg", "boat": False, "beach": 1, "author": "Bert"},
    ]
    put(folder, {"metadata.jsonl": json_lines(*records)})
    table = read_table(folder / "metadata.jsonl", photos=folder)
    assert table.labels == ("boat", "beach")
    np.testing.assert_array_equal(table.targets, [[1, np.nan], [0, 1]])
    assert any(
        "metadata.jsonl, line 1: columns that hold no labels are left out: 'author'" in n for n in table.notes
    )


def test_hf_objects_with_boxes_are_labels(tmp_path: Path) -> None:
    folder = put(tmp_path, {"a.jpg": "", "b.jpg": ""})
    boxes = {"bbox": [[0, 0, 1, 1]] * 3, "categories": ["boat", "boat", "lake"]}
    empty: dict[str, list[str]] = {"bbox": [], "categories": []}
    put(
        folder,
        {
            "metadata.jsonl": json_lines(
                {"file_name": "a.jpg", "objects": boxes}, {"file_name": "b.jpg", "objects": empty}
            )
        },
    )
    table = read_table(None, photos=folder)
    assert (table.labels, table.targets.tolist()) == (("boat", "lake"), [[1, 1], [0, 0]])


def test_bad_lines_of_json_are_all_told(tmp_path: Path) -> None:
    folder = put(tmp_path, {"a.jpg": ""})
    good = json.dumps({"file_name": "a.jpg", "labels": ["boat"]})
    put(folder, {"metadata.jsonl": f'{good}\n{{"file_name": \n\n["b.jpg"]\n{{"file_name": "a.jpg"}}\n'})
    with pytest.raises(TableError) as caught:
        read_table(None, photos=folder)
    first, second, third, *_ = caught.value.problems
    assert first.startswith("metadata.jsonl, line 2: is not valid JSON")
    assert second == "metadata.jsonl, line 4: expected a JSON object, found list"
    assert third == "metadata.jsonl, line 5: 'labels' is missing; write [] where no label applies"


def test_an_empty_json_lines_file_is_an_error(tmp_path: Path) -> None:
    folder = put(tmp_path, {"a.jpg": "", "metadata.jsonl": "\n"})
    with pytest.raises(TableError, match=r"metadata\.jsonl: is empty"):
        read_table(None, photos=folder)


def test_the_delimiter_of_hf_labels_may_be_given(tmp_path: Path) -> None:
    folder = put(
        tmp_path, {"a.jpg": "", "b.jpg": "", "metadata.csv": "file_name,labels\na.jpg,x y\nb.jpg,\n"}
    )
    assert read_table(None, photos=folder, delimiter=" ").labels == ("x", "y")


def test_a_delimiter_for_hf_metadata_without_labels_column_is_an_error(tmp_path: Path) -> None:
    folder = put(tmp_path, {"a.jpg": "", "metadata.csv": "file_name,boat\na.jpg,1\n"})
    with pytest.raises(TableError, match="no column lists labels: 'boat' only says 1 or 0"):
        read_table(None, photos=folder, delimiter=";")
