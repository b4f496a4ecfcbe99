"""Files that appear complete or not at all."""

import os
from pathlib import Path

import pytest

from manylabel.errors import OutputError
from manylabel.io.files import new_file, printable, write_atomically
from tests.writing import contents, written_elsewhere


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


WRITE_AND_WAIT = """
import sys, time
from pathlib import Path
from manylabel.io.files import new_file
with new_file(Path(sys.argv[1])) as file:
    file.write(b"half")
    print("writing", flush=True)
    time.sleep(60)
"""


@pytest.mark.skipif(os.name != "posix", reason="processes are asked for in the manner of POSIX")
def test_a_file_that_a_killed_process_left_is_removed_and_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    place, other = tmp_path / "said.csv", tmp_path / "said"
    with written_elsewhere(WRITE_AND_WAIT, place) as process:
        process.kill()
    (left,) = contents(tmp_path)
    assert left.startswith(f".said.csv.{process.pid}-")

    write_atomically(other, b"of another file")
    assert left in contents(tmp_path)
    with caplog.at_level("INFO"):
        write_atomically(place, b"new")

    assert contents(tmp_path) == {"said": b"of another file", "said.csv": b"new"}
    assert caplog.messages == [f"removed {tmp_path / left}, which a killed run had left behind"]


@pytest.mark.skipif(os.name != "posix", reason="processes are asked for in the manner of POSIX")
def test_a_file_that_a_process_is_writing_stays_and_is_refused_to_others(tmp_path: Path) -> None:
    (tmp_path / ".said.csv.mine.tmp").write_bytes(b"of the user")
    with written_elsewhere(WRITE_AND_WAIT, tmp_path / "said.csv") as process:
        with (
            pytest.raises(
                OutputError, match=rf"said\.csv: is being written by process {process.pid}, which began on 20"
            ),
            new_file(tmp_path / "said.csv"),
        ):
            pytest.fail("the block must not run")
        write_atomically(tmp_path / "said.csv", b"new")
        names = sorted(path.name for path in tmp_path.iterdir())

    assert names[:2] == sorted([names[0], ".said.csv.mine.tmp"])
    assert len(names) == 3
    assert contents(tmp_path)["said.csv"] == b"new"


def test_a_link_to_a_file_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "latest.csv").symlink_to(tmp_path / "disk" / "said.csv")
    write_atomically(tmp_path / "latest.csv", b"new")

    assert (tmp_path / "latest.csv").is_symlink()
    assert contents(tmp_path / "disk") == {"said.csv": b"new"}


@pytest.mark.skipif(os.name != "posix", reason="pipes have names on POSIX only")
def test_a_pipe_is_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "said.csv")
    with pytest.raises(OutputError, match=r"said\.csv: is a device or a pipe"):
        write_atomically(tmp_path / "said.csv", b"new")
    assert (tmp_path / "said.csv").is_fifo()


def test_a_name_that_is_no_text_becomes_printable() -> None:
    assert printable("caf\udce9.jpg") == "caf\ufffd.jpg"
    assert printable("café.jpg") == "café.jpg"
