"""What all engines share between pixels and scores.

In:  photos, or the logits of their views.
Out: probabilities [n_photos, n_labels].
"""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from manylabel.bundle.folder import BundleConfig
from manylabel.constraints import LabelConstraints
from manylabel.errors import BundleError, EngineError
from manylabel.preprocess import PixelArray, Preprocessing, resize_views
from manylabel.types import FloatArray, Predictor, Thresholds

Finish = Callable[[], FloatArray]

Batch = TypeVar("Batch")
Result = TypeVar("Result")


class PixelPredictor(Predictor, Protocol):
    """A model that turns the pixels of photos into scores, several batches at a time where it can."""

    @property
    def constraints(self) -> LabelConstraints:
        """Return the constraints that decisions obey."""

    @property
    def preprocessing(self) -> Preprocessing:
        """Return how a photo becomes pixels."""

    @property
    def engine(self) -> str:
        """Name the engine and its precision: scores of two engines differ a little."""

    @property
    def batch_size(self) -> int:
        """Return how many photos are best scored together."""

    @property
    def n_parallel(self) -> int:
        """Return how many batches keep the engine busy."""

    def start(self, pixels: PixelArray) -> Finish:
        """Start to score the views of some photos; up to ``n_parallel`` threads may do so at a time.

        Args:
            pixels: [n_photos * n_views, side_px, side_px, 3].

        Returns:
            A function, to be called once, that waits for the scores [n_photos, n_labels].
        """


class EnginePredictor(ABC):
    """A model and what every engine knows of it; a subclass adds how its engine runs it.

    Args:
        labels: The label names, one per logit.
        thresholds: Thresholds that came with the model.
        constraints: What decisions obey.
        preprocessing: How a photo becomes pixels.
        views_per_batch: Views that are best computed together.
    """

    n_parallel: int = 1

    def __init__(
        self,
        *,
        labels: tuple[str, ...],
        thresholds: Thresholds,
        constraints: LabelConstraints,
        preprocessing: Preprocessing,
        views_per_batch: int,
    ) -> None:
        """Store what the model is."""
        self.labels = labels
        self.thresholds = thresholds
        self.constraints = constraints
        self.preprocessing = preprocessing
        self.batch_size = max(1, views_per_batch // preprocessing.n_views)

    def predict_proba(self, photos: Sequence[Image.Image]) -> FloatArray:
        """Return probabilities [n_photos, n_labels] for upright RGB photos of any size."""
        return score_photos(self, photos)

    def to_scores(self, logits: FloatArray, *, n_rows: int) -> FloatArray:
        """Return what ``logits_to_scores`` makes of the logits of ``n_rows`` views."""
        n_views = self.preprocessing.n_views
        return logits_to_scores(logits, n_rows=n_rows, n_labels=len(self.labels), n_views=n_views)

    @property
    @abstractmethod
    def engine(self) -> str:
        """Name the engine and its precision."""

    @abstractmethod
    def start(self, pixels: PixelArray) -> Finish:
        """Start to score the views of some photos; arguments and result as in ``PixelPredictor``."""


def check_shapes(ends: Sequence[Sequence[int]], *, config: BundleConfig, source: Path | None) -> None:
    """Check that a model takes the pixels of a bundle and gives its logits.

    Args:
        ends: Shapes of input and output; -1 where any number fits.
        config: The bundle that the model should be made from.
        source: File of the model, for errors; None for a model that was made here.

    Raises:
        BundleError: It does not.
    """
    side_px = config.preprocessing.side_px
    expected = ([side_px, side_px, 3], [len(config.labels)])
    for given, wanted in zip(ends, expected, strict=True):
        fits = len(given) == 1 + len(wanted) and all(
            axis in (-1, length) for axis, length in zip(given[1:], wanted, strict=True)
        )
        if not fits:
            where = "the model" if source is None else source
            raise BundleError(
                f"{where}: does not fit config.json: expected {wanted} per photo, got {given[1:]}"
            )


def run_batches(
    start: Callable[[Batch], Callable[[], Result]], batches: Iterable[Batch], *, n_parallel: int
) -> Iterator[Result]:
    """Yield the result of batch after batch, in order, while the next ones are computed.

    Args:
        start: Starts one batch and returns a function that waits for its result.
        batches: Read only as fast as they are computed.
        n_parallel: Batches that run at the same time.
    """
    running = deque[Callable[[], Result]]()
    try:
        for batch in batches:
            if len(running) == n_parallel:
                yield running.popleft()()
            running.append(start(batch))
        while running:
            yield running.popleft()()
    finally:
        # An engine that is still busy with an abandoned batch cannot start the next one.
        for finish in running:
            with suppress(EngineError):
                finish()


def score_photos(predictor: PixelPredictor, photos: Sequence[Image.Image]) -> FloatArray:
    """Return probabilities [n_photos, n_labels] for upright RGB photos of any size."""
    size = predictor.batch_size
    batches = (
        np.concatenate(
            [resize_views(photo, predictor.preprocessing) for photo in photos[first : first + size]]
        )
        for first in range(0, len(photos), size)
    )
    return _score_all(predictor, batches)


def score_pixels(predictor: PixelPredictor, pixels: PixelArray) -> FloatArray:
    """Return probabilities [n_photos, n_labels] of any number of photos.

    Args:
        predictor: The model.
        pixels: Views of the photos [n_photos * n_views, side_px, side_px, 3].
    """
    size = predictor.batch_size * predictor.preprocessing.n_views
    return _score_all(predictor, (pixels[first : first + size] for first in range(0, len(pixels), size)))


def _score_all(predictor: PixelPredictor, batches: Iterable[PixelArray]) -> FloatArray:
    scores = run_batches(predictor.start, batches, n_parallel=predictor.n_parallel)
    return np.concatenate([np.empty((0, len(predictor.labels))), *scores])


def logits_to_scores(logits: FloatArray, *, n_rows: int, n_labels: int, n_views: int) -> FloatArray:
    """Check the outputs of a model and turn them into scores.

    Args:
        logits: As for ``average_views``.
        n_rows: Views that the model was given.
        n_labels: Labels of the model.
        n_views: Views per photo.

    Returns:
        Probabilities [n_photos, n_labels].

    Raises:
        EngineError: The logits have another shape, or are not numbers.
    """
    if logits.shape != (n_rows, n_labels):
        raise EngineError(
            f"the model gives outputs of shape {list(logits.shape)}, expected {[n_rows, n_labels]} for "
            f"{n_rows} views and {n_labels} labels; the bundle is damaged, copy it again or train again"
        )
    with np.errstate(invalid="ignore"):
        scores = average_views(logits, n_views=n_views)
    n_lost = int(np.isnan(scores).any(axis=1).sum())
    if n_lost:
        raise EngineError(
            f"the model gives no number (NaN) for {n_lost} of {len(scores)} photos scored together; its "
            "weights or its preprocessing are damaged, copy the bundle again or train again"
        )
    return scores


def average_views(logits: FloatArray, *, n_views: int) -> FloatArray:
    """Turn the logits of each photo's views into its scores.

    Args:
        logits: [n_photos * n_views, n_labels], in double precision: it keeps the order of scores near 0 and
            1, which average precision depends on.
        n_views: Views per photo, at least 1.

    Returns:
        Probabilities [n_photos, n_labels]: the sigmoid of the mean logit.

    Examples:
        >>> average_views(np.array([[2.0, -800.0], [-2.0, -800.0]]), n_views=2)
        array([[0.5, 0. ]])
    """
    mean = logits.reshape(-1, n_views, logits.shape[1]).mean(axis=1)  # [n_photos, n_labels]
    return np.asarray(np.exp(-np.logaddexp(0.0, -mean)))


def relative_error(values: NDArray[np.floating], expected: NDArray[np.floating]) -> float:
    """Return the length of the difference as a share of the length of the expected values.

    Examples:
        >>> relative_error(np.array([3.0, 4.5], np.float32), np.array([3.0, 4.0], np.float32))
        0.1
    """
    length = float(np.linalg.norm(expected.ravel()))
    return float(np.linalg.norm((values - expected).ravel())) / max(length, 1e-12)
