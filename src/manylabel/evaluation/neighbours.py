"""Answer with the labels of the most similar training photos, to show what features give untrained.

In:  features of training photos and of new ones [n, dim], and the targets of the training part.
Out: scores and decisions [n_photos, n_labels].

A trained head that does not beat this has learned nothing beyond what the frozen network already knew.
"""

import math

import numpy as np
from numpy.typing import NDArray

from manylabel.evaluation.baselines import Baseline, label_prior
from manylabel.types import FloatArray

FeatureArray = NDArray[np.floating]

_MOST_NEIGHBOURS = 50

# Photos are answered in chunks whose similarities and neighbours' targets take about this much memory.
_CHUNK_BYTES = 64_000_000


def nearest_neighbours(
    train_features: FeatureArray,
    train_targets: FloatArray,
    features: FeatureArray,
    *,
    n_neighbours: int | None = None,
) -> Baseline:
    """Score every label with its share among the nearest training photos, weighted by their similarity.

    Similarity is the cosine between features; a negative one weighs nothing. Weights that fall with distance:
    Dudani, IEEE Transactions on Systems, Man, and Cybernetics 6, 1976; here label by label.

    Args:
        train_features: Features of the training photos [n_train, dim].
        train_targets: Float array [n_train, n_labels]: 1 present, 0 absent, NaN unknown.
        features: Features of the photos to answer for [n_photos, dim].
        n_neighbours: How many neighbours answer, at least 1; more than there are means all. By default the
            square root of the number of training photos, rounded, at most 50: 13 of 160.

    Returns:
        Scores and decisions, a label being given from one half on. Neighbours for which a label is unknown
        are left out; a label that no similar neighbour knows gets its prevalence, as in ``label_prior``.

    Raises:
        ValueError: Sizes do not fit together, a feature is not finite, or fewer than one neighbour is wanted.

    Examples:
        >>> train_features = np.array([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0]])
        >>> train_targets = np.array([[1.0, np.nan], [1.0, 0.0], [0.0, 1.0]])
        >>> features = np.array([[2.0, 0.0], [0.0, 0.5]])
        >>> nearest_neighbours(train_features, train_targets, features, n_neighbours=1).scores
        array([[1. , 0.5],
               [0. , 1. ]])
    """
    _check(train_features, train_targets, features, n_neighbours=n_neighbours)
    n_train, n_labels = train_targets.shape
    wanted = _default_neighbours(n_train) if n_neighbours is None else n_neighbours
    n_nearest = min(wanted, n_train)
    scores = label_prior(train_targets, n_photos=len(features)).scores
    if n_nearest:
        directions, train_directions = _unit(features), _unit(train_features).T
        size = max(_CHUNK_BYTES // (8 * max(n_train, 2 * n_nearest * n_labels)), 1)
        for first in range(0, len(features), size):
            rows = slice(first, first + size)
            similarity = directions[rows] @ train_directions  # [chunk, n_train]
            weight, known_weight = _vote(similarity, train_targets, n_nearest=n_nearest)
            np.divide(weight, known_weight, out=scores[rows], where=known_weight > 0)
    return Baseline(name="nearest_neighbours", scores=scores, decisions=scores >= 0.5)


def _vote(
    similarity: NDArray[np.float32], train_targets: FloatArray, *, n_nearest: int
) -> tuple[FloatArray, FloatArray]:
    """Weigh the neighbours that have each label, and those that have it or not [chunk, n_labels]."""
    nearest = np.argpartition(-similarity, n_nearest - 1, axis=1)[:, :n_nearest]
    weights = np.take_along_axis(similarity, nearest, axis=1).astype(np.float64).clip(min=0.0)[:, None, :]
    targets = train_targets[nearest]  # [chunk, n_nearest, n_labels]
    present = (weights @ (targets == 1))[:, 0, :]
    absent = (weights @ (targets == 0))[:, 0, :]
    return present, present + absent


def _default_neighbours(n_train: int) -> int:
    """Return how many neighbours answer where that is not given."""
    return min(round(math.sqrt(n_train)), _MOST_NEIGHBOURS)


def _unit(features: FeatureArray) -> NDArray[np.float32]:
    """Scale features [n, dim] to length 1; without any length they stay 0."""
    # In two steps: the squares of large or tiny features would not fit into a number.
    largest = np.abs(features).max(axis=1, initial=0.0, keepdims=True)
    scaled = np.divide(features, largest, out=np.zeros(features.shape, np.float32), where=largest > 0)
    length = np.linalg.norm(scaled, axis=1, keepdims=True)
    return np.asarray(scaled / np.maximum(length, 1), dtype=np.float32)


def _check(
    train_features: FeatureArray,
    train_targets: FloatArray,
    features: FeatureArray,
    *,
    n_neighbours: int | None,
) -> None:
    """Refuse what does not fit together."""
    if len(train_features) != len(train_targets):
        raise ValueError(f"{len(train_features)} training photos have features, {len(train_targets)} targets")
    if train_features.ndim != 2 or train_features.shape[1:] != features.shape[1:]:
        raise ValueError(
            f"features have shapes {train_features.shape} and {features.shape}, expected [n_photos, dim]"
        )
    if not (np.isfinite(train_features).all() and np.isfinite(features).all()):
        raise ValueError("features hold NaN or infinity, so that no photo is near another")
    if n_neighbours is not None and n_neighbours < 1:
        raise ValueError(f"n_neighbours is {n_neighbours}, expected at least 1")
