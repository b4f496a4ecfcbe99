"""Learn from answers, again and again.

In:  messages: the photos first, then answers.
Out: messages: progress, scores; it ends with its input.
"""

import threading
import time
from pathlib import Path
from typing import IO, assert_never

import numpy as np

from manylabel.live_model.learning import find_similar, learn
from manylabel.live_model.messages import (
    TO_WORKER,
    Duplicates,
    FindSimilar,
    FromWorker,
    Learn,
    Open,
    Seen,
    Similar,
)
from manylabel.live_model.photos import PhotoFeatures
from manylabel.live_model.pipes import receive, send

_SECONDS_BETWEEN_REPORTS = 0.2


def work(source: IO[bytes], sink: IO[bytes]) -> None:
    """Read the photos, and answer messages in between and afterwards.

    Args:
        source: Where messages come from.
        sink: Where they go.

    Raises:
        OSError: The other end is gone.
        ManylabelError: The photos or the model cannot be used.
    """
    opened = receive(source, TO_WORKER)
    if not isinstance(opened, Open):
        return
    inbox = Inbox(source)
    _Worker(opened, inbox, sink).run()


class Inbox:
    """Messages that wait; of answers, only the last are kept.

    Args:
        source: Where they come from.
    """

    def __init__(self, source: IO[bytes]) -> None:
        self._source = source
        self._waiting: list[Learn | FindSimilar] = []
        self._is_closed = False
        self._changed = threading.Condition()
        threading.Thread(target=self._read, name="messages", daemon=True).start()

    def take(self, *, wait: bool) -> Learn | FindSimilar | None:
        """Return the next message; None if there is none, or after ``wait`` none will come."""
        with self._changed:
            while wait and not self._waiting and not self._is_closed:
                self._changed.wait()
            return self._waiting.pop(0) if self._waiting else None

    def _read(self) -> None:
        while (message := receive(self._source, TO_WORKER)) is not None:
            if isinstance(message, Open):
                continue
            with self._changed:
                if isinstance(message, Learn):
                    self._waiting = [one for one in self._waiting if not isinstance(one, Learn)]
                self._waiting.append(message)
                self._changed.notify()
        with self._changed:
            self._is_closed = True
            self._changed.notify()


class _Worker:
    """The state of the process."""

    def __init__(self, opened: Open, inbox: Inbox, sink: IO[bytes]) -> None:
        self._inbox, self._sink = inbox, sink
        self._n_photos = len(opened.photos)
        self._reported = 0.0
        model = None if opened.model is None else Path(opened.model)
        self._photos = PhotoFeatures(
            [Path(path) for path in opened.photos], model=model, cache=Path(opened.cache)
        )
        self._groups = np.arange(self._n_photos)
        self._last: Learn | None = None

    def run(self) -> None:
        """Read all photos, then answer until no more messages come."""
        for _ in self._photos.read(self._report):
            while (message := self._inbox.take(wait=False)) is not None:
                self._answer(message)
        self._groups = self._photos.find_groups()
        self._send(Duplicates(groups=self._groups.tolist()))
        if self._last is not None:  # the photos that had not been read then
            self._answer(self._last)
        while (message := self._inbox.take(wait=True)) is not None:
            self._answer(message)

    def _answer(self, message: Learn | FindSimilar) -> None:
        match message:
            case Learn():
                self._last = message
                shape = (self._n_photos, len(message.labels))
                targets = np.frombuffer(message.targets, dtype="<f4").reshape(shape).astype(np.float64)
                scores = learn(
                    self._photos, message.labels, targets, groups=self._groups, revision=message.revision
                )
                self._send(scores)
            case FindSimilar():
                self._send(Similar(row=message.row, rows=find_similar(self._photos, message.row)))
            case _:
                assert_never(message)

    def _report(self, n_done: int) -> None:
        now = time.perf_counter()
        if n_done == self._n_photos or now - self._reported >= _SECONDS_BETWEEN_REPORTS:
            self._reported = now
            self._send(Seen(n_done=n_done, n_photos=self._n_photos))

    def _send(self, message: FromWorker) -> None:
        send(self._sink, message)
