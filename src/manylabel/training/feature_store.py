"""Keep features on disk: read them from the cache, or compute them and put them there.

In:  the path of a set of features, and a function that computes them batch by batch.
Out: the features [n_photos, n_views, ...], mapped into memory. Where several runs want the same ones at once,
     one computes them, the others wait.

A set is a NumPy file (.npy) and a JSON file beside it, which holds a checksum of both and appears last:
without it there is no set.
"""

import io
import json
import logging
import math
import os
import secrets
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from filelock import FileLock, Timeout
from numpy.lib import format as npy
from numpy.typing import DTypeLike, NDArray

from manylabel.errors import OutputError
from manylabel.io.cache import cache_limit_bytes, details_path, make_room, mark_used
from manylabel.io.files import is_locked, lock_if_possible

FeatureArray = NDArray[np.floating]

_FORMAT = "manylabel features 2"
_DTYPES = (np.dtype("<f2"), np.dtype("<f4"))
_PARTIAL = ".partial"
# Another run may hang or be suspended; after this long the features are computed here too.
_MAX_WAIT_SECONDS = 60 * 60
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False, kw_only=True)
class FrozenFeatures:
    """The features of some photos.

    Attributes:
        values: [n_photos, n_views, ...], perhaps read-only; the views of an evaluation come first.
        seconds: Wall time of computing them, also where they were computed by an earlier run.
        is_cached: Whether they came from the cache.
    """

    values: FeatureArray
    seconds: float
    is_cached: bool


def read_or_compute(
    path: Path | None,
    *,
    shape: tuple[int, ...],
    dtype: DTypeLike,
    metadata: Mapping[str, str],
    compute: Callable[["FeatureWriter"], None],
) -> FrozenFeatures:
    """Return features from the cache, or compute and cache them.

    Args:
        path: Their file; None computes them without a cache.
        shape: [n_photos, n_views, ...], no length 0.
        dtype: Type of the values, float16 or float32.
        metadata: What people read about the file: model, n_photos, n_views, what.
        compute: Appends all rows to the writer.

    Raises:
        ConfigError: MANYLABEL_CACHE_GB is no positive number.
        OutputError: The disk lost what had been written.
    """

    def write() -> FrozenFeatures:
        started = time.perf_counter()
        with FeatureWriter(path, shape=shape, dtype=dtype, metadata=metadata) as writer:
            compute(writer)
            seconds = time.perf_counter() - started
            return FrozenFeatures(values=writer.finish(seconds), seconds=seconds, is_cached=False)

    if path is None:
        return write()
    limit_bytes = cache_limit_bytes()
    if (cached := read_features(path, shape=shape, dtype=dtype)) is not None:
        return cached
    with _alone(path) as is_alone:
        # Another run may have written them while this one waited.
        if is_alone and (cached := read_features(path, shape=shape, dtype=dtype)) is not None:
            return cached
        if is_alone:
            _remove_half_written(path)
        features = write()
        make_room(path, limit_bytes=limit_bytes)
        return features


@contextmanager
def _alone(path: Path) -> Iterator[bool]:
    """Keep other runs from writing a file; yield whether that was possible."""
    lock = FileLock(path.with_suffix(".lock"))
    is_locked = _acquire(lock, path)
    try:
        yield is_locked
    finally:
        if is_locked:
            # Where a locked file cannot be removed (Windows), filelock does it on release.
            with suppress(OSError):
                path.with_suffix(".lock").unlink()
            lock.release()


def _acquire(lock: FileLock, path: Path) -> bool:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            _logger.info("another run computes the same features; waiting for it")
            lock.acquire(timeout=_MAX_WAIT_SECONDS)
    # The second: how older versions of filelock report a file system without locks.
    except (OSError, NotImplementedError):
        return False
    return True


def _remove_half_written(path: Path) -> None:
    """Remove the half-written files of killed processes; only for the one that holds the lock of the set."""
    for left in path.parent.glob(f"{path.stem}.*{_PARTIAL}"):
        with suppress(OSError):  # of another user, or gone
            if not is_locked(left):
                left.unlink()


def read_features(path: Path, *, shape: tuple[int, ...], dtype: DTypeLike) -> FrozenFeatures | None:
    """Read a set that ``FeatureWriter`` wrote.

    A set that is damaged, or holds something else, is removed with one warning.

    Args:
        path: The .npy file.
        shape: The expected shape, [n_photos, n_views, ...].
        dtype: The expected type, float16 or float32.

    Returns:
        Its content, read-only and now marked as used; None where there is no such set.
    """
    known = _known(dtype)
    try:
        features = _read(path, shape=shape, dtype=known)
        mark_used(path)
        return features
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        _logger.warning("%s cannot be used (%s); its features are computed again", path.name, error)
    for file in (details_path(path), path):
        with suppress(OSError):
            file.unlink()
    return None


def _read(path: Path, *, shape: tuple[int, ...], dtype: np.dtype[np.floating]) -> FrozenFeatures:
    text = details_path(path).read_bytes()
    details = json.loads(text)
    if not isinstance(details, dict) or details.get("format") != _FORMAT:
        raise ValueError("it has another format")
    held, expected = [details["dtype"], details["shape"]], [dtype.name, [*shape]]
    if held != expected:
        raise ValueError(f"it holds {held}, expected {expected}")
    header, n_bytes = _npy_header(shape, dtype), math.prod(shape) * dtype.itemsize
    with path.open("rb") as file:
        if file.read(len(header)) != header:
            raise ValueError("its header is wrong")
        n_given = os.fstat(file.fileno()).st_size - len(header)
    if n_given != n_bytes:
        raise ValueError(f"it has {n_given:,} bytes of features, expected {n_bytes:,}")
    # Mapped once and then checked: another process may put another file there meanwhile.
    values = npy.open_memmap(path, mode="r")
    given = details.pop("crc32")
    checksum = _checksum(details, zlib.crc32(_bytes_of(values)))
    if given != checksum or text != _details_text(details, checksum):
        raise ValueError("its checksum is wrong")
    return FrozenFeatures(values=values, seconds=float(details["seconds"]), is_cached=True)


class FeatureWriter:
    """A set of features that is being written to disk, or to memory where that is not possible.

    The set appears once ``finish`` is called. Leaving the ``with`` block before that, by an error or Ctrl-C,
    leaves nothing behind. A full disk or a folder that cannot be written to costs a warning, not the
    features.

    Args:
        path: The .npy file to make or to replace; None keeps the features in memory.
        shape: [n_photos, n_views, ...], no length 0.
        dtype: Type on disk, float16 or float32.
        metadata: What to write beside them, for people to read.

    Examples:
        >>> with FeatureWriter(None, shape=(2, 1, 3), dtype="float32", metadata={}) as writer:
        ...     writer.append(np.zeros((1, 3)))
        ...     writer.append(np.ones((1, 3)))
        ...     print(writer.finish(0.5)[:, 0, 0])
        [0. 1.]
    """

    def __init__(
        self, path: Path | None, *, shape: tuple[int, ...], dtype: DTypeLike, metadata: Mapping[str, str]
    ) -> None:
        """Prepare; the file is opened on entering the ``with`` block."""
        self._path, self._shape, self._metadata = path, shape, metadata
        self._dtype = _known(dtype)
        self._n_rows, self._n_done = math.prod(shape[:2]), 0
        self._crc32 = 0
        self._header = _npy_header(shape, self._dtype)
        self._partial: Path | None = None
        self._file: io.FileIO | None = None
        self._in_memory: FeatureArray | None = None  # [n_photos * n_views, ...]

    def __enter__(self) -> Self:
        """Open a temporary file in the same folder."""
        if self._path is None:
            self._in_memory = self._empty()
            return self
        unique = f"{os.getpid()}-{secrets.token_hex(4)}"
        self._partial = self._path.with_suffix(f".{unique}{_PARTIAL}")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = io.FileIO(self._partial, "x+")
            lock_if_possible(self._file)  # tells others that it is not left behind
            # Not through a map of the file: a full disk would end the process, not raise an error.
            _write(self._file, self._header)
        except OSError as error:
            self._continue_in_memory(error)
        return self

    def __exit__(self, *_: object) -> None:
        """Remove the temporary file unless it was published."""
        self._discard()

    def append(self, batch: FeatureArray) -> None:
        """Add the next rows: photo by photo, of each view by view.

        Args:
            batch: [n_rows, ...], of any number type.

        Raises:
            ValueError: The rows have another shape, or are too many.
            OutputError: The disk lost what had been written.
        """
        rows = np.ascontiguousarray(batch, dtype=self._dtype)
        end = self._n_done + len(rows)
        if rows.shape[1:] != self._shape[2:] or end > self._n_rows:
            raise ValueError(f"rows {rows.shape} after {self._n_done} others do not fit into {self._shape}")
        if self._file is not None:
            try:
                _write(self._file, _bytes_of(rows))
                self._crc32 = zlib.crc32(_bytes_of(rows), self._crc32)
            except OSError as error:
                self._continue_in_memory(error)
        if self._in_memory is not None:
            self._in_memory[self._n_done : end] = rows
        self._n_done = end

    def finish(self, seconds: float) -> FeatureArray:
        """Publish the set.

        Args:
            seconds: Wall time of computing the features.

        Returns:
            Features [n_photos, n_views, ...]: mapped into memory, read-only; without a file a plain array.

        Raises:
            ValueError: Rows are missing.
            OutputError: The disk lost what had been written.
        """
        if self._n_done != self._n_rows:
            raise ValueError(f"{self._n_done} rows of {self._n_rows} were given")
        if self._file is not None:
            try:
                return self._publish(self._file, seconds)
            except OSError as error:
                self._continue_in_memory(error)
        assert self._in_memory is not None, "features are in a file or in memory"
        return self._in_memory.reshape(self._shape)

    def _publish(self, file: io.FileIO, seconds: float) -> FeatureArray:
        assert self._path is not None, "an open file has a path to go to"
        assert self._partial is not None, "an open file has a name"
        held = {"dtype": self._dtype.name, "shape": [*self._shape]}
        details = {"format": _FORMAT, **held, "seconds": float(seconds), **self._metadata}
        partial_details = self._partial.with_suffix(f".json{_PARTIAL}")
        os.fsync(file.fileno())
        try:
            partial_details.write_bytes(_details_text(details, _checksum(details, self._crc32)))
            details_path(self._path).unlink(
                missing_ok=True
            )  # the old details are not those of the new values
            if os.name == "nt":  # an open file cannot be renamed there
                file.close()
                self._partial.replace(self._path)
                values = npy.open_memmap(self._path, mode="r")
            else:
                # Mapped first: once it has its name, another process may remove it.
                values = npy.open_memmap(self._partial, mode="r")
                self._partial.replace(self._path)
            partial_details.replace(details_path(self._path))
        except OSError:
            partial_details.unlink(missing_ok=True)
            if not details_path(self._path).exists():
                self._path.unlink(missing_ok=True)  # values without details are nobody's
            raise
        file.close()
        self._file = self._partial = None
        return values

    def _continue_in_memory(self, error: OSError) -> None:
        assert self._path is not None, "only a file fails"
        _logger.warning("features could not be cached in %s: %s", self._path.parent, error)
        self._in_memory = self._empty()
        if self._n_done:
            self._read_back(self._in_memory[: self._n_done])
        self._discard()

    def _read_back(self, rows: FeatureArray) -> None:
        """Fill rows with what was written; a disk that failed may have lost some of it."""
        assert self._file is not None, "what was written is in the file"
        assert self._partial is not None, "an open file has a name"
        buffer = _bytes_of(rows)
        try:
            file = io.FileIO(self._partial) if self._file.closed else self._file
            with file:
                file.seek(len(self._header))
                n_read = 0
                while n_read < len(buffer) and (n_more := file.readinto(buffer[n_read:])):
                    n_read += n_more
        except OSError:
            n_read = 0
        if n_read < len(buffer) or zlib.crc32(buffer) != self._crc32:
            raise OutputError(
                f"{self._partial.parent}: the disk lost features that were written to it; make room there,"
                " or let MANYLABEL_CACHE name a folder on another disk"
            )

    def _empty(self) -> FeatureArray:
        return np.empty((self._n_rows, *self._shape[2:]), dtype=self._dtype)

    def _discard(self) -> None:
        if self._file is not None:
            with suppress(OSError):
                self._file.close()
        if self._partial is not None:
            with suppress(OSError):
                self._partial.unlink()
        self._file = self._partial = None


def _known(dtype: DTypeLike) -> np.dtype[np.floating]:
    """Return the type as on disk: low byte first on every machine."""
    for known in _DTYPES:
        if known == np.dtype(dtype).newbyteorder("<"):
            return known
    raise ValueError(f"features of {np.dtype(dtype)} cannot be stored; expected float16 or float32")


def _npy_header(shape: tuple[int, ...], dtype: np.dtype[np.floating]) -> bytes:
    """Return the beginning of the .npy file; it ends at a multiple of 64 bytes."""
    buffer = io.BytesIO()
    npy.write_array_header_1_0(buffer, {"descr": dtype.str, "fortran_order": False, "shape": shape})
    return buffer.getvalue()


def _details_text(details: Mapping[str, object], checksum: str) -> bytes:
    return json.dumps({"crc32": checksum, **details}, indent=2).encode()


def _checksum(details: Mapping[str, object], crc32_of_values: int) -> str:
    """Return the checksum of the values and of all details but the checksum itself."""
    return f"{zlib.crc32(_details_text(details, ''), crc32_of_values):08x}"


def _bytes_of(rows: FeatureArray) -> memoryview:
    return rows.reshape(-1).view(np.uint8).data


def _write(file: io.FileIO, content: bytes | memoryview) -> None:
    """Write all of it: one call of the system may write less, and at most 2 GB."""
    rest = memoryview(content)
    while len(rest):
        rest = rest[file.write(rest) :]
