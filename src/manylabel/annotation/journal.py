"""Keep every change of labels in a file beside the table, before anything else happens to it.

In:  changes.
Out: LABELS.changes.jsonl, one change per line, on the disk once ``append`` returns. Lines are only added. One
     that a kill or a power cut left unfinished is dropped; all others stay.
"""

import errno
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import msgspec

from manylabel.errors import InputError, OutputError
from manylabel.io.files import is_still_at, lock_if_possible, sync_file, sync_folder

JOURNAL_ENDING = ".changes.jsonl"

Answer = Literal["present", "absent", "unknown"]
"""Whether a photo carries a label."""


class _Entry(msgspec.Struct, frozen=True, kw_only=True, tag_field="change", omit_defaults=True):
    """What all lines have.

    Attributes:
        time: When it happened, ISO 8601 in UTC.
        by: Name of the person.
        queue: Where on the page it was made.
        action: Number of the action; all changes of one action are undone together.
        undoes: Number of the action that this one undoes; 0 if it undoes none.
        left: How many lines follow that belong to it; without them, it was never finished.
    """

    time: str = ""
    by: str = ""
    queue: str = ""
    action: int = 0
    undoes: int = 0
    left: int = 0


class SetLabel(_Entry, frozen=True, kw_only=True, tag="set"):
    """A new answer for a photo and a label.

    Attributes:
        photo: Path of the photo below its folder.
        label: The label.
        before: The answer before.
        after: The answer from now on.
    """

    photo: str
    label: str
    before: Answer
    after: Answer


class AddLabel(_Entry, frozen=True, kw_only=True, tag="add label"):
    """A new label, unknown for all photos.

    Attributes:
        label: Its name.
    """

    label: str


class RemoveLabel(_Entry, frozen=True, kw_only=True, tag="remove label"):
    """The removal of a label that is unknown for all photos.

    Attributes:
        label: Its name.
    """

    label: str


class RenameLabel(_Entry, frozen=True, kw_only=True, tag="rename label"):
    """A new name for a label.

    Attributes:
        label: The name before.
        to: The name from now on.
    """

    label: str
    to: str


class Undone(_Entry, frozen=True, kw_only=True, tag="undone"):
    """An undo that changed nothing."""


class Written(_Entry, frozen=True, kw_only=True, tag="written"):
    """A table that was written or found, or is about to be written.

    Attributes:
        sha256: Hash of the file.
        n_entries: How many lines of the journal, from its beginning, are in it, apart from ``pending``.
        is_done: Whether the new table has replaced the old one.
        pending: Numbers of those lines, from 0, that are not in the table, as their photos were absent.
        unnamed: Labels that the table does not name, because no photo has them or an answer for them.
        removed: Labels that another program has removed from the table.
        made_from: Hash of the labels that the table was made from; empty if it was not made from a file of
            another format.
    """

    sha256: str
    n_entries: int
    is_done: bool = True
    pending: tuple[int, ...] = ()
    unnamed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    made_from: str = ""


Change = SetLabel | AddLabel | RemoveLabel | RenameLabel
Entry = Change | Undone | Written

_decoder = msgspec.json.Decoder(Entry)
_encoder = msgspec.json.Encoder()


class Journal:
    """The changes of one table, open for more; no other process can open it meanwhile.

    Attributes:
        path: The file.
        entries: All of its lines.

    Args:
        path: The file; made if it is missing.

    Raises:
        InputError: It holds something else, or another process has opened it.
        OutputError: It cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._has_failed = False
        is_new = not path.exists()
        try:
            self._file = path.open("a+b", buffering=0)
        except OSError as error:
            raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from error
        try:
            if not lock_if_possible(self._file):
                raise InputError(
                    f"{path}: another process is changing these labels; use its page, or stop it first"
                )
            content = path.read_bytes()
            self.entries = read_entries(content, path=path)
            self._n_bytes = sum(len(line) + 1 for line in content.split(b"\n")[: len(self.entries)])
            self._file.truncate(self._n_bytes)  # what was never finished goes
            if is_new:
                sync_folder(path.parent)
        except BaseException:
            self._file.close()
            raise

    def append(self, entries: Sequence[Entry]) -> None:
        """Add changes; they are on the disk when this returns.

        Args:
            entries: The changes, all or none of which are kept.

        Raises:
            OutputError: The disk is full or gone, or another program changed the file; nothing was added.
        """
        lines = [
            msgspec.structs.replace(entry, left=len(entries) - number)
            for number, entry in enumerate(entries, start=1)
        ]
        content = b"".join(_encoder.encode(line) + b"\n" for line in lines)
        try:
            self._check_own()
            n_written = 0
            while n_written < len(content):
                n_written += self._file.write(content[n_written:])
            sync_file(self._file)
        except OSError as error:
            self._has_failed = self._has_failed or error.errno != errno.ESTALE
            with suppress(OSError):
                if self._has_failed:
                    self._file.truncate(self._n_bytes)
            raise OutputError(f"{self.path}: cannot be written: {error.strerror or error}") from error
        self._n_bytes += len(content)
        self.entries += lines

    def _check_own(self) -> None:
        """Check that nobody else has changed or removed the file; drop what a failed attempt left.

        Raises:
            OSError: Somebody has.
        """
        n_bytes = os.fstat(self._file.fileno()).st_size
        if not is_still_at(self.path, self._file) or n_bytes < self._n_bytes:
            raise OSError(errno.ESTALE, "it was removed or changed by another program; restart manylabel app")
        if n_bytes > self._n_bytes:
            if not self._has_failed:
                raise OSError(errno.ESTALE, "it was changed by another program; restart manylabel app")
            self._file.truncate(self._n_bytes)
        self._has_failed = False

    def close(self) -> None:
        """Close the file and release the lock."""
        self._file.close()


def journal_path(table: Path) -> Path:
    """Return where the changes of a table are kept; for a link, beside its target.

    Examples:
        >>> journal_path(Path("photos/labels.csv")).name
        'labels.csv.changes.jsonl'
    """
    target = Path(os.path.realpath(table))
    return target.with_name(target.name + JOURNAL_ENDING)


def read_journal(path: Path) -> list[Entry]:
    """Read the changes of a table; none if there is no such file.

    Raises:
        InputError: It holds something else, or cannot be read.
    """
    try:
        return read_entries(path.read_bytes(), path=path)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error


def read_entries(content: bytes, *, path: Path) -> list[Entry]:
    """Read lines of changes.

    Args:
        content: The lines. Those of a last action that was never finished are left out.
        path: What errors call them.

    Raises:
        InputError: A line is no change.
    """
    *lines, _ = content.split(b"\n")
    entries = []
    for number, line in enumerate(lines, start=1):
        try:
            entries.append(_decoder.decode(line))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise InputError(
                f"{path}, line {number}: is not a change of labels: {error}; correct it, or move the file"
            ) from error
    while entries and entries[-1].left:
        entries.pop()
    return entries


def list_changes(entries: Iterable[Entry]) -> list[Change]:
    """Return the lines that change labels."""
    return [entry for entry in entries if not isinstance(entry, Written | Undone)]


def now() -> str:
    """Return the time for a change.

    Examples:
        >>> now().endswith("Z")
        True
    """
    return datetime.now(tz=UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
