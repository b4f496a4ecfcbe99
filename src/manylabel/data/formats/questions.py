"""Make labels of the answers to one or several questions.

In:  per annotation, the answers to each question that was answered.
Out: which labels are present and unknown in it; a note that tells how they were made.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from manylabel.data.formats.contents import ABSENT_WORDS, PRESENT_WORDS
from manylabel.data.wording import count, list_some

Answers = Mapping[str, frozenset[str]]
"""Answers by question; a question that was not answered is not in it."""

_UNSURE = frozenset({"?", "n/a", "unknown", "unsure", "not sure"})


@dataclass(frozen=True, kw_only=True)
class Labeled:
    """The labels of one annotation: those that are present, and those that are unknown."""

    present: frozenset[str]
    unknown: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class Questions:
    """The questions of a project, and the labels that their answers are.

    An answer to one of several questions is the label ``question: answer``: the same word means something
    else in each. A question that is answered by yes and no is a label itself.

    Attributes:
        answers: Every answer to each question.
        optional: Questions that are answered by no entry, such as objects to draw where there are any.
    """

    answers: Answers
    optional: frozenset[str] = frozenset()

    @property
    def labels(self) -> tuple[str, ...]:
        """All labels, sorted."""
        return tuple(sorted(frozenset().union(*self._labels.values())))

    @cached_property
    def _yes_no(self) -> frozenset[str]:
        return frozenset(question for question, answers in self.answers.items() if is_yes_no(answers))

    @cached_property
    def _labels(self) -> dict[str, frozenset[str]]:
        return {
            question: frozenset([question])
            if question in self._yes_no
            else frozenset(self._write(question, answer) for answer in answers)
            for question, answers in self.answers.items()
        }

    def label(self, answers: Answers) -> Labeled:
        """Turn the answers of one annotation into labels."""
        present: set[str] = set()
        unknown: set[str] = set()
        for question in self.answers:
            given = answers.get(question)
            if given is None:
                unknown.update(self._labels[question] if self._needs_answer(question) else ())
            elif question not in self._yes_no:
                present.update(self._write(question, answer) for answer in given)
            elif words := {answer.casefold() for answer in given} - _UNSURE:
                present.update([question] if words & PRESENT_WORDS else [])
            else:
                unknown.add(question)
        return Labeled(present=frozenset(present), unknown=frozenset(unknown))

    def describe(self, *, where: str) -> list[str]:
        """Describe how answers became labels, if they were changed."""
        others = [question for question in self.answers if question not in self._yes_no]
        parts = []
        if self._yes_no:
            parts.append(f"those answered by yes or no are labels: {list_some(sorted(self._yes_no))}")
        if others and len(self.answers) > 1:
            parts.append(f"labels are written 'question: answer' for {list_some(others)}")
        if not parts:
            return []
        questions = count(len(self.answers), "question")
        return [f"{where}: {questions}; {'; '.join(parts)}; without an answer they are unknown"]

    def _needs_answer(self, question: str) -> bool:
        return question in self._yes_no or (len(self.answers) > 1 and question not in self.optional)

    def _write(self, question: str, answer: str) -> str:
        return answer if len(self.answers) == 1 else f"{question}: {answer}"


def is_yes_no(answers: Iterable[str]) -> bool:
    """Tell whether a question is answered by yes and no.

    Examples:
        >>> is_yes_no(["Yes", "No", "unsure"]), is_yes_no(["0", "1"]), is_yes_no(["no", "boat"])
        (True, True, False)
        >>> is_yes_no(["Да", "Нет"]), is_yes_no(["yes", "true"])
        (True, False)
    """
    words = {answer.casefold() for answer in answers} - _UNSURE
    if words in ({"0"}, {"1"}):
        return False  # a number alone may be an answer like any other
    yes, no = words & PRESENT_WORDS, words & ABSENT_WORDS
    return bool(words) and words == yes | no and len(yes) <= 1 and len(no) <= 1


def collect_questions(answered: Sequence[Answers], *, optional: frozenset[str]) -> Questions:
    """Collect the questions and answers of all annotations.

    Examples:
        >>> first = {"boat": frozenset({"Yes"})}
        >>> second = {"boat": frozenset({"No"}), "light": frozenset({"dim"})}
        >>> questions = collect_questions([first, second], optional=frozenset())
        >>> questions.labels, questions.label(first).unknown
        (('boat', 'light: dim'), frozenset({'light: dim'}))
    """
    answers: dict[str, frozenset[str]] = defaultdict(frozenset)
    for row in answered:
        for question, given in row.items():
            answers[question] |= given
    return Questions(answers=dict(sorted(answers.items())), optional=optional)
