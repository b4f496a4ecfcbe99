"""Replace a table of labels by a new one, complete or not at all.

In:  the bytes of the new table, a check of how they are read.
Out: the table, with the permissions of the old one.
"""

import errno
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from manylabel.annotation.replay import Conflict
from manylabel.errors import InputError
from manylabel.io.files import file_sha256, new_file, writing


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
