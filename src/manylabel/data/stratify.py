"""Divide photos so that every side has its share of every label.

In:  targets [n_photos, n_labels] (NaN unknown) and a random generator.
Out: sorted row numbers of each side, of exact sizes, rare labels on every side as far as possible.

Iterative stratification (Sechidis, Tsoumakas and Vlahavas, 2011, "On the stratification of multi-label data",
algorithm 1), with three changes. Sizes are exact. Where several parts want the label that is dealt out equally,
the one that wants the other labels of the photo most gets it, or common labels, which come last, end up as
by chance. At last photos are swapped as long as that brings a rare label to one more part.
"""

from collections.abc import Sequence

import numpy as np

from manylabel.types import FloatArray, IntArray

# Photos with a rare label that are tried in a swap; the rarest labels have no more of them.
_MOST_DONORS = 20


def stratified_folds(
    targets: FloatArray, *, n_folds: int, rng: np.random.Generator
) -> tuple[IntArray, ...]:
    """Divide photos into folds of equal size with equal shares of every label.

    Args:
        targets: 1 present, 0 absent, NaN unknown [n_photos, n_labels]. Only known cells count.
        n_folds: From 2 to n_photos.
        rng: Source of chance.

    Returns:
        Sorted row numbers of each fold; sizes differ by at most 1. A label with at least ``n_folds`` positives
        is in every fold as far as possible.

    Raises:
        ValueError: ``n_folds`` is out of range.

    Examples:
        >>> targets = np.array([[1.0], [1.0], [0.0], [0.0]])
        >>> folds = stratified_folds(targets, n_folds=2, rng=np.random.default_rng(0))
        >>> [float(targets[fold].sum()) for fold in folds]
        [1.0, 1.0]
    """
    n_photos = len(targets)
    if not 2 <= n_folds <= n_photos:
        raise ValueError(f"n_folds is {n_folds}, expected 2 to {n_photos}, the number of photos")
    sizes = [n_photos // n_folds + (fold < n_photos % n_folds) for fold in range(n_folds)]
    return tuple(_deal_out(targets, sizes=sizes, rng=rng))


def stratified_holdout(
    targets: FloatArray, *, fraction: float, rng: np.random.Generator
) -> tuple[IntArray, IntArray]:
    """Hold out a share of the photos with the same share of every label.

    Args:
        targets: 1 present, 0 absent, NaN unknown [n_photos, n_labels]. Only known cells count.
        fraction: Share to hold out, in (0, 1); rounded to whole photos, at least one on each side.
        rng: Source of chance.

    Returns:
        Sorted row numbers of the rest and of the photos held out. A label with at least 2 positives is on both
        sides as far as possible.

    Raises:
        ValueError: ``fraction`` is out of range, or there are fewer than 2 photos.

    Examples:
        >>> targets = np.array([[1.0], [1.0], [0.0], [0.0], [0.0]])
        >>> rest, held_out = stratified_holdout(targets, fraction=0.2, rng=np.random.default_rng(0))
        >>> len(rest), targets[held_out].tolist()
        (4, [[1.0]])
    """
    n_photos = len(targets)
    if not 0 < fraction < 1:
        raise ValueError(f"fraction is {fraction}, expected more than 0 and less than 1")
    if n_photos < 2:
        raise ValueError(f"{n_photos} photos cannot be divided in two")
    n_held_out = min(max(round(fraction * n_photos), 1), n_photos - 1)
    rest, held_out = _deal_out(targets, sizes=[n_photos - n_held_out, n_held_out], rng=rng)
    return rest, held_out


def _deal_out(targets: FloatArray, *, sizes: Sequence[int], rng: np.random.Generator) -> list[IntArray]:
    # Negatives follow from positives unless cells are unknown; then they are dealt out as columns of their own.
    has_unknown = np.isnan(targets).any(axis=0)
    evidence = np.hstack([targets == 1, targets[:, has_unknown] == 0]).astype(np.int64)  # [n_photos, n_columns]
    fair = _fair_counts(evidence, np.array(sizes))
    part = _deal_rarest_first(evidence, fair=fair, sizes=np.array(sizes), rng=rng)
    _spread_rare_columns(evidence, part, fair=fair)
    return [np.flatnonzero(part == number) for number in range(len(sizes))]


def _fair_counts(evidence: IntArray, sizes: IntArray) -> FloatArray:
    """Return how many of each column belong in each part [n_parts, n_columns].

    Proportional to the sizes, but at least one where there are enough for every part: else the two positives of a
    rare label would both go to the larger side of a hold-out.
    """
    in_all = evidence.sum(axis=0)
    shares = np.outer(sizes / sizes.sum(), in_all)
    at_least_one = np.maximum(shares, 1.0)
    at_least_one *= in_all / at_least_one.sum(axis=0)
    return np.where(in_all >= len(sizes), at_least_one, shares)


def _deal_rarest_first(
    evidence: IntArray, *, fair: FloatArray, sizes: IntArray, rng: np.random.Generator
) -> IntArray:
    """Return the part of every photo [n_photos]."""
    wanted, room = fair.copy(), sizes.copy()
    part = np.full(len(evidence), -1)
    shuffled = rng.permutation(len(evidence))
    left = evidence.sum(axis=0)  # photos still to be dealt out [n_columns]
    while left.any():
        rarest = np.where(left > 0, left, len(evidence) + 1).argmin()
        for photo in shuffled[(part[shuffled] < 0) & (evidence[shuffled, rarest] == 1)]:
            best = _all_largest(np.where(room > 0, wanted[:, rarest], -np.inf))
            if len(best) > 1:
                best = best[_all_largest(wanted[best] @ evidence[photo])]
            if len(best) > 1:
                best = best[_all_largest(room[best])]
            chosen = best[0] if len(best) == 1 else rng.choice(best)
            part[photo] = chosen
            room[chosen] -= 1
            wanted[chosen] -= evidence[photo]
            left -= evidence[photo]
    without_labels = shuffled[part[shuffled] < 0]
    part[without_labels] = rng.permutation(np.repeat(np.arange(len(sizes)), room))
    return part


def _all_largest(values: FloatArray | IntArray) -> IntArray:
    """Return the places of the maximum, and of what differs from it by rounding only."""
    return np.flatnonzero(values >= values.max() - 1e-9)


def _spread_rare_columns(evidence: IntArray, part: IntArray, *, fair: FloatArray) -> None:
    """Swap photos, in place, as long as that leaves fewer parts without a column that could be in all parts."""
    n_parts = len(fair)
    counts = np.stack([evidence[part == number].sum(axis=0) for number in range(n_parts)])  # [n_parts, n_columns]
    is_needed = counts.sum(axis=0) >= n_parts
    improved = True
    while improved:
        improved = False
        for poor, column in np.argwhere((counts == 0) & is_needed):
            donors = np.flatnonzero((evidence[:, column] == 1) & (counts[part, column] > 1))[:_MOST_DONORS]
            takers = np.flatnonzero(part == poor)
            ...
