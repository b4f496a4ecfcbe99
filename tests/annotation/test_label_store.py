"""Labels that people change: every change is kept, and the table follows."""

import errno
import math
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from manylabel.annotation.author import Author
from manylabel.annotation.journal import SetLabel, Written, journal_path, read_journal
from manylabel.annotation.label_store import LabelStore
from manylabel.annotation.replay import Conflict
from manylabel.errors import ConfigError, InputError, OutputError
from tests.annotation.conftest import ADA, ReadAnswers, kill

TABLE = "image,beach,boat,note\na.jpg,1,0,hot\nb.jpg,0,1,\n"


@pytest.fixture
def table(write_table: Callable[[str], Path]) -> Path:
    return write_table(TABLE)


def test_changes_are_in_the_table_at_the_end(photos: Path, table: Path) -> None:
    with LabelStore(photos, table) as store:
        store.set(ADA, [("a.jpg", "boat", "present"), ("c.jpg", "beach", "absent")])
        assert store.answers.answer("a.jpg", "boat") == "present"

    assert table.read_text() == "image,beach,boat,note\na.jpg,1,1,hot\nb.jpg,0,1,\nc.jpg,0,?,\n"


def test_the_table_is_written_while_people_go_on(photos: Path, table: Path) -> None:
    with LabelStore(photos, table) as store:
        store.set(ADA, [("a.jpg", "boat", "present")])
        for _ in range(200):
            if store.state().is_saved:
                break
            threading.Event().wait(0.05)
        assert "a.jpg,1,1,hot" in table.read_text()


def test_the_journal_tells_who_changed_what_where(photos: Path, table: Path) -> None:
    with LabelStore(photos, table) as store:
        store.set(ADA, [("a.jpg", "boat", "present")])

    [change] = [entry for entry in read_journal(journal_path(table)) if isinstance(entry, SetLabel)]
    assert (change.by, change.queue, change.photo, change.label) == ("Ada", "all", "a.jpg", "boat")
    assert (change.before, change.after) == ("absent", "present")
    assert change.time.endswith("Z")


def test_an_answer_that_is_confirmed_is_in_the_journal_and_can_be_undone(photos: Path, table: Path) -> None:
    with LabelStore(photos, table) as store:
        store.set(ADA, [("a.jpg", "boat", "absent")])
        assert store.entries == ()

        store.set(ADA, [("a.jpg", "boat", "absent")], confirms=True)
        assert len(store.undo(ADA) or []) == 1
        assert store.undo(ADA) is None

    given, undone = (entry for entry in read_journal(journal_path(table)) if isinstance(entry, SetLabel))
    assert (given.before, given.after, undone.undoes) == ("absent", "absent", given.action)
    assert table.read_text() == TABLE


def test_lines_that_disagree_are_told_until_somebody_decides(
    photos: Path, write_table: Callable[[str], Path]
) -> None:
    table = write_table("image,beach,boat\na.jpg,1,0\na.jpg,1,1\n")
    with LabelStore(photos, table) as store:
        assert store.disputed == [("a.jpg", "boat")]
        store.set(ADA, [("a.jpg", "boat", "present")])
        assert store.disputed == []


def test_known_answers_stay_where_only_unknown_ones_are_given(photos: Path, table: Path) -> None:
    with LabelStore(photos, table) as store:
        given = [("b.jpg", "boat", "absent"), ("c.jpg", "boat", "absent")]
        store.set(ADA, [("b.jpg", "boat", "present")])
        store.set(ADA, given, only_unknown=True)  # type: ignore[arg-type]

        answers = [store.answers.answer(name, "boat") for name in ("b.jpg", "c.jpg")]
        assert answers == ["present", "absent"]


def test_changes_that_a_killed_process_had_not_written_are_made_again(
    photos: Path, table: Path, read_answers: ReadAnswers
) -> None:
    store = LabelStore(photos, table)
    store.set(ADA, [("a.jpg", "boat", "present")])
    store.set(ADA, [("a.jpg", "boat", "absent"), ("c.jpg", "boat", "present")])
    store.add_label(ADA, "lake")
    store.set(ADA, [("c.jpg", "lake", "present")])
    store.rename_label(ADA, "lake", "sea")
    kill(store)
    assert table.read_text() == TABLE

    with LabelStore(photos, table) as again:
        assert again.state().conflicts == ()

    found = read_answers(table)
    assert found["a.jpg"]["boat"] == 0
    assert found["c.jpg"]["boat"] == found["c.jpg"]["sea"] == 1
    assert math.isnan(found["c.jpg"]["beach"])


def test_a_kill_between_journal_and_table_loses_nothing(photos: Path, table: Path) -> None:
    """The journal tells of a table before it is there: one of both is found."""
    store = LabelStore(photos, table)
    store.set(ADA, [("a.jpg", "boat", "present")])
    kill(store)
    entries = read_journal(journal_path(table))
    with LabelStore(photos, table):
        pass
    written = table.read_text()
    table.write_text(TABLE)  # the kill came before the new table had its name
    assert len(read_journal(journal_path(table))) > len(entries)

    with LabelStore(photos, table) as again:
        assert again.answers.answer("a.jpg", "boat") == "present"
        assert again.state().conflicts == ()

    assert table.read_text() == written


def test_an_action_is_undone_by_the_browser_that_did_it(photos: Path, table: Path) -> None:
    other = Author(name="Bo", client="2")
    with LabelStore(photos, table) as store:
        store.set(ADA, [("a.jpg", "boat", "present"), ("a.jpg", "beach", "absent")])
        store.set(other, [("b.jpg", "beach", "present")])
        store.set(other, [("a.jpg", "beach", "present")])

        assert len(store.undo(ADA) or []) == 1  # Bo has answered for the beach since then
        assert store.undo(ADA) is None
        assert len(store.undo(other) or []) == 1
        assert len(store.undo(other) or []) == 1

    assert table.read_text() == "image,beach,boat,note\na.jpg,0,0,hot\nb.jpg,0,1,\n"


def test_labels_are_added_renamed_merged_and_all_of_it_undone(photos: Path, table: Path) -> None:
    with LabelStore(photos, table) as store:
        assert store.add_label(ADA, " lake\u200b ") == "lake"
        store.set(ADA, [("a.jpg", "lake", "present")])
        store.rename_label(ADA, "lake", "sea")
        store.merge_label(ADA, "beach", "sea")
        assert store.answers.labels == ["boat", "sea"]
        assert store.answers.answer("a.jpg", "sea") == "present"
        store.remove_label(ADA, "boat")
        for _ in range(5):
            assert store.undo(ADA)
        assert store.undo(ADA) is None
        assert sorted(store.answers.labels) == ["beach", "boat"]
        assert store.answers.answer("a.jpg", "beach") == "present"
        assert store.answers.answer("b.jpg", "boat") == "present"


def test_a_table_that_someone_else_changed_is_never_overwritten(photos: Path, table: Path) -> None:
    edited = TABLE.replace("b.jpg,0,1", "b.jpg,1,1").replace("a.jpg,1,0", "a.jpg,1,?")
    with LabelStore(photos, table) as store:
        table.write_text(edited)
        store.set(ADA, [("a.jpg", "boat", "present"), ("c.jpg", "boat", "present")])
        store._writer.write()
        assert table.read_text() == edited
        assert store.state().is_changed_elsewhere

        conflicts = store.reload()

        assert conflicts == (Conflict(photo="a.jpg", label="boat", found="unknown", wanted="present"),)
        assert store.answers.answer("b.jpg", "beach") == "present"
        assert store.answers.answer("c.jpg", "boat") == "present"
    assert "c.jpg,?,1," in table.read_text()
    assert "b.jpg,1,1," in table.read_text()


def test_a_table_that_was_changed_between_two_runs_is_read_as_it_is(photos: Path, table: Path) -> None:
    with LabelStore(photos, table) as store:
        store.set(ADA, [("a.jpg", "boat", "present")])
    table.write_text(table.read_text().replace("a.jpg,1,1", "a.jpg,0,1"))

    with LabelStore(photos, table) as again:
        assert again.answers.answer("a.jpg", "beach") == "absent"
        assert again.answers.answer("a.jpg", "boat") == "present"
        assert again.state().conflicts == ()


def test_a_deleted_table_is_written_again_from_the_journal(photos: Path) -> None:
    with LabelStore(photos) as store:
        store.add_label(ADA, "boat")
        store.set(ADA, [("a.jpg", "boat", "present")])
    (photos / "labels.csv").unlink()

    with LabelStore(photos) as again:
        assert again.answers.answer("a.jpg", "boat") == "present"

    assert (photos / "labels.csv").read_text() == "image,boat\na.jpg,1\n"


def test_a_table_that_is_deleted_while_it_is_open_is_told_and_written_again(
    photos: Path, table: Path
) -> None:
    with LabelStore(photos, table) as store:
        store.set(ADA, [("a.jpg", "boat", "present")])
        store._writer.write()
        saved = table.read_text()
        table.unlink()
        assert store.state().is_missing
        assert not store.state().is_saved
        store.set(ADA, [("b.jpg", "beach", "present")])
        assert not store._writer.write()
        assert not table.exists()

        assert store.reload() == ()
        store._writer.write()

        assert not store.state().is_missing
        assert table.read_text() == saved.replace("b.jpg,0,1", "b.jpg,1,1")


def test_a_table_that_is_deleted_and_not_asked_for_is_written_at_the_end(photos: Path, table: Path) -> None:
    with LabelStore(photos, table):
        table.unlink()

    assert table.read_text() == TABLE


def test_a_table_that_comes_back_is_written_on(photos: Path, table: Path) -> None:
    with LabelStore(photos, table) as store:
        elsewhere = table.rename(table.with_name("moved.csv"))
        store.set(ADA, [("a.jpg", "boat", "present")])
        assert not store._writer.write()
        elsewhere.rename(table)
        assert not store.state().is_missing
        store._writer.write()

    assert table.read_text() == TABLE.replace("a.jpg,1,0", "a.jpg,1,1")


def test_of_a_table_that_was_lost_the_journal_gives_what_it_has_and_says_so(
    photos: Path, table: Path
) -> None:
    store = LabelStore(photos, table)
    store.set(ADA, [("a.jpg", "boat", "present"), ("c.jpg", "beach", "absent")])
    kill(store)
    table.unlink()

    with LabelStore(photos, table) as again:
        assert again.state().is_partial
        assert again.answers.answer("a.jpg", "boat") == "present"
        assert again.answers.answer("c.jpg", "beach") == "absent"
        assert again.answers.answer("b.jpg", "boat") == "unknown"


def test_a_change_by_another_program_is_told_at_once(photos: Path, table: Path) -> None:
    with LabelStore(photos, table) as store:
        assert not store.state().is_changed_elsewhere
        table.write_text(TABLE.replace("b.jpg,0,1", "b.jpg,1,1"))
        assert store.state().is_changed_elsewhere
        table.write_text(TABLE)
        assert not store.state().is_changed_elsewhere


def test_an_answer_waits_for_its_photo_over_several_runs(
    photos: Path, table: Path, read_answers: ReadAnswers
) -> None:
    store = LabelStore(photos, table)
    store.set(ADA, [("in/d.jpg", "boat", "present")])
    kill(store)
    (photos / "in").rename(photos.parent / "elsewhere")
    for answer in ("present", "absent"):
        with LabelStore(photos, table) as without:
            [pending] = without.state().pending
            assert (pending.photo, pending.label, pending.after) == ("in/d.jpg", "boat", "present")
            without.set(ADA, [("a.jpg", "boat", answer)])
            if answer == "present":
                without.rename_label(ADA, "boat", "ship")
                without.rename_label(ADA, "ship", "boat")
    assert "d.jpg" not in table.read_text()
    (photos.parent / "elsewhere").rename(photos / "in")

    with LabelStore(photos, table) as again:
        assert again.state().pending == ()
        assert again.answers.answer("in/d.jpg", "boat") == "present"

    assert read_answers(table)["in/d.jpg"]["boat"] == 1


def test_photos_that_are_back_get_their_answers_when_the_table_is_read_again(
    photos: Path, table: Path
) -> None:
    store = LabelStore(photos, table)
    store.set(ADA, [("in/d.jpg", "boat", "present")])
    kill(store)
    elsewhere = (photos / "in").rename(photos.parent / "elsewhere")

    with LabelStore(photos, table) as again:
        elsewhere.rename(photos / "in")
        again.reload()
        assert again.state().pending == ()
    assert "in/d.jpg,?,1," in table.read_text()


def test_an_answer_that_waits_for_its_photo_is_undone(photos: Path, table: Path) -> None:
    store = LabelStore(photos, table)
    store.set(ADA, [("in/d.jpg", "boat", "present")])
    kill(store)
    elsewhere = (photos / "in").rename(photos.parent / "elsewhere")
    with LabelStore(photos, table) as without:
        assert len(without.undo_last(ADA) or []) == 1
        assert without.state().pending == ()
        assert without.undo_last(ADA) is None
    elsewhere.rename(photos / "in")

    with LabelStore(photos, table) as again:
        assert again.answers.answer("in/d.jpg", "boat") == "unknown"


def test_a_label_stays_as_long_as_an_answer_for_it_waits(photos: Path, table: Path) -> None:
    store = LabelStore(photos, table)
    store.set(ADA, [("in/d.jpg", "boat", "present")])
    kill(store)
    (photos / "in").rename(photos.parent / "elsewhere")

    with LabelStore(photos, table) as without:
        with pytest.raises(InputError, match="answers for 'boat' wait for photos that are not in the folder"):
            without.remove_label(ADA, "boat")
        with pytest.raises(InputError, match="wait for photos"):
            without.merge_label(ADA, "boat", "beach")


def test_undoing_a_new_label_keeps_answers_about_photos_that_are_elsewhere(photos: Path, table: Path) -> None:
    with LabelStore(photos, table) as store:
        store.add_label(ADA, "lake")
        store.set(ADA, [("in/d.jpg", "lake", "present")])
        store._writer.write()
        (photos / "in").rename(photos.parent / "elsewhere")
        store.reload()
        assert store.undo(ADA) == []
        assert store.undo(ADA) == []

    assert "in/d.jpg,?,?,1," in table.read_text()


@pytest.mark.parametrize("ending", ["csv", "tsv"])
def test_a_label_that_another_program_removed_is_told_and_stays_away(
    ending: str, photos: Path, write_table: Callable[..., Path]
) -> None:
    table = write_table("image,labels\na.jpg,beach;boat\nb.jpg,beach\n", f"labels.{ending}")
    with LabelStore(photos, table) as store:
        store.set(ADA, [("b.jpg", "boat", "present")])
        store._writer.write()
        table.write_text("image,labels\na.jpg,beach\nb.jpg,beach\n")
        store.reload()
        assert store.answers.labels == ["beach"]
        assert store.state().removed_labels == ("boat",)

    for _ in range(2):
        with LabelStore(photos, table) as again:
            assert again.answers.labels == ["beach"]
            assert again.state().removed_labels == ()
            again.set(ADA, [("c.jpg", "beach", "present")])


def test_a_label_without_answers_survives_an_edit_by_another_program(photos: Path, table: Path) -> None:
    with LabelStore(photos, table) as store:
        store.add_label(ADA, "lake")
        store._writer.write()
        table.write_text(TABLE.replace("b.jpg,0,1", "b.jpg,1,1"))
        store.reload()
        assert store.answers.labels == ["beach", "boat", "lake"]
        assert store.state().removed_labels == ()

    with LabelStore(photos, table) as again:
        assert again.answers.labels == ["beach", "boat", "lake"]


def test_answers_for_a_label_that_another_program_removed_are_conflicts(photos: Path, table: Path) -> None:
    with LabelStore(photos, table) as store:
        store.set(ADA, [("a.jpg", "boat", "present")])
        table.write_text("image,beach,note\na.jpg,1,hot\nb.jpg,0,\n")

        conflicts = store.reload()

        assert conflicts == (Conflict(photo="a.jpg", label="boat", found="unknown", wanted="present"),)
        assert store.state().removed_labels == ("boat",)


def test_labels_that_changed_in_their_source_are_told(photos: Path, write_table: Callable[..., Path]) -> None:
    long = "image,label\na.jpg,beach\na.jpg,boat\nb.jpg,boat\nb.jpg,beach\n"
    source = write_table(long, "long.csv")
    with LabelStore(photos, source) as store:
        store.set(ADA, [("c.jpg", "boat", "present")])
        assert not store.state().is_source_changed
    source.write_text(long + "\n")  # saved again, with the same labels
    with LabelStore(photos, source) as again:
        assert not again.state().is_source_changed
    source.write_text(long + "c.jpg,beach\n")

    for _ in range(2):
        with LabelStore(photos, source) as last:
            assert last.state().is_source_changed
            assert last.answers.answer("c.jpg", "beach") == "unknown"
            last.set(ADA, [("in/d.jpg", "boat", "present")])


def test_labels_that_no_photo_has_are_known_after_a_restart(photos: Path, table: Path) -> None:
    with LabelStore(photos, table) as store:
        store.add_label(ADA, "lake")
    with LabelStore(photos, table) as again:
        assert again.answers.labels == ["beach", "boat", "lake"]
        again.set(ADA, [("a.jpg", "lake", "absent")])

    assert table.read_text().startswith("image,beach,boat,lake,note\na.jpg,1,0,0,hot\n")


def test_a_label_that_is_absent_from_every_photo_of_a_list_stays(
    photos: Path, write_table: Callable[[str], Path]
) -> None:
    table = write_table("image,labels\na.jpg,beach;boat\nb.jpg,beach\n")
    with LabelStore(photos, table) as store:
        store.set(ADA, [("a.jpg", "boat", "absent")])
    assert table.read_text() == "image,labels\na.jpg,beach\nb.jpg,beach\n"

    with LabelStore(photos, table) as again:
        assert again.answers.answer("b.jpg", "boat") == "absent"
        assert again.answers.answer("c.jpg", "boat") == "unknown"


def test_a_change_that_cannot_be_kept_is_not_made(
    photos: Path, table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with LabelStore(photos, table) as store:
        with monkeypatch.context() as patched:
            patched.setattr("manylabel.annotation.journal.sync_file", fail)
            with pytest.raises(OutputError, match="No space left"):
                store.set(ADA, [("a.jpg", "boat", "present")])
        assert store.answers.answer("a.jpg", "boat") == "absent"
        assert store.undo(ADA) is None

    assert table.read_text() == TABLE


def test_a_table_that_cannot_be_written_is_told_and_written_later(
    photos: Path, table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    with LabelStore(photos, table) as store:
        store.set(ADA, [("a.jpg", "boat", "present")])
        with pytest.raises(OutputError, match="the file is read-only"):
            store._writer.write()
        assert table.read_text() == TABLE
        assert not store.state().is_saved
        monkeypatch.undo()

    assert "a.jpg,1,1,hot" in table.read_text()


def test_a_table_that_would_be_read_otherwise_is_not_written(
    photos: Path, write_table: Callable[[str], Path]
) -> None:
    text = "Holiday 2024\nfile,beach,boat\na,yes,no\nb,yes,no\n"
    table = write_table(text)
    store = LabelStore(photos, table)
    store.rename_label(ADA, "boat", "no")  # now the line of names looks like those below it
    with pytest.raises(
        InputError, match=r"labels\.csv: was not saved: read back, it would give other answers"
    ):
        store._writer.write()
    kill(store)

    assert table.read_text() == text
    assert [path.name for path in table.parent.iterdir() if path.name.endswith(".tmp")] == []


def test_a_table_keeps_its_permissions(photos: Path, table: Path) -> None:
    table.chmod(0o640)
    with LabelStore(photos, table) as store:
        store.set(ADA, [("a.jpg", "boat", "present")])

    assert table.stat().st_mode & 0o777 == 0o640


def test_two_processes_cannot_change_the_same_labels(photos: Path, table: Path) -> None:
    with LabelStore(photos, table), pytest.raises(InputError, match="another process is changing"):
        LabelStore(photos, table)


def test_a_label_may_change_the_case_of_its_name(photos: Path, table: Path) -> None:
    with LabelStore(photos, table) as store:
        assert store.rename_label(ADA, "boat", "Boat") == "Boat"
        with pytest.raises(InputError, match="there is a label 'Boat' already"):
            store.rename_label(ADA, "beach", "boat")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("boat", "there is a label 'boat' already"),
        ("BOAT", "there is a label 'boat' already"),
        ("\u200b ", "empty name"),
        ("", "empty name"),
    ],
)
def test_a_label_needs_a_name_of_its_own(name: str, message: str, photos: Path, table: Path) -> None:
    with LabelStore(photos, table) as store, pytest.raises((InputError, ConfigError), match=message):
        store.add_label(ADA, name)


def test_many_threads_change_labels_at_once(photos: Path, table: Path, read_answers: ReadAnswers) -> None:
    def work(name: str) -> None:
        author = Author(client=name)
        for number in range(20):
            store.set(author, [(name, "boat", "present" if number % 2 else "absent")])

    with LabelStore(photos, table) as store:
        threads = [threading.Thread(target=work, args=(name,)) for name in store.answers.names]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert {row["boat"] for row in read_answers(table).values()} == {1.0}
    entries = read_journal(journal_path(table))
    assert sum(isinstance(entry, SetLabel) for entry in entries) in (79, 80)  # b.jpg has the boat already
    assert isinstance(entries[0], Written)


def test_changes_that_were_made_again_survive_another_kill(photos: Path, table: Path) -> None:
    store = LabelStore(photos, table)
    store.set(ADA, [("a.jpg", "boat", "present")])
    kill(store)
    table.write_text(TABLE.replace("b.jpg,0,1", "b.jpg,1,1"))
    again = LabelStore(photos, table)
    again.set(ADA, [("b.jpg", "boat", "absent")])
    kill(again)

    with LabelStore(photos, table) as last:
        assert last.answers.answer("a.jpg", "boat") == "present"
        assert last.answers.answer("b.jpg", "boat") == "absent"
        assert last.answers.answer("b.jpg", "beach") == "present"


def test_a_table_that_could_not_be_written_counts_as_missing_its_changes(
    photos: Path, table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    store = LabelStore(photos, table)
    store.set(ADA, [("a.jpg", "boat", "present")])
    for _ in range(3):
        with pytest.raises(OutputError):
            store._writer.write()
    assert (
        sum(isinstance(entry, Written) for entry in store.entries) == 2
    )  # the table before, and the attempt
    kill(store)
    monkeypatch.undo()
    table.write_text(TABLE.replace("b.jpg,0,1", "b.jpg,1,1"))

    with LabelStore(photos, table) as again:
        assert again.answers.answer("a.jpg", "boat") == "present"


def test_a_table_that_changes_while_it_is_written_is_not_overwritten(
    photos: Path, table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    edited = TABLE.replace("b.jpg,0,1", "b.jpg,1,1")
    with LabelStore(photos, table) as store:
        monkeypatch.setattr(
            "manylabel.annotation.table_writer.check_reading", lambda *_, **__: table.write_text(edited)
        )
        store.set(ADA, [("a.jpg", "boat", "present")])
        store._writer.write()
        assert store.state().is_changed_elsewhere
        assert table.read_text() == edited


@pytest.mark.parametrize("name", ["note", "image"])
def test_a_label_is_never_called_like_another_column(name: str, photos: Path, table: Path) -> None:
    with LabelStore(photos, table) as store:
        with pytest.raises(InputError, match=f"has a column '{name}' that is not a label"):
            store.add_label(ADA, name)
        with pytest.raises(InputError, match=f"has a column '{name}' that is not a label"):
            store.rename_label(ADA, "boat", name)

    assert table.read_text() == TABLE


@pytest.mark.parametrize(
    "text", [TABLE + "gone.jpg,0,1,\n", "image,labels\na.jpg,beach\nb.jpg,boat\ngone.jpg,boat\n"]
)
def test_answers_about_photos_that_are_elsewhere_are_not_lost_with_a_label(
    text: str, photos: Path, write_table: Callable[[str], Path]
) -> None:
    table = write_table(text)
    with LabelStore(photos, table) as store:
        with pytest.raises(InputError, match="answers for 'boat' on photos outside the folder"):
            store.remove_label(ADA, "boat")
        with pytest.raises(InputError, match="They would be lost"):
            store.merge_label(ADA, "boat", "beach")
        store.rename_label(ADA, "boat", "ship")

    assert table.read_text() == text.replace("boat", "ship")


def test_opening_and_closing_writes_no_table(photos: Path, table: Path) -> None:
    with LabelStore(photos), LabelStore(photos, table):
        pass

    assert not (photos / "labels.csv").exists()
    assert table.read_text() == TABLE


def test_a_table_without_any_known_answer_is_not_written(photos: Path, table: Path) -> None:
    store = LabelStore(photos, table)
    store.set(ADA, [(photo, label, "unknown") for photo in ("a.jpg", "b.jpg") for label in ("beach", "boat")])
    with pytest.raises(InputError, match="no photo has an answer"):
        store._writer.write()
    kill(store)

    with LabelStore(photos, table) as again:
        assert math.isnan(again.answers.targets[0, 0])
        again.set(ADA, [("a.jpg", "boat", "present")])
    assert table.read_text() == "image,beach,boat,note\na.jpg,?,1,hot\nb.jpg,?,?,\n"
