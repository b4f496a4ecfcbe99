"""Small pictures on disk: kept from start to start, whole or not at all, never in the way."""

import os
from pathlib import Path

import pytest
from PIL import Image

from manylabel.errors import ConfigError
from manylabel.io.cache import list_cache
from manylabel.serving.labeling.picture_cache import PictureCache
from manylabel.serving.labeling.pictures import Pictures

SMALL, LARGE = 320, 1600


@pytest.fixture
def cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of an empty cache."""
    monkeypatch.setenv("MANYLABEL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """Return a photo in a folder of its own."""
    (tmp_path / "photos").mkdir()
    path = tmp_path / "photos" / "a.jpg"
    Image.effect_noise((480, 360), 60).convert("RGB").save(path)
    return path


def start(photo: Path) -> Pictures:
    """Return the pictures of a new start."""
    return Pictures(cache=PictureCache(photo.parent))


def files(cache_folder: Path) -> list[Path]:
    return [path for path in cache_folder.rglob("*") if path.is_file()]


@pytest.mark.usefixtures("cache_folder")
def test_a_second_start_reads_no_photo(photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = start(photo).get(photo, side_px=SMALL)
    monkeypatch.setattr("manylabel.serving.labeling.pictures.open_photo", None)

    assert start(photo).get(photo, side_px=SMALL) == first


@pytest.mark.usefixtures("cache_folder")
def test_a_photo_that_has_changed_is_drawn_anew(photo: Path) -> None:
    first = start(photo).get(photo, side_px=SMALL)
    Image.new("RGB", (480, 360)).save(photo)

    assert start(photo).get(photo, side_px=SMALL) != first


def test_only_the_smallest_pictures_are_kept_and_only_for_the_user(photo: Path, cache_folder: Path) -> None:
    pictures = start(photo)
    pictures.get(photo, side_px=LARGE)
    assert files(cache_folder) == []
    small = pictures.get(photo, side_px=SMALL)

    kept = files(cache_folder)
    assert [path.read_bytes() for path in kept] == [small]
    assert kept[0].parent.stat().st_mode & 0o077 == 0 or os.name == "nt"
    assert [(entry.what, entry.n_bytes) for entry in list_cache().entries] == [("small pictures", len(small))]


@pytest.mark.parametrize("damage", [b"", b"\xff\xd8 half", b"no picture"])
def test_a_damaged_picture_is_drawn_anew_and_replaced(damage: bytes, photo: Path, cache_folder: Path) -> None:
    first = start(photo).get(photo, side_px=SMALL)
    kept = files(cache_folder)[0]
    kept.write_bytes(damage)

    assert start(photo).get(photo, side_px=SMALL) == first
    assert kept.read_bytes() == first


def test_a_cache_that_cannot_be_written_is_no_error(photo: Path, cache_folder: Path) -> None:
    cache_folder.touch()  # a file instead of a folder

    assert start(photo).get(photo, side_px=SMALL).startswith(b"\xff\xd8")


def test_a_full_disk_leaves_no_part_of_a_picture(
    photo: Path, cache_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write_half(path: Path, content: bytes) -> None:
        with path.open("wb") as file:
            file.write(content[:100])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", write_half)

    assert start(photo).get(photo, side_px=SMALL).startswith(b"\xff\xd8")
    assert files(cache_folder) == []


def test_pictures_that_exceed_the_limit_are_not_kept(
    photo: Path, cache_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MANYLABEL_CACHE_GB", "0.000001")
    start(photo).get(photo, side_px=SMALL)

    assert files(cache_folder) == []


def test_old_pictures_of_other_folders_give_way(
    photo: Path, cache_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other" / "b.jpg"
    other.parent.mkdir()
    other.write_bytes(photo.read_bytes())
    size = len(start(photo).get(photo, side_px=SMALL))
    first = files(cache_folder)
    monkeypatch.setenv("MANYLABEL_CACHE_GB", f"{1.5 * size / 1e9:.9f}")
    start(other).get(other, side_px=SMALL)

    kept = files(cache_folder)
    assert (len(first), len(kept)) == (1, 1)
    assert kept != first


def test_pictures_that_are_cleared_meanwhile_are_kept_again(photo: Path, cache_folder: Path) -> None:
    cache = PictureCache(photo.parent)
    for _ in range(2):
        cache.write(photo, b"\xff\xd8\xff\xd9", version="1", side_px=SMALL)
        kept = files(cache_folder)[0]
        kept.unlink()
        kept.parent.rmdir()
    cache.write(photo, b"\xff\xd8\xff\xd9", version="1", side_px=SMALL)

    assert cache.read(photo, version="1", side_px=SMALL) == b"\xff\xd8\xff\xd9"


@pytest.mark.skipif(os.name != "posix", reason="elsewhere every user has a home")
def test_a_user_without_a_home_keeps_no_pictures(photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> Path:
        raise ConfigError("no folder for the cache")

    monkeypatch.setattr("manylabel.serving.labeling.picture_cache.default_cache", fail)

    assert start(photo).get(photo, side_px=SMALL).startswith(b"\xff\xd8")


def test_a_limit_that_is_no_number_is_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MANYLABEL_CACHE_GB", "much")
    with pytest.raises(ConfigError, match="MANYLABEL_CACHE_GB"):
        PictureCache(tmp_path)
