"""Write folders so that a kill leaves the old one or the new one, never half of one.

In:  a path, and a block that fills a folder.
Out: the folder, complete or absent; nothing is removed that was not there, or not ours, when the block began.
"""

import ctypes
import logging
import os
import re
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

from manylabel.errors import OutputError, visible
from manylabel.io.files import is_full, make_parents, remove_empty, sync_all, sync_folder, writing
from manylabel.io.leftovers import (
    LEFT_BEHIND,
    describe_writer,
    find_half_written,
    is_still_at,
    name_half_written,
    remove,
    try_to_lock,
)

_logger = logging.getLogger(__name__)
_BY_THE_SYSTEM = {".DS_Store", "Thumbs.db", "desktop.ini"}
_SHOWN = 3
_AT_WORKING_FOLDER, _EXCHANGE = -100, 2  # AT_FDCWD, RENAME_EXCHANGE of Linux; RENAME_SWAP of macOS is 2, too

Snapshot = Mapping[str, tuple[int, int]]
"""Size and time of the last change in ns of every file below a folder."""


@contextmanager
def new_folder(path: Path, *, replaces: re.Pattern[str] | None) -> Iterator[Path]:
    """Fill a temporary folder; it takes its place only once everything in it is written.

    Args:
        path: The folder to make; of a link, what it points to.
        replaces: As for ``check_free``. Until the end of the block the old folder is left as it is.

    Yields:
        The temporary folder, beside ``path``; it is removed where the block raises.

    Raises:
        OutputError: The place is taken, cannot be written to, or another process fills it. Where files
            appeared or changed there during the block, the new folder gets another name, which is told.
    """
    check_free(path, replaces=replaces)
    place = path.resolve()
    with partial_folder(path) as partial:
        check_free(path, replaces=replaces)  # another process may have ended since
        before = _take_snapshot(place)
        try:
            yield partial
        except OSError as error:
            if not is_full(error) or not _is_inside(error.filename, partial):
                raise
            raise OutputError(f"{path}: cannot be written: {error.strerror}") from error
        with writing(path), _kept_where_it_fails(partial, path):
            sync_all(partial)
            if _take_snapshot(place) != before:
                raise OutputError(_put_elsewhere(partial, path, before=before))
            _put(partial, place, before=before)
            sync_folder(place.parent)


def _is_inside(name: object, folder: Path) -> bool:
    """Tell whether an error is about a file of a folder, or does not tell its file."""
    return not isinstance(name, str | Path) or Path(name).absolute().is_relative_to(folder)


@contextmanager
def _kept_where_it_fails(partial: Path, path: Path) -> Iterator[None]:
    """Keep a complete folder that cannot take its place."""
    try:
        yield
    except OSError:
        if partial.exists():
            _logger.warning("the complete result is kept in %s", keep_unfinished(partial, path))
        raise


@contextmanager
def partial_folder(path: Path) -> Iterator[Path]:
    """Make a folder for what is not complete yet; whatever is in it at the end is removed.

    Args:
        path: What shall come of it; its folder is made where it is missing.

    Yields:
        A hidden folder beside ``path``.

    Raises:
        OutputError: It cannot be made, or another process makes one for the same path.
    """
    place = path.resolve()  # "." and ".." have no name to build others from
    new_parents = [parent for parent in place.parents if not parent.exists()]
    partial = name_half_written(place, ending="partial")
    try:
        with writing(path):
            make_parents(place)
        with _alone(path, place):
            with writing(path):
                partial.mkdir()
            yield partial
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        if not place.exists():
            remove_empty(new_parents)


@contextmanager
def _alone(path: Path, place: Path) -> Iterator[None]:
    """Keep other processes from filling a folder; tidy up after those that were killed.

    Raises:
        OutputError: Another process fills it.
    """
    lock = place.with_name(f".{place.name}.lock")
    while True:
        with writing(path):
            file = lock.open("ab")
        try:
            is_locked = try_to_lock(file)
        except NotImplementedError:
            file.close()
            lock.unlink(missing_ok=True)
            yield
            return
        if not is_locked:
            file.close()
            writers = find_half_written(place, ending="partial")
            who = describe_writer(writers[-1]) if writers else "another process"
            raise OutputError(f"{path}: is being written by {who}; wait for it, or choose another folder")
        if is_still_at(lock, file):
            break
        file.close()  # whoever had locked it has removed it
    try:
        with writing(path):
            _finish_replacing(place)
            for left in find_half_written(place, ending="partial"):
                remove(left)
        yield
    finally:
        lock.unlink(missing_ok=True)
        file.close()


def _finish_replacing(place: Path) -> None:
    """Finish what a process began that was killed between the two renames of ``_put``."""
    old = _old(place)
    if not old.exists():
        return
    complete = find_half_written(place, ending="partial")
    if not place.exists() and complete:
        complete[-1].rename(place)
        _logger.info("finished %s: a run was killed when it was about to take its place", place)
    elif not place.exists():
        old.rename(place)
    shutil.rmtree(old, ignore_errors=True)


def _old(place: Path) -> Path:
    return place.with_name(f".{place.name}.old")


def _put(partial: Path, place: Path, *, before: Snapshot) -> None:
    """Let a complete folder take its place; of what lay there, remove what is known."""
    if not place.exists():
        partial.rename(place)
        return
    if _exchange(partial, place):
        old = partial
    else:
        old = _old(place)
        place.rename(old)
        try:
            partial.rename(place)
        except BaseException:
            old.rename(place)
            raise
    if _take_snapshot(old) == before:
        shutil.rmtree(old, ignore_errors=True)
    else:
        kept = _free_name(place)
        old.rename(kept)
        _logger.warning("%s: files changed while it was replaced; the old folder is now %s", place, kept)


def _exchange(first: Path, second: Path) -> bool:
    """Exchange two folders in one step; return False where the system cannot."""
    if os.name != "posix":
        return False
    system = ctypes.CDLL(None)
    one, other = os.fsencode(first), os.fsencode(second)
    if sys.platform == "linux" and hasattr(system, "renameat2"):
        return bool(system.renameat2(_AT_WORKING_FOLDER, one, _AT_WORKING_FOLDER, other, _EXCHANGE) == 0)
    if sys.platform == "darwin" and hasattr(system, "renamex_np"):
        return bool(system.renamex_np(one, other, _EXCHANGE) == 0)
    return False


def _put_elsewhere(partial: Path, path: Path, *, before: Snapshot) -> str:
    """Give a complete folder another name, as its place was taken meanwhile; say so."""
    place = path.resolve()
    now = _take_snapshot(place)
    changed = sorted(name for name in {*now, *before} if now.get(name) != before.get(name))
    other = _free_name(place)
    partial.rename(other)
    named = ", ".join(map(visible, changed[:_SHOWN]))
    more = f" and {len(changed) - _SHOWN} more" if len(changed) > _SHOWN else ""
    return f"{path}: changed while this ran ({named}{more}), so it stays as it is; the result is in {other}"


def _free_name(place: Path) -> Path:
    """Return the first of NAME-2, NAME-3, ... that is free."""
    names = (place.with_name(f"{place.name}-{number}") for number in count(2))
    return next(name for name in names if not os.path.lexists(name))


def keep_unfinished(partial: Path, path: Path) -> Path:
    """Give a temporary folder a name under which it is kept; it takes no room.

    Args:
        partial: The temporary folder.
        path: What it would have become.

    Returns:
        Where it is now: NAME-unfinished beside ``path``, or the first of NAME-unfinished-2, ... that is free.

    Raises:
        OSError: It cannot be moved.
    """
    place = path.resolve()
    kept = place.with_name(f"{place.name}-unfinished")
    kept = _free_name(kept) if os.path.lexists(kept) else kept
    partial.rename(kept)
    return kept


def _take_snapshot(folder: Path) -> Snapshot:
    snapshot = {}
    files = [folder] if folder.is_file() else folder.rglob("*")
    for file in files:
        if file.name not in _BY_THE_SYSTEM and (file.is_symlink() or not file.is_dir()):
            with suppress(FileNotFoundError):
                status = file.lstat()
                snapshot[file.relative_to(folder).as_posix()] = (status.st_size, status.st_mtime_ns)
    return snapshot


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
    found = LEFT_BEHIND.fullmatch(name)
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
