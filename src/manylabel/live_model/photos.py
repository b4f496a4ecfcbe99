"""Read the photos of a folder in parts, and compute their features.

In:  photo files; a trained model, or none for the default backbone.
Out: after each part, features of the photos read so far; at the end, groups of near-duplicates.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from manylabel.bundle.folder import read_bundle
from manylabel.config import AugmentationConfig, ModelConfig
from manylabel.data.duplicates import Fingerprint, find_duplicates
from manylabel.engines.frozen import plan_engine
from manylabel.engines.torch import load_classifier
from manylabel.models.classifier import Classifier, build_initial_classifiers
from manylabel.models.device import choose_device, choose_precision
from manylabel.training.features import FeatureSettings, FrozenPart, frozen_features
from manylabel.training.photo_store import read_store
from manylabel.types import FloatArray, IntArray

_PHOTOS_PER_PART = 256
_N_VIEWS = 2


class PhotoFeatures:
    """The features of photos, as they become known.

    Attributes:
        values: [n_photos, n_features]; 0 where not known.
        is_known: Which of them are known [n_photos].
        labels: The labels of the trained model; none for the default backbone.
        probabilities: Of the trained model [n_photos, n_labels]; NaN where not known.

    Args:
        paths: The files.
        model: Folder of a trained model; None takes the default backbone.
        cache: Folder of the feature cache.

    Raises:
        BundleError: The model cannot be used.
        WeightsError: The weights of the default backbone are missing.
    """

    def __init__(self, paths: Sequence[Path], *, model: Path | None, cache: Path) -> None:
        classifier = _load(model)
        device = choose_device("auto")
        classifier.to(device).eval()
        plan = plan_engine("auto", device=device, precision=choose_precision("auto", device))
        self._part = FrozenPart(classifier, plan)
        self._classifier, self._is_trained = classifier, model is not None
        self._settings = FeatureSettings(
            n_plain=classifier.preprocessing.n_views,
            n_augmented=0,
            augmentation=AugmentationConfig(),
            seed=0,
            cache=cache,
        )
        self._paths = paths
        self._fingerprints: dict[int, Fingerprint] = {}
        self.labels: Sequence[str] = classifier.labels if self._is_trained else ()
        self.values: NDArray[np.float32] = np.zeros((len(paths), classifier.n_features), dtype=np.float32)
        self.is_known = np.zeros(len(paths), dtype=np.bool_)
        self.probabilities: FloatArray = np.full((len(paths), len(self.labels)), np.nan)

    def read(self, on_photo: Callable[[int], None]) -> Iterator[None]:
        """Read the photos; yield after each part.

        Args:
            on_photo: Called with the number of photos done.
        """
        for begin in range(0, len(self._paths), _PHOTOS_PER_PART):
            paths = self._paths[begin : begin + _PHOTOS_PER_PART]
            store, readable, _ = read_store(paths, side_px=self._part.preprocessing.side_px)
            if len(readable):
                features = frozen_features(
                    self._part,
                    store,
                    np.arange(len(store)),
                    settings=self._settings,
                    on_photo=partial(_count_from, begin, on_photo),
                )
                self._take(begin + readable, np.asarray(features.values, dtype=np.float32))
            self._fingerprints.update(
                zip((begin + readable).tolist(), store.fingerprints, strict=True),
            )
            on_photo(begin + len(paths))
            yield

    def _take(self, rows: IntArray, views: NDArray[np.float32]) -> None:
        """Take up the features of some photos [n_rows, n_views, n_features]."""
        self.values[rows] = views.mean(axis=1)
        self.is_known[rows] = True
        if self._is_trained:
            self.probabilities[rows] = _run_head(self._classifier, views)

    def find_groups(self) -> IntArray:
        """Number the groups of near-duplicates [n_photos]; photos that were not read are alone."""
        rows = np.array(sorted(self._fingerprints), dtype=np.int64)
        groups = np.arange(len(self._paths))
        found = find_duplicates([self._fingerprints[row] for row in rows.tolist()]).groups
        groups[rows] = len(self._paths) + found
        return groups


def _count_from(begin: int, on_photo: Callable[[int], None], n_done: int) -> None:
    on_photo(begin + n_done)


def _load(model: Path | None) -> Classifier:
    if model is not None:
        return load_classifier(read_bundle(model))
    [(classifier, _)] = build_initial_classifiers(ModelConfig(), labels=("label",), tta=_N_VIEWS, seed=0)
    return classifier


@torch.inference_mode()
def _run_head(classifier: Classifier, views: NDArray[np.float32]) -> FloatArray:
    """Return probabilities [n, n_labels] of the views of photos [n, n_views, n_features]."""
    device = next(classifier.parameters()).device
    logits = classifier.head(torch.from_numpy(views).to(device).flatten(end_dim=1))
    return np.asarray(logits.unflatten(0, views.shape[:2]).mean(dim=1).cpu().double().sigmoid().numpy())
