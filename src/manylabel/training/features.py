"""Compute what a frozen backbone makes of photos, once, and keep it on disk.

In:  a frozen backbone, photos, the number of views of each.
Out: features [n_photos, n_views, n_features]; views that scores are averaged over, then augmented ones.

The cache is keyed by everything that decides a feature: the photos' pixels, the backbone's weights and
preprocessing, the augmentation, the seed, the number type. What has another key is another file.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import PIL
import timm
import torch
import torchvision
from torch import Tensor

from manylabel.cache import feature_path
from manylabel.config import AugmentationConfig
from manylabel.models.classifier import Classifier
from manylabel.predictors.torch_predictor import autocast
from manylabel.preprocess import PixelArray, Preprocessing, resize_views
from manylabel.training.feature_cache import FrozenFeatures, read_or_compute
from manylabel.training.feature_file import FeatureWriter
from manylabel.training.photo_store import PhotoStore
from manylabel.training.prefetch import prefetch
from manylabel.training.views import View, draw_view, jitter_colours, plain_view, render_view
from manylabel.types import IntArray

_FORMAT_VERSION = 2
_BATCH_SIZE = 32


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

    Raises:
        PhotoError: A photo that is read again has changed, or cannot be read any more.
        ConfigError: MANYLABEL_CACHE_GB is no positive number.
        OutputError: The disk lost what had been written.
    """
    n_views = classifier.preprocessing.n_views + settings.n_augmented
    shape = (len(rows), n_views, classifier.n_features)
    if not len(rows):
        return FrozenFeatures(values=np.empty(shape, dtype=np.float32), seconds=0.0, is_cached=False)
    key = _cache_key(classifier, [store.hashes[row] for row in rows], settings)
    features = read_or_compute(
        None if settings.cache is None else feature_path(settings.cache, key),
        shape=shape,
        dtype=np.float32,
        metadata={
            "network": classifier.backbone.name,
            "n_photos": str(len(rows)),
            "n_views": str(n_views),
            "what": "features",
        },
        compute=lambda writer: _compute(classifier, store, rows, settings, on_photo, writer),
    )
    if features.is_cached:
        on_photo(len(rows))
    return features


def _compute(
    classifier: Classifier,
    store: PhotoStore,
    rows: IntArray,
    settings: FeatureSettings,
    on_photo: Callable[[int], None],
    writer: FeatureWriter,
) -> None:
    device = next(classifier.parameters()).device
    n_views = classifier.preprocessing.n_views + settings.n_augmented
    classifier.eval()
    done = 0
    with torch.inference_mode(), autocast(device, settings.precision):
        for pixels in _batches_of_views(store, rows, classifier.preprocessing, settings):
            batch = classifier.features(pixels.to(device))  # [batch, n_features]
            writer.append(batch.float().cpu().numpy())
            done += len(batch)
            on_photo(done // n_views)


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
