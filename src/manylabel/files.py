"""Write files and folders so that a kill leaves the old one or the new one, never half of one.

In:  a path and its content.
Out: the file or folder, complete or absent.
"""

import hashlib
import logging
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Literal

from manylabel.errors import OutputError, visible

_logger = logging.getLogger(__name__)
_BY_THE_SYSTEM = {".DS_Store", "Thumbs.db", "desktop.ini"}
_LEFT_BEHIND = re.compile(r"((?:.*/)?)\.([^/]+)\.\d+\.(?:tmp|partial)(/.*)?")
"""Half-written files and folders that a kill left behind."""

_SHOWN = 3


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


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """Fill a temporary file in the same folder; it takes its place only once everything is written.

    What a process that was killed left of an earlier try is removed.

    Args:
        path: The file to make or to replace; its folder is made where it is missing.

    Yields:
        The temporary file, open for writing; where the block raises, it is removed, and so are the folders
        that were made for it.

    Raises:
        OSError: The disk is full or the folder cannot be written to.
    """
    new_parents = [parent for parent in path.absolute().parents if not parent.exists()]
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    _clear_left_behind(path, ending="tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            yield file
        temporary.replace(path)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        if not path.exists():
            _remove_empty(new_parents)


def write_atomically(path: Path, content: bytes) -> None:
    """Write under a temporary name in the same folder, then rename.

    Args:
        path: The file to make or to replace; its folder is made where it is missing.
        content: All of it.

    Raises:
        OSError: The disk is full or the folder cannot be written to; no temporary file stays behind.
    """
    with new_file(path) as file:
        file.write(content)


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def printable(name: str) -> str:
    """Return a file's name with what is no text replaced: names on a disk need not be UTF-8, outputs are."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


@contextmanager
def new_folder(path: Path, *, replaces: re.Pattern[str] | None) -> Iterator[Path]:
    """Fill a temporary folder; it takes its place only once everything in it is written.

    Args:
        path: The folder to make.
        replaces: As for ``check_free``. Until the end of the block the old folder is left as it is.

    Yields:
        The temporary folder, beside ``path``; it is removed where the block raises.

    Raises:
        OutputError: The place is taken, or cannot be written to.
    """
    check_free(path, replaces=replaces)
    place = path.resolve()
    old = place.with_name(f".{place.name}.{os.getpid()}.old")
    new_parents = [parent for parent in place.parents if not parent.exists()]
    try:
        with partial_folder(path) as partial:
            yield partial
            if place.exists():
                place.rename(old)
            partial.rename(place)
    finally:
        if old.exists() and not place.exists():
            old.rename(place)  # stopped between the two renames
        shutil.rmtree(old, ignore_errors=True)
        if not place.exists():
            _remove_empty(new_parents)


@contextmanager
def partial_folder(path: Path) -> Iterator[Path]:
    """Make a folder for what is not complete yet; whatever is in it at the end is removed.

    Args:
        path: What shall come of it; its folder is made where it is missing.

    Yields:
        A hidden folder beside ``path``.

    Raises:
        OutputError: It cannot be made.
    """
    place = path.resolve()  # "." and ".." have no name to build others from
    partial = place.with_name(f".{place.name}.{os.getpid()}.partial")
    _clear_left_behind(place, ending="partial")
    # In a container the process number is often the same again.
    shutil.rmtree(partial, ignore_errors=True)
    with writing(path):
        partial.mkdir(parents=True)
    try:
        yield partial
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _clear_left_behind(place: Path, *, ending: Literal["tmp", "partial"]) -> None:
    """Remove what processes that were killed left of an earlier try, and say so.

    Args:
        place: What was to come of it.
        ending: Of half-written files, or of half-written folders.
    """
    if os.name != "posix":  # elsewhere, asking for a process may end it
        return
    own = re.compile(rf"\.{re.escape(place.name)}\.(\d+)\.{ending}")
    with suppress(OSError):
        left = [(path, own.fullmatch(path.name)) for path in place.parent.iterdir()]
        for path, found in left:
            if found is not None and _has_ended(int(found[1])):
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                else:
                    path.unlink()
                _logger.info("removed %s: a run that was killed had left it behind", path)


def _has_ended(process: int) -> bool:
    """Look whether no process has this number; what belongs to others counts as alive."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except (OverflowError, PermissionError):
        return False
    return False


def _remove_empty(folders: Iterable[Path]) -> None:
    for folder in folders:
        with suppress(OSError):
            folder.rmdir()


def check_free(path: Path, *, replaces: re.Pattern[str] | None) -> None:
    """Check that a folder may be made; call it before long work.

    An empty folder counts as free.

    Args:
        path: The folder.
        replaces: Matches the whole path, relative to the folder, of every file that may be replaced, those
            that an earlier run wrote; not given: nothing may be.

    Raises:
        OutputError: Something lies there and must not be replaced, or it is no folder that could be renamed.
    """
    if path.exists() and not path.is_dir():
        raise OutputError(f"{path}: is a file; choose a folder that does not exist yet")
    # Such a folder cannot be renamed, which would be noticed only after all the work.
    if path.resolve().is_mount():
        raise OutputError(f"{path}: is where a disk is mounted; choose a folder inside it")
    if not path.is_dir() or not any(path.iterdir()):
        return
    if replaces is None:
        raise OutputError(
            f"{path}: exists already; choose another folder, or replace it (--overwrite, overwrite=True)"
        )
    foreign = _foreign_files(path, replaces)
    if foreign:
        more = f" and {len(foreign) - _SHOWN} more" if len(foreign) > _SHOWN else ""
        raise OutputError(
            f"{path}: holds what this command does not write: {', '.join(foreign[:_SHOWN])}{more}; "
            "choose another folder, or move that away"
        )


def _foreign_files(folder: Path, own: re.Pattern[str]) -> list[str]:
    """List the files below a folder that match no name of ours, relative to it."""
    return sorted(
        visible(file.relative_to(folder).as_posix())
        for file in folder.rglob("*")
        if (file.is_symlink() or not file.is_dir())
        and file.name not in _BY_THE_SYSTEM
        and not _is_own(file.relative_to(folder).as_posix(), own)
    )


def _is_own(name: str, own: re.Pattern[str]) -> bool:
    """Say whether a file is ours, or the unfinished beginning of one."""
    found = _LEFT_BEHIND.fullmatch(name)
    if found is None:
        return own.fullmatch(name) is not None
    place, stem, below = found.groups()
    return any(own.fullmatch(place + stem + end) for end in ("", below or ""))


def check_apart(path: Path, inputs: Iterable[Path]) -> None:
    """Check that replacing a folder would not remove what is to be read, or the working folder.

    Args:
        path: The folder to replace.
        inputs: Files and folders that are read.

    Raises:
        OutputError: One of them is the folder, or lies in it.
    """
    place = path.resolve()
    for given in [*inputs, Path.cwd()]:
        if path.exists() and given.resolve().is_relative_to(place):
            raise OutputError(f"{path}: replacing it would remove {given}; choose another folder")
