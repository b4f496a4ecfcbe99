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
from hashlib import sha256
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
    Undone,
    Written,
    journal_path,
    now,
)
from manylabel.annotation.open_labels import OpenedLabels, open_labels, write_new_table
from manylabel.annotation.replay import Conflict, replay, write_change
from manylabel.annotation.table_reading import check_reading
from manylabel.annotation.table_writing import ChangedElsewhereError, FileState, hash_of, replace_table
from manylabel.config import DataConfig
from manylabel.errors import ManylabelError

_WRITE_SECONDS = 0.5
"""How long the table may wait for more changes."""

_logger = logging.getLogger(__name__)


class LabelStore:
    """The labels of a folder of photos, open for changes by several threads.

    A context manager: at its end, the table is written.

    Attributes:
        photos: The photos.
        names_revision: The revision at which the photos were listed last.
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
        opened = open_labels(photos, labels, config=self._config)
        self._journal = Journal(journal_path(opened.file.path))
        self._actions: dict[str, list[tuple[int, list[Change]]]] = {}
        self._n_actions = max((entry.action for entry in self._journal.entries), default=0)
        self._problem: str | None = None
        self._is_changed_elsewhere = self._is_noted = False
        self._is_dirty = threading.Event()
        self._is_closing = threading.Event()
        try:
            if hash_of(opened.file.path) != opened.sha256:  # changed before the journal was locked
                opened = open_labels(photos, labels, config=self._config)
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
    def folder(self) -> Path:
        """Return the folder of the photos."""
        return self._folder

    @property
    def entries(self) -> Sequence[Entry]:
        """Return all lines of the journal."""
        return tuple(self._journal.entries)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Block all changes."""
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

    def set(
        self, author: Author, answers: Iterable[tuple[str, str, Answer]], *, confirms: bool = False
    ) -> None:
        """Give photos answers, all in one action.

        Args:
            author: Who does it.
            answers: Names of photos, labels, answers.
            confirms: Answers that photos have already go into the journal, too: somebody looked at them.

        Raises:
            InputError: A photo or label does not exist; nothing was changed.
            OutputError: The journal cannot be written; nothing was changed.
        """
        with self._lock:
            changes: list[Change] = []
            last = {(photo, label): after for photo, label, after in answers}
            for (photo, label), after in last.items():
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
            self.answers.check_new(name)
            self._file.check_name(name)
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
            self.answers.check_new(name)
            self._file.check_name(name)
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
            self._file.check_removable(label)
            self._act(author, changes)

    def remove_label(self, author: Author, label: str) -> None:
        """Remove a label and all of its answers.

        Raises:
            InputError: There is no such label.
            OutputError: The journal cannot be written; nothing was changed.
        """
        with self._lock:
            self.answers.column(label)
            self._file.check_removable(label)
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
        possible = self.answers.find_possible(changes)
        if possible:
            self._write_journal(author, possible, undoes=number)
        else:  # else, it would be the last action for ever
            self._journal.append([Undone(time=now(), by=author.name, undoes=number)])
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
        """Write the table, and release the labels."""
        if self._is_closing.is_set():
            return
        self._is_closing.set()
        self._is_dirty.set()
        self._writer.join()
        self._journal.close()
        if not self.state().is_saved:
            _logger.warning(
                "%s does not have the last changes. They are in %s and are applied at the next start",
                self._file.path.name,
                self._journal.path.name,
            )

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
        self._is_noted = True
        for change in changes:
            self.answers.apply(change)
            write_change(self._file, change, self.answers)
        self._is_dirty.set()

    def _begin(self) -> list[Entry]:
        """Return the line that tells which table the first changes are made to, if none tells it yet."""
        if self._sha256 is None or self._is_noted:
            return []
        return [Written(time=now(), sha256=self._sha256, n_entries=len(self._journal.entries))]

    def _take(self, opened: OpenedLabels) -> None:
        """Take up a table, and what the journal has that it lacks."""
        replayed = replay(opened, self._journal.entries)
        if replayed.made:
            _logger.info("%s: applied %d changes of the journal", opened.file.path.name, len(replayed.made))
        self._sha256, self._is_noted = opened.sha256, replayed.is_known
        if self._journal.entries and not replayed.is_known:
            # From here on, the journal continues that table; what the table contradicts is not repeated.
            self._journal.append([*self._begin(), *replayed.made])
            self._is_noted = True
        answers = replayed.answers
        answers.revision = answers.labels_revision = self._next_revision()
        answers.revisions[:] = answers.revision
        self.photos, self.notes, self._given_path = opened.folder.photos, opened.notes, opened.given
        self._reading = opened.source, opened.folder
        self.answers, self._conflicts = answers, replayed.conflicts
        self._file = opened.file
        self._intent: tuple[str, int] | None = None
        self.names_revision = answers.revision
        self._is_changed_elsewhere = False
        self._written_revision = answers.revision - (len(replayed.made) > 0)
        if replayed.made:
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
                self._tell(str(error))
            except Exception as error:
                _logger.error("the table cannot be written", exc_info=error)
                self._tell(f"{self._file.path.name}: cannot be written: {error!r}")
            if self._is_closing.is_set():
                return
            if self._problem is not None or self._is_changed_elsewhere:
                self._is_closing.wait(_WRITE_SECONDS)

    def _tell(self, problem: str) -> None:
        if problem != self._problem:
            _logger.warning("%s", problem)
        self._problem = problem

    def _write_table(self) -> None:
        """Write the table, unless nothing has changed or somebody else has changed it."""
        with self._lock:
            path, before = self._file.path, self._sha256
            n_entries = len(self._journal.entries)
            if self.answers.revision == self._written_revision:
                self._is_dirty.clear()
                return
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
            if hash_of(path) != before:
                raise ChangedElsewhereError

        try:
            # First the line, then the table: after a kill, the journal knows either table.
            after = sha256(content).hexdigest()
            with self._lock:
                if self._intent != (after, revision):
                    self._note_written(after, n_entries, is_done=False)
                    self._intent = after, revision
            if after != before:
                replace_table(path, content, check=check)
            with self._lock:
                self._note_written(after, n_entries, is_done=True)
                self._sha256, self._is_noted, self._written_revision = after, True, revision
        except ChangedElsewhereError:
            self._is_changed_elsewhere = True
            self._is_dirty.set()
        except ManylabelError:
            self._is_dirty.set()
            raise

    def _note_written(self, table_sha256: str, n_entries: int, *, is_done: bool) -> None:
        self._journal.append([Written(time=now(), sha256=table_sha256, n_entries=n_entries, is_done=is_done)])
