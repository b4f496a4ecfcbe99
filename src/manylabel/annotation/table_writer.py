"""Write a table of labels soon after each change.

In:  changes that are in the journal already.
Out: the table, written by a thread, complete or not at all. It is built while people go on. One that another
     program has changed or removed is not written.
"""

import logging
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Literal

import msgspec

from manylabel.annotation.journal import Change, Journal, Written, now
from manylabel.annotation.label_file import LabelFile
from manylabel.annotation.open_labels import OpenedLabels
from manylabel.annotation.replay import Replayed, write_change
from manylabel.annotation.table_reading import check_reading
from manylabel.annotation.table_writing import ChangedElsewhereError, WatchedTable, hash_of, replace_table
from manylabel.errors import InputError, ManylabelError
from manylabel.types import FloatArray

WRITE_SECONDS = 0.5
"""How long the table may wait for more changes."""

_logger = logging.getLogger(__name__)

Found = Literal["own", "changed", "missing"]
"""The table is as it was written or read last; another program has changed it; or removed it."""


@dataclass(frozen=True, kw_only=True)
class TableStatus:
    """Whether the table is up to date.

    Attributes:
        is_saved: All changes are in it.
        found: Whether another program has changed or removed it.
        problem: Why it could not be read or written, None if it could.
    """

    is_saved: bool
    found: Found
    problem: str | None


@dataclass(frozen=True, eq=False, kw_only=True)
class _Job:
    """What is written: everything as it was when the writing began.

    Attributes:
        before: Hash of the table that is replaced, None if there is none.
        revision: The revision of the answers.
        n_entries: How many lines the journal had.
        n_changes: How many changes the table lacks.
        pending: The lines of the journal whose photos are absent.
        labels: All labels.
        targets: The answers [n_photos, n_labels].
    """

    before: str | None
    revision: int
    n_entries: int
    n_changes: int
    pending: tuple[int, ...]
    labels: tuple[str, ...]
    targets: FloatArray


class TableWriter:
    """A table of labels that follows the answers.

    Locks are taken in this order: one writing or reading at a time, the answers, the lines of the table.

    Attributes:
        path: The table.
        pending: The changes that wait for their photos.

    Args:
        journal: Where all changes are.
        lock: Held by whoever changes the answers or the journal.
    """

    def __init__(self, journal: Journal, lock: AbstractContextManager[object]) -> None:
        self._journal, self._lock = journal, lock
        self._is_busy, self._is_building = threading.Lock(), threading.Lock()
        self._waiting: deque[Change] = deque()
        self._problem: str | None = None
        self._is_dirty, self._is_closing = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._keep_writing, name="label writer", daemon=True)

    def take(self, opened: OpenedLabels, replayed: Replayed) -> None:
        """Go on with a table that was just read."""
        self._file: LabelFile = opened.file
        self._source, self._folder = opened.source, opened.folder
        self._answers, self.pending = replayed.answers, replayed.pending
        self._made_from = replayed.made_from
        self._sha256 = opened.sha256
        self._watched = WatchedTable(opened.file.path)
        self._intent: tuple[str, int] | None = None
        self._waiting.clear()
        self._written_revision = self._answers.revision
        if replayed.n_made:
            self.write_again()

    def start(self) -> None:
        """Start the thread that writes."""
        self._thread.start()

    @property
    def path(self) -> Path:
        """Return the path of the table."""
        return self._file.path

    def status(self) -> TableStatus:
        """Tell whether the table is up to date; whoever asks holds the lock."""
        is_saved = self._answers.revision == self._written_revision and self._problem is None
        try:
            found = self._find()
        except InputError as error:
            return TableStatus(is_saved=False, found="own", problem=str(error))
        return TableStatus(is_saved=is_saved and found != "missing", found=found, problem=self._problem)

    def first_line(self) -> list[Written]:
        """Return the line of the journal that tells which table the changes behind it are made to, if any."""
        if self._sha256 is None:
            return []
        return [
            Written(
                time=now(),
                sha256=self._sha256,
                n_entries=len(self._journal.entries),
                made_from=self._made_from,
            )
        ]

    def add(self, changes: Iterable[Change]) -> None:
        """Write changes soon; whoever makes them holds the lock."""
        self._waiting.extend(changes)
        self._is_dirty.set()

    @contextmanager
    def current_file(self) -> Iterator[LabelFile]:
        """Keep the lines of the table as all changes so far leave them; whoever asks holds the lock."""
        with self._is_building:
            self._make_changes(len(self._waiting))
            yield self._file

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Wait until nothing is being written, and begin nothing; whoever asks does not hold the lock."""
        with self._is_busy:
            yield

    def write_again(self) -> None:
        """Write the table soon, even if it lacks no change."""
        self._written_revision = -1
        self._is_dirty.set()

    def restore(self) -> None:
        """Write a table soon that another program has removed."""
        self._sha256, self._intent = None, None
        self.write_again()

    def close(self) -> None:
        """Write what is missing, and stop; a table that was removed, too, as nothing else has all of it."""
        self._is_closing.set()
        self._is_dirty.set()
        self._thread.join()

    def write(self) -> bool:
        """Write the table, unless it lacks nothing; tell whether it is up to date.

        Raises:
            ManylabelError: It cannot be written, or would be read as something else.
        """
        with self._is_busy:
            with self._lock:
                if self._is_closing.is_set() and self._find() == "missing":
                    self.restore()
                if self._answers.revision == self._written_revision:
                    self._is_dirty.clear()
                    return True
                if self._find() != "own":
                    return False
                job = self._plan()
                self._is_dirty.clear()
                self._is_building.acquire()
            try:
                try:
                    self._make_changes(job.n_changes)
                    content, unnamed = self._file.content(), self._file.unnamed()
                finally:
                    self._is_building.release()
                self._replace(job, content, unnamed)
            except ChangedElsewhereError:
                self._is_dirty.set()
                return False
            except BaseException:
                self._is_dirty.set()
                raise
        return True

    def _find(self) -> Found:
        found = self._watched.sha256()
        # A table that was written may not have been noted as done, as the disk of the journal was full.
        if found in (self._sha256, self._intent[0] if self._intent is not None else self._sha256):
            return "own"
        return "missing" if found is None else "changed"

    def _plan(self) -> _Job:
        return _Job(
            before=self._watched.sha256(),
            revision=self._answers.revision,
            n_entries=len(self._journal.entries),
            n_changes=len(self._waiting),
            pending=self.pending.numbers,
            labels=tuple(self._answers.labels),
            targets=self._answers.targets.copy(),
        )

    def _make_changes(self, number: int) -> None:
        """Make the first changes that wait; one that fails goes on waiting."""
        for _ in range(number):
            write_change(self._file, self._waiting[0], self._answers)
            self._waiting.popleft()

    def _replace(self, job: _Job, content: bytes, unnamed: tuple[str, ...]) -> None:
        """Note in the journal which table comes, then write it, so that it knows what a kill leaves."""
        line = Written(
            time=now(),
            sha256=sha256(content).hexdigest(),
            n_entries=job.n_entries,
            pending=job.pending,
            unnamed=unnamed,
            made_from=self._made_from,
        )
        with self._lock:
            if self._intent != (line.sha256, job.revision):
                self._journal.append([msgspec.structs.replace(line, is_done=False)])
                self._intent = line.sha256, job.revision
        if line.sha256 != job.before:
            replace_table(self.path, content, check=partial(self._check, job=job))
        with self._lock:
            self._journal.append([msgspec.structs.replace(line, time=now())])
            self._sha256, self._intent = line.sha256, None
            self._written_revision = job.revision

    def _check(self, written: Path, *, job: _Job) -> None:
        """Check that a new table is read as it was meant, and that the old one is as it was."""
        check_reading(
            written,
            title=self.path.name,
            layout=self._file.layout,
            source=self._source,
            folder=self._folder,
            labels=job.labels,
            targets=job.targets,
        )
        if hash_of(self.path) != job.before:
            raise ChangedElsewhereError

    def _keep_writing(self) -> None:
        while True:
            if not self._is_closing.is_set():
                self._is_dirty.wait()
            self._is_closing.wait(WRITE_SECONDS)
            is_last, is_written = self._is_closing.is_set(), False
            try:
                is_written = self.write()
                self._problem = None
            except ManylabelError as error:  # a full disk, a folder that cannot be written: try again
                self._tell(str(error))
            except Exception as error:
                _logger.error("the table cannot be written", exc_info=error)
                self._tell(f"{self.path.name}: cannot be written: {error!r}")
            if is_last:
                return
            if not is_written:
                self._is_closing.wait(WRITE_SECONDS)

    def _tell(self, problem: str) -> None:
        if problem != self._problem:
            _logger.warning("%s", problem)
        self._problem = problem
