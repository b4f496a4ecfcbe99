"""Choose what the labeling page shows next, and why.

In:  the answers, the journal of changes, what was learned from the answers, constraints among labels.
Out: a list per queue, the most important first; what somebody has looked at in a queue is not in it again.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import chain, islice, pairwise

import msgspec
import numpy as np

from manylabel.annotation.answers import Answers, to_answer
from manylabel.annotation.journal import Answer, Entry
from manylabel.annotation.reviewed import Reviewed
from manylabel.config import ConstraintsConfig
from manylabel.constraints import parse_constraints, violations
from manylabel.errors import ConfigError, InputError
from manylabel.live_model.client import Learned
from manylabel.types import IntArray

ISSUES, DUPLICATES, DISAGREEMENTS = "issues", "duplicates", "disagreements"
"""Names of queues; the page sends them with what is answered there."""

_MOST_QUESTIONS = 1000


class SimilarPhoto(msgspec.Struct, frozen=True, kw_only=True):
    """A similar photo and its answer."""

    row: int
    answer: Answer


class IssueQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """An answer that is probably wrong.

    Attributes:
        row: Number of the photo.
        label: The label.
        given: The answer.
        probability: Probability that the label is present.
        similar: The most similar photos with an answer for it.
    """

    row: int
    label: str
    given: Answer
    probability: float
    similar: list[SimilarPhoto]


class DuplicateQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """Two near-duplicates with different labels.

    Attributes:
        row: Number of one photo.
        other: Number of the other.
        labels: The labels that are present on one and absent on the other.
    """

    row: int
    other: int
    labels: list[str]


class ConstraintQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """A photo whose answers break a constraint.

    Attributes:
        row: Number of the photo.
        constraint: The constraint, as it was given.
        labels: The labels whose answers break it.
    """

    row: int
    constraint: str
    labels: list[str]


class DisagreementQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """An answer that people, or lines of the table, disagree about.

    Attributes:
        row: Number of the photo.
        label: The label.
        given: The answer that holds.
        answers: The last answer of each.
    """

    row: int
    label: str
    given: Answer
    answers: dict[str, Answer]


class Queues(msgspec.Struct, frozen=True, kw_only=True):
    """What the page shows next, by queue.

    Attributes:
        suggested: Numbers of the photos most worth labeling next.
        issues: Answers that are probably wrong.
        duplicates: Near-duplicates with different labels.
        constraints: Photos whose answers break a constraint.
        disagreements: Answers that people disagree about.
        problems: Constraints that cannot be checked, one sentence each.
    """

    suggested: list[int]
    issues: list[IssueQuestion]
    duplicates: list[DuplicateQuestion]
    constraints: list[ConstraintQuestion]
    disagreements: list[DisagreementQuestion]
    problems: list[str]


class QueueFinder:
    """Finds what is in each queue.

    Args:
        constraints: Constraints among labels.
    """

    def __init__(self, constraints: ConstraintsConfig) -> None:
        self._constraints = constraints
        self._reviewed = Reviewed(settling=DISAGREEMENTS)

    def find(
        self,
        answers: Answers,
        entries: Sequence[Entry],
        learned: Learned,
        *,
        disputed: Iterable[tuple[str, str]] = (),
    ) -> Queues:
        """Find what is in each queue.

        Args:
            answers: All answers.
            entries: All lines of the journal.
            learned: What was learned from them, or from earlier ones.
            disputed: Photos and labels of which lines of the table say both.
        """
        self._reviewed.follow(entries)
        constraints, problems = self._check_constraints(answers)
        return Queues(
            suggested=_suggested(answers, learned),
            issues=list(self._issues(answers, learned)),
            duplicates=list(islice(self._duplicates(answers, learned), _MOST_QUESTIONS)),
            constraints=constraints[:_MOST_QUESTIONS],
            disagreements=list(
                islice(chain(_ask_about(disputed, answers), self._disagreements(answers)), _MOST_QUESTIONS)
            ),
            problems=problems,
        )

    def _issues(self, answers: Answers, learned: Learned) -> Iterator[IssueQuestion]:
        if learned.scores is None:
            return
        for issue in learned.scores.issues:
            photo, given = answers.names[issue.row], to_answer(issue.given)
            if issue.label not in answers.labels or answers.answer(photo, issue.label) != given:
                continue  # changed meanwhile
            if self._reviewed.queue_of(photo, issue.label) == ISSUES:
                continue
            similar = [
                SimilarPhoto(row=row, answer=answers.answer(answers.names[row], issue.label))
                for row in issue.neighbors
            ]
            yield IssueQuestion(
                row=issue.row, label=issue.label, given=given, probability=issue.probability, similar=similar
            )

    def _duplicates(self, answers: Answers, learned: Learned) -> Iterator[DuplicateQuestion]:
        """Yield neighbors within a group whose answers differ, unless both answers were reviewed here."""
        groups = np.array(learned.groups, dtype=np.int64)
        if len(groups) != len(answers.names):
            return
        numbers, sizes = np.unique(groups, return_counts=True)
        for number in numbers[sizes > 1]:
            rows = np.flatnonzero(groups == number)
            for (row, other), labels in sorted(self._differing(answers, rows).items()):
                yield DuplicateQuestion(row=row, other=other, labels=labels)

    def _differing(self, answers: Answers, rows: IntArray) -> dict[tuple[int, int], list[str]]:
        """Return the labels on which photos of a group differ, by the pairs to compare."""
        found: dict[tuple[int, int], list[str]] = {}
        for column, label in enumerate(answers.labels):
            targets = answers.targets[rows, column]
            known = rows[~np.isnan(targets)].tolist()
            if not ((targets == 1).any() and (targets == 0).any()):
                continue
            for pair in pairwise(known):
                differs = answers.targets[pair[0], column] != answers.targets[pair[1], column]
                if differs and not self._is_reviewed_pair(answers, pair, label):
                    found.setdefault(pair, []).append(label)
        return found

    def _is_reviewed_pair(self, answers: Answers, rows: tuple[int, int], label: str) -> bool:
        return all(self._reviewed.queue_of(answers.names[row], label) == DUPLICATES for row in rows)

    def _disagreements(self, answers: Answers) -> Iterator[DisagreementQuestion]:
        for found in self._reviewed.disagreements():
            with suppress(InputError):  # the photo or the label is gone
                yield DisagreementQuestion(
                    row=answers.row(found.photo),
                    label=found.label,
                    given=answers.answer(found.photo, found.label),
                    answers=found.answers,
                )

    def _check_constraints(self, answers: Answers) -> tuple[list[ConstraintQuestion], list[str]]:
        """Return the photos that break a constraint, and why constraints cannot be checked."""
        given = self._constraints
        try:
            constraints = parse_constraints(
                exclusive=given.exclusive,
                implies=given.implies,
                at_least_one=given.at_least_one,
                labels=answers.labels,
            )
        except ConfigError as error:
            return [], str(error).splitlines()
        found = violations(constraints, answers.targets)
        return [
            ConstraintQuestion(row=one.row, constraint=one.constraint, labels=list(one.labels))
            for one in found
        ], []


def _ask_about(disputed: Iterable[tuple[str, str]], answers: Answers) -> Iterator[DisagreementQuestion]:
    for photo, label in disputed:
        yield DisagreementQuestion(
            row=answers.row(photo),
            label=label,
            given="unknown",
            answers={"one line of the table": "present", "another line": "absent"},
        )


def _suggested(answers: Answers, learned: Learned) -> list[int]:
    if learned.scores is None:
        return []
    open_rows = set(np.flatnonzero(np.isnan(answers.targets).any(axis=1)).tolist())
    return [row for row in learned.scores.suggested if row in open_rows]
