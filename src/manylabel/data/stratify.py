"""Divide photos so that every side has its share of every label.

In:  targets [n_photos, n_labels] (NaN unknown) and a random generator.
Out: sorted row numbers of each side, of exact sizes, rare labels on every side as far as possible.

Iterative stratification (Sechidis, Tsoumakas and Vlahavas, 2011, "On the stratification of multi-label data",
algorithm 1), with three changes. Sizes are exact. Where several parts want the label that is dealt out
equally, the one that wants the other labels of the photo most gets it; else common labels, which come last,
end up as by chance. At last photos are swapped where that brings a rare label to one more part, or the counts
of labels closer to fair ones.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from manylabel.types import FloatArray, IntArray

# Limits of the search for swaps: far beyond what small collections need, and a second for the largest ones.
_MOST_TRIES = 500
_MOST_GIVERS = 20
_MOST_TAKERS = 40
_ROUNDING = 1e-9


def stratified_folds(targets: FloatArray, *, n_folds: int, rng: np.random.Generator) -> tuple[IntArray, ...]:
    """Divide photos into folds of equal size with equal shares of every label.

    Args:
        targets: 1 present, 0 absent, NaN unknown [n_photos, n_labels]. Only known cells count.
        n_folds: From 2 to n_photos.
        rng: Source of chance.

    Returns:
        Sorted row numbers of each fold; sizes differ by at most 1. A label with at least ``n_folds``
        positives is in every fold as far as possible.

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
        Sorted row numbers of the rest and of the photos held out. A label with at least 2 positives is on
        both sides as far as possible.

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
    # Negatives follow from positives unless cells are unknown; then they are columns of their own.
    has_unknown = np.isnan(targets).any(axis=0)
    columns = [targets == 1, targets[:, has_unknown] == 0]
    evidence = np.hstack(columns).astype(np.int64)  # [n_photos, n_columns]
    fair = _fair_counts(evidence, np.array(sizes))
    part = _deal_rarest_first(evidence, fair=fair, sizes=np.array(sizes), rng=rng)
    _even_out(evidence, part, fair=fair)
    return [np.flatnonzero(part == number) for number in range(len(sizes))]


def _fair_counts(evidence: IntArray, sizes: IntArray) -> FloatArray:
    """Return how many of each column belong in each part [n_parts, n_columns].

    Proportional to the sizes, but at least one where there are enough for every part: else the two positives
    of a rare label would both go to the larger side of a hold-out.
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
    return np.flatnonzero(values >= values.max() - _ROUNDING)


def _even_out(evidence: IntArray, part: IntArray, *, fair: FloatArray) -> None:
    """Swap photos, in place, where a part lacks a column that it could have, or has too little of it."""
    counts = np.zeros(fair.shape, dtype=np.int64)  # [n_parts, n_columns]
    np.add.at(counts, part, evidence)
    n_tries, improved = 0, True
    while improved:
        improved = False
        for cell in _worst_first(counts, fair):
            n_tries += 1
            if n_tries > _MOST_TRIES:
                return
            swap = _find_swap(evidence, part, counts, fair=fair, cell=cell)
            if swap is not None:
                giver, taker = swap
                poor, rich = part[taker], part[giver]
                counts[poor] += evidence[giver] - evidence[taker]
                counts[rich] += evidence[taker] - evidence[giver]
                part[giver], part[taker] = poor, rich
                improved = True


def _worst_first(counts: IntArray, fair: FloatArray) -> IntArray:
    """Return part and column of all gaps, then of what is a photo or more short, worst first [n_cells, 2]."""
    is_gap = (counts == 0) & _is_needed(counts)
    cells = np.argwhere(is_gap | (counts <= fair - 1))
    shortfall = np.where(is_gap, np.inf, fair - counts)
    return cells[np.argsort(-shortfall[*cells.T], kind="stable")]


def _is_needed(counts: IntArray) -> NDArray[np.bool_]:
    """Tell which columns are frequent enough to be in every part [n_columns]."""
    return np.asarray(counts.sum(axis=0) >= len(counts))


def _find_swap(
    evidence: IntArray, part: IntArray, counts: IntArray, *, fair: FloatArray, cell: IntArray
) -> tuple[np.int64, np.int64] | None:
    """Return the photo to bring to a part and the photo to take from there, or None where no swap helps.

    The swap leaves the fewest gaps; among equals, the smallest squared distance from the fair counts.
    """
    poor, column = cell
    givers = np.flatnonzero((part != poor) & (evidence[:, column] == 1))[:_MOST_GIVERS]
    takers = np.flatnonzero((part == poor) & (evidence[:, column] == 0))[: 10 * _MOST_TAKERS]
    # Photos with few labels first: taking them away hardly opens a gap.
    takers = takers[np.argsort(evidence[takers].sum(axis=1), kind="stable")][:_MOST_TAKERS]
    if not len(givers) or not len(takers):
        return None
    change = evidence[givers][:, None] - evidence[takers]  # [n_givers, n_takers, n_columns]
    gaps, distance = np.zeros((2, len(givers), len(takers)))
    for rows, gained in ((np.full(len(givers), poor), change), (part[givers], -change)):
        before = counts[rows][:, None]
        gaps += ((before + gained == 0).astype(np.int64) - (before == 0)) @ _is_needed(counts)
        distance += (gained * (2 * (before - fair[rows][:, None]) + gained)).sum(axis=2)
    best = np.where(gaps == gaps.min(), distance, np.inf).argmin()
    giver, taker = np.unravel_index(best, gaps.shape)
    helps = gaps[giver, taker] < 0 or (gaps[giver, taker] == 0 and distance[giver, taker] < -_ROUNDING)
    return (givers[giver], takers[taker]) if helps else None
