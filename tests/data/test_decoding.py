"""Photos are decoded in little memory, and not too many at a time."""

import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from manylabel.data import decoding, photos
from manylabel.data.decoding import DecodeBudget, estimate_bytes, to_rgb
from manylabel.data.photos import open_photo
from manylabel.errors import PhotoError


def noise(mode: str, size: tuple[int, int]) -> Image.Image:
    bands = len(Image.new(mode, (1, 1)).getbands())
    pixels = np.random.default_rng(0).integers(256, size=(size[1], size[0], bands), dtype=np.uint8)
    layers = [Image.fromarray(pixels[..., band]) for band in range(bands)]
    picture = layers[0] if mode == "P" else Image.merge(mode, layers)
    if mode == "P":
        picture.putpalette(list(range(256)) * 3)
        picture.info["transparency"] = 7
    return picture


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "L", "CMYK", "RGB"])
@pytest.mark.parametrize("factor", [1, 2, 8])
def test_bands_give_what_the_whole_photo_gives(
    mode: str, factor: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = noise(mode, (37, 51))
    whole = to_rgb(photo, factor=factor)
    monkeypatch.setattr("manylabel.data.decoding._PIXELS_AT_ONCE", 300)
    np.testing.assert_array_equal(np.asarray(to_rgb(photo, factor=factor)), np.asarray(whole))
    assert whole.size == (-(-37 // factor), -(-51 // factor))


def test_photos_wait_for_room() -> None:
    budget = DecodeBudget(100)
    seen = list[str]()

    def decode() -> None:
        with budget.reserve(60):
            seen.append("second")

    with budget.reserve(60):
        thread = threading.Thread(target=decode)
        thread.start()
        thread.join(0.2)
        assert not seen
        seen.append("first")
    thread.join(10)
    assert seen == ["first", "second"]
    assert budget.used_bytes == 0


def test_room_is_given_back_after_an_error() -> None:
    budget = DecodeBudget(100)
    with pytest.raises(ValueError, match="damaged"), budget.reserve(60):
        raise ValueError("damaged")
    assert budget.used_bytes == 0
    with pytest.raises(MemoryError), budget.reserve(101):
        pytest.fail("the block must not run")


def test_a_photo_that_alone_takes_too_much_is_refused_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    noise("RGBA", (600, 600)).save(tmp_path / "a.webp", lossless=True)
    monkeypatch.setattr(decoding, "_SMALL_BYTES", 0)
    monkeypatch.setattr(photos, "DECODING", DecodeBudget(1_000_000))
    with pytest.raises(
        PhotoError, match=r"would take about 0\.0 GiB of memory, at most 0\.0 are used; save it"
    ):
        open_photo(tmp_path / "a.webp")


def test_a_jpeg_that_is_read_smaller_takes_less(tmp_path: Path) -> None:
    noise("RGB", (4000, 4000)).save(tmp_path / "a.jpg")
    with Image.open(tmp_path / "a.jpg") as photo:
        whole = estimate_bytes(photo, full_size=photo.size)
        photo.draft(None, (224, 224))
        assert estimate_bytes(photo, full_size=(4000, 4000)) == 0 < whole
