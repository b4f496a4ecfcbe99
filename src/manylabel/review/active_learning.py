"""Choose the photos that are most worth labeling next.

In:  scores [n_photos, n_labels] and features [n_photos, n_features] of unlabeled photos, and features of
     labeled ones.
Out: row numbers of unlabeled photos, the most useful first.
"""

import numpy as np
from numpy.typing import NDArray

from manylabel.types import FloatArray, IntArray

Features = NDArray[np.floating]

# Photos that are compared with each other at a time: 64 MB of similarities.
_SHORTLIST = 4_000
_CHOSEN_AT_ONCE = 400
# Two photos this similar count as near-duplicates.
_DUPLICATE_SIMILARITY = 0.9
# In bits. Where the model is sure of everything, photos unlike the known ones still count.
_LEAST_UNCERTAINTY = 0.01
_LEAST_LENGTH = 1e-4


def choose_to_label(
    scores: FloatArray, features: Features, *, n: int, labeled_features: Features | None = None
) -> IntArray:
    """Choose photos that stand for many others whose labels the model does not know.

    One after the other, the photo is taken that raises most the sum over all unlabeled photos of
    (uncertainty squared) x (similarity to the most similar labeled or chosen photo). Uncertainty is the mean
    binary entropy over the labels; similarity is the cosine of the features around their common mean, 0 where
    negative. That sum is facility location (Wei, Iyer and Bilmes 2015, "Submodularity in data subset
    selection and active learning", section 4, who also shortlist the most uncertain photos), which a greedy
    choice brings within 1 - 1/e of its maximum (Nemhauser, Wolsey and Fisher 1978).

    Uncertainty x distance to the nearest known photo, a weighted form of k-center (Sener and Savarese 2018,
    arXiv:1708.00489), takes outliers: on two kinds of real photos it was worth less, on one of them less than
    chance. Uncertainty alone was worth less than chance on both. Weighting labels by how rare they are made
    no difference.

    Args:
        scores: Probabilities [n_photos, n_labels].
        features: What a backbone makes of the same photos [n_photos, n_features].
        n: How many to choose.
        labeled_features: The same of the labeled photos [n_labeled, n_features].

    Returns:
        Rows [min(n, n_photos)], the most useful first, none twice. Near-duplicates of a labeled or chosen
        photo come only once nothing else is left. Of more than 4,000 photos, the most uncertain 4,000 are
        considered.

    Raises:
        ValueError: The sizes do not fit together, or scores are no probabilities.

    Examples:
        >>> scores = np.array([[0.5], [0.5], [0.5], [0.9]])
        >>> features = np.array([[1.0, 0.0], [1.0, 0.0], [0.9, 0.1], [0.0, 1.0]])
        >>> choose_to_label(scores, features, n=2)
        array([0, 3])
    """
    known = features[:0] if labeled_features is None else labeled_features
    _check(scores, features, known)
    directions = _directions(np.concatenate([features, known]))
    unlabeled, known_directions = directions[: len(features)], directions[len(features) :]
    uncertainty = np.maximum(mean_entropy(scores), _LEAST_UNCERTAINTY)
    chosen: IntArray = np.empty(0, dtype=np.int64)
    while len(chosen) < min(n, len(features)):
        rest = np.setdiff1d(np.arange(len(features)), chosen)
        rows = np.sort(rest[np.argsort(-uncertainty[rest], kind="stable")[:_SHORTLIST]])
        seen = np.concatenate([known_directions, unlabeled[chosen]])
        n_next = min(n - len(chosen), len(rows), _CHOSEN_AT_ONCE)
        chosen = np.append(chosen, rows[_cover(unlabeled[rows], seen, uncertainty[rows], n=n_next)])
    return chosen


def mean_entropy(scores: FloatArray) -> FloatArray:
    """Return the mean binary entropy over the labels [n_photos], in bits: 0 sure, 1 no idea.

    Args:
        scores: Probabilities [n_photos, n_labels]; without labels, every photo has 0.

    Examples:
        >>> mean_entropy(np.array([[0.5, 0.5], [0.5, 1.0], [0.0, 1.0]])).round(6)
        array([1. , 0.5, 0. ])
    """
    if scores.shape[1] == 0:
        return np.zeros(len(scores))
    clipped = np.clip(scores, 1e-12, 1 - 1e-12)
    entropy = -(clipped * np.log2(clipped) + (1 - clipped) * np.log2(1 - clipped))
    return np.asarray(entropy.mean(axis=1))


def _check(scores: FloatArray, features: Features, known: Features) -> None:
    """Refuse what does not fit together."""
    if len(scores) != len(features):
        raise ValueError(f"{len(scores)} photos have scores, {len(features)} have features")
    if features.shape[1] != known.shape[1]:
        raise ValueError(f"labeled photos have {known.shape[1]} features, the others {features.shape[1]}")
    if not ((scores >= 0) & (scores <= 1)).all():
        raise ValueError("scores are probabilities between 0 and 1, without NaN")


def _cover(
    directions: NDArray[np.float32], seen: NDArray[np.float32], uncertainty: FloatArray, *, n: int
) -> IntArray:
    """Choose photos one by one.

    Args:
        directions: Directions of the photos to choose from [n_photos, n_features].
        seen: Directions of labeled and chosen photos [n_seen, n_features].
        uncertainty: What it counts to have something like a photo [n_photos].
        n: How many to choose, at most n_photos.
    """
    similarity = directions @ directions.T  # [n_photos, n_photos]
    covered = _highest_similarity(directions, seen)
    weight = np.square(uncertainty).astype(np.float32)
    chosen = np.zeros(n, dtype=np.int64)
    # 2 for what is chosen, 1 for near-duplicates of what is known, else 0
    rank = (covered >= _DUPLICATE_SIMILARITY).astype(np.int64)
    for number in range(n):
        gain = np.maximum(similarity - np.maximum(covered, 0), 0) @ weight
        best = np.lexsort((-gain, rank))[0]
        chosen[number] = best
        covered = np.maximum(covered, similarity[best])
        rank = np.maximum(rank, covered >= _DUPLICATE_SIMILARITY)
        rank[best] = 2
    return chosen


def _highest_similarity(directions: NDArray[np.float32], seen: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the similarity to the most similar known photo [n_photos]; -1 without any."""
    highest = np.full(len(directions), -1, dtype=np.float32)
    for start in range(0, len(seen), _SHORTLIST):
        similarity = directions @ seen[start : start + _SHORTLIST].T
        highest = np.maximum(highest, similarity.max(axis=1, initial=-1))
    return highest


def _directions(features: Features) -> NDArray[np.float32]:
    """Return the directions of photos from the mean of all, each with length 1 [n_photos, n_features].

    Most features are never negative, so that all photos look similar; around their mean they do not.
    A photo in the very middle has no direction and is similar to none.
    """
    if not features.size:
        return features.astype(np.float32)
    units = _unit(features.astype(np.float32))
    return _unit(units - units.mean(axis=0))


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scale vectors to length 1; what is hardly longer than rounding becomes 0."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    out = np.zeros_like(vectors)
    np.divide(vectors, lengths, out=out, where=lengths > _LEAST_LENGTH)
    return out
