"""Compute how far metrics can be trusted, by resampling the evaluated photos.

In:  targets [n_photos, n_labels], scores and decisions of each model, and which photos are near-duplicates.
Out: a confidence interval for every metric of every model; ``comparison.py`` tells models apart by the same
     resamples.

The evaluated photos are resampled with replacement (the bootstrap: Efron & Tibshirani, An Introduction to the
Bootstrap, 1993, chapters 6 and 10), a group as a whole, since near-duplicates are no new evidence. All models
are measured on the same resamples. These give standard error and bias; the interval is Wilson's for a share
(JASA 22, 1927) with three changes, chosen by measuring what covers:

* The number of photos is the one at which a plain share would have that standard error (effective sample
  size: Korn & Graubard, Survey Methodology 24, 1998), with Student's quantiles. At 0 % and 100 % it is the
  number of groups, so that no interval collapses to a point.
* It spans the metric and the metric less twice the bias in the resamples: AP of few positives comes out too
  high, F1 too low, and the resamples show a part of that. mAP has the degrees of freedom of its positives.
* A label without a positive counts as 0 in f1_macro, CP, CR, CF1, and may be anything: the upper end moves.

Coverage in % of 95 % intervals, truth from 200,000 simulated photos, 10 labels of prevalence 6 to 40 %, weak,
middling and strong models (mAP 46, 80, 97 %); standard error 0.7 points at 40 photos, 1 point at 200:

                       40 photos           200 photos
exact_match            97.6  97.0  96.0    96.0  94.6  94.6
binary_accuracy        96.0  95.5  95.8    95.6  94.2  94.4
f1_macro               94.1  94.6  94.4    95.8  96.8  96.8
mAP                    95.9  95.6  93.0    96.4  95.4  94.8
the other metrics      91.9 to 97.8        94.0 to 96.6
difference of mAP      94.3  93.2  95.0    93.4  92.4  94.8
AP and F1 of a label   90 to 100           92 to 99, from 7 positives on

Middling and strong models, 40 photos, 400 repetitions: percentile intervals cover mAP in 84 and 84, basic
ones in 77 and 59, BCa (Efron, JASA 82, 1987) in 88 and 90; f1_macro in 78 and 72, 84 and 81, 87 and 75;
differences of mAP in 97 and 95, 86 and 91, 86 and 88. At 0 and 100 % all three are points.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from manylabel.metrics.metrics import average_precision, f1
from manylabel.metrics.registry import METRICS, list_metrics
from manylabel.metrics.resamples import BoolArray, Resamples
from manylabel.types import FloatArray, IntArray

NO_VARIANCE = 1e-20  # below, resamples differ by rounding only

# Photo-label cells, resamples included, that take about three seconds on one core.
_AFFORDABLE_CELLS = 400_000_000


@dataclass(frozen=True, kw_only=True)
class Interval:
    """The ends of an interval; both are NaN where the metric is undefined."""

    low: float
    high: float


@dataclass(frozen=True, eq=False, kw_only=True)
class ModelIntervals:
    """The confidence intervals of one model.

    Attributes:
        metrics: An interval per metric of all labels together.
        labels: ``average_precision`` and ``f1``: an interval per label.
        measured: The metrics themselves.
        resampled: The metrics of every resample [n_resamples]; row r of every model is the same resample.
    """

    metrics: dict[str, Interval]
    labels: dict[str, tuple[Interval, ...]]
    measured: dict[str, float]
    resampled: dict[str, FloatArray]


@dataclass(frozen=True, eq=False, kw_only=True)
class Bootstrap:
    """The confidence intervals of several models on the same photos.

    Attributes:
        models: One entry per model, in the given order.
        n_photos: Photos with a known cell; the others say nothing about a model.
        n_groups: Groups of near-duplicates among them; any other photo is a group.
        n_labels: Labels.
        level: Share of such intervals that should hold the truth, e.g. 0.95.
    """

    models: tuple[ModelIntervals, ...]
    n_photos: int
    n_groups: int
    n_labels: int
    level: float


def draw_resamples(groups: IntArray, *, n_resamples: int, rng: np.random.Generator) -> IntArray:
    """Draw groups with replacement, as many as there are, and count how often each photo is drawn.

    Args:
        groups: Which group each photo belongs to [n_photos]; any numbers, the same within a group.
        n_resamples: Number of resamples.
        rng: The source of chance.

    Returns:
        Counts [1 + n_resamples, n_photos]; equal within a group. The first row counts every photo once.

    Examples:
        >>> draw_resamples(np.array([7, 7, 3]), n_resamples=3, rng=np.random.default_rng(0))
        array([[1, 1, 1],
               [2, 2, 0],
               [1, 1, 1],
               [0, 0, 2]])
    """
    names, group = np.unique(groups, return_inverse=True)
    shape = (n_resamples, len(names))
    drawn = rng.integers(max(len(names), 1), size=shape) + np.arange(n_resamples)[:, None] * len(names)
    counts = np.bincount(drawn.ravel(), minlength=n_resamples * len(names)).reshape(shape)
    return np.concatenate([np.ones((1, len(groups)), dtype=np.int64), counts[:, group]])


def resampling_error(resampled: FloatArray, *, n_groups: int) -> tuple[FloatArray, FloatArray]:
    """Compute mean and variance [n_metrics] over the resamples [n_resamples, n_metrics] that define a metric.

    The variance over resamples of n groups, at least 2, is (n - 1) / n times that of the metric, which is
    undone (narrowness bias: Hesterberg, The American Statistician 69, 2015). Without a resample that defines
    a metric they are NaN and 0.
    """
    is_defined = ~np.isnan(resampled)
    n_defined = is_defined.sum(axis=0)
    sums = np.where(is_defined, resampled, 0.0).sum(axis=0)
    mean = np.divide(sums, n_defined, out=np.full(sums.shape, np.nan), where=n_defined > 0)
    squares = np.where(is_defined, (resampled - mean) ** 2, 0.0).sum(axis=0)
    return mean, squares / np.maximum(n_defined - 1, 1) * n_groups / (n_groups - 1)


def affordable_resamples(*, n_photos: int, n_labels: int, wanted: int) -> int:
    """Compute how many resamples of a table take no more than a few seconds.

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


def bootstrap_metrics(
    targets: FloatArray,
    evaluated: Sequence[tuple[FloatArray, BoolArray]],
    *,
    groups: IntArray,
    n_resamples: int = 2000,
    level: float = 0.95,
    rng: np.random.Generator,
) -> Bootstrap:
    """Compute an interval for every metric of every model.

    Args:
        targets: Float array [n_photos, n_labels]: 1 present, 0 absent, NaN unknown.
        evaluated: Scores and decisions of each model, both [n_photos, n_labels].
        groups: Which group of near-duplicates each photo belongs to [n_photos].
        n_resamples: Number of resamples; large tables get fewer, see ``affordable_resamples``.
        level: Share of such intervals that should hold the truth, between 0 and 1.
        rng: The source of chance.

    Returns:
        Intervals per model. With a single group they span all that is possible; where a metric is undefined
        they are NaN.

    Raises:
        ValueError: The level is no share, the groups are not one per photo, or shapes differ.

    Examples:
        >>> targets, rng = np.tile([[1.0, 0.0], [0.0, 1.0]], (20, 1)), np.random.default_rng(0)
        >>> evaluated = [(targets, targets == 1)]
        >>> bootstrap = bootstrap_metrics(targets, evaluated, groups=np.arange(40), rng=rng)
        >>> interval = bootstrap.models[0].metrics["exact_match"]
        >>> round(interval.low, 2), interval.high
        (0.91, 1.0)
    """
    if not 0 < level < 1:
        raise ValueError(f"level is {level}, expected a share between 0 and 1, such as 0.95")
    if groups.shape != targets.shape[:1]:
        raise ValueError(f"groups have shape {groups.shape}, expected one per photo, {targets.shape[:1]}")
    rows = np.flatnonzero(~np.isnan(targets).all(axis=1))
    n_photos, n_labels = len(rows), targets.shape[1]
    n_resamples = affordable_resamples(n_photos=n_photos, n_labels=n_labels, wanted=n_resamples)
    counts = draw_resamples(groups[rows], n_resamples=n_resamples, rng=rng)
    support = _Support.of(targets[rows], groups[rows])
    models = (
        _intervals(
            Resamples(targets[rows], scores=scores[rows], decisions=decisions[rows], counts=counts),
            support,
            level,
        )
        for scores, decisions in evaluated
    )
    return Bootstrap(
        models=tuple(models), n_photos=n_photos, n_groups=support.n_groups, n_labels=n_labels, level=level
    )


@dataclass(frozen=True, eq=False, kw_only=True)
class _Support:
    """Number of groups in which each label, any label and the median label is present."""

    n_groups: int
    n_present: IntArray
    n_any_present: int
    n_typical: int

    @classmethod
    def of(cls, targets: FloatArray, groups: IntArray) -> "_Support":
        """Count the groups of a table."""
        order = np.argsort(groups)
        starts = np.unique(groups[order], return_index=True)[1]
        is_present = targets[order] == 1
        if starts.size:
            is_present = np.logical_or.reduceat(is_present, starts, axis=0)  # [n_groups, n_labels]
        n_present = is_present.sum(axis=0)
        return cls(
            n_groups=len(starts),
            n_present=n_present,
            n_any_present=int(is_present.any(axis=1).sum()),
            n_typical=int(np.median(n_present[n_present > 0])) if n_present.any() else 0,
        )


def interval_of_mean_average_precision(
    values: FloatArray, targets: FloatArray, *, groups: IntArray, level: float
) -> Interval:
    """Compute the interval of an mAP, or of a mean of several on the same photos.

    Args:
        values: The mAP of the photos as they are, then of every resample [1 + n_resamples].
        targets: Float array [n_photos, n_labels].
        groups: Which group of near-duplicates each photo belongs to [n_photos].
        level: Share of such intervals that should hold the truth.
    """
    return _metric_intervals({"mAP": values}, _Support.of(targets, groups), level)["mAP"]


def intervals_of_average_precision(
    values: FloatArray, targets: FloatArray, *, groups: IntArray, level: float
) -> tuple[Interval, ...]:
    """Compute the same for the average precision of each label, values [1 + n_resamples, n_labels]."""
    return _label_intervals(values, _Support.of(targets, groups), level)


def _intervals(photos: Resamples, support: _Support, level: float) -> ModelIntervals:
    """Compute the intervals of one model from its resamples, the first of which counts every photo once."""
    values = {metric.name: metric.compute(photos) for metric in list_metrics()}
    label_values = {"average_precision": average_precision(photos), "f1": f1(photos)}
    return ModelIntervals(
        metrics=_metric_intervals(values, support, level),
        labels={
            name: _label_intervals(of_labels, support, level) for name, of_labels in label_values.items()
        },
        measured={name: float(of_metric[0]) for name, of_metric in values.items()},
        resampled={name: of_metric[1:] for name, of_metric in values.items()},
    )


def _metric_intervals(
    values: Mapping[str, FloatArray], support: _Support, level: float
) -> dict[str, Interval]:
    """Compute the interval of each metric."""
    n_groups, n_labels = support.n_groups, len(support.n_present)
    metrics = [METRICS[name] for name in values]
    top = np.array([metric.highest_value(n_labels=n_labels) for metric in metrics])
    low, high = _ends(
        np.column_stack(list(values.values())) / top,
        n_groups=n_groups,
        support=np.array(
            [
                n_groups if metric.rests_on == "photos" else max(support.n_any_present, 1)
                for metric in metrics
            ],
            dtype=np.float64,
        ),
        freedom=[
            max(support.n_typical - 1, 2) if metric.rests_on == "median_label" else n_groups - 1
            for metric in metrics
        ],
        level=level,
    )
    share_absent = (support.n_present == 0).sum() / max(n_labels, 1)
    slack = [share_absent if metric.absent_label_is_0 else 0.0 for metric in metrics]
    return dict(zip(values, _pairs(low * top, np.minimum(high + slack, 1.0) * top), strict=True))


def _label_intervals(values: FloatArray, support: _Support, level: float) -> tuple[Interval, ...]:
    """Compute the interval of a metric of each label; without a positive it spans all that is possible."""
    low, high = _ends(
        values,
        n_groups=support.n_groups,
        support=np.maximum(support.n_present, 1).astype(np.float64),
        freedom=[support.n_groups - 1] * values.shape[1],
        level=level,
    )
    return _pairs(low, np.where((support.n_present == 0) & ~np.isnan(high), 1.0, high))


def _ends(
    values: FloatArray, *, n_groups: int, support: FloatArray, freedom: Sequence[int], level: float
) -> tuple[FloatArray, FloatArray]:
    """Compute lower and upper ends [n_metrics] of metrics between 0 and 1.

    Values are [1 + n_resamples, n_metrics]; their first row counts every photo once. Support is the number of
    groups that a value of 0 or 1 rests on, freedom that of degrees of freedom, both [n_metrics].
    """
    estimate = values[0]
    if n_groups < 2:  # nothing is known of other photos, but NaN stays NaN
        return 0 * estimate, 0 * estimate + 1
    mean, variance = resampling_error(values[1:], n_groups=n_groups)
    quantile = np.array([student_quantile(level, number) for number in freedom])
    bias = np.where(np.isnan(mean), 0.0, mean - estimate)
    size = _effective_size(estimate, variance, otherwise=support)
    corrected = np.clip(estimate - 2 * bias, 0, 1)
    corrected_size = _effective_size(corrected, variance, otherwise=size)
    # Resamples of one or two positives hardly differ, and say too little of what a third would do.
    most = np.where(support < 3, support, np.inf)
    low, high = wilson(estimate, size=np.minimum(size, most), quantile=quantile)
    lower, higher = wilson(corrected, size=np.minimum(corrected_size, most), quantile=quantile)
    return np.minimum(low, lower), np.maximum(high, higher)


def _effective_size(share: FloatArray, variance: FloatArray, *, otherwise: FloatArray) -> FloatArray:
    """Compute how many independent photos would give a share this variance; else take the given size."""
    can_tell = (variance > NO_VARIANCE) & (share > 0) & (share < 1)
    return np.divide(share * (1 - share), variance, out=otherwise.copy(), where=can_tell)


def _pairs(low: FloatArray, high: FloatArray) -> tuple[Interval, ...]:
    """Turn ends into intervals."""
    return tuple(Interval(low=float(a), high=float(b)) for a, b in zip(low, high, strict=True))


def wilson(
    share: FloatArray, *, size: FloatArray | IntArray, quantile: FloatArray | float
) -> tuple[FloatArray, FloatArray]:
    """Compute Wilson's score interval of shares of ``size`` photos (JASA 22, 1927); all arrays [n]."""
    pull = quantile**2 / size
    middle = (share + pull / 2) / (1 + pull)
    half = np.sqrt(pull * share * (1 - share) + pull**2 / 4) / (1 + pull)
    return np.clip(np.minimum(middle - half, share), 0, 1), np.clip(np.maximum(middle + half, share), 0, 1)


def wilson_interval(n_hits: int, n_all: int, *, level: float = 0.95) -> Interval:
    """Compute Wilson's score interval of a share (JASA 22, 1927).

    Args:
        n_hits: Number of hits.
        n_all: Number of trials, at least 1.
        level: Share of such intervals that should hold the truth.

    Examples:
        >>> interval = wilson_interval(0, 73)
        >>> round(interval.low, 3), round(interval.high, 3)
        (0.0, 0.05)
    """
    share, size = np.array([n_hits / n_all]), np.array([n_all], dtype=np.float64)
    quantile = np.array([NormalDist().inv_cdf((1 + level) / 2)])
    (interval,) = _pairs(*wilson(share, size=size, quantile=quantile))
    return interval


def student_quantile(level: float, freedom: float) -> float:
    """Compute Student's two-sided quantile (Abramowitz & Stegun 1964, 26.7.5; 1 % off at 2 degrees)."""
    z = NormalDist().inv_cdf((1 + level) / 2)
    terms = (
        z,
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return sum(term / freedom**power for power, term in enumerate(terms))
