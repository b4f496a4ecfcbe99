"""Tell what a running process is writing from what a killed one left.

In:  files and folders with the names that half-written ones have.
Out: which of them somebody still writes; the others removed.

A file that is being written is locked, and the lock ends with the process, also where containers with
processes of their own share a folder. Where the system knows no such locks (Windows, some network disks),
nothing is taken for left behind.
"""

import errno
import logging
import os
import re
import shutil
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path
from typing import IO

if sys.platform != "win32":
    import fcntl

_logger = logging.getLogger(__name__)
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL}

LEFT_BEHIND = re.compile(r"((?:.*/)?)\.([^/]+?)(?:\.\d+-[0-9a-f]+\.(?:tmp|partial)|\.lock)(/.*)?")
"""Matches what is half-written; its groups: the folder, what was to come of it, what is below."""


def try_to_lock(file: IO[bytes] | FileIO) -> bool:
    """Lock an open file until it is closed or the process ends.

    Returns:
        False where another process has locked it.

    Raises:
        NotImplementedError: The system, or the disk, knows no locks.
    """
    if sys.platform == "win32":
        raise NotImplementedError("no locks that end with a process and let a file be renamed")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno in _NO_LOCKS:
            raise NotImplementedError(str(error)) from error
        raise
    return True


def is_still_at(path: Path, file: IO[bytes]) -> bool:
    """Tell whether an open file still has a name; another process may have removed or replaced it."""
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False


def clear_files(place: Path) -> list[Path]:
    """Remove the half-written files of killed processes, and say so.

    Args:
        place: The file that was to come of them.

    Returns:
        Those that somebody is writing.
    """
    alive = []
    for path in find_half_written(place, ending="tmp"):
        with suppress(OSError, NotImplementedError), path.open("rb") as file:
            if not try_to_lock(file):
                alive.append(path)
            elif is_still_at(path, file):
                remove(path)
    return alive


def is_locked(path: Path) -> bool:
    """Tell whether some process has locked a file; so too where the disk knows no locks.

    Raises:
        OSError: The file cannot be opened.
    """
    with path.open("rb") as file:
        try:
            return not try_to_lock(file)
        except NotImplementedError:
            return True


def find_half_written(place: Path, *, ending: str) -> list[Path]:
    """List what is, or was, to become a file or folder.

    Args:
        place: The file or folder.
        ending: "tmp" of files, "partial" of folders.
    """
    own = re.compile(rf"\.{re.escape(place.name)}\.\d+-[0-9a-f]+\.{ending}")
    with suppress(OSError):
        return [path for path in place.parent.iterdir() if own.fullmatch(path.name)]
    return []


def remove(path: Path) -> None:
    """Remove what a killed process left, and say so."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
    _logger.info("removed %s: a run that was killed had left it behind", path)


def name_half_written(place: Path, *, ending: str) -> Path:
    """Name what is to become a file or folder, by the process and the time that it is begun.

    Args:
        place: The file or folder.
        ending: "tmp" of files, "partial" of folders.
    """
    return place.with_name(f".{place.name}.{os.getpid()}-{time.time_ns():x}.{ending}")


def describe_writer(path: Path) -> str:
    """Say which process writes a half-written file or folder, and since when.

    Examples:
        >>> describe_writer(Path("runs/.demo.123-0.partial")).startswith("process 123, which began on ")
        True
    """
    process, _, begun = path.name.split(".")[-2].partition("-")
    started = datetime.fromtimestamp(int(begun, 16) / 10**9, tz=UTC).astimezone()
    return f"process {process}, which began on {started:%Y-%m-%d at %H:%M:%S}"
