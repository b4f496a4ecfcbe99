"""Photos are listed in one order, lazily, from folders and from lists of all kinds."""

import csv
import os
import shutil
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from pyarrow import parquet

from manylabel.data.find import find_files, find_photos
from manylabel.data.photo_list import PhotoFolder, open_photo_list
from manylabel.data.remote import NoPhoto, RemotePhoto
from manylabel.errors import InputError, PhotoError

NAMES = ["b.jpg", "a/2.JPG", "a/1.png", "a.png", "a/deeper/3.jpg", ".hidden/4.jpg", "notes.txt", "Z.jpg"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with photos in subfolders, and with other files."""
    for name in NAMES:
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path / "photos"


def test_a_folder_is_listed_as_a_search_finds_it(folder: Path) -> None:
    names = list(open_photo_list(folder).names())
    assert names == ["Z.jpg", "a/1.png", "a/2.JPG", "a/deeper/3.jpg", "a.png", "b.jpg"]
    assert [folder / name for name in names] == list(find_photos(folder))


def test_links_inside_a_folder_are_skipped_and_others_followed_once(folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "5.jpg").touch()
    (outside / "back").symlink_to(folder)
    for name, target in {"c": outside, "d": outside, "e": folder / "a", "loop": folder / "loop"}.items():
        (folder / name).symlink_to(target)
    (folder / "gone.jpg").symlink_to(folder / "nothing.jpg")
    names = list(PhotoFolder(folder).names())
    assert "c/5.jpg" in names
    assert not [name for name in names if name.startswith(("d/", "e/", "loop"))]
    assert "gone.jpg" in names  # its photo is missing, and a row has to say so
    listed = find_files(folder).photos_and_broken_links
    assert names == [path.relative_to(folder).as_posix() for path in listed]
    assert len(names) == 8


def test_the_first_photo_comes_before_later_folders_are_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scandir, read = os.scandir, list[str]()

    def note(path: Path) -> Any:
        read.append(path.name)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", note)
    names = PhotoFolder(folder).names()
    assert next(names) == "Z.jpg"
    assert read == ["photos"]
    list(names)
    assert read == ["photos", "a", "deeper"]


LISTS = {
    "lines.txt": "Z.jpg\n\na/1.png\r\n",
    "bom.txt": "\ufeffZ.jpg\na/1.png",
    "named.csv": "label,Image\nsea,Z.jpg\n\nlake,a/1.png\n",
    "only.csv": "picture\nZ.jpg\na/1.png\n",
    "bare.csv": "Z.jpg\na/1.png\n",
    "bare_second.csv": "1,Z.jpg\n2,a/1.png\n",
    "semicolons.csv": "nummer;photo\n1;Z.jpg\n2;a/1.png\n",
    "tabs.tsv": "photo\tlabel\nZ.jpg\tsea\na/1.png\tlake\n",
}


@pytest.mark.parametrize("name", LISTS)
def test_a_list_is_read_whatever_it_is(folder: Path, name: str) -> None:
    (folder / name).write_bytes(LISTS[name].encode())
    photos = open_photo_list(folder / name)
    assert list(photos.names()) == ["Z.jpg", "a/1.png"]
    assert photos.find("a/1.png") == folder / "a/1.png"


def test_a_parquet_list_is_read(folder: Path) -> None:
    table = pyarrow.table({"n": [1, 2, 3], "path": ["Z.jpg", None, "a/1.png"]})
    parquet.write_table(table, folder / "list.parquet")
    assert list(open_photo_list(folder / "list.parquet").names()) == ["Z.jpg", "", "a/1.png"]


def test_a_column_may_be_chosen(folder: Path) -> None:
    (folder / "list.csv").write_text("image,second\nb.jpg,Z.jpg\n", encoding="utf-8")
    assert list(open_photo_list(folder / "list.csv", column="second").names()) == ["Z.jpg"]


def test_an_apostrophe_that_keeps_spreadsheets_from_computing_is_no_part_of_a_name(folder: Path) -> None:
    (folder / "=1.jpg").touch()
    with (folder / "list.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["image"], ["'=1.jpg"]])
    assert list(open_photo_list(folder / "list.csv").names()) == ["=1.jpg"]


def test_addresses_and_paths_may_be_mixed(folder: Path) -> None:
    (folder / "list.txt").write_text(f"memory://a.jpg\nb.jpg\n{folder}/Z.jpg\n", encoding="utf-8")
    photos = open_photo_list(folder / "list.txt")
    assert [photos.find(name) for name in photos.names()] == [
        RemotePhoto("memory://a.jpg"), folder / "b.jpg", folder / "Z.jpg",
    ]  # fmt: skip


BAD = {
    "empty.txt": ("\n \n", "contains no photos"),
    "unnamed.csv": (
        "number,label\n1,sea\n",
        "cannot tell which column has the photos; set --photo-column. Columns: number, label",
    ),
    "short.csv": ("label,image\nsea,Z.jpg\nlake\n", "line 3: 1 cells, expected 2 or more"),
    "latin.csv": ("Z.jpg\ncaf\udce9.jpg\n", "is not UTF-8 text"),
    "long.csv": ("image\n" + "x" * 200_000, "none of the first 1 paths exist, e.g. .*x"),
    "broken.parquet": ("no", "is not a Parquet file"),
    "moved.txt": (
        "other/a.jpg\n",
        "none of the first 1 paths exist, e.g. .*a.jpg; relative paths start from",
    ),
    "list.docx": ("Z.jpg", r"expected a folder of photos, or a list .* \.txt, \.csv, \.tsv, \.parquet"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_with_a_list_is_told(folder: Path, name: str) -> None:
    content, problem = BAD[name]
    (folder / name).write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(InputError, match=f"{name}.*{problem}"):
        list(open_photo_list(folder / name).names())


def test_a_missing_column_is_told_with_the_closest_one(folder: Path) -> None:
    (folder / "list.csv").write_text("image,label\nZ.jpg,sea\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"has no column 'imgae'; did you mean 'image'\?"):
        open_photo_list(folder / "list.csv", column="imgae")
    with pytest.raises(InputError, match="has no column 'x'; columns: image, label"):
        open_photo_list(folder / "list.csv", column="x")


def test_every_row_of_a_list_is_a_photo_with_or_without_a_name(folder: Path) -> None:
    (folder / "list.csv").write_text("id,image\n1,Z.jpg\n2,\n\n3, \n4,b.jpg\n", encoding="utf-8")
    parquet.write_table(pyarrow.table({"image": ["Z.jpg", None, " ", "b.jpg"]}), folder / "list.parquet")
    for name in ("list.csv", "list.parquet"):
        photos = open_photo_list(folder / name)
        assert [one.strip() for one in photos.names()] == ["Z.jpg", "", "", "b.jpg"]
        assert photos.find("") == NoPhoto()
    with pytest.raises(PhotoError, match="the path is empty"):
        NoPhoto().read()


def test_an_empty_cell_does_not_hide_that_all_paths_are_wrong(folder: Path) -> None:
    (folder / "list.csv").write_text("id,image\n1,other/a.jpg\n2,\n", encoding="utf-8")
    with pytest.raises(InputError, match="none of the first 1 paths exist"):
        open_photo_list(folder / "list.csv")


def test_a_folder_is_the_same_by_any_path(folder: Path) -> None:
    again = folder / ".." / folder.name
    assert open_photo_list(again).describe() == open_photo_list(folder).describe()


def test_an_address_that_is_not_supported_is_told_with_its_place(folder: Path) -> None:
    (folder / "list.txt").write_text("Z.jpg\nnowhere://b.jpg\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"list.txt: photo 2, nowhere://b.jpg: nowhere:// URLs are not"):
        open_photo_list(folder / "list.txt")


def test_a_list_whose_first_photo_is_gone_is_read(folder: Path) -> None:
    (folder / "list.txt").write_text("gone.jpg\nb.jpg\n", encoding="utf-8")
    assert list(open_photo_list(folder / "list.txt").names()) == ["gone.jpg", "b.jpg"]


@pytest.mark.skipif(os.name == "nt", reason="names of files are text there")
def test_names_that_are_not_utf_8_are_read_from_a_text_file(folder: Path) -> None:
    Path(os.fsdecode(bytes(folder) + b"/caf\xe9.jpg")).touch()
    (folder / "list.txt").write_bytes(b"caf\xe9.jpg\n")
    photos = open_photo_list(folder / "list.txt")
    (name,) = photos.names()
    assert photos.find(name) in find_photos(folder)
    assert name in PhotoFolder(folder).names()


def test_blanks_are_part_of_a_name(folder: Path) -> None:
    (folder / " b .jpg").touch()
    (folder / "list.csv").write_text("image\n b .jpg\n", encoding="utf-8")
    assert list(open_photo_list(folder / "list.csv").names()) == [" b .jpg"]


def test_a_parquet_column_that_is_no_text_is_told(folder: Path) -> None:
    parquet.write_table(pyarrow.table({"image": [{"bytes": b"x"}]}), folder / "list.parquet")
    with pytest.raises(InputError, match=r"column 'image' contains struct<bytes: binary>, expected text"):
        open_photo_list(folder / "list.parquet")


def test_a_link_into_a_hidden_folder_is_followed(folder: Path) -> None:
    (folder / "linked").symlink_to(folder / ".hidden")
    assert "linked/4.jpg" in PhotoFolder(folder).names()
    assert folder / "linked/4.jpg" in find_photos(folder)


def test_a_folder_that_vanishes_while_it_is_listed_is_told(folder: Path) -> None:
    names = PhotoFolder(folder).names()
    assert next(names) == "Z.jpg"
    shutil.rmtree(folder / "a")

    with pytest.raises(InputError, match=r"photos/a: cannot be listed: No such file or directory"):
        list(names)


def test_a_missing_list_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file or folder"):
        open_photo_list(tmp_path / "nothing.csv")


def test_a_list_is_known_again_by_its_content(folder: Path) -> None:
    (folder / "list.txt").write_text("Z.jpg\n", encoding="utf-8")
    before = open_photo_list(folder / "list.txt").describe()
    (folder / "list.txt").write_text("b.jpg\n", encoding="utf-8")
    assert (before["kind"], before["n_photos"]) == ("list", 1)
    assert before != open_photo_list(folder / "list.txt").describe()
