"""Small pictures of photos, made once.

In:  photo files.
Out: JPEG files whose longer side has at most some pixels; those that were asked for last stay in memory, and
     the smallest ones on disk.
"""

import threading
from collections import OrderedDict
from pathlib import Path

from PIL import Image

from manylabel.data.photos import explain_system, open_photo, to_jpeg
from manylabel.errors import PhotoError
from manylabel.serving.labeling.picture_cache import PictureCache

SIZES_PX = (320, 1600)
"""Longer sides of the pictures: of a grid, and of one photo at a time."""

_QUALITY = 85
_MOST_BYTES = 128_000_000


class Pictures:
    """Small pictures of photos.

    Args:
        most_bytes: How many bytes of pictures stay in memory.
        cache: Where pictures of the smallest size stay on disk; None for nowhere.
    """

    def __init__(self, *, most_bytes: int = _MOST_BYTES, cache: PictureCache | None = None) -> None:
        self._cache = cache
        self._most_bytes = most_bytes
        self._kept: OrderedDict[tuple[Path, int, str], bytes] = OrderedDict()
        self._n_bytes = 0
        self._lock = threading.Lock()

    def get(self, path: Path, *, side_px: int) -> bytes:
        """Return the picture of a photo.

        Args:
            path: The photo.
            side_px: Its longer side, one of ``SIZES_PX``; smaller photos stay as they are.

        Raises:
            PhotoError: The photo cannot be read.
        """
        version = find_version(path)
        key = (path, side_px, version)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        picture = self._read_or_draw(path, version=version, side_px=side_px)
        with self._lock:
            self._n_bytes += len(picture) - len(self._kept.get(key, b""))
            self._kept[key] = picture
            while self._n_bytes > self._most_bytes and len(self._kept) > 1:
                self._n_bytes -= len(self._kept.popitem(last=False)[1])
        return picture

    def _read_or_draw(self, path: Path, *, version: str, side_px: int) -> bytes:
        if self._cache is None or side_px != SIZES_PX[0]:
            return _draw(path, side_px=side_px)
        kept = self._cache.read(path, version=version, side_px=side_px)
        if kept is not None:
            return kept
        picture = _draw(path, side_px=side_px)
        self._cache.write(path, picture, version=version, side_px=side_px)
        return picture


def find_version(path: Path) -> str:
    """Return what changes whenever a file does.

    Raises:
        PhotoError: The file is gone.
    """
    try:
        status = path.stat()
    except OSError as error:
        raise PhotoError(path, explain_system(error)) from error
    return f"{status.st_mtime_ns:x}-{status.st_size:x}"


def _draw(path: Path, *, side_px: int) -> bytes:
    photo = open_photo(path, side_px=side_px)
    photo.thumbnail((side_px, side_px), Image.Resampling.LANCZOS)
    return to_jpeg(photo, quality=_QUALITY)
