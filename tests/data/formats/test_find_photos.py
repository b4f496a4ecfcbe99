"""Finding the photos of a folder."""

from pathlib import Path

import pytest

from manylabel.data.formats import PHOTO_EXTENSIONS, find_photos
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


def test_linked_photos_are_found_and_broken_links_are_not(tmp_path: Path) -> None:
    put(tmp_path, "elsewhere/a.jpg")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "b.jpg").symlink_to(tmp_path / "elsewhere" / "a.jpg")
    (tmp_path / "photos" / "c.jpg").symlink_to(tmp_path / "nowhere.jpg")
    assert found(tmp_path / "photos") == ["b.jpg"]


def test_an_empty_folder_holds_no_photos(tmp_path: Path) -> None:
    assert find_photos(tmp_path) == ()


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere: no such folder"):
        find_photos(tmp_path / "nowhere")


def test_a_file_in_place_of_the_folder_is_named(tmp_path: Path) -> None:
    put(tmp_path, "a.jpg")
    with pytest.raises(InputError, match=r"a\.jpg: is a file, expected a folder of photos"):
        find_photos(tmp_path / "a.jpg")
