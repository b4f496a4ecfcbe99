"""Scale pixels of more than 8 bits to 8.

In:  pixels of a wide type, some rows at a time.
Out: uint8 pixels; one scale for the whole photo.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

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
        is_float: The pixels are floats, of which 1 is white where none is above it.
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
