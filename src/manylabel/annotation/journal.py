"""Keep every change of labels in a file beside the table, before anything else happens to it.

In:  changes.
Out: LABELS.changes.jsonl, one change per line, on the disk once ``append`` returns. Lines are only added. One
     that a kill or a power cut left unfinished is dropped; all others stay.
"""

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import msgspec

from manylabel.errors import InputError, OutputError
from manylabel.io.files import lock_if_possible, sync_file, sync_folder

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
    """

    time: str = ""
    by: str = ""
    queue: str = ""
    action: int = 0
    undoes: int = 0


class SetLabel(_Entry, frozen=True, kw_only=True, tag="set"):
    """A photo got another answer for a label.

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
    """A label was added, unknown for all photos.

    Attributes:
        label: Its name.
    """

    label: str


class RemoveLabel(_Entry, frozen=True, kw_only=True, tag="remove label"):
    """A label was removed that is unknown for all photos.

    Attributes:
        label: Its name.
    """

    label: str


class RenameLabel(_Entry, frozen=True, kw_only=True, tag="rename label"):
    """A label got another name.

    Attributes:
        label: The name before.
        to: The name from now on.
    """

    label: str
    to: str


class Written(_Entry, frozen=True, kw_only=True, tag="written"):
    """The table was written.

    Attributes:
        sha256: Hash of the file.
        n_entries: How many lines of the journal, from its beginning, are in it.
        is_done: It has its place; before that, a kill leaves the table before it.
    """

    sha256: str
    n_entries: int
    is_done: bool = True


Change = SetLabel | AddLabel | RemoveLabel | RenameLabel
Entry = Change | Written

_decoder = msgspec.json.Decoder(Entry)
_encoder = msgspec.json.Encoder()


class Journal:
    """The changes of one table, open for more; no other process can open it meanwhile.

    Attributes:
        path: The file.
        entries: All of its lines.

    Args:
        path: The file; made with the first change.

    Raises:
        InputError: It holds something else, or another process has opened it.
        OutputError: It cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
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
            self._n_bytes = content.rfind(b"\n") + 1
            if self._n_bytes < len(content):
                self._file.truncate(self._n_bytes)  # behind an unfinished line, no other could be read
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
            OutputError: The disk is full or gone; nothing was added.
        """
        content = b"".join(_encoder.encode(entry) + b"\n" for entry in entries)
        try:
            n_written = 0
            while n_written < len(content):
                n_written += self._file.write(content[n_written:])
            sync_file(self._file)
        except OSError as error:
            with suppress(OSError):
                self._file.truncate(self._n_bytes)
            raise OutputError(f"{self.path}: cannot be written: {error.strerror or error}") from error
        self._n_bytes += len(content)
        self.entries += entries

    def close(self) -> None:
        """Let other processes open it."""
        self._file.close()


def journal_path(table: Path) -> Path:
    """Return where the changes of a table are kept.

    Examples:
        >>> journal_path(Path("photos/labels.csv")).name
        'labels.csv.changes.jsonl'
    """
    return table.with_name(table.name + JOURNAL_ENDING)


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
        content: The lines. A last one without a line end was never finished, and is left out.
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
    return entries


def now() -> str:
    """Return the time for a change.

    Examples:
        >>> now().endswith("Z")
        True
    """
    return datetime.now(tz=UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
