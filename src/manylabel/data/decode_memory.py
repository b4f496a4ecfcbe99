"""Keep the memory of photos that are being decoded below a limit.

In:  what the headers of photos promise.
Out: a wait until there is room, or an error where a photo alone would take too much.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from PIL import Image

_LEAST_BYTES = 2**30
_SHARE = 4
_BYTES_PER_PIXEL = {"WEBP": 18, "AVIF": 13, "HEIF": 10, "JPEG2000": 26}
_USUAL_BYTES_PER_PIXEL = 6
"""Measured with Pillow 13: the decoders of the formats above keep several copies of all pixels."""
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
        photo: Opened, not loaded; perhaps told to be read at a smaller size.
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
