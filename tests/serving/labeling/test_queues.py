"""What the labeling page shows next, and why."""

from collections.abc import Sequence

import numpy as np

from manylabel.annotation.answers import Answers
from manylabel.annotation.journal import Answer, Entry, SetLabel
from manylabel.config import ConstraintsConfig
from manylabel.live_model.client import Learned
from manylabel.live_model.messages import Issue, Scores
from manylabel.serving.labeling.queues import QueueFinder, Queues

NAMES = ("a.jpg", "b.jpg", "c.jpg", "d.jpg")
LABELS = ("beach", "boat")
TARGETS = [[1, 0], [1, 1], [0, 1], [np.nan, np.nan]]


def find(
    *,
    learned: Learned | None = None,
    entries: Sequence[Entry] = (),
    constraints: ConstraintsConfig | None = None,
) -> Queues:
    answers = Answers(NAMES, LABELS, np.array(TARGETS, dtype=np.float64))
    finder = QueueFinder(ConstraintsConfig() if constraints is None else constraints)
    return finder.find(answers, entries, Learned() if learned is None else learned)


def learned(*issues: Issue, suggested: Sequence[int] = (), groups: Sequence[int] = ()) -> Learned:
    scores = Scores(
        revision=0,
        labels=list(LABELS),
        probabilities=b"",
        estimate=None,
        issues=list(issues),
        suggested=list(suggested),
        seconds=0,
    )
    return Learned(scores=scores, groups=list(groups))


def issue(row: int = 0, label: str = "boat", given: int = 0) -> Issue:
    return Issue(row=row, label=label, given=given, probability=0.9, neighbors=[1, 2])


def looked_at(photo: str, label: str, answer: Answer, *, queue: str, by: str = "Ada") -> SetLabel:
    return SetLabel(photo=photo, label=label, before=answer, after=answer, queue=queue, by=by, action=1)


def test_an_issue_is_asked_with_the_answers_of_similar_photos() -> None:
    [question] = find(learned=learned(issue())).issues

    assert (question.row, question.label, question.given, question.probability) == (0, "boat", "absent", 0.9)
    assert [(one.row, one.answer) for one in question.similar] == [(1, "present"), (2, "present")]


def test_an_issue_is_not_asked_again_once_it_was_decided() -> None:
    kept = looked_at("a.jpg", "boat", "absent", queue="issues")
    elsewhere = looked_at("a.jpg", "boat", "absent", queue="unlabeled")

    assert find(learned=learned(issue()), entries=[kept]).issues == []
    assert len(find(learned=learned(issue()), entries=[elsewhere]).issues) == 1


def test_an_issue_of_an_answer_or_label_that_changed_is_none() -> None:
    assert find(learned=learned(issue(given=1), issue(label="gone"))).issues == []


def test_photos_that_have_all_answers_are_not_suggested() -> None:
    assert find(learned=learned(suggested=[3, 0])).suggested == [3]


def test_near_duplicates_with_different_labels_are_asked_until_both_were_confirmed() -> None:
    known = learned(groups=[7, 7, 7, 7])

    found = find(learned=known).duplicates
    assert [(one.row, one.other, one.labels) for one in found] == [(0, 1, ["boat"]), (1, 2, ["beach"])]

    first = looked_at("b.jpg", "beach", "present", queue="duplicates")
    second = looked_at("c.jpg", "beach", "absent", queue="duplicates")
    assert len(find(learned=known, entries=[first]).duplicates) == 2
    assert [one.row for one in find(learned=known, entries=[first, second]).duplicates] == [0]


def test_groups_of_other_photos_are_ignored() -> None:
    assert find(learned=learned(groups=[0, 0])).duplicates == []


def test_broken_constraints_are_listed_with_their_labels() -> None:
    constraints = ConstraintsConfig(exclusive=("beach | boat",))

    [question] = find(constraints=constraints).constraints

    assert (question.row, question.constraint, question.labels) == (1, "beach | boat", ["beach", "boat"])


def test_a_constraint_on_a_label_that_is_not_there_is_told() -> None:
    found = find(constraints=ConstraintsConfig(implies=("boat -> water",)))

    assert found.constraints == []
    assert len(found.problems) == 1
    assert "'water'" in found.problems[0]


def test_lines_of_a_table_that_disagree_are_asked_about() -> None:
    answers = Answers(NAMES, LABELS, np.array(TARGETS, dtype=np.float64))

    found = QueueFinder(ConstraintsConfig()).find(answers, [], Learned(), disputed=[("d.jpg", "boat")])

    [question] = found.disagreements
    assert (question.row, question.label, question.given) == (3, "boat", "unknown")
    assert set(question.answers.values()) == {"present", "absent"}


def test_people_who_disagree_are_asked() -> None:
    said = [looked_at("b.jpg", "boat", "present", queue="all")]
    said += [SetLabel(photo="b.jpg", label="boat", before="present", after="absent", by="Ben", action=2)]
    said += [SetLabel(photo="gone.jpg", label="boat", before="present", after="absent", by="Ben", action=3)]
    said += [looked_at("gone.jpg", "boat", "present", queue="all")]

    [question] = find(entries=said).disagreements

    assert (question.row, question.label, question.given) == (1, "boat", "present")
    assert question.answers == {"Ada": "present", "Ben": "absent"}
