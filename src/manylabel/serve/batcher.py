"""Score the photos of many requests together.

In:  the views of single photos, from any thread.
Out: their scores, as futures; an error at once where too many wait.

While the engine is busy, photos gather; as soon as it can take another batch, those that wait become it. So
nobody waits for company, and the busier the server, the larger the batches.
"""

import logging
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Condition, Thread

import numpy as np

from manylabel.predictors.scoring import PixelPredictor
from manylabel.preprocess import PixelArray
from manylabel.types import FloatArray

Answer = Future[FloatArray]

_LONGEST_BATCH_SECONDS = 30.0

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class _Waiting:
    """Hold a photo that waits for its scores [n_labels]."""

    views: PixelArray
    answer: Answer


class Batcher:
    """Feed an engine from threads of its own, one per batch that it can have at the same time.

    Args:
        predictor: What scores.
    """

    def __init__(self, predictor: PixelPredictor) -> None:
        """Start the threads."""
        self._predictor = predictor
        self._waiting: deque[_Waiting] = deque()
        self._changed = Condition()
        self._is_closed = False
        self._threads = [
            Thread(target=self._run, name=f"batches {number}", daemon=True)
            for number in range(predictor.n_parallel)
        ]
        for thread in self._threads:
            thread.start()

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
        """Score what waits, then end the threads; an engine that never answers is not waited for."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(_LONGEST_BATCH_SECONDS)

    def _run(self) -> None:
        while (batch := self._next()) is not None:
            if batch:
                self._score(batch)

    def _next(self) -> list[_Waiting] | None:
        """Wait for photos and take them; None: this is the end."""
        with self._changed:
            while not self._waiting:
                if self._is_closed:
                    return None
                self._changed.wait()
            n_taken = min(len(self._waiting), self._predictor.batch_size)
            taken = [self._waiting.popleft() for _ in range(n_taken)]
        # Nobody waits any more for one whose request ran out of time.
        return [waiting for waiting in taken if waiting.answer.set_running_or_notify_cancel()]

    def _score(self, batch: list[_Waiting]) -> None:
        try:
            scores = self._predictor.start(np.concatenate([waiting.views for waiting in batch]))()
            answers = list(zip(batch, scores, strict=True))
        except Exception as error:
            _logger.exception("a batch of %d photos could not be scored", len(batch), exc_info=error)
            for waiting in batch:
                waiting.answer.set_exception(error)
            return
        for waiting, values in answers:
            waiting.answer.set_result(values)
