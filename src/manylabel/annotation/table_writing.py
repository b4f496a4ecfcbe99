"""Replace a table of labels by a new one, complete or not at all; notice when another program changes it.

In:  the bytes of the new table, a check of how they are read.
Out: the table, with the permissions of the old one; its hash.
"""

import errno
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from manylabel.annotation.journal import SetLabel
from manylabel.annotation.replay import Conflict
from manylabel.errors import InputError
from manylabel.io.files import file_sha256, new_file, writing


@dataclass(frozen=True, kw_only=True)
class FileState:
    """Whether the table is up to date, and what became of the changes in its journal.

    Attributes:
        path: The table.
        given: The file or folder of labels that was asked for; it is not changed if it is another one.
        is_saved: All changes are in it.
        is_changed_elsewhere: Another program has changed it, so it is not written until it is read again.
        is_missing: Another program has removed it, so it is not written until that is asked for.
        problem: Why it could not be written, None if it could.
        conflicts: Changes that the table, as it was read last, contradicts.
        pending: Changes that are made once their photos are back.
        removed_labels: Labels that another program has removed from it.
        is_source_changed: The file that was asked for has other labels than those that it was made from.
        is_partial: It was gone when it was opened, and made again from its journal, which does not have the
            answers that it held before the first change.
    """

    path: Path
    given: Path
    is_saved: bool
    is_changed_elsewhere: bool
    is_missing: bool
    problem: str | None
    conflicts: tuple[Conflict, ...]
    pending: tuple[SetLabel, ...]
    removed_labels: tuple[str, ...]
    is_source_changed: bool
    is_partial: bool


class ChangedElsewhereError(Exception):
    """Another program changed the table while it was about to be written."""


def replace_table(path: Path, content: bytes, *, check: Callable[[Path], None]) -> None:
    """Write a table, which keeps its permissions.

    Args:
        path: The table.
        content: All of it.
        check: Raises where a table must not be written.

    Raises:
        OutputError: It cannot be written.
    """
    with writing(path):
        if path.exists() and not os.access(path, os.W_OK):
            raise PermissionError(errno.EACCES, "the file is read-only")
        with new_file(path, is_alone=False) as file:
            file.write(content)
            file.flush()
            check(Path(file.name))
            if path.exists():
                shutil.copymode(path, file.name)


def hash_of(path: Path) -> str | None:
    """Return the SHA-256 of a table; None if it does not exist.

    Raises:
        InputError: It cannot be read.
    """
    try:
        return file_sha256(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error


class WatchedTable:
    """The hash of a table, computed again only where the file is another one than before.

    Args:
        path: The table.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, ...] | None = None
        self._sha256: str | None = None

    def sha256(self) -> str | None:
        """Return the SHA-256 of the table; None if it does not exist.

        Raises:
            InputError: It cannot be read.
        """
        try:
            status = self._path.stat()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise InputError(f"{self._path}: cannot be read: {error.strerror or error}") from error
        seen = status.st_mtime_ns, status.st_size, status.st_ino, status.st_dev
        if seen != self._seen:
            self._sha256 = hash_of(self._path)
            self._seen = seen  # from before it was read: what changes meanwhile is read the next time
        return self._sha256
