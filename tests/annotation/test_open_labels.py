"""Opened labels: answers for all photos, and a file that is changed in its own form."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from manylabel.annotation.journal import journal_path
from manylabel.annotation.open_labels import open_labels
from manylabel.config import DataConfig
from manylabel.errors import InputError, TableError

ONE_HOT_TABLES = [
    "image,beach,boat\na.jpg,1,0\nb.jpg,0,1\n",
    'image;"beach";boat\r\na.jpg;x;\r\nb.jpg;;x',
    '"image","beach","boat","note"\n"a.jpg","1","","sunny, hot"\n"b.jpg","0","1","=1"\n',
    "Holiday 2024\nfile\tbeach\tboat\na\tyes\tno\nb\tyes\tno\n",
    "image,beach,boat,split\na.jpg,-,x,train\nb.jpg,x,-,test\n",
    "image, beach, boat\na.jpg, TRUE, FALSE\nb.jpg, FALSE, ?\n",
    "sep=;\nimage;beach;boat\na.jpg;1;0\nb.jpg;0;0\nmissing.jpg;1;1\n",
    "image,beach,boat\na.jpg,○,●\nb.jpg,●,\n",
]
LIST_TABLES = [
    "image,labels\na.jpg,beach; boat\nb.jpg,\n",
    "a.jpg,beach\nb.jpg,boat\n",
    "image,note,tags\na.jpg,=x,\"['beach', 'boat']\"\nb.jpg,y,[]\n",
    'image,labels,split\r\nphotos/a.jpg,"beach,boat",train\r\nphotos/b.jpg,boat,test\r\n',
    "image|labels\na.jpg|beach;boat\nb.jpg|none\n",
    "image,labels,unknown labels\na.jpg,beach,boat\nb.jpg,boat,\n",
    "image\tlabels\na.jpg\told town\nb.jpg\tbeach\n",
    "image,labels\na.jpg,beach;boat\nmissing.jpg,boat\nb.jpg,beach\n",
]
NAMES = st.sampled_from(
    ["beach", "boat", "lake", "old town", "a, b", "x;y", '6"', "=1+1", "Côté", "海", "[x]"]
)
CALLS = st.lists(
    st.one_of(
        st.tuples(
            st.just("set"), st.integers(0, 3), st.integers(0, 5), st.sampled_from([1.0, 0.0, math.nan])
        ),
        st.tuples(st.just("add"), NAMES),
        st.tuples(st.just("rename"), st.integers(0, 5), NAMES),
        st.tuples(st.just("write")),
    ),
    max_size=12,
)


def same(first: object, second: object) -> bool:
    return first == second or (first != first and second != second)


@pytest.mark.parametrize("text", [*ONE_HOT_TABLES, *LIST_TABLES])
@given(calls=CALLS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_a_changed_table_is_read_as_it_was_meant(
    text: str,
    calls: list[tuple[Any, ...]],
    photos: Path,
    write_table: Callable[[str], Path],
    read_answers: Callable[[Path], dict[str, dict[str, float]]],
) -> None:
    opened = open_labels(photos, write_table(text), config=DataConfig())
    labels = list(opened.labels)
    expected = {
        name: dict(zip(labels, targets, strict=True))
        for name, targets in zip(opened.folder.names, opened.targets.tolist(), strict=True)
    }
    for call, *words in calls:
        match call:
            case "set":
                name, label = opened.folder.names[words[0]], labels[words[1] % len(labels)]
                opened.file.set(words[0], label, words[2])
                expected[name][label] = words[2]
            case "add" if words[0] not in labels:
                opened.file.add(words[0])
                labels.append(words[0])
                expected = {name: {**row, words[0]: math.nan} for name, row in expected.items()}
            case "rename" if words[1] not in labels:
                label = labels[words[0] % len(labels)]
                opened.file.rename(label, words[1])
                labels = [words[1] if old == label else old for old in labels]
                expected = {
                    name: {words[1] if old == label else old: target for old, target in row.items()}
                    for name, row in expected.items()
                }
            case "write":
                opened.file.content()
    opened.file.path.write_bytes(opened.file.content())
    if not any(1.0 in row.values() for row in expected.values()):
        return  # training has nothing to learn

    found = read_answers(opened.file.path)

    assert set(found) >= {name for name, row in expected.items() if not all(map(math.isnan, row.values()))}
    for name, row in found.items():
        for label, target in expected[name].items():
            if label in row:
                assert same(row[label], target), (name, label, opened.file.content())
            else:  # no photo has it: nobody has decided, or it is absent from every photo of a table of lists
                column = [expected[other][label] for other in found]
                assert all(map(math.isnan, column)) or set(column) == {0.0}


@pytest.mark.parametrize("text", [*ONE_HOT_TABLES, *LIST_TABLES])
def test_a_table_that_nobody_changes_keeps_every_byte(
    text: str, photos: Path, write_table: Callable[[str], Path]
) -> None:
    opened = open_labels(photos, write_table(text), config=DataConfig())

    assert opened.file.content() == text.encode()
    assert opened.file.path.name == "labels.csv"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_the_encoding_of_a_table_stays(
    encoding: str, photos: Path, write_table: Callable[[bytes], Path]
) -> None:
    text = "image,labels\na.jpg,café\nb.jpg,\n"
    opened = open_labels(photos, write_table(text.encode(encoding)), config=DataConfig())

    opened.file.set(1, "café", 1.0)

    assert opened.file.content().decode(encoding) == "image,labels\na.jpg,café\nb.jpg,café\n"


def test_a_name_that_the_encoding_lacks_makes_the_table_utf_8(
    photos: Path, write_table: Callable[[bytes], Path]
) -> None:
    opened = open_labels(photos, write_table("image,café\na.jpg,1\n".encode("cp1252")), config=DataConfig())

    opened.file.rename("café", "bờ biển")

    assert opened.file.content().decode("utf-8-sig") == "image,bờ biển\na.jpg,1\n"
    assert opened.file.content().startswith(b"\xef\xbb\xbf")


def test_lines_that_disagree_leave_the_answer_unknown(
    photos: Path, write_table: Callable[[str], Path]
) -> None:
    text = "image,beach,boat\na.jpg,1,0\nb.jpg,0,0\na.jpg,0,0\n"
    opened = open_labels(photos, write_table(text), config=DataConfig())

    assert opened.disputed == ((0, "beach"),)
    assert math.isnan(opened.targets[0, 0])
    opened.file.set(0, "beach", 1.0)
    assert opened.file.content().decode() == "image,beach,boat\na.jpg,1,0\nb.jpg,0,0\na.jpg,1,0\n"


def test_without_labels_a_table_is_made_in_the_folder_of_the_photos(
    photos: Path, read_answers: Callable[[Path], dict[str, dict[str, float]]]
) -> None:
    opened = open_labels(photos, None, config=DataConfig())
    assert opened.labels == ()
    assert not opened.file.path.exists()

    opened.file.add("boat")
    opened.file.set(3, "boat", 1.0)
    opened.file.path.write_bytes(opened.file.content())

    assert opened.file.path == photos / "labels.csv"
    assert read_answers(opened.file.path) == {"in/d.jpg": {"boat": 1.0}}


def coco() -> str:
    images = [{"id": number, "file_name": name} for number, name in enumerate(["a.jpg", "b.jpg"])]
    categories = [{"id": 7, "name": "boat"}, {"id": 8, "name": "never used"}]
    return json.dumps(
        {"images": images, "categories": categories, "annotations": [{"image_id": 0, "category_id": 7}]}
    )


def test_a_format_that_is_not_written_gets_a_table_beside_it(
    photos: Path,
    write_table: Callable[..., Path],
    read_answers: Callable[[Path], dict[str, dict[str, float]]],
) -> None:
    source = write_table(coco(), "labels.json")
    opened = open_labels(photos, source, config=DataConfig())

    opened.file.set(1, "boat", 1.0)
    opened.file.path.write_bytes(opened.file.content())

    assert opened.file.path == source.parent / "labels.csv"
    assert source.read_text() == coco()
    assert read_answers(opened.file.path) == {"a.jpg": {"boat": 1.0}, "b.jpg": {"boat": 1.0}}
    assert opened.given == source


def test_a_workbook_is_never_rewritten(photos: Path, tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    for row in (["image", "boat"], ["a.jpg", 1], ["b.jpg", 0]):
        book.active.append(row)
    book.save(tmp_path / "labels.xlsx")

    opened = open_labels(photos, tmp_path / "labels.xlsx", config=DataConfig())

    assert opened.file.path == tmp_path / "labels.csv"
    assert opened.file.content() == b"image,boat\r\na.jpg,1\r\nb.jpg,0\r\n"


def test_a_table_beside_that_is_of_somebody_else_is_not_taken(
    photos: Path, write_table: Callable[..., Path]
) -> None:
    write_table("image,lake\na.jpg,1\n")
    source = write_table(coco(), "labels.json")
    with pytest.raises(
        InputError, match=r"labels\.csv: exists already, so the labels of labels\.json cannot"
    ):
        open_labels(photos, source, config=DataConfig())

    journal_path(source.with_name("labels.csv")).touch()

    assert open_labels(photos, source, config=DataConfig()).labels == ("lake",)


def test_tables_of_several_lines_a_photo_are_written_anew(
    photos: Path, write_table: Callable[..., Path]
) -> None:
    text = "image,label\na.jpg,beach\na.jpg,boat\nb.jpg,boat\nb.jpg,beach\n"
    opened = open_labels(photos, write_table(text, "long.csv"), config=DataConfig())

    assert opened.file.path.name == "labels.csv"
    assert opened.targets[:2].tolist() == [[1.0, 1.0], [1.0, 1.0]]


def test_a_table_that_cannot_be_read_is_an_error_with_every_problem(
    photos: Path, write_table: Callable[[str], Path]
) -> None:
    table = write_table("image,boat\na.jpg,maybe\nb.jpg,1\nc.jpg,2\n")
    with pytest.raises(TableError) as raised:
        open_labels(photos, table, config=DataConfig(format="one-hot"))

    assert len(raised.value.problems) == 2


def test_columns_of_new_labels_are_in_the_order_in_which_they_were_added(
    photos: Path, write_table: Callable[[str], Path]
) -> None:
    opened = open_labels(photos, write_table("image,boat,note\na.jpg,1,hot\nb.jpg,0,\n"), config=DataConfig())
    for label in ("lake", "beach", "town"):
        opened.file.add(label)

    for label in ("town", "lake", "beach"):
        opened.file.set(0, label, 1.0)

    assert opened.file.content().startswith(b"image,boat,lake,beach,town,note\na.jpg,1,1,1,1,hot\n")


@pytest.mark.parametrize(
    ("names", "ending", "expected"),
    [
        ("image;beach;boat\n", "csv", "image;beach;boat\na.jpg;?;1\n"),
        ("image\tbeach\tboat\n", "csv", "image\tbeach\tboat\na.jpg\t?\t1\n"),
        ("sep=;\r\nimage;beach;boat\r\n", "csv", "sep=;\r\nimage;beach;boat\r\na.jpg;?;1\r\n"),
        ("image\tbeach\tboat\n", "tsv", "image\tbeach\tboat\na.jpg\t?\t1\n"),
        ("image\n", "tsv", "image\tboat\na.jpg\t1\n"),
        ("image|beach|boat", "csv", "image|beach|boat\r\na.jpg|?|1\r\n"),
    ],
)
def test_a_table_without_photos_keeps_its_separator(
    names: str, ending: str, expected: str, photos: Path, write_table: Callable[..., Path]
) -> None:
    table = write_table(names, f"labels.{ending}")
    journal_path(table).touch()
    opened = open_labels(photos, table, config=DataConfig())
    if "boat" not in opened.labels:
        opened.file.add("boat")

    opened.file.set(0, "boat", 1.0)

    assert opened.file.content().decode() == expected
