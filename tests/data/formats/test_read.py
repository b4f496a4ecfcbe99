"""Reading a table of labels: what all formats have in common."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from openpyxl import Workbook
from PIL import Image
from pillow_heif import register_heif_opener

from manylabel.config import MissingPhotos
from manylabel.data.formats import read_table
from manylabel.data.formats.registry import FORMATS
from manylabel.data.photos import open_photo
from manylabel.errors import ConfigError, InputError, TableError
from manylabel.types import LabelTable


def put(folder: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content, encoding="utf-8")
    return folder


def read(folder: Path, text: str, *photos: str, missing: MissingPhotos | None = None) -> LabelTable:
    put(folder, {**dict.fromkeys(photos or ("a.jpg", "b.jpg"), ""), "labels.csv": text})
    return read_table(folder / "labels.csv", photos=folder, missing=missing)


def problems(folder: Path, text: str, *photos: str, missing: MissingPhotos | None = None) -> tuple[str, ...]:
    with pytest.raises(TableError) as caught:
        read(folder, text, *photos, missing=missing)
    return caught.value.problems


def test_the_same_labels_in_different_formats_give_the_same_targets(tmp_path: Path) -> None:
    photos = put(tmp_path / "photos", {f"{name}.jpg": name for name in "abc"})
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    for row in (["image", "beach", "boat"], ["a.jpg", 1, 1], ["b.jpg", 0, 1], ["c.jpg", 0, 0]):
        sheet.append(row)
    book.save(tmp_path / "one_hot.xlsx")
    put(
        tmp_path,
        {
            "one_hot.csv": "image,beach,boat\na.jpg,1,1\nb.jpg,0,1\nc.jpg,0,0\n",
            "delimited.csv": "image,labels\na.jpg,boat;beach\nb.jpg,boat\nc.jpg,\n",
            "_classes.csv": "filename, beach, boat\na.jpg, 1, 1\nb.jpg, 0, 1\nc.jpg, 0, 0\n",
            "create_ml.json": json.dumps(
                [
                    {"image": "a.jpg", "annotations": ["boat", "beach"]},
                    {"image": "b.jpg", "annotations": ["boat"]},
                    {"image": "c.jpg", "annotations": []},
                ]
            ),
        },
    )
    names = ("one_hot.xlsx", "one_hot.csv", "delimited.csv", "_classes.csv", "create_ml.json")
    tables = [read_table(tmp_path / name, photos=photos) for name in names]
    for table in tables:
        assert table.labels == ("beach", "boat")
        assert table.photos == tuple(photos / f"{name}.jpg" for name in "abc")
        assert table.targets.tolist() == [[1, 1], [0, 1], [0, 0]]
    assert len({table.source for table in tables}) == len(names)


def test_photos_keep_the_order_of_the_table_and_the_names_below_the_photo_folder(tmp_path: Path) -> None:
    photos = put(tmp_path / "photos", {"z/a.jpg": "", "b.jpg": ""})
    put(tmp_path, {"labels.csv": "image,labels\nphotos\\z\\a.jpg,x\nphotos/b.jpg,\n"})
    table = read_table(tmp_path / "labels.csv", photos=photos)
    assert table.names == ("z/a.jpg", "b.jpg")
    assert table.notes == ()


def test_a_relative_photo_folder_is_fine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, {"boat/a.jpg": "1", "beach/b.jpg": "2"})
    monkeypatch.chdir(tmp_path)
    table = read_table(None, photos=Path())
    assert table.names == ("beach/b.jpg", "boat/a.jpg")
    assert table.source == f"{tmp_path.name}/, read as a folder per label (2 labels)"


def test_photos_that_the_table_does_not_name_are_a_note(tmp_path: Path) -> None:
    table = read(tmp_path, "image,labels\na.jpg,x\nb.jpg,\n", *(f"{name}.jpg" for name in "abcdefghi"))
    assert table.names == ("a.jpg", "b.jpg")
    assert table.notes == (
        f"7 of 9 photos in {tmp_path} have no labels and are left out: "
        "'c.jpg', 'd.jpg', 'e.jpg', 'f.jpg', 'g.jpg' and 2 more",
    )


def test_names_that_match_loosely_are_a_note(tmp_path: Path) -> None:
    table = read(tmp_path, "image,labels\nold/A.JPG,x\nb,\n")
    assert table.notes == (
        "2 names matched ignoring folder, extension or case: 'old/A.JPG' as 'a.jpg', 'b' as 'b.jpg'",
    )


def test_missing_photos_are_told_with_line_and_suggestion(tmp_path: Path) -> None:
    text = "image,labels\na.jpg,x\nbaech.jpg,x\nnumber7.jpg,\n"
    assert problems(tmp_path, text, "a.jpg", "beach.jpg", "number8.jpg") == (
        f"labels.csv, line 3: no photo 'baech.jpg' in {tmp_path}; did you mean 'beach.jpg'?",
        f"labels.csv, line 4: no photo 'number7.jpg' in {tmp_path}",
    )


def test_files_that_are_there_but_cannot_be_used_are_explained(tmp_path: Path) -> None:
    photos = put(tmp_path / "photos", {"a.jpg": "", "notes.txt": ""})
    put(tmp_path, {"outside.jpg": "", "labels.csv": "image,labels\na.jpg,x\nnotes.txt,\noutside.jpg,\n"})
    with pytest.raises(TableError) as caught:
        read_table(tmp_path / "labels.csv", photos=photos)
    assert caught.value.problems == (
        f"labels.csv, line 3: no photo 'notes.txt' in {photos}: the file is there, "
        "but its extension is not that of a photo",
        f"labels.csv, line 4: no photo 'outside.jpg' in {photos}: there is {tmp_path / 'outside.jpg'}, "
        "outside of that folder",
    )


def test_a_name_that_is_too_long_for_a_file_is_missing(tmp_path: Path) -> None:
    text = f"image,labels\na.jpg,y\n{'x' * 5000},y\n"
    assert "no photo 'xxx" in problems(tmp_path, text, missing="error")[0]


ONE_OF_THREE_IS_THERE = "image,labels\na.jpg,x\nlost.jpg,y\ngone.jpg,y\n"
TWO_OF_THREE_ARE_THERE = "image,labels\na.jpg,x\nb.jpg,\nlost.jpg,y\n"


def test_lines_whose_photo_is_missing_are_left_out_with_a_note_where_most_are_there(tmp_path: Path) -> None:
    table = read(tmp_path, TWO_OF_THREE_ARE_THERE.replace(",y", ",x"))
    assert table.names == ("a.jpg", "b.jpg")
    [note] = table.notes
    assert note.startswith(
        "1 of 3 photos in the table not found and left out: 'lost.jpg'; labels.csv, line 4: no"
    )


@pytest.mark.parametrize(
    ("text", "missing"), [(TWO_OF_THREE_ARE_THERE, "error"), (ONE_OF_THREE_IS_THERE, None)]
)
def test_lines_whose_photo_is_missing_are_a_problem_where_few_are_there_or_the_user_says_so(
    tmp_path: Path, text: str, missing: MissingPhotos | None
) -> None:
    assert "no photo 'lost.jpg'" in problems(tmp_path, text, missing=missing)[0]


def test_lines_whose_photo_is_missing_are_left_out_where_the_user_says_so(tmp_path: Path) -> None:
    table = read(tmp_path, ONE_OF_THREE_IS_THERE.replace(",y", ",x"), missing="skip")
    assert table.names == ("a.jpg",)


def test_the_wrong_photo_folder_is_one_problem(tmp_path: Path) -> None:
    assert problems(tmp_path, "image,labels\nx.jpg,u\ny.jpg,v\nz.jpg,\n") == (
        f"labels.csv, line 2: none of the photos named here is in {tmp_path} ('x.jpg', 'y.jpg' and 1 more); "
        "it holds 'a.jpg', 'b.jpg'; is this the right folder, and the right column of photo names?",
    )


def test_ambiguous_names_are_told_with_the_candidates(tmp_path: Path) -> None:
    assert problems(tmp_path, "image,labels\na.jpg,x\nb.jpg,\n", "u/a.jpg", "v/a.jpg", "b.jpg") == (
        "labels.csv, line 2: 'a.jpg' may be 'u/a.jpg', 'v/a.jpg'; write its folder too",
    )


def test_rows_that_agree_about_a_photo_are_merged_with_a_note(tmp_path: Path) -> None:
    table = read(tmp_path, "image,x,y,split\na.jpg,1,,\nb.jpg,0,1,test\n./a.jpg,1,0,train\n")
    assert table.names == ("a.jpg", "b.jpg")
    assert table.targets.tolist() == [[1, 0], [0, 1]]
    assert table.parts == ("train", "test")
    assert table.notes == ("1 row repeated an earlier row: './a.jpg'",)


def test_rows_that_disagree_about_a_photo_are_a_problem_with_both_lines(tmp_path: Path) -> None:
    text = "image,x,y,split\na.jpg,1,0,train\nb.jpg,0,1,test\na.jpg,0,0,test\nb.jpg,,1,test\n"
    assert problems(tmp_path, text) == (
        "labels.csv, line 4: photo 'a.jpg' is also in labels.csv, line 2, and they disagree on "
        "'x', 'split: train, test'; keep one of them",
    )


def test_two_spellings_of_one_photo_are_the_same_photo(tmp_path: Path) -> None:
    [problem] = problems(tmp_path, "image,labels\na.jpg,x\nb.jpg,\nA,y\n")
    assert "line 4: photo 'A' is also in labels.csv, line 2, and they disagree on 'x', 'y'" in problem


def test_problems_of_every_kind_are_told_at_once(tmp_path: Path) -> None:
    text = "image,x,moon,split\na.jpg,2,0,train\nb.jpg,1,0,tset\nc.jpg,1,0,\nb.jpg,0,0,\n"
    told = "\n".join(problems(tmp_path, text, missing="error"))
    for part in (
        "line 2, column 'x': '2' is none of",
        "line 3: unknown part of the split 'tset'; expected train, val or test; did you mean 'test'?",
        "line 4: no photo 'c.jpg'",
        "line 5: photo 'b.jpg' is also in labels.csv, line 3, and they disagree on 'x'",
        "line 1: no photo carries label 'moon'",
    ):
        assert part in told


def test_many_problems_of_one_kind_are_counted_and_hide_no_other(tmp_path: Path) -> None:
    lines = [f"photo{number}.jpg,1,0" for number in range(500)]
    told = problems(tmp_path, "\n".join(["image,x,moon", "a.jpg,1,0", "b.jpg,5,0", *lines]))
    assert len(told) <= 22
    assert "and 494 more problems like these" in told
    assert any("'5' is none of" in problem for problem in told)
    assert any("label 'moon'" in problem for problem in told)


def test_a_table_that_judges_may_hold_labels_that_no_photo_carries(tmp_path: Path) -> None:
    put(tmp_path, {"a.jpg": "", "labels.csv": "image,x,moon\na.jpg,1,0\n"})
    table = read_table(tmp_path / "labels.csv", photos=tmp_path, purpose="evaluation")
    assert table.labels == ("x", "moon")
    assert "labels.csv, line 1: no photo carries 'moon'" in table.notes


def test_an_unknown_format_names_the_one_that_may_be_meant(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"format: unknown format 'coc'; known: auto, one.*; did you mean 'coco'"
    ):
        read_table(None, photos=tmp_path, format="coc")


def test_a_delimiter_that_nothing_would_use_is_an_error(tmp_path: Path) -> None:
    put(tmp_path, {"boat/a.jpg": "1", "beach/b.jpg": "2"})
    with pytest.raises(
        ConfigError, match=r"delimiter: ';' was given, but .* is read as folders, which has none"
    ):
        read_table(None, photos=tmp_path, delimiter=";")


def test_an_empty_delimiter_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="delimiter: an empty text separates nothing"):
        read_table(None, photos=tmp_path, delimiter="")


def test_a_folder_without_photos_is_an_error(tmp_path: Path) -> None:
    put(tmp_path, {"labels.csv": "image,labels\na.jpg,x\n"})
    with pytest.raises(InputError, match="no photos in this folder or below it"):
        read_table(tmp_path / "labels.csv", photos=tmp_path)


def test_a_missing_table_is_an_error(tmp_path: Path) -> None:
    put(tmp_path, {"a.jpg": ""})
    with pytest.raises(TableError, match=r"none\.csv: no such file or folder"):
        read_table(tmp_path / "none.csv", photos=tmp_path, format="one-hot")


@pytest.mark.parametrize("name", sorted(FORMATS))
@pytest.mark.parametrize("content", [b"", b"\x00\xff\xd8", b"{}", b"[[[", b"<a>", b"image,x\n\xff,\x81"])
def test_no_reader_fails_in_another_way_than_by_a_named_error(
    tmp_path: Path, name: str, content: bytes
) -> None:
    put(tmp_path / "photos", {"a.jpg": ""})
    (tmp_path / "labels.any").write_bytes(content)
    with pytest.raises(TableError, match="labels"):
        read_table(tmp_path / "labels.any", photos=tmp_path / "photos", format=name)


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_no_reader_takes_a_folder_of_photos_for_labels(tmp_path: Path, name: str) -> None:
    folder = put(tmp_path / "photos", {"a.jpg": "", "b.jpg": ""})
    with pytest.raises(TableError, match="photos"):
        read_table(None, photos=folder, format=name)


def test_a_linked_photo_folder_is_the_same_folder(tmp_path: Path) -> None:
    real = put(tmp_path / "real", {"u/a.jpg": "", "v/a.jpg": ""})
    (tmp_path / "link").symlink_to(real)
    put(tmp_path, {"labels.csv": f"image,labels\nlink/u/a.jpg,x\n{real}/v/a.jpg,\n"})
    for photos in (real, tmp_path / "link"):
        assert read_table(tmp_path / "labels.csv", photos=photos).names == ("u/a.jpg", "v/a.jpg")
    shutil.rmtree(real)


NAMES = ("train/a.jpg", "train/b.jpg", "test/c.jpg")
PARTS = ("train", "train", "test")


def put_photos(folder: Path, names: tuple[str, ...]) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def write_csv(path: Path, names: tuple[str, ...]) -> Path:
    path.write_text(
        "image,labels\n" + "".join(f"{name},{'sky' if name[-5] == 'a' else 'sea'}\n" for name in names)
    )
    return path


def read_csv(folder: Path, names: tuple[str, ...]) -> LabelTable:
    return read_table(write_csv(folder.parent / "labels.csv", names), photos=put_photos(folder, names))


def write_coco(path: Path, names: tuple[str, ...]) -> Path:
    images = [{"id": number, "file_name": name} for number, name in enumerate(names)]
    boxes = [
        {"id": number, "image_id": number, "category_id": number % 2, "bbox": [0, 0, 1, 1]}
        for number in range(3)
    ]
    categories = [{"id": 0, "name": "sky"}, {"id": 1, "name": "sea"}]
    path.write_text(json.dumps({"images": images, "annotations": boxes, "categories": categories}))
    return path


def write_metadata(path: Path, names: tuple[str, ...]) -> Path:
    lines = [
        json.dumps({"file_name": name, "labels": ["sky" if name[-5] == "a" else "sea"]}) for name in names
    ]
    path.write_text("\n".join(lines))
    return path


@pytest.mark.parametrize(
    ("name", "write"),
    [("labels.csv", write_csv), ("labels.json", write_coco), ("metadata.jsonl", write_metadata)],
)
def test_every_format_takes_the_split_of_the_folders(tmp_path: Path, name: str, write: object) -> None:
    assert callable(write)
    put_photos(tmp_path, NAMES)
    table = read_table(write(tmp_path / name, NAMES), photos=tmp_path)
    assert table.parts == PARTS
    assert any("it is taken from the folders of the photos (2 train, 1 test)" in note for note in table.notes)


@pytest.mark.parametrize(
    "names",
    [
        ("images/train/a.jpg", "images/train/b.jpg", "images/test/c.jpg"),
        ("train2017/a.jpg", "train2017/b.jpg", "test2017/c.jpg"),
        ("train_images/x/a.jpg", "train_images/y/b.jpg", "test_images/x/c.jpg"),
    ],
    ids=lambda names: names[0],
)
def test_the_split_is_found_at_any_level_and_by_usual_names(tmp_path: Path, names: tuple[str, ...]) -> None:
    assert read_csv(tmp_path / "photos", names).parts == PARTS


def test_parts_that_the_table_gives_go_first(tmp_path: Path) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text("image,labels,split\ntrain/a.jpg,sky,test\ntrain/b.jpg,sea,train\ntest/c.jpg,sea,val\n")
    table = read_table(labels, photos=put_photos(tmp_path / "photos", NAMES))
    assert table.parts == ("test", "train", "val")


@pytest.mark.parametrize(
    "names", [("train/a.jpg", "train/b.jpg", "train/c.jpg"), ("x/a.jpg", "y/b.jpg", "c.jpg")]
)
def test_folders_without_two_parts_are_no_split(tmp_path: Path, names: tuple[str, ...]) -> None:
    table = read_csv(tmp_path / "photos", names)
    assert (set(table.parts), table.notes) == ({None}, ())


def test_a_split_of_some_of_the_photos_is_told_and_not_taken(tmp_path: Path) -> None:
    table = read_csv(tmp_path / "photos", (*NAMES, "extra/d.jpg"))
    assert set(table.parts) == {None}
    assert table.notes == (
        "labels.csv: some photos lie in folders that name parts of a split ('test/', 'train/'), others do "
        "not ('extra/d.jpg'); so these folders are not used as the split",
    )


MARKED = {"IMG_0001.HEIC": "See Boot", "IMG_0002.jpg": "Berge", "IMG_0003.HEIC": "", "IMG_0004.jpg": "See"}
LABELS = ("See", "Berge", "Boot")


def put_museum(folder: Path) -> Path:
    """Write four photos, and the spreadsheet about them."""
    register_heif_opener()
    (folder / "photos").mkdir()
    for number, name in enumerate(MARKED):
        kind = "HEIF" if name.endswith("HEIC") else "JPEG"
        Image.new("RGB", (64, 48), (60 * number, 90, 120)).save(folder / "photos" / name, kind)
    book = Workbook()
    notes = book.active
    assert notes is not None
    notes.title = "Notizen"
    notes.append(["Angefangen im März"])
    sheet = book.create_sheet("Fotos")
    sheet.append(["Heimatmuseum, Postkarten"])
    sheet.append([])
    sheet.append(["Inventar", "Datei", "Aufnahme", *LABELS, "Bemerkung"])
    for number, (name, marks) in enumerate(MARKED.items(), start=1871):
        stem = name.partition(".")[0]
        cells = ["x" if label in marks.split() else None for label in LABELS]
        sheet.append([number, stem, f"{number}-05-01", *cells, "unscharf" if number == 1872 else None])
    book.save(folder / "table.xlsx")
    return folder / "table.xlsx"


def test_a_spreadsheet_of_a_museum_is_read_without_any_option(tmp_path: Path) -> None:
    table = read_table(put_museum(tmp_path), photos=tmp_path / "photos")
    assert table.names == tuple(MARKED)
    assert table.labels == LABELS
    np.testing.assert_array_equal(table.targets, [[1, 0, 1], [0, 1, 0], [0, 0, 0], [1, 0, 0]])
    assert open_photo(table.photos[0]).size == (64, 48)
    told = "\n".join(table.notes)
    for part in (
        "no cell marks a label as absent (marks found: 'x'), so 8 blank cells are read as absent",
        "of 2 sheets, 'Fotos' is read; --sheet NAME reads another",
        "row 3 names the columns; lines above are left out: 'Heimatmuseum, Postkarten'",
        "columns that hold no labels are left out: 'Inventar', 'Aufnahme', 'Bemerkung'",
    ):
        assert part in told
