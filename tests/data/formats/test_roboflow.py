"""Roboflow's multi-label exports."""

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
