"""Decoded photos, kept while memory lasts."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from manylabel.data.photos import open_photo
from manylabel.errors import PhotoError
from manylabel.training.photo_store import PhotoStore, read_store, store_of_images
from manylabel.types import Progress

SavePhotos = Callable[..., list[Path]]


@pytest.fixture
def save_photos(tmp_path: Path) -> SavePhotos:
    """Return a function that saves photos of one color each."""

    def save(*colors: str) -> list[Path]:
        paths = [tmp_path / f"{number} {color}.png" for number, color in enumerate(colors)]
        for path, color in zip(paths, colors, strict=True):
            Image.new("RGB", (40, 30), color).save(path)
        return paths

    return save


def colors_of(store: PhotoStore) -> list[tuple[int, ...]]:
    """Return the color of the first pixel of every photo."""
    return [tuple(np.asarray(store[row])[0, 0].tolist()) for row in range(len(store))]


def test_photos_keep_their_order(save_photos: SavePhotos) -> None:
    store, rows, failures = read_store(save_photos("red", "lime", "blue"), side_px=16)

    assert colors_of(store) == [(255, 0, 0), (0, 255, 0), (0, 0, 255)]
    assert rows.tolist() == [0, 1, 2]
    assert not failures
    assert store.read_seconds > 0


def test_unreadable_photos_are_listed_and_the_others_kept(save_photos: SavePhotos, tmp_path: Path) -> None:
    red, lime, blue = save_photos("red", "lime", "blue")
    lime.write_bytes(lime.read_bytes()[:40])

    store, rows, failures = read_store([red, lime, tmp_path / "missing.png", blue], side_px=16)

    assert colors_of(store) == [(255, 0, 0), (0, 0, 255)]
    assert rows.tolist() == [0, 3]
    assert [failure.path for failure in failures] == [lime, tmp_path / "missing.png"]


def test_photos_beyond_the_memory_are_read_again_as_they_were(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(256, size=(400, 300, 3), dtype=np.uint8)
    path = tmp_path / "noise.jpg"
    Image.fromarray(pixels).save(path)

    kept, *_ = read_store([path], side_px=64)
    read_again, *_ = read_store([path], side_px=64, memory_bytes=0)

    assert kept[0] == read_again[0] == open_photo(path, side_px=64)
    assert kept.hashes == read_again.hashes
    path.unlink()
    assert kept[0].size == (75, 100)
    with pytest.raises(PhotoError, match="there is no such file"):
        read_again[0]


def test_a_photo_that_changed_since_it_was_read_is_told(save_photos: SavePhotos) -> None:
    (red,) = save_photos("red")
    kept, *_ = read_store([red], side_px=16)
    read_again, *_ = read_store([red], side_px=16, memory_bytes=0)
    Image.new("RGB", (40, 30), "blue").save(red)

    assert colors_of(kept) == [(255, 0, 0)]
    with pytest.raises(PhotoError, match=r"0 red\.png: the file changed during the run; start again once"):
        read_again[0]


def test_the_memory_is_filled_and_not_exceeded(save_photos: SavePhotos) -> None:
    paths = save_photos("red", "lime", "blue")
    store, *_ = read_store(paths, side_px=16, memory_bytes=2 * 40 * 30 * 3)
    for path in paths:
        path.unlink()

    assert [store[row].size for row in (0, 1)] == [(40, 30), (40, 30)]
    with pytest.raises(PhotoError, match=r"2 blue\.png: there is no such file"):
        store[2]


def test_the_hash_tells_pixels_apart_and_not_files(save_photos: SavePhotos, tmp_path: Path) -> None:
    (red,) = save_photos("red")
    other_file, other_shape = tmp_path / "red.bmp", tmp_path / "turned.png"
    Image.open(red).save(other_file)
    Image.open(red).transpose(Image.Transpose.ROTATE_90).save(other_shape)

    store, *_ = read_store([red, other_file, other_shape], side_px=16)

    assert store.hashes[0] == store.hashes[1] != store.hashes[2]


def test_every_photo_is_heard_of(save_photos: SavePhotos) -> None:
    heard: list[Progress] = []
    read_store([*save_photos("red", "lime"), Path("missing.png")], side_px=16, on_progress=heard.append)

    assert [(progress.done, progress.total) for progress in heard] == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "I;16", "P"])
def test_an_image_in_memory_is_the_same_as_its_file(mode: str, tmp_path: Path) -> None:
    wide = np.random.default_rng(0).integers(65536, size=(30, 40), dtype=np.uint16)
    image = Image.fromarray(wide if mode == "I;16" else (wide >> 8).astype(np.uint8))
    image = image if mode == "I;16" else image.convert(mode)
    if mode == "RGBA":
        image.putalpha(100)
    image.save(tmp_path / "photo.png")

    from_memory = store_of_images([image], side_px=30)
    from_file, *_ = read_store([tmp_path / "photo.png"], side_px=30)

    assert image.mode == mode
    assert from_memory[0] == from_file[0]
    assert from_memory[0].mode == "RGB"
