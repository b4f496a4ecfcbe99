"""One-hot tables, and Roboflow's exports of them."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from manylabel.config import BlankMeaning
from manylabel.data.formats import read_table
from manylabel.errors import TableError
from manylabel.types import FloatArray, LabelTable


def put_photos(folder: Path, n_photos: int) -> None:
    for number in range(n_photos):
        (folder / f"{'abcdefgh'[number]}.jpg").touch()


def read(folder: Path, text: str, *, n_photos: int = 3, name: str = "labels.csv") -> LabelTable:
    put_photos(folder, n_photos)
    (folder / name).write_text(text, encoding="utf-8")
    return read_table(folder / name, photos=folder, format="one-hot")


def problems(folder: Path, text: str) -> tuple[str, ...]:
    with pytest.raises(TableError) as caught:
        read(folder, text)
    return caught.value.problems


def test_columns_are_labels_in_their_order(tmp_path: Path) -> None:
    table = read(tmp_path, "image,boat,beach\na.jpg,1,0\nb.jpg,0,1\nc.jpg,0,0\n")
    assert table.labels == ("boat", "beach")
    assert table.targets.tolist() == [[1, 0], [0, 1], [0, 0]]
    assert table.names == ("a.jpg", "b.jpg", "c.jpg")
    assert table.source == "labels.csv, read as one-hot CSV (2 labels)"
    assert table.notes == ()


@pytest.mark.parametrize(
    "word",
    ["1", "1.0", "true", "TRUE", "yes", "Yes", "y", "x", "X", " 1 ", "ja", "WAHR", "\N{CHECK MARK}", "+"],
)
def test_words_for_present(tmp_path: Path, word: str) -> None:
    assert read(tmp_path, f"image,a\na.jpg,{word}\nb.jpg,0\nc.jpg,1\n").targets[0, 0] == 1


@pytest.mark.parametrize(
    "word", ["0", "0.0", "false", "False", "no", "NO", "n", "nein", "FALSCH", "\N{BALLOT X}"]
)
def test_words_for_absent(tmp_path: Path, word: str) -> None:
    assert read(tmp_path, f"image,a\na.jpg,{word}\nb.jpg,0\nc.jpg,1\n").targets[0, 0] == 0


@pytest.mark.parametrize("word", ["", " ", "NaN", "nan", "-1", "-1.0", "?", "NA", "n/a", "null", "None"])
def test_words_for_unknown(tmp_path: Path, word: str) -> None:
    assert np.isnan(read(tmp_path, f"image,a\na.jpg,{word}\nb.jpg,0\nc.jpg,1\n").targets[0, 0])


@pytest.mark.parametrize("word", ["2", "0.7", "maybe", "11", "-2"])
def test_any_other_word_is_told_with_line_and_column(tmp_path: Path, word: str) -> None:
    assert problems(tmp_path, f"image,a,b\na.jpg,0,1\nb.jpg,1,{word}\nc.jpg,0,1\n") == (
        f"labels.csv, line 3, column 'b': '{word}' is none of 1, 0, true, false, yes, no, x, ? for "
        "unknown, or blank" + ("; if numbers count something, write 1 for each above 0" * word.isdecimal()),
    )


@pytest.mark.parametrize(
    "cells", [("Anna", "Bert", ""), ("1871", "1920", "2001"), ("1.5.1990", "", "2.6.91")]
)
def test_a_column_of_something_else_is_left_out_with_a_note(tmp_path: Path, cells: tuple[str, ...]) -> None:
    table = read(tmp_path, "image,a,about\na.jpg,0,{}\nb.jpg,1,{}\nc.jpg,0,{}\n".format(*cells))
    assert table.labels == ("a",)
    [note] = table.notes
    assert note.startswith("labels.csv, line 1: columns that hold no labels are left out: 'about'; to choose")


def test_a_column_of_parts_with_another_name_is_a_problem(tmp_path: Path) -> None:
    [problem] = problems(tmp_path, "image,a,splt\na.jpg,0,train\nb.jpg,1,test\n")
    assert "column 'splt' holds parts of a split; name it 'split'" in problem


def test_the_photo_column_may_have_any_name_where_it_is_first(tmp_path: Path) -> None:
    assert read(tmp_path, "picture,a\na.jpg,0\nb.jpg,1\n").names == ("a.jpg", "b.jpg")


@pytest.mark.parametrize("name", ["image", "File", "filename", "file_name", "file name", "photo", "Path"])
def test_the_photo_column_may_stand_anywhere_where_its_name_says_so(tmp_path: Path, name: str) -> None:
    table = read(tmp_path, f"boat,{name},beach\n1,a.jpg,0\n0,b.jpg,1\n")
    assert (table.names, table.labels) == (("a.jpg", "b.jpg"), ("boat", "beach"))


def test_a_label_may_be_named_like_a_photo_column(tmp_path: Path) -> None:
    table = read(tmp_path, "id,path,photo\na.jpg,0,1\nb.jpg,1,0\n")
    assert table.labels == ("path", "photo")


def test_the_row_numbers_that_pandas_writes_are_left_out_with_a_note(tmp_path: Path) -> None:
    frame = pd.DataFrame({"image": ["a.jpg", "b.jpg"], "boat": [0, 1]})
    table = read(tmp_path, frame.to_csv())
    assert table.labels == ("boat",)
    assert table.notes[0] == "labels.csv, line 1: the first column holds row numbers and is left out"


def test_photo_names_that_pandas_writes_as_index_are_read(tmp_path: Path) -> None:
    frame = pd.DataFrame({"boat": [0, 1], "sea": [1, 0]}, index=["a.jpg", "b.jpg"])
    table = read(tmp_path, frame.to_csv())
    assert (table.names, table.labels) == (("a.jpg", "b.jpg"), ("boat", "sea"))


def test_the_split_is_read(tmp_path: Path) -> None:
    text = "image,a,split\na.jpg,1,Train\nb.jpg,0,valid\nc.jpg,0,testing\nd.jpg,1,\n"
    assert read(tmp_path, text, n_photos=4).parts == ("train", "val", "test", None)


def test_an_unknown_part_of_the_split_is_told(tmp_path: Path) -> None:
    assert problems(tmp_path, "image,a,split\na.jpg,1,trian\nb.jpg,0,test\n") == (
        "labels.csv, line 2: unknown part of the split 'trian'; expected train, val or test; "
        "did you mean 'train'?",
    )


def test_fastai_s_is_valid_is_the_test_part_and_said(tmp_path: Path) -> None:
    table = read(tmp_path, "fname,a,is_valid\na.jpg,1,True\nb.jpg,0,False\nc.jpg,0,\n")
    assert table.parts == ("test", "train", None)
    assert any("is_valid = True" in note and "test part" in note for note in table.notes)


def test_a_word_in_is_valid_that_is_no_truth_value_is_told(tmp_path: Path) -> None:
    assert problems(tmp_path, "fname,a,is_valid\na.jpg,1,test\nb.jpg,0,False\n") == (
        "labels.csv, line 2: is_valid is 'test', expected True or False",
    )


def test_two_columns_that_tell_the_split_are_a_problem(tmp_path: Path) -> None:
    assert problems(tmp_path, "image,a,split,is_valid\na.jpg,1,test,1\nb.jpg,0,train,0\n") == (
        "labels.csv, line 1: 'split' and 'is_valid' both give the split; keep one",
    )


def test_a_line_without_photo_is_told(tmp_path: Path) -> None:
    assert problems(tmp_path, "image,a\na.jpg,1\n,0\n") == (
        "labels.csv, line 3: no photo is named in column 'image'",
    )


def test_a_label_that_no_photo_carries_is_a_problem(tmp_path: Path) -> None:
    assert problems(tmp_path, "image,a,moon,sun\na.jpg,1,0,\nb.jpg,0,0,0\n") == tuple(
        f"labels.csv, line 1: no photo carries label '{label}', so it cannot be learned; leave it out"
        for label in ("moon", "sun")
    )


@pytest.mark.parametrize("mark", ["x", "1", "ja", "\N{CHECK MARK}"])
def test_a_blank_beside_marks_alone_means_absent_and_is_told(tmp_path: Path, mark: str) -> None:
    table = read(tmp_path, f"image,a,b\na.jpg,{mark},\nb.jpg,,{mark}\n", n_photos=2)
    assert table.targets.tolist() == [[1, 0], [0, 1]]
    assert table.notes[0] == (
        f"labels.csv: no cell marks a label as absent (marks found: '{mark}'), so 2 blank cells are read as "
        "absent; if blank means 'not checked', use --blank unknown"
    )


def test_a_blank_means_unknown_where_another_cell_says_absent(tmp_path: Path) -> None:
    table = read(tmp_path, "image,a,b\na.jpg,1,0\nb.jpg,,1\nc.jpg,0,\n")
    np.testing.assert_array_equal(table.targets, [[1, 0], [np.nan, 1], [0, np.nan]])


@pytest.mark.parametrize(("blank", "target"), [("absent", 0.0), ("unknown", np.nan)])
def test_what_a_blank_means_can_be_said(tmp_path: Path, blank: BlankMeaning, target: float) -> None:
    put_photos(tmp_path, 3)
    (tmp_path / "labels.csv").write_text("image,a\na.jpg,1\nb.jpg,\nc.jpg,0\n", encoding="utf-8")
    table = read_table(tmp_path / "labels.csv", photos=tmp_path, blank=blank)
    np.testing.assert_array_equal(table.targets, [[1], [target], [0]])
    assert table.notes == ()


@pytest.mark.parametrize(("other", "target", "meaning"), [("x", 0.0, "absent"), ("0", np.nan, "unknown")])
def test_a_dash_is_absent_unless_another_mark_says_so(
    tmp_path: Path, other: str, target: float, meaning: str
) -> None:
    table = read(tmp_path, f"image,a,b\na.jpg,x,-\nb.jpg,-,x\nc.jpg,{other},x\n")
    assert np.array_equal(table.targets[0, 1], target, equal_nan=True)
    assert f"labels.csv: 2 cells of labels hold a dash, read as {meaning}" in table.notes


def test_a_table_that_never_says_absent_is_a_problem(tmp_path: Path) -> None:
    put_photos(tmp_path, 2)
    (tmp_path / "labels.csv").write_text("image,a,b\na.jpg,x,\nb.jpg,,x\n", encoding="utf-8")
    with pytest.raises(TableError, match="no cell says that a label is absent"):
        read_table(tmp_path / "labels.csv", photos=tmp_path, blank="unknown")


def test_a_word_that_is_none_is_told_once_with_its_number_of_cells(tmp_path: Path) -> None:
    assert problems(tmp_path, "image,a,b\na.jpg,maybe,0\nb.jpg,maybe,1\nc.jpg,1,1\n") == (
        "labels.csv, line 2, column 'a': 'maybe' is none of 1, 0, true, false, yes, no, x, ? for unknown, "
        "or blank (and 1 more cell of this column)",
    )


def test_a_label_that_is_never_absent_is_a_note(tmp_path: Path) -> None:
    table = read(tmp_path, "image,a,b\na.jpg,1,0\nb.jpg,,1\n", n_photos=2)
    assert table.notes == ("labels.csv, line 1: no photo is known to lack 'a'",)


def test_labels_that_differ_only_in_case_are_a_note(tmp_path: Path) -> None:
    table = read(tmp_path, "image,Boat,boat\na.jpg,1,0\nb.jpg,0,1\n", n_photos=2)
    assert table.notes == (
        "labels.csv, line 1: these labels may be the same, spelled differently: 'Boat' (1), 'boat' (1); they "
        "are kept apart, rename them in the table to merge them",
    )


@pytest.mark.parametrize("text", ["image\na.jpg\n", "image,split\na.jpg,train\n"])
def test_a_table_without_labels_is_an_error(tmp_path: Path, text: str) -> None:
    [problem] = problems(tmp_path, text)
    assert problem.startswith("labels.csv, line 1: no column of labels; the columns are: image")


def test_a_table_without_lines_is_an_error(tmp_path: Path) -> None:
    assert problems(tmp_path, "image,a\n") == ("labels.csv, line 1: no photo is named in this table",)


LABELS = st.text("abcöy z-_", min_size=1, max_size=6).map(str.strip).filter(bool)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    labels=st.lists(LABELS, min_size=1, max_size=4, unique_by=str.casefold),
    targets=arrays.arrays(float, (3, 4), elements=st.sampled_from([0.0, 1.0, np.nan])),
    separator=st.sampled_from([",", ";", "\t"]),
)
def test_what_pandas_writes_is_read_back(
    tmp_path: Path, labels: list[str], targets: FloatArray, separator: str
) -> None:
    # The first photo carries every label and the last none, so that each label can be learned.
    rows = np.vstack([np.ones(len(labels)), targets[:, : len(labels)], np.zeros(len(labels))])
    names = [f"{letter}.jpg" for letter in "abcde"]
    frame = pd.DataFrame(rows, columns=labels)
    frame.insert(0, "image", names)
    table = read(tmp_path, frame.to_csv(index=False, sep=separator), n_photos=5)
    assert table.labels == tuple(labels)
    np.testing.assert_array_equal(table.targets, rows)


@pytest.mark.parametrize(
    ("present", "absent"),
    [("○", "\N{MULTIPLICATION SIGN}"), ("✓", "x"), ("☑", "☒"), ("●", "○"), ("○", "x"), ("x", ""), ("○", "")],
)
def test_a_mark_means_what_it_means_beside_the_others(tmp_path: Path, present: str, absent: str) -> None:
    marks = {"1": present, "0": absent}
    lines = [f"{name}.jpg,{marks[a]},{marks[b]}" for name, a, b in (("a", "1", "0"), ("b", "0", "1"))]
    table = read(tmp_path, "\n".join(["image,sea,boat", *lines, f"c.jpg,{present},{present}"]))
    assert table.targets.tolist() == [[1, 0], [0, 1], [1, 1]]
    if absent not in ("", "x") or present == "✓":
        assert f"is read as absent, as '{present}' marks what is present" in " ".join(table.notes)


def test_what_stands_below_a_table_is_left_out_with_a_note(tmp_path: Path) -> None:
    lines = [
        "image;sea;boat",
        "a.jpg;1;0",
        "b.jpg;0;1",
        "c.jpg;1;1",
        "Summe;2;2",
        "in %;66,7;66,7",
        "checked 2024;;",
    ]
    table = read(tmp_path, "\n".join(lines))
    assert table.names == ("a.jpg", "b.jpg", "c.jpg")
    assert "lines below the table are left out: 'Summe', 'in %', 'checked 2024'" in " ".join(table.notes)


def put_files(folder: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content, encoding="utf-8")
    return folder


PARTS = ("train/a.jpg", "train/b.jpg", "valid/a.jpg", "test/c.jpg")


def test_a_roboflow_export_is_read_with_its_split(tmp_path: Path) -> None:
    folder = put_files(tmp_path / "export", dict.fromkeys(PARTS, ""))
    header = "filename, boat, beach\n"
    put_files(folder, {"train/_classes.csv": f"{header}a.jpg, 1, 0\nb.jpg, 0, 0\n"})
    put_files(
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
    folder = put_files(tmp_path, {"train/a.jpg": "", "train/b.jpg": "", "test/c.jpg": ""})
    put_files(folder, {"train/_classes.csv": "filename,boat\na.jpg,1\nb.jpg,0\n"})
    put_files(folder, {"test/_classes.csv": "filename,boat,beach\nc.jpg,0,1\n"})
    table = read_table(folder, photos=folder)
    boat, beach = table.labels.index("boat"), table.labels.index("beach")
    train = [row for row, part in enumerate(table.parts) if part == "train"]
    assert np.isnan(table.targets[train, beach]).all()
    assert sorted(table.targets[train, boat]) == [0, 1]


def test_one_file_of_an_export_is_read_alone(tmp_path: Path) -> None:
    folder = put_files(tmp_path, {"train/a.jpg": "", "train/b.jpg": "", "test/a.jpg": ""})
    put_files(folder, {"train/_classes.csv": "filename, boat\na.jpg, 1\nb.jpg, 0\n"})
    table = read_table(folder / "train" / "_classes.csv", photos=folder)
    assert (table.names, table.parts) == (("train/a.jpg", "train/b.jpg"), (None, None))
    assert table.source == "_classes.csv, read as Roboflow export: one-hot CSV (1 label)"


def test_a_problem_in_a_part_names_the_file_of_that_part(tmp_path: Path) -> None:
    folder = put_files(tmp_path, {"train/a.jpg": "", "test/b.jpg": ""})
    put_files(folder, {"train/_classes.csv": "filename,boat\na.jpg,1\n"})
    put_files(folder, {"test/_classes.csv": "filename,boat\nb.jpg,0\nc.jpg,7\n"})
    with pytest.raises(TableError) as caught:
        read_table(folder, photos=folder)
    assert "test/_classes.csv, line 3, column 'boat': '7' is none of" in caught.value.problems[0]


def test_a_folder_without_export_is_an_error(tmp_path: Path) -> None:
    put_files(tmp_path, {"a.jpg": ""})
    with pytest.raises(TableError, match=r"no _classes\.csv in this folder"):
        read_table(tmp_path, photos=tmp_path, format="roboflow")
