"""Compute what a frozen backbone makes of photos, once, and keep it on disk.

In:  a frozen backbone, photos, the number of views of each.
Out: features [n_photos, n_views, n_features]; views that scores are averaged over, then augmented ones.

The cache is keyed by everything that decides a feature: the photos' pixels, the backbone's weights and
preprocessing, the augmentation, the seed, the number type. What has another key is another file.
"""

import hashlib
import json
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import PIL
import timm
import torch
import torchvision
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file
from torch import Tensor

from manylabel.config import AugmentationConfig
from manylabel.models.classifier import Classifier
from manylabel.predictors.torch_predictor import autocast
from manylabel.preprocess import PixelArray, Preprocessing, resize_views
from manylabel.training.photo_store import PhotoStore
from manylabel.training.prefetch import prefetch
from manylabel.training.views import View, draw_view, jitter_colours, plain_view, render_view
from manylabel.types import IntArray

FeatureArray = NDArray[np.float32]

_FORMAT_VERSION = 1
_BATCH_SIZE = 32
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False, kw_only=True)
class FrozenFeatures:
    """Hold the features of some photos.

    Attributes:
        values: [n_photos, n_views, n_features]; the views of an evaluation come first.
        seconds: Wall time of computing them, also where they were computed by an earlier run.
        is_cached: Whether they came from the cache.
    """

    values: FeatureArray
    seconds: float
    is_cached: bool


@dataclass(frozen=True, kw_only=True)
class FeatureSettings:
    """Say which views of a photo are computed, and how.

    Attributes:
        n_augmented: Augmented views per photo, beside those that its scores are averaged over.
        augmentation: How augmented views vary.
        seed: Seed of the views; together with a photo's pixels it decides them.
        precision: Number type of the forward pass.
        cache: Folder of the cache; None computes without one.
    """

    n_augmented: int
    augmentation: AugmentationConfig
    seed: int
    precision: torch.dtype
    cache: Path | None


def frozen_features(
    classifier: Classifier,
    store: PhotoStore,
    rows: IntArray,
    *,
    settings: FeatureSettings,
    on_photo: Callable[[int], None] = lambda n_done: None,
) -> FrozenFeatures:
    """Return the features of some photos from the cache, or compute and cache them.

    Args:
        classifier: Its backbone is used, frozen, on the device where it lies.
        store: The photos.
        rows: Which photos [n_photos].
        settings: Which views, and how.
        on_photo: Hears how many photos are done.
    """
    if not len(rows):
        nothing = np.empty(
            (0, classifier.preprocessing.n_views + settings.n_augmented, classifier.n_features),
            dtype=np.float32,
        )
        return FrozenFeatures(values=nothing, seconds=0.0, is_cached=False)
    key = _cache_key(classifier, [store.hashes[row] for row in rows], settings)
    file = None if settings.cache is None else settings.cache / "features" / f"{key}.safetensors"
    n_views = classifier.preprocessing.n_views + settings.n_augmented
    shape = (len(rows), n_views, classifier.n_features)
    cached = None if file is None else _read_cached(file, shape)
    if cached is not None:
        on_photo(len(rows))
        return cached
    started = time.perf_counter()
    values = _compute(classifier, store, rows, settings, on_photo)
    features = FrozenFeatures(values=values, seconds=time.perf_counter() - started, is_cached=False)
    if file is not None:
        _write_cached(file, features)
    return features


def _compute(
    classifier: Classifier,
    store: PhotoStore,
    rows: IntArray,
    settings: FeatureSettings,
    on_photo: Callable[[int], None],
) -> FeatureArray:
    device = next(classifier.parameters()).device
    n_views = classifier.preprocessing.n_views + settings.n_augmented
    values = np.empty((len(rows) * n_views, classifier.n_features), dtype=np.float32)
    classifier.eval()
    done = 0
    with torch.inference_mode(), autocast(device, settings.precision):
        for pixels in _batches_of_views(store, rows, classifier.preprocessing, settings):
            batch = classifier.features(pixels.to(device))  # [batch, n_features]
            values[done : done + len(batch)] = batch.float().cpu().numpy()
            done += len(batch)
            on_photo(done // n_views)
    return values.reshape(len(rows), n_views, classifier.n_features)


def _batches_of_views(
    store: PhotoStore, rows: IntArray, preprocessing: Preprocessing, settings: FeatureSettings
) -> Iterator[Tensor]:
    """Yield pixels [batch, side_px, side_px, 3]: photo by photo, first the views of an evaluation."""

    def render(row: int) -> tuple[PixelArray, list[View]]:
        photo = store[row]
        evaluated = resize_views(photo, preprocessing)  # [n_views, side_px, side_px, 3]
        plain = plain_view(photo.size, preprocessing=preprocessing)
        rng = np.random.default_rng([settings.seed, int(store.hashes[row][:15], 16)])
        augmented = [
            draw_view(photo.size, preprocessing=preprocessing, augmentation=settings.augmentation, rng=rng)
            for _ in range(settings.n_augmented)
        ]
        drawn = [render_view(photo, view, preprocessing=preprocessing) for view in augmented]
        return np.stack([*evaluated, *drawn]), [plain] * len(evaluated) + augmented

    n_photos = max(1, _BATCH_SIZE // (preprocessing.n_views + settings.n_augmented))
    batches = [rows[start : start + n_photos].tolist() for start in range(0, len(rows), n_photos)]
    for items in prefetch(batches, render=render):
        pixels = torch.from_numpy(np.concatenate([pixels for pixels, _ in items]))
        yield jitter_colours(pixels, [view for _, views in items for view in views])


def _cache_key(classifier: Classifier, hashes: list[str], settings: FeatureSettings) -> str:
    decides = {
        "format": _FORMAT_VERSION,
        "photos": hashes,
        "weights": _weights_hash(classifier.backbone),
        "backbone": classifier.backbone.name,
        "preprocessing": classifier.preprocessing.to_dict(),
        "augmentation": asdict(settings.augmentation),
        "n_augmented": settings.n_augmented,
        "seed": settings.seed,
        "precision": str(settings.precision),
        "device": next(classifier.parameters()).device.type,
        "versions": [torch.__version__, torchvision.__version__, timm.__version__, PIL.__version__],
    }
    return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()


def _weights_hash(backbone: torch.nn.Module) -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(backbone.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().data)
    return digest.hexdigest()


def _read_cached(file: Path, shape: tuple[int, int, int]) -> FrozenFeatures | None:
    """Return the features of a cache file, or None where there is none or it is damaged."""
    try:
        with safe_open(file, framework="numpy") as opened:
            values = opened.get_tensor("features")
            seconds = float((opened.metadata() or {})["seconds"])
        if values.shape != shape or values.dtype != np.float32:
            raise ValueError(f"features {values.dtype}{[*values.shape]}, expected float32{[*shape]}")
    except FileNotFoundError:
        return None
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        _logger.warning("%s is damaged (%s); its features are computed again", file.name, error)
        return None
    return FrozenFeatures(values=values, seconds=seconds, is_cached=True)


def _write_cached(file: Path, features: FrozenFeatures) -> None:
    """Write under a temporary name, then rename; a cache that cannot be written stops nothing."""
    temporary = file.with_suffix(f".{os.getpid()}.partial")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        save_file({"features": features.values}, temporary, metadata={"seconds": repr(features.seconds)})
        temporary.replace(file)
    except (OSError, SafetensorError) as error:
        _logger.warning("features could not be cached in %s: %s", file.parent, error)
        with suppress(OSError):
            temporary.unlink()
