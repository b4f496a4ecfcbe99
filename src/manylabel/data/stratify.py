"""Divide photos so that every side has its share of every label.

In:  targets [n_photos, n_labels] (NaN unknown), maybe groups of photos that belong together, and a random
     generator.
Out: sorted row numbers of each side, of exact sizes, rare labels on every side as far as possible.

Iterative stratification (Sechidis, Tsoumakas and Vlahavas, 2011, "On the stratification of multi-label data",
algorithm 1), with three changes. Sizes are exact. Where several parts want the label that is dealt out
equally, the one that wants the other labels of the photo most gets it; else common labels, which come last,
end up as by chance. At last photos are swapped where that brings a rare label to one more part, or the counts
of labels closer to fair ones.

Photos of one group are dealt out as one, so that a near-duplicate of a training photo never is a test photo.
Sizes then are as close as groups allow: no part is further from its size than the largest group is large.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from manylabel.types import FloatArray, IntArray

# Limits of the search for swaps: far beyond what small collections need, and a second for the largest ones.
_MOST_TRIES = 500
_MOST_GIVERS = 20
_MOST_TAKERS = 40
_ROUNDING = 1e-9


def stratified_folds(
    targets: FloatArray, *, n_folds: int, rng: np.random.Generator, groups: IntArray | None = None
) -> tuple[IntArray, ...]:
    """Divide photos into folds of equal size with equal shares of every label.

    Args:
        targets: 1 present, 0 absent, NaN unknown [n_photos, n_labels]. Only known cells count.
        n_folds: From 2 to the number of photos, or of groups.
        rng: Source of chance.
        groups: Number of each photo's group [n_photos]; photos of one group come to the same fold. Not given:
            each photo is by itself.

    Returns:
        Sorted row numbers of each fold; sizes differ by at most 1, or with groups from the mean by no more
        than the largest group has. A label with at least ``n_folds`` positives is in every fold as far as
        possible.

    Raises:
        ValueError: ``n_folds`` is out of range, or ``groups`` is not as long as ``targets``.

    Examples:
        >>> targets = np.array([[1.0], [1.0], [0.0], [0.0]])
        >>> folds = stratified_folds(targets, n_folds=2, rng=np.random.default_rng(0))
        >>> [float(targets[fold].sum()) for fold in folds]
        [1.0, 1.0]
    """
    n_photos = len(targets)
    if not 2 <= n_folds <= n_photos:
        raise ValueError(f"n_folds is {n_folds}, expected 2 to {n_photos}, the number of photos")
    n_groups = n_photos if groups is None else len(np.unique(groups))
    if n_folds > n_groups:
        raise ValueError(f"n_folds is {n_folds}, expected 2 to {n_groups}, the number of groups of photos")
    sizes = [n_photos // n_folds + (fold < n_photos % n_folds) for fold in range(n_folds)]
    return tuple(_deal_out(targets, sizes=sizes, rng=rng, groups=groups))


def stratified_holdout(
    targets: FloatArray, *, fraction: float, rng: np.random.Generator, groups: IntArray | None = None
) -> tuple[IntArray, IntArray]:
    """Hold out a share of the photos with the same share of every label.

    Args:
        targets: 1 present, 0 absent, NaN unknown [n_photos, n_labels]. Only known cells count.
        fraction: Share to hold out, in (0, 1); rounded to whole photos, at least one on each side.
        rng: Source of chance.
        groups: Number of each photo's group [n_photos]; photos of one group come to the same side. Not given:
            each photo is by itself.

    Returns:
        Sorted row numbers of the rest and of the photos held out. A label with at least 2 positives is on
        both sides as far as possible.

    Raises:
        ValueError: ``fraction`` is out of range, there are fewer than 2 photos or groups, or ``groups`` is
            not as long as ``targets``.

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
    if groups is not None and len(np.unique(groups)) < 2:
        raise ValueError(f"{n_photos} photos in one group cannot be divided in two")
    n_held_out = min(max(round(fraction * n_photos), 1), n_photos - 1)
    rest, held_out = _deal_out(targets, sizes=[n_photos - n_held_out, n_held_out], rng=rng, groups=groups)
    return rest, held_out


@dataclass(frozen=True, eq=False, kw_only=True)
class _Units:
    """Groups of photos, or single ones, that are dealt out as one.

    Attributes:
        evidence: Photos of each unit in each column [n_units, n_columns].
        size: Photos of each unit [n_units].
    """

    evidence: IntArray
    size: IntArray

    def __len__(self) -> int:
        """Count the units."""
        return len(self.size)


def _deal_out(
    targets: FloatArray, *, sizes: Sequence[int], rng: np.random.Generator, groups: IntArray | None
) -> list[IntArray]:
    # Negatives follow from positives unless cells are unknown; then they are columns of their own.
    has_unknown = np.isnan(targets).any(axis=0)
    columns = [targets == 1, targets[:, has_unknown] == 0]
    evidence = np.hstack(columns).astype(np.int64)  # [n_photos, n_columns]
    units, unit_of = _gather(evidence, groups)
    fair = _fair_counts(evidence, np.array(sizes))
    part = _deal_rarest_first(units, fair=fair, sizes=np.array(sizes), rng=rng)
    _even_sizes(units, part, fair=fair, sizes=np.array(sizes))
    _even_out(units, part, fair=fair)
    return [np.flatnonzero(part[unit_of] == number) for number in range(len(sizes))]


def _gather(evidence: IntArray, groups: IntArray | None) -> tuple[_Units, IntArray]:
    """Return the units, in the order of their first photos, and the unit of every photo [n_photos]."""
    if groups is None:
        groups = np.arange(len(evidence))
    if len(groups) != len(evidence):
        raise ValueError(f"groups are given for {len(groups)} photos, expected {len(evidence)}")
    _, first, group_of = np.unique(groups, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    unit_of = rank[group_of]
    gathered = np.zeros((len(first), evidence.shape[1]), dtype=np.int64)
    np.add.at(gathered, unit_of, evidence)
    return _Units(evidence=gathered, size=np.bincount(unit_of)), unit_of


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
    units: _Units, *, fair: FloatArray, sizes: IntArray, rng: np.random.Generator
) -> IntArray:
    """Return the part of every unit [n_units]."""
    evidence, wanted, room = units.evidence, fair.copy(), sizes.copy()
    part = np.full(len(units), -1)
    shuffled = rng.permutation(len(units))
    # Large groups first, as the small ones fill what they leave; groups of one size keep their order.
    shuffled = shuffled[np.argsort(-units.size[shuffled], kind="stable")]
    left = evidence.sum(axis=0)  # photos still to be dealt out [n_columns]
    while left.any():
        rarest = np.where(left > 0, left, evidence.sum() + 1).argmin()
        for unit in shuffled[(part[shuffled] < 0) & (evidence[shuffled, rarest] > 0)]:
            best = _all_largest(np.where(_has_room(room, units.size[unit]), wanted[:, rarest], -np.inf))
            if len(best) > 1:
                best = best[_all_largest(wanted[best] @ evidence[unit])]
            if len(best) > 1:
                best = best[_all_largest(room[best])]
            chosen = best[0] if len(best) == 1 else rng.choice(best)
            part[unit] = chosen
            room[chosen] -= units.size[unit]
            wanted[chosen] -= evidence[unit]
            left -= evidence[unit]
    without_labels = shuffled[part[shuffled] < 0]
    for unit in without_labels[units.size[without_labels] > 1]:
        part[unit] = rng.choice(_all_largest(room))
        room[part[unit]] -= units.size[unit]
    single = without_labels[units.size[without_labels] == 1]
    part[single] = rng.permutation(np.repeat(np.arange(len(sizes)), _shared_out(room, len(single))))
    return part


def _has_room(room: IntArray, size: np.int64) -> NDArray[np.bool_]:
    """Return which parts take a unit: those that it fits into, or else those that are not full [n_parts]."""
    fits = room >= size
    return np.asarray(fits if fits.any() else room > 0)


def _shared_out(room: IntArray, n_left: int) -> IntArray:
    """Return how many single photos come to each part [n_parts]: what it has room for, if none is too full.

    Examples:
        >>> _shared_out(np.array([2, 3]), 5), _shared_out(np.array([3, 4, -2]), 5)
        (array([2, 3]), array([2, 3, 0]))
    """
    shares = np.maximum(room, 0)
    while shares.sum() > n_left:
        shares[shares.argmax()] -= 1
    return shares


def _all_largest(values: FloatArray | IntArray) -> IntArray:
    """Return the indices of the maximum, and of values that differ from it by rounding only."""
    return np.flatnonzero(values >= values.max() - _ROUNDING)


def _even_sizes(units: _Units, part: IntArray, *, fair: FloatArray, sizes: IntArray) -> None:
    """Move groups, in place, until no move brings the sizes of parts closer to those wanted; none is empty.

    A move helps where the group is smaller than the difference of what the two parts have too much. Where
    none helps any more, no part misses its size by more than the largest group has.
    """
    while True:
        surplus = np.bincount(part, weights=units.size, minlength=len(sizes)) - sizes
        difference = surplus[part][:, None] - surplus  # [n_units, n_parts]
        # The sum of squared surpluses falls by twice this.
        gain = units.size[:, None] * (difference - units.size[:, None])
        if gain.max() < _ROUNDING:
            break
        unit, target = _best_move(units, part, fair=fair, is_allowed=gain >= gain.max() - _ROUNDING)
        part[unit] = target
    n_units = np.bincount(part, minlength=len(sizes))
    for empty in np.flatnonzero(n_units == 0):
        movable = np.flatnonzero(n_units[part] > 1)
        smallest = movable[units.size[movable].argmin()]
        n_units[part[smallest]] -= 1
        n_units[empty] += 1
        part[smallest] = empty


def _best_move(
    units: _Units, part: IntArray, *, fair: FloatArray, is_allowed: NDArray[np.bool_]
) -> tuple[np.int64, np.int64]:
    """Return the allowed move [n_units, n_parts] that is best for the labels: the unit and its new part."""
    counts = _count(units, part, n_parts=len(fair))
    movers, targets = np.nonzero(is_allowed)
    moved = units.evidence[movers]
    distance = (2 * moved * (counts - fair)[targets] + moved**2).sum(axis=1)
    distance += (-2 * moved * (counts - fair)[part[movers]] + moved**2).sum(axis=1)
    best = distance.argmin()
    return movers[best], targets[best]


def _count(units: _Units, part: IntArray, *, n_parts: int) -> IntArray:
    """Count the photos of each column in each part [n_parts, n_columns]."""
    counts = np.zeros((n_parts, units.evidence.shape[1]), dtype=np.int64)
    np.add.at(counts, part, units.evidence)
    return counts


def _even_out(units: _Units, part: IntArray, *, fair: FloatArray) -> None:
    """Swap units, in place, where a part lacks a column that it could have, or has too little of it."""
    counts = _count(units, part, n_parts=len(fair))
    is_needed = (units.evidence > 0).sum(axis=0) >= len(fair)  # frequent enough to be in every part
    n_tries, improved = 0, True
    while improved:
        improved = False
        for cell in _worst_first(counts, fair, is_needed):
            n_tries += 1
            if n_tries > _MOST_TRIES:
                return
            swap = _find_swap(units, part, counts, fair=fair, is_needed=is_needed, cell=cell)
            if swap is not None:
                giver, taker = swap
                poor, rich = part[taker], part[giver]
                counts[poor] += units.evidence[giver] - units.evidence[taker]
                counts[rich] += units.evidence[taker] - units.evidence[giver]
                part[giver], part[taker] = poor, rich
                improved = True


def _worst_first(counts: IntArray, fair: FloatArray, is_needed: NDArray[np.bool_]) -> IntArray:
    """Return part and column of all gaps, then of what is a photo or more short, worst first [n_cells, 2]."""
    is_gap = (counts == 0) & is_needed
    cells = np.argwhere(is_gap | (counts <= fair - 1))
    shortfall = np.where(is_gap, np.inf, fair - counts)
    return cells[np.argsort(-shortfall[*cells.T], kind="stable")]


def _find_swap(
    units: _Units,
    part: IntArray,
    counts: IntArray,
    *,
    fair: FloatArray,
    is_needed: NDArray[np.bool_],
    cell: IntArray,
) -> tuple[np.int64, np.int64] | None:
    """Return the unit to bring to a part and the unit to take from there, or None where no swap helps.

    Both have the same number of photos. The swap leaves the fewest gaps; among equals, the smallest squared
    distance from the fair counts.
    """
    poor, column = cell
    evidence = units.evidence
    givers = np.flatnonzero((part != poor) & (evidence[:, column] > 0))[:_MOST_GIVERS]
    has_size = np.isin(units.size, units.size[givers])
    takers = np.flatnonzero((part == poor) & (evidence[:, column] == 0) & has_size)[: 10 * _MOST_TAKERS]
    # Photos with few labels first: taking them away hardly opens a gap.
    takers = takers[np.argsort(evidence[takers].sum(axis=1), kind="stable")][:_MOST_TAKERS]
    is_fit = units.size[givers][:, None] == units.size[takers]
    if not is_fit.any():
        return None
    change = evidence[givers][:, None] - evidence[takers]  # [n_givers, n_takers, n_columns]
    gaps, distance = np.zeros((2, len(givers), len(takers)))
    for rows, gained in ((np.full(len(givers), poor), change), (part[givers], -change)):
        before = counts[rows][:, None]
        gaps += ((before + gained == 0).astype(np.int64) - (before == 0)) @ is_needed
        distance += (gained * (2 * (before - fair[rows][:, None]) + gained)).sum(axis=2)
    gaps[~is_fit] = np.inf
    best = np.where(gaps == gaps.min(), distance, np.inf).argmin()
    giver, taker = np.unravel_index(best, gaps.shape)
    helps = gaps[giver, taker] < 0 or (gaps[giver, taker] == 0 and distance[giver, taker] < -_ROUNDING)
    return (givers[giver], takers[taker]) if helps else None
