"""The labels of a folder of photos while people change them: nothing that was confirmed is ever lost.

In:  photos, their labels, changes from several people and threads.
Out: a change is in the journal, on the disk, before its method returns. The table is written soon after,
     complete or not at all. A table that someone else has changed meanwhile is never overwritten, but read
     again on request.
"""

import logging
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import msgspec

from manylabel.annotation.answers import Answers, invert
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
    Written,
    journal_path,
    now,
)
from manylabel.annotation.open_labels import OpenedLabels, open_labels, write_new_table
from manylabel.annotation.replay import Conflict, replay, write_change
from manylabel.annotation.table_reading import check_reading
from manylabel.annotation.table_writing import hash_of, replace_table
from manylabel.config import DataConfig
from manylabel.data.formats.label_names import clean_name, find_unusable_names
from manylabel.errors import ConfigError, InputError, ManylabelError

_WRITE_SECONDS = 0.5
"""How long the table may wait for more changes."""

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class FileState:
    """Whether the table is up to date.

    Attributes:
        path: The table.
        given: The file or folder of labels that was asked for; it is not changed if it is another one.
        is_saved: All changes are in it.
        is_changed_elsewhere: Another program has changed it, so it is not written until it is read again.
        problem: Why it could not be written, None if it could.
        conflicts: Changes that the table, as it was read last, contradicts.
    """

    path: Path
    given: Path
    is_saved: bool
    is_changed_elsewhere: bool
    problem: str | None
    conflicts: tuple[Conflict, ...]


class LabelStore:
    """The labels of a folder of photos, open for changes by several threads.

    A context manager: at its end, the table is written.

    Attributes:
        photos: The photos.
        answers: Their answers; changed only by the methods of this class.
        notes: Notes about the labels, one sentence each.
        disputed: Photos and labels of which the lines of the table say both.

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
        opened = open_labels(photos, labels, config=self._config)
        self._journal = Journal(journal_path(opened.file.path))
        if hash_of(opened.file.path) != opened.sha256:  # changed before the journal was locked
            opened = open_labels(photos, labels, config=self._config)
        self._actions: dict[str, list[tuple[int, list[Change]]]] = {}
        self._n_actions = max((entry.action for entry in self._journal.entries), default=0)
        self._problem: str | None = None
        self._is_changed_elsewhere = self._is_noted = False
        self._is_dirty = threading.Event()
        self._is_closing = threading.Event()
        try:
            self._take(opened)
        except BaseException:
            self._journal.close()
            raise
        self._writer = threading.Thread(target=self._keep_writing, name="label writer", daemon=True)
        self._writer.start()

    def __enter__(self) -> "LabelStore":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def entries(self) -> Sequence[Entry]:
        """Return all lines of the journal."""
        with self._lock:
            return tuple(self._journal.entries)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Let nobody change anything meanwhile."""
        with self._lock:
            yield

    def state(self) -> FileState:
        """Tell whether the table is up to date."""
        with self._lock:
            return FileState(
                path=self._file.path,
                given=self._given_path,
                is_saved=self._written_revision == self.answers.revision and self._problem is None,
                is_changed_elsewhere=self._is_changed_elsewhere,
                problem=self._problem,
                conflicts=self._conflicts,
            )

    def set(self, author: Author, answers: Iterable[tuple[str, str, Answer]]) -> None:
        """Give photos answers, all in one action.

        Args:
            author: Who does it.
            answers: Names of photos, labels, answers.

        Raises:
            InputError: A photo or label does not exist; nothing was changed.
            OutputError: The journal cannot be written; nothing was changed.
        """
        with self._lock:
            changes: list[Change] = []
            for photo, label, after in answers:
                changes += self.answers.set_changes(photo, [(label, after)])
            self._act(author, changes)

    def add_label(self, author: Author, label: str) -> str:
        """Add a label, unknown for all photos; return its name without what cannot be seen.

        Raises:
            InputError: There is such a label, or it has no usable name.
            OutputError: The journal cannot be written; nothing was changed.
        """
        name = _clean(label)
        with self._lock:
            self.answers.check_new(name)
            self._act(author, [AddLabel(label=name)])
        return name

    def rename_label(self, author: Author, label: str, to: str) -> str:
        """Give a label another name; return it without what cannot be seen.

        Raises:
            InputError: There is no such label, there is one of the new name, or that name is not usable.
            OutputError: The journal cannot be written; nothing was changed.
        """
        name = _clean(to)
        with self._lock:
            self.answers.column(label)
            self.answers.check_new(name)
            self._act(author, [RenameLabel(label=label, to=name)])
        return name

    def merge_label(self, author: Author, label: str, into: str) -> None:
        """Make two labels one: present where one of them is, absent where both are, else unknown.

        Raises:
            InputError: A label does not exist, or both are the same.
            OutputError: The journal cannot be written; nothing was changed.
        """
        with self._lock:
            self._act(author, self.answers.merge_changes(label, into))

    def remove_label(self, author: Author, label: str) -> None:
        """Remove a label and all of its answers.

        Raises:
            InputError: There is no such label.
            OutputError: The journal cannot be written; nothing was changed.
        """
        with self._lock:
            self.answers.column(label)
            changes: list[Change] = []
            for name in self.answers.names:
                changes += self.answers.set_changes(name, [(label, "unknown")])
            self._act(author, [*changes, RemoveLabel(label=label)])

    def undo(self, author: Author) -> int | None:
        """Undo the last action of a browser; answers that were changed again since then stay.

        Returns:
            How many changes were undone; None if there is nothing to undo.

        Raises:
            OutputError: The journal cannot be written; nothing was changed.
        """
        with self._lock:
            actions = self._actions.get(author.client, [])
            if not actions:
                return None
            number, changes = actions[-1]
            n_undone = self._undo(author, number, [invert(change) for change in reversed(changes)])
            actions.pop()
            return n_undone

    def undo_last(self, author: Author) -> int | None:
        """Undo the last action of all, as ``undo`` does that of a browser."""
        with self._lock:
            found = find_last_action(self._journal.entries)
            return None if found is None else self._undo(author, *found)

    def _undo(self, author: Author, number: int, changes: list[Change]) -> int:
        possible = self._possible(changes)
        self._write_journal(author, possible, undoes=number)
        return len(possible)

    def export(self, path: Path) -> None:
        """Write all labels to another table, with a column per label.

        Raises:
            OutputError: It cannot be written.
        """
        with self._lock:
            write_new_table(path, self._reading[1], self.answers.labels, self.answers.targets)

    def reload(self) -> tuple[Conflict, ...]:
        """Read the table again, and make the changes again that it lacks.

        Returns:
            Those that the table contradicts; its answers stay.

        Raises:
            TableError: The labels cannot be read; nothing was changed.
        """
        with self._lock:
            self._take(open_labels(self._folder, self._given, config=self._config))
            return self._conflicts

    def close(self) -> None:
        """Write the table, and let other processes change the labels."""
        if self._is_closing.is_set():
            return
        self._is_closing.set()
        self._is_dirty.set()
        self._writer.join()
        self._journal.close()

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
        self._journal.append([*self._begin(), *written])
        for change in changes:
            self.answers.apply(change)
            write_change(self._file, change, self.answers)
        self._is_dirty.set()

    def _begin(self) -> list[Entry]:
        """Return the line that tells which table the first changes are made to, if none tells it yet."""
        if self._sha256 is None or self._is_noted:
            return []
        self._is_noted = True
        return [Written(time=now(), sha256=self._sha256, n_entries=len(self._journal.entries))]

    def _possible(self, changes: Iterable[Change]) -> list[Change]:
        """Return the changes that can still be made, one after the other."""
        tried = Answers(self.answers.names, self.answers.labels, self.answers.targets)
        possible = []
        for change in changes:
            try:
                if isinstance(change, SetLabel) and tried.answer(change.photo, change.label) != change.before:
                    continue
                tried.apply(change)
            except InputError:  # a label was renamed or removed since then
                continue
            possible.append(change)
        return possible

    def _take(self, opened: OpenedLabels) -> None:
        """Take up a table, and what the journal has that it lacks."""
        replayed = replay(opened, self._journal.entries)
        if replayed.n_made:
            _logger.info("%s: made %d changes again that it lacked", opened.file.path.name, replayed.n_made)
        answers = replayed.answers
        answers.revision = answers.labels_revision = self._next_revision()
        answers.revisions[:] = answers.revision
        self.photos, self.notes, self.disputed = opened.folder.photos, opened.notes, opened.disputed
        self._given_path = opened.given
        self._reading = opened.source, opened.folder
        self.answers, self._conflicts = answers, replayed.conflicts
        self._file, self._sha256, self._is_noted = opened.file, opened.sha256, replayed.is_known
        self._is_changed_elsewhere = False
        self._written_revision = answers.revision - (replayed.n_made > 0)
        if replayed.n_made:
            self._is_dirty.set()

    def _next_revision(self) -> int:
        return self.answers.revision + 1 if hasattr(self, "answers") else 0

    def _keep_writing(self) -> None:
        while True:
            self._is_dirty.wait()
            self._is_closing.wait(_WRITE_SECONDS)
            try:
                self._write_table()
                self._problem = None
            except ManylabelError as error:  # a full disk, a folder that cannot be written: try again
                self._problem = str(error)
                _logger.warning("%s", error)
            if self._is_closing.is_set():
                return
            if self._problem is not None or self._is_changed_elsewhere:
                self._is_closing.wait(_WRITE_SECONDS)

    def _write_table(self) -> None:
        """Write the table, unless nobody has changed anything or somebody else has changed it."""
        with self._lock:
            path, before = self._file.path, self._sha256
            n_entries = len(self._journal.entries)
            if self._is_changed_elsewhere or hash_of(path) != before:
                self._is_changed_elsewhere = True
                return
            content = self._file.content()
            labels, targets = tuple(self.answers.labels), self.answers.targets.copy()
            layout, (source, folder) = self._file.layout, self._reading
            revision = self.answers.revision
            self._is_dirty.clear()

        def check(written: Path) -> None:
            check_reading(
                written,
                title=path.name,
                layout=layout,
                source=source,
                folder=folder,
                labels=labels,
                targets=targets,
            )

        try:
            # First the line, then the table: after a kill, the journal knows either table.
            after = sha256(content).hexdigest()
            with self._lock:
                self._journal.append([Written(time=now(), sha256=after, n_entries=n_entries)])
            if after != before:
                replace_table(path, content, check=check)
            with self._lock:
                self._sha256, self._is_noted, self._written_revision = after, True, revision
        except ManylabelError:
            self._is_dirty.set()
            raise


def _clean(label: str) -> str:
    name = clean_name(label)
    if problems := find_unusable_names([name], where="label"):
        raise ConfigError(problems[0])
    return name
