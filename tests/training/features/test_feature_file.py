"""One mapped file per set of features."""

import errno
import io
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from manylabel.errors import OutputError
from manylabel.training.features.feature_file import FeatureArray, FeatureWriter, read_features

METADATA = {"network": "tiny", "n_photos": "6", "n_views": "2", "what": "features"}


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


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return the place of a file, in a folder that is not there yet."""
    return tmp_path / "features" / "key.safetensors"


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
    assert METADATA.items() <= stored.metadata.items()
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_other_programs_read_the_file(dtype: str, path: Path) -> None:
    values = draw(dtype=dtype)
    write(path, values)

    np.testing.assert_array_equal(load_file(path)["features"], values)


@pytest.mark.parametrize("network", ["a", "timm/a network of a longer name", "n" * 64])
def test_numbers_are_aligned(network: str, path: Path) -> None:
    with FeatureWriter(path, shape=(1, 1, 2), dtype="float32", metadata={"network": network}) as writer:
        writer.append(np.ones((1, 2), np.float32))
        values = writer.finish(1e-7)

    n_header = 8 + int.from_bytes(path.read_bytes()[:8], "little")
    assert n_header % 64 == 0
    assert path.read_bytes()[n_header:] == np.ones(2, "<f4").tobytes()
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


def change_header(path: Path, old: str, new: str) -> None:
    """Replace a text in the header by one of the same length."""
    assert len(old) == len(new)
    content = path.read_bytes()
    assert content.count(old.encode()) == 1
    path.write_bytes(content.replace(old.encode(), new.encode()))


def test_another_version_counts_as_absent(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(path, draw())
    change_header(path, "manylabel features 1", "manylabel features 0")

    assert read_features(path, shape=(6, 2, 3), dtype="float32") is None
    assert caplog.messages == [
        "key.safetensors cannot be used (it has another format); its features are computed again"
    ]
    assert not path.exists()


@pytest.mark.parametrize(
    ("shape", "dtype"), [((6, 2, 4), "float32"), ((2, 6, 3), "float32"), ((6, 2, 3), "float16")]
)
def test_another_shape_or_number_type_counts_as_absent(
    shape: tuple[int, ...], dtype: str, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(path, draw())

    assert read_features(path, shape=shape, dtype=dtype) is None
    (warning,) = caplog.messages
    assert 'it holds {"features": {"dtype": "F32", "shape": [6, 2, 3]' in warning
    assert f'expected {{"features": {{"dtype": "F{dtype[-2:]}", "shape": {[*shape]}' in warning


@pytest.mark.parametrize("n_bytes", [0, 7, 8, 9, 100, 400, -1])
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


def test_any_flipped_bit_is_found(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(path, draw())
    content = path.read_bytes()
    for place in range(len(content)):
        flipped = bytearray(content)
        flipped[place] ^= 1
        path.write_bytes(flipped)
        assert read_features(path, shape=(6, 2, 3), dtype="float32") is None, f"byte {place}"
    assert len(caplog.messages) == len(content)
    assert "its checksum is wrong" in caplog.text

    path.write_bytes(content)
    assert read_features(path, shape=(6, 2, 3), dtype="float32") is not None


@pytest.mark.parametrize("header", [[], "text", {"__metadata__": 3}, {"__metadata__": {}}, {}])
def test_a_header_of_something_else_counts_as_absent(header: object, path: Path) -> None:
    path.parent.mkdir()
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text)

    assert read_features(path, shape=(6, 2, 3), dtype="float32") is None


def test_a_file_that_cannot_be_opened_counts_as_absent(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path.mkdir(parents=True)

    assert read_features(path, shape=(6, 2, 3), dtype="float32") is None
    assert "key.safetensors cannot be used ([Errno" in caplog.text


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
        assert len(list(path.parent.iterdir())) == 2

    assert [file.name for file in path.parent.iterdir()] == [path.name]
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
    kept = write(tmp_path / "file" / "features" / "key.safetensors", draw())

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
