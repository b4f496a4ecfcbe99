"""Changes of a journal are made again, wait for their photos, or are told as conflicts."""

from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path

import pytest

from manylabel.annotation.journal import (
    AddLabel,
    Answer,
    Entry,
    RemoveLabel,
    RenameLabel,
    SetLabel,
    Written,
)
from manylabel.annotation.open_labels import open_labels
from manylabel.annotation.replay import Conflict, Replayed, replay
from manylabel.config import DataConfig
from tests.annotation.conftest import WriteTable

TABLE = "image,beach,boat\na.jpg,1,0\nb.jpg,0,1\n"
EDITED = "image,beach,boat\na.jpg,1,?\nb.jpg,1,1\n"


def set_label(photo: str, label: str, before: Answer, after: Answer) -> SetLabel:
    return SetLabel(photo=photo, label=label, before=before, after=after)


def written(
    table: str,
    n_entries: int,
    *,
    pending: tuple[int, ...] = (),
    unnamed: tuple[str, ...] = (),
    removed: tuple[str, ...] = (),
) -> Written:
    return Written(
        sha256=sha256(table.encode()).hexdigest(),
        n_entries=n_entries,
        pending=pending,
        unnamed=unnamed,
        removed=removed,
    )


Run = Callable[[str | None, Sequence[Entry]], Replayed]


@pytest.fixture
def run(photos: Path, write_table: WriteTable) -> Run:
    """Return what opens a table, None for one that is gone, and makes the changes of a journal again."""

    def run(table: str | None, entries: Sequence[Entry]) -> Replayed:
        path = photos.parent / "labels.csv" if table is None else write_table(table)
        return replay(open_labels(photos, path, config=DataConfig()), entries)

    return run


def test_changes_behind_a_known_table_are_made(run: Run) -> None:
    made = run(TABLE, [written(TABLE, 0), set_label("a.jpg", "boat", "absent", "present")])

    assert made.is_known
    assert made.n_made == 1
    assert made.answers.answer("a.jpg", "boat") == "present"


def test_changes_that_a_known_table_has_are_not_made_again(run: Run) -> None:
    entries: list[Entry] = [set_label("a.jpg", "boat", "absent", "present"), written(TABLE, 1)]

    assert run(TABLE, entries).answers.answer("a.jpg", "boat") == "absent"


def test_a_change_of_an_absent_photo_waits(run: Run) -> None:
    change = set_label("gone.jpg", "boat", "unknown", "present")
    made = run(TABLE, [written(TABLE, 0), change])

    assert made.n_made == 0
    assert made.pending.items() == [(1, change)]
    assert made.conflicts == ()


def test_a_change_that_waited_is_made_once_its_photo_is_there(run: Run) -> None:
    entries: list[Entry] = [
        set_label("c.jpg", "ship", "unknown", "present"),
        RenameLabel(label="ship", to="boat"),
        written(TABLE, 2, pending=(0,)),
    ]
    made = run(TABLE, entries)

    assert made.pending.items() == []
    assert made.answers.answer("c.jpg", "boat") == "present"


def test_a_change_that_waited_does_not_replace_what_others_wrote_meanwhile(run: Run) -> None:
    change = set_label("b.jpg", "boat", "absent", "unknown")
    made = run(TABLE, [change, written(TABLE, 1, pending=(0,))])

    assert made.conflicts == (Conflict(photo="b.jpg", label="boat", found="present", wanted="unknown"),)


def test_a_change_that_waits_has_its_number_behind_the_line_of_a_changed_table(run: Run) -> None:
    change = set_label("gone.jpg", "boat", "unknown", "present")
    other = set_label("b.jpg", "boat", "present", "absent")
    made = run(EDITED, [written(TABLE, 0), other, change])

    assert made.kept == (other, change)
    assert made.pending.items() == [(5, change)]  # line 3 tells of the table, 4 is the other change


def test_what_a_changed_table_contradicts_is_a_conflict(run: Run) -> None:
    made = run(EDITED, [written(TABLE, 0), set_label("a.jpg", "boat", "absent", "present")])

    assert made.conflicts == (Conflict(photo="a.jpg", label="boat", found="unknown", wanted="present"),)
    assert made.kept == ()


def test_a_conflict_is_listed_under_the_present_name_of_its_label(run: Run) -> None:
    made = run(
        EDITED,
        [
            written(TABLE, 0),
            set_label("a.jpg", "boat", "absent", "present"),
            RenameLabel(label="boat", to="ship"),
        ],
    )

    assert [conflict.label for conflict in made.conflicts] == ["ship"]


def test_a_conflict_that_the_last_answer_settles_is_none(run: Run) -> None:
    made = run(
        EDITED,
        [
            written(TABLE, 0),
            set_label("a.jpg", "boat", "absent", "present"),
            set_label("a.jpg", "boat", "present", "unknown"),
        ],
    )

    assert made.conflicts == ()


def test_answers_for_a_label_that_the_table_lost_are_conflicts(run: Run) -> None:
    made = run("image,beach\na.jpg,1\n", [written(TABLE, 0), set_label("a.jpg", "boat", "absent", "present")])

    assert made.conflicts == (Conflict(photo="a.jpg", label="boat", found="unknown", wanted="present"),)
    assert made.removed_labels == ("boat",)


def test_labels_without_a_column_are_remembered_from_the_line_of_their_table(run: Run) -> None:
    entries: list[Entry] = [
        AddLabel(label="lake"),
        AddLabel(label="town"),
        written(TABLE, 2, unnamed=("town",)),
    ]

    assert run(TABLE, entries).answers.labels == ["beach", "boat", "town"]
    edited = run(EDITED, entries)
    assert edited.answers.labels == ["beach", "boat", "town"]
    assert edited.unnamed == ("town",)
    assert edited.removed_labels == ("lake",)


def test_a_label_that_was_told_as_removed_is_not_told_again(run: Run) -> None:
    entries: list[Entry] = [AddLabel(label="lake"), written(TABLE, 1, removed=("lake",))]

    assert run(EDITED, entries).removed_labels == ()


def test_a_column_of_another_kind_is_not_taken_for_a_label(run: Run) -> None:
    made = run(
        "image,beach,town\na.jpg,1,Hue\n", [AddLabel(label="town"), written(TABLE, 1, unnamed=("town",))]
    )

    assert made.answers.labels == ["beach"]
    assert made.removed_labels == ("town",)


def test_answers_that_another_program_gave_are_not_lost_with_a_label(run: Run) -> None:
    with_stranger = "image,beach,boat\na.jpg,1,?\ngone.jpg,0,1\n"
    made = run(with_stranger, [written(TABLE, 0), RemoveLabel(label="boat")])

    assert made.answers.labels == ["beach", "boat"]


def test_answers_for_a_label_that_could_not_be_renamed_do_not_reach_another_one(run: Run) -> None:
    entries: list[Entry] = [
        written(TABLE, 0),
        set_label("a.jpg", "beach", "present", "unknown"),
        set_label("b.jpg", "beach", "absent", "unknown"),
        RemoveLabel(label="beach"),
        RenameLabel(label="boat", to="beach"),
        set_label("b.jpg", "beach", "present", "absent"),
    ]
    made = run(EDITED, entries)  # b.jpg has the beach now, so that label is not removed

    assert made.answers.labels == ["beach", "boat"]
    assert made.answers.answer("b.jpg", "beach") == "present"
    assert [one.photo for one in made.conflicts] == ["b.jpg"]


def test_a_label_stays_removed_if_photos_come_back_that_did_not_have_it(run: Run) -> None:
    table = "image,labels\na.jpg,beach;boat\nb.jpg,beach\n"
    entries: list[Entry] = [
        written(table, 0),
        set_label("a.jpg", "boat", "present", "unknown"),
        RemoveLabel(label="boat"),
    ]

    assert run(table, entries).answers.labels == ["beach"]


def test_a_lost_table_is_made_again_from_the_journal(run: Run) -> None:
    made = run(
        None,
        [
            written(TABLE, 0),
            set_label("a.jpg", "boat", "absent", "present"),
            RenameLabel(label="beach", to="shore"),
            set_label("b.jpg", "shore", "absent", "present"),
        ],
    )

    assert made.is_partial
    assert made.answers.labels == ["boat", "shore"]
    assert made.answers.answer("a.jpg", "boat") == "present"
    assert made.answers.answer("b.jpg", "shore") == "present"


def test_a_lost_table_that_began_empty_is_complete(run: Run) -> None:
    entries: list[Entry] = [
        AddLabel(label="boat"),
        set_label("a.jpg", "boat", "unknown", "present"),
        Written(sha256="0", n_entries=2, is_done=False),
        Written(sha256="0", n_entries=2),
    ]

    assert not run(None, entries).is_partial
