"""Keep decoded photos, so that every model, fold and view reads a file once.

In:  photo files, or photos already in memory.
Out: upright RGB photos by row, a content hash of each, and a list of those that cannot be read.
"""

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from manylabel.data.decoding import to_rgb
from manylabel.data.duplicates import Fingerprint, fingerprint
from manylabel.data.photos import convert_photos, open_photo
from manylabel.errors import PhotoError
from manylabel.preprocess import PixelArray
from manylabel.types import IntArray, Progress, ProgressCallback, ignore_progress

DEFAULT_MEMORY_BYTES = 2 * 1024**3


class PhotoStore:
    """Photos by row; as many as fit into memory stay decoded, the others are read again when needed.

    Attributes:
        fingerprints: Of each photo; features are cached by its SHA-256.
        read_seconds: Wall time that reading all photos took.
        side_px: Side of the square picture that the models see.
    """

    def __init__(self, *, side_px: int, memory_bytes: int = DEFAULT_MEMORY_BYTES) -> None:
        """Start empty; ``read_store`` and ``store_of_images`` fill it."""
        self.fingerprints: list[Fingerprint] = []
        self.read_seconds = 0.0
        self._paths: list[Path | None] = []
        self.side_px = side_px
        self._free_bytes = memory_bytes
        self._pixels: list[PixelArray | None] = []

    def __len__(self) -> int:
        """Count the photos."""
        return len(self.fingerprints)

    def __getitem__(self, row: int) -> Image.Image:
        """Return one photo, upright RGB, its shorter side at least ``side_px`` where the file has that much.

        Raises:
            PhotoError: The file has been lost, damaged or changed since it was first read.
        """
        pixels = self._pixels[row]
        if pixels is not None:
            return Image.fromarray(pixels)
        path = self._paths[row]
        assert path is not None, "only photos with a file are left out of memory"
        photo = open_photo(path, side_px=self.side_px)
        # What is computed from the photo is cached under the hash of what it was.
        if fingerprint(photo).sha256 != self.fingerprints[row].sha256:
            raise PhotoError(path, "the file changed during the run; start again once nothing writes to it")
        return photo

    @property
    def hashes(self) -> list[str]:
        """Return the SHA-256 of the pixels of each photo."""
        return [photo.sha256 for photo in self.fingerprints]

    def add(self, photo: Image.Image, *, is_known_as: Fingerprint, path: Path | None = None) -> None:
        """Append a photo; one that has a file to be read again from stays decoded only while memory lasts."""
        pixels = np.asarray(photo, dtype=np.uint8)
        self.fingerprints.append(is_known_as)
        self._paths.append(path)
        if path is None or pixels.nbytes <= self._free_bytes:
            self._free_bytes -= pixels.nbytes
            self._pixels.append(pixels)
        else:
            self._pixels.append(None)


def read_store(
    paths: Sequence[Path],
    *,
    side_px: int,
    memory_bytes: int = DEFAULT_MEMORY_BYTES,
    on_progress: ProgressCallback = ignore_progress,
) -> tuple[PhotoStore, IntArray, list[PhotoError]]:
    """Read all photos once.

    Args:
        paths: The files.
        side_px: Side of the square picture that the models see; larger photos are decoded at a reduced
            scale.
        memory_bytes: How much memory decoded photos may take.
        on_progress: Called after every photo.

    Returns:
        The store of the readable photos, their indices in ``paths`` [n_readable], the errors of the others.
    """
    started = time.perf_counter()
    readable: list[int] = []
    failures: list[PhotoError] = []
    store = PhotoStore(side_px=side_px, memory_bytes=memory_bytes)
    read = convert_photos(paths, lambda photo: (photo, fingerprint(photo)), side_px=side_px)
    for index, answer in enumerate(read):
        if isinstance(answer, PhotoError):
            failures.append(answer)
        else:
            photo, known_as = answer
            store.add(photo, is_known_as=known_as, path=paths[index])
            readable.append(index)
        on_progress(Progress(subject="photos", stage="reading", done=index + 1, total=len(paths)))
    store.read_seconds = time.perf_counter() - started
    return store, np.asarray(readable, dtype=np.int64), failures


def store_of_images(images: Sequence[Image.Image], *, side_px: int) -> PhotoStore:
    """Make a store of photos that are in memory already.

    Args:
        images: Upright photos of any size and mode; they become RGB as files do.
        side_px: Side of the square picture that the models see.
    """
    store = PhotoStore(side_px=side_px)
    for image in images:
        photo = to_rgb(image)
        store.add(photo, is_known_as=fingerprint(photo))
    return store
