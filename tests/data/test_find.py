"""Finding the photos of a folder, those without a usual ending among them."""

from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from manylabel.data import find
from manylabel.data.find import (
    PHOTO_EXTENSIONS,
    describe_misnamed,
    find_files,
    find_misnamed,
    find_photos,
)
from manylabel.data.formats import read_table
from manylabel.data.photos import open_photo
from manylabel.errors import InputError


def put(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def found(folder: Path) -> list[str]:
    return [photo.relative_to(folder).as_posix() for photo in find_photos(folder)]


@pytest.mark.parametrize("extension", sorted(PHOTO_EXTENSIONS))
def test_every_photo_ending_is_found_in_any_case(tmp_path: Path, extension: str) -> None:
    put(tmp_path, f"a{extension}", f"b{extension.upper()}")
    assert found(tmp_path) == [f"a{extension}", f"b{extension.upper()}"]


def test_photos_of_subfolders_are_found_in_sorted_order(tmp_path: Path) -> None:
    put(tmp_path, "b/c/z.jpg", "b/a.jpg", "a.jpg", "c.jpg")
    assert found(tmp_path) == ["a.jpg", "b/a.jpg", "b/c/z.jpg", "c.jpg"]


def test_hidden_files_hidden_folders_and_other_files_are_skipped(tmp_path: Path) -> None:
    put(tmp_path, "a.jpg", ".b.jpg", ".thumbnails/c.jpg", "notes.txt", "jpg", "._a.jpg")
    assert found(tmp_path) == ["a.jpg"]


def test_a_folder_that_is_named_like_a_photo_is_searched(tmp_path: Path) -> None:
    put(tmp_path, "album.jpg/a.jpg")
    assert found(tmp_path) == ["album.jpg/a.jpg"]


def test_a_loop_of_links_ends(tmp_path: Path) -> None:
    put(tmp_path, "a/b/c.jpg")
    (tmp_path / "a" / "b" / "up").symlink_to(tmp_path, target_is_directory=True)
    assert found(tmp_path) == ["a/b/c.jpg"]


def test_a_linked_folder_is_listed_once_and_under_its_own_name(tmp_path: Path) -> None:
    put(tmp_path, "photos/z/real/c.jpg", "elsewhere/d.jpg")
    (tmp_path / "photos" / "a").symlink_to(tmp_path / "photos" / "z" / "real")
    (tmp_path / "photos" / "b").symlink_to(tmp_path / "elsewhere")
    assert found(tmp_path / "photos") == ["b/d.jpg", "z/real/c.jpg"]


def test_linked_photos_are_found_and_broken_links_are_told_apart(tmp_path: Path) -> None:
    put(tmp_path, "elsewhere/a.jpg")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "b.jpg").symlink_to(tmp_path / "elsewhere" / "a.jpg")
    (tmp_path / "photos" / "c.jpg").symlink_to(tmp_path / "nowhere.jpg")
    assert found(tmp_path / "photos") == ["b.jpg"]
    listed = find_files(tmp_path / "photos")
    assert [path.name for path in listed.broken_links] == ["c.jpg"]
    assert [path.name for path in listed.photos_and_broken_links] == ["b.jpg", "c.jpg"]


def test_an_empty_folder_holds_no_photos(tmp_path: Path) -> None:
    assert find_photos(tmp_path) == ()


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere: no such folder"):
        find_photos(tmp_path / "nowhere")


def test_a_file_in_place_of_the_folder_is_named(tmp_path: Path) -> None:
    put(tmp_path, "a.jpg")
    with pytest.raises(InputError, match=r"a\.jpg: is a file, expected a folder of photos"):
        find_photos(tmp_path / "a.jpg")


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
    monkeypatch.setattr(find, "MOST_OPENED", 2)
    found = find_misnamed(find_files(tmp_path))
    assert (len(found.paths), found.has_more) == (2, True)
    assert found.describe(tmp_path).startswith("at least 2 files in ")


def test_a_table_is_read_with_a_note_on_photos_without_an_ending(tmp_path: Path) -> None:
    for name in ("a.png", "b.png", "noending", "c.jpgx"):
        (tmp_path / name).write_bytes(encode("PNG"))
    (tmp_path / "labels.csv").write_text("image,labels\na.png,sky\nb.png,\n")
    table = read_table(tmp_path / "labels.csv", photos=tmp_path)
    assert table.notes == (
        f"2 files in {tmp_path} left out that look like photos but have no known photo extension: 'c.jpgx', "
        "'noending'; rename them, e.g. to .jpg, and convert camera raw files",
    )


def test_a_folder_of_photos_without_endings_is_no_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "noending").write_bytes(encode("PNG"))
    with pytest.raises(
        InputError, match=r"1 file in .* left out that look like photos but have no known photo extension"
    ):
        read_table(None, photos=tmp_path)


def test_names_without_endings_do_not_control_the_terminal(tmp_path: Path) -> None:
    (tmp_path / "a\x1b[2J\nb").write_bytes(encode("PNG"))
    [note] = describe_misnamed([(tmp_path, find_files(tmp_path))])
    assert r"'a\x1b[2J\nb'" in note
