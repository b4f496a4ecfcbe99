"""Keep what a run has finished until the run is complete, so that a killed run can be resumed.

In:  the folder that a run is to fill, the user's cache.
Out: a folder in the cache for the run, removed once the run is complete; a list of such folders.
"""

import hashlib
import json
import logging
import os
import re
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from manylabel.io.files import is_locked, lock_if_possible
from manylabel.io.folders import find_abandoned

FIT_ENDING = ".fit"
RUNS_FOLDER = "unfinished"
_RUN_FOLDER = re.compile(r"[0-9a-f]{64}")
_RUN_FILE = "run.json"
_SECONDS_PER_WEEK = 7 * 24 * 60 * 60
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class UnfinishedRun:
    """A run that was interrupted, or is still running.

    Attributes:
        folder: Its folder in the cache.
        out: The folder that it was to fill; None if that is unknown.
        n_fits: Number of finished fits.
        n_bytes: Size of that folder.
        last_used: Seconds since the epoch when it last finished something.
        left_behind: Half-written folders beside ``out``.
        is_running: Whether a process is still working on it.
    """

    folder: Path
    out: Path | None
    n_fits: int
    n_bytes: int
    last_used: float
    left_behind: tuple[Path, ...]
    is_running: bool

    @property
    def n_bytes_left(self) -> int:
        """Return the size of what it left beside ``out``."""
        return sum(_size_of(left.rglob("*")) for left in self.left_behind)

    @property
    def is_old(self) -> bool:
        """Tell whether it was interrupted more than a week ago."""
        return not self.is_running and time.time() - self.last_used > _SECONDS_PER_WEEK


class FinishedWork:
    """The folder in the cache where a run keeps what it has finished.

    A context manager: it removes the folder if the run succeeds or has finished no fit.

    Args:
        out: The folder that the run fills. A later run with the same ``out`` resumes.
        cache: Folder of the cache; None keeps nothing.
    """

    def __init__(self, out: Path, *, cache: Path | None) -> None:
        """Name the folder, but do not create it: another process may be working on the same run."""
        self._out = out.resolve()
        name = hashlib.sha256(os.fsencode(self._out)).hexdigest()
        self._folder = None if cache is None else cache / RUNS_FOLDER / name
        self._file: IO[bytes] | None = None

    def open(self, *, is_fresh: bool) -> Path | None:
        """Return the folder with what an interrupted run had finished; None if nothing can be kept.

        No other process may be filling the same ``out``.

        Args:
            is_fresh: Whether to remove what an interrupted run had finished.
        """
        folder = self._folder
        if folder is None:
            return None
        try:
            folder.mkdir(parents=True, exist_ok=True)
            file = (folder / _RUN_FILE).open("ab")
            if not lock_if_possible(
                file
            ):  # another machine with the same cache and a folder of the same path
                file.close()
                raise BlockingIOError(f"another process is using {folder}")
            self._file = file
            for fit in folder.glob(f"*{FIT_ENDING}") if is_fresh else ():
                fit.unlink()
            file.truncate(0)
            file.write(json.dumps({"out": str(self._out)}).encode())
            file.flush()
        except OSError as error:
            _logger.warning("if this run is interrupted, it cannot be resumed: %s", error)
            return None
        if n_fits := _count_fits(folder):
            _logger.info(
                "an interrupted run left %s; those with the same photos and settings are used again "
                "(--fresh trains everything)",
                _describe_number(n_fits),
            )
        return folder

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        """Remove the folder, unless the run was interrupted after it had finished something."""
        folder = self._folder
        if folder is None or self._file is None:
            return
        if kind is not None and (n_fits := _count_fits(folder)):
            _logger.info("kept %s; run the same command again to resume", _describe_number(n_fits))
        else:
            shutil.rmtree(folder, ignore_errors=True)
            with suppress(OSError):
                folder.parent.rmdir()
        self._file.close()


def _describe_number(n_fits: int) -> str:
    return f"{n_fits} finished fit{'' if n_fits == 1 else 's'}"


def _size_of(files: Iterable[Path]) -> int:
    return sum(file.stat().st_size for file in files if file.is_file())


def _count_fits(folder: Path) -> int:
    return sum(1 for _ in folder.glob(f"*{FIT_ENDING}"))


def list_unfinished(cache: Path) -> Iterator[UnfinishedRun]:
    """Yield the unfinished runs of a cache.

    Args:
        cache: Folder of the cache.
    """
    try:
        folders = sorted((cache / RUNS_FOLDER).iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return
    for folder in folders:
        if _RUN_FOLDER.fullmatch(folder.name):
            with suppress(OSError):  # the run ended just now, or the folder is of another user
                yield _describe(folder)


def _describe(folder: Path) -> UnfinishedRun:
    out, run_file = None, folder / _RUN_FILE
    last_used = folder.stat().st_mtime
    # Without locks nobody can tell, except that a run finishes something in a week.
    is_running = run_file.exists() and is_locked(run_file) and time.time() - last_used < _SECONDS_PER_WEEK
    with suppress(OSError, ValueError, KeyError, TypeError):
        out = Path(json.loads(run_file.read_bytes())["out"])
    left_behind = () if out is None or is_running else tuple(find_abandoned(out))
    files = [*folder.iterdir()]
    return UnfinishedRun(
        folder=folder,
        out=out,
        n_fits=sum(file.suffix == FIT_ENDING for file in files),
        n_bytes=_size_of(files),
        last_used=last_used,
        left_behind=left_behind,
        is_running=is_running,
    )
