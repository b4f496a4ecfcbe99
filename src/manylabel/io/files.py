"""Write files so that a kill leaves the old or the new one, never a part; find what killed processes left.

In:  a path and its content.
Out: the file, complete or absent. Files are on the disk before they get their names, unless the environment
     variable MANYLABEL_NO_FSYNC is set.

A file that is being written is locked, and the lock ends with the process, even if containers share a folder.
If the system has no such locks (Windows, some network disks), no file is considered abandoned.
"""

import errno
import hashlib
import logging
import os
import re
import shutil
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path
from typing import IO, BinaryIO

from manylabel.errors import OutputError

if sys.platform != "win32":
    import fcntl

_logger = logging.getLogger(__name__)
_FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL}

LEFT_BEHIND = re.compile(r"((?:.*/)?)\.([^/]+?)(?:\.\d+-[0-9a-f]+\.(?:tmp|partial)|\.lock)(/.*)?")
"""Matches what is half-written; its groups: the parent folder, the name once complete, the path below it."""


def write_output(path: Path, content: bytes) -> None:
    """Write a file that the user asked for.

    Args:
        path: The file to make or to replace; its folder is made if it is missing.
        content: All of it.

    Raises:
        OutputError: It cannot be written; no temporary file is left.
    """
    with writing(path):
        write_atomically(path, content)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Report a failure to write, e.g. on a full disk, with the path that the user knows.

    Args:
        path: That path: perhaps the folder of the file that is written.

    Raises:
        OutputError: The block raised an OSError.
    """
    try:
        yield
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from error


def is_full(error: OSError) -> bool:
    """Tell whether an error means that a disk, or the quota of the user, is full."""
    return error.errno in _FULL


def check_room(folder: Path, n_bytes: int) -> None:
    """Check that a disk has enough room before anything is written.

    Args:
        folder: Any folder on the disk.
        n_bytes: The room needed.

    Raises:
        OSError: There is less.
    """
    free = shutil.disk_usage(folder).free
    if free < n_bytes:
        needed = f"{n_bytes / 1e6:.1f} MB needed, {free / 1e6:.1f} MB free"
        raise OSError(errno.ENOSPC, f"not enough room on the disk: {needed}")


@contextmanager
def new_file(path: Path, *, is_alone: bool = True) -> Iterator[BinaryIO]:
    """Fill a temporary file in the same folder, and rename it once everything is written.

    What a killed process left of an earlier attempt is removed.

    Args:
        path: The file to make or to replace; for a link, its target. Its folder is made if it is missing.
        is_alone: Whether to raise if another process is writing the same file; otherwise the last one wins.

    Yields:
        The temporary file, open for writing; if the block raises, it is removed, and so are the folders that
        were made for it.

    Raises:
        OSError: The disk is full or the folder is not writable.
        OutputError: Another process is writing the file, or it is a device or a pipe.
    """
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file() and not target.is_dir():
        raise OutputError(f"{path}: is a device or a pipe; choose a file")
    new_parents = [parent for parent in target.parents if not parent.exists()]
    others = remove_abandoned_files(target)
    if others and is_alone:
        raise OutputError(
            f"{path}: is being written by {describe_writer(others[0])}; wait for it, or choose another file"
        )
    temporary = None
    try:
        make_parents(target)
        temporary, file = _open_temporary(target)
        with file:
            yield file
            sync_file(file)
            temporary.replace(target)
        sync_folder(target.parent)
    finally:
        if temporary is not None:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
        if not target.exists():
            remove_empty(new_parents)


def _open_temporary(target: Path) -> tuple[Path, BinaryIO]:
    """Open a locked file beside another one, so that no process considers it abandoned."""
    while True:
        temporary = name_half_written(target, ending="tmp")
        file = temporary.open("xb")
        if lock_if_possible(file) and is_still_at(temporary, file):
            return temporary, file
        file.close()  # taken for abandoned before it was locked
        temporary.unlink(missing_ok=True)


def write_atomically(path: Path, content: bytes) -> None:
    """Write under a temporary name in the same folder, then rename.

    Args:
        path: The file to make or to replace; its folder is made if it is missing.
        content: All of it.

    Raises:
        OSError: The disk is full or the folder is not writable; no temporary file is left.
    """
    with new_file(path, is_alone=False) as file:
        file.write(content)


def write_new(path: Path, content: bytes) -> None:
    """Write a file unless there is one; if several processes do so at once, one of them wins.

    Args:
        path: The file to make; its folder exists.
        content: All of it.

    Raises:
        OSError: The disk is full or the folder is not writable; no temporary file is left.
    """
    temporary = name_half_written(path, ending="tmp")
    try:
        with temporary.open("xb") as file:
            file.write(content)
            sync_file(file)
        try:
            os.link(temporary, path)  # never replaces a file, on NFS neither
        except FileExistsError:
            return
        except OSError:  # a disk without hard links
            if not path.exists():
                temporary.replace(path)
        sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def absolute_path(path: Path) -> str:
    """Return the absolute path without ``..``, with forward slashes; links stay."""
    return Path(os.path.abspath(path)).as_posix()  # noqa: PTH100 - links stay what they are called


def printable(name: str) -> str:
    """Replace what is not text in a file name: names on disk need not be UTF-8, output is."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def sync_file(file: BinaryIO) -> None:
    """Wait until a file is on the disk, so that a power cut after its renaming cannot leave it empty."""
    file.flush()
    if _is_synced():
        os.fsync(file.fileno())


def _is_synced() -> bool:
    return not os.environ.get("MANYLABEL_NO_FSYNC")


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk, if the system supports it."""
    if _is_synced() and os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def sync_all(folder: Path) -> None:
    """Wait until a folder and everything below it is on the disk."""
    for parent, _, names in os.walk(folder):
        for name in names:
            with (Path(parent) / name).open("rb+") as file:
                sync_file(file)
        sync_folder(Path(parent))


def make_parents(target: Path) -> None:
    """Make the parent folder of a file or folder.

    Raises:
        OSError: It cannot be made; NotADirectoryError if it is a file.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(target.parent)) from error


def remove_empty(folders: Iterable[Path]) -> None:
    """Remove the folders that are empty."""
    for folder in folders:
        with suppress(OSError):
            folder.rmdir()


def try_to_lock(file: IO[bytes] | FileIO) -> bool:
    """Lock an open file until it is closed or the process ends.

    It has to be open for writing: on NFS, others cannot be locked (flock(2)).

    Returns:
        False if another process has locked it.

    Raises:
        NotImplementedError: The system or the disk has no locks.
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


def lock_if_possible(file: IO[bytes] | FileIO) -> bool:
    """Lock an open file as ``try_to_lock``; true as well if the disk has no locks."""
    try:
        return try_to_lock(file)
    except NotImplementedError:
        return True


def is_locked(path: Path) -> bool:
    """Tell whether a process has locked a file; true if the disk has no locks.

    Raises:
        OSError: The file cannot be opened.
    """
    with path.open("r+b") as file:  # NFS locks no others
        try:
            return not try_to_lock(file)
        except NotImplementedError:
            return True


def is_still_at(path: Path, file: IO[bytes]) -> bool:
    """Tell whether a path still leads to an open file, which others may have removed or replaced."""
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False


def remove_abandoned_files(target: Path) -> list[Path]:
    """Remove and log the half-written files of killed processes.

    Args:
        target: The file that they were to become.

    Returns:
        Those that are being written.
    """
    alive = []
    for path in find_half_written(target, ending="tmp"):
        with suppress(OSError, NotImplementedError), path.open("r+b") as file:
            if not try_to_lock(file):
                alive.append(path)
            elif is_still_at(path, file):
                remove_abandoned(path)
    return alive


def is_being_written(target: Path) -> bool:
    """Tell whether a process is writing a file; false if the disk has no locks."""
    return target.name in list_being_written(target.parent)


def list_being_written(folder: Path) -> set[str]:
    """Name the files of a folder that processes are writing; none if the disk has no locks."""
    names = set[str]()
    for path in folder.glob(".*.tmp"):
        found = LEFT_BEHIND.fullmatch(path.name)
        with suppress(OSError, NotImplementedError), path.open("r+b") as file:
            if found is not None and not try_to_lock(file):
                names.add(found[2])
    return names


def remove_abandoned(path: Path) -> None:
    """Remove and log what a killed process left."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
    _logger.info("removed %s, which a killed run had left behind", path)


def find_half_written(target: Path, *, ending: str) -> list[Path]:
    """List what is, or was, to become a file or folder.

    Args:
        target: The file or folder.
        ending: "tmp" for files, "partial" for folders.
    """
    own = re.compile(rf"\.{re.escape(target.name)}\.\d+-[0-9a-f]+\.{ending}")
    with suppress(OSError):
        return [path for path in target.parent.iterdir() if own.fullmatch(path.name)]
    return []


def name_half_written(target: Path, *, ending: str) -> Path:
    """Name what is to become a file or folder, with the number of this process and the time.

    Args:
        target: The file or folder.
        ending: "tmp" for files, "partial" for folders.
    """
    return target.with_name(f".{target.name}.{os.getpid()}-{time.time_ns():x}.{ending}")


def describe_writer(path: Path) -> str:
    """Return which process is writing a half-written file or folder, and since when.

    Examples:
        >>> describe_writer(Path("runs/.demo.123-0.partial")).startswith("process 123, which began on ")
        True
    """
    process, _, begun = path.name.split(".")[-2].partition("-")
    started = datetime.fromtimestamp(int(begun, 16) / 10**9, tz=UTC).astimezone()
    return f"process {process}, which began on {started:%Y-%m-%d at %H:%M:%S}"
