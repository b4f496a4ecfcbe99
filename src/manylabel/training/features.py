"""Compute what a frozen part of a model makes of photos, once, and keep it on disk.

In:  a frozen part of a model, photos, the number of views of each.
Out: values [n_photos, n_views, ...]; views that scores are averaged over, then augmented ones.

The cache is keyed by everything that decides a value: the photos' pixels, the weights and the preprocessing,
the augmentation, the seed, the number types, the engine. What has another key is another file.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import PIL
import timm
import torch
import torchvision
from numpy.typing import DTypeLike, NDArray
from torch import Tensor, nn

from manylabel.config import AugmentationConfig
from manylabel.engines.frozen import EnginePlan, FrozenModel
from manylabel.errors import WeightsError
from manylabel.io.cache import feature_path
from manylabel.models.classifier import Classifier
from manylabel.models.splitting import SplitBackbone
from manylabel.preprocess import PixelArray, Preprocessing, resize_views
from manylabel.training.batches import draw_view, prefetch, render_view
from manylabel.training.feature_store import FeatureWriter, FrozenFeatures, read_or_compute
from manylabel.training.photo_store import PhotoStore
from manylabel.types import IntArray

_FORMAT_VERSION = 5
_BATCH_SIZE = 32


class FrozenPart:
    """The frozen part of a model, and the engine that runs it.

    Args:
        classifier: The model, in inference mode, on the device where it is to run.
        plan: Which engine runs it.
        split: Its backbone, split in two: the activations between are computed, in 16 bits. Not given: the
            features of the whole backbone, in 32 bits.
    """

    def __init__(
        self, classifier: Classifier, plan: EnginePlan, *, split: SplitBackbone | None = None
    ) -> None:
        """Compile nothing yet: what is computed may lie in the cache."""
        self.backbone, self.plan = classifier.backbone, plan
        self.preprocessing: Preprocessing = classifier.preprocessing
        self.shape = (classifier.n_features,) if split is None else split.layer.shape
        self.dtype: DTypeLike = np.float32 if split is None else np.float16
        self.what = "features" if split is None else f"activations behind {split.layer.name}"
        network = classifier.backbone if split is None else split.below
        self._module = _PixelsIn(classifier, network).eval()
        self._frozen = FrozenModel(self._module, plan)

    @cached_property
    def weights_hash(self) -> str:
        """Return the SHA-256 of the weights that decide the values."""
        return weights_sha256(self._module.network)

    def run(self, batches: Iterator[PixelArray]) -> Iterator[NDArray[np.float32]]:
        """Yield values of batches of pixels [batch, side_px, side_px, 3]."""
        return self._frozen.run(batches)


def weights_sha256(module: nn.Module) -> str:
    """Return the SHA-256 of the weights and buffers of a module, with their names."""
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().data)
    return digest.hexdigest()


class _PixelsIn(nn.Module):
    """A model that takes pixels."""

    def __init__(self, classifier: Classifier, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        # Not as a module of this one: its head is no part of what is computed.
        self._normalise = classifier.normalize

    def forward(self, pixels: Tensor) -> Tensor:
        """Return what the model gives for pixels [n, side_px, side_px, 3]."""
        values: Tensor = self.network(self._normalise(pixels))
        return values


@dataclass(frozen=True, kw_only=True)
class FeatureSettings:
    """The views of a photo that are computed.

    Attributes:
        n_plain: Views per photo that scores are averaged over, the photo itself first.
        n_augmented: Augmented views per photo, beside those.
        augmentation: How augmented views vary.
        seed: Seed of the views; together with a photo's pixels it decides them.
        cache: Folder of the cache; None computes without one.
    """

    n_plain: int
    n_augmented: int
    augmentation: AugmentationConfig
    seed: int
    cache: Path | None


def frozen_features(
    part: FrozenPart,
    store: PhotoStore,
    rows: IntArray,
    *,
    settings: FeatureSettings,
    on_photo: Callable[[int], None] = lambda n_done: None,
) -> FrozenFeatures:
    """Return what a frozen part makes of some photos, from the cache, or compute and cache it.

    Args:
        part: What is computed, and how.
        store: The photos.
        rows: Which photos [n_photos].
        settings: Which views.
        on_photo: Called with the number of photos done.

    Raises:
        PhotoError: A photo that is read again has changed, or cannot be read any more.
        ConfigError: MANYLABEL_CACHE_GB is no positive number.
        OutputError: The disk lost what had been written.
        WeightsError: The model gives infinite values.
    """
    with suppress(OverflowError):
        return _stored_features(part, store, rows, settings, dtype=part.dtype, on_photo=on_photo)
    return _stored_features(part, store, rows, settings, dtype=np.float32, on_photo=on_photo)


def _stored_features(
    part: FrozenPart,
    store: PhotoStore,
    rows: IntArray,
    settings: FeatureSettings,
    *,
    dtype: DTypeLike,
    on_photo: Callable[[int], None],
) -> FrozenFeatures:
    preprocessing = replace(part.preprocessing, n_views=settings.n_plain)
    n_views = settings.n_plain + settings.n_augmented
    shape = (len(rows), n_views, *part.shape)
    if not len(rows):
        return FrozenFeatures(values=np.empty(shape, dtype=dtype), seconds=0.0, is_cached=False)

    def compute(writer: FeatureWriter) -> None:
        done = 0
        for values in part.run(_batches_of_views(store, rows, preprocessing, settings)):
            writer.append(_cast(values, dtype))
            done += len(values)
            on_photo(done // n_views)

    key = _cache_key(part, [store.hashes[row] for row in rows], settings, dtype=dtype)
    features = read_or_compute(
        None if settings.cache is None else feature_path(settings.cache, key),
        shape=shape,
        dtype=dtype,
        metadata={
            "model": part.backbone.name,
            "n_photos": str(len(rows)),
            "n_views": str(n_views),
            "what": part.what,
        },
        compute=compute,
    )
    if features.is_cached:
        on_photo(len(rows))
    return features


def _cast(values: NDArray[np.float32], dtype: DTypeLike) -> NDArray[np.floating]:
    """Return values in another number type.

    Raises:
        OverflowError: One is too large for it.
        WeightsError: One is no number.
    """
    if not np.isfinite(values).all():
        raise WeightsError("the model gives values that are no finite numbers for some photos of this run")
    with np.errstate(over="ignore"):
        cast = values.astype(dtype)
    if not np.isfinite(cast).all():
        raise OverflowError(f"{np.abs(values).max():.3g} is too large for {np.dtype(dtype)}")
    return cast


def _batches_of_views(
    store: PhotoStore, rows: IntArray, preprocessing: Preprocessing, settings: FeatureSettings
) -> Iterator[PixelArray]:
    """Yield pixels [batch, side_px, side_px, 3], photo by photo, first the views of an evaluation."""

    def render(row: int) -> PixelArray:
        photo = store[row]
        rng = np.random.default_rng([settings.seed, int(store.hashes[row][:15], 16)])
        augmented = [
            draw_view(photo.size, preprocessing=preprocessing, augmentation=settings.augmentation, rng=rng)
            for _ in range(settings.n_augmented)
        ]
        drawn = [render_view(photo, view, preprocessing=preprocessing) for view in augmented]
        return np.stack([*resize_views(photo, preprocessing), *drawn])

    n_photos = max(1, _BATCH_SIZE // (settings.n_plain + settings.n_augmented))
    batches = [rows[start : start + n_photos].tolist() for start in range(0, len(rows), n_photos)]
    for views in prefetch(batches, render=render):
        yield np.concatenate(views)


def _cache_key(part: FrozenPart, hashes: list[str], settings: FeatureSettings, *, dtype: DTypeLike) -> str:
    plan = part.plan
    decides = {
        "format": _FORMAT_VERSION,
        "photos": hashes,
        "weights": part.weights_hash,
        "backbone": part.backbone.name,
        "what": part.what,
        "dtype": np.dtype(dtype).name,
        "preprocessing": replace(part.preprocessing, n_views=settings.n_plain).to_dict(),
        # The views of an evaluation are the same whatever the seed.
        "augmented": [settings.n_augmented, settings.seed, asdict(settings.augmentation)]
        if settings.n_augmented
        else None,
        "engine": [plan.name, plan.version, plan.device.type, str(plan.precision)],
        "versions": [torch.__version__, torchvision.__version__, timm.__version__, PIL.__version__],
    }
    return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()
