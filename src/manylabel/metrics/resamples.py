"""Sum over the photos of many resamples at once.

In:  targets, scores and decisions [n_photos, n_labels], and how often each resample counts each photo.
Out: counts of right and wrong cells, average precision and area under the ROC curve, per resample and label,
     and means over photos per resample: what every metric is made of.

A resample that counts a photo three times gives what a table gives in which its row is repeated three times,
unknown cells and ties included. Nothing is repeated and nothing sorted again to get there: a sum over the
photos of all resamples is one matrix product.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from manylabel.types import FloatArray, IntArray

BoolArray = NDArray[np.bool_]

# Resamples are handled in chunks whose counts take this much memory. About ten arrays of that size live at a
# time, so that a call stays below 256 MB beside what it is given and what it returns.
_CHUNK_BYTES = 16_000_000


def divide(numerator: FloatArray, denominator: FloatArray | IntArray | np.float64) -> FloatArray:
    """Divide, with NaN where the denominator is 0.

    Examples:
        >>> divide(np.array([1.0, 1.0]), np.array([2, 0]))
        array([0.5, nan])
    """
    return np.divide(numerator, denominator, out=np.full_like(numerator, np.nan), where=denominator > 0)


def known_cells(targets: FloatArray, answers: FloatArray | BoolArray) -> BoolArray:
    """Find the cells whose truth is known; answers are the scores or decisions that belong to them.

    Raises:
        ValueError: Targets and answers differ in shape.

    Examples:
        >>> known_cells(np.array([[1.0, np.nan]]), np.array([[0.9, 0.2]]))
        array([[ True, False]])
    """
    if targets.shape != answers.shape:
        raise ValueError(
            f"targets have shape {targets.shape}, scores or decisions {answers.shape}; expected the same"
        )
    return ~np.isnan(targets)


class Resamples:
    """Evaluated photos, and how often each resample counts each of them.

    What several metrics need is computed once, when the first of them asks for it.

    Args:
        targets: Float array [n_photos, n_labels]: 1 present, 0 absent, NaN unknown.
        scores: Float array [n_photos, n_labels]; None where no metric of scores is computed.
        decisions: Which labels were given [n_photos, n_labels]; None where no metric of decisions is
            computed.
        counts: How often each resample counts each photo [n_resamples, n_photos], 0 or more. By default one
            resample that counts every photo once.

    Raises:
        ValueError: Shapes differ, the counts are not those of these photos, or one is negative.

    Examples:
        >>> targets, scores = np.array([[1.0, 0.0], [0.0, np.nan]]), np.array([[0.9, 0.2], [0.4, 0.7]])
        >>> Resamples(targets, decisions=scores >= 0.3).by_label.precision()
        array([[0.5, 0. ]])
        >>> Resamples(targets, scores=scores, counts=np.array([[2, 0], [0, 2]])).average_precision
        array([[ 1., nan],
               [nan, nan]])
    """

    def __init__(
        self,
        targets: FloatArray,
        *,
        scores: FloatArray | None = None,
        decisions: BoolArray | None = None,
        counts: IntArray | None = None,
    ) -> None:
        counts = np.ones((1, len(targets)), dtype=np.int64) if counts is None else counts
        if counts.ndim != 2 or counts.shape[1] != len(targets):
            raise ValueError(f"counts have shape {counts.shape}, expected (n_resamples, {len(targets)})")
        if counts.min(initial=0) < 0:
            raise ValueError("counts say how often a photo is taken; a negative one was given")
        for answers in (scores, decisions):
            if answers is not None:
                known_cells(targets, answers)
        self.targets, self.counts = targets, counts
        self._scores, self._decisions = scores, decisions

    @property
    def scores(self) -> FloatArray:
        """Return the scores [n_photos, n_labels]."""
        if self._scores is None:
            raise ValueError("this metric needs scores; none were given")
        return self._scores

    @property
    def decisions(self) -> BoolArray:
        """Return the decisions [n_photos, n_labels]."""
        if self._decisions is None:
            raise ValueError("this metric needs decisions; none were given")
        return self._decisions

    @cached_property
    def is_known(self) -> BoolArray:
        """Return which cells are known [n_photos, n_labels]."""
        return ~np.isnan(self.targets)

    @cached_property
    def _truth(self) -> tuple[FloatArray, FloatArray]:
        """Count the present and the known photos of each label, both [n_resamples, n_labels]."""
        present, known = self.sum_over_photos(self.targets == 1, self.is_known)
        return present, known

    @cached_property
    def by_label(self) -> "Tally":
        """Count the cells of each label [n_resamples, n_labels]."""
        given = self.is_known & self.decisions
        hits, n_given = self.sum_over_photos((self.targets == 1) & given, given)
        present, known = self._truth
        return Tally(hits=hits, given=n_given, present=present, known=known)

    @cached_property
    def overall(self) -> "Tally":
        """Count the cells of all labels together [n_resamples]."""
        tally = self.by_label
        return Tally.sum_of(tally.hits, tally.given, tally.present, tally.known)

    @cached_property
    def by_photo(self) -> "Tally":
        """Count the cells of each photo [n_photos]."""
        given, present = self.is_known & self.decisions, self.targets == 1
        return Tally.sum_of(present & given, given, present, self.is_known)

    @property
    def average_precision(self) -> FloatArray:
        """Return the average precision of each label [n_resamples, n_labels]."""
        return self._ranked[0]

    @property
    def auroc(self) -> FloatArray:
        """Return the area under the ROC curve of each label [n_resamples, n_labels]."""
        return self._ranked[1]

    @cached_property
    def _ranked(self) -> tuple[FloatArray, FloatArray]:
        """Compute average precision and area under the ROC curve, both [n_resamples, n_labels]."""
        present, known = self._truth
        n_negative = known - present
        average_precisions, areas = np.full((2, *n_negative.shape), np.nan)
        rankings = [_Ranking.of(*label) for label in zip(self.targets.T, self.scores.T, strict=True)]
        for rows in self._chunks:
            weights = self._weights(rows)
            for label, ranking in enumerate(rankings):
                if ranking.positives.size:
                    found = ranking.measure(weights, n_negative=n_negative[rows, label])
                    average_precisions[rows, label], areas[rows, label] = found
        return average_precisions, areas

    def mean_over_photos(self, values: FloatArray | BoolArray) -> FloatArray:
        """Average values [n_photos] over the photos with a known cell [n_resamples]; NaN without any."""
        is_known = np.asarray(self.is_known.any(axis=1))
        (sums,) = self.sum_over_photos(np.where(is_known, values, 0.0)[:, None])
        return divide(sums[:, 0], self._n_known_photos)

    @cached_property
    def _n_known_photos(self) -> FloatArray:
        """Count the photos with a known cell [n_resamples]."""
        (n_known,) = self.sum_over_photos(np.asarray(self.is_known.any(axis=1))[:, None])
        return n_known[:, 0]

    def sum_over_photos(self, *parts: FloatArray | BoolArray) -> list[FloatArray]:
        """Sum arrays [n_photos, n_columns] over the photos of each resample [n_resamples, n_columns]."""
        columns = np.hstack(parts, dtype=np.float64)
        sums = np.empty((len(self.counts), columns.shape[1]))
        for rows in self._chunks:
            np.matmul(self._weights(rows).T, columns, out=sums[rows])
        return np.split(sums, np.cumsum([part.shape[1] for part in parts[:-1]]), axis=1)

    @cached_property
    def _chunks(self) -> list[slice]:
        """Return chunks of resamples that fit into memory."""
        size = max(_CHUNK_BYTES // (8 * max(self.counts.shape[1], 1)), 1)
        return [slice(first, first + size) for first in range(0, len(self.counts), size)]

    def _weights(self, rows: slice) -> FloatArray:
        """Return the counts of a chunk of resamples as floats [n_photos, n_rows]."""
        return self._all_weights if len(self._chunks) == 1 else _as_weights(self.counts[rows])

    @cached_property
    def _all_weights(self) -> FloatArray:
        return _as_weights(self.counts)


def _as_weights(counts: IntArray) -> FloatArray:
    return np.ascontiguousarray(counts.T, dtype=np.float64)


@dataclass(frozen=True, eq=False, kw_only=True)
class Tally:
    """Counts of known cells, all of the same shape.

    Attributes:
        hits: Cells that were given and are present.
        given: Cells that were given.
        present: Cells that are present.
        known: All cells.
    """

    hits: FloatArray
    given: FloatArray
    present: FloatArray
    known: FloatArray

    @property
    def right(self) -> FloatArray:
        """Count the right cells: all but the missed and the wrongly given ones."""
        return self.known - (self.given - self.hits) - (self.present - self.hits)

    def precision(self) -> FloatArray:
        """Divide the hits by what was given."""
        return self._where_known(_ratio(self.hits, self.given))

    def recall(self) -> FloatArray:
        """Divide the hits by what is present."""
        return self._where_known(_ratio(self.hits, self.present))

    def f_beta(self, beta: float = 1.0) -> FloatArray:
        """Combine precision and recall, which is ``beta`` times as important."""
        return self._where_known(f_beta(self.hits, self.given, self.present, beta=beta))

    @classmethod
    def sum_of(cls, *cells: FloatArray | BoolArray) -> "Tally":
        """Sum hits, given, present and known cells along the last axis."""
        hits, given, present, known = (part.sum(axis=-1, dtype=np.float64) for part in cells)
        return cls(hits=hits, given=given, present=present, known=known)

    def _where_known(self, values: FloatArray) -> FloatArray:
        """Replace values by NaN where nothing is known."""
        return np.where(self.known > 0, values, np.nan)


def f_beta(
    hits: FloatArray, given: FloatArray, present: FloatArray | float, *, beta: float = 1.0
) -> FloatArray:
    """Compute F-beta from counts of cells: 0 where nothing is given or present."""
    return _ratio((1 + beta**2) * hits, given + beta**2 * present)


def _ratio(numerator: FloatArray, denominator: FloatArray) -> FloatArray:
    """Divide, with 0 where the denominator is 0."""
    return np.divide(numerator, denominator, out=np.zeros_like(numerator), where=denominator > 0)


@dataclass(frozen=True, eq=False, kw_only=True)
class _Ranking:
    """The ranking of the known photos of one label, best score first.

    Average precision and the area under the ROC curve only grow at a positive, so what lies between two
    positives is summed once. Photos of the same score are one rank, since their order must not matter.

    Attributes:
        photos: Known photos, down to the last positive and all that tie with it.
        positives: The positives among them.
        edges: Where in ``photos`` ranks with a positive begin and end, rising, no two equal.
        before: Number of the edges up to the begin of each rank with a positive [n_ranks].
        until: The same up to its end [n_ranks].
        first_positives: Where in ``positives`` each rank begins [n_ranks].
    """

    photos: IntArray
    positives: IntArray
    edges: IntArray
    before: IntArray
    until: IntArray
    first_positives: IntArray

    @classmethod
    def of(cls, targets: FloatArray, scores: FloatArray) -> "_Ranking":
        """Rank the photos of one label, targets and scores [n_photos]."""
        known = np.flatnonzero(~np.isnan(targets))
        photos = known[np.argsort(-scores[known])]
        ranked, is_present = scores[photos], targets[photos] == 1
        begins = np.flatnonzero(np.append(True, ranked[1:] != ranked[:-1])[: len(photos)])
        ends = np.append(begins[1:], len(photos))[: len(begins)]
        positives = np.flatnonzero(is_present)
        ranks, first_positives = np.unique(
            np.searchsorted(begins, positives, side="right") - 1, return_index=True
        )
        edges = np.union1d(begins[ranks], ends[ranks])
        last = edges[-1] if edges.size else 0
        return cls(
            photos=photos[:last],
            positives=photos[positives],
            edges=edges,
            before=np.searchsorted(edges, begins[ranks]),
            until=np.searchsorted(edges, ends[ranks]),
            first_positives=first_positives,
        )

    def measure(self, weights: FloatArray, *, n_negative: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Compute average precision and area under the ROC curve [n_resamples].

        Args:
            weights: How often each photo counts in each resample [n_photos, n_resamples].
            n_negative: Known photos without the label in each resample [n_resamples].
        """
        gained = np.add.reduceat(weights[self.positives], self.first_positives)  # [n_ranks, n_resamples]
        true_until = np.cumsum(gained, axis=0)
        # What lies above the first edge, between two edges, and so on; nothing lies below the last one.
        starts = np.append(0, self.edges[:-1]) if self.edges[0] > 0 else self.edges[:-1]
        above = np.zeros((len(self.edges), weights.shape[1]))
        np.cumsum(np.add.reduceat(weights[self.photos], starts), axis=0, out=above[-len(starts) :])
        until = above[self.until]
        precision = np.divide(true_until, until, out=np.zeros_like(until), where=until > 0)
        # A tie of positives and negatives counts half.
        false_above = (above[self.before] + until) / 2 - true_until + gained / 2
        n_positive = true_until[-1]
        wrong = divide((gained * false_above).sum(axis=0), n_positive * n_negative)
        return divide((gained * precision).sum(axis=0), n_positive), 1 - wrong
