"""The process that trains models in full, as the labeling page sees it.

In:  what to train.
Out: how far it is, or how it ended. One model after the other: a second one is refused while one is trained.
"""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Literal, assert_never

import msgspec

from manylabel.errors import InputError
from manylabel.live_model.messages import FROM_TRAINER, Failed, FromTrainer, Stage, Train, Trained
from manylabel.live_model.pipes import close_pipes, end_gently, receive_until_gone, send, start_piped

# -P: a file in the current folder is no module.
COMMAND = (sys.executable, "-P", "-m", "manylabel.live_model.full_training")

TrainingState = Literal["none", "running", "done", "failed", "cancelled"]


class Training(msgspec.Struct, frozen=True, kw_only=True):
    """How far a training is.

    Attributes:
        name: Name of the run; empty before the first one.
        state: Whether it runs, or how it ended.
        stage: The stage at work; None before the first.
        seconds: Time since it began, to its end.
        stage_seconds: Time since its stage began.
        problem: Why it failed; None unless it did.
        is_ending: It is over, and its process has not ended yet: no other one can begin.
    """

    name: str = ""
    state: TrainingState = "none"
    stage: Stage | None = None
    seconds: float = 0.0
    stage_seconds: float = 0.0
    problem: str | None = None
    is_ending: bool = False


class Trainer:
    """A process per training, one at a time.

    Args:
        command: What runs the process; not given: this program.
    """

    def __init__(self, *, command: Sequence[str] | None = None) -> None:
        self._command = COMMAND if command is None else command
        self._lock = threading.Lock()
        self._training = Training()
        self._began = self._stage_began = 0.0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def training(self) -> Training:
        """Return how far the training is."""
        with self._lock:
            if self._training.state != "running":
                return msgspec.structs.replace(self._training, is_ending=self._process is not None)
            now = time.monotonic()
            return msgspec.structs.replace(
                self._training, seconds=now - self._began, stage_seconds=now - self._stage_began
            )

    def start(self, name: str, order: Train) -> None:
        """Start a training.

        Raises:
            InputError: Another one runs.
        """
        with self._lock:
            if self._training.state == "running":
                raise InputError(f"'{self._training.name}' is being trained; wait for it or cancel it")
            if self._process is not None:
                raise InputError(f"the training of '{self._training.name}' is still ending; try again soon")
            self._training = Training(name=name, state="running")
            self._began = self._stage_began = time.monotonic()
            self._process = start_piped(self._command)
            threading.Thread(
                target=self._follow, args=(self._process, order), name="training", daemon=True
            ).start()

    def cancel(self) -> None:
        """Cancel the training; its finished fits are kept for the next one of its name.

        Raises:
            InputError: None runs.
        """
        with self._lock:
            process = self._process
            if process is None or self._training.state != "running":
                raise InputError("nothing is being trained")
            self._finish("cancelled")
        # Interrupted, it keeps what is finished.
        end_gently(process, by=signal.SIGINT if sys.platform != "win32" else signal.SIGTERM)

    def close(self) -> None:
        """Cancel the training, if one runs."""
        with suppress(InputError):
            self.cancel()

    def _finish(self, state: TrainingState, problem: str | None = None) -> None:
        """Note the end; only with the lock."""
        self._training = msgspec.structs.replace(
            self._training, state=state, problem=problem, seconds=time.monotonic() - self._began
        )

    def _follow(self, process: "subprocess.Popen[bytes]", order: Train) -> None:
        """Send the order, and take up what the process sends, until it ends."""
        assert process.stdin is not None, "it was started with pipes"
        assert process.stdout is not None, "it was started with pipes"
        with suppress(OSError):  # it ended; its exit code tells more
            send(process.stdin, order)
        while (message := receive_until_gone(process.stdout, FROM_TRAINER)) is not None:
            with self._lock:
                if process is self._process and self._training.state == "running":
                    self._take(message)
        code = process.wait()
        with self._lock:
            if process is self._process:
                self._process = None
                if self._training.state == "running":
                    self._finish("failed", f"the process that trains ended (exit code {code})")
            close_pipes(process)

    def _take(self, message: FromTrainer) -> None:
        match message:
            case Stage():
                known = self._training.stage
                if known is None or (known.subject, known.stage) != (message.subject, message.stage):
                    self._stage_began = time.monotonic()
                self._training = msgspec.structs.replace(self._training, stage=message)
            case Trained():
                self._finish("done")
            case Failed():
                self._finish("failed", message.problem)
            case _:
                assert_never(message)
