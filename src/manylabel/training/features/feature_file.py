"""Keep a set of features in one file that is mapped into memory.

In:  features, batch by batch.
Out: a safetensors file of one tensor, features [n_photos, n_views, ...], with a checksum; complete or absent.

The checksum is known only once everything is written: the header has room for it and is written again then.
"""

import io
import json
import logging
import math
import os
import re
import secrets
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

from manylabel.errors import OutputError
from manylabel.io.cache import LENGTH_BYTES, read_header
from manylabel.io.files import is_locked, try_to_lock

FeatureArray = NDArray[np.floating]

_FORMAT = "manylabel features 1"
_DTYPES: dict[str, np.dtype[np.floating]] = {"F16": np.dtype("<f2"), "F32": np.dtype("<f4")}
_ALIGNMENT = 64
_SECONDS_DIGITS = 24
_CHUNK_BYTES = 4 * 1024**2
_CHECKSUM = re.compile(rb'"crc32": "[0-9a-f]{8}"')
_NO_CHECKSUM = "0" * 8
_PARTIAL = ".partial"
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False, kw_only=True)
class StoredFeatures:
    """Hold the content of a file.

    Attributes:
        values: [n_photos, n_views, ...], mapped into memory, read-only.
        seconds: Wall time of computing them.
        metadata: What was written beside them.
    """

    values: FeatureArray
    seconds: float
    metadata: Mapping[str, str]


def remove_half_written(path: Path) -> None:
    """Remove what killed processes had begun to write of a file: what nobody has locked.

    A process locks what it writes right after making it; call this where no other one may be about to.
    """
    for left in path.parent.glob(f"{path.stem}.*{_PARTIAL}"):
        with suppress(OSError):  # of another user, or gone
            if not is_locked(left):
                left.unlink()


def read_features(path: Path, *, shape: tuple[int, ...], dtype: DTypeLike) -> StoredFeatures | None:
    """Read a file that ``FeatureWriter`` wrote.

    A file that is damaged, or holds something else, is removed, and one warning says so.

    Args:
        path: The file.
        shape: The shape expected, [n_photos, n_views, ...].
        dtype: The number type expected, float16 or float32.

    Returns:
        Its content, or None where there is no such file.
    """
    known = _known(dtype)
    try:
        with path.open("rb") as file:
            return _read(file, shape=shape, dtype=known)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        _logger.warning("%s cannot be used (%s); its features are computed again", path.name, error)
    with suppress(OSError):
        path.unlink()
    return None


def _read(file: IO[bytes], *, shape: tuple[int, ...], dtype: np.dtype[np.floating]) -> StoredFeatures:
    text = read_header(file)
    header = json.loads(text)
    metadata = header.pop("__metadata__", None)
    if not isinstance(metadata, dict) or metadata.get("format") != _FORMAT:
        raise ValueError("it has another format")
    expected = {"features": _tensor(shape, dtype)}
    if header != expected:
        raise ValueError(f"it holds {json.dumps(header)}, expected {json.dumps(expected)}")
    start, n_bytes = LENGTH_BYTES + len(text), math.prod(shape) * dtype.itemsize
    n_given = os.fstat(file.fileno()).st_size - start
    if n_given != n_bytes:
        raise ValueError(f"it has {n_given:,} bytes of features, expected {n_bytes:,}")
    if metadata["crc32"] != _checksum(text, _crc32_of(file)):
        raise ValueError("its checksum is wrong")
    # The open file is mapped, not the path: another process may have put another file there meanwhile.
    values = np.memmap(file, dtype=dtype, mode="r", offset=start, shape=shape)
    return StoredFeatures(values=values, seconds=float(metadata["seconds"]), metadata=metadata)


class FeatureWriter:
    """Write features to a file while they are computed, in memory where that is not possible.

    The file appears once ``finish`` is called. Leaving the ``with`` block before that, by an error or Ctrl-C,
    leaves nothing behind. A full disk or a folder that cannot be written to costs a warning, not the
    features.

    Args:
        path: The file to make or to replace; None keeps the features in memory.
        shape: [n_photos, n_views, ...], no length 0.
        dtype: Number type on disk, float16 or float32.
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
        self._header = _header(shape, self._dtype, metadata, seconds=0.0)
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
            with suppress(NotImplementedError):
                try_to_lock(self._file)  # tells others that it is not left behind
            _write(self._file, self._header)
        except OSError as error:
            self._go_on_in_memory(error)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Remove the temporary file unless it has taken its place."""
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
                self._go_on_in_memory(error)
        if self._in_memory is not None:
            self._in_memory[self._n_done : end] = rows
        self._n_done = end

    def finish(self, seconds: float) -> FeatureArray:
        """Put the file in its place.

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
                self._go_on_in_memory(error)
        assert self._in_memory is not None, "features are in a file or in memory"
        return self._in_memory.reshape(self._shape)

    def _publish(self, file: io.FileIO, seconds: float) -> FeatureArray:
        assert self._path is not None, "an open file has a place to take"
        assert self._partial is not None, "an open file has a name"
        header = _header(self._shape, self._dtype, self._metadata, seconds=seconds)
        file.seek(0)
        _write(file, _with_checksum(header, _checksum(header[LENGTH_BYTES:], self._crc32)))
        os.fsync(file.fileno())
        if os.name == "nt":  # an open file cannot be renamed there
            file.close()
            self._partial.replace(self._path)
            with self._path.open("rb") as renamed:
                values = self._map(renamed)
        else:
            # Mapped first: once it has its name, another process may remove it.
            values = self._map(file)
            self._partial.replace(self._path)
            file.close()
        self._file = self._partial = None
        return values

    def _map(self, file: IO[bytes] | io.FileIO) -> FeatureArray:
        return np.memmap(file, dtype=self._dtype, mode="r", offset=len(self._header), shape=self._shape)

    def _go_on_in_memory(self, error: OSError) -> None:
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
    """Return the number type as it lies on disk: low byte first on every machine."""
    for known in _DTYPES.values():
        if known == np.dtype(dtype).newbyteorder("<"):
            return known
    raise ValueError(f"features of {np.dtype(dtype)} cannot be stored; expected float16 or float32")


def _header(
    shape: tuple[int, ...], dtype: np.dtype[np.floating], metadata: Mapping[str, str], *, seconds: float
) -> bytes:
    """Return the beginning of a file, without its checksum; as long for any number of seconds."""
    ours = {
        "crc32": _NO_CHECKSUM,
        "format": _FORMAT,
        "seconds": repr(float(seconds)).zfill(_SECONDS_DIGITS),
    }
    assert not ours.keys() & metadata.keys(), "these keys are taken"
    text = json.dumps({"__metadata__": {**ours, **metadata}, "features": _tensor(shape, dtype)}).encode()
    n_bytes = -(-(LENGTH_BYTES + len(text)) // _ALIGNMENT) * _ALIGNMENT - LENGTH_BYTES
    return n_bytes.to_bytes(LENGTH_BYTES, "little") + text.ljust(n_bytes)


def _tensor(shape: tuple[int, ...], dtype: np.dtype[np.floating]) -> dict[str, object]:
    """Describe the tensor as safetensors does.

    Examples:
        >>> _tensor((2, 3), np.dtype("float16"))
        {'dtype': 'F16', 'shape': [2, 3], 'data_offsets': [0, 12]}
    """
    return {
        "dtype": next(name for name, known in _DTYPES.items() if known == dtype),
        "shape": [*shape],
        "data_offsets": [0, math.prod(shape) * dtype.itemsize],
    }


def _checksum(text: bytes, crc32_of_values: int) -> str:
    """Return the checksum of the values and of the header, whatever checksum stands in it."""
    return f"{zlib.crc32(_with_checksum(text, _NO_CHECKSUM), crc32_of_values):08x}"


def _with_checksum(text: bytes, checksum: str) -> bytes:
    return _CHECKSUM.sub(f'"crc32": "{checksum}"'.encode(), text, count=1)


def _crc32_of(file: IO[bytes]) -> int:
    """Return the checksum of the rest of a file."""
    crc32 = 0
    while chunk := file.read(_CHUNK_BYTES):
        crc32 = zlib.crc32(chunk, crc32)
    return crc32


def _bytes_of(rows: FeatureArray) -> memoryview:
    return rows.reshape(-1).view(np.uint8).data


def _write(file: io.FileIO, content: bytes | memoryview) -> None:
    """Write all of it: one call of the system may write less, and at most 2 GB."""
    rest = memoryview(content)
    while len(rest):
        rest = rest[file.write(rest) :]
