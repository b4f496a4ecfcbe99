"""Answers, changed and changed back."""

import math
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from manylabel.annotation.answers import Answers, invert, to_answer, to_target
from manylabel.annotation.journal import AddLabel, Answer, Change, RemoveLabel, RenameLabel, SetLabel
from manylabel.errors import InputError

TARGETS = np.array([[1.0, 0.0], [np.nan, 1.0], [0.0, np.nan]])


def make() -> Answers:
    return Answers(["a", "b", "c"], ["beach", "boat"], TARGETS)


def by_label(answers: Answers) -> dict[str, list[str]]:
    columns = zip(answers.labels, answers.targets.T, strict=True)
    return {label: [to_answer(target) for target in column] for label, column in columns}


def draw_changes(answers: Answers, chance: random.Random, number: int) -> list[Change]:
    """Return changes of one kind or another that can be made now."""
    first, second = chance.choice(answers.labels), chance.choice(answers.labels)
    match chance.randrange(6):
        case 0:
            return [AddLabel(label=f"new {number}")]
        case 1:
            return [RenameLabel(label=first, to=f"other {number}")]
        case 2 if first != second:
            return answers.merge_changes(first, second)
        case _:
            choices: list[Answer] = ["present", "absent", "unknown"]
            return answers.set_changes(chance.choice(answers.names), [(first, chance.choice(choices))])


@given(st.randoms(use_true_random=False), st.integers(1, 12))
def test_every_change_can_be_undone(chance: random.Random, n_steps: int) -> None:
    answers, made = make(), list[Change]()
    for number in range(n_steps):
        changes = draw_changes(answers, chance, number)
        for change in changes:
            answers.apply(change)
            assert answers.has(change)
        made += changes

    for change in reversed(made):
        answers.apply(invert(change))

    assert by_label(answers) == by_label(make())


def test_labels_are_merged_without_losing_an_answer() -> None:
    answers = make()

    for change in answers.merge_changes("boat", "beach"):
        answers.apply(change)

    assert by_label(answers) == {"beach": ["present", "present", "unknown"]}


def test_answers_that_a_photo_has_are_no_changes() -> None:
    assert make().set_changes("a", [("beach", "present"), ("boat", "absent")]) == []


def test_photos_tell_at_which_revision_they_changed_last() -> None:
    answers = make()
    answers.apply(SetLabel(photo="b", label="beach", before="unknown", after="absent"))
    answers.apply(AddLabel(label="lake"))

    assert answers.revisions.tolist() == [0, 1, 0]
    assert (answers.revision, answers.labels_revision) == (2, 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (SetLabel(photo="d", label="boat", before="unknown", after="present"), "no photo 'd'"),
        (
            SetLabel(photo="a", label="lake", before="unknown", after="present"),
            "no label 'lake'; there are: beach",
        ),
        (AddLabel(label="boat"), "there is a label 'boat' already"),
        (RenameLabel(label="boat", to="beach"), "there is a label 'beach' already"),
        (RemoveLabel(label="boat"), "label 'boat' is known for some photos"),
    ],
)
def test_what_cannot_be_changed_is_told(change: Change, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make().apply(change)


def test_a_label_cannot_be_merged_with_itself() -> None:
    with pytest.raises(InputError, match="cannot be merged with itself"):
        make().merge_changes("boat", "boat")


def test_photos_of_one_name_are_refused() -> None:
    with pytest.raises(InputError, match="two photos are called 'a'"):
        Answers(["a", "b", "a"], [], np.empty((3, 0)))


def test_targets_and_answers_say_the_same() -> None:
    assert [to_answer(to_target(answer)) for answer in ("present", "absent", "unknown")] == [
        "present",
        "absent",
        "unknown",
    ]
    assert math.isnan(to_target("unknown"))
