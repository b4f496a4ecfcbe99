"""Reading TIFF photos of kinds that Pillow does not open, or gets wrong.

In:  TIFF files written here, number by number.
Out: the colors that were written, or one sentence that says which kind of TIFF it is.
"""

import logging
import struct
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from manylabel.data.photos import open_photo_bytes
from manylabel.errors import PhotoError

WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, CMYK = 0, 1, 2, 5
HEIGHT, WIDTH = 5, 7
KINDS = {"u": 1, "i": 2, "f": 3, "c": 6}

# Red, green and blue of a drawn photo, from 0 to 1.
COLOURS = np.stack(
    [
        *np.meshgrid(np.linspace(0, 1, WIDTH), np.linspace(0, 1, HEIGHT)),
        np.tile(np.linspace(1, 0, WIDTH), (HEIGHT, 1)),
    ],
    axis=-1,
)


def wide(values: NDArray[Any], dtype: str) -> NDArray[Any]:
    """Write values from 0 to 1 in a wide type."""
    kind = np.dtype(dtype)
    return (values if kind.kind == "f" else np.rint(values * np.iinfo(kind).max)).astype(kind)


def tiff(
    values: NDArray[Any],
    *,
    photometric: int,
    in_planes: bool = False,
    extra: Sequence[int] = (),
    deflates: bool = False,
    orientation: int = 1,
) -> bytes:
    """Write a TIFF of one strip per plane; ``values`` is [height, width, n_bands]."""
    height, width, n_bands = values.shape
    order = values.dtype.byteorder if values.dtype.byteorder in "<>" else "<"
    planes = [values[:, :, band] for band in range(n_bands)] if in_planes else [values]
    strips = [zlib.compress(plane.tobytes()) if deflates else plane.tobytes() for plane in planes]
    offsets = [8 + sum(map(len, strips[:number])) for number in range(len(strips))]
    tags = {
        256: [width],
        257: [height],
        258: [8 * values.dtype.itemsize] * n_bands,
        259: [8 if deflates else 1],
        262: [photometric],
        273: offsets,
        274: [orientation],
        277: [n_bands],
        278: [height],
        279: [len(strip) for strip in strips],
        284: [2 if in_planes else 1],
        **({338: list(extra)} if extra else {}),
        339: [KINDS[values.dtype.kind]] * n_bands,
    }
    body = b"".join(strips)
    start = 8 + len(body)
    entries, rest = b"", b""
    for tag, numbers in tags.items():
        packed = struct.pack(f"{order}{len(numbers)}I", *numbers)
        if len(numbers) > 1:
            packed, rest = struct.pack(f"{order}I", start + 6 + 12 * len(tags) + len(rest)), rest + packed
        entries += struct.pack(f"{order}HHI", tag, 4, len(numbers)) + packed
    mark = b"II*\0" if order == "<" else b"MM\0*"
    count = struct.pack(f"{order}H", len(tags))
    return mark + struct.pack(f"{order}I", start) + body + count + entries + bytes(4) + rest


def read(data: bytes) -> NDArray[np.int64]:
    return np.asarray(open_photo_bytes(data, name="photo.tif")).astype(np.int64)


@pytest.mark.parametrize("deflates", [False, True])
@pytest.mark.parametrize("in_planes", [False, True])
@pytest.mark.parametrize("dtype", ["<u1", "<u2", ">u2", "<u4", "<f2", "<f4", ">f4", "<f8"])
def test_colours_survive_every_wide_type(dtype: str, in_planes: bool, deflates: bool) -> None:
    data = tiff(wide(COLOURS, dtype), photometric=RGB, in_planes=in_planes, deflates=deflates)
    np.testing.assert_allclose(read(data), COLOURS * 255, atol=1.1)


@pytest.mark.parametrize("deflates", [False, True])
@pytest.mark.parametrize("dtype", ["<u1", "<u2", ">u2", "<u4", ">u4", "<f4", ">f4", "<f8"])
@pytest.mark.parametrize("photometric", [WHITE_IS_ZERO, BLACK_IS_ZERO])
def test_grey_is_no_negative(photometric: int, dtype: str, deflates: bool) -> None:
    grey = COLOURS[:, :, :1]
    written = grey if photometric == BLACK_IS_ZERO else 1 - grey
    data = tiff(wide(written, dtype), photometric=photometric, deflates=deflates)
    np.testing.assert_allclose(read(data), np.repeat(grey * 255, 3, axis=2), atol=1.1)


@pytest.mark.parametrize("dtype", ["<i2", ">i2", "<i4", ">i4"])
def test_signed_numbers_are_spread_whatever_the_order_of_their_bytes(dtype: str) -> None:
    values = np.linspace(-1000, 1000, 256).reshape(1, 256, 1).astype(dtype)
    photo = read(tiff(values, photometric=BLACK_IS_ZERO, deflates=True))
    np.testing.assert_allclose(photo[0, :, 0], np.arange(256), atol=1.1)


def test_grey_bytes_and_their_transparency_may_lie_in_planes() -> None:
    values = np.full((HEIGHT, WIDTH, 2), 255, "u1")
    values[:, :, 0] = 90
    photo = read(tiff(values, photometric=BLACK_IS_ZERO, in_planes=True, extra=[2]))
    assert photo[0, 0].tolist() == [90] * 3


def test_signed_bytes_are_spread_from_darkest_to_brightest() -> None:
    values = np.linspace(-100, 100, HEIGHT * WIDTH).reshape(HEIGHT, WIDTH, 1).astype("i1")
    photo = read(tiff(values, photometric=BLACK_IS_ZERO))
    assert (photo[0, 0].tolist(), photo[-1, -1].tolist()) == ([0] * 3, [255] * 3)


@pytest.mark.parametrize(("n_colors", "photometric"), [(1, BLACK_IS_ZERO), (3, RGB)])
@pytest.mark.parametrize("in_planes", [False, True])
def test_transparent_parts_of_wide_photos_become_white(
    n_colors: int, photometric: int, in_planes: bool
) -> None:
    values = np.zeros((HEIGHT, WIDTH, n_colors + 1), "u2")
    values[:, 3:, -1] = 65535
    photo = read(tiff(values, photometric=photometric, in_planes=in_planes, extra=[2]))
    assert (photo[0, 0].tolist(), photo[0, -1].tolist()) == ([255] * 3, [0] * 3)


def test_further_bands_of_an_rgb_photo_are_left_out() -> None:
    values = np.concatenate([COLOURS, COLOURS[:, :, :2]], axis=2)
    data = tiff(wide(values, "u2"), photometric=RGB, extra=[0, 0])
    np.testing.assert_allclose(read(data), COLOURS * 255, atol=1.1)


def test_a_wide_photo_stands_upright() -> None:
    laid_down = np.rot90(COLOURS)
    data = tiff(wide(laid_down, "f4"), photometric=RGB, orientation=6)
    np.testing.assert_allclose(read(data), COLOURS * 255, atol=1.1)


@pytest.mark.parametrize(
    ("shape", "dtype", "photometric", "reason"),
    [
        ((5, 7, 2), "u2", BLACK_IS_ZERO, "a TIFF of 2 bands and does not say which of them are red, green"),
        ((5, 7, 12), "u2", BLACK_IS_ZERO, "a TIFF of 12 bands and does not say which of them are red, green"),
        ((5, 7, 3), "u1", BLACK_IS_ZERO, "a TIFF of 3 bands and does not say which of them are red, green"),
        ((5, 7, 4), "f4", CMYK, "a TIFF whose wide pixels are neither gray nor RGB; save it again as PNG"),
        ((5, 7, 1), "c8", BLACK_IS_ZERO, "a TIFF of 64 bits per channel in a format that is not read"),
    ],
)
def test_what_is_not_read_is_called_what_it_is(
    shape: tuple[int, ...], dtype: str, photometric: int, reason: str
) -> None:
    data = tiff(np.zeros(shape, dtype), photometric=photometric, extra=[0] * (shape[2] - 1))
    with pytest.raises(PhotoError) as caught:
        read(data)
    assert reason in caught.value.reason


def test_a_tiff_of_too_many_bytes_is_refused_before_any_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    data = tiff(wide(COLOURS, "f8"), photometric=RGB)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 4 * HEIGHT * WIDTH)
    with pytest.raises(PhotoError, match="its pixels take 0 million bytes"):
        read(data)


def test_a_tiff_of_many_pixels_is_refused_for_an_upload() -> None:
    data = tiff(wide(COLOURS, "f8"), photometric=RGB)
    with pytest.raises(PhotoError, match="it has more than"):
        open_photo_bytes(data, name="photo", max_pixels=HEIGHT * WIDTH - 1)


def test_a_cut_off_tiff_is_a_photo_error() -> None:
    data = tiff(wide(COLOURS, "f8"), photometric=RGB, deflates=True)
    for length in range(8, len(data), 7):
        with pytest.raises(PhotoError):
            read(data[:length])


def test_nothing_is_logged_while_a_photo_is_read(caplog: pytest.LogCaptureFixture) -> None:
    before = logging.getLogger("PIL").level
    with pytest.raises(PhotoError):
        read(tiff(np.zeros((5, 7, 12), "u2"), photometric=BLACK_IS_ZERO, extra=[0] * 11))
    assert caplog.records == []
    assert logging.getLogger("PIL").level == before
