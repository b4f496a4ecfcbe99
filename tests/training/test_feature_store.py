"""Features from the cache, or computed: one run, and several at the same time."""

import errno
import io
import json
import logging
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

from manylabel.errors import ConfigError, OutputError
from manylabel.io.cache import feature_path
from manylabel.training import feature_store as feature_cache
from manylabel.training.feature_store import (
    FeatureArray,
    FeatureWriter,
    FrozenFeatures,
    read_features,
    read_or_compute,
)

SHAPE = (3, 2, 4)
VALUES = np.arange(24, dtype=np.float32).reshape(SHAPE)
METADATA = {"network": "tiny", "n_photos": "6", "n_views": "2", "what": "features"}


def files(path: Path) -> list[Path]:
    """List the files of the cache."""
    return sorted(path.parent.iterdir())


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
    assert files(path) == [path.with_suffix(".json"), path]


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
    assert files(path) == [path.with_suffix(".json"), path]


PROGRAM = """
import sys, time
from pathlib import Path
import numpy as np
from manylabel.training.feature_store import read_or_compute

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
    assert files(path) == [path.with_suffix(".json"), path]


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


def draw(shape: tuple[int, ...] = (6, 2, 3), dtype: str = "float32") -> FeatureArray:
    """Draw features."""
    values: FeatureArray = np.random.default_rng(0).normal(size=shape).astype(dtype)
    return values


def write(path: Path | None, values: FeatureArray, *, batch: int = 5) -> FeatureArray:
    """Write features in batches of rows, the last one smaller."""
    rows = values.reshape(-1, *values.shape[2:])
    with FeatureWriter(path, shape=values.shape, dtype=values.dtype, metadata=METADATA) as writer:
        for start in range(0, len(rows), batch):
            writer.append(rows[start : start + batch])
        return writer.finish(1.25)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("shape", [(6, 2, 3), (1, 1, 1), (4, 3, 2, 5, 5), (7, 1)])
def test_what_is_written_is_read(shape: tuple[int, ...], dtype: str, path: Path) -> None:
    values = draw(shape, dtype)
    written = write(path, values)
    stored = read_features(path, shape=shape, dtype=dtype)

    assert stored is not None
    for mapped in (written, stored.values):
        assert isinstance(mapped, np.memmap)
        assert mapped.dtype == np.dtype(dtype)
        assert not mapped.flags.writeable
        np.testing.assert_array_equal(mapped, values)
    assert stored.seconds == 1.25
    assert METADATA.items() <= json.loads(path.with_suffix(".json").read_bytes()).items()
    assert files(path) == [path.with_suffix(".json"), path]


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_other_programs_read_the_file(dtype: str, path: Path) -> None:
    values = draw(dtype=dtype)
    write(path, values)

    np.testing.assert_array_equal(np.load(path), values)


@pytest.mark.parametrize("shape", [(1, 1, 2), (123, 4, 5), (1, 1, 1, 1, 1, 1, 1, 1)])
def test_numbers_are_aligned(shape: tuple[int, ...], path: Path) -> None:
    values = write(path, np.ones(shape, np.float32))

    n_header = path.stat().st_size - values.nbytes
    assert n_header % 64 == 0
    assert path.read_bytes()[n_header:] == np.ones(values.size, "<f4").tobytes()
    assert values.ctypes.data % 64 == 0


@pytest.mark.parametrize("seconds", [0.0, 1e-9, 0.1 + 0.2, 123456.789, 1 / 3 * 1e-5])
def test_the_time_is_kept_to_the_last_digit(seconds: float, path: Path) -> None:
    with FeatureWriter(path, shape=(1, 1), dtype="float32", metadata={}) as writer:
        writer.append(np.zeros(1, np.float32))
        writer.finish(seconds)

    stored = read_features(path, shape=(1, 1), dtype="float32")
    assert stored is not None
    assert stored.seconds == seconds


def test_other_number_types_are_converted(path: Path) -> None:
    with FeatureWriter(path, shape=(2, 1, 2), dtype="float16", metadata={}) as writer:
        writer.append(np.array([[1.0, 2.0], [3.0, 0.1]]).T)
        values = writer.finish(0.0)

    np.testing.assert_array_equal(values[:, 0], np.array([[1.0, 3.0], [2.0, 0.1]], np.float16))


def test_without_a_file_features_stay_in_memory() -> None:
    values = write(None, draw())

    assert type(values) is np.ndarray
    np.testing.assert_array_equal(values, draw())


def test_no_file_is_no_damage(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert read_features(path, shape=(6, 2, 3), dtype="float32") is None
    assert not caplog.messages


def change_details(path: Path, old: str, new: str) -> None:
    """Replace a text in the JSON file beside the values."""
    content = path.with_suffix(".json").read_bytes()
    assert content.count(old.encode()) == 1
    path.with_suffix(".json").write_bytes(content.replace(old.encode(), new.encode()))


def test_another_version_counts_as_absent(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(path, draw())
    change_details(path, "manylabel features 2", "manylabel features 1")

    assert read_features(path, shape=(6, 2, 3), dtype="float32") is None
    assert caplog.messages == [
        f"{path.name} cannot be used (it has another format); its features are computed again"
    ]
    assert files(path) == []


@pytest.mark.parametrize(
    ("shape", "dtype"), [((6, 2, 4), "float32"), ((2, 6, 3), "float32"), ((6, 2, 3), "float16")]
)
def test_another_shape_or_number_type_counts_as_absent(
    shape: tuple[int, ...], dtype: str, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(path, draw())

    assert read_features(path, shape=shape, dtype=dtype) is None
    (warning,) = caplog.messages
    assert f"it holds ['float32', [6, 2, 3]], expected {[dtype, [*shape]]}" in warning


@pytest.mark.parametrize("lost", [".npy", ".json"])
def test_half_of_a_set_is_no_set_and_no_damage(
    lost: str, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(path, draw())
    path.with_suffix(lost).unlink()

    assert read_features(path, shape=(6, 2, 3), dtype="float32") is None
    assert not caplog.messages
    write(path, draw())
    assert read_features(path, shape=(6, 2, 3), dtype="float32") is not None


def test_details_of_other_values_count_as_absent(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(path, draw() + 1)
    details = path.with_suffix(".json").read_bytes()
    write(path, draw())
    path.with_suffix(".json").write_bytes(details)

    assert read_features(path, shape=(6, 2, 3), dtype="float32") is None
    assert "its checksum is wrong" in caplog.text


@pytest.mark.parametrize("n_bytes", [0, 7, 8, 9, 100, 200, -1])
def test_a_truncated_file_counts_as_absent(
    n_bytes: int, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(path, draw())
    path.write_bytes(path.read_bytes()[:n_bytes])

    assert read_features(path, shape=(6, 2, 3), dtype="float32") is None
    assert len(caplog.messages) == 1


def test_a_file_with_a_tail_counts_as_absent(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(path, draw())
    path.write_bytes(path.read_bytes() + b"0")

    assert read_features(path, shape=(6, 2, 3), dtype="float32") is None
    assert "it has 145 bytes of features, expected 144" in caplog.text


@pytest.mark.parametrize("ending", [".npy", ".json"])
def test_any_flipped_bit_is_found(ending: str, path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(path, draw())
    contents = {file: file.read_bytes() for file in files(path)}
    damaged = path.with_suffix(ending)
    for position in range(len(contents[damaged])):
        flipped = bytearray(contents[damaged])
        flipped[position] ^= 1
        for file, content in contents.items():
            file.write_bytes(flipped if file == damaged else content)
        assert read_features(path, shape=(6, 2, 3), dtype="float32") is None, f"byte {position}"
    assert len(caplog.messages) == len(contents[damaged])
    assert "its checksum is wrong" in caplog.text

    for file, content in contents.items():
        file.write_bytes(content)
    assert read_features(path, shape=(6, 2, 3), dtype="float32") is not None


@pytest.mark.parametrize("content", ["[]", '"text"', "{}", '{"format": 3}', "", "no JSON", '{"crc32": "0"}'])
def test_details_of_something_else_count_as_absent(content: str, path: Path) -> None:
    write(path, draw())
    path.with_suffix(".json").write_text(content, encoding="utf-8")

    assert read_features(path, shape=(6, 2, 3), dtype="float32") is None


def test_a_file_that_cannot_be_opened_counts_as_absent(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(path, draw())
    path.unlink()
    path.mkdir()

    assert read_features(path, shape=(6, 2, 3), dtype="float32") is None
    assert f"{path.name} cannot be used ([Errno" in caplog.text


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_what_is_not_finished_leaves_nothing(error: type[BaseException], path: Path) -> None:
    def stop() -> None:
        with FeatureWriter(path, shape=(6, 2, 3), dtype="float32", metadata=METADATA) as writer:
            writer.append(draw()[0])
            raise error

    with pytest.raises(error):
        stop()
    assert not list(path.parent.iterdir())


def test_an_unfinished_file_leaves_the_old_one(path: Path) -> None:
    write(path, draw())
    with FeatureWriter(path, shape=(6, 2, 3), dtype="float32", metadata=METADATA) as writer:
        writer.append(np.zeros((2, 3), np.float32))
        assert len(files(path)) == 3

    assert files(path) == [path.with_suffix(".json"), path]
    assert read_features(path, shape=(6, 2, 3), dtype="float32") is not None


def test_rows_that_do_not_fit_are_told() -> None:
    with FeatureWriter(None, shape=(2, 1, 3), dtype="float32", metadata={}) as writer:
        with pytest.raises(
            ValueError, match=re.escape("rows (1, 4) after 0 others do not fit into (2, 1, 3)")
        ):
            writer.append(np.zeros((1, 4)))
        writer.append(np.zeros((1, 3)))
        with pytest.raises(ValueError, match=re.escape("rows (2, 3) after 1 others do not fit")):
            writer.append(np.zeros((2, 3)))
        with pytest.raises(ValueError, match="1 rows of 2 were given"):
            writer.finish(0.0)


@pytest.mark.parametrize("dtype", ["float64", "int32"])
def test_other_number_types_cannot_be_stored(dtype: str, path: Path) -> None:
    text = f"features of {dtype} cannot be stored; expected float16 or float32"
    with pytest.raises(ValueError, match=text):
        FeatureWriter(path, shape=(2, 1, 3), dtype=dtype, metadata={})
    with pytest.raises(ValueError, match=text):
        read_features(path, shape=(2, 1, 3), dtype=dtype)


@contextmanager
def files_up_to(n_bytes: int) -> Iterator[None]:
    """Let the system refuse to write more than that into a file, as it does where a disk is full."""
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.parametrize("n_bytes", [0, 100, 700, 10_000, 60_000, 120_000])
def test_a_full_disk_costs_a_warning_and_no_features(
    n_bytes: int, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    values = draw((40, 2, 400))  # 128,000 bytes
    with files_up_to(n_bytes):
        kept = write(path, values)

    assert type(kept) is np.ndarray
    np.testing.assert_array_equal(kept, values)
    assert caplog.messages == [f"features could not be cached in {path.parent}: [Errno 27] File too large"]
    assert not list(path.parent.iterdir())


@pytest.mark.parametrize("function", ["fsync", "replace"])
def test_a_disk_that_fails_at_the_end_costs_a_warning_and_no_features(
    function: str, path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os if function == "fsync" else Path, function, fail)
    kept = write(path, draw())

    assert type(kept) is np.ndarray
    np.testing.assert_array_equal(kept, draw())
    assert caplog.messages == [
        f"features could not be cached in {path.parent}: [Errno 28] No space left on device"
    ]
    assert not list(path.parent.iterdir())


def test_what_a_failing_disk_lost_is_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def lose(fd: int) -> None:
        os.ftruncate(fd, os.fstat(fd).st_size - 1)
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", lose)
    with pytest.raises(
        OutputError, match=r"features: the disk lost features that were written to it; make room"
    ):
        write(path, draw())
    assert not list(path.parent.iterdir())


def test_a_folder_that_cannot_be_made_costs_a_warning_and_no_features(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    kept = write(tmp_path / "file" / "features" / "key.npy", draw())

    np.testing.assert_array_equal(kept, draw())
    assert len(caplog.messages) == 1
    assert caplog.messages[0].startswith(
        f"features could not be cached in {tmp_path / 'file' / 'features'}: "
    )


def test_a_read_only_folder_costs_a_warning_and_no_features(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    # Not by chmod: root may write everywhere.
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(io, "FileIO", refuse)
    kept = write(path, draw())

    np.testing.assert_array_equal(kept, draw())
    assert caplog.messages == [f"features could not be cached in {path.parent}: [Errno 13] Permission denied"]


def test_a_cache_that_is_emptied_meanwhile_costs_a_warning_and_no_features(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    if os.name == "nt":
        pytest.skip("open files cannot be removed")
    rows = draw().reshape(-1, 3)
    with FeatureWriter(path, shape=(6, 2, 3), dtype="float32", metadata=METADATA) as writer:
        writer.append(rows[:6])
        [partial] = path.parent.iterdir()
        partial.unlink()
        path.parent.rmdir()
        writer.append(rows[6:])
        kept = writer.finish(0.0)

    np.testing.assert_array_equal(kept, draw())
    assert len(caplog.messages) == 1


def test_a_mapped_file_outlives_its_removal_and_its_replacement(path: Path) -> None:
    if os.name == "nt":
        pytest.skip("mapped files cannot be removed")
    first = write(path, draw())
    write(path, draw() + 1)
    second = read_features(path, shape=(6, 2, 3), dtype="float32")
    path.unlink()

    assert second is not None
    np.testing.assert_array_equal(first, draw())
    np.testing.assert_array_equal(second.values, draw() + 1)
