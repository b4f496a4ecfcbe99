"""The labels of a folder of photos while people change them: nothing that was confirmed is ever lost.

In:  photos, their labels, changes from several people and threads.
Out: a change is in the journal, on the disk, before its method returns. The table is written soon after,
     complete or not at all. A table that someone else has changed meanwhile is never overwritten, but read
     again on request.
"""

import logging
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import msgspec

from manylabel.annotation.answers import clean_new_label, invert
from manylabel.annotation.author import Author
from manylabel.annotation.history import find_last_action
from manylabel.annotation.journal import (
    AddLabel,
    Answer,
    Change,
    Entry,
    Journal,
    RemoveLabel,
    RenameLabel,
    SetLabel,
    Undone,
    Written,
    journal_path,
    now,
)
from manylabel.annotation.open_labels import OpenedLabels, open_labels
from manylabel.annotation.replay import Conflict, Replayed, replay
from manylabel.annotation.table_writer import TableWriter
from manylabel.annotation.table_writing import FileState, hash_of
from manylabel.config import DataConfig
from manylabel.errors import InputError, ManylabelError

_logger = logging.getLogger(__name__)


class LabelStore:
    """The labels of a folder of photos, open for changes by several threads.

    A context manager: at its end, the table is written.

    Attributes:
        photos: The photos.
        names_revision: The revision at which the photos were listed last.
        parts: Part of the split per photo, None where none is given.
        answers: Their answers; changed only by the methods of this class.
        notes: Notes about the labels, one sentence each.

    Args:
        photos: Folder of the photos.
        labels: A file or folder of labels; None takes ``labels.csv`` in the folder of the photos.
        config: How labels are read.

    Raises:
        TableError: The labels cannot be read.
        InputError: There are no photos, or another process changes the same labels.
        OutputError: The journal cannot be written.
    """

    def __init__(self, photos: Path, labels: Path | None = None, *, config: DataConfig | None = None) -> None:
        self._folder, self._given = photos, labels
        self._config = DataConfig() if config is None else config
        self._lock = threading.RLock()
        opened = self._open()
        self._journal = Journal(journal_path(opened.file.path))
        self._writer = TableWriter(self._journal, self._lock)
        self._actions: dict[str, list[tuple[int, list[Change]]]] = {}
        self._n_actions = max((entry.action for entry in self._journal.entries), default=0)
        self._is_closed = False
        try:
            if hash_of(opened.file.path) != opened.sha256:  # changed before the journal was locked
                opened = self._open()
            self._take(opened)
        except BaseException:
            self._journal.close()
            raise
        self._writer.start()

    def __enter__(self) -> "LabelStore":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def folder(self) -> Path:
        """Return the folder of the photos."""
        return self._folder

    @property
    def entries(self) -> Sequence[Entry]:
        """Return all lines of the journal."""
        return tuple(self._journal.entries)

    @property
    def disputed(self) -> list[tuple[str, str]]:
        """Return photos and labels of which lines of the table say both, and nobody has said more since."""
        with self._lock:
            names, answers = self._opened.folder.names, self.answers
            cells = [(names[row], label) for row, label in self._opened.disputed if label in answers.labels]
            return [cell for cell in cells if answers.answer(*cell) == "unknown"]

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Block all changes."""
        with self._lock:
            yield

    def state(self) -> FileState:
        """Tell whether the table is up to date."""
        with self._lock:
            status, opened, replayed = self._writer.status(), self._opened, self._replayed
            return FileState(
                path=self._writer.path,
                given=opened.given,
                is_saved=status.is_saved,
                is_changed_elsewhere=status.found == "changed",
                is_missing=status.found == "missing",
                problem=status.problem,
                conflicts=replayed.conflicts,
                pending=self._writer.pending.answers(),
                removed_labels=replayed.removed_labels,
                is_source_changed=opened.made_from not in ("", replayed.made_from),
                is_partial=replayed.is_partial,
            )

    def set(
        self,
        author: Author,
        answers: Iterable[tuple[str, str, Answer]],
        *,
        confirms: bool = False,
        only_unknown: bool = False,
    ) -> None:
        """Give photos answers, all in one action.

        Args:
            author: Who does it.
            answers: Names of photos, labels, answers.
            confirms: Answers that photos have already go into the journal, too: somebody looked at them.
            only_unknown: Known answers stay: somebody may have given them meanwhile.

        Raises:
            InputError: A photo or label does not exist; nothing was changed.
            OutputError: The journal cannot be written; nothing was changed.
        """
        with self._lock:
            changes: list[Change] = []
            last = {(photo, label): after for photo, label, after in answers}
            for (photo, label), after in last.items():
                if only_unknown and self.answers.answer(photo, label) != "unknown":
                    continue
                changes += self.answers.set_changes(photo, [(label, after)], confirms=confirms)
            self._act(author, changes)

    def add_label(self, author: Author, label: str) -> str:
        """Add a label, unknown for all photos; return its name without what cannot be seen.

        Raises:
            InputError: There is such a label, or it has no usable name.
            OutputError: The journal cannot be written; nothing was changed.
        """
        name = clean_new_label(label)
        with self._lock:
            self.answers.check_is_free(name)
            self._check_name(name)
            self._act(author, [AddLabel(label=name)])
        return name

    def rename_label(self, author: Author, label: str, to: str) -> str:
        """Give a label another name; return it without what cannot be seen.

        Raises:
            InputError: There is no such label, there is one of the new name, or that name is not usable.
            OutputError: The journal cannot be written; nothing was changed.
        """
        name = clean_new_label(to)
        with self._lock:
            self.answers.column(label)
            self.answers.check_is_free(name, renames=label)
            self._check_name(name)
            self._act(author, [RenameLabel(label=label, to=name)])
        return name

    def merge_label(self, author: Author, label: str, into: str) -> None:
        """Make two labels one: present where one of them is, absent where both are, else unknown.

        Raises:
            InputError: A label does not exist, or both are the same.
            OutputError: The journal cannot be written; nothing was changed.
        """
        with self._lock:
            changes = self.answers.merge_changes(label, into)
            self._check_removable(label)
            self._act(author, changes)

    def remove_label(self, author: Author, label: str) -> None:
        """Remove a label and all of its answers.

        Raises:
            InputError: There is no such label.
            OutputError: The journal cannot be written; nothing was changed.
        """
        with self._lock:
            self.answers.column(label)
            self._check_removable(label)
            changes: list[Change] = []
            for name in self.answers.names:
                changes += self.answers.set_changes(name, [(label, "unknown")])
            self._act(author, [*changes, RemoveLabel(label=label)])

    def undo(self, author: Author) -> list[Change] | None:
        """Undo the last action of a browser; answers that were changed again since then stay.

        Returns:
            The changes of the undo, none where nothing could be undone; None if there is no action to undo.

        Raises:
            OutputError: The journal cannot be written; nothing was changed.
        """
        with self._lock:
            actions = self._actions.get(author.client, [])
            if not actions:
                return None
            number, changes = actions[-1]
            undone = self._undo(author, number, [invert(change) for change in reversed(changes)])
            actions.pop()
            return undone

    def undo_last(self, author: Author) -> list[Change] | None:
        """Undo the last action of all, as ``undo`` does that of a browser."""
        with self._lock:
            found = find_last_action(self._journal.entries)
            return None if found is None else self._undo(author, *found)

    def _undo(self, author: Author, number: int, changes: list[Change]) -> list[Change]:
        possible = [
            change
            for change in self.answers.find_possible(changes)
            if not isinstance(change, RemoveLabel) or self._is_removable(change.label)
        ]
        pending = [
            change
            for change in changes
            if isinstance(change, SetLabel) and self._writer.pending.continues(change)
        ]
        made = [*pending, *possible]
        if made:
            self._write_journal(author, made, undoes=number)
        else:  # else, it would be the last action for ever
            self._journal.append([Undone(time=now(), by=author.name, undoes=number)])
        return made

    def reload(self) -> tuple[Conflict, ...]:
        """Read the table again, and make the changes again that it lacks; write one again that was removed.

        Returns:
            Those that the table contradicts; its answers stay.

        Raises:
            TableError: The labels cannot be read; nothing was changed.
        """
        with self._writer.paused(), self._lock:
            is_missing = self._writer.status().found == "missing"
            if is_missing:
                self._writer.restore()
            else:
                self._take(self._open())
            conflicts = self._replayed.conflicts
        if is_missing:
            with suppress(ManylabelError):  # told, and tried again, by the thread that writes
                self._writer.write()
        return conflicts

    def close(self) -> None:
        """Write the table, and release the labels."""
        if self._is_closed:
            return
        self._is_closed = True
        self._writer.close()
        self._journal.close()
        if not self.state().is_saved:
            _logger.warning(
                "%s does not have the last changes. They are in %s and are applied at the next start",
                self._writer.path.name,
                self._journal.path.name,
            )

    def _open(self) -> OpenedLabels:
        return open_labels(self._folder, self._given, config=self._config)

    def _check_name(self, label: str) -> None:
        with self._writer.current_file() as file:
            file.check_name(label)

    def _check_removable(self, label: str) -> None:
        """Check that no answer for a photo that is not in the folder is lost with a label.

        Raises:
            InputError: The table has such answers, or they wait for their photos.
        """
        if self._writer.pending.has_label(label):
            raise InputError(
                f"answers for '{label}' wait for photos that are not in the folder. They would be lost: put "
                "these photos back and read the table again first"
            )
        with self._writer.current_file() as file:
            file.check_removable(label)

    def _is_removable(self, label: str) -> bool:
        try:
            self._check_removable(label)
        except InputError:
            return False
        return True

    def _act(self, author: Author, changes: list[Change]) -> None:
        if changes:
            self._write_journal(author, changes)
            self._actions.setdefault(author.client, []).append((self._n_actions, changes))

    def _write_journal(self, author: Author, changes: list[Change], *, undoes: int = 0) -> None:
        """Make changes: first in the journal, then here."""
        self._n_actions += 1
        written = [
            msgspec.structs.replace(
                change,
                time=now(),
                by=author.name,
                queue=author.queue,
                action=self._n_actions,
                undoes=undoes,
            )
            for change in changes
        ]
        self._journal.append([*self._first_line(), *written])
        self._is_noted = True
        made, first = list[Change](), len(self._journal.entries) - len(changes)
        for line, change in enumerate(changes, start=first):
            if isinstance(change, SetLabel) and not self.answers.has_photo(change.photo):
                self._writer.pending.add(line, change)
                continue
            self.answers.apply(change)
            self._writer.pending.follow(change)
            made.append(change)
        self._writer.add(made)

    def _first_line(self) -> list[Written]:
        """Return the line that tells which table the first changes are made to, if none tells it yet."""
        return [] if self._is_noted else self._writer.first_line()

    def _take(self, opened: OpenedLabels) -> None:
        """Take up a table, and what the journal has that it lacks."""
        replayed = self._find_removed(replay(opened, self._journal.entries))
        if replayed.n_made:
            _logger.info("%s: applied %d changes of the journal", opened.file.path.name, replayed.n_made)
        if self._journal.entries and not replayed.is_known:
            # From here on, the journal continues that table; what the table contradicts is not repeated.
            self._journal.append([_describe(opened, replayed, len(self._journal.entries)), *replayed.kept])
        self._is_noted = replayed.is_known or bool(self._journal.entries)
        answers = replayed.answers
        answers.revision = answers.labels_revision = self._next_revision()
        answers.revisions[:] = answers.revision
        self.photos, self.parts, self.notes = opened.folder.photos, opened.parts, opened.notes
        self.answers, self.names_revision = answers, answers.revision
        self._opened, self._replayed = opened, replayed
        self._writer.take(opened, replayed)

    def _find_removed(self, replayed: Replayed) -> Replayed:
        """Add the labels that were here until now to those that another program has removed."""
        if replayed.is_known or not hasattr(self, "answers"):
            return replayed
        lost = (label for label in self.answers.labels if label not in replayed.answers.labels)
        return replace(replayed, removed_labels=tuple(dict.fromkeys([*replayed.removed_labels, *lost])))

    def _next_revision(self) -> int:
        return self.answers.revision + 1 if hasattr(self, "answers") else 0


def _describe(opened: OpenedLabels, replayed: Replayed, n_entries: int) -> Written:
    """Return the line of the journal about a table that another program has changed."""
    assert opened.sha256 is not None  # one that is gone has no other content
    return Written(
        time=now(),
        sha256=opened.sha256,
        n_entries=n_entries,
        unnamed=replayed.unnamed,
        removed=replayed.removed_labels,
        made_from=replayed.made_from,
    )
