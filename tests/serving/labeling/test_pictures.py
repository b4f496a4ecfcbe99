"""Small pictures: made once, in the right size, as long as there is room."""

import io
from pathlib import Path

import pytest
from PIL import Image

from manylabel.errors import PhotoError
from manylabel.serving.labeling.pictures import Pictures


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """Return a photo that lies on its side."""
    path = tmp_path / "a.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    Image.effect_noise((1200, 800), 60).convert("RGB").save(path, exif=exif)
    return path


def test_a_picture_is_upright_and_as_large_as_asked(photo: Path) -> None:
    picture = Image.open(io.BytesIO(Pictures().get(photo, side_px=320)))

    assert picture.size == (213, 320)
    assert picture.format == "JPEG"


def test_a_picture_is_made_once(photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = Pictures()
    first = pictures.get(photo, side_px=320)
    monkeypatch.setattr("manylabel.serving.labeling.pictures.open_photo", None)

    assert pictures.get(photo, side_px=320) is first


def test_the_oldest_pictures_give_way(photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = Pictures(most_bytes=1)
    small = pictures.get(photo, side_px=320)
    pictures.get(photo, side_px=1600)

    assert pictures.get(photo, side_px=320) == small
    assert pictures.get(photo, side_px=320) is not small


def test_a_photo_that_is_gone_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(PhotoError, match="there is no such file"):
        Pictures().get(tmp_path / "none.jpg", side_px=320)
