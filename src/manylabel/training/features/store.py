"""Read features from the cache, or compute them and put them there.

In:  the file of a set of features, and a function that computes them.
Out: the features. Where several runs want the same ones at the same time, one computes them, the others wait.
"""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout
from numpy.typing import DTypeLike

from manylabel.io.cache import cache_limit_bytes, make_room, mark_used
from manylabel.training.features.feature_file import (
    FeatureArray,
    FeatureWriter,
    read_features,
    remove_half_written,
)

# Another run may hang or be suspended; after this long the features are computed here too.
_MAX_WAIT_SECONDS = 60 * 60
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False, kw_only=True)
class FrozenFeatures:
    """Hold the features of some photos.

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
    compute: Callable[[FeatureWriter], None],
) -> FrozenFeatures:
    """Return features from the cache, or compute and cache them.

    Args:
        path: Their file; None computes them without a cache.
        shape: [n_photos, n_views, ...], no length 0.
        dtype: Number type of the values, float16 or float32.
        metadata: What people read about the file: network, n_photos, n_views, what.
        compute: Appends all rows to the writer.

    Raises:
        ConfigError: MANYLABEL_CACHE_GB is no positive number.
        OutputError: The disk lost what had been written.
    """

    def read(file: Path) -> FrozenFeatures | None:
        stored = read_features(file, shape=shape, dtype=dtype)
        if stored is None:
            return None
        mark_used(file)
        return FrozenFeatures(values=stored.values, seconds=stored.seconds, is_cached=True)

    def write() -> FrozenFeatures:
        started = time.perf_counter()
        with FeatureWriter(path, shape=shape, dtype=dtype, metadata=metadata) as writer:
            compute(writer)
            seconds = time.perf_counter() - started
            return FrozenFeatures(values=writer.finish(seconds), seconds=seconds, is_cached=False)

    if path is None:
        return write()
    limit_bytes = cache_limit_bytes()
    if (cached := read(path)) is not None:
        return cached
    with _alone(path) as is_alone:
        # Another run may have written them while this one waited.
        if is_alone and (cached := read(path)) is not None:
            return cached
        if is_alone:
            remove_half_written(path)
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
    # The second: how older versions of filelock say that a file system knows no locks.
    except (OSError, NotImplementedError):
        return False
    return True
