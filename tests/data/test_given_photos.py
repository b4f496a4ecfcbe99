"""Photos as Python gives them: files, images and arrays, one or several."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import ExifTags, Image

from manylabel.data.given_photos import as_photo, list_given
from manylabel.data.photos import open_photo
from manylabel.errors import InputError, TableError


@pytest.mark.parametrize(
    ("given", "n_photos"),
    [
        ("a.jpg", 1),
        (Path("a.jpg"), 1),
        (np.zeros((8, 9, 3), dtype=np.uint8), 1),
        (np.zeros((8, 9), dtype=np.uint8), 1),
        (np.zeros((5, 8, 9, 3), dtype=np.uint8), 5),
        (np.array(["a.jpg", "b.jpg"]), 2),
        (np.array(["a.jpg", "b.jpg"], dtype=object), 2),
        (pd.Series(["a.jpg", "b.jpg"]), 2),
        (pd.Index(["a.jpg", "b.jpg"]), 2),
        ((name for name in ("a.jpg", "b.jpg")), 2),
        ([], 0),
    ],
)
def test_one_photo_or_several_become_a_list(given: Any, n_photos: int) -> None:
    assert len(list_given(given)) == n_photos


@pytest.mark.parametrize(
    "given", [None, 3.0, b"\xff\xd8", {"a": "a.jpg"}, pd.DataFrame({"photo": ["a.jpg"]})]
)
def test_what_holds_no_photos_is_refused(given: Any) -> None:
    with pytest.raises(InputError, match=r"photos: given .*, expected photo files, folders, Pillow images"):
        list_given(given)


@pytest.mark.parametrize(
    ("photo", "given"),
    [
        (np.zeros(100, dtype=np.uint8), r"ndarray of uint8 \[100\]"),
        (np.zeros((3, 8, 9), dtype=np.uint8), r"ndarray of uint8 \[3, 8, 9\]"),
        (np.zeros((8, 9, 3)), r"ndarray of float64 \[8, 9, 3\]"),
        ("a.jpg", "str; files and images cannot be mixed"),
        (None, "None"),
    ],
)
def test_what_is_no_photo_is_told_with_type_and_shape(photo: Any, given: str) -> None:
    expected = r"photos\[2\]: expected a Pillow image or a uint8 array \[height, width, 3\], given "
    with pytest.raises(TableError, match=expected + given):
        as_photo(photo, where="photos[2]")


@pytest.mark.parametrize("photo", [np.zeros((0, 0, 3), dtype=np.uint8), Image.new("RGB", (0, 4))])
def test_a_photo_without_pixels_is_told(photo: Any) -> None:
    with pytest.raises(TableError, match=r"photos\[0\]: it has no pixels"):
        as_photo(photo, where="photos[0]")


def test_an_image_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    Image.effect_noise((200, 200), 50).save(tmp_path / "whole.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "whole.png").read_bytes()[:2000])
    closed = Image.open(tmp_path / "whole.png")
    closed.close()
    with Image.open(tmp_path / "cut.png") as cut:
        for image in (cut, closed):
            with pytest.raises(TableError, match=r"photos\[0\]: the image cannot be read"):
                as_photo(image, where="photos[0]")


def test_a_gray_array_with_one_channel_is_a_photo() -> None:
    pixels = np.arange(48, dtype=np.uint8).reshape(6, 8, 1)
    photo = as_photo(pixels, where="photos[0]")
    np.testing.assert_array_equal(np.asarray(photo)[:, :, 0], pixels[:, :, 0])


def test_an_image_and_its_file_give_the_same_photo(tmp_path: Path) -> None:
    drawn = Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 140, 3), dtype=np.uint8))
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    drawn.save(tmp_path / "turned.png", exif=exif)
    with Image.open(tmp_path / "turned.png") as image:
        photo = as_photo(image, where="photos[0]", side_px=32)
    np.testing.assert_array_equal(photo, open_photo(tmp_path / "turned.png", side_px=32))
    assert photo.size == (45, 70)
