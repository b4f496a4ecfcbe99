"""Draw augmented views, and batch photos or cached features for the loop.

In:  cached features or photos, the targets of the same photos, what may vary, a generator.
Out: inputs [batch, ...] and targets [batch, n_labels], every photo once per epoch, each time in another view.

The study flipped photos and varied brightness, contrast and saturation; a random resized crop is added, and
quarter turns of photos that have no upper side. Threads prepare the next batches while one is used.
"""

import math
import os
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, count
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageStat
from torch import Tensor

from manylabel.config import AugmentationConfig
from manylabel.preprocess import (
    N_QUARTER_TURNS,
    Box,
    PixelArray,
    Preprocessing,
    evaluation_box,
    resize_photo,
    resize_views,
    turn,
)
from manylabel.training.distributed import own_part
from manylabel.training.photo_store import PhotoStore
from manylabel.types import FloatArray, IntArray

_EVALUATION_BATCH_SIZE = 32


@dataclass(frozen=True, eq=False, kw_only=True)
class FeatureBatches:
    """Batches of cached features or activations, one view of each photo per epoch.

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
    """Batches of photos, a freshly drawn view of each.

    Attributes:
        store: The photos.
        rows: Which of them [n_photos].
        targets: [n_photos, n_labels].
        preprocessing: The square that the model sees.
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
        """Yield pixels [batch, side_px, side_px, 3], uint8, and targets [batch, n_labels].

        If several processes train together, each yields its part of every batch.
        """
        seeds = self.rng.integers(2**63, size=len(self.rows))
        batches = np.array_split(self.rng.permutation(len(self.rows)), self.n_batches)
        batches = [own_part(batch) for batch in batches]
        rendered = prefetch(
            [[(index, seeds[index]) for index in batch] for batch in batches], render=self._render
        )
        for batch, items in zip(batches, rendered, strict=True):
            yield torch.from_numpy(np.stack(items)), self.targets[batch]

    def _render(self, job: tuple[int, int]) -> PixelArray:
        index, seed = job
        photo = self.store[self.rows[index]]
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
        preprocessing: The square that the model sees, and the number of views.

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


_LONGEST = 4 / 3
_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, as Pillow and torchvision weigh red, green and blue


@dataclass(frozen=True, kw_only=True)
class View:
    """The random choices of one view.

    Attributes:
        box: Part of the photo: left, upper, right, lower in pixels.
        is_flipped: Whether it is mirrored left to right.
        brightness: Factor of all values, 1 for no change.
        contrast: Factor of the distance to the mean gray, 1 for no change.
        saturation: Factor of the distance to the pixel's own gray, 1 for no change.
        n_quarter_turns: Quarter turns counter-clockwise, after mirroring.
    """

    box: Box
    is_flipped: bool
    brightness: float
    contrast: float
    saturation: float
    n_quarter_turns: int = 0


def draw_view(
    size: tuple[int, int],
    *,
    preprocessing: Preprocessing,
    augmentation: AugmentationConfig,
    rng: np.random.Generator,
) -> View:
    """Draw the random choices of one view.

    Args:
        size: Width and height of the photo in pixels.
        preprocessing: The part that an evaluation sees; crops are taken inside it.
        augmentation: What may vary, and how far.
        rng: Source of chance.
    """
    return View(
        box=draw_box(evaluation_box(size, preprocessing), min_scale=augmentation.crop_scale, rng=rng),
        is_flipped=bool(rng.random() < augmentation.horizontal_flip),
        brightness=1 + augmentation.brightness * rng.uniform(-1, 1),
        contrast=1 + augmentation.contrast * rng.uniform(-1, 1),
        saturation=1 + augmentation.saturation * rng.uniform(-1, 1),
        n_quarter_turns=int(rng.integers(N_QUARTER_TURNS)) if preprocessing.orientation == "any" else 0,
    )


def draw_box(whole: Box, *, min_scale: float, rng: np.random.Generator) -> Box:
    """Draw a random part of a photo, of random area and of a shape within 3:4 and 4:3 of the whole's.

    Args:
        whole: Left, upper, right, lower of what may be used, in pixels.
        min_scale: Smallest share of the area, in (0, 1]; 1 returns the whole.
        rng: Source of chance.
    """
    if min_scale >= 1:
        return whole
    left, upper, right, lower = whole
    width, height = right - left, lower - upper
    scale = rng.uniform(min_scale, 1)
    # A large part cannot be as long and narrow as a small one: it would not fit.
    longest = math.log(min(_LONGEST, 1 / scale))
    stretch = math.exp(rng.uniform(-longest, longest))
    part_width, part_height = width * math.sqrt(scale * stretch), height * math.sqrt(scale / stretch)
    # Rounding must not leave the photo: Pillow refuses a box that does.
    x = left + rng.uniform(0, max(0.0, width - part_width))
    y = upper + rng.uniform(0, max(0.0, height - part_height))
    return (x, y, min(x + part_width, right), min(y + part_height, lower))


def render_view(photo: Image.Image, view: View, *, preprocessing: Preprocessing) -> PixelArray:
    """Crop, resize, change colors, mirror and turn.

    Returns:
        Pixels [side_px, side_px, 3].
    """
    pixels = resize_photo(photo, preprocessing, box=view.box)
    return turn(
        change_colors(pixels, view), n_quarter_turns=view.n_quarter_turns, is_mirrored=view.is_flipped
    )


def change_colors(pixels: PixelArray, view: View) -> PixelArray:
    """Change brightness, then contrast, then saturation, as torchvision defines each.

    The three are one linear map of red, green and blue, which Pillow applies while other threads go on: in
    the graph of a frozen MobileNetV2 they took as long as the model. Values are clipped once, after it.

    Args:
        pixels: [height, width, 3].
        view: The factors.

    Returns:
        Pixels of the same shape.
    """
    if view.brightness == view.contrast == view.saturation == 1:
        return pixels
    photo = Image.fromarray(pixels)
    [mean_gray] = ImageStat.Stat(photo.convert("L")).mean
    scale = view.brightness * view.contrast
    # Row by row for red, green, blue: three weights of the old values, and what is added.
    weights = scale * (view.saturation * np.eye(3) + (1 - view.saturation) * np.array(_LUMA))  # [3, 3]
    added = np.full((3, 1), view.brightness * (1 - view.contrast) * mean_gray)
    return np.asarray(photo.convert("RGB", tuple(np.hstack([weights, added]).ravel().tolist())))


Job = TypeVar("Job")
Item = TypeVar("Item")

_BATCHES_AHEAD = 2


def prefetch(batches: Iterable[Sequence[Job]], *, render: Callable[[Job], Item]) -> Iterator[list[Item]]:
    """Yield batches of rendered jobs.

    Args:
        batches: What to do, in order.
        render: Turns a job into an item; runs in several threads, so Pillow and numpy work in parallel.

    Raises:
        Exception: Whatever ``render`` raises, at the batch of the job that raised it.

    Examples:
        >>> list(prefetch([[1, 2], [3]], render=lambda number: number * 10))
        [[10, 20], [30]]
    """
    threads = ThreadPoolExecutor(max_workers=os.cpu_count() or 1)
    waiting: deque[list[Future[Item]]] = deque()
    try:
        for batch in batches:
            waiting.append([threads.submit(render, job) for job in batch])
            if len(waiting) > _BATCHES_AHEAD:
                yield [item.result() for item in waiting.popleft()]
        while waiting:
            yield [item.result() for item in waiting.popleft()]
    finally:
        threads.shutdown(wait=False, cancel_futures=True)
