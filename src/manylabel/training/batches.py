"""Give the batches that the loop learns from.

In:  cached features or photos, and the targets of the same photos.
Out: inputs [batch, ...] and targets [batch, n_labels], every photo once per epoch, each time in another view.
"""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, count

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from manylabel.config import AugmentationConfig
from manylabel.preprocess import PixelArray, Preprocessing, resize_views
from manylabel.training.augment import draw_view, render_view
from manylabel.training.photo_store import PhotoStore
from manylabel.training.prefetch import prefetch
from manylabel.types import FloatArray, IntArray

_EVALUATION_BATCH_SIZE = 32


@dataclass(frozen=True, eq=False, kw_only=True)
class FeatureBatches:
    """Give cached features or activations, of each photo one view per epoch.

    A photo shows all its views, in a random order of its own, before it shows one again.

    Attributes:
        features: [n_cached, n_cached_views, ...]; only what a batch needs is read.
        views: Which of the views, of every photo [n_views].
        rows: Which of the photos [n_photos].
        targets: [n_photos, n_labels].
        batch_size: Photos per batch; batches of one epoch differ by at most one photo.
        rng: Source of the order and of the views.
    """

    features: Tensor
    views: IntArray
    rows: IntArray
    targets: Tensor
    batch_size: int
    rng: np.random.Generator

    @property
    def n_batches(self) -> int:
        """Count the batches of an epoch."""
        return -(-len(self.targets) // self.batch_size)

    def epoch(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield features [batch, ...] and targets [batch, n_labels]."""
        views = next(self._views_of_epochs)
        for batch in np.array_split(self.rng.permutation(len(self.rows)), self.n_batches):
            yield self.features[self.rows[batch], views[batch]], self.targets[batch]

    @cached_property
    def _views_of_epochs(self) -> Iterator[IntArray]:
        """Yield the view of each photo [n_photos], epoch after epoch without end."""
        views = np.tile(self.views, (len(self.rows), 1))  # [n_photos, n_views]
        return chain.from_iterable(self.rng.permuted(views, axis=1).T for _ in count())


@dataclass(frozen=True, eq=False, kw_only=True)
class PhotoBatches:
    """Give photos, of each a freshly drawn view.

    Attributes:
        store: The photos.
        rows: Which of them [n_photos].
        targets: [n_photos, n_labels].
        preprocessing: The square that the network sees.
        augmentation: How views vary.
        batch_size: Photos per batch; batches of one epoch differ by at most one photo, so that none is
            too small for batch normalisation.
        rng: Source of the order and of the views.
    """

    store: PhotoStore
    rows: IntArray
    targets: Tensor
    preprocessing: Preprocessing
    augmentation: AugmentationConfig
    batch_size: int
    rng: np.random.Generator

    @property
    def n_batches(self) -> int:
        """Count the batches of an epoch."""
        return -(-len(self.rows) // self.batch_size)

    def epoch(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield pixels [batch, side_px, side_px, 3], uint8, and targets [batch, n_labels]."""
        seeds = self.rng.integers(2**63, size=len(self.rows))
        batches = np.array_split(self.rng.permutation(len(self.rows)), self.n_batches)
        rendered = prefetch(
            [[(place, seeds[place]) for place in batch] for batch in batches], render=self._render
        )
        for batch, items in zip(batches, rendered, strict=True):
            yield torch.from_numpy(np.stack(items)), self.targets[batch]

    def _render(self, job: tuple[int, int]) -> PixelArray:
        place, seed = job
        photo = self.store[self.rows[place]]
        view = draw_view(
            photo.size,
            preprocessing=self.preprocessing,
            augmentation=self.augmentation,
            rng=np.random.default_rng(seed),
        )
        return render_view(photo, view, preprocessing=self.preprocessing)


def evaluation_batches(store: PhotoStore, rows: IntArray, preprocessing: Preprocessing) -> Iterator[Tensor]:
    """Yield the views that scores are averaged over, row by row, view by view.

    Args:
        store: The photos.
        rows: Which of them, in order.
        preprocessing: The square that the network sees, and the number of views.

    Yields:
        Pixels [batch * n_views, side_px, side_px, 3], uint8.
    """

    def render(row: int) -> PixelArray:
        return resize_views(store[row], preprocessing)

    starts = range(0, len(rows), _EVALUATION_BATCH_SIZE)
    batches = [rows[start : start + _EVALUATION_BATCH_SIZE].tolist() for start in starts]
    for views in prefetch(batches, render=render):
        yield torch.from_numpy(np.concatenate(views))


def as_tensor(targets: FloatArray) -> Tensor:
    """Return targets as float32 on the CPU, NaN kept."""
    return torch.from_numpy(np.array(targets, dtype=np.float32))


def shared_tensor(values: NDArray[np.floating]) -> Tensor:
    """Return a tensor that reads the memory or file of an array; it may be read-only."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*not writable", category=UserWarning)
        return torch.from_numpy(values)
