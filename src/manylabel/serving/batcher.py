"""Read the photos of many requests and score them together.

In:  what gives the views of single photos, from any thread.
Out: their scores, as futures.

A thread reads a photo. Where the engine can take another batch, the same thread goes on with it; else the
photo waits for one of the threads whose batches run. While all are busy, photos gather: nobody waits for
company, and the busier the server, the larger the batches. A photo is handed from thread to thread as rarely
as can be, because that costs more than a small network does.
"""

import logging
import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Lock, Semaphore, Thread

import numpy as np

from manylabel.engines.base import PixelPredictor
from manylabel.errors import PhotoError
from manylabel.preprocess import PixelArray
from manylabel.types import FloatArray

Answer = Future[FloatArray]
Read = Callable[[], PixelArray | PhotoError]

_LONGEST_BATCH_SECONDS = 30.0

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class _Job:
    """A photo that is to be read."""

    read: Read
    answer: Answer


@dataclass(frozen=True, eq=False)
class _Waiting:
    """A photo that waits for its scores [n_labels]."""

    views: PixelArray
    answer: Answer


class Batcher:
    """Threads that read photos and feed an engine with them.

    Args:
        predictor: The model.
    """

    def __init__(self, predictor: PixelPredictor) -> None:
        """Start the threads: one per batch that the engine takes, and one per processor for reading."""
        self._predictor = predictor
        n_readers = os.cpu_count() or 1
        # Large photos take memory while they are decoded.
        self._may_read = Semaphore(n_readers)
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._waiting: deque[_Waiting] = deque()
        self._lock = Lock()
        self._n_running = 0
        self._is_closed = False
        self._threads = [
            Thread(target=self._run, name=f"photos {number}", daemon=True)
            for number in range(predictor.n_parallel + n_readers)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, read: Read) -> Answer:
        """Read and score a photo, in a thread.

        Args:
            read: Returns its views [n_views, side_px, side_px, 3], or an error for the caller. One that is
                raised keeps the photo in memory for a while, through its traceback.

        Returns:
            A future of its scores [n_labels].

        Raises:
            RuntimeError: The batcher is closed.
        """
        job = _Job(read, Future())
        with self._lock:
            if self._is_closed:
                raise RuntimeError("this batcher is closed")
            self._jobs.put(job)
        return job.answer

    def close(self) -> None:
        """Score what waits, then end the threads; an engine that never answers is not waited for."""
        with self._lock:
            if not self._is_closed:
                self._is_closed = True
                for _ in self._threads:
                    self._jobs.put(None)
        for thread in self._threads:
            thread.join(_LONGEST_BATCH_SECONDS)

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            starts_batch = self._read(job)
            del job  # or its photo would stay in memory until the next one comes
            if starts_batch:
                self._score_all()

    def _read(self, job: _Job) -> bool:
        """Read a photo and queue it; return whether this thread starts a batch with it."""
        if job.answer.cancelled():
            return False
        views: PixelArray | Exception
        try:
            with self._may_read:
                views = job.read()
        except Exception as error:  # noqa: BLE001 - the caller gets it
            views = error
        if not isinstance(views, Exception):
            return self._queue(_Waiting(views, job.answer))
        if job.answer.set_running_or_notify_cancel():
            job.answer.set_exception(views)
        return False

    def _score_all(self) -> None:
        """Score what waits until nothing does."""
        while (batch := self._next()) is not None:
            if batch:
                self._score(batch)

    def _queue(self, waiting: _Waiting) -> bool:
        """Queue a photo; return whether the engine can take another batch, which this thread then starts."""
        with self._lock:
            self._waiting.append(waiting)
            if self._n_running == self._predictor.n_parallel:
                return False
            self._n_running += 1
            return True

    def _next(self) -> list[_Waiting] | None:
        """Take waiting photos, a fair share for each batch that can run; None: there are none."""
        with self._lock:
            if not self._waiting:
                self._n_running -= 1
                return None
            n_fair = -(-len(self._waiting) // self._predictor.n_parallel)
            n_taken = min(n_fair, self._predictor.batch_size)
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
