"""Write files so that a kill leaves the old one or the new one, never half of one.

In:  a path and its content.
Out: the file, complete or absent. Files are on the disk before they take their place, unless the environment
     variable MANYLABEL_NO_FSYNC is set.
"""

import errno
import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from manylabel.errors import OutputError
from manylabel.io.leftovers import clear_files, describe_writer, is_still_at, name_half_written, try_to_lock

_FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Say of what cannot be written, such as on a full disk, what it was to be.

    Args:
        path: What the user knows: perhaps the folder of the file that is written.

    Raises:
        OutputError: The block raised an OSError.
    """
    try:
        yield
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from error


def is_full(error: OSError) -> bool:
    """Tell whether an error says that a disk, or the part of it that a user may fill, is full."""
    return error.errno in _FULL


@contextmanager
def new_file(path: Path, *, is_alone: bool = True) -> Iterator[BinaryIO]:
    """Fill a temporary file in the same folder; it takes its place only once everything is written.

    What a process that was killed left of an earlier try is removed.

    Args:
        path: The file to make or to replace; of a link, what it points to. Its folder is made where it is
            missing.
        is_alone: Whether it is an error that another process is writing the same file; else the last wins.

    Yields:
        The temporary file, open for writing; where the block raises, it is removed, and so are the folders
        that were made for it.

    Raises:
        OSError: The disk is full or the folder cannot be written to.
        OutputError: Another process is writing it, or it is a device or a pipe.
    """
    place = Path(os.path.realpath(path))
    if place.exists() and not place.is_file() and not place.is_dir():
        raise OutputError(f"{path}: is a device or a pipe; choose a file")
    new_parents = [parent for parent in place.parents if not parent.exists()]
    others = clear_files(place)
    if others and is_alone:
        raise OutputError(
            f"{path}: is being written by {describe_writer(others[0])}; wait for it, or choose another file"
        )
    temporary = None
    try:
        make_parents(place)
        temporary, file = _open_temporary(place)
        with file:
            yield file
            sync_file(file)
            temporary.replace(place)
        sync_folder(place.parent)
    finally:
        if temporary is not None:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
        if not place.exists():
            remove_empty(new_parents)


def _open_temporary(place: Path) -> tuple[Path, BinaryIO]:
    """Open a locked file in the folder of another one; what is locked is not taken for left behind."""
    while True:
        temporary = name_half_written(place, ending="tmp")
        file = temporary.open("xb")
        with suppress(NotImplementedError):
            try_to_lock(file)
        if is_still_at(temporary, file):
            return temporary, file
        file.close()  # taken for left behind before it was locked


def write_atomically(path: Path, content: bytes) -> None:
    """Write under a temporary name in the same folder, then rename.

    Args:
        path: The file to make or to replace; its folder is made where it is missing.
        content: All of it.

    Raises:
        OSError: The disk is full or the folder cannot be written to; no temporary file stays behind.
    """
    with new_file(path, is_alone=False) as file:
        file.write(content)


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def printable(name: str) -> str:
    """Return a file's name with what is no text replaced: names on a disk need not be UTF-8, outputs are."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def sync_file(file: BinaryIO) -> None:
    """Wait until a file is on the disk, so that a power cut after its renaming cannot leave it empty."""
    file.flush()
    if _is_synced():
        os.fsync(file.fileno())


def _is_synced() -> bool:
    return not os.environ.get("MANYLABEL_NO_FSYNC")


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk, where the system can."""
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


def make_parents(place: Path) -> None:
    """Make the folder of a file or folder.

    Raises:
        OSError: It cannot be made; NotADirectoryError where it is a file.
    """
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(place.parent)) from error


def remove_empty(folders: Iterable[Path]) -> None:
    """Remove folders as far as they are empty."""
    for folder in folders:
        with suppress(OSError):
            folder.rmdir()
