"""Names in annotation files that are addresses, uploads, or no text."""

import base64
import json
import os
import sys
from pathlib import Path

import pytest

from manylabel.data.formats import read_table
from manylabel.errors import TableError
from manylabel.types import LabelTable

BASE64 = base64.b64encode(b"s3://bucket/lake/a b.jpg").decode()
ADDRESSES = [
    "images\\1/0a1b2c3d-a b.jpg",
    "images\\1\\0a1b2c3d-a_b.jpg",
    "https://example.org/set/a%20b.jpg?raw=1",
    "https://example.org/set/a%20b.jpg?signature=x/other.jpg",
    "a b.jpg?raw=1",
    "lake/a%20b.jpg",
    "file:///home/me/a%20b.jpg",
    "s3://bucket/lake/a b.jpg",
    "/data/local-files/?d=lake/a%20b.jpg",
    f"/tasks/3/resolve/?fileuri={BASE64}",
    "a_b.jpg",
]


def write(folder: Path, text: str, *photos: str, name: str = "labels.json") -> Path:
    for photo in photos:
        (folder / photo).parent.mkdir(parents=True, exist_ok=True)
        (folder / photo).touch()
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def labels_of(table: LabelTable) -> dict[str, list[str]]:
    rows = zip(table.names, table.targets, strict=True)
    return {name: [table.labels[label] for label in row.nonzero()[0]] for name, row in rows}


def coco(*names: str) -> str:
    images = [{"id": number, "file_name": name} for number, name in enumerate(names)]
    annotations = [{"image_id": 0, "category_id": 1}]
    categories = [{"id": 1, "name": "boat"}]
    return json.dumps({"images": images, "annotations": annotations, "categories": categories})


def create_ml(*names: str) -> str:
    labels = [["boat"], *([] for _ in names[1:])]
    return json.dumps(
        [{"image": name, "annotations": given} for name, given in zip(names, labels, strict=True)]
    )


def label_studio(*names: str) -> str:
    results = [[{"value": {"choices": ["boat"]}}], *([] for _ in names[1:])]
    return json.dumps(
        [
            {"data": {"image": name}, "annotations": [{"result": result}]}
            for name, result in zip(names, results, strict=True)
        ]
    )


def cvat(*names: str) -> str:
    first, *others = (name.replace("&", "&amp;") for name in names)
    images = "".join(f'<image name="{name}"/>' for name in others)
    return f'<annotations><image name="{first}"><tag label="boat"/></image>{images}</annotations>'


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("form", [coco, create_ml, label_studio, cvat])
def test_addresses_and_uploads_are_found_in_every_format(tmp_path: Path, form: object, address: str) -> None:
    assert callable(form)
    name = "labels.xml" if form is cvat else "labels.json"
    path = write(tmp_path, form(address, "other.jpg"), "lake/a b.jpg", "other.jpg", name=name)
    assert labels_of(read_table(path, photos=tmp_path)) == {"lake/a b.jpg": ["boat"], "other.jpg": []}


def test_addresses_in_folders_of_parts_lead_to_photos_of_their_part(tmp_path: Path) -> None:
    for part in ("train", "test"):
        text = coco("https://example.org/set/a.jpg?raw=1", "0a1b2c3d-b.jpg")
        write(tmp_path, text, f"{part}/a.jpg", f"{part}/b.jpg", name=f"{part}/labels.json")
    table = read_table(None, photos=tmp_path)
    assert labels_of(table) == {
        "test/a.jpg": ["boat"],
        "test/b.jpg": [],
        "train/a.jpg": ["boat"],
        "train/b.jpg": [],
    }


def test_names_that_were_decoded_or_renamed_are_told(tmp_path: Path) -> None:
    names = ("https://example.org/a.jpg?raw=1", "0a1b2c3d-b.jpg")
    path = write(tmp_path, coco(*names), "x/a.jpg", "b.jpg")
    assert read_table(path, photos=tmp_path).notes == (
        "1 name matched after decoding the address: 'https://example.org/a.jpg?raw=1' as 'x/a.jpg'",
        "1 name matched as Label Studio renames uploads: '0a1b2c3d-b.jpg' as 'b.jpg'",
    )


def test_a_date_before_a_name_is_not_that_of_an_upload(tmp_path: Path) -> None:
    path = write(tmp_path, coco("20240131-a.jpg", "b.jpg"), "a.jpg", "b.jpg")
    with pytest.raises(TableError, match=r"images\[0\]: no photo '20240131-a\.jpg'"):
        read_table(path, photos=tmp_path, missing="error")


def test_an_upload_that_two_photos_may_be_is_a_problem(tmp_path: Path) -> None:
    path = write(tmp_path, coco("0a1b2c3d-a_b.jpg", "c.jpg"), "a b.jpg", "a_(b).jpg", "c.jpg")
    with pytest.raises(TableError) as caught:
        read_table(path, photos=tmp_path)
    assert caught.value.problems == (
        "labels.json, images[0]: '0a1b2c3d-a_b.jpg' may be 'a b.jpg', 'a_(b).jpg'; "
        "write its path as it is there",
    )


def test_escape_sequences_and_line_breaks_in_names_do_not_reach_the_terminal(tmp_path: Path) -> None:
    path = write(tmp_path, coco("a\x1b[2J\n.jpg", "b.jpg"), "a.jpg", "b.jpg")
    with pytest.raises(TableError) as caught:
        read_table(path, photos=tmp_path, missing="error")
    assert "no photo 'a\\x1b[2J\\n.jpg'" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems keep names as text")
def test_a_name_that_is_not_utf8_is_found_where_json_escapes_it(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"caf\xe9.jpg")).touch()
    path = write(tmp_path, coco(os.fsdecode(b"caf\xe9.jpg"), "b.jpg"), "b.jpg")
    assert labels_of(read_table(path, photos=tmp_path)) == {"caf\ufffd.jpg": ["boat"], "b.jpg": []}


@pytest.mark.skipif(sys.platform != "linux", reason="other systems keep names as text")
def test_two_names_that_are_not_utf8_and_look_alike_are_a_problem(tmp_path: Path) -> None:
    for name in (b"caf\xe8.jpg", b"caf\xe9.jpg"):
        (tmp_path / os.fsdecode(name)).touch()
    path = write(tmp_path, coco(os.fsdecode(b"caf\xe9.jpg"), "b.jpg"), "b.jpg")
    with pytest.raises(TableError, match=r"may be 'caf.\.jpg', 'caf.\.jpg'; give them names in UTF-8"):
        read_table(path, photos=tmp_path)


@pytest.mark.parametrize("half", ["\\ud800", "\\ud800\\ud800", "\\ude00x"])
def test_halves_of_characters_in_json_are_told_as_a_name_that_no_photo_has(tmp_path: Path, half: str) -> None:
    path = write(tmp_path, coco("a.jpg", "b.jpg").replace("a.jpg", f"a{half}.jpg"), "a.jpg", "b.jpg")
    with pytest.raises(TableError, match="no photo 'a\ufffd"):
        read_table(path, photos=tmp_path, missing="error")


def test_json_that_is_not_utf8_is_an_error_with_the_line(tmp_path: Path) -> None:
    path = write(tmp_path, "", "a.jpg")
    path.write_bytes(
        coco("caf\xe9.jpg").replace(', "ann', ',\n"ann').replace("\\u00e9", "\xe9").encode("cp1252")
    )
    with pytest.raises(TableError) as caught:
        read_table(path, photos=tmp_path, format="coco")
    assert caught.value.problems == (
        "labels.json, line 1: is not UTF-8, as JSON has to be; save the file as UTF-8",
    )


def test_numbers_that_lost_their_leading_zeros_are_matched_and_told(tmp_path: Path) -> None:
    photos = ("000.jpg", "001.jpg", "02.jpg")
    path = write(tmp_path, "image,labels\n0,sea\n1,boat\n2,sea\n", *photos, name="labels.csv")
    table = read_table(path, photos=tmp_path)
    assert labels_of(table) == {"000.jpg": ["sea"], "001.jpg": ["boat"], "02.jpg": ["sea"]}
    told = "3 names matched by their number, as spreadsheets drop leading zeros: '0' as '000.jpg', '1' as"
    assert any(note.startswith(told) for note in table.notes)


def test_numbers_that_count_the_lines_match_no_photo(tmp_path: Path) -> None:
    photos = ("001.jpg", "002.jpg", "003.jpg")
    path = write(tmp_path, "image,labels\n0,sea\n1,boat\n2,sea\n", *photos, name="labels.csv")
    with pytest.raises(TableError, match="none of the photos named here"):
        read_table(path, photos=tmp_path)


def test_a_number_that_two_photos_may_be_is_a_problem(tmp_path: Path) -> None:
    path = write(tmp_path, "image,labels\n7,sea\n8,boat\n", "007.jpg", "07.jpg", "08.jpg", name="labels.csv")
    with pytest.raises(TableError, match=r"'7' may be '007\.jpg', '07\.jpg'"):
        read_table(path, photos=tmp_path)
