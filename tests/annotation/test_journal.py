"""The journal of changes: what was appended stays, what was cut off is dropped, nothing else is read."""

import errno
from pathlib import Path

import pytest

from manylabel.annotation.journal import AddLabel, Journal, SetLabel, journal_path, read_journal
from manylabel.errors import InputError, OutputError

CHANGE = SetLabel(
    photo='a "b"\n#1.jpg', label="bờ biển", before="unknown", after="present", by="Ada", action=3
)


def append(path: Path, *changes: SetLabel | AddLabel) -> None:
    journal = Journal(path)
    journal.append(changes)
    journal.close()


def test_changes_are_read_as_they_were_appended(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv.changes.jsonl"

    append(path, CHANGE)
    append(path, AddLabel(label="boat"))

    assert read_journal(path) == [CHANGE, AddLabel(label="boat")]
    assert len(path.read_bytes().splitlines()) == 2


def test_a_line_that_was_cut_off_is_dropped_and_the_next_one_is_read(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    append(path, CHANGE)
    append(path, CHANGE)
    path.write_bytes(path.read_bytes()[:-7])

    append(path, AddLabel(label="boat"))

    assert read_journal(path) == [CHANGE, AddLabel(label="boat")]


def test_a_journal_is_opened_by_one_process_at_a_time(tmp_path: Path) -> None:
    first = Journal(tmp_path / "journal")

    with pytest.raises(InputError, match="another process is changing these labels"):
        Journal(tmp_path / "journal")
    first.close()

    Journal(tmp_path / "journal").close()


@pytest.mark.parametrize(
    "line", [b"{}", b'{"change":"set"}', b"boat", b'{"change":"sell","label":"x"}', b"\xff"]
)
def test_another_file_is_an_error_with_its_line(line: bytes, tmp_path: Path) -> None:
    path = tmp_path / "journal"
    append(path, CHANGE)
    path.write_bytes(path.read_bytes() + line + b"\n")

    with pytest.raises(InputError, match="journal, line 2: is not a change of labels"):
        Journal(path)


def test_a_full_disk_adds_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "journal"
    journal = Journal(path)
    journal.append([CHANGE])

    def fail(_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("manylabel.annotation.journal.sync_file", fail)
    with pytest.raises(OutputError, match="journal: cannot be written: No space left"):
        journal.append([AddLabel(label="boat")])
    monkeypatch.undo()
    journal.append([AddLabel(label="lake")])

    journal.close()

    assert read_journal(path) == journal.entries == [CHANGE, AddLabel(label="lake")]


def test_a_folder_that_does_not_exist_is_told(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written: No such file"):
        Journal(tmp_path / "none" / "journal")


def test_without_a_file_there_are_no_changes(tmp_path: Path) -> None:
    assert read_journal(tmp_path / "none") == []


def test_an_action_is_kept_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    append(path, CHANGE)
    append(path, AddLabel(label="boat"), AddLabel(label="lake"), AddLabel(label="town"))
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:3]))  # a kill came between two of its lines

    assert read_journal(path) == [CHANGE]
    append(path, AddLabel(label="sea"))
    assert read_journal(path) == [CHANGE, AddLabel(label="sea")]


def test_a_journal_that_somebody_else_removed_or_changed_takes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    for spoil in (path.unlink, lambda: path.write_bytes(b""), lambda: path.write_bytes(b"x" * 999)):
        journal = Journal(path)
        journal.append([CHANGE])
        spoil()
        with pytest.raises(OutputError, match="by another program; restart manylabel app"):
            journal.append([CHANGE])
        journal.close()
        path.unlink(missing_ok=True)


def test_a_link_has_the_journal_of_its_target(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "labels.csv").touch()
    (tmp_path / "link.csv").symlink_to(tmp_path / "data" / "labels.csv")

    assert journal_path(tmp_path / "link.csv") == tmp_path / "data" / "labels.csv.changes.jsonl"
