"""What became of every answer, and what is undone next."""

from manylabel.annotation.history import find_last_action, list_changed
from manylabel.annotation.journal import (
    AddLabel,
    Answer,
    Entry,
    RemoveLabel,
    RenameLabel,
    SetLabel,
    Undone,
    Written,
)


def set_label(
    before: Answer, after: Answer, *, action: int = 1, undoes: int = 0, by: str = "Ada"
) -> SetLabel:
    return SetLabel(
        photo="a.jpg", label="boat", before=before, after=after, action=action, undoes=undoes, by=by
    )


def test_an_answer_that_came_back_did_not_change() -> None:
    assert list_changed([set_label("absent", "present"), set_label("present", "absent")]) == []


def test_the_last_change_tells_who_made_it() -> None:
    [changed] = list_changed(
        [set_label("unknown", "present"), set_label("present", "absent", by="Bo"), AddLabel(label="lake")]
    )

    assert (changed.before, changed.after, changed.by) == ("unknown", "absent", "Bo")


def test_a_label_is_listed_under_its_present_name() -> None:
    [changed] = list_changed(
        [
            set_label("unknown", "present"),
            RenameLabel(label="boat", to="ship"),
            SetLabel(photo="a.jpg", label="ship", before="present", after="absent"),
        ]
    )

    assert (changed.label, changed.before, changed.after) == ("ship", "unknown", "absent")


def test_actions_are_undone_one_after_the_other() -> None:
    made: list[Entry] = [
        set_label("unknown", "present", action=1),
        set_label("present", "absent", action=2),
        Written(sha256="0", n_entries=2),
    ]
    assert find_last_action(made) == (2, [set_label("absent", "present", action=0, by="")])

    undone: list[Entry] = [*made, set_label("absent", "present", action=3, undoes=2)]
    assert find_last_action(undone) == (1, [set_label("present", "unknown", action=0, by="")])
    assert find_last_action([*undone, set_label("present", "unknown", action=4, undoes=1)]) is None


def test_without_changes_there_is_nothing_to_undo() -> None:
    assert find_last_action([]) is None


def test_answers_of_a_removed_label_are_not_those_of_one_that_gets_its_name() -> None:
    changes: list[Entry] = [
        set_label("unknown", "present"),
        set_label("present", "unknown"),
        RemoveLabel(label="boat"),
        RenameLabel(label="ship", to="boat"),
        SetLabel(photo="a.jpg", label="boat", before="absent", after="present"),
    ]

    [changed] = list_changed(changes)

    assert (changed.before, changed.after) == ("absent", "present")


def test_an_action_of_which_nothing_was_left_counts_as_undone() -> None:
    made: list[Entry] = [set_label("unknown", "present", action=1), set_label("present", "absent", action=2)]

    found = find_last_action([*made, Undone(undoes=2)])

    assert found is not None
    assert found[0] == 1
