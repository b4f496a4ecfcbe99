"""Files made with trained models: an ONNX file, a table of predictions for all photos.

In:  a trained model; the folder of the photos.
Out: how far a file is, or why there is none; the file.
"""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from manylabel.bundle.onnx_file import ONNX_FILE
from manylabel.errors import InputError
from manylabel.live_model.pipes import end_gently
from manylabel.report.run_info import hide_folders_in_sentence
from manylabel.report.trial_files import file_name
from manylabel.serving.labeling.models import TrainedModels

# -P: a file in the current folder is no module.
PROGRAM = (sys.executable, "-P", "-m", "manylabel")

KINDS: tuple["Kind", ...] = ("onnx", "csv")
_ERROR = "error: "

Kind = Literal["onnx", "csv"]


class Wanted(NamedTuple):
    """A file of a model.

    Attributes:
        name: Name of the run.
        backbone: The backbone.
        kind: What the file is.
    """

    name: str
    backbone: str
    kind: Kind


class Export(msgspec.Struct, frozen=True, kw_only=True):
    """A file, or the lack of it.

    Attributes:
        name: Name of the run.
        backbone: The backbone.
        kind: What the file is.
        state: Whether it is there.
        file: Where it is, or will be: its path from the folder that holds the models.
        seconds: How long making it has taken; 0 if it was not made since the page was opened.
        problem: Why it could not be made; null unless that failed.
    """

    name: str
    backbone: str
    kind: Kind
    state: Literal["none", "running", "done", "failed"]
    file: str
    seconds: float = 0.0
    problem: str | None = None


class _Made(NamedTuple):
    """How making a file ended."""

    seconds: float
    problem: str | None


class Exports:
    """Files made with models, one at a time, each in a process of its own.

    Args:
        models: The models.
        photos: Folder of the photos.
        program: What runs ``manylabel``.
    """

    def __init__(self, models: TrainedModels, *, photos: Path, program: Sequence[str] = PROGRAM) -> None:
        self._models, self._photos, self._program = models, photos, program
        self._lock = threading.Lock()
        self._made: dict[Wanted, _Made] = {}
        self._running: Wanted | None = None
        self._began = 0.0
        self._process: subprocess.Popen[str] | None = None
        self._is_closed = self._is_cancelled = False

    def listed(self) -> list[Export]:
        """Return the files of all models."""
        found = []
        wanted = [Wanted(one.name, one.backbone, kind) for one in self._models.listed() for kind in KINDS]
        with self._lock:
            for one in wanted:
                with suppress(InputError):  # its bundle was removed
                    found.append(self._describe(one))
        return found

    def start(self, wanted: Wanted) -> None:
        """Make a file, also if there is one already.

        Raises:
            InputError: There is no such model, or another file is being made.
        """
        words = self._words(wanted)
        with self._lock:
            if self._running is not None:
                raise InputError(f"a file of '{self._running.name}' is being made; wait for it")
            if self._is_closed:
                raise InputError("manylabel app is ending")
            self._process = subprocess.Popen(
                [*self._program, *words],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                encoding="utf-8",
                errors="replace",
                start_new_session=True,
            )
            self._running, self._began, self._is_cancelled = wanted, time.monotonic(), False
            threading.Thread(
                target=self._follow, args=(self._process, wanted), name="export", daemon=True
            ).start()

    def file(self, wanted: Wanted) -> Path:
        """Return a file.

        Raises:
            InputError: There is no such model, or no such file.
        """
        self._models.bundle(wanted.name, wanted.backbone)
        path = self._path(wanted)
        with self._lock:
            if not path.is_file() or wanted == self._running:
                raise InputError("there is no such file yet")
        return path

    def cancel(self) -> None:
        """Stop making a file; what is not complete is removed, and one that was there before stays.

        Raises:
            InputError: None is being made.
        """
        with self._lock:
            process = self._process
            if process is None:
                raise InputError("no file is being made")
            self._is_cancelled = True
        end_gently(process, by=signal.SIGTERM)

    def close(self) -> None:
        """Make no more files; one that is being made is cancelled."""
        with self._lock:
            self._is_closed = True
        with suppress(InputError):
            self.cancel()

    def _words(self, wanted: Wanted) -> list[str]:
        """Return the words of the command.

        Raises:
            InputError: There is no such model.
        """
        bundle = str(self._models.bundle(wanted.name, wanted.backbone).resolve())
        if wanted.kind == "onnx":
            return ["export", bundle, "--to", "onnx"]
        out = str(self._path(wanted).resolve())
        return ["predict", bundle, str(self._photos.resolve()), "--out", out, "--overwrite"]

    def _path(self, wanted: Wanted) -> Path:
        """Return where a file of a model that exists is, or will be."""
        if wanted.kind == "onnx":
            return self._models.bundle(wanted.name, wanted.backbone) / ONNX_FILE
        return self._models.folder / wanted.name / f"predictions_{file_name(wanted.backbone)}.csv"

    def _describe(self, wanted: Wanted) -> Export:
        """Return the state of a file; only with the lock.

        Raises:
            InputError: There is no such model.
        """
        path = self._path(wanted)
        made = self._made.get(wanted, _Made(0.0, None))
        known = Export(
            name=wanted.name,
            backbone=wanted.backbone,
            kind=wanted.kind,
            state="done" if path.is_file() else "none",
            file=path.relative_to(self._models.folder.parent).as_posix(),
            seconds=made.seconds,
        )
        if wanted == self._running:
            return msgspec.structs.replace(known, state="running", seconds=time.monotonic() - self._began)
        if made.problem is not None:
            return msgspec.structs.replace(known, state="failed", problem=made.problem)
        return known

    def _follow(self, process: "subprocess.Popen[str]", wanted: Wanted) -> None:
        """Wait for a process, and note how it ended."""
        _, messages = process.communicate()
        problem = None if process.returncode == 0 else _problem_in(messages, code=process.returncode)
        with self._lock:
            if problem is not None and self._is_cancelled:
                self._made.pop(wanted, None)
            else:
                self._made[wanted] = _Made(time.monotonic() - self._began, problem)
            self._running = self._process = None


def _problem_in(messages: str, *, code: int) -> str:
    """Return the error that a command ended with; what it wrote before is of no interest."""
    _, mark, problem = f"\n{messages}".rpartition(f"\n{_ERROR}")
    text = problem.strip() if mark else f"the process ended (exit code {code})"
    return hide_folders_in_sentence(text)
