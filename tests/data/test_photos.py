"""Reading photos: every kind of file comes out upright and RGB, and every bad one as an error that says why.

In:  photos drawn here, saved in every format and mode, whole and damaged.
Out: what ``manylabel.data.photos`` makes of them.
"""

import errno
import io
import os
import sys
import threading
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pillow_heif
import pytest
from PIL import Image, ImageSequence

from manylabel.data import photos
from manylabel.data.decoding import to_rgb
from manylabel.data.photos import open_photo, open_photo_bytes, read_photos
from manylabel.errors import PhotoError

RED, GREEN, WHITE = (255, 0, 0), (0, 128, 0), (255, 255, 255)
ORANGE = (230, 120, 30)
ORIENTATION = 0x0112

# How a camera lays down an upright scene, for each value of the EXIF orientation: the inverse of its meaning.
LAID_DOWN = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def draw_corner(width: int = 60, height: int = 40) -> Image.Image:
    """Draw a green photo with a red upper left quarter."""
    photo = Image.new("RGB", (width, height), GREEN)
    photo.paste(RED, (0, 0, width // 2, height // 2))
    return photo


def encode(photo: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    photo.save(file, kind, **options)
    return file.getvalue()


def save(path: Path, photo: Image.Image, kind: str, **options: Any) -> Path:
    path.write_bytes(encode(photo, kind, **options))
    return path


def oriented(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    return exif


def pixel(photo: Image.Image, x: float, y: float) -> tuple[int, ...]:
    """Return the pixel at a place given in shares of width and height."""
    found = photo.getpixel((int(x * photo.width), int(y * photo.height)))
    assert isinstance(found, tuple)
    return tuple(int(channel) for channel in found)


def is_close(found: tuple[int, ...], expected: tuple[int, ...], *, by: int = 12) -> bool:
    return all(abs(one - other) <= by for one, other in zip(found, expected, strict=True))


def reason_for(data: bytes) -> str:
    with pytest.raises(PhotoError) as caught:
        open_photo_bytes(data, name="photo")
    return caught.value.reason


# --- formats


@pytest.mark.parametrize(
    "kind", ["JPEG", "PNG", "GIF", "BMP", "PPM", "WEBP", "TIFF", "AVIF", "JPEG2000", "MPO"]
)
def test_every_format_is_read_as_rgb(tmp_path: Path, kind: str) -> None:
    photo = open_photo(save(tmp_path / "photo", draw_corner(), kind))
    assert (photo.mode, photo.size) == ("RGB", (60, 40))
    assert is_close(pixel(photo, 0.2, 0.2), RED)
    assert is_close(pixel(photo, 0.8, 0.8), GREEN)


@pytest.mark.parametrize("kind", ["AVIF", "WEBP", "PNG"])
def test_the_content_decides_the_format_and_not_the_name(tmp_path: Path, kind: str) -> None:
    assert open_photo(save(tmp_path / "photo.jpg", draw_corner(), kind)).size == (60, 40)


def test_a_heic_photo_is_read() -> None:
    file = io.BytesIO()
    pillow_heif.from_pillow(draw_corner()).save(file, format="HEIF")
    photo = open_photo_bytes(file.getvalue(), name="photo.heic")
    assert (photo.mode, photo.size) == ("RGB", (60, 40))
    assert is_close(pixel(photo, 0.2, 0.2), RED, by=25)


@pytest.mark.parametrize("brand", [b"heic", b"mif1"])
def test_a_heic_photo_without_its_package_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, brand: bytes
) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    start = b"\0\0\0\x18ftyp" + brand + b"\0\0\0\0mif1heic"
    assert reason_for(start + bytes(100)) == (
        "HEIC photos need the package pillow-heif: pip install pillow-heif"
    )


def test_a_format_that_pillow_was_built_without_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def accept(prefix: bytes) -> str:
        return "support not installed"

    Image.init()
    monkeypatch.setitem(Image.OPEN, "AVIF", (Image.OPEN["AVIF"][0], accept))
    assert reason_for(bytes(40)) == "this installation of Pillow cannot read AVIF files"


def test_a_format_that_starts_other_programs_is_refused() -> None:
    assert "not a photo in a known format" in reason_for(encode(draw_corner(), "EPS"))


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF", "MPO"])
def test_the_first_picture_of_several_is_read(kind: str) -> None:
    others = [Image.new("RGB", (60, 40), color) for color in ("blue", "black")]
    data = encode(draw_corner(), kind, save_all=True, append_images=others)
    with Image.open(io.BytesIO(data)) as several:
        assert len(list(ImageSequence.Iterator(several))) == 3
    photo = open_photo_bytes(data, name="photo")
    assert is_close(pixel(photo, 0.2, 0.2), RED)
    assert is_close(pixel(photo, 0.8, 0.8), GREEN)


# --- orientation and metadata


@pytest.mark.parametrize("orientation", LAID_DOWN)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_a_photo_stands_upright_whatever_its_exif_orientation(kind: str, orientation: int) -> None:
    lying = draw_corner().transpose(LAID_DOWN[orientation])
    photo = open_photo_bytes(encode(lying, kind, exif=oriented(orientation)), name="photo")
    assert photo.size == (60, 40)
    assert is_close(pixel(photo, 0.2, 0.2), RED)
    for x, y in ((0.8, 0.2), (0.2, 0.8), (0.8, 0.8)):
        assert is_close(pixel(photo, x, y), GREEN)


def test_the_photo_carries_no_metadata_that_would_turn_it_twice() -> None:
    photo = open_photo_bytes(encode(draw_corner(), "JPEG", exif=oriented(6), dpi=(72, 72)), name="photo")
    assert photo.info == {}
    assert not photo.getexif()


def damage_exif(data: bytes) -> bytes:
    block = oriented(6).tobytes().removeprefix(b"Exif\0\0")
    assert data.count(block) == 1
    return data.replace(block, b"XX" + block[2:4] + b"\xff" * 4 + block[8:])


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_a_damaged_exif_block_leaves_the_photo_readable(kind: str) -> None:
    data = damage_exif(encode(draw_corner(), kind, exif=oriented(6)))
    assert open_photo_bytes(data, name="photo").size == (60, 40)


# --- color modes


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "HSV", "LAB", "P"])
def test_colours_survive_every_colour_mode(mode: str) -> None:
    color = Image.new("RGB", (4, 4), ORANGE)
    photo = color.quantize(4) if mode == "P" else color.convert(mode)
    assert photo.mode == mode
    rgb = to_rgb(photo)
    assert rgb.mode == "RGB"
    assert is_close(pixel(rgb, 0.5, 0.5), ORANGE)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "PA", "I", "F"])
def test_grey_survives_every_grey_mode(mode: str) -> None:
    grey = 255 if mode == "1" else 180
    photo = Image.new("L", (4, 4), grey).convert("LA" if mode == "PA" else mode).convert(mode)
    assert is_close(pixel(to_rgb(photo), 0.5, 0.5), (grey,) * 3, by=1)


def test_an_inverted_cmyk_jpeg_of_adobe_keeps_its_colors() -> None:
    data = encode(Image.new("RGB", (32, 32), ORANGE).convert("CMYK"), "JPEG", quality=95)
    assert b"Adobe" in data
    assert is_close(pixel(open_photo_bytes(data, name="photo"), 0.5, 0.5), ORANGE)


def ramp(low: float, high: float, *, dtype: str) -> Image.Image:
    """Draw one row of 256 pixels from low to high."""
    return Image.fromarray(np.linspace(low, high, 256).astype(dtype)[None])


@pytest.mark.parametrize(
    ("low", "high", "dtype"),
    [
        (0, 65535, "uint16"),
        (0, 4095, "uint16"),
        (0, 255, "uint16"),
        (0, 65535, "int32"),
        (-1000, 1000, "int32"),
        (0, 1_000_000, "int32"),
        (0, 1, "float32"),
        (0, 255, "float32"),
        (-0.5, 0.5, "float32"),
        (0, 1e30, "float32"),
    ],
)
def test_wide_pixels_are_scaled_and_not_clipped(low: float, high: float, dtype: str) -> None:
    grey = np.asarray(to_rgb(ramp(low, high, dtype=dtype)))[0, :, 0].astype(int)
    np.testing.assert_allclose(grey, np.arange(256), atol=1)


@pytest.mark.parametrize(("kind", "dtype"), [("PNG", "uint16"), ("TIFF", "uint16"), ("TIFF", "float32")])
def test_files_with_wide_pixels_are_scaled(kind: str, dtype: str) -> None:
    high = 65535 if dtype == "uint16" else 1
    photo = open_photo_bytes(encode(ramp(0, high, dtype=dtype), kind), name="photo")
    np.testing.assert_allclose(np.asarray(photo)[0, :, 0].astype(int), np.arange(256), atol=1)


def test_a_photo_of_many_wide_pixels_is_scaled_as_one() -> None:
    values = np.linspace(0, 1, 1_500_000, dtype=np.float32).reshape(1500, 1000)
    grey = np.asarray(to_rgb(Image.fromarray(values)))[..., 0]
    np.testing.assert_allclose(grey, values * 255, atol=0.51)


def test_a_dark_16_bit_photo_stays_dark() -> None:
    assert pixel(to_rgb(Image.fromarray(np.full((2, 2), 6000, np.uint16))), 0, 0) == (23, 23, 23)


def test_floats_that_are_no_numbers_become_black() -> None:
    values = np.array([[np.nan, np.inf, -np.inf, 0.5, 1.0]], np.float32)
    assert np.asarray(to_rgb(Image.fromarray(values)))[0, :, 0].tolist() == [0, 0, 0, 128, 255]


def test_negative_pixels_that_are_all_equal_become_black() -> None:
    assert pixel(to_rgb(Image.new("I", (2, 2), -5)), 0, 0) == (0, 0, 0)


def transparent_rgba() -> Image.Image:
    photo = draw_corner().convert("RGBA")
    photo.paste((0, 0, 0, 0), (30, 20, 60, 40))
    return photo


def transparent_grey() -> Image.Image:
    return transparent_rgba().convert("LA")


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF", "AVIF", "GIF"])
def test_transparent_parts_become_white(kind: str) -> None:
    photo = open_photo_bytes(encode(transparent_rgba(), kind), name="photo")
    assert is_close(pixel(photo, 0.8, 0.8), WHITE)
    assert is_close(pixel(photo, 0.2, 0.2), RED)


def test_transparent_parts_of_a_grey_photo_become_white() -> None:
    photo = open_photo_bytes(encode(transparent_grey(), "PNG"), name="photo")
    assert pixel(photo, 0.8, 0.8) == WHITE
    assert is_close(pixel(photo, 0.2, 0.2), (76, 76, 76))


def test_a_transparent_colour_of_a_palette_becomes_white() -> None:
    photo = Image.new("P", (4, 4), 0)
    photo.putpalette([*RED, *GREEN])
    photo.paste(1, (0, 0, 2, 4))
    read = open_photo_bytes(encode(photo, "PNG", transparency=0), name="photo")
    assert (pixel(read, 0.1, 0.1), pixel(read, 0.9, 0.9)) == (GREEN, WHITE)


def test_a_transparent_colour_of_an_rgb_photo_becomes_white() -> None:
    read = open_photo_bytes(encode(draw_corner(), "PNG", transparency=RED), name="photo")
    assert (pixel(read, 0.2, 0.2), pixel(read, 0.8, 0.8)) == (WHITE, GREEN)


def test_half_transparent_parts_are_mixed_with_white() -> None:
    assert is_close(pixel(to_rgb(Image.new("RGBA", (1, 1), (255, 0, 0, 128))), 0, 0), (255, 127, 127), by=1)


def test_the_given_photo_is_left_as_it_is() -> None:
    photo = draw_corner()
    photo.info["comment"] = "mine"
    to_rgb(photo).paste(WHITE, (0, 0, 60, 40))
    assert photo.info == {"comment": "mine"}
    assert pixel(photo, 0, 0) == RED


# --- reduced scale


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize(
    ("size", "side_px", "expected"),
    [
        ((640, 480), 480, (640, 480)),
        ((640, 480), 241, (640, 480)),
        ((640, 480), 240, (320, 240)),
        ((641, 481), 240, (321, 241)),
        ((640, 480), 60, (80, 60)),
        ((640, 480), 10, (80, 60)),
        ((100, 50), 224, (100, 50)),
    ],
)
def test_the_shorter_side_keeps_what_is_asked_for(
    kind: str, orientation: int, size: tuple[int, int], side_px: int, expected: tuple[int, int]
) -> None:
    data = encode(draw_corner(*size), kind, exif=oriented(orientation))
    photo = open_photo_bytes(data, name="photo", side_px=side_px)
    assert photo.size == (expected if orientation == 1 else expected[::-1])
    assert min(photo.size) >= min(side_px, *size)


def test_a_jpeg_is_reduced_by_its_decoder() -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    data = encode(noise, "JPEG")
    with Image.open(io.BytesIO(data)) as drafted:
        drafted.draft(None, (16, 16))
        expected = np.asarray(drafted)
    np.testing.assert_array_equal(np.asarray(open_photo_bytes(data, name="photo", side_px=16)), expected)


def test_a_photo_looks_the_same_reduced_from_jpeg_and_from_png() -> None:
    photo = draw_corner(400, 240)
    from_jpeg, from_png = (
        np.asarray(open_photo_bytes(encode(photo, kind), name="photo", side_px=60), dtype=int)
        for kind in ("JPEG", "PNG")
    )
    assert np.abs(from_jpeg - from_png).mean() < 3


@pytest.mark.parametrize("size", [(5000, 1), (1, 5000)])
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_photo_of_absurd_shape_is_read(kind: str, size: tuple[int, int]) -> None:
    assert open_photo_bytes(encode(Image.new("RGB", size), kind), name="photo", side_px=224).size == size


def test_a_side_of_no_pixels_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="side_px is 0, expected at least 1"):
        open_photo_bytes(encode(draw_corner(), "PNG"), name="photo", side_px=0)


# --- what cannot be read


def write_empty(path: Path) -> None:
    path.write_bytes(b"")


def write_text(path: Path) -> None:
    path.write_text("this is no photo", encoding="utf-8")


def write_cut_jpeg(path: Path) -> None:
    data = encode(draw_corner(600, 400), "JPEG")
    path.write_bytes(data[: len(data) // 2])


def write_damaged_header(path: Path) -> None:
    path.write_bytes(encode(draw_corner(), "PNG")[:8] + bytes(100))


def write_damaged_png(path: Path) -> None:
    data = bytearray(encode(draw_corner(), "PNG"))
    data[data.index(b"IDAT") + 10] ^= 0xFF
    path.write_bytes(data)


def write_no_pixels(path: Path) -> None:
    path.write_bytes(b"GIF89a" + bytes(7) + b";")


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (write_empty, "the file is empty"),
        (write_text, "it is not a photo in a known format (JPEG, PNG, "),
        (write_cut_jpeg, "it is cut off: the file ends before the picture does"),
        (write_damaged_header, "it begins like PNG, but is cut off or damaged"),
        (write_damaged_png, "it is damaged: its pixels cannot be decoded"),
        (write_no_pixels, "it begins like GIF, but is cut off or damaged"),
        (Path.mkdir, "this is a folder, not a photo"),
        (lambda path: None, "there is no such file"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_reason(
    tmp_path: Path, make: Callable[[Path], None], reason: str
) -> None:
    path = tmp_path / "bad.jpg"
    make(path)
    with pytest.raises(PhotoError) as caught:
        open_photo(path)
    assert caught.value.path == path
    assert caught.value.reason.startswith(reason)
    assert str(caught.value) == f"{path}: {caught.value.reason}"


def test_a_name_that_no_file_can_have_is_an_error() -> None:
    with pytest.raises(PhotoError, match="this cannot be the name of a file"):
        open_photo(Path("a\0b.jpg"))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_does_not_make_the_reader_wait(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "photo.jpg")
    with pytest.raises(PhotoError, match="a device or a pipe"):
        open_photo(tmp_path / "photo.jpg")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (PermissionError(errno.EACCES, "Permission denied"), "permission to read it is denied"),
        (OSError(errno.EMFILE, "Too many open files"), "the system cannot read it: Too many open files"),
    ],
)
def test_a_file_that_the_system_does_not_open_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: OSError, reason: str
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise error

    path = save(tmp_path / "photo.png", draw_corner(), "PNG")
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(PhotoError) as caught:
        open_photo(path)
    assert caught.value.reason == reason


def test_a_disk_that_fails_while_reading_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class FailingFile(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell() > 100_000:
                raise OSError(errno.EIO, "Input/output error")
            return super().read(size)

    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (600, 600, 3), dtype=np.uint8))
    path = save(tmp_path / "photo.jpg", noise, "JPEG")
    file = FailingFile(path.read_bytes())
    monkeypatch.setattr(Path, "open", lambda *_, **__: file)
    with pytest.raises(PhotoError, match="the system cannot read it: Input/output error"):
        open_photo(path)


def test_too_many_pixels_are_an_error_before_any_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encode(Image.new("RGB", (2000, 1001)), "PNG")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1_000_000)
    assert reason_for(data) == "it has more than 2 million pixels"


def test_many_pixels_are_read_without_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encode(Image.new("RGB", (1500, 1000)), "PNG")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1_000_000)
    assert open_photo_bytes(data, name="photo").size == (1500, 1000)


def test_pixels_that_do_not_fit_into_memory_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(photo: Image.Image, *, factor: int) -> Image.Image:
        raise MemoryError

    monkeypatch.setattr(photos, "to_rgb", refuse)
    assert reason_for(encode(draw_corner(), "PNG")) == "its pixels do not fit into memory"


def test_bytes_give_the_same_photo_as_the_file(tmp_path: Path) -> None:
    path = save(tmp_path / "photo.jpg", draw_corner(), "JPEG")
    from_bytes = open_photo_bytes(path.read_bytes(), name="photo.jpg", side_px=20)
    assert from_bytes.tobytes() == open_photo(path, side_px=20).tobytes()


def test_bytes_that_are_no_photo_are_an_error_with_the_given_name() -> None:
    with pytest.raises(PhotoError, match=r"^upload 7: the file is empty$"):
        open_photo_bytes(b"", name="upload 7")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "PPM", "WEBP", "AVIF", "JPEG2000", "MPO"])
def test_damage_of_any_kind_gives_a_photo_or_a_photo_error(kind: str) -> None:
    whole = encode(draw_corner().rotate(30), kind, exif=oriented(6))
    generator = np.random.default_rng(0)
    for trial in range(40):
        damaged = bytearray(whole)
        # The first bytes hold the header, where damage does most.
        reach = len(whole) if trial % 2 else min(len(whole), 200)
        for place in generator.integers(0, reach, size=4):
            damaged[place] = generator.integers(256)
        kept = int(generator.integers(1, len(whole) + 1)) if trial % 4 == 0 else len(whole)
        try:
            photo = open_photo_bytes(bytes(damaged[:kept]), name="photo", side_px=10)
        except PhotoError:
            continue
        assert photo.mode == "RGB"


# --- many photos


def test_photos_come_in_order_and_errors_in_their_place(tmp_path: Path) -> None:
    paths = []
    for number in range(20):
        path = tmp_path / f"{number}.png"
        if number % 5 == 3:
            path.write_bytes(b"no photo")
        else:
            save(path, Image.new("RGB", (number + 1, 10)), "PNG")
        paths.append(path)
    found = list(read_photos(paths, side_px=None, n_threads=3))
    widths = [photo.path if isinstance(photo, PhotoError) else photo.width for photo in found]
    assert widths == [path if n % 5 == 3 else n + 1 for n, path in enumerate(paths)]


def test_an_error_in_a_list_keeps_no_half_read_photo_alive(tmp_path: Path) -> None:
    write_cut_jpeg(tmp_path / "cut.jpg")
    (error,) = read_photos([tmp_path / "cut.jpg"], side_px=None)
    assert isinstance(error, PhotoError)
    assert error.__traceback__ is None
    assert error.__cause__ is None
    assert error.__context__ is None


def test_no_photos_are_no_trouble() -> None:
    assert list(read_photos([], side_px=None)) == []


def test_only_a_few_photos_are_read_ahead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []

    def note(path: Path, *, side_px: int | None = None) -> Image.Image:
        opened.append(path)
        return Image.new("RGB", (1, 1))

    monkeypatch.setattr(photos, "open_photo", note)
    reader = read_photos([tmp_path / str(number) for number in range(100)], side_px=None, n_threads=2)
    next(reader)
    time.sleep(0.05)
    assert len(opened) <= 1 + 2 * 2
    reader.close()


def test_photos_that_wait_are_not_read_once_the_consumer_stops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Path] = []
    stopping = threading.Event()

    class Threads(ThreadPoolExecutor):
        def shutdown(self, *args: Any, **options: Any) -> None:
            stopping.set()
            super().shutdown(*args, **options)

    def hold_the_second(path: Path, *, side_px: int | None = None) -> Image.Image:
        opened.append(path)
        if len(opened) == 2:
            stopping.wait(timeout=10)
        return Image.new("RGB", (1, 1))

    monkeypatch.setattr(photos, "ThreadPoolExecutor", Threads)
    monkeypatch.setattr(photos, "open_photo", hold_the_second)
    reader = read_photos([tmp_path / str(number) for number in range(10)], side_px=None, n_threads=1)
    next(reader)
    reader.close()
    assert len(opened) <= 2


def test_reading_stops_and_its_threads_end_when_the_consumer_stops(tmp_path: Path) -> None:
    paths = [save(tmp_path / f"{number}.jpg", draw_corner(300, 200), "JPEG") for number in range(30)]
    before = threading.active_count()
    for _ in read_photos(paths, side_px=None, n_threads=3):
        break
    assert threading.active_count() == before


def test_many_threads_leave_the_warning_filters_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(damage_exif(encode(draw_corner(), "JPEG", exif=oriented(6))))
    before = list(warnings.filters)
    found = list(read_photos([path] * 60, side_px=None, n_threads=8))
    assert all(isinstance(photo, Image.Image) for photo in found)
    assert list(warnings.filters) == before


def test_warnings_of_others_are_heard_while_photos_are_read(tmp_path: Path) -> None:
    path = save(tmp_path / "photo.png", draw_corner(), "PNG")
    reader = read_photos([path] * 20, side_px=None, n_threads=2)
    next(reader)
    with pytest.warns(UserWarning, match="mine"):
        warnings.warn("mine", stacklevel=1)
    reader.close()


def test_a_photo_that_is_as_long_as_a_rope_is_refused_before_it_is_resized() -> None:
    file = io.BytesIO()
    Image.new("1", (65_536, 1)).save(file, "PNG")
    with pytest.raises(PhotoError, match="one side is 65,536 pixels long, at most 65,535 are supported"):
        open_photo_bytes(file.getvalue(), name="rope.png", side_px=None)


@pytest.mark.parametrize("is_progressive", [True, False])
def test_a_progressive_photo_of_very_many_scans_is_refused(is_progressive: bool) -> None:
    file = io.BytesIO()
    Image.effect_noise((64, 64), 90).save(file, "JPEG", progressive=is_progressive)
    plain, padded = file.getvalue(), file.getvalue() + 50 * b"\xff\xda"
    assert open_photo_bytes(plain, name="a.jpg", side_px=None).size == (64, 64)
    if not is_progressive:  # another scan there costs as many bytes as it takes time
        assert open_photo_bytes(padded, name="a.jpg", side_px=None).size == (64, 64)
        return
    with pytest.raises(PhotoError, match=r"it is a progressive JPEG of \d\d scans, at most 50 are supported"):
        open_photo_bytes(padded, name="a.jpg", side_px=None)
