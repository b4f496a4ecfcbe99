"""Decode photos of any color mode in bounded memory and without warnings.

In:  a photo that Pillow has opened.
Out: RGB of 8 bits, transparent parts white, perhaps smaller; a wait until there is memory, or an error where
     a photo alone would take too much; no warnings and no log lines of Pillow.
"""

import logging
import os
import re
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_LOGGER = logging.getLogger("PIL")


class QuietPillow:
    """What keeps Pillow's warnings and log lines from the user while photos are read, in many threads.

    They (many pixels, a damaged EXIF block) are no reason to stop and nothing that a user can act on.
    ``warnings.catch_warnings`` saves and restores the whole list of filters, which two threads leave in
    disorder (https://docs.python.org/3/library/warnings.html#warnings.catch_warnings). Here one filter,
    which concerns Pillow's modules alone, is put in by the first reader and taken out by the last.
    """

    _FILTER = ("ignore", None, Warning, re.compile(r"(PIL|pillow_heif)\."), 0)

    def __init__(self) -> None:
        self._lock = Lock()
        self._n_readers = 0
        self._level = logging.NOTSET

    def __enter__(self) -> None:
        with self._lock:
            if not self._n_readers:
                self._level = _LOGGER.level
                _LOGGER.setLevel(logging.CRITICAL + 1)
            self._n_readers += 1
            if self._FILTER not in warnings.filters:
                self._filters().insert(0, self._FILTER)

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._n_readers -= 1
            if not self._n_readers:
                _LOGGER.setLevel(self._level)
                with suppress(ValueError):
                    self._filters().remove(self._FILTER)

    @staticmethod
    def _filters() -> list[Any]:
        # filterwarnings() would also make every warning of the program that was shown once appear again.
        assert isinstance(warnings.filters, list), "Python keeps its filters in a list"
        return warnings.filters


quiet_pillow = QuietPillow()
"""To be entered with ``with``, by any number of threads at a time."""


_LEAST_BYTES = 2**30
_SHARE = 4
_BYTES_PER_PIXEL = {"WEBP": 18, "AVIF": 13, "HEIF": 10, "JPEG2000": 26}
_USUAL_BYTES_PER_PIXEL = 6
"""Measured with Pillow 13: the decoders of the formats above keep all pixels several times."""
_COEFFICIENT_BYTES = 4  # of a progressive JPEG, per pixel of the whole photo, also where it is read smaller
_SMALL_BYTES = 16 * 2**20


class DecodeBudget:
    """Bytes for photos that are decoded at the same time; those that do not fit wait.

    Args:
        n_bytes: The limit.

    Examples:
        >>> budget = DecodeBudget(100)
        >>> with budget.reserve(60), budget.reserve(40):
        ...     budget.used_bytes
        100
    """

    def __init__(self, n_bytes: int) -> None:
        self.n_bytes = n_bytes
        self.used_bytes = 0
        self._turn = threading.Lock()
        self._room = threading.Condition()

    @contextmanager
    def reserve(self, n_bytes: int) -> Iterator[None]:
        """Wait until there is room, in the order of asking.

        Raises:
            MemoryError: This alone exceeds the limit.
        """
        if n_bytes > self.n_bytes:
            raise MemoryError(f"{n_bytes} bytes are more than {self.n_bytes}")
        with self._turn, self._room:
            self._room.wait_for(lambda: self.used_bytes + n_bytes <= self.n_bytes)
            self.used_bytes += n_bytes
        try:
            yield
        finally:
            with self._room:
                self.used_bytes -= n_bytes
                self._room.notify_all()


def estimate_bytes(photo: Image.Image, *, full_size: tuple[int, int]) -> int:
    """Estimate what decoding takes at most, from the header.

    Args:
        photo: Opened, not loaded; perhaps to be read at a smaller size.
        full_size: Its width and height in the file.

    Returns:
        Bytes; 0 where they do not matter.
    """
    per_pixel = _BYTES_PER_PIXEL.get(photo.format or "", _USUAL_BYTES_PER_PIXEL)
    n_bytes = photo.width * photo.height * per_pixel
    if photo.format == "JPEG" and "progressive" in photo.info:
        n_bytes += full_size[0] * full_size[1] * _COEFFICIENT_BYTES
    return n_bytes if n_bytes > _SMALL_BYTES else 0


def memory_bytes() -> int:
    """Return the memory of this machine, or of the container that this process runs in."""
    known = [8 * 2**30]
    with suppress(ValueError, OSError, AttributeError):
        known = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    with suppress(ValueError, OSError):
        known.append(int(Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii")))
    return min(known)


DECODING = DecodeBudget(max(_LEAST_BYTES, memory_bytes() // _SHARE))
"""What all photos of this process share while they are decoded: a quarter of the memory, 1 GiB at least."""


ReadRows = Callable[[int, int], NDArray[np.generic]]
"""Returns the rows of a photo from one number up to another, [n_rows, width] or [n_rows, width, n_bands]."""

_INTEGER_SCALES = (255.0, 4095.0, 65535.0)
_PIXELS_AT_ONCE = 1_000_000


def scale_to_8_bits(
    read_rows: ReadRows, *, size: tuple[int, int], is_float: bool, full: float | None = None
) -> NDArray[np.uint8]:
    """Bring wide pixels to 0..255.

    12-bit cameras save into 16-bit files; by the type of the file alone, their photos would come out black.

    Args:
        read_rows: Reads some rows.
        size: Width and height.
        is_float: The pixels are floats, where 1 is white unless some are above it.
        full: What becomes white; 0 becomes black. Not given: the smallest usual scale that
            holds the brightest.
    """
    # Some rows at a time: as floats, all pixels of a large photo would take gigabytes.
    width, height = size
    n_rows = max(1, _PIXELS_AT_ONCE // width)
    bands = [(top, min(top + n_rows, height)) for top in range(0, height, n_rows)]
    low = 0.0
    if full is None:
        lows, highs = zip(
            *((values.min(), values.max()) for values in (_numbers(read_rows(*band)) for band in bands)),
            strict=True,
        )
        low, full = choose_range(float(min(lows)), float(max(highs)), is_float=is_float)
    scale = 255.0 / full
    return np.concatenate(
        [np.rint((_numbers(read_rows(*band)) - low) * scale).astype(np.uint8) for band in bands]
    )


def choose_range(low: float, high: float, *, is_float: bool) -> tuple[float, float]:
    """Return what becomes black, and how far white is from there.

    Examples:
        >>> choose_range(0, 4000, is_float=False), choose_range(0, 0.7, is_float=True)
        ((0.0, 4095.0), (0.0, 1.0))
        >>> choose_range(-5, 15, is_float=False)
        (-5, 20)
    """
    scales = (1.0, *_INTEGER_SCALES) if is_float else _INTEGER_SCALES
    if low >= 0 and high <= scales[-1]:
        return 0.0, next(scale for scale in scales if high <= scale)
    return low, high - low if high > low else 1.0


def _numbers(values: NDArray[np.generic]) -> NDArray[np.float64]:
    """Return pixels as floats; what is no number is 0."""
    if values.dtype.kind in "ui":
        return values.astype(np.float64)
    return np.nan_to_num(values.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)


def to_rgb(photo: Image.Image, *, factor: int = 1) -> Image.Image:
    """Convert a photo of any color mode to RGB.

    Args:
        photo: The photo. Pixels of more than 8 bits are divided by the smallest usual full scale (1 for
            floats, 8, 12 or 16 bits) that holds the brightest; beyond that, lowest to highest are spread.
        factor: How many times as small the result shall be, at least 1: so many pixels across and down become
            one, their mean.

    Returns:
        A new RGB photo without metadata; what was transparent is white.

    Examples:
        >>> to_rgb(Image.new("RGBA", (1, 1), (255, 0, 0, 0))).getpixel((0, 0))
        (255, 255, 255)
        >>> to_rgb(Image.new("I;16", (4, 3), 65535), factor=2).size
        (2, 2)
    """
    if photo.mode in ("I", "F") or photo.mode.startswith("I;"):
        photo = _scale_channel(photo)
    rgb = Image.new("RGB", (-(-photo.width // factor), -(-photo.height // factor)))
    n_rows = max(1, _PIXELS_AT_ONCE // (photo.width * factor)) * factor
    for top in range(0, photo.height, n_rows):
        band = photo.crop((0, top, photo.width, min(top + n_rows, photo.height)))
        flat = _lay_on_white(band) if photo.has_transparency_data else band.convert("RGB")
        rgb.paste(flat if factor == 1 else flat.reduce(factor), (0, top // factor))
    return rgb


def _lay_on_white(photo: Image.Image) -> Image.Image:
    white = Image.new("RGBA", photo.size, "white")
    white.alpha_composite(photo.convert("RGBA"))
    return white.convert("RGB")


def _scale_channel(photo: Image.Image) -> Image.Image:
    """Bring one wide channel to 0..255."""
    grey = scale_to_8_bits(
        lambda top, end: np.asarray(photo.crop((0, top, photo.width, end))),
        size=photo.size,
        is_float=photo.mode == "F",
    )
    return Image.fromarray(grey)
