"""JSON records: Hugging Face image folders, lines of JSON, lists of objects."""

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


@pytest.mark.parametrize(
    "document",
    [
        {"a.jpg": ["sea", "boat"], "b.jpg": []},
        [{"file": "a.jpg", "tags": ["sea", "boat"]}, {"file": "b.jpg", "tags": []}],
        {"file": {"0": "a.jpg", "1": "b.jpg"}, "boat": {"0": 1, "1": 0}, "sea": {"0": 1, "1": 0}},
    ],
)
def test_json_that_is_a_table_is_read(tmp_path: Path, document: object) -> None:
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / name).touch()
    (tmp_path / "labels.json").write_text(json.dumps(document), encoding="utf-8")
    table = read_table(tmp_path / "labels.json", photos=tmp_path)
    assert table.labels == ("boat", "sea")
    assert table.targets.tolist() == [[1, 1], [0, 0]]
