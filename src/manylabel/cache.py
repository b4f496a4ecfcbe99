"""Keep the folder of cached features: where it lies, what is in it, how large it may grow.

In:  MANYLABEL_CACHE (the folder) and MANYLABEL_CACHE_GB (its limit); the files that training wrote.
Out: paths, a listing, fewer files.

Several processes may use the folder at once, so every file may vanish at any moment; that is no error.
"""

import json
import logging
import math
import os
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from platformdirs import user_cache_path

from manylabel.errors import ConfigError, OutputError

_DEFAULT_LIMIT_GB = 20.0
_BYTES_PER_GB = 10**9
_SECONDS_PER_DAY = 24 * 60 * 60
LENGTH_BYTES = 8
_MAX_HEADER_BYTES = 1_000_000
# The user may name any folder: only files with names like ours are ever listed or removed.
_FEATURES = re.compile(r"[0-9a-f]{64}\.safetensors")
_LEFT_BEHIND = re.compile(r"[0-9a-f]{64}\.(.*\.)?(partial|lock)")
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class CachedFile:
    """Describe one file of the cache; None is what a damaged file does not tell.

    Attributes:
        path: The file.
        network: Network that computed it.
        n_photos: How many photos it holds.
        n_views: Views of each.
        what: What was kept of them, e.g. "features".
        n_bytes: Size on disk.
        last_used: Seconds since the epoch when it was last read or written.
    """

    path: Path
    network: str | None
    n_photos: int | None
    n_views: int | None
    what: str | None
    n_bytes: int
    last_used: float


@dataclass(frozen=True, kw_only=True)
class CacheContents:
    """List what the cache holds.

    Attributes:
        folder: Where it lies.
        limit_bytes: The size above which the files that were not used for longest are removed.
        files: What it holds, last used first.
    """

    folder: Path
    limit_bytes: int
    files: tuple[CachedFile, ...]

    @property
    def n_bytes(self) -> int:
        """Return the size of all files together."""
        return sum(file.n_bytes for file in self.files)


@dataclass(frozen=True, kw_only=True)
class ClearedCache:
    """Say what was removed.

    Attributes:
        folder: Where the cache lies.
        n_files: How many sets of features were removed.
        n_bytes: How much was freed.
    """

    folder: Path
    n_files: int
    n_bytes: int


def default_cache() -> Path:
    """Return the folder of the cache: MANYLABEL_CACHE, or the user's cache folder."""
    given = os.environ.get("MANYLABEL_CACHE")
    return Path(given) if given else user_cache_path("manylabel")


def cache_limit_bytes() -> int:
    """Return how large the cache may grow: MANYLABEL_CACHE_GB, in units of 10^9 bytes, or 20.

    Raises:
        ConfigError: It is no positive number.
    """
    given = os.environ.get("MANYLABEL_CACHE_GB")
    if not given:
        return int(_DEFAULT_LIMIT_GB * _BYTES_PER_GB)
    try:
        gigabytes = float(given)
    except ValueError:
        gigabytes = math.nan
    if not (math.isfinite(gigabytes) and gigabytes > 0):
        raise ConfigError(
            f"MANYLABEL_CACHE_GB: given '{given}', expected a positive number of gigabytes, e.g. 20"
        )
    return int(gigabytes * _BYTES_PER_GB)


def feature_path(folder: Path, key: str) -> Path:
    """Return the file of a set of features.

    Args:
        folder: Folder of the cache.
        key: Hash of everything that decides the features, 64 hexadecimal digits.
    """
    return folder / "features" / f"{key}.safetensors"


def mark_used(path: Path) -> None:
    """Note that a file was read just now; a folder that cannot be written to stays as it is."""
    with suppress(OSError):
        os.utime(path)


def make_room(newest: Path, *, limit_bytes: int) -> None:
    """Remove the files that were not used for longest until the cache is no larger than its limit.

    What a killed process left half-written more than a day ago goes too.

    Args:
        newest: The file that was just written; it stays even where it is larger than the limit.
        limit_bytes: The limit.
    """
    _remove_left_behind(newest.parent)
    known = sorted(_stats(newest.parent, _FEATURES), key=lambda known: (known[1].st_mtime_ns, known[0].name))
    n_bytes, n_removed = sum(stat.st_size for _, stat in known), 0
    for path, stat in known:
        if n_bytes <= limit_bytes:
            break
        # Where a file in use cannot be removed (Windows), another one goes.
        if path != newest and _remove(path) is None:
            n_bytes, n_removed = n_bytes - stat.st_size, n_removed + 1
    if n_removed:
        _logger.info(
            "cache: removed the %d least recently used files to stay below %g GB (MANYLABEL_CACHE_GB)",
            n_removed,
            limit_bytes / _BYTES_PER_GB,
        )


def list_cache(folder: Path | None = None) -> CacheContents:
    """List what the cache holds.

    Args:
        folder: Folder of the cache; not given: ``default_cache()``.

    Raises:
        ConfigError: MANYLABEL_CACHE_GB is no positive number.

    Examples:
        >>> list_cache(Path("nothing/here")).n_bytes
        0
    """
    folder = default_cache() if folder is None else folder
    files = [_describe(path, stat) for path, stat in _stats(folder / "features", _FEATURES)]
    return CacheContents(
        folder=folder,
        limit_bytes=cache_limit_bytes(),
        files=tuple(sorted(files, key=lambda file: (-file.last_used, file.path.name))),
    )


def clear_cache(folder: Path | None = None) -> ClearedCache:
    """Remove all features from the cache; files that others put into the folder stay.

    Runs that are under way go on: what they have read stays theirs, what they write is written anew.

    Args:
        folder: Folder of the cache; not given: ``default_cache()``.

    Raises:
        OutputError: Some files cannot be removed; the others are.
    """
    folder = default_cache() if folder is None else folder
    n_files, n_bytes, problems = 0, 0, []
    for pattern in (_FEATURES, _LEFT_BEHIND):
        for path, stat in _stats(folder / "features", pattern):
            error = _remove(path)
            if error is not None:
                problems.append(f"{path}: cannot be removed: {error.strerror or error}")
                continue
            n_files += pattern is _FEATURES
            n_bytes += stat.st_size
    with suppress(OSError):
        (folder / "features").rmdir()
    if problems:
        raise OutputError("\n".join(problems))
    return ClearedCache(folder=folder, n_files=n_files, n_bytes=n_bytes)


def read_header(file: IO[bytes]) -> bytes:
    """Read the header of a safetensors file: JSON, padded with spaces.

    Args:
        file: The file at its beginning; afterwards it stands where the numbers begin.

    Raises:
        ValueError: It is no such file.
    """
    prefix = file.read(LENGTH_BYTES)
    n_bytes = int.from_bytes(prefix, "little")
    if len(prefix) < LENGTH_BYTES or n_bytes > _MAX_HEADER_BYTES:
        raise ValueError("it is no safetensors file")
    header = file.read(n_bytes)
    if not header.startswith(b"{"):
        raise ValueError("it is no safetensors file")
    if len(header) < n_bytes:
        raise ValueError("it is cut off")
    return header


def _describe(path: Path, stat: os.stat_result) -> CachedFile:
    metadata: dict[str, str] = {}
    with suppress(OSError, ValueError, KeyError, TypeError), path.open("rb") as file:
        metadata = dict(json.loads(read_header(file))["__metadata__"])
    return CachedFile(
        path=path,
        network=metadata.get("network"),
        n_photos=_number(metadata.get("n_photos")),
        n_views=_number(metadata.get("n_views")),
        what=metadata.get("what"),
        n_bytes=stat.st_size,
        last_used=stat.st_mtime,
    )


def _number(text: Any) -> int | None:
    return int(text) if isinstance(text, str) and text.isdecimal() else None


def _stats(folder: Path, pattern: re.Pattern[str]) -> Iterator[tuple[Path, os.stat_result]]:
    """Yield the files of a folder whose whole name fits, as long as they are there."""
    try:
        paths = sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return
    for path in paths:
        if pattern.fullmatch(path.name):
            with suppress(OSError):
                yield path, path.stat()


def _remove_left_behind(folder: Path) -> None:
    for path, stat in _stats(folder, _LEFT_BEHIND):
        if time.time() - stat.st_mtime > _SECONDS_PER_DAY:
            _remove(path)


def _remove(path: Path) -> OSError | None:
    """Remove a file, and return why that was not possible."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        return error
    return None
