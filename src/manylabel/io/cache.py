"""The cache of features, converted models, small pictures and unfinished runs: its folder, contents, limit.

In:  MANYLABEL_CACHE (the folder) and MANYLABEL_CACHE_GB (its limit); what training and prediction wrote.
Out: paths, a listing, fewer files.

Several processes may use the folder at once, so any file may vanish at any moment; that is not an error.
"""

import json
import logging
import math
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISDIR
from typing import Any

from platformdirs import user_cache_path

from manylabel.errors import ConfigError, OutputError
from manylabel.io.files import is_locked, remove_empty
from manylabel.io.folders import remove_abandoned_lock
from manylabel.io.unfinished import RUNS_FOLDER, UnfinishedRun, list_unfinished

_DEFAULT_LIMIT_GB = 20.0
_BYTES_PER_GB = 10**9
_SECONDS_PER_DAY = 24 * 60 * 60
_SECONDS_UNTIL_LOCKED = 60
# The user may name any folder: only files with names like ours are ever listed or removed.
# Version 0.1 wrote .safetensors.
_FEATURES = re.compile(r"[0-9a-f]{64}\.(npy|safetensors)")
_DETAILS = re.compile(r"[0-9a-f]{64}\.json")
_ENGINES = _PICTURES = re.compile(r"[0-9a-f]{64}")
_LEFT_BEHIND = re.compile(r"\.?[0-9a-f]{64}\.(.*\.)?(partial|lock|old)")
_FEATURES_FOLDER, _ENGINES_FOLDER, _PICTURES_FOLDER = "features", "engines", "pictures"
_KINDS = {_ENGINES_FOLDER: "converted model", _PICTURES_FOLDER: "small pictures"}
_ANYTHING = re.compile(".*")
ENGINE_FACTS_FILE = "facts.json"
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class CacheEntry:
    """A file of features, or a folder of a converted model or small pictures; None for what it does not tell.

    Attributes:
        path: The file or folder.
        model: The model.
        n_photos: Number of photos.
        n_views: Views of each photo.
        what: Kind of data, e.g. "features".
        n_bytes: Size on disk.
        last_used: Seconds since the epoch when it was last read or written.
    """

    path: Path
    model: str | None
    n_photos: int | None
    n_views: int | None
    what: str | None
    n_bytes: int
    last_used: float


@dataclass(frozen=True, kw_only=True)
class CacheContents:
    """The contents of the cache.

    Attributes:
        folder: Its folder.
        limit_bytes: The size above which the least recently used files are removed.
        entries: The entries, most recently used first.
        unfinished: The runs that were interrupted or are running, most recently used first.
    """

    folder: Path
    limit_bytes: int
    entries: tuple[CacheEntry, ...]
    unfinished: tuple[UnfinishedRun, ...] = ()

    @property
    def n_bytes(self) -> int:
        """Return the size of everything together."""
        return sum(entry.n_bytes for entry in self.entries) + sum(run.n_bytes for run in self.unfinished)


@dataclass(frozen=True, kw_only=True)
class ClearedCache:
    """What was removed from the cache.

    Attributes:
        folder: Folder of the cache.
        n_entries: Number of sets of features, converted models, folders of pictures and interrupted runs.
        n_bytes: Bytes that were freed.
    """

    folder: Path
    n_entries: int
    n_bytes: int


def default_cache() -> Path:
    """Return the folder of the cache: MANYLABEL_CACHE, or the user's cache folder.

    Raises:
        ConfigError: The user has no home and no private folder for temporary files.
    """
    given = os.environ.get("MANYLABEL_CACHE")
    if given:
        return Path(given)
    with suppress(RuntimeError):  # a user unknown to the system, as in containers, without HOME
        found = user_cache_path("manylabel")
        if found.is_absolute():
            return found
    return _temporary_cache()


def _temporary_cache() -> Path:
    """Return a folder for temporary files that no other user can write to."""
    user = os.getuid() if hasattr(os, "getuid") else 0
    folder = Path(tempfile.gettempdir()) / f"manylabel-{user}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
        is_own = S_ISDIR(status.st_mode) and status.st_uid == user and not status.st_mode & 0o022
    except OSError:
        is_own = False
    if not is_own:
        raise ConfigError(
            f"no folder for the cache: user {user} has no home, and {folder} is not private; set "
            "MANYLABEL_CACHE to a folder"
        )
    return folder


def cache_limit_bytes() -> int:
    """Return the maximum size of the cache: MANYLABEL_CACHE_GB, in units of 10^9 bytes, or 20.

    Raises:
        ConfigError: It is not a positive number.
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
        key: Hash of everything that determines the features, 64 hexadecimal digits.
    """
    return folder / _FEATURES_FOLDER / f"{key}.npy"


def details_path(features: Path) -> Path:
    """Return the JSON file beside a file of features."""
    return features.with_suffix(".json")


def engine_folder(folder: Path, key: str) -> Path:
    """Return the folder of a converted model.

    Args:
        folder: Folder of the cache.
        key: Hash of everything that determines the model, 64 hexadecimal digits.
    """
    return folder / _ENGINES_FOLDER / key


def pictures_folder(folder: Path, key: str) -> Path:
    """Return the folder of small pictures of some photos.

    Args:
        folder: Folder of the cache.
        key: Hash of what tells these photos from others, 64 hexadecimal digits.
    """
    return folder / _PICTURES_FOLDER / key


def mark_used(path: Path) -> None:
    """Note that an entry was read just now, unless the disk is read-only."""
    with suppress(OSError):
        os.utime(path)


def make_room(newest: Path, *, limit_bytes: int) -> None:
    """Remove the least recently used entries until the cache is within its limit.

    What killed processes left half-written more than a day ago is removed too.

    Args:
        newest: The entry that was just written; it is kept even if it is larger than the limit.
        limit_bytes: The limit.
    """
    folder = newest.parent.parent
    _remove_left_behind(folder)
    interrupted = [run for run in list_unfinished(folder) if not run.is_running and not run.left_behind]
    found = [(run.folder, run.n_bytes, run.last_used) for run in interrupted]
    found += [(path, size, stat.st_mtime) for path, size, stat in _found(folder)]
    found.sort(key=lambda known: (known[2], known[0].name))
    n_bytes, n_removed = sum(size for _, size, _ in found), 0
    for path, size, _ in found:
        if n_bytes <= limit_bytes:
            break
        # If a file in use cannot be removed (Windows), another one is.
        if path != newest and _remove(path) is None:
            n_bytes, n_removed = n_bytes - size, n_removed + 1
    if n_removed:
        _logger.info(
            "cache: removed the %d least recently used entries to stay below %g GB (MANYLABEL_CACHE_GB)",
            n_removed,
            limit_bytes / _BYTES_PER_GB,
        )


def list_cache(folder: Path | None = None) -> CacheContents:
    """List the contents of the cache.

    Args:
        folder: Folder of the cache; ``default_cache()`` if not given.

    Raises:
        ConfigError: MANYLABEL_CACHE_GB is not a positive number.
    """
    folder = default_cache() if folder is None else folder
    entries = [_describe(*found) for found in _found(folder)]
    return CacheContents(
        folder=folder,
        limit_bytes=cache_limit_bytes(),
        entries=tuple(sorted(entries, key=lambda entry: (-entry.last_used, entry.path.name))),
        unfinished=tuple(sorted(list_unfinished(folder), key=lambda run: -run.last_used)),
    )


def clear_cache(folder: Path | None = None) -> ClearedCache:
    """Remove all features, converted models, small pictures and interrupted runs from the cache.

    Also remove the half-written folders that killed runs left beside their outputs, and no other files. Runs
    in progress continue: they keep what they have read, and write again what they need.

    Args:
        folder: Folder of the cache; ``default_cache()`` if not given.

    Raises:
        OutputError: Some files cannot be removed; the others are.
    """
    folder = default_cache() if folder is None else folder
    entries = [(path, size) for path, size, _ in _found(folder)]
    left_behind = [(path, stat.st_size) for path, stat in _left_behind(folder)]
    interrupted = [run for run in list_unfinished(folder) if not run.is_running]
    of_runs = [(path, 0) for run in interrupted for path in run.left_behind]
    of_runs += [(run.folder, run.n_bytes + run.n_bytes_left) for run in interrupted]
    problems, n_bytes = [], 0
    for path, size in [*entries, *left_behind, *of_runs]:
        error = _remove(path)
        if error is None:
            n_bytes += size
        else:
            problems.append(f"{path}: cannot be removed: {error.strerror or error}")
    for out in [run.out for run in interrupted if run.out is not None]:
        remove_abandoned_lock(out)
    remove_empty(folder / name for name in (_FEATURES_FOLDER, *_KINDS, RUNS_FOLDER))
    if problems:
        raise OutputError("\n".join(problems))
    return ClearedCache(folder=folder, n_entries=len(entries) + len(interrupted), n_bytes=n_bytes)


def _found(folder: Path) -> Iterator[tuple[Path, int, os.stat_result]]:
    """Yield everything that may be removed to make room, and its size, without opening it."""
    for path, stat in _stats(folder / _FEATURES_FOLDER, _FEATURES):
        yield path, stat.st_size + _size(details_path(path)), stat
    for path, stat in _stats(folder / _ENGINES_FOLDER, _ENGINES):
        yield path, size_of_folder(path), stat
    for path, stat in _stats(folder / _PICTURES_FOLDER, _PICTURES):
        yield path, size_of_folder(path), stat


def size_of_folder(folder: Path) -> int:
    """Return the bytes of the files of a folder, without those of folders below it."""
    return sum(part.st_size for _, part in _stats(folder, _ANYTHING))


def _describe(path: Path, n_bytes: int, stat: os.stat_result) -> CacheEntry:
    kind = path.parent.name
    metadata: dict[str, Any] = {}
    with suppress(OSError, ValueError, KeyError, TypeError):
        metadata = _read_engine_facts(path) if kind == _ENGINES_FOLDER else _read_metadata(path)
    return CacheEntry(
        path=path,
        model=metadata.get("model"),
        n_photos=_number(metadata.get("n_photos")),
        n_views=_number(metadata.get("n_views")),
        what=_KINDS[kind] if kind in _KINDS else metadata.get("what"),
        n_bytes=n_bytes,
        last_used=stat.st_mtime,
    )


def _size(path: Path) -> int:
    with suppress(OSError):
        return path.stat().st_size
    return 0


def _read_metadata(path: Path) -> dict[str, Any]:
    return dict(json.loads(details_path(path).read_text(encoding="utf-8")))


def _read_engine_facts(path: Path) -> dict[str, Any]:
    facts = json.loads((path / ENGINE_FACTS_FILE).read_text(encoding="utf-8"))
    # Earlier versions called it "network".
    return {"model": str(facts["model"] if "model" in facts else facts["network"])}


def _number(text: Any) -> int | None:
    return int(text) if isinstance(text, str) and text.isdecimal() else None


def _stats(folder: Path, pattern: re.Pattern[str]) -> Iterator[tuple[Path, os.stat_result]]:
    """Yield the files of a folder whose whole name matches, unless they vanish."""
    try:
        paths = sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return
    for path in paths:
        if pattern.fullmatch(path.name):
            with suppress(OSError):
                yield path, path.stat()


def _left_behind(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    for name in (_FEATURES_FOLDER, _ENGINES_FOLDER):
        yield from _stats(folder / name, _LEFT_BEHIND)
    for path, stat in _stats(folder / _FEATURES_FOLDER, _DETAILS):
        if not path.with_suffix(".npy").exists():
            yield path, stat


def _remove_left_behind(folder: Path) -> None:
    """Remove what killed processes left: locks after a day, unlocked files after a minute."""
    for path, stat in _left_behind(folder):
        age = time.time() - stat.st_mtime
        if age > _SECONDS_PER_DAY or (age > _SECONDS_UNTIL_LOCKED and _is_abandoned(path)):
            _remove(path)


def _is_abandoned(path: Path) -> bool:
    try:
        return path.suffix == ".partial" and path.is_file() and not is_locked(path)
    except OSError:
        return False


def _remove(path: Path) -> OSError | None:
    """Remove a file or folder; return the error if that failed."""
    try:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            details_path(path).unlink(missing_ok=True)  # first: without them there are no features
            path.unlink(missing_ok=True)
    except FileNotFoundError:
        return None
    except OSError as error:
        return error
    return None
