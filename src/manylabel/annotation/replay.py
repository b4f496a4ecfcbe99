"""Make the changes of a journal again that a table lacks, as after a kill.

In:  a table as it was opened, the lines of its journal.
Out: the answers with all changes; those that the table contradicts, because it was changed elsewhere.
"""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from manylabel.annotation.answers import Answers
from manylabel.annotation.journal import (
    AddLabel,
    Answer,
    Change,
    Entry,
    RemoveLabel,
    RenameLabel,
    SetLabel,
    Written,
    list_changes,
)
from manylabel.annotation.label_file import LabelFile
from manylabel.annotation.open_labels import OpenedLabels
from manylabel.errors import InputError

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Conflict:
    """A change that the table contradicts.

    Attributes:
        photo: The photo.
        label: The label.
        found: The answer of the table, which stays.
        wanted: The answer of the journal.
    """

    photo: str
    label: str
    found: Answer
    wanted: Answer


@dataclass(frozen=True, eq=False, kw_only=True)
class Replayed:
    """A table with all changes.

    Attributes:
        answers: All answers.
        conflicts: The changes that the table contradicts.
        made: The changes that were made again, in the table too.
        is_known: The table is one that the journal tells of: nobody else has changed it.
    """

    answers: Answers
    conflicts: tuple[Conflict, ...]
    made: tuple[Change, ...]
    is_known: bool


def replay(opened: OpenedLabels, entries: Sequence[Entry]) -> Replayed:
    """Make the changes again that a table lacks.

    Args:
        opened: The table; changed.
        entries: All lines of its journal.
    """
    answers = Answers(opened.folder.names, opened.labels, opened.targets)
    n_written, is_known = _count_written(entries, opened.sha256)
    if is_known:
        _remember_labels(opened.file, answers, entries[:n_written])
    missing = list_changes(entries[n_written:])
    refused: dict[tuple[str, str], Answer] = {}
    made = list[Change]()
    for change in missing:
        try:
            if answers.has(change):
                continue
            if not is_known and isinstance(change, SetLabel) and _is_refused(change, answers):
                refused[change.photo, change.label] = change.after
                continue
            answers.apply(change)
        except InputError as error:
            _logger.warning("%s: a change cannot be made again: %s", opened.file.path.name, error)
            continue
        write_change(opened.file, change, answers)
        made.append(change)
    return Replayed(
        answers=answers,
        conflicts=tuple(_list_conflicts(refused, answers)),
        made=tuple(made),
        is_known=is_known,
    )


def _is_refused(change: SetLabel, answers: Answers) -> bool:
    return answers.answer(change.photo, change.label) != change.before


def _list_conflicts(refused: dict[tuple[str, str], Answer], answers: Answers) -> Iterable[Conflict]:
    """Yield the changes that were refused and would still change something."""
    for (photo, label), wanted in refused.items():
        if label in answers.labels and (found := answers.answer(photo, label)) != wanted:
            yield Conflict(photo=photo, label=label, found=found, wanted=wanted)


def _count_written(entries: Sequence[Entry], table_sha256: str | None) -> tuple[int, bool]:
    """Return how many entries a table has from the beginning, and whether the journal tells of that table."""
    written = [entry for entry in entries if isinstance(entry, Written)]
    known = next((entry for entry in reversed(written) if entry.sha256 == table_sha256), None)
    done = [entry for entry in written if entry.is_done]
    last = known or (done[-1] if done and table_sha256 is not None else None)
    is_known = known is not None or table_sha256 is None
    return last.n_entries if last is not None else 0, is_known


def _remember_labels(file: LabelFile, answers: Answers, entries: Iterable[Entry]) -> None:
    """Add the labels that the table does not name, because none of its photos has them or a known answer."""
    alive: list[str] = []
    for entry in entries:
        match entry:
            case AddLabel() | SetLabel() if entry.label not in alive:
                alive.append(entry.label)
            case RemoveLabel() if entry.label in alive:
                alive.remove(entry.label)
            case RenameLabel() if entry.label in alive:
                alive[alive.index(entry.label)] = entry.to
    for label in alive:
        if label not in answers.labels:
            answers.apply(AddLabel(label=label))
            answers.targets[file.rows(), -1] = file.remember(label)


def write_change(file: LabelFile, change: Change, answers: Answers) -> None:
    """Make a change in the table.

    Args:
        file: The table.
        change: The change.
        answers: The answers after it.
    """
    match change:
        case SetLabel():
            row = answers.row(change.photo)
            file.set(row, change.label, float(answers.targets[row, answers.column(change.label)]))
        case AddLabel():
            file.add(change.label)
        case RemoveLabel():
            file.remove(change.label)
        case RenameLabel():
            file.rename(change.label, change.to)
