"""Folders that appear complete or not at all."""

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from manylabel.errors import OutputError
from manylabel.io import folders
from manylabel.io.files import write_atomically
from manylabel.io.folders import check_apart, check_free, keep_unfinished, new_folder
from tests.writing import contents, written_elsewhere

OLD = re.compile(r"old\.txt|old/old\.txt")


def test_a_new_folder_appears_only_when_it_is_complete(tmp_path: Path) -> None:
    place = tmp_path / "runs" / "first"
    with new_folder(place, replaces=None) as partial:
        (partial / "report.html").write_text("done", encoding="utf-8")
        assert not place.exists()

    assert contents(tmp_path) == {"runs/first/report.html": b"done"}


def test_files_that_no_run_wrote_are_named_and_stay(tmp_path: Path) -> None:
    write_atomically(tmp_path / "run" / "old.txt", b"old")
    write_atomically(tmp_path / "run" / ".DS_Store", b"of the system")
    (tmp_path / "run" / "old").mkdir()
    check_free(tmp_path / "run", replaces=OLD)

    for name in ("photo.jpg", "old/a.txt", "zoo/old.txt", "notes old.txt", "old.txt.bak"):
        write_atomically(tmp_path / "run" / name, b"mine")
    with (
        pytest.raises(
            OutputError,
            match=r"run: contains files that this command did not write: notes old\.txt, old.txt\.bak, "
            r"old/a\.txt and 2 more; choose another folder, or move them away",
        ),
        new_folder(tmp_path / "run", replaces=OLD),
    ):
        pytest.fail("the block must not run")
    assert contents(tmp_path / "run")["photo.jpg"] == b"mine"


def test_what_a_kill_left_behind_is_not_foreign(tmp_path: Path) -> None:
    for name in (".old.txt.123-1a.partial/any.onnx", "old/.old.txt.77-f.tmp", ".old.9-0.partial/old.txt"):
        write_atomically(tmp_path / "run" / name, b"half")
    with new_folder(tmp_path / "run", replaces=OLD) as partial:
        (partial / "old.txt").write_text("new", encoding="utf-8")
    assert contents(tmp_path) == {"run/old.txt": b"new"}

    for name in (".old.123.old/old.txt", ".notes.2-b.tmp"):
        write_atomically(tmp_path / "run" / name, b"complete")
    with pytest.raises(OutputError, match=r"did not write: \.notes\.2-b\.tmp, \.old\.123\.old/old\.txt;"):
        check_free(tmp_path / "run", replaces=OLD)


FILL_AND_WAIT = """
import sys, time
from pathlib import Path
from manylabel.io.folders import new_folder
with new_folder(Path(sys.argv[1]), replaces=None) as partial:
    (partial / "a.txt").write_bytes(b"half")
    print("writing", flush=True)
    time.sleep(60)
"""


posix = pytest.mark.skipif(os.name != "posix", reason="locks of POSIX tell who still writes")


@posix
def test_what_a_killed_process_left_is_removed_and_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with written_elsewhere(FILL_AND_WAIT, tmp_path / "run") as process:
        process.kill()
    left = sorted(path.name for path in tmp_path.iterdir())
    assert [name.partition("-")[0] for name in left] == [f".run.{process.pid}", ".run.lock"]

    (tmp_path / ".run.mine.partial").mkdir()
    with caplog.at_level("INFO"), new_folder(tmp_path / "run", replaces=None) as partial:
        (partial / "new.txt").write_text("new", encoding="utf-8")

    assert sorted(path.name for path in tmp_path.iterdir()) == [".run.mine.partial", "run"]
    assert caplog.messages == [f"removed {tmp_path / left[0]}, which a killed run had left behind"]


@posix
def test_a_second_run_is_refused_with_the_process_of_the_first(tmp_path: Path) -> None:
    with (
        written_elsewhere(FILL_AND_WAIT, tmp_path / "run") as process,
        pytest.raises(
            OutputError,
            match=rf"run: is being written by process {process.pid}, which began on 20.*wait for it",
        ),
        new_folder(tmp_path / "run", replaces=None),
    ):
        pytest.fail("the block must not run")


def test_what_appeared_meanwhile_stays_and_the_result_gets_another_name(tmp_path: Path) -> None:
    (tmp_path / "run-2").mkdir()

    def run() -> None:
        with new_folder(tmp_path / "run", replaces=None) as partial:
            (partial / "new.txt").write_text("new", encoding="utf-8")
            write_atomically(tmp_path / "run" / "mine.txt", b"mine")

    with pytest.raises(OutputError, match=r"changed while this ran \(mine\.txt\), .* is in .*run-3$"):
        run()
    assert contents(tmp_path) == {"run/mine.txt": b"mine", "run-3/new.txt": b"new"}


def test_a_file_that_took_the_place_meanwhile_stays(tmp_path: Path) -> None:
    def run() -> None:
        with new_folder(tmp_path / "run", replaces=None) as partial:
            (partial / "new.txt").write_text("new", encoding="utf-8")
            (tmp_path / "run").write_bytes(b"mine")

    with pytest.raises(OutputError, match="the result is in"):
        run()
    assert contents(tmp_path) == {"run": b"mine", "run-2/new.txt": b"new"}


def test_what_was_put_into_the_old_folder_meanwhile_stays(tmp_path: Path) -> None:
    write_atomically(tmp_path / "run" / "old.txt", b"old")

    def run() -> None:
        with new_folder(tmp_path / "run", replaces=OLD) as partial:
            (partial / "old.txt").write_text("new", encoding="utf-8")
            write_atomically(tmp_path / "run" / "old.txt", b"edited")

    with pytest.raises(OutputError, match=r"changed while this ran \(old\.txt\)"):
        run()
    assert contents(tmp_path) == {"run/old.txt": b"edited", "run-2/old.txt": b"new"}


@pytest.mark.parametrize("is_swapped", [True, False])
def test_what_comes_in_the_last_moment_is_kept_beside(
    is_swapped: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    write_atomically(tmp_path / "run" / "old.txt", b"old")
    exchange = folders._exchange

    def write_and_exchange(first: Path, second: Path) -> bool:
        write_atomically(tmp_path / "run" / "mine.txt", b"mine")
        return is_swapped and exchange(first, second)

    monkeypatch.setattr(folders, "_exchange", write_and_exchange)
    with new_folder(tmp_path / "run", replaces=OLD) as partial:
        (partial / "new.txt").write_text("new", encoding="utf-8")

    kept = {"run-2/old.txt": b"old", "run-2/mine.txt": b"mine"}
    assert contents(tmp_path) == {"run/new.txt": b"new", **kept}
    assert "the old folder is now" in caplog.text


@posix
def test_a_kill_between_both_renames_loses_nothing(tmp_path: Path) -> None:
    write_atomically(tmp_path / ".run.old" / "old.txt", b"old")
    write_atomically(tmp_path / ".run.77-1f.partial" / "new.txt", b"new")
    with pytest.raises(OutputError, match="already exists"), partial_then_new(tmp_path / "run"):
        pytest.fail("the block must not run")
    assert contents(tmp_path) == {"run/new.txt": b"new"}

    (tmp_path / "run").rename(tmp_path / ".run.old")
    with pytest.raises(OutputError, match="already exists"), partial_then_new(tmp_path / "run"):
        pytest.fail("the block must not run")
    assert contents(tmp_path) == {"run/new.txt": b"new"}


@contextmanager
def partial_then_new(place: Path) -> Iterator[Path]:
    """Fill a folder as a run does."""
    with new_folder(place, replaces=None) as partial:
        yield partial


def test_an_empty_folder_is_free(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with new_folder(tmp_path / "run", replaces=None) as partial:
        (partial / "new.txt").write_text("new", encoding="utf-8")

    assert contents(tmp_path) == {"run/new.txt": b"new"}


def test_a_taken_folder_stays_as_it_is(tmp_path: Path) -> None:
    write_atomically(tmp_path / "run" / "old.txt", b"old")

    with (
        pytest.raises(OutputError, match=r"run: already exists; choose another folder, .* with --overwrite "),
        new_folder(tmp_path / "run", replaces=None),
    ):
        pytest.fail("the block must not run")

    assert contents(tmp_path) == {"run/old.txt": b"old"}


def test_overwriting_leaves_nothing_of_the_old_folder(tmp_path: Path) -> None:
    write_atomically(tmp_path / "run" / "old.txt", b"old")
    with new_folder(tmp_path / "run", replaces=OLD) as partial:
        (partial / "new.txt").write_text("new", encoding="utf-8")
        assert contents(tmp_path / "run") == {"old.txt": b"old"}

    assert contents(tmp_path) == {"run/new.txt": b"new"}


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_a_block_that_raises_leaves_the_old_folder_and_no_other(
    error: type[BaseException], tmp_path: Path
) -> None:
    write_atomically(tmp_path / "run" / "old.txt", b"old")

    def fill_and_stop() -> None:
        with new_folder(tmp_path / "run", replaces=OLD) as partial:
            (partial / "new.txt").write_text("new", encoding="utf-8")
            raise error

    with pytest.raises(error):
        fill_and_stop()

    assert contents(tmp_path) == {"run/old.txt": b"old"}
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_folders_made_on_the_way_go_with_a_block_that_raises(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(KeyboardInterrupt), new_folder(tmp_path / "taken" / "runs" / "run", replaces=None):
        raise KeyboardInterrupt

    assert [path.name for path in tmp_path.rglob("*")] == ["taken"]


def test_an_old_folder_comes_back_when_the_new_one_cannot_take_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_atomically(tmp_path / "run" / "old.txt", b"old")
    rename = Path.rename

    def stop_at_the_new_one(path: Path, target: Path) -> Path:
        if path.name.endswith(".partial"):
            raise KeyboardInterrupt
        return rename(path, target)

    monkeypatch.setattr(folders, "_exchange", lambda first, second: False)
    monkeypatch.setattr(Path, "rename", stop_at_the_new_one)
    with pytest.raises(KeyboardInterrupt), new_folder(tmp_path / "run", replaces=OLD):
        pass

    assert contents(tmp_path) == {"run/old.txt": b"old"}


def test_the_working_folder_can_be_filled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with new_folder(Path(), replaces=None) as partial:
        (partial / "new.txt").write_text("new", encoding="utf-8")

    assert contents(tmp_path) == {"here/new.txt": b"new"}


def test_a_link_to_a_folder_stays_a_link(tmp_path: Path) -> None:
    write_atomically(tmp_path / "disk" / "run" / "old.txt", b"old")
    (tmp_path / "latest").symlink_to(tmp_path / "disk" / "run")
    with new_folder(tmp_path / "latest", replaces=OLD) as partial:
        (partial / "new.txt").write_text("new", encoding="utf-8")

    assert (tmp_path / "latest").is_symlink()
    assert contents(tmp_path / "disk") == {"run/new.txt": b"new"}


@pytest.mark.parametrize("replaces", [None, OLD])
def test_a_file_is_no_free_place(tmp_path: Path, replaces: re.Pattern[str] | None) -> None:
    (tmp_path / "run").write_text("a file", encoding="utf-8")

    with pytest.raises(OutputError, match=r"run: is a file; choose a folder that does not exist yet"):
        check_free(tmp_path / "run", replaces=replaces)


def test_a_folder_below_a_file_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a file", encoding="utf-8")

    with (
        pytest.raises(OutputError, match=r"file/run: cannot be written: Not a directory"),
        new_folder(tmp_path / "file" / "run", replaces=None),
    ):
        pytest.fail("the block must not run")


def test_a_mounted_disk_is_refused_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "is_mount", lambda path: path.name == "disk")
    (tmp_path / "disk").mkdir()

    check_free(tmp_path / "disk" / "run", replaces=None)
    with pytest.raises(OutputError, match=r"disk: is the mount point of a disk; choose a folder inside it"):
        check_free(tmp_path / "disk", replaces=OLD)


def test_a_folder_that_holds_what_is_read_is_not_replaced(tmp_path: Path) -> None:
    photos = tmp_path / "set" / "images"
    photos.mkdir(parents=True)

    for place in (tmp_path / "set", photos):
        with pytest.raises(OutputError, match="replacing it would remove"):
            check_apart(place, [photos])
    check_apart(tmp_path / "set" / "run", [photos])
    check_apart(tmp_path / "other", [photos])


def test_the_working_folder_is_not_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    with pytest.raises(OutputError, match="replacing it would remove"):
        check_apart(Path(), [])


def test_everything_is_on_the_disk_before_it_takes_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced = list[bool]()
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append((tmp_path / "run").exists()))
    for is_off, expected in (("1", 0), ("", 4)):
        monkeypatch.setenv("MANYLABEL_NO_FSYNC", is_off)
        with new_folder(tmp_path / "run", replaces=re.compile("a/b.txt")) as partial:
            (partial / "a").mkdir()
            (partial / "a" / "b.txt").write_text("new", encoding="utf-8")
        assert len(synced) == expected
    # the file, both folders, and the folder that has a new name in it
    assert synced[-1]


def fill_and_fail(place: Path) -> None:
    """Keep a part of a folder whose disk gets full."""
    with new_folder(place, replaces=None) as partial:
        write_atomically(partial / "models" / "a.txt", b"long work")
        keep_unfinished(partial, place)
        raise OSError(errno.ENOSPC, "full")


def test_what_is_worth_keeping_survives_the_failure_of_a_block(tmp_path: Path) -> None:
    for _ in range(3):
        with pytest.raises(OutputError, match="run: cannot be written: full"):
            fill_and_fail(tmp_path / "run")

    names = ["run-unfinished", "run-unfinished-2", "run-unfinished-3"]
    assert contents(tmp_path) == {f"{name}/models/a.txt": b"long work" for name in names}


def test_a_complete_folder_is_kept_where_it_cannot_take_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def deny(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(folders, "sync_all", deny)
    with (
        pytest.raises(OutputError, match="run: cannot be written: Input/output error"),
        new_folder(tmp_path / "run", replaces=None) as partial,
    ):
        write_atomically(partial / "a.txt", b"long work")

    assert contents(tmp_path) == {"run-unfinished/a.txt": b"long work"}
    assert f"the complete result is kept in {tmp_path / 'run-unfinished'}" in caplog.text


def test_a_full_disk_elsewhere_is_told_with_its_own_file(tmp_path: Path) -> None:
    with (
        pytest.raises(OSError, match="full: '/elsewhere/cache'") as caught,
        new_folder(tmp_path / "run", replaces=None),
    ):
        raise OSError(errno.ENOSPC, "full", "/elsewhere/cache")
    assert not isinstance(caught.value, OutputError)


def test_only_a_full_disk_is_told_as_one(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="no such photo"), new_folder(tmp_path / "run", replaces=None):
        raise FileNotFoundError(errno.ENOENT, "no such photo")
