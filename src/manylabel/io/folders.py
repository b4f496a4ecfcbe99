"""Write folders so that a kill leaves the old or the new one, never a part.

In:  a path, and a block that fills a folder.
Out: the folder, complete or absent; only our own files that existed when the block began are removed.
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
from manylabel.io.files import (
    LEFT_BEHIND,
    describe_writer,
    find_half_written,
    is_full,
    is_locked,
    is_still_at,
    make_parents,
    name_half_written,
    remove_abandoned,
    remove_empty,
    sync_all,
    sync_folder,
    try_to_lock,
    writing,
)

_logger = logging.getLogger(__name__)
_BY_THE_SYSTEM = {".DS_Store", "Thumbs.db", "desktop.ini"}
_SHOWN = 3
_AT_WORKING_FOLDER, _EXCHANGE = -100, 2  # AT_FDCWD, RENAME_EXCHANGE of Linux; RENAME_SWAP of macOS is 2, too

Snapshot = Mapping[str, tuple[int, int]]
"""Size and modification time in ns of every file below a folder."""


@contextmanager
def new_folder(path: Path, *, replaces: re.Pattern[str] | None) -> Iterator[Path]:
    """Fill a temporary folder, and rename it once everything in it is written.

    Args:
        path: The folder to make; for a link, its target.
        replaces: As for ``check_free``. The old folder is unchanged until the end of the block.

    Yields:
        The temporary folder, beside ``path``; it is removed if the block raises.

    Raises:
        OutputError: The folder exists, is not writable, or another process is writing it. If files in it
            appeared or changed during the block, the new folder gets another name, which the error states.
    """
    check_free(path, replaces=replaces)
    target = path.resolve()
    with partial_folder(path) as partial:
        check_free(path, replaces=replaces)  # another process may have ended since
        before = _take_snapshot(target)
        try:
            yield partial
        except OSError as error:
            if not is_full(error) or not _is_inside(error.filename, partial):
                raise
            raise OutputError(f"{path}: cannot be written: {error.strerror}") from error
        with writing(path), _kept_where_it_fails(partial, path):
            sync_all(partial)
            if _take_snapshot(target) != before:
                raise OutputError(_put_elsewhere(partial, path, before=before))
            _put(partial, target, before=before)
            sync_folder(target.parent)


def _is_inside(name: object, folder: Path) -> bool:
    """Tell whether an error is about a file in a folder, or names no file."""
    return not isinstance(name, str | Path) or Path(name).absolute().is_relative_to(folder)


@contextmanager
def _kept_where_it_fails(partial: Path, path: Path) -> Iterator[None]:
    """Keep a complete folder that cannot be renamed to its target."""
    try:
        yield
    except OSError:
        if partial.exists():
            _logger.warning("the complete result is kept in %s", keep_unfinished(partial, path))
        raise


@contextmanager
def partial_folder(path: Path) -> Iterator[Path]:
    """Make a folder for files that are not complete yet; what is in it at the end is removed.

    Args:
        path: The folder that it is to become; its parent is made if it is missing.

    Yields:
        A hidden folder beside ``path``.

    Raises:
        OutputError: It cannot be made, or another process has made one for the same path.
    """
    target = path.resolve()  # "." and ".." have no name to derive others from
    new_parents = [parent for parent in target.parents if not parent.exists()]
    partial = name_half_written(target, ending="partial")
    try:
        with writing(path):
            make_parents(target)
        with _alone(path, target):
            with writing(path):
                partial.mkdir()
            yield partial
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        if not target.exists():
            remove_empty(new_parents)


@contextmanager
def _alone(path: Path, target: Path) -> Iterator[None]:
    """Lock a folder against other processes, and clean up after those that were killed.

    Raises:
        OutputError: Another process is writing it.
    """
    lock = _lock_of(target)
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
            writers = find_half_written(target, ending="partial")
            who = describe_writer(writers[-1]) if writers else "another process"
            raise OutputError(f"{path}: is being written by {who}; wait for it, or choose another folder")
        if is_still_at(lock, file):
            break
        file.close()  # removed by the process that had locked it
    try:
        with writing(path):
            _finish_replacing(target)
            for left in find_half_written(target, ending="partial"):
                remove_abandoned(left)
        yield
    finally:
        lock.unlink(missing_ok=True)
        file.close()


def _lock_of(target: Path) -> Path:
    return target.with_name(f".{target.name}.lock")


def find_abandoned(path: Path) -> list[Path]:
    """List the half-written folders of killed processes; none if the file system has no locks.

    Args:
        path: The folder that the processes were writing.
    """
    target = path.resolve()
    try:
        is_abandoned = not is_locked(_lock_of(target))
    except OSError:
        return []
    return find_half_written(target, ending="partial") if is_abandoned else []


def remove_abandoned_lock(path: Path) -> None:
    """Remove the lock that a killed process left, if no other process uses it.

    Args:
        path: The folder that the process was writing.
    """
    lock = _lock_of(path.resolve())
    with suppress(OSError, NotImplementedError), lock.open("r+b") as file:
        if try_to_lock(file) and is_still_at(lock, file):
            lock.unlink()


def _finish_replacing(target: Path) -> None:
    """Finish the work of a process that was killed between the two renames of ``_put``."""
    old = _old(target)
    if not old.exists():
        return
    complete = find_half_written(target, ending="partial")
    if not target.exists() and complete:
        complete[-1].rename(target)
        _logger.info("finished %s: a run was killed just before renaming it", target)
    elif not target.exists():
        old.rename(target)
    shutil.rmtree(old, ignore_errors=True)


def _old(target: Path) -> Path:
    return target.with_name(f".{target.name}.old")


def _put(partial: Path, target: Path, *, before: Snapshot) -> None:
    """Rename a complete folder to its target; remove the old one if it has not changed."""
    if not target.exists():
        partial.rename(target)
        return
    if _exchange(partial, target):
        old = partial
    else:
        old = _old(target)
        target.rename(old)
        try:
            partial.rename(target)
        except BaseException:
            old.rename(target)
            raise
    if _take_snapshot(old) == before:
        shutil.rmtree(old, ignore_errors=True)
    else:
        kept = _free_name(target)
        old.rename(kept)
        _logger.warning("%s: files changed while it was replaced; the old folder is now %s", target, kept)


def _exchange(first: Path, second: Path) -> bool:
    """Exchange two folders in one step; return False if the system cannot."""
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
    """Give a complete folder another name, since its target has changed; return the error message."""
    target = path.resolve()
    now = _take_snapshot(target)
    changed = sorted(name for name in {*now, *before} if now.get(name) != before.get(name))
    other = _free_name(target)
    partial.rename(other)
    named = ", ".join(map(visible, changed[:_SHOWN]))
    more = f" and {len(changed) - _SHOWN} more" if len(changed) > _SHOWN else ""
    return f"{path}: changed while this ran ({named}{more}), so it was not replaced; the result is in {other}"


def _free_name(target: Path) -> Path:
    """Return the first of NAME-2, NAME-3, ... that is free."""
    names = (target.with_name(f"{target.name}-{number}") for number in count(2))
    return next(name for name in names if not os.path.lexists(name))


def keep_unfinished(partial: Path, path: Path) -> Path:
    """Rename a temporary folder so that it is kept.

    Args:
        partial: The temporary folder.
        path: The folder that it was to become.

    Returns:
        Its new path: NAME-unfinished beside ``path``, or the first of NAME-unfinished-2, ... that is free.

    Raises:
        OSError: It cannot be moved.
    """
    target = path.resolve()
    kept = target.with_name(f"{target.name}-unfinished")
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
    """Check that a folder may be made, before long work. An empty folder counts as free.

    Args:
        path: The folder.
        replaces: Matches the path, relative to the folder, of every file that may be replaced, i.e. of those
            that an earlier run wrote. None: no file may be replaced.

    Raises:
        OutputError: It exists and must not be replaced, or it cannot be renamed.
    """
    if path.exists() and not path.is_dir():
        raise OutputError(f"{path}: is a file; choose a folder that does not exist yet")
    # It cannot be renamed, which would only be noticed after all the work.
    if path.resolve().is_mount():
        raise OutputError(f"{path}: is the mount point of a disk; choose a folder inside it")
    if not path.is_dir() or not any(path.iterdir()):
        return
    if replaces is None:
        raise OutputError(
            f"{path}: already exists; choose another folder, or replace it with --overwrite (in Python: "
            "overwrite=True)"
        )
    foreign = _foreign_files(path, replaces)
    if foreign:
        more = f" and {len(foreign) - _SHOWN} more" if len(foreign) > _SHOWN else ""
        raise OutputError(
            f"{path}: contains files that this command did not write: {', '.join(foreign[:_SHOWN])}{more}; "
            "choose another folder, or move them away"
        )


def _foreign_files(folder: Path, own: re.Pattern[str]) -> list[str]:
    """List the files below a folder, relative to it, that match no name of ours."""
    return sorted(
        visible(file.relative_to(folder).as_posix())
        for file in folder.rglob("*")
        if (file.is_symlink() or not file.is_dir())
        and file.name not in _BY_THE_SYSTEM
        and not _is_own(file.relative_to(folder).as_posix(), own)
    )


def _is_own(name: str, own: re.Pattern[str]) -> bool:
    """Tell whether a file is ours, or an unfinished one of ours."""
    found = LEFT_BEHIND.fullmatch(name)
    if found is None:
        return own.fullmatch(name) is not None
    parent, stem, below = found.groups()
    return any(own.fullmatch(parent + stem + end) for end in ("", below or ""))


def check_apart(path: Path, inputs: Iterable[Path]) -> None:
    """Check that replacing a folder would not remove an input, or the working folder.

    Args:
        path: The folder to replace.
        inputs: Files and folders that are read.

    Raises:
        OutputError: One of them is the folder, or is in it.
    """
    target = path.resolve()
    for given in [*inputs, Path.cwd()]:
        if path.exists() and given.resolve().is_relative_to(target):
            raise OutputError(f"{path}: replacing it would remove {given}; choose another folder")
