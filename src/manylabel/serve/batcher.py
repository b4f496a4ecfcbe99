"""Score the photos of many requests together.

In:  the views of single photos, from any thread.
Out: their scores, as futures; an error at once where too many wait.

While the engine is busy, photos gather; as soon as it is free, all that wait become the next batch. So nobody
waits for company, and the busier the server, the larger the batches.
"""

import logging
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Condition, Thread

import numpy as np

from manylabel.predictors.scoring import Finish, PixelPredictor
from manylabel.preprocess import PixelArray
from manylabel.types import FloatArray

Answer = Future[FloatArray]

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class _Waiting:
    """Hold a photo that waits for its scores [n_labels]."""

    views: PixelArray
    answer: Answer


class Batcher:
    """Feed an engine from a thread of its own.

    Args:
        predictor: What scores; used from this one thread.
    """

    def __init__(self, predictor: PixelPredictor) -> None:
        """Start the thread."""
        self._predictor = predictor
        self._waiting: deque[_Waiting] = deque()
        self._changed = Condition()
        self._is_closed = False
        self._thread = Thread(target=self._run, name="batcher", daemon=True)
        self._thread.start()

    def submit(self, views: PixelArray) -> Answer:
        """Let a photo be scored.

        Args:
            views: [n_views, side_px, side_px, 3].

        Returns:
            What will hold its scores [n_labels].

        Raises:
            RuntimeError: The batcher is closed.
        """
        waiting = _Waiting(views, Future())
        with self._changed:
            if self._is_closed:
                raise RuntimeError("this batcher is closed")
            self._waiting.append(waiting)
            self._changed.notify()
        return waiting.answer

    def close(self) -> None:
        """Score what waits, then end the thread."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        started: deque[tuple[list[_Waiting], Finish]] = deque()
        while (batch := self._next(is_idle=not started)) is not None:
            if batch:
                started.extend(self._start(batch))
            if started and (not batch or len(started) == self._predictor.n_parallel):
                self._finish(*started.popleft())

    def _next(self, *, is_idle: bool) -> list[_Waiting] | None:
        """Take what waits; where the engine has nothing to do, wait for it. None: this is the end."""
        with self._changed:
            while is_idle and not self._waiting:
                if self._is_closed:
                    return None
                self._changed.wait()
            n_taken = min(len(self._waiting), self._predictor.batch_size)
            taken = [self._waiting.popleft() for _ in range(n_taken)]
        # Nobody waits any more for one whose request ran out of time.
        return [waiting for waiting in taken if waiting.answer.set_running_or_notify_cancel()]

    def _start(self, batch: list[_Waiting]) -> list[tuple[list[_Waiting], Finish]]:
        try:
            return [(batch, self._predictor.start(np.concatenate([waiting.views for waiting in batch])))]
        except Exception as error:  # noqa: BLE001 - whatever it is, those who wait shall hear of it
            self._fail(batch, error)
            return []

    def _finish(self, batch: list[_Waiting], finish: Finish) -> None:
        try:
            scores = finish()  # [n_photos, n_labels]
        except Exception as error:  # noqa: BLE001 - as above
            self._fail(batch, error)
            return
        for waiting, values in zip(batch, scores, strict=True):
            waiting.answer.set_result(values)

    def _fail(self, batch: list[_Waiting], error: Exception) -> None:
        """Tell everybody who waits; the thread goes on, for the next batch may be well."""
        _logger.exception("a batch of %d photos could not be scored", len(batch), exc_info=error)
        for waiting in batch:
            waiting.answer.set_exception(error)
