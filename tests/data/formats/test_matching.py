"""Finding the photo that a name in a table means."""

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manylabel.data.formats.matching import PhotoIndex

ROOT = Path("/data/photos")


def find(name: str, photos: list[str], *, near: Path = Path("/elsewhere")) -> list[str]:
    return [photos[row] for row in PhotoIndex(photos, folder=ROOT).find(name, near=near).rows]


@pytest.mark.parametrize(
    "name",
    [
        "lake/a.jpg",
        "./lake//a.jpg",
        "lake\\a.jpg",
        "a.jpg",
        "a",
        "lake/a",
        "a.png",
        "LAKE/A.JPG",
        "A",
        "/data/photos/lake/a.jpg",
        "/home/other/lake/a.jpg",
        "C:\\Users\\other\\a.jpg",
        "C:/Users/other/lake/a.jpg",
        "../photos/lake/a.jpg",
    ],
)
def test_a_name_finds_the_only_photo_it_can_mean(name: str) -> None:
    assert find(name, ["lake/a.jpg", "sea/b.jpg", "c.png"]) == ["lake/a.jpg"]


@pytest.mark.parametrize("name", ["d.jpg", "lake", "lake/", "", ".", "..", "jpg", "a.jpg.zip", "/"])
def test_a_name_that_means_no_photo_finds_none(name: str) -> None:
    assert find(name, ["lake/a.jpg", "sea/b.jpg"]) == []


def test_the_path_below_the_photo_folder_wins() -> None:
    assert find("a.jpg", ["a.jpg", "sea/a.jpg"], near=ROOT / "sea") == ["a.jpg"]


def test_the_path_from_the_folder_of_the_table_comes_next() -> None:
    assert find("a.jpg", ["lake/a.jpg", "sea/a.jpg"], near=ROOT / "sea") == ["sea/a.jpg"]
    assert find("photos/sea/a.jpg", ["a.jpg", "sea/a.jpg"], near=ROOT.parent) == ["sea/a.jpg"]
    assert find("../lake/a.jpg", ["lake/a.jpg", "sea/a.jpg"], near=ROOT / "sea") == ["lake/a.jpg"]


def test_a_file_name_in_two_folders_finds_both() -> None:
    assert find("a.jpg", ["lake/a.jpg", "sea/a.jpg"]) == ["lake/a.jpg", "sea/a.jpg"]


def test_written_folders_decide_between_two_photos_of_the_same_name() -> None:
    assert find("/home/other/sea/a.jpg", ["lake/a.jpg", "sea/a.jpg"]) == ["sea/a.jpg"]


def test_a_name_without_ending_finds_every_photo_called_so() -> None:
    assert find("a", ["a.jpg", "a.png"]) == ["a.jpg", "a.png"]


def test_a_name_without_ending_prefers_the_written_folder() -> None:
    assert find("a", ["a.jpg", "sea/a.jpg"]) == ["a.jpg"]
    assert find("sea/a", ["a.jpg", "sea/a.jpg"]) == ["sea/a.jpg"]


def test_the_file_with_the_written_ending_wins() -> None:
    assert find("a.png", ["a.jpg", "a.png"]) == ["a.png"]


def test_only_the_ending_of_a_photo_is_cut() -> None:
    assert find("shot.1", ["shot.1.jpg", "shot.2.jpg"]) == ["shot.1.jpg"]


def test_the_written_case_wins() -> None:
    assert find("A.jpg", ["A.jpg", "a.jpg"]) == ["A.jpg"]
    assert find("ab.jpg", ["Ab.jpg", "aB.jpg"]) == ["Ab.jpg", "aB.jpg"]


def test_letters_with_marks_match_however_they_are_encoded() -> None:
    on_disk = unicodedata.normalize("NFD", "Hồ Gươm.jpg")
    assert find(unicodedata.normalize("NFC", "Hồ Gươm.jpg"), [on_disk]) == [on_disk]


def test_a_backslash_that_is_part_of_a_file_name_is_kept() -> None:
    assert find("a\\b.jpg", ["a\\b.jpg", "a/b.jpg"]) == ["a\\b.jpg"]


def test_a_name_without_ending_prefers_the_folder_of_the_table_over_others() -> None:
    assert find("a", ["lake/a.jpg", "sea/a.jpg"], near=ROOT / "sea") == ["sea/a.jpg"]


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("a.jpg", "name"),
        ("x/A.png", "name"),
        ("https://example.org/a.jpg?raw=1", "address"),
        ("s3://bucket/a.jpg", "address"),
        ("x/0a1b2c3d-a.jpg", "upload"),
        ("x\\0a1b2c3d-a.jpg", "upload"),
        ("0a1b2c3d-my_photo_1.jpg", "upload"),
        ("my_photo_1.jpg", "upload"),
        ("0a1b2c3d-my_photo_1", "upload"),
    ],
)
def test_a_match_tells_how_the_name_was_taken(name: str, rule: str) -> None:
    match = PhotoIndex(["lake/a.jpg", "my photo (1).jpg"], folder=ROOT).find(name, near=Path("/elsewhere"))
    assert (len(match.rows), match.rule) == (1, rule)


def test_a_photo_that_is_called_like_an_upload_or_an_address_comes_first() -> None:
    assert find("0a1b2c3d-a.jpg", ["a.jpg", "0a1b2c3d-a.jpg"]) == ["0a1b2c3d-a.jpg"]
    assert find("a%20b.jpg", ["a b.jpg", "a%20b.jpg"]) == ["a%20b.jpg"]
    assert find("x/a#1.jpg?2.jpg", ["a#1.jpg", "a#1.jpg?2.jpg"]) == ["a#1.jpg?2.jpg"]


def test_the_query_of_an_address_names_no_photo() -> None:
    assert find("https://example.org/c?signature=a/a.jpg", ["a.jpg"]) == []


def test_only_whole_paths_are_exact() -> None:
    index = PhotoIndex(["lake/a.jpg"], folder=ROOT)
    exact = [index.find(name, near=ROOT / "lake").is_exact for name in ("lake/a.jpg", "a.jpg", "a", "A.JPG")]
    assert exact == [True, True, False, False]


NAMES = st.text("ab.", min_size=1, max_size=3).filter(lambda name: name.strip("."))
PATHS = st.lists(NAMES, min_size=1, max_size=3).map(lambda parts: "/".join(parts) + ".jpg")


@given(photos=st.lists(PATHS, min_size=1, max_size=6, unique=True))
def test_the_path_of_a_photo_always_finds_that_photo(photos: list[str]) -> None:
    index = PhotoIndex(photos, folder=ROOT)
    for row, photo in enumerate(photos):
        assert index.find(photo, near=ROOT).rows == (row,)
        assert index.find(photo.replace("/", "\\"), near=ROOT).rows == (row,)
        assert index.find(f"{ROOT}/{photo}", near=Path("/elsewhere")).rows == (row,)
