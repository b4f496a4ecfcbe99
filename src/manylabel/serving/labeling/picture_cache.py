"""Keep small pictures on disk, so that the next start of the labeling page need not make them again.

In:  the folder of the photos; pictures, each with its photo and the version of that.
Out: the same pictures later, each whole or not at all, in the user's cache and within its limit.

A cache that cannot be read or written is an empty one.
"""

import os
import threading
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from manylabel.errors import ConfigError
from manylabel.io.cache import (
    cache_limit_bytes,
    default_cache,
    make_room,
    mark_used,
    pictures_folder,
    size_of_folder,
)
from manylabel.io.files import name_half_written

_BYTES_UNTIL_ROOM_IS_MADE = 50_000_000
_BEGIN, _END = b"\xff\xd8", b"\xff\xd9"  # of a JPEG file


class PictureCache:
    """Small pictures of the photos of a folder, on disk.

    Only the user can read them. They are removed together: by ``manylabel cache --clear``, or when the cache
    is full and nothing else in it is as old.

    Args:
        photos: The folder.

    Raises:
        ConfigError: MANYLABEL_CACHE_GB is not a positive number.
    """

    def __init__(self, photos: Path) -> None:
        self._limit_bytes = cache_limit_bytes()
        self._folder = _folder_of(photos)
        self._lock = threading.Lock()
        self._n_bytes: int | None = None  # of the folder; None before anything was written
        self._n_new = _BYTES_UNTIL_ROOM_IS_MADE
        if self._folder is not None:
            mark_used(self._folder)

    def read(self, photo: Path, *, version: str, side_px: int) -> bytes | None:
        """Return a picture as a JPEG file; None if it is not there.

        Args:
            photo: The photo.
            version: What changes whenever the photo does.
            side_px: The longer side of the picture.
        """
        if self._folder is None:
            return None
        try:
            picture = _file_of(self._folder, photo, version, side_px).read_bytes()
        except OSError:
            return None
        # The disk need not have all of a file that was renamed just before a power cut.
        return picture if picture.startswith(_BEGIN) and picture.endswith(_END) else None

    def write(self, photo: Path, picture: bytes, *, version: str, side_px: int) -> None:
        """Keep a picture, if there is room for it.

        Args:
            photo: The photo.
            picture: The picture, a JPEG file.
            version: What changes whenever the photo does.
            side_px: The longer side of the picture.
        """
        if self._folder is None:
            return
        with suppress(OSError), self._lock:  # one file after the other: the names of half-written ones differ
            if self._n_bytes is None:
                self._n_bytes = size_of_folder(self._folder)
            if self._n_bytes + len(picture) > self._limit_bytes:
                return
            _write_whole(_file_of(self._folder, photo, version, side_px), picture)
            self._n_bytes += len(picture)
            self._n_new += len(picture)
            if self._n_new > _BYTES_UNTIL_ROOM_IS_MADE:
                self._n_new = 0
                make_room(self._folder, limit_bytes=self._limit_bytes)


def _folder_of(photos: Path) -> Path | None:
    try:
        return pictures_folder(default_cache(), _hash_of(str(photos.absolute())))
    except ConfigError:  # a user without a home
        return None


def _file_of(folder: Path, photo: Path, version: str, side_px: int) -> Path:
    return folder / f"{_hash_of(str(photo.absolute()), version, str(side_px))}.jpg"


def _hash_of(*texts: str) -> str:
    return sha256(b"\0".join(map(os.fsencode, texts))).hexdigest()


def _write_whole(path: Path, content: bytes) -> None:
    """Write a file under another name, then rename it; without waiting for the disk, which takes too long.

    Raises:
        OSError: It cannot be written; nothing is left of it.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    half = name_half_written(path, ending="tmp")
    try:
        half.write_bytes(content)
        half.replace(path)
    finally:
        half.unlink(missing_ok=True)
