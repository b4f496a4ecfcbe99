"""Features from the cache, or computed: one run, and several at the same time."""

import logging
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

from manylabel.errors import ConfigError
from manylabel.io.cache import feature_path
from manylabel.training.features import store as feature_cache
from manylabel.training.features.feature_file import FeatureWriter
from manylabel.training.features.store import FrozenFeatures, read_or_compute

SHAPE = (3, 2, 4)
VALUES = np.arange(24, dtype=np.float32).reshape(SHAPE)


class Computation:
    """Compute slowly, and count how often."""

    def __init__(self, *, seconds: float = 0.0) -> None:
        self.count = 0
        self.started = threading.Event()
        self._seconds = seconds

    def __call__(self, writer: FeatureWriter) -> None:
        """Append all rows."""
        self.count += 1
        self.started.set()
        time.sleep(self._seconds)
        writer.append(VALUES.reshape(6, 4))


def get(path: Path | None, computation: Computation) -> FrozenFeatures:
    """Return the features."""
    return read_or_compute(path, shape=SHAPE, dtype=np.float32, metadata={}, compute=computation)


@pytest.fixture
def path(feature_cache: Path) -> Path:
    """Return the file of a set of features."""
    return feature_path(feature_cache, "a" * 64)


def test_features_are_computed_once(path: Path) -> None:
    computation = Computation()
    computed, cached = get(path, computation), get(path, computation)

    assert (computed.is_cached, cached.is_cached, computation.count) == (False, True, 1)
    assert computed.seconds == cached.seconds > 0
    np.testing.assert_array_equal(computed.values, VALUES)
    np.testing.assert_array_equal(cached.values, VALUES)
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_without_a_cache_features_are_computed_each_time() -> None:
    computation = Computation()
    for _ in range(2):
        np.testing.assert_array_equal(get(None, computation).values, VALUES)

    assert computation.count == 2


def test_reading_counts_as_use(path: Path) -> None:
    get(path, Computation())
    os.utime(path, (0, 0))
    get(path, Computation())

    assert path.stat().st_mtime > time.time() - 600


def test_a_wrong_limit_is_told_before_the_work(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MANYLABEL_CACHE_GB", "much")
    computation = Computation()

    with pytest.raises(ConfigError, match="MANYLABEL_CACHE_GB"):
        get(path, computation)
    assert computation.count == 0


def test_a_second_thread_waits_for_the_first(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "manylabel")
    computation = Computation(seconds=0.3)
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(get, path, computation)
        assert computation.started.wait(60)
        second = threads.submit(get, path, computation)
        results = [first.result(), second.result()]

    assert computation.count == 1
    assert [result.is_cached for result in results] == [False, True]
    for result in results:
        np.testing.assert_array_equal(result.values, VALUES)
    assert "another run computes the same features; waiting for it" in caplog.messages


def test_many_threads_get_the_right_features(path: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        results = list(threads.map(lambda _: get(path, Computation(seconds=0.02)), range(24)))

    for result in results:
        np.testing.assert_array_equal(result.values, VALUES)
    assert [file.name for file in path.parent.iterdir()] == [path.name]


PROGRAM = """
import sys, time
from pathlib import Path
import numpy as np
from manylabel.training.features.store import read_or_compute

def compute(writer):
    print("computing", flush=True)
    sys.stdin.readline()
    writer.append(np.arange(24, dtype=np.float32).reshape(6, 4))

found = read_or_compute(Path(sys.argv[1]), shape=(3, 2, 4), dtype="float32", metadata={}, compute=compute)
print(found.is_cached, float(found.values.sum()), flush=True)
"""


def start_process(path: Path) -> subprocess.Popen[str]:
    """Start a process that begins to compute, and wait until it does."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "computing\n"
    return process


def test_another_process_is_waited_for(path: Path) -> None:
    process = start_process(path)
    computation = Computation()
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(get, path, computation)
        time.sleep(0.2)
        assert not waiting.done()
        printed, _ = process.communicate("go on\n", timeout=60)
        result = waiting.result(60)

    assert printed == "False 276.0\n"
    assert (result.is_cached, computation.count) == (True, 0)
    np.testing.assert_array_equal(result.values, VALUES)


def test_a_killed_process_holds_nobody_up_and_leaves_nothing(path: Path) -> None:
    process = start_process(path)
    process.kill()
    process.communicate()

    assert not get(path, Computation()).is_cached
    assert list(path.parent.iterdir()) == [path]


def test_a_run_that_hangs_is_not_waited_for_forever(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feature_cache, "_MAX_WAIT_SECONDS", 0.1)
    path.parent.mkdir(parents=True)
    with ThreadPoolExecutor(1) as threads, FileLock(path.with_suffix(".lock")):
        result = threads.submit(get, path, Computation()).result()

    np.testing.assert_array_equal(result.values, VALUES)
    assert get(path, Computation()).is_cached


@pytest.mark.parametrize("error", [PermissionError("no"), NotImplementedError("no")])
def test_where_files_cannot_be_locked_features_are_computed(
    error: Exception, path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(FileLock, "acquire", refuse)

    np.testing.assert_array_equal(get(path, Computation()).values, VALUES)
    assert get(path, Computation()).is_cached
    assert not caplog.messages


def test_an_error_while_computing_leaves_nothing(path: Path) -> None:
    def fail(writer: FeatureWriter) -> None:
        writer.append(VALUES[0])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        read_or_compute(path, shape=SHAPE, dtype=np.float32, metadata={}, compute=fail)
    assert not list(path.parent.iterdir())
