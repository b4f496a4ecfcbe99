"""The folder of a run in the cache until the run is complete."""

import logging
import os
import time
from contextlib import suppress
from pathlib import Path

import pytest

from manylabel.io import unfinished
from manylabel.io.cache import clear_cache, feature_path, list_cache, make_room
from manylabel.io.unfinished import FinishedWork, UnfinishedRun, list_unfinished

DAY = 24 * 60 * 60


class Killed(Exception):
    """A stand-in for whatever ends a run."""


def interrupt(out: Path, cache: Path, *, n_fits: int = 2, age: float = 0.0) -> Path:
    """Begin a run, finish some fits and end without a result; return the folder of the fits."""
    work = FinishedWork(out, cache=cache)
    folder = work.open(is_fresh=False)
    assert folder is not None
    with suppress(Killed), work:
        for number in range(n_fits):
            (folder / f"{number}.fit").write_bytes(bytes(100))
        raise Killed
    if folder.exists():
        os.utime(folder, (time.time() - age, time.time() - age))
    return folder


def leave_behind(out: Path) -> Path:
    """Leave what a killed process leaves beside its output."""
    partial = out.with_name(f".{out.name}.123-abc.partial")
    partial.mkdir(parents=True)
    (partial / "model.bin").write_bytes(bytes(1000))
    out.with_name(f".{out.name}.lock").touch()
    return partial


def only(cache: Path) -> UnfinishedRun:
    """Return the only unfinished run."""
    (run,) = list_unfinished(cache)
    return run


def test_a_run_that_ends_well_leaves_no_folder(tmp_path: Path) -> None:
    with FinishedWork(tmp_path / "run", cache=tmp_path / "cache") as work:
        folder = work.open(is_fresh=False)
        assert folder is not None
        (folder / "1.fit").write_bytes(b"1")
        assert only(tmp_path / "cache").is_running

    assert list((tmp_path / "cache").iterdir()) == []


def test_an_interrupted_run_is_found_by_its_output(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    caplog.set_level(logging.INFO)
    interrupt(tmp_path / "run", tmp_path / "cache")
    assert "kept 2 finished fits; run the same command again to resume" in caplog.text

    with FinishedWork(tmp_path / "other", cache=tmp_path / "cache") as work:
        folder = work.open(is_fresh=False)
        assert folder is not None
        assert [path.name for path in folder.iterdir()] == ["run.json"]
    with FinishedWork(tmp_path / "x" / ".." / "run", cache=tmp_path / "cache") as work:
        folder = work.open(is_fresh=False)
        assert folder is not None
        assert sorted(path.name for path in folder.iterdir()) == ["0.fit", "1.fit", "run.json"]
    assert "an interrupted run left 2 finished fits" in caplog.text


def test_a_fresh_run_forgets_what_was_finished(tmp_path: Path) -> None:
    interrupt(tmp_path / "run", tmp_path / "cache")

    with FinishedWork(tmp_path / "run", cache=tmp_path / "cache") as work:
        folder = work.open(is_fresh=True)
        assert folder is not None
        assert [path.name for path in folder.iterdir()] == ["run.json"]


def test_a_run_that_finished_nothing_leaves_no_folder(tmp_path: Path) -> None:
    interrupt(tmp_path / "run", tmp_path / "cache", n_fits=0)

    assert list((tmp_path / "cache").iterdir()) == []


def test_a_run_that_is_never_opened_touches_nothing(tmp_path: Path) -> None:
    folder = interrupt(tmp_path / "run", tmp_path / "cache")

    with FinishedWork(tmp_path / "run", cache=tmp_path / "cache"):
        pass
    with FinishedWork(tmp_path / "run", cache=None) as work:
        assert work.open(is_fresh=True) is None

    assert (folder / "0.fit").exists()


def test_a_cache_that_cannot_be_written_to_costs_a_warning(
    caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    (tmp_path / "cache").write_bytes(b"a file")

    with FinishedWork(tmp_path / "run", cache=tmp_path / "cache") as work:
        assert work.open(is_fresh=False) is None

    assert "if this run is interrupted, it cannot be resumed" in caplog.text
    assert list(list_unfinished(tmp_path / "cache")) == []


def test_a_folder_in_use_is_left_to_its_process(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    with FinishedWork(tmp_path / "run", cache=tmp_path / "cache") as work:
        folder = work.open(is_fresh=False)
        assert folder is not None
        (folder / "1.fit").write_bytes(b"1")
        with FinishedWork(tmp_path / "run", cache=tmp_path / "cache") as second:
            assert second.open(is_fresh=True) is None
        assert (folder / "1.fit").exists()
    assert "another process is using" in caplog.text


def test_what_is_no_folder_of_a_run_is_passed_over(tmp_path: Path) -> None:
    interrupt(tmp_path / "run", tmp_path)
    (tmp_path / "unfinished" / ("a" * 64)).write_bytes(b"a file")

    assert only(tmp_path).out == tmp_path / "run"


def test_without_locks_a_run_counts_as_interrupted_after_a_week(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = interrupt(tmp_path / "run", tmp_path)
    monkeypatch.setattr(unfinished, "is_locked", lambda path: True)  # as it answers then
    assert only(tmp_path).is_running

    os.utime(folder, (time.time() - 8 * DAY, time.time() - 8 * DAY))

    assert only(tmp_path).is_old


def test_unfinished_runs_are_listed_with_what_they_left(tmp_path: Path) -> None:
    out, cache = tmp_path / "runs" / "run", tmp_path / "cache"
    folder = interrupt(out, cache, age=8 * DAY)
    partial = leave_behind(out)

    run = only(cache)

    assert (run.folder, run.out, run.n_fits) == (folder, out, 2)
    assert run.left_behind == (partial,)
    assert run.n_bytes == 200 + (folder / "run.json").stat().st_size
    assert run.n_bytes_left == 1000
    assert run.is_old
    assert not run.is_running
    contents = list_cache(cache)
    assert contents.unfinished == (run,)
    assert contents.n_bytes == run.n_bytes


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"out": 1}', b"\xff"])
def test_a_run_whose_description_is_damaged_is_listed_and_cleared(content: bytes, tmp_path: Path) -> None:
    folder = interrupt(tmp_path / "run", tmp_path)
    (folder / "run.json").write_bytes(content)

    assert only(tmp_path).out is None
    assert clear_cache(tmp_path).n_entries == 1
    assert not folder.exists()


def test_what_an_interrupted_run_left_is_cleared(tmp_path: Path) -> None:
    out, cache = tmp_path / "runs" / "run", tmp_path / "cache"
    interrupt(out, cache)
    leave_behind(out)
    (out.parent / ".run.json").write_bytes(b"of the user")
    n_bytes = only(cache).n_bytes + only(cache).n_bytes_left

    cleared = clear_cache(cache)

    assert (cleared.n_entries, cleared.n_bytes) == (1, n_bytes)
    assert [path.name for path in out.parent.iterdir()] == [".run.json"]
    assert list(cache.iterdir()) == []


def test_a_run_in_progress_is_not_cleared(tmp_path: Path) -> None:
    with FinishedWork(tmp_path / "run", cache=tmp_path / "cache") as work:
        folder = work.open(is_fresh=False)
        partial = leave_behind(tmp_path / "run")
        assert folder is not None

        assert clear_cache(tmp_path / "cache").n_entries == 0
        assert folder.exists()
        assert partial.exists()


def test_a_full_cache_drops_the_oldest_interrupted_run(tmp_path: Path) -> None:
    older = interrupt(tmp_path / "older", tmp_path, age=2 * DAY)
    leaving = interrupt(tmp_path / "leaving", tmp_path, age=3 * DAY)
    leave_behind(tmp_path / "leaving")  # stays listed until it is cleared
    newer = interrupt(tmp_path / "newer", tmp_path, age=1 * DAY)
    features = feature_path(tmp_path, "a" * 64)
    features.parent.mkdir()
    features.write_bytes(bytes(700))

    make_room(features, limit_bytes=1000)

    assert not older.exists()
    assert leaving.exists()
    assert newer.exists()
