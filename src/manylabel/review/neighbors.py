"""Predict with the labels of the most similar training photos, to show what features give untrained.

In:  features of training photos and of new ones [n, dim], and the targets of the training part.
Out: the most similar training photos; scores and decisions [n_photos, n_labels].

A trained head that does not beat this has learned nothing beyond what the frozen model already knew.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from manylabel.metrics.comparison import Baseline, label_prior
from manylabel.types import FloatArray, IntArray

FeatureArray = NDArray[np.floating]

_MOST_NEIGHBORS = 50

# Photos are answered in chunks whose similarities and neighbors' targets take about this much memory.
_CHUNK_BYTES = 64_000_000


@dataclass(frozen=True, eq=False, kw_only=True)
class Neighbors:
    """The most similar photos to each of some photos, the most similar first.

    Attributes:
        rows: Their rows [n_photos, n_neighbors].
        similarities: The cosine between features [n_photos, n_neighbors], in [-1, 1].
    """

    rows: IntArray
    similarities: NDArray[np.float32]


@dataclass(frozen=True, eq=False, kw_only=True)
class NeighborBaseline(Baseline):
    """The scores and decisions of neighbors, and which photos they are.

    Attributes:
        neighbors: The training photos that answer for each photo.
    """

    neighbors: Neighbors


def find_neighbors(features: FeatureArray, among: FeatureArray, *, n_neighbors: int) -> Neighbors:
    """Find the most similar photos.

    Args:
        features: Of the photos to find some for [n_photos, dim].
        among: Of the photos to search [n_among, dim].
        n_neighbors: How many to find for each, at least 1; more than there are means all.

    Examples:
        >>> found = find_neighbors(np.array([[1.0, 0.0]]), np.array([[0.0, 2.0], [3.0, 0.0]]), n_neighbors=1)
        >>> found.rows.tolist(), found.similarities.tolist()
        ([[1]], [[1.0]])
    """
    n_neighbors = min(n_neighbors, len(among))
    rows = np.empty((len(features), n_neighbors), dtype=np.int64)
    similarities = np.empty((len(features), n_neighbors), dtype=np.float32)
    if not n_neighbors:
        return Neighbors(rows=rows, similarities=similarities)
    directions, among_directions = _unit(features), _unit(among).T
    for chunk in _chunks(len(features), bytes_each=8 * len(among)):
        similarity = (directions[chunk] @ among_directions).clip(-1, 1)  # [chunk, n_among]
        nearest = np.argpartition(-similarity, n_neighbors - 1, axis=1)[:, :n_neighbors]
        found = np.take_along_axis(similarity, nearest, axis=1)
        order = np.lexsort((nearest, -found), axis=1)
        rows[chunk] = np.take_along_axis(nearest, order, axis=1)
        similarities[chunk] = np.take_along_axis(found, order, axis=1)
    return Neighbors(rows=rows, similarities=similarities)


def nearest_neighbors(
    train_features: FeatureArray,
    train_targets: FloatArray,
    features: FeatureArray,
    *,
    n_neighbors: int | None = None,
) -> NeighborBaseline:
    """Score every label with its share among the nearest training photos, weighted by their similarity.

    Similarity is the cosine between features; a negative one weighs nothing. Weights that fall with distance:
    Dudani, IEEE Transactions on Systems, Man, and Cybernetics 6, 1976; here label by label.

    Args:
        train_features: Features of the training photos [n_train, dim].
        train_targets: Float array [n_train, n_labels]: 1 present, 0 absent, NaN unknown.
        features: Features of the photos to answer for [n_photos, dim].
        n_neighbors: How many neighbors answer, at least 1; more than there are means all. By default the
            square root of the number of training photos, rounded, at most 50: 13 of 160.

    Returns:
        Scores, decisions and the neighbors, a label being given from one half on. Neighbors for which a
        label is unknown are left out; a label that no similar neighbor knows gets its prevalence, as in
        ``label_prior``.

    Raises:
        ValueError: Sizes do not fit together, a feature is not finite, or fewer than one neighbor is wanted.

    Examples:
        >>> train_features = np.array([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0]])
        >>> train_targets = np.array([[1.0, np.nan], [1.0, 0.0], [0.0, 1.0]])
        >>> features = np.array([[2.0, 0.0], [0.0, 0.5]])
        >>> nearest_neighbors(train_features, train_targets, features, n_neighbors=1).scores
        array([[1. , 0.5],
               [0. , 1. ]])
    """
    _check(train_features, train_targets, features, n_neighbors=n_neighbors)
    n_train, n_labels = train_targets.shape
    wanted = min(round(math.sqrt(n_train)), _MOST_NEIGHBORS) if n_neighbors is None else n_neighbors
    neighbors = find_neighbors(features, train_features, n_neighbors=wanted)
    scores = label_prior(train_targets, n_photos=len(features)).scores
    for chunk in _chunks(len(features), bytes_each=16 * neighbors.rows.shape[1] * n_labels):
        weight, known_weight = _vote(neighbors.similarities[chunk], train_targets[neighbors.rows[chunk]])
        np.divide(weight, known_weight, out=scores[chunk], where=known_weight > 0)
    return NeighborBaseline(
        name="nearest-neighbors", scores=scores, decisions=scores >= 0.5, neighbors=neighbors
    )


def _chunks(n_photos: int, *, bytes_each: int) -> list[slice]:
    """Divide photos so that what a chunk needs fits into memory."""
    size = max(_CHUNK_BYTES // max(bytes_each, 1), 1)
    return [slice(first, first + size) for first in range(0, n_photos, size)]


def _vote(similarities: NDArray[np.float32], targets: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Weigh the neighbors that have each label, and those that have it or not [chunk, n_labels].

    Args:
        similarities: Of the neighbors [chunk, n_neighbors].
        targets: What is known of them [chunk, n_neighbors, n_labels].
    """
    weights = similarities.astype(np.float64).clip(min=0.0)[:, None, :]
    present = (weights @ (targets == 1))[:, 0, :]
    absent = (weights @ (targets == 0))[:, 0, :]
    return present, present + absent


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
    n_neighbors: int | None,
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
    if n_neighbors is not None and n_neighbors < 1:
        raise ValueError(f"n_neighbors is {n_neighbors}, expected at least 1")
