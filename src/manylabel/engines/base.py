"""What all engines share between pixels and scores.

In:  photos, or the logits of their views.
Out: probabilities [n_photos, n_labels].
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from PIL import Image

from manylabel.bundle.folder import BundleConfig
from manylabel.constraints import LabelRules
from manylabel.errors import BundleError, EngineError
from manylabel.preprocess import PixelArray, Preprocessing, resize_views
from manylabel.types import FloatArray, Predictor, Thresholds

Finish = Callable[[], FloatArray]


class PixelPredictor(Predictor, Protocol):
    """Turn the pixels of photos into scores, several batches at a time where the engine can."""

    @property
    def rules(self) -> LabelRules:
        """Return the rules that decisions obey."""

    @property
    def preprocessing(self) -> Preprocessing:
        """Say how a photo becomes pixels."""

    @property
    def engine(self) -> str:
        """Say what computes, and in which numbers: scores of two engines differ a little."""

    @property
    def batch_size(self) -> int:
        """Say how many photos are best scored together."""

    @property
    def n_parallel(self) -> int:
        """Say how many batches keep the engine busy."""

    def start(self, pixels: PixelArray) -> Finish:
        """Begin to score the views of some photos; up to ``n_parallel`` threads may do so at a time.

        Args:
            pixels: [n_photos * n_views, side_px, side_px, 3].

        Returns:
            What waits for the scores [n_photos, n_labels] and gives them; to be called once.
        """


class EnginePredictor(ABC):
    """Hold what every engine says of the network that it runs; each engine adds how it runs it.

    Args:
        labels: The label names, one per logit.
        thresholds: Thresholds that came with the network.
        rules: What decisions obey.
        preprocessing: How a photo becomes pixels.
        views_per_batch: Views that are best computed together.
    """

    def __init__(
        self,
        *,
        labels: tuple[str, ...],
        thresholds: Thresholds,
        rules: LabelRules,
        preprocessing: Preprocessing,
        views_per_batch: int,
    ) -> None:
        """Keep what the network is."""
        self._labels = labels
        self._thresholds = thresholds
        self._rules = rules
        self._preprocessing = preprocessing
        self._views_per_batch = views_per_batch

    @property
    def labels(self) -> tuple[str, ...]:
        """Name the labels, in the order of the columns."""
        return self._labels

    @property
    def thresholds(self) -> Thresholds:
        """Return the thresholds that came with the model."""
        return self._thresholds

    @property
    def rules(self) -> LabelRules:
        """Return the rules that decisions obey."""
        return self._rules

    @property
    def preprocessing(self) -> Preprocessing:
        """Say how a photo becomes pixels."""
        return self._preprocessing

    @property
    def batch_size(self) -> int:
        """Say how many photos are best scored together."""
        return max(1, self._views_per_batch // self._preprocessing.n_views)

    @property
    def n_parallel(self) -> int:
        """Say how many batches keep the engine busy: one, where ``start`` returns with it done."""
        return 1

    def predict_proba(self, photos: Sequence[Image.Image]) -> FloatArray:
        """Return probabilities [n_photos, n_labels] for upright RGB photos of any size."""
        return score_photos(self, photos)

    def to_scores(self, logits: FloatArray, *, n_rows: int) -> FloatArray:
        """Return what ``logits_to_scores`` makes of the logits of ``n_rows`` views."""
        n_views = self._preprocessing.n_views
        return logits_to_scores(logits, n_rows=n_rows, n_labels=len(self._labels), n_views=n_views)

    @property
    @abstractmethod
    def engine(self) -> str:
        """Say what computes, and in which numbers."""

    @abstractmethod
    def start(self, pixels: PixelArray) -> Finish:
        """Begin to score the views of some photos; arguments and result as in ``PixelPredictor``."""


def check_shapes(ends: Sequence[Sequence[int]], *, config: BundleConfig, source: Path | None) -> None:
    """Check that a model from a file takes the pixels of a bundle and gives its logits.

    Args:
        ends: Shapes of input and output; -1 where any number fits.
        config: What the file is said to be made from.
        source: Names the file in errors; None for a model that was made here.

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
            where = "the network" if source is None else source
            raise BundleError(
                f"{where}: does not fit config.json: expected {wanted} per photo, got {given[1:]}"
            )


def score_photos(predictor: PixelPredictor, photos: Sequence[Image.Image]) -> FloatArray:
    """Return probabilities [n_photos, n_labels] for upright RGB photos of any size."""
    scores = np.empty((len(photos), len(predictor.labels)))
    for start in range(0, len(photos), predictor.batch_size):
        views = [
            resize_views(photo, predictor.preprocessing)
            for photo in photos[start : start + predictor.batch_size]
        ]
        scores[start : start + len(views)] = predictor.start(np.concatenate(views))()
    return scores


def score_pixels(predictor: PixelPredictor, pixels: PixelArray) -> FloatArray:
    """Return probabilities [n_photos, n_labels] of photos, of any number.

    Args:
        predictor: What scores.
        pixels: Views of the photos [n_photos * n_views, side_px, side_px, 3].
    """
    size = predictor.batch_size * predictor.preprocessing.n_views
    batches = [pixels[start : start + size] for start in range(0, len(pixels), size)]
    return np.concatenate(
        [np.empty((0, len(predictor.labels))), *(predictor.start(batch)() for batch in batches)]
    )


def logits_to_scores(logits: FloatArray, *, n_rows: int, n_labels: int, n_views: int) -> FloatArray:
    """Check what a network gave, and turn it into scores.

    Args:
        logits: As for ``average_views``.
        n_rows: Views that the network was given.
        n_labels: Labels of the network.
        n_views: Views per photo.

    Returns:
        Probabilities [n_photos, n_labels].

    Raises:
        EngineError: The logits have another shape, or are no numbers.
    """
    if logits.shape != (n_rows, n_labels):
        raise EngineError(
            f"the network gives outputs of shape {list(logits.shape)}, expected {[n_rows, n_labels]} for "
            f"{n_rows} views and {n_labels} labels; the bundle is damaged, copy it again or train it anew"
        )
    with np.errstate(invalid="ignore"):
        scores = average_views(logits, n_views=n_views)
    n_lost = int(np.isnan(scores).any(axis=1).sum())
    if n_lost:
        raise EngineError(
            f"the network gives no number (NaN) for {n_lost} of {len(scores)} photos scored together; its "
            "weights or its preprocessing are damaged, copy the bundle again or train it anew"
        )
    return scores


def average_views(logits: FloatArray, *, n_views: int) -> FloatArray:
    """Turn the logits of each photo's views into its scores.

    Args:
        logits: [n_photos * n_views, n_labels], double precision: it keeps the order of scores near 0 and 1,
            which average precision looks at.
        n_views: Views per photo, at least 1.

    Returns:
        Probabilities [n_photos, n_labels]: the sigmoid of the mean logit.

    Examples:
        >>> average_views(np.array([[2.0, -800.0], [-2.0, -800.0]]), n_views=2)
        array([[0.5, 0. ]])
    """
    mean = logits.reshape(-1, n_views, logits.shape[1]).mean(axis=1)  # [n_photos, n_labels]
    return np.asarray(np.exp(-np.logaddexp(0.0, -mean)))
