"""Replace a table of labels by a new one, complete or not at all.

In:  the bytes of the new table, a check of how they are read.
Out: the table, with the permissions of the old one.
"""

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from manylabel.errors import InputError
from manylabel.io.files import file_sha256, new_file, writing


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
