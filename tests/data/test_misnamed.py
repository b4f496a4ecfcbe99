"""Finding photos whose names do not end like those of photos."""

from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from manylabel.data import misnamed
from manylabel.data.find import find_files, find_photos
from manylabel.data.formats import read_table
from manylabel.data.misnamed import describe_misnamed, find_misnamed
from manylabel.data.photos import open_photo
from manylabel.errors import InputError


def encode(kind: str) -> bytes:
    file = BytesIO()
    Image.new("RGB", (8, 8), "red").save(file, kind)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "TIFF", "WEBP", "AVIF", "JPEG2000"])
def test_a_photo_without_an_ending_is_known_by_its_first_bytes(tmp_path: Path, kind: str) -> None:
    (tmp_path / "photo").write_bytes(encode(kind))
    assert find_misnamed(find_files(tmp_path)).paths == (tmp_path / "photo",)


@pytest.mark.parametrize("name", ["notes.txt", "labels.csv", "noending", "a.mp4"])
def test_what_is_no_photo_is_not_told(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("no photo")
    assert describe_misnamed([(tmp_path, find_files(tmp_path))]) == []


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.JPE", "JPEG"),
        ("a.mpo", "MPO"),
        ("a.jp2", "JPEG2000"),
        ("a.jpx", "JPEG2000"),
        ("a.J2K", "JPEG2000"),
        ("a.pgm", "PPM"),
        ("a.pbm", "PPM"),
        ("a.pnm", "PPM"),
    ],
)
def test_every_usual_ending_is_found_and_read(tmp_path: Path, name: str, kind: str) -> None:
    (tmp_path / name).write_bytes(encode(kind))
    [found] = find_photos(tmp_path)
    assert open_photo(found).size == (8, 8)


def test_few_files_are_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in "abcd":
        (tmp_path / name).write_bytes(encode("PNG"))
    monkeypatch.setattr(misnamed, "MOST_OPENED", 2)
    found = find_misnamed(find_files(tmp_path))
    assert (len(found.paths), found.has_more) == (2, True)
    assert found.describe(tmp_path).startswith("at least 2 files in ")


def test_a_table_is_read_with_a_note_on_photos_without_an_ending(tmp_path: Path) -> None:
    for name in ("a.png", "b.png", "noending", "c.jpgx"):
        (tmp_path / name).write_bytes(encode("PNG"))
    (tmp_path / "labels.csv").write_text("image,labels\na.png,sky\nb.png,\n")
    table = read_table(tmp_path / "labels.csv", photos=tmp_path)
    assert table.notes == (
        f"2 files in {tmp_path} left out that look like photos but have no usual ending: 'c.jpgx', "
        "'noending'; rename them, e.g. to .jpg, and convert raw files of cameras",
    )


def test_a_folder_of_photos_without_endings_is_no_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "noending").write_bytes(encode("PNG"))
    with pytest.raises(
        InputError, match=r"1 file in .* left out that look like photos but have no usual ending"
    ):
        read_table(None, photos=tmp_path)


def test_names_without_endings_do_not_control_the_terminal(tmp_path: Path) -> None:
    (tmp_path / "a\x1b[2J\nb").write_bytes(encode("PNG"))
    [note] = describe_misnamed([(tmp_path, find_files(tmp_path))])
    assert r"'a\x1b[2J\nb'" in note
