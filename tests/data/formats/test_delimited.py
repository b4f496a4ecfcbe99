"""Reading tables with all labels of a photo in one cell."""

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from manylabel.data.formats import read_table
from manylabel.data.formats.tables.label_cells import guess_delimiter
from manylabel.errors import TableError
from manylabel.types import LabelTable


def read(folder: Path, text: str, *, delimiter: str | None = None) -> LabelTable:
    for letter in "abcdefgh":
        (folder / f"{letter}.jpg").touch()
    (folder / "labels.csv").write_text(text, encoding="utf-8")
    return read_table(folder / "labels.csv", photos=folder, format="delimited", delimiter=delimiter)


def problems(folder: Path, text: str) -> tuple[str, ...]:
    with pytest.raises(TableError) as caught:
        read(folder, text)
    return caught.value.problems


@pytest.mark.parametrize(
    ("delimiter", "words"),
    [(";", "';'"), ("|", "'|'"), (",", "','"), (" ", "spaces"), ("; ", "';'"), (", ", "','")],
)
def test_the_delimiter_is_guessed_and_said(tmp_path: Path, delimiter: str, words: str) -> None:
    lists = [["boat", "beach"], ["beach"], ["boat"], []]
    lines = [f'{name}.jpg,"{delimiter.join(labels)}"' for name, labels in zip("abcd", lists, strict=True)]
    table = read(tmp_path, "\n".join(["image,labels", *lines]))
    assert table.labels == ("beach", "boat")
    assert table.targets.tolist() == [[1, 1], [1, 0], [0, 1], [0, 0]]
    assert table.source == f"labels.csv, read as delimited CSV (image, labels), labels joined by {words}"


@pytest.mark.parametrize(
    ("cells", "delimiter"),
    [
        (["old town;lake", "lake"], ";"),
        (["Hoan Kiem, Hanoi;Old Quarter, Hanoi", "Old Quarter, Hanoi"], ";"),
        (["beach,boat", "boat,tree", "beach,tree", "car;truck"], ","),
        (["old town", "new town", "beach"], None),
        (["old town"], None),
        (["red car", "blue car", "red bus", "blue bus", "green bus", "green car"], None),
        (["beach", "boat"], None),
        (["beach boat", "beach", "boat"], " "),
        (["haze primary", "clear primary road", "clear road", "haze road", "clear primary", "haze"], " "),
        ([], None),
    ],
)
def test_the_delimiter_that_explains_the_cells_is_guessed(cells: list[str], delimiter: str | None) -> None:
    assert guess_delimiter(cells) == delimiter


def test_a_table_with_one_label_per_photo_has_no_delimiter(tmp_path: Path) -> None:
    table = read(tmp_path, "image,label\na.jpg,old town\nb.jpg,beach\nc.jpg,new town\n")
    assert table.labels == ("beach", "new town", "old town")
    assert table.source.endswith("(image, label), one label per photo")


@pytest.mark.parametrize(
    ("delimiter", "labels"),
    [(" ", ("beach", "old", "town")), ("/", ("beach", "old town")), ("n/b", ("each", "old tow"))],
)
def test_a_given_delimiter_is_obeyed(tmp_path: Path, delimiter: str, labels: tuple[str, ...]) -> None:
    cell = "old town/beach" if delimiter != " " else "old town beach"
    assert read(tmp_path, f"image,labels\na.jpg,{cell}\nb.jpg,\n", delimiter=delimiter).labels == labels


def test_a_given_delimiter_overrules_the_guess(tmp_path: Path) -> None:
    table = read(tmp_path, "image,labels\na.jpg,x;y|z\nb.jpg,z\n", delimiter="|")
    assert table.labels == ("x;y", "z")


@pytest.mark.parametrize("written", ["['old town', 'lake']", '"[""old town"", ""lake""]"'])
def test_lists_as_python_and_json_write_them_are_read(tmp_path: Path, written: str) -> None:
    cell = written if written.startswith('"') else f'"{written}"'
    table = read(tmp_path, f"image,labels\na.jpg,{cell}\nb.jpg,[]\n")
    assert table.labels == ("lake", "old town")
    assert table.targets.tolist() == [[1, 1], [0, 0]]
    assert table.source.endswith("labels as lists")


def test_an_empty_cell_says_that_no_label_applies(tmp_path: Path) -> None:
    table = read(tmp_path, "image,labels\na.jpg,beach\nb.jpg,\n")
    assert table.targets.tolist() == [[1], [0]]


def test_a_control_character_in_a_cell_is_told(tmp_path: Path) -> None:
    [problem] = problems(tmp_path, "image,labels\na.jpg,beach;\x1b[31mboat\nb.jpg,beach\n")
    assert "holds a control character" in problem


def test_a_column_lists_labels_that_nobody_has_decided_on(tmp_path: Path) -> None:
    text = "image,labels,Unknown labels\na.jpg,beach;boat,\nb.jpg,no,boat\nc.jpg,,boat;no\n"
    table = read(tmp_path, text)
    assert table.labels == ("beach", "boat", "no")
    expected = np.array([[1, 1, 0], [0, np.nan, 1], [0, np.nan, np.nan]])
    assert np.array_equal(table.targets, expected, equal_nan=True)
    assert not any("left out" in note for note in table.notes if "photos" not in note)


def test_a_label_may_be_called_like_the_column_of_unknown_labels(tmp_path: Path) -> None:
    for letter in "ab":
        (tmp_path / f"{letter}.jpg").touch()
    (tmp_path / "labels.csv").write_text("image,boat,unknown labels\na.jpg,1,0\nb.jpg,0,1\n")
    table = read_table(tmp_path / "labels.csv", photos=tmp_path)
    assert table.labels == ("boat", "unknown labels")


def test_the_second_column_holds_the_labels_where_none_is_named_so(tmp_path: Path) -> None:
    assert read(tmp_path, "picture,what\na.jpg,x;y\nb.jpg,x\n").labels == ("x", "y")


def test_a_named_column_of_labels_may_stand_anywhere(tmp_path: Path) -> None:
    table = read(tmp_path, "split,tags,photo\ntrain,x;y,a.jpg\ntest,x,b.jpg\n")
    assert (table.labels, table.parts) == (("x", "y"), ("train", "test"))


def test_semicolons_may_separate_columns_while_commas_join_labels(tmp_path: Path) -> None:
    table = read(tmp_path, "image;labels\na.jpg;x,y\nb.jpg;x\n")
    assert table.labels == ("x", "y")
    assert table.source.startswith("labels.csv, read as delimited CSV with semicolons")


def test_a_column_of_parts_with_another_name_is_a_problem(tmp_path: Path) -> None:
    assert problems(tmp_path, "image,labels,spilt\na.jpg,x,train\nb.jpg,,test\n") == (
        "labels.csv, line 1: column 'spilt' holds parts of a split; name it 'split', or leave it out: "
        "--ignore 'spilt'",
    )


def test_a_label_named_twice_is_told_with_its_line(tmp_path: Path) -> None:
    assert problems(tmp_path, "image,labels\na.jpg,x;y;x\nb.jpg,x\nc.jpg,\n") == (
        "labels.csv, line 2: label 'x' is named twice",
    )


@pytest.mark.parametrize("cell", ["x;y;", "x;;y", ";x; y", " ;x;y; ;"])
def test_delimiters_without_a_label_between_them_are_forgiven(tmp_path: Path, cell: str) -> None:
    table = read(tmp_path, f"image,labels\na.jpg,{cell}\nb.jpg,x\n")
    assert table.labels == ("x", "y")
    assert table.targets.tolist() == [[1, 1], [1, 0]]


def test_a_table_whose_cells_are_all_empty_has_no_labels(tmp_path: Path) -> None:
    assert problems(tmp_path, "image,labels\na.jpg,\nb.jpg,\n") == (
        "labels.csv, line 1: no labels: no photo carries any",
    )


def test_the_same_word_in_two_encodings_is_one_label(tmp_path: Path) -> None:
    assert read(tmp_path, "image,labels\na.jpg,caf\u00e9\nb.jpg,cafe\u0301\nc.jpg,\n").labels == (
        "caf\u00e9",
    )


LABELS = st.text("abö 1-", min_size=1, max_size=5).map(str.strip).filter(lambda label: label.strip("-"))


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    lists=st.lists(st.sets(LABELS, max_size=3), min_size=1, max_size=8).filter(any),
    delimiter=st.sampled_from([";", "|", ","]),
    told=st.sampled_from([None, "told"]),
)
def test_what_is_written_is_read_back(
    tmp_path: Path, lists: list[set[str]], delimiter: str, told: str | None
) -> None:
    if told is None and all(len(labels) < 2 for labels in lists):
        lists[0] = {"beach", "boat"}
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["image", "labels"])
    for letter, labels in zip("abcdefgh", lists, strict=False):
        writer.writerow([f"{letter}.jpg", delimiter.join(sorted(labels))])
    table = read(tmp_path, text.getvalue(), delimiter=delimiter if told else None)
    assert table.labels == tuple(sorted(set().union(*lists)))
    for row, labels in enumerate(lists):
        assert {table.labels[label] for label in table.targets[row].nonzero()[0]} == labels


def test_a_given_delimiter_that_is_in_no_cell_is_a_note(tmp_path: Path) -> None:
    table = read(tmp_path, "image,labels\na.jpg,x;y\nb.jpg,\n", delimiter="|")
    assert table.labels == ("x;y",)
    assert "labels.csv: the given delimiter '|' does not occur in any cell" in table.notes


@pytest.mark.parametrize("name", ["value", "vorhanden"])
def test_a_line_per_photo_and_label_that_says_yes_or_no_needs_no_usual_names(
    tmp_path: Path, name: str
) -> None:
    lines = ["a.jpg,sea,yes", "a.jpg,boat,no", "b.jpg,sea,no", "b.jpg,boat,yes", "c.jpg,sea,yes"]
    table = read(tmp_path, "\n".join([f"image,attribute,{name}", *lines]))
    assert table.labels == ("boat", "sea")
    np.testing.assert_array_equal(table.targets, [[0, 1], [1, 0], [np.nan, 1]])


def test_columns_that_are_counted_list_labels(tmp_path: Path) -> None:
    text = "image,theme 1,theme 2\na.jpg,sea,boat\nb.jpg,boat,\nc.jpg,boat,sea\n"
    assert read(tmp_path, text).targets.tolist() == [[1, 1], [1, 0], [1, 1]]


@pytest.mark.parametrize(
    ("cells", "told"),
    [
        (
            ("sea, boat", "sea", "boat", "sea and boat"),
            "these labels look like several in one: 'sea and boat'",
        ),
        (("sea: yes", "sea: no", "sea: yes"), "read as labels of their own: 'sea: no', 'sea: yes'"),
        (
            ("sea", "unknown", "sea"),
            "'unknown' is read as a label of its own; if it means that nobody looked",
        ),
    ],
)
def test_labels_that_are_probably_none_are_told(tmp_path: Path, cells: tuple[str, ...], told: str) -> None:
    lines = [f'{name}.jpg,"{cell}"' for name, cell in zip("abcd", cells, strict=False)]
    assert told in " ".join(read(tmp_path, "\n".join(["image,labels", *lines])).notes)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("image,labels\na.jpg,sea\nb.jpg,dto.\n", "'dto.' means 'the same as above'"),
        (
            "image,sea,boat\na.jpg,here,gone\nb.jpg,gone,here\n",
            "hold 'gone', 'here', which are not known words for present or absent",
        ),
        ("image,sea,boat\na.jpg,0.9,0.1\nb.jpg,0.2,0.8\n", "for a share or probability, write 1 where"),
        (
            'image,sea,boat\na.jpg,"0,9","0,1"\nb.jpg,"0,2","0,8"\n',
            "for a share or probability, write 1 where",
        ),
        ("image,a,b\na.jpg,one,two\nb.jpg,three,four\n", "name all that do, with commas between them"),
    ],
)
def test_what_is_no_list_of_labels_is_an_error_that_fits(tmp_path: Path, text: str, told: str) -> None:
    assert told in " ".join(problems(tmp_path, text))


def test_brackets_and_inches_stay_in_a_label(tmp_path: Path) -> None:
    text = 'image;labels\na.jpg;"church (in, out), tree"\nb.jpg;"13"" plate, tree"\nc.jpg;tree\n'
    assert read(tmp_path, text).labels == ('13" plate', "church (in, out)", "tree")
