"""Files and folders that appear complete or not at all."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from manylabel.errors import OutputError
from manylabel.files import (
    check_apart,
    check_free,
    new_file,
    new_folder,
    printable,
    write_atomically,
)

OLD = re.compile(r"old\.txt|old/old\.txt")


def contents(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder, hidden ones too."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def test_a_file_is_made_with_its_folders(tmp_path: Path) -> None:
    write_atomically(tmp_path / "a" / "b" / "c.txt", b"new")

    assert contents(tmp_path) == {"a/b/c.txt": b"new"}


def test_a_file_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "c.txt").write_bytes(b"old, and longer")

    write_atomically(tmp_path / "c.txt", b"new")

    assert contents(tmp_path) == {"c.txt": b"new"}


def test_a_write_that_fails_keeps_the_old_file_and_leaves_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "c.txt").write_bytes(b"old")

    def fill_disk(path: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fill_disk)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(tmp_path / "c.txt", b"new")

    monkeypatch.undo()
    assert contents(tmp_path) == {"c.txt": b"old"}


def test_a_new_file_appears_only_when_it_is_complete(tmp_path: Path) -> None:
    place = tmp_path / "deep" / "scores.csv"
    with new_file(place) as file:
        file.write(b"whole")
        assert not place.exists()

    assert contents(tmp_path) == {"deep/scores.csv": b"whole"}


def test_a_new_file_that_was_stopped_leaves_nothing(tmp_path: Path) -> None:
    def stop_half_way() -> None:
        with new_file(tmp_path / "deep" / "scores.csv") as file:
            file.write(b"ha")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stop_half_way()

    assert not list(tmp_path.iterdir())


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
            match=r"run: holds what this command does not write: notes old\.txt, old.txt\.bak, old/a\.txt "
            r"and 2 more; choose another folder, or move that away",
        ),
        new_folder(tmp_path / "run", replaces=OLD),
    ):
        pytest.fail("the block must not run")
    assert contents(tmp_path / "run")["photo.jpg"] == b"mine"


def test_what_a_kill_left_behind_is_not_foreign(tmp_path: Path) -> None:
    for name in (".old.txt.123.partial/any.onnx", "old/.old.txt.77.tmp", ".old.9.partial/old.txt"):
        write_atomically(tmp_path / "run" / name, b"half")
    with new_folder(tmp_path / "run", replaces=OLD) as partial:
        (partial / "old.txt").write_text("new", encoding="utf-8")
    assert contents(tmp_path) == {"run/old.txt": b"new"}

    for name in (".old.123.old/old.txt", ".notes.2.tmp"):
        write_atomically(tmp_path / "run" / name, b"complete")
    with pytest.raises(OutputError, match=r"does not write: \.notes\.2\.tmp, \.old\.123\.old/old\.txt;"):
        check_free(tmp_path / "run", replaces=OLD)


@pytest.mark.skipif(os.name != "posix", reason="processes are asked for in the manner of POSIX")
def test_what_killed_processes_left_is_removed_and_what_others_are_writing_stays(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True
    )
    names = (f".run.{int(ended.stdout)}.partial", f".run.{os.getppid()}.partial", ".run.mine.partial")
    for name in names:
        write_atomically(tmp_path / name / "a.txt", b"half")

    with new_folder(tmp_path / "run", replaces=None) as partial:
        (partial / "new.txt").write_text("new", encoding="utf-8")

    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*names[1:], "run"])


WRITE_AND_WAIT = """
import sys, time
from pathlib import Path
from manylabel.files import new_file
with new_file(Path(sys.argv[1])) as file:
    file.write(b"half")
    print("writing", flush=True)
    time.sleep(60)
"""


@contextmanager
def written_elsewhere(place: Path) -> Iterator[subprocess.Popen[str]]:
    """Run a process that has begun to write a file and does not end."""
    words = [sys.executable, "-c", WRITE_AND_WAIT, str(place)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "writing\n"
        yield process
        process.kill()


@pytest.mark.skipif(os.name != "posix", reason="processes are asked for in the manner of POSIX")
def test_a_file_that_a_killed_process_left_is_removed_and_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    place, other = tmp_path / "said.csv", tmp_path / "said"
    with written_elsewhere(place) as process:
        process.kill()
    left = f".said.csv.{process.pid}.tmp"
    assert contents(tmp_path).keys() == {left}

    write_atomically(other, b"of another file")
    assert left in contents(tmp_path)
    with caplog.at_level("INFO"):
        write_atomically(place, b"new")

    assert contents(tmp_path) == {"said": b"of another file", "said.csv": b"new"}
    assert caplog.messages == [f"removed {tmp_path / left}: a run that was killed had left it behind"]


@pytest.mark.skipif(os.name != "posix", reason="processes are asked for in the manner of POSIX")
def test_a_file_that_a_process_is_writing_stays(tmp_path: Path) -> None:
    (tmp_path / ".said.csv.mine.tmp").write_bytes(b"of the user")
    with written_elsewhere(tmp_path / "said.csv") as process:
        write_atomically(tmp_path / "said.csv", b"new")
        names = {path.name for path in tmp_path.iterdir()}

    assert names == {"said.csv", ".said.csv.mine.tmp", f".said.csv.{process.pid}.tmp"}


def test_an_empty_folder_is_free(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with new_folder(tmp_path / "run", replaces=None) as partial:
        (partial / "new.txt").write_text("new", encoding="utf-8")

    assert contents(tmp_path) == {"run/new.txt": b"new"}


def test_a_taken_folder_stays_as_it_is(tmp_path: Path) -> None:
    write_atomically(tmp_path / "run" / "old.txt", b"old")

    with (
        pytest.raises(OutputError, match=r"run: exists already; choose another folder, .* \(--overwrite, "),
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

    monkeypatch.setattr(Path, "rename", stop_at_the_new_one)
    with pytest.raises(KeyboardInterrupt), new_folder(tmp_path / "run", replaces=OLD):
        pass

    assert contents(tmp_path) == {"run/old.txt": b"old"}


def test_what_a_killed_process_of_the_same_number_left_does_not_stop_the_next(tmp_path: Path) -> None:
    write_atomically(tmp_path / f".run.{os.getpid()}.partial" / "half.txt", b"half")
    with new_folder(tmp_path / "run", replaces=None) as partial:
        (partial / "new.txt").write_text("new", encoding="utf-8")

    assert contents(tmp_path) == {"run/new.txt": b"new"}


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
    with pytest.raises(OutputError, match=r"disk: is where a disk is mounted; choose a folder inside it"):
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


def test_a_name_that_is_no_text_becomes_printable() -> None:
    assert printable("caf\udce9.jpg") == "caf\ufffd.jpg"
    assert printable("café.jpg") == "café.jpg"
