"""The table follows the answers, while people go on, and is never written over what others did."""

import errno
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from manylabel.annotation.journal import Written
from manylabel.annotation.label_file import LabelFile
from manylabel.annotation.label_store import LabelStore
from manylabel.annotation.one_hot_file import OneHotFile
from manylabel.errors import OutputError
from tests.annotation.conftest import ADA, WriteTable, kill

TABLE = "image,beach,boat\na.jpg,1,0\nb.jpg,0,1\n"
SOON = 10  # seconds


@pytest.fixture
def table(write_table: WriteTable) -> Path:
    return write_table(TABLE)


def test_answers_are_given_while_the_table_is_built(
    photos: Path, table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_building, may_go_on = threading.Event(), threading.Event()
    content = OneHotFile.content

    def build_slowly(file: LabelFile) -> bytes:
        is_building.set()
        assert may_go_on.wait(SOON)
        return content(file)

    monkeypatch.setattr(OneHotFile, "content", build_slowly)
    with LabelStore(photos, table) as store:
        store.set(ADA, [("a.jpg", "boat", "present")])
        assert is_building.wait(SOON)
        store.set(ADA, [("b.jpg", "beach", "present")])
        assert store.answers.answer("b.jpg", "beach") == "present"
        assert not store.state().is_saved
        may_go_on.set()

    assert table.read_text() == "image,beach,boat\na.jpg,1,1\nb.jpg,1,1\n"


def test_what_is_written_is_what_the_journal_says_it_is(
    photos: Path, table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A change that comes while the table is built is not in it, and not counted as if it were."""
    content = OneHotFile.content
    late = iter([True])

    def answer_meanwhile(file: LabelFile) -> bytes:
        built = content(file)
        if next(late, False):
            store.set(ADA, [("b.jpg", "beach", "present")])
        return built

    monkeypatch.setattr(OneHotFile, "content", answer_meanwhile)
    store = LabelStore(photos, table)
    store.set(ADA, [("a.jpg", "boat", "present")])
    store._writer.write()
    assert table.read_text() == "image,beach,boat\na.jpg,1,1\nb.jpg,0,1\n"
    kill(store)

    with LabelStore(photos, table) as again:
        assert again.answers.answer("b.jpg", "beach") == "present"


def test_a_change_that_could_not_be_made_in_the_table_is_made_later(
    photos: Path, table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("a defect")

    with LabelStore(photos, table) as store:
        with monkeypatch.context() as patched:
            patched.setattr(OneHotFile, "set", fail)
            store.set(ADA, [("a.jpg", "boat", "present")])
            with pytest.raises(RuntimeError):
                store._writer.write()
        store._writer.write()
        assert "a.jpg,1,1" in table.read_text()


def test_a_table_whose_end_could_not_be_noted_is_not_taken_for_that_of_others(
    photos: Path, table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with LabelStore(photos, table) as store:
        store.set(ADA, [("a.jpg", "boat", "present")])
        append = store._journal.append

        def fail(entries: list[object]) -> None:
            if isinstance(entries[0], Written) and entries[0].is_done:
                raise OutputError("the disk is full")
            append(entries)  # type: ignore[arg-type]

        with monkeypatch.context() as patched:
            patched.setattr(store._journal, "append", fail)
            with pytest.raises(OutputError):
                store._writer.write()
            assert not store.state().is_changed_elsewhere
        store.set(ADA, [("b.jpg", "beach", "present")])
        assert store._writer.write()

    assert table.read_text() == "image,beach,boat\na.jpg,1,1\nb.jpg,1,1\n"


def test_a_table_that_cannot_be_read_is_told(
    photos: Path, table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with LabelStore(photos, table) as store:
        with monkeypatch.context() as patched:
            patched.setattr(Path, "stat", refuse(Path.stat, table))
            state = store.state()
        assert state.problem is not None
        assert "labels.csv: cannot be read: Permission denied" in state.problem
        assert not state.is_saved


def refuse(stat: Callable[..., object], path: Path) -> Callable[..., object]:
    """Return a stat that refuses one path."""

    def answer(given: Path, **words: object) -> object:
        if given == path:
            raise PermissionError(errno.EACCES, "Permission denied")
        return stat(given, **words)

    return answer


def test_nothing_is_written_while_the_table_is_read_again(photos: Path, table: Path) -> None:
    with LabelStore(photos, table) as store:
        store.set(ADA, [("a.jpg", "boat", "present")])
        with store._writer.paused():
            writing = threading.Thread(target=store._writer.write)
            writing.start()
            writing.join(0.7)  # longer than the writer waits for changes
            assert table.read_text() == TABLE
        writing.join(SOON)

    assert "a.jpg,1,1" in table.read_text()
