"""The process that learns from answers, as the labeling page sees it.

In:  photos, answers.
Out: probabilities, how good they are, what to show next: always what was learned last.
"""

import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import assert_never

import msgspec
import numpy as np

from manylabel.live_model.messages import (
    FROM_WORKER,
    Duplicates,
    Estimate,
    Failed,
    FindSimilar,
    FromWorker,
    Learn,
    Open,
    Scores,
    Seen,
    Similar,
    ToWorker,
)
from manylabel.live_model.pipes import close_pipes, receive_until_gone, send, start_piped
from manylabel.types import FloatArray

# -P: a file in the current folder is no module.
COMMAND = (sys.executable, "-P", "-m", "manylabel.live_model.process")

_MOST_STARTS = 3
_SECONDS_TO_FIND_SIMILAR = 5.0
_SECONDS_TO_END = 5.0


class Answers(msgspec.Struct, frozen=True, kw_only=True):
    """Answers to learn from.

    Attributes:
        revision: Their revision.
        photos_revision: The revision of the list of photos.
        labels: The labels.
        targets: 1 present, 0 absent, NaN unknown [n_photos, n_labels].
    """

    revision: int
    photos_revision: int
    labels: list[str]
    targets: FloatArray


class Learned(msgspec.Struct, frozen=True, kw_only=True):
    """What is known by now.

    Attributes:
        version: Another number whenever anything else is another.
        n_done: Photos that were read.
        n_photos: All photos.
        is_learning: Newer scores are on their way.
        problem: Why nothing is learned; None if something is.
        scores: What was learned last; None before that.
        n_scores: Another number whenever the scores are others.
        first: How good the first head was.
        groups: Number of the group of near-duplicates of each photo; empty until all photos were read.
        photos_revision: The revision of the list of photos that all of this is about.
    """

    version: int = 0
    photos_revision: int = -1
    n_done: int = 0
    n_photos: int = 0
    is_learning: bool = False
    problem: str | None = None
    scores: Scores | None = None
    n_scores: int = 0
    first: Estimate | None = None
    groups: list[int] = []


class LiveModel:
    """A process that learns from answers while people label.

    Args:
        read_answers: Returns the answers; None while there are none to learn from.
        model: Folder of a trained model, whose features and probabilities are used.
        cache: Folder of the feature cache.
        command: What runs the process.
    """

    def __init__(
        self,
        read_answers: Callable[[], Answers | None],
        *,
        cache: Path,
        model: Path | None = None,
        command: Sequence[str] = COMMAND,
    ) -> None:
        self._read_answers, self._model, self._cache = read_answers, model, cache
        self._command = command
        self._changed = threading.Condition()
        self._learned = Learned()
        self._photos: list[str] = []
        self._process: subprocess.Popen[bytes] | None = None
        self._n_starts = 0
        self._has_news = self._is_closing = False
        self._similar: dict[int, list[int]] = {}
        self._waiting: list[ToWorker] = []
        self._sender = threading.Thread(target=self._keep_sending, name="answers", daemon=True)
        self._sender.start()

    @property
    def learned(self) -> Learned:
        """Return what is known by now."""
        with self._changed:
            return self._learned

    @property
    def n_starts(self) -> int:
        """Return how often the process was started for these photos."""
        with self._changed:
            return self._n_starts

    def open(self, photos: Sequence[Path], *, revision: int = 0) -> None:
        """Learn about photos, and forget others.

        Args:
            photos: The photos.
            revision: The revision of their list.
        """
        with self._changed:
            self._photos = [str(path.resolve()) for path in photos]
            self._n_starts = 0
            self._similar = {}
            known = self._learned
            self._set(
                Learned(
                    version=known.version,
                    n_scores=known.n_scores + 1,
                    n_photos=len(photos),
                    photos_revision=revision,
                )
            )
            self._start()
        self.notice_answers()

    def notice_answers(self) -> None:
        """Learn from the answers as soon as those before them have been learned."""
        with self._changed:
            self._has_news = True
            self._changed.notify_all()

    def find_similar(self, row: int) -> list[int]:
        """Return the numbers of the photos most similar to one; none if that takes more than 5 s."""
        with self._changed:
            self._similar.pop(row, None)  # an answer that came too late
            self._waiting.append(FindSimilar(row=row))
            self._changed.notify_all()
            self._changed.wait_for(lambda: row in self._similar, timeout=_SECONDS_TO_FIND_SIMILAR)
            return self._similar.pop(row, [])

    def close(self) -> None:
        """End the process."""
        with self._changed:
            self._is_closing = True
            self._changed.notify_all()
            process, self._process = self._process, None
        if process is not None:
            _end(process)
        self._sender.join()

    def __enter__(self) -> "LiveModel":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _set(self, learned: Learned) -> None:
        """Replace what is known; only with the lock."""
        self._learned = msgspec.structs.replace(learned, version=self._learned.version + 1)
        self._changed.notify_all()

    def _start(self) -> None:
        """Start the process; only with the lock."""
        if self._process is not None:
            _end(self._process)
        self._n_starts += 1
        self._process = process = start_piped(self._command)
        threading.Thread(target=self._listen, args=(process,), name="scores", daemon=True).start()
        model = None if self._model is None else str(self._model.resolve())
        opened = Open(photos=self._photos, model=model, cache=str(self._cache.resolve()))
        self._waiting = [opened]
        self._changed.notify_all()

    def _keep_sending(self) -> None:
        """Send what waits; then the answers, once those before them have been learned."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._is_closing or self._waiting or self._may_learn())
                if self._is_closing:
                    return
                process = self._process
                message = self._waiting.pop(0) if self._waiting else None
            if message is None:
                self._ask_to_learn()
            elif process is not None and process.stdin is not None:
                with suppress(OSError, ValueError):  # it ended; whoever listens tells why
                    send(process.stdin, message)

    def _may_learn(self) -> bool:
        can_run = self._process is not None or self._n_starts < _MOST_STARTS
        return self._has_news and not self._learned.is_learning and can_run

    def _ask_to_learn(self) -> None:
        with self._changed:
            self._has_news = False
        answers = self._read_answers()  # without the lock: it may wait for whoever changes answers
        with self._changed:
            if (
                answers is None
                or self._is_closing
                or answers.photos_revision != self._learned.photos_revision
            ):
                return
            if self._process is None:
                self._start()
            self._waiting.append(
                Learn(
                    revision=answers.revision,
                    labels=answers.labels,
                    targets=answers.targets.astype("<f4").tobytes(),
                )
            )
            self._set(msgspec.structs.replace(self._learned, is_learning=True, problem=None))

    def _listen(self, process: "subprocess.Popen[bytes]") -> None:
        """Take up what a process sends, until it ends."""
        assert process.stdout is not None, "it was started with a pipe"
        while (message := receive_until_gone(process.stdout, FROM_WORKER)) is not None:
            with self._changed:
                if process is not self._process:
                    return
                self._take(message)
        code = process.wait()
        with self._changed:
            if process is not self._process:
                return
            self._process = None
            close_pipes(process)
            self._has_news = self._has_news or self._learned.is_learning  # to be learned by the next one
            problem = (
                self._learned.problem or f"the process that learns from answers ended (exit code {code})"
            )
            self._set(msgspec.structs.replace(self._learned, is_learning=False, problem=problem))

    def _take(self, message: FromWorker) -> None:
        known = self._learned
        match message:
            case Seen():
                self._set(msgspec.structs.replace(known, n_done=message.n_done, n_photos=message.n_photos))
            case Duplicates():
                self._set(msgspec.structs.replace(known, groups=message.groups))
            case Scores():
                changed = msgspec.structs.replace(
                    known,
                    scores=message,
                    n_scores=known.n_scores + 1,
                    first=_first_of(known.first, message.estimate),
                    is_learning=False,
                )
                self._set(changed)
            case Similar():
                self._similar[message.row] = message.rows
                self._changed.notify_all()
            case Failed():
                self._n_starts = _MOST_STARTS  # trying again does not help
                self._set(msgspec.structs.replace(known, problem=message.problem))
            case _:
                assert_never(message)


def _first_of(known: Estimate | None, new: Estimate | None) -> Estimate | None:
    """Return how good the first head was: the last one that learned from as few photos."""
    if known is None or (new is not None and new.n_photos <= known.n_photos):
        return new
    return known


def probabilities_of(scores: Scores) -> FloatArray:
    """Return the probabilities [n_photos, n_labels] of scores; NaN where not known."""
    values = np.frombuffer(scores.probabilities, dtype="<f4")
    return values.reshape(-1, max(len(scores.labels), 1)).astype(np.float64)


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End a process, and wait for it."""
    process.kill()
    process.wait(timeout=_SECONDS_TO_END)
    close_pipes(process)
