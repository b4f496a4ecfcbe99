"""Changes wait for their photos, under the present names of their labels."""

from manylabel.annotation.journal import AddLabel, Answer, Entry, RemoveLabel, RenameLabel, SetLabel
from manylabel.annotation.pending import PendingChanges, find_pending


def ship(before: Answer, after: Answer, label: str = "ship") -> SetLabel:
    return SetLabel(photo="a.jpg", label=label, before=before, after=after)


def make(*changes: SetLabel) -> PendingChanges:
    pending = PendingChanges()
    for number, change in enumerate(changes):
        pending.add(number, change)
    return pending


def test_the_last_answer_counts() -> None:
    pending = make(ship("unknown", "present"), ship("present", "absent"))

    assert pending.numbers == (0, 1)
    assert pending.answers() == (ship("present", "absent"),)


def test_an_answer_that_came_back_waits_for_nothing() -> None:
    pending = make(ship("unknown", "present"), ship("present", "unknown"))

    assert pending.answers() == ()
    assert not pending.has_label("ship")


def test_a_renamed_label_is_followed() -> None:
    pending = make(ship("unknown", "present"))
    pending.follow(AddLabel(label="lake"))
    pending.follow(RenameLabel(label="ship", to="boat"))

    assert pending.answers() == (ship("unknown", "present", "boat"),)
    assert pending.has_label("boat")


def test_answers_of_a_removed_label_are_of_no_more_use() -> None:
    pending = make(ship("unknown", "present"), ship("unknown", "absent", "lake"))
    pending.follow(RemoveLabel(label="ship"))

    assert pending.numbers == (1,)


def test_only_what_begins_with_the_last_answer_continues_it() -> None:
    pending = make(ship("unknown", "present"))

    assert pending.continues(ship("present", "unknown"))
    assert not pending.continues(ship("absent", "unknown"))
    assert not pending.continues(ship("present", "unknown", "lake"))


def test_changes_are_found_by_their_numbers_as_they_are_called_now() -> None:
    entries: list[Entry] = [
        ship("unknown", "present"),
        ship("unknown", "absent", "lake"),
        RenameLabel(label="ship", to="boat"),
        ship("unknown", "absent"),
    ]

    assert find_pending(entries, [0, 3]).items() == [
        (0, ship("unknown", "present", "boat")),
        (3, ship("unknown", "absent")),
    ]
    assert find_pending(entries, []).items() == []
