"""Measure many resamples of the same photos at once.

In:  targets, scores and decisions [n_photos, n_labels], and how often each resample counts each photo.
Out: every metric of ``measure`` per resample, and average precision and F1 of each label.

A resample that counts a photo three times gives what ``measure`` gives on a table in which its row stands
three times, unknown cells and ties included. Nothing is repeated and nothing sorted again to get there: every
metric is made of sums over photos, and a sum over the photos of all resamples is one matrix product.
"""

from dataclasses import dataclass

import numpy as np

from manylabel.metrics.arithmetic import divide
from manylabel.metrics.curves import BoolArray, known_cells
from manylabel.metrics.metrics import f1
from manylabel.types import FloatArray, IntArray

# Resamples are handled in chunks whose counts take this much memory. About ten arrays of that size live at a
# time, so that a call stays below 256 MB beside what it is given and what it returns.
_CHUNK_BYTES = 16_000_000

# Photo-label cells, resamples included, that take about three seconds on one core.
_AFFORDABLE_CELLS = 400_000_000


@dataclass(frozen=True, eq=False, kw_only=True)
class ResampledMetrics:
    """Hold what every resample measures.

    Attributes:
        metrics: Arrays [n_resamples] by name: the metrics of ``measure``, in its order.
        labels: Arrays [n_resamples, n_labels] by name: ``average_precision`` and ``f1`` of each label.
    """

    metrics: dict[str, FloatArray]
    labels: dict[str, FloatArray]


def draw_counts(groups: IntArray, *, n_resamples: int, rng: np.random.Generator) -> IntArray:
    """Draw groups with replacement, as many as there are, and count how often each photo is drawn.

    Args:
        groups: Which group each photo belongs to [n_photos]; any numbers, the same within a group.
        n_resamples: Number of draws.
        rng: The source of chance.

    Returns:
        Counts [n_resamples, n_photos]; equal within a group.

    Examples:
        >>> draw_counts(np.array([7, 7, 3]), n_resamples=3, rng=np.random.default_rng(0))
        array([[2, 2, 0],
               [1, 1, 1],
               [0, 0, 2]])
    """
    names, group = np.unique(groups, return_inverse=True)
    shape = (n_resamples, len(names))
    drawn = rng.integers(max(len(names), 1), size=shape) + np.arange(n_resamples)[:, None] * len(names)
    counts = np.bincount(drawn.ravel(), minlength=n_resamples * len(names)).reshape(shape)
    return np.asarray(counts[:, group], dtype=np.int64)


def draw_moments(draws: FloatArray, *, n_groups: int) -> tuple[FloatArray, FloatArray]:
    """Compute mean and variance of what was measured over the draws that define it.

    The variance of draws from n groups is (n - 1) / n times that of the metric, which is undone (narrowness
    bias: Hesterberg, The American Statistician 69, 2015).

    Args:
        draws: One metric per column [n_resamples, n_metrics], NaN where undefined.
        n_groups: Groups that were drawn from, at least 2.

    Returns:
        Mean and variance [n_metrics]; NaN and 0 where no draw defines the metric.
    """
    is_defined = ~np.isnan(draws)
    n_defined = is_defined.sum(axis=0)
    sums = np.where(is_defined, draws, 0.0).sum(axis=0)
    mean = np.divide(sums, n_defined, out=np.full(sums.shape, np.nan), where=n_defined > 0)
    squares = np.where(is_defined, (draws - mean) ** 2, 0.0).sum(axis=0)
    return mean, squares / np.maximum(n_defined - 1, 1) * n_groups / (n_groups - 1)


def affordable_resamples(*, n_photos: int, n_labels: int, wanted: int) -> int:
    """Say how many resamples of a table take no more than a few seconds.

    Args:
        n_photos: Photos of the table.
        n_labels: Labels of the table.
        wanted: Resamples that a small table gets.

    Returns:
        ``wanted``, or fewer where the table has more than 400,000,000 / ``wanted`` cells; at least 200,
        unless fewer are wanted.

    Examples:
        >>> affordable_resamples(n_photos=200, n_labels=10, wanted=2000)
        2000
        >>> affordable_resamples(n_photos=20_000, n_labels=54, wanted=2000)
        370
    """
    affordable = _AFFORDABLE_CELLS // max(n_photos * n_labels, 1)
    return min(wanted, max(affordable, 200))


def measure_resampled(
    targets: FloatArray, scores: FloatArray, decisions: BoolArray, *, counts: IntArray
) -> ResampledMetrics:
    """Compute every metric of a table of results for every resample.

    Args:
        targets: Float array [n_photos, n_labels]: 1 present, 0 absent, NaN unknown.
        scores: Float array [n_photos, n_labels].
        decisions: Which labels were given [n_photos, n_labels].
        counts: How often each resample counts each photo [n_resamples, n_photos], 0 or more.

    Returns:
        Metrics per resample; NaN where a resample leaves one undefined.

    Raises:
        ValueError: The first three differ in shape, or the counts are not those of these photos.

    Examples:
        >>> targets, scores = np.array([[1.0, 0.0], [0.0, np.nan]]), np.array([[0.9, 0.2], [0.4, 0.7]])
        >>> counts = np.array([[1, 1], [2, 0], [0, 2]])
        >>> resampled = measure_resampled(targets, scores, scores >= 0.3, counts=counts)
        >>> resampled.metrics["exact_match"]
        array([0.5, 1. , 0. ])
        >>> resampled.labels["average_precision"]
        array([[ 1., nan],
               [ 1., nan],
               [nan, nan]])
    """
    if counts.ndim != 2 or counts.shape[1] != len(targets):
        raise ValueError(f"counts have shape {counts.shape}, expected (n_resamples, {len(targets)})")
    if counts.min(initial=0) < 0:
        raise ValueError("counts say how often a photo is taken; a negative one was given")
    tally = _tally_labels(targets, decisions, counts=counts)
    ranked = _rank_labels(targets, scores, counts=counts, n_negative=tally.known - tally.present)
    by_label = {"average_precision": ranked["average_precision"], "f1": tally.f1()}
    precision, recall = _mean(tally.precision()), _mean(tally.recall())
    overall = tally.over_all_cells()
    photo_means = _photo_means(targets, scores, decisions, counts=counts)
    metrics = {
        "binary_accuracy": overall.share(overall.right),
        "exact_match": photo_means["exact_match"],
        "mAP": _mean(by_label["average_precision"]),
        "f1_macro": _mean(by_label["f1"]),
        "f1_micro": overall.f1(),
        "f1_samples": photo_means["f1_samples"],
        "auroc_macro": _mean(ranked["auroc"]),
        "hamming_loss": overall.share(overall.known - overall.right),
        "CP": precision,
        "CR": recall,
        "CF1": _harmonic_mean(precision, recall),
        "OP": overall.precision(),
        "OR": overall.recall(),
        "OF1": _harmonic_mean(overall.precision(), overall.recall()),
        "coverage_error": photo_means["coverage_error"],
        "ranking_loss": photo_means["ranking_loss"],
    }
    return ResampledMetrics(metrics=metrics, labels=by_label)


@dataclass(frozen=True, eq=False, kw_only=True)
class _Tally:
    """Count known cells per resample, and per label [n_resamples, n_labels] or in all [n_resamples]."""

    hits: FloatArray
    decided: FloatArray
    present: FloatArray
    known: FloatArray

    @property
    def right(self) -> FloatArray:
        """Count the right cells: all but the missed and the wrongly given ones."""
        return self.known - (self.decided - self.hits) - (self.present - self.hits)

    def share(self, part: FloatArray) -> FloatArray:
        """Divide by the number of known cells."""
        return divide(part, self.known)

    def precision(self) -> FloatArray:
        """Divide the hits by what was decided."""
        return self._ratio(self.hits, self.decided)

    def recall(self) -> FloatArray:
        """Divide the hits by what is present."""
        return self._ratio(self.hits, self.present)

    def f1(self) -> FloatArray:
        """Combine precision and recall."""
        return self._ratio(2 * self.hits, self.decided + self.present)

    def over_all_cells(self) -> "_Tally":
        """Throw the labels together."""
        cells = (self.hits, self.decided, self.present, self.known)
        hits, decided, present, known = (cell.sum(axis=1) for cell in cells)
        return _Tally(hits=hits, decided=decided, present=present, known=known)

    def _ratio(self, numerator: FloatArray, denominator: FloatArray) -> FloatArray:
        """Divide, with 0 where the denominator is 0 and NaN where nothing is known."""
        ratio = np.divide(numerator, denominator, out=np.zeros_like(numerator), where=denominator > 0)
        return np.where(self.known > 0, ratio, np.nan)


def _tally_labels(targets: FloatArray, decisions: BoolArray, *, counts: IntArray) -> _Tally:
    """Count the cells of each label in each resample."""
    known = known_cells(targets, decisions)
    is_present = targets == 1
    return _Tally(
        hits=_sum_over_photos(counts, is_present & decisions),
        decided=_sum_over_photos(counts, known & decisions),
        present=_sum_over_photos(counts, is_present),
        known=_sum_over_photos(counts, known),
    )


def _photo_means(
    targets: FloatArray, scores: FloatArray, decisions: BoolArray, *, counts: IntArray
) -> dict[str, FloatArray]:
    """Average over the photos with a known cell what is measured photo by photo [n_resamples]."""
    known = known_cells(targets, scores)
    is_judged = known.any(axis=1)
    values = {
        "exact_match": ((targets == 1) == decisions)[is_judged].all(axis=1, where=known[is_judged]),
        # The F1 of a photo over its labels is the F1 of a label over its photos in the transposed table.
        "f1_samples": f1(targets[is_judged].T, decisions[is_judged].T),
        "coverage_error": _depths(targets[is_judged], scores[is_judged]),
        "ranking_loss": _shares_of_wrong_pairs(targets[is_judged], scores[is_judged]),
    }
    columns = np.column_stack([*values.values(), np.ones(int(is_judged.sum()))])
    sums = _sum_over_photos(counts[:, is_judged], columns)  # [n_resamples, 5]
    means = divide(sums[:, :-1], sums[:, -1:])
    return dict(zip(values, means.T, strict=True))


def _depths(targets: FloatArray, scores: FloatArray) -> FloatArray:
    """Count per photo how many labels one must go down its ranking to meet all true ones."""
    lowest = np.where(targets == 1, scores, np.inf).min(axis=1, initial=np.inf, keepdims=True)
    return np.asarray((~np.isnan(targets) & (scores >= lowest)).sum(axis=1), dtype=np.float64)


def _shares_of_wrong_pairs(targets: FloatArray, scores: FloatArray) -> FloatArray:
    """Compute per photo the share of its (true, false) label pairs ranked wrongly; 0 without a pair."""
    order = np.lexsort((targets, -scores), axis=1)  # best score first; in a tie the false label first
    ranked = np.take_along_axis(targets, order, axis=1)
    n_wrong = np.where(ranked == 1, np.cumsum(ranked == 0, axis=1), 0).sum(axis=1)
    n_pairs = (targets == 1).sum(axis=1) * (targets == 0).sum(axis=1)
    return np.asarray(n_wrong / np.maximum(n_pairs, 1))


def _rank_labels(
    targets: FloatArray, scores: FloatArray, *, counts: IntArray, n_negative: FloatArray
) -> dict[str, FloatArray]:
    """Compute average precision and area under the ROC curve [n_resamples, n_labels]."""
    known_cells(targets, scores)
    measured = {name: np.full(n_negative.shape, np.nan) for name in ("average_precision", "auroc")}
    rankings = [_Ranking.of(*label) for label in zip(targets.T, scores.T, strict=True)]
    for rows in _chunks(counts):
        weights = np.ascontiguousarray(counts[rows].T, dtype=np.float64)  # [n_photos, chunk]
        for label, ranking in enumerate(rankings):
            if ranking.positives.size:
                values = ranking.measure(weights, n_negative=n_negative[rows, label])
                measured["average_precision"][rows, label], measured["auroc"][rows, label] = values
    return measured


@dataclass(frozen=True, eq=False, kw_only=True)
class _Ranking:
    """Hold the ranking of the known photos of one label, best score first.

    Average precision and the area under the ROC curve only gain where a positive stands, so what lies between
    two positives is summed once. Photos of the same score are one rank, since their order must not matter.

    Attributes:
        photos: Known photos, down to the last positive and all that tie with it.
        positives: The positives among them.
        edges: Where in ``photos`` ranks with a positive begin and end, rising, no two alike.
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
        places = np.flatnonzero(is_present)
        ranks, first_positives = np.unique(
            np.searchsorted(begins, places, side="right") - 1, return_index=True
        )
        edges = np.union1d(begins[ranks], ends[ranks])
        last = edges[-1] if edges.size else 0
        return cls(
            photos=photos[:last],
            positives=photos[places],
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


def _chunks(counts: IntArray) -> list[slice]:
    """Cut the resamples into chunks that fit into memory."""
    size = max(_CHUNK_BYTES // (8 * max(counts.shape[1], 1)), 1)
    return [slice(first, first + size) for first in range(0, len(counts), size)]


def _sum_over_photos(counts: IntArray, values: FloatArray | BoolArray) -> FloatArray:
    """Sum values [n_photos, n_columns] as often as each resample counts each photo."""
    columns = values.astype(np.float64)
    sums = np.empty((len(counts), columns.shape[1]))
    for rows in _chunks(counts):
        np.matmul(counts[rows].astype(np.float64), columns, out=sums[rows])
    return sums


def _mean(values: FloatArray) -> FloatArray:
    """Average over the labels for which a value is defined; NaN where none is."""
    is_defined = ~np.isnan(values)
    return divide(np.where(is_defined, values, 0.0).sum(axis=1), is_defined.sum(axis=1, dtype=np.float64))


def _harmonic_mean(first: FloatArray, second: FloatArray) -> FloatArray:
    """Combine two shares; 0 where both are 0."""
    total = first + second
    return np.divide(2 * first * second, total, out=np.zeros_like(total), where=total != 0)
