"""Make the changes of a journal again that a table lacks, as after a kill.

In:  a table as it was opened, the lines of its journal.
Out: the answers with all changes; those that the table contradicts, because it was changed elsewhere; those
     that wait for photos that are not in the folder.
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from manylabel.annotation.answers import Answers, to_target
from manylabel.annotation.journal import (
    AddLabel,
    Answer,
    Change,
    Entry,
    RemoveLabel,
    RenameLabel,
    SetLabel,
    Undone,
    Written,
)
from manylabel.annotation.label_file import LabelFile
from manylabel.annotation.open_labels import OpenedLabels
from manylabel.annotation.pending import PendingChanges, find_pending
from manylabel.errors import InputError

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Conflict:
    """A change that the table contradicts.

    Attributes:
        photo: The photo.
        label: The label.
        found: The answer of the table, which stays; unknown if the table no longer has the label.
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
        pending: The changes that wait for their photos.
        n_made: How many changes were made again, in the table too.
        kept: Where another program has changed the table: the changes that have to follow in the journal.
        unnamed: Labels that the table does not name, without these changes.
        removed_labels: Labels that another program has removed from the table.
        is_known: The table is one that the journal tells of: nobody else has changed it.
        is_partial: The table was gone, and the journal lacks what it held before the first change.
        made_from: Hash of the labels that the table was made from; empty if it was not made from others.
    """

    answers: Answers
    conflicts: tuple[Conflict, ...]
    pending: PendingChanges
    n_made: int
    kept: tuple[Change, ...]
    unnamed: tuple[str, ...]
    removed_labels: tuple[str, ...]
    is_known: bool
    is_partial: bool
    made_from: str


@dataclass(frozen=True, kw_only=True)
class _Found:
    """What the journal tells of a table.

    Attributes:
        n_entries: How many lines of the journal, from its beginning, are in it.
        pending: Those that are not, as their photos were absent.
        unnamed: Labels that it does not name.
        made_from: Hash of the labels that it was made from.
        is_known: The journal tells of this very table.
        is_gone: There is no table.
    """

    n_entries: int = 0
    pending: tuple[int, ...] = ()
    unnamed: tuple[str, ...] = ()
    made_from: str = ""
    is_known: bool
    is_gone: bool = False


def replay(opened: OpenedLabels, entries: Sequence[Entry]) -> Replayed:
    """Make the changes again that a table lacks.

    Args:
        opened: The table; changed.
        entries: All lines of its journal.
    """
    found = _find_table(entries, opened.sha256)
    run = _Replay(opened, found, n_entries=len(entries))
    run.remember(found.unnamed)
    for number, change in find_pending(entries[: found.n_entries], found.pending).items():
        run.make(number, change)
    for number, entry in enumerate(entries[found.n_entries :], start=found.n_entries):
        if not isinstance(entry, Written | Undone):
            run.make(number, entry)
    return Replayed(
        answers=run.answers,
        conflicts=tuple(run.list_conflicts()),
        pending=run.pending,
        n_made=run.n_made,
        kept=tuple(run.kept),
        unnamed=tuple(run.unnamed),
        removed_labels=() if found.is_known else _list_removed(entries, run.answers),
        is_known=found.is_known,
        is_partial=found.is_gone and _has_found_tables(entries),
        made_from=opened.made_from if found.is_gone else found.made_from,
    )


class _Replay:
    """Changes that are made again, one after the other.

    Args:
        opened: The table; changed.
        found: What the journal tells of it.
        n_entries: How many lines the journal has.
    """

    def __init__(self, opened: OpenedLabels, found: _Found, *, n_entries: int) -> None:
        self.answers = Answers(opened.folder.names, opened.labels, opened.targets)
        self.pending = PendingChanges()
        self.kept: list[Change] = []
        self.unnamed: list[str] = []
        self.n_made = 0
        self._file, self._found, self._n_entries = opened.file, found, n_entries
        self._refused: dict[tuple[str, str], Answer] = {}
        self._misnamed: set[str] = set()  # names that labels did not get, and that others may have

    def remember(self, labels: Iterable[str]) -> None:
        """Add labels that the table does not name, because none of its photos has them or a known answer."""
        for label in labels:
            try:
                self._file.check_name(label)
                self.answers.apply(AddLabel(label=label))
            except InputError:  # another program has added a column of that name
                continue
            self.answers.targets[self._file.rows(), -1] = self._file.remember(label)
            self.unnamed.append(label)

    def make(self, number: int, change: Change) -> None:
        """Make a change, keep it for later, or refuse it.

        Args:
            number: Number of its line in the journal.
            change: The change.
        """
        try:
            if change.label in self._misnamed:
                raise InputError(f"no label was renamed to '{change.label}'")
            if self._found.is_gone:
                self._add_lost_label(change)
            if isinstance(change, SetLabel) and not self.answers.has_photo(change.photo):
                self.answers.column(change.label)
                self._wait(number, change)
                return
            is_made = self.answers.has(change)
            if not is_made:
                self._check(change)
                self._forget_absent(change)
                self.answers.apply(change)
        except InputError as error:
            self._refuse(change, error)
            return
        self._follow(change)
        if not is_made:
            write_change(self._file, change, self.answers)
            self.n_made += 1
        if not (is_made and isinstance(change, SetLabel)):
            self.kept.append(change)

    def list_conflicts(self) -> Iterator[Conflict]:
        """Yield the changes that were refused and would still change something."""
        for (photo, label), wanted in self._refused.items():
            is_there = label in self.answers.labels and self.answers.has_photo(photo)
            found = self.answers.answer(photo, label) if is_there else "unknown"
            if found != wanted:
                yield Conflict(photo=photo, label=label, found=found, wanted=wanted)

    def _add_lost_label(self, change: Change) -> None:
        """Add the label of a change that only the table had."""
        if isinstance(change, AddLabel | RemoveLabel) or change.label in self.answers.labels:
            return
        if isinstance(change, SetLabel) or not self.answers.has(change):
            self.answers.apply(AddLabel(label=change.label))
            self._file.add(change.label)

    def _wait(self, number: int, change: SetLabel) -> None:
        # Of a table that the journal does not tell of, what is kept follows behind the line that tells of it.
        own = number if self._found.is_known else self._n_entries + 1 + len(self.kept)
        self.pending.add(own, change)
        self.kept.append(change)

    def _check(self, change: Change) -> None:
        """Check that a change does not contradict what another program has changed in the table.

        An answer may have waited for its photo meanwhile, so that it meets a table which is known by now.

        Raises:
            InputError: It does.
        """
        if self._found.is_gone:
            return
        match change:
            case SetLabel():
                found = self.answers.answer(change.photo, change.label)
                if found != change.before:
                    raise InputError(f"'{change.label}' is {found} for {change.photo}, not {change.before}")
            case AddLabel() if not self._found.is_known:
                self._file.check_name(change.label)
            case RemoveLabel() if not self._found.is_known:
                self._file.check_removable(change.label)
            case RenameLabel() if not self._found.is_known:
                self._file.check_name(change.to)
            case _:
                pass

    def _forget_absent(self, change: Change) -> None:
        """Drop that a label is absent from photos that were away when it was removed: no list names it."""
        if isinstance(change, RemoveLabel) and self._found.is_known:
            column = self.answers.targets[:, self.answers.column(change.label)]
            if not (column == 1).any():
                column[:] = np.nan

    def _refuse(self, change: Change, error: InputError) -> None:
        if isinstance(change, SetLabel):
            self._refused[change.photo, change.label] = change.after
        if isinstance(change, RenameLabel):
            self._misnamed.add(change.to)
        if isinstance(change, RenameLabel | RemoveLabel):
            self._misnamed.discard(change.label)
        _logger.info("%s: a change cannot be made again: %s", self._file.path.name, error)

    def _follow(self, change: Change) -> None:
        """Take a change into account for those that were refused or wait."""
        self.pending.follow(change)
        match change:
            case SetLabel():
                self._refused.pop((change.photo, change.label), None)
            case RenameLabel():
                self._refused = {
                    (photo, change.to if label == change.label else label): wanted
                    for (photo, label), wanted in self._refused.items()
                }
            case RemoveLabel():
                self._refused = {
                    cell: wanted for cell, wanted in self._refused.items() if cell[1] != change.label
                }
            case AddLabel():
                pass


def _find_table(entries: Sequence[Entry], table_sha256: str | None) -> _Found:
    """Find out what the journal tells of a table."""
    if table_sha256 is None:
        return _Found(is_known=True, is_gone=True)
    written = [entry for entry in entries if isinstance(entry, Written)]
    known = next((entry for entry in reversed(written) if entry.sha256 == table_sha256), None)
    last = known or next((entry for entry in reversed(written) if entry.is_done), None)
    if last is None:
        return _Found(is_known=False)
    return _Found(
        n_entries=last.n_entries,
        pending=last.pending,
        unnamed=last.unnamed,
        made_from=last.made_from,
        is_known=known is not None,
    )


def _has_found_tables(entries: Iterable[Entry]) -> bool:
    """Tell whether a journal continues a table that was there before, or that another program has changed."""
    announced = set[str]()
    for entry in entries:
        if isinstance(entry, Written):
            if entry.is_done and entry.sha256 not in announced:
                return True
            announced.add(entry.sha256)
    return False


def _list_removed(entries: Iterable[Entry], answers: Answers) -> tuple[str, ...]:
    """Return the labels that the journal knows and the table has lost."""
    alive: dict[str, None] = {}
    for entry in entries:
        match entry:
            case AddLabel() | SetLabel():
                alive[entry.label] = None
            case RemoveLabel():
                alive.pop(entry.label, None)
            case RenameLabel():
                alive = {entry.to if label == entry.label else label: None for label in alive}
            case Written():
                alive = {label: None for label in alive if label not in entry.removed}
            case Undone():
                pass
    return tuple(label for label in alive if label not in answers.labels)


def write_change(file: LabelFile, change: Change, answers: Answers) -> None:
    """Make a change in the table.

    Args:
        file: The table.
        change: The change.
        answers: The answers, for the numbers of the photos.
    """
    match change:
        case SetLabel():
            file.set(answers.row(change.photo), change.label, to_target(change.after))
        case AddLabel():
            file.add(change.label)
        case RemoveLabel():
            file.remove(change.label)
        case RenameLabel():
            file.rename(change.label, change.to)
