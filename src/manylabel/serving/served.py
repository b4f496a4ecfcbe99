"""A bundle that is served, and the threads that read and score photos for it.

In:  photos as they were uploaded, from many requests.
Out: scores and decisions, heat maps; an error for each photo that cannot be read.

A thread reads a photo. Where the engine can take another batch, the same thread goes on with it; else the
photo waits for one of the threads whose batches run. While all are busy, photos gather: no photo waits for
others to come, and the busier the server, the larger the batches. A photo is handed from thread to thread as
rarely as possible, because that costs more than a small model does.
"""

import asyncio
import logging
import os
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from queue import SimpleQueue
from threading import Lock, Semaphore, Thread

import numpy as np
from PIL import Image

from manylabel.bundle.folder import read_bundle, read_hashes
from manylabel.bundle.tables import ThresholdSource
from manylabel.config import EngineName, PrecisionName
from manylabel.constraints import decide_with_constraints
from manylabel.data.photos import open_photo_bytes, to_jpeg, to_png
from manylabel.engines.base import PixelPredictor
from manylabel.engines.openvino import SplitModel
from manylabel.engines.registry import open_predictor, open_split_model
from manylabel.errors import BundleError, PhotoError
from manylabel.explanation.occlusion import HeatMaps, explain_photo
from manylabel.explanation.overlay import draw_layer
from manylabel.preprocess import PixelArray, resize_views
from manylabel.serving.limits import ServeLimits
from manylabel.types import FloatArray

Answer = Future[FloatArray]
Read = Callable[[], PixelArray | PhotoError]

_MAX_GROUPS = 64
_PREVIEW_PX = 480
_PREVIEW_QUALITY = 82
_MAX_BATCH_SECONDS = 30.0
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False, kw_only=True)
class Upload:
    """A photo as it was sent.

    Attributes:
        name: What the client calls it.
        data: Its file.
    """

    name: str
    data: bytes


@dataclass(frozen=True, eq=False, kw_only=True)
class Prediction:
    """The prediction for a photo.

    Attributes:
        scores: Probabilities [n_labels].
        labels: The labels given, the most probable first.
        preview: A small JPEG of the photo, where one was asked for.
    """

    scores: FloatArray
    labels: tuple[str, ...]
    preview: bytes | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class Explained:
    """The prediction for a photo, with heat maps.

    Attributes:
        prediction: Scores and labels, as without a heat map.
        maps: The heat maps of all labels.
        layer: The map of the wanted label as a PNG to lay over the photo.
    """

    prediction: Prediction
    maps: HeatMaps
    layer: bytes


class ServedBundle:
    """A bundle that scores uploads, those of many requests together.

    Args:
        name: What clients call it.
        folder: The bundle.
        engine: What computes.
        precision: Dtype of the forward pass.
        limits: What is refused.
        thresholds: Thresholds of some labels in place of those of the bundle.

    Raises:
        BundleError: A file is missing, damaged or does not fit.
        ConfigError: The precision is not there, or a threshold cannot be used.
        MissingExtraError: The engine is not installed.
    """

    def __init__(
        self,
        name: str,
        folder: Path,
        *,
        engine: EngineName = "auto",
        precision: PrecisionName = "auto",
        limits: ServeLimits | None = None,
        thresholds: ThresholdSource | Sequence[ThresholdSource] | None = None,
    ) -> None:
        """Open the bundle and start its threads."""
        self.name = name
        self._limits = ServeLimits() if limits is None else limits
        self._predictor = open_predictor(folder, engine=engine, precision=precision, thresholds=thresholds)
        self.constraints = self._predictor.constraints
        self.thresholds = self._predictor.thresholds
        self.engine = self._predictor.engine
        self._batcher = Batcher(self._predictor)
        # One at a time: each takes all cores for as long as many predictions.
        self._explainer = ThreadPoolExecutor(1, thread_name_prefix=f"heat maps of {name}")
        self._folder, self._hashes = folder, read_hashes(folder)
        self._split_model = cache(self._open_split_model)

    @property
    def labels(self) -> tuple[str, ...]:
        """Name the labels, in the order of the scores."""
        return self._predictor.labels

    async def predict(
        self, uploads: Sequence[Upload], *, has_previews: bool = False
    ) -> list[Prediction | PhotoError]:
        """Return the prediction for each photo, or why it cannot be read.

        Args:
            uploads: The photos.
            has_previews: Whether a small picture of each comes with it.
        """
        predictions = (self._predict_one(upload, has_preview=has_previews) for upload in uploads)
        return list(await asyncio.gather(*predictions))

    async def explain(self, upload: Upload, label: str) -> Explained | None:
        """Return the heat maps of a photo and its prediction; None where the model has no patch grid.

        Args:
            upload: The photo.
            label: The label whose map is drawn.

        Raises:
            PhotoError: It cannot be read.
            ManylabelError: The server cannot make heat maps of this bundle.
        """
        return await asyncio.get_running_loop().run_in_executor(self._explainer, self._explain, upload, label)

    def close(self) -> None:
        """Answer what waits, then end all threads; a second call does nothing."""
        self._explainer.shutdown()
        self._batcher.close()

    async def _predict_one(self, upload: Upload, *, has_preview: bool) -> Prediction | PhotoError:
        previews: list[bytes] = []
        read = partial(self._read_views, upload, add_preview=previews.append if has_preview else None)
        try:
            scores = await asyncio.wrap_future(self._batcher.submit(read))
        except PhotoError as error:
            return error
        return self._decide(scores, preview=previews[0] if previews else None)

    def _decide(self, scores: FloatArray, *, preview: bytes | None = None) -> Prediction:
        decisions = decide_with_constraints(self.constraints, scores[None], self.thresholds)[0]
        order = np.argsort(-scores)
        given = tuple(self.labels[column] for column in order if decisions[column])
        return Prediction(scores=scores, labels=given, preview=preview)

    def _read_views(
        self, upload: Upload, *, add_preview: Callable[[bytes], None] | None
    ) -> PixelArray | PhotoError:
        try:
            photo = self._read(upload)
        except PhotoError as error:
            # A fresh error: the caught one would keep a half-decoded photo alive through its traceback.
            return PhotoError(error.name, error.reason)
        views = resize_views(photo, self._predictor.preprocessing)
        if add_preview is not None:
            photo.thumbnail((_PREVIEW_PX, _PREVIEW_PX), Image.Resampling.LANCZOS)
            add_preview(to_jpeg(photo, quality=_PREVIEW_QUALITY))
        return views

    def _read(self, upload: Upload) -> Image.Image:
        return open_photo_bytes(
            upload.data,
            name=upload.name,
            side_px=self._predictor.preprocessing.side_px,
            max_pixels=self._limits.pixels,
        )

    def _open_split_model(self) -> SplitModel | None:
        bundle = read_bundle(self._folder)
        if bundle.facts["sha256"] != self._hashes:
            raise BundleError("it has changed on disk since the server started; restart the server")
        return open_split_model(bundle)

    def _explain(self, upload: Upload, label: str) -> Explained | None:
        photo = self._read(upload)
        model = self._split_model()
        if model is None:
            return None
        preprocessing = self._predictor.preprocessing
        views = resize_views(photo, preprocessing)
        # With the engine that predicts: near a threshold, another one could decide otherwise.
        scores = self._batcher.submit(lambda: views).result()
        maps = explain_photo(model, photo, preprocessing, max_groups=_MAX_GROUPS)
        left, upper, right, lower = maps.box
        seen = (photo.width * (right - left), photo.height * (lower - upper))
        width, height = (max(1, round(side * _PREVIEW_PX / max(seen))) for side in seen)
        layer = draw_layer(maps.maps[self.labels.index(label)], size=(width, height))
        return Explained(prediction=self._decide(scores), maps=maps, layer=to_png(layer))


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
            thread.join(_MAX_BATCH_SECONDS)

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
