"""Score photos and keep what the backbone makes of them.

In:  a bundle and photo files.
Out: scores [n_photos, n_labels] and features [n_photos, n_features] of the photos that can be read.
"""

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from manylabel.bundle.folder import Bundle
from manylabel.config import DeviceName
from manylabel.data.photos import convert_photos
from manylabel.engines.base import logits_to_scores
from manylabel.engines.torch import load_classifier
from manylabel.errors import PhotoError
from manylabel.models.classifier import Classifier
from manylabel.models.device import choose_device, choose_precision
from manylabel.models.frozen import compile_frozen, plan_engine
from manylabel.preprocess import PixelArray, resize_views
from manylabel.types import FloatArray, IntArray, Progress, ProgressCallback, ignore_progress

_VIEWS_PER_BATCH = 32


@dataclass(frozen=True, eq=False, kw_only=True)
class FeatureScores:
    """Hold scores and features of some photos.

    Attributes:
        rows: Places of the photos that could be read among the files that were given [n_photos].
        scores: Probabilities [n_photos, n_labels].
        features: What the backbone makes of each photo as it is [n_photos, n_features].
        failures: An error for each file that could not be read.
    """

    rows: IntArray
    scores: FloatArray
    features: NDArray[np.float32]
    failures: tuple[PhotoError, ...]


def score_with_features(
    bundle: Bundle,
    paths: Sequence[Path],
    *,
    names: Sequence[str],
    device: DeviceName = "auto",
    on_progress: ProgressCallback = ignore_progress,
) -> FeatureScores:
    """Score photo files, each batch once through the backbone.

    Args:
        bundle: The network.
        paths: The files.
        names: What to call them.
        device: Where to compute.
        on_progress: Hears of progress.

    Raises:
        BundleError: The weights do not fit.
        ConfigError: The wanted device is not there.
    """
    where = choose_device(device)
    classifier = load_classifier(bundle)
    n_views = classifier.preprocessing.n_views
    reading = _Reading(names=names, on_progress=on_progress)
    features, logits = [], []
    read = convert_photos(
        paths,
        partial(resize_views, preprocessing=classifier.preprocessing),
        side_px=classifier.preprocessing.side_px,
        n_ahead=2 * _VIEWS_PER_BATCH,
    )
    with closing(read):
        batches = reading.batches(read, size=max(1, _VIEWS_PER_BATCH // n_views))
        for values in _run_backbone(classifier, batches, where):  # [n_photos * n_views, n_features]
            features.append(values[::n_views])
            logits.append(_run_head(classifier, values))
    empty = np.empty((0, classifier.n_features), dtype=np.float32)
    all_logits = np.concatenate([np.empty((0, len(classifier.labels))), *logits])
    return FeatureScores(
        rows=np.array(reading.rows, dtype=np.int64),
        scores=logits_to_scores(
            all_logits, n_rows=n_views * len(reading.rows), n_labels=len(classifier.labels), n_views=n_views
        ),
        features=np.concatenate([empty, *features]),
        failures=tuple(reading.failures),
    )


@dataclass(kw_only=True)
class _Reading:
    """Make batches of photos that are read, and keep count of them and of those that cannot be read."""

    names: Sequence[str]
    on_progress: ProgressCallback
    rows: list[int] = field(default_factory=list)
    failures: list[PhotoError] = field(default_factory=list)

    def batches(
        self, photos: Generator[PixelArray | PhotoError, None, None], *, size: int
    ) -> Iterator[PixelArray]:
        """Yield the views [n_photos * n_views, side_px, side_px, 3] of the next photos that can be read."""
        readable = self._readable(photos)
        while views := list(islice(readable, size)):
            yield np.concatenate(views)

    def _readable(self, photos: Generator[PixelArray | PhotoError, None, None]) -> Iterator[PixelArray]:
        for row, read in enumerate(photos):
            if isinstance(read, PhotoError):
                self.failures.append(PhotoError(Path(self.names[row]), read.reason))
            else:
                self.rows.append(row)
                yield read
            self.on_progress(Progress(subject="photos", stage="scoring", done=row + 1, total=len(self.names)))


class _Features(nn.Module):
    """Turn pixels into features, as a module of its own for the engine."""

    def __init__(self, classifier: Classifier) -> None:
        super().__init__()
        self.classifier = classifier

    def forward(self, pixels: Tensor) -> Tensor:
        """Return features [n, n_features] of pixels [n, side_px, side_px, 3]."""
        return self.classifier.features(pixels)


def _run_backbone(
    classifier: Classifier, batches: Iterator[PixelArray], device: torch.device
) -> Iterator[NDArray[np.float32]]:
    """Yield the features of each batch, from the fastest engine that computes the same as torch."""
    first = next(batches, None)
    if first is None:
        return
    plan = plan_engine("auto", device=device, precision=choose_precision("auto", device))
    module = _Features(classifier).to(device).eval()
    engine = compile_frozen(module, plan, sample=first[[0, -1]])
    yield from engine.run(chain([first], batches))


@torch.inference_mode()
def _run_head(classifier: Classifier, features: NDArray[np.float32]) -> FloatArray:
    """Return the logits [n, n_labels] of features, in 32 bits."""
    where = next(classifier.parameters()).device
    logits: Tensor = classifier.head(torch.from_numpy(features).to(where))
    return np.asarray(logits.cpu().double().numpy())
