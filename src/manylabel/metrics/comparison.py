"""Compare models with each other, and give the baselines that every model must beat.

In:  the models, measured on the same resamples of the photos; the targets of the training part.
Out: the difference of every two models, its interval, and whether that excludes 0; scores and decisions
     [n_photos, n_labels] of baselines that look at no photo.

Most cells of a multi-label table are 0, so giving no label at all already has a high binary accuracy.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from manylabel.metrics.bootstrap import (
    NO_VARIANCE,
    Bootstrap,
    Interval,
    ModelIntervals,
    resampling_error,
    student_quantile,
)
from manylabel.metrics.registry import METRICS
from manylabel.metrics.resamples import BoolArray
from manylabel.types import FloatArray, IntArray


@dataclass(frozen=True, kw_only=True)
class PairedDifference:
    """The difference of two models in one metric.

    Attributes:
        first: Name of one model.
        second: Name of the other.
        metric: Name of the metric.
        difference: Metric of the first less that of the second.
        low: Lower end of the interval of that difference.
        high: Upper end of it.
        n_photos: Photos that they were compared on.
        n_groups: Groups of near-duplicates among these.
    """

    first: str
    second: str
    metric: str
    difference: float
    low: float
    high: float
    n_photos: int
    n_groups: int

    @property
    def is_distinguishable(self) -> bool:
        """Tell whether the interval excludes 0; at level 0.95 one in twenty pairs of equal models does."""
        return self.low > 0 or self.high < 0

    @property
    def better(self) -> str | None:
        """Name the model with the better value; None where they are equal or cannot be compared."""
        if np.isnan(self.difference) or self.difference == 0:
            return None
        is_first = (self.difference > 0) == (METRICS[self.metric].direction == "higher")
        return self.first if is_first else self.second


def compare_pairs(
    bootstrap: Bootstrap, *, names: Sequence[str], metrics: Sequence[str] = ("mAP", "exact_match")
) -> tuple[PairedDifference, ...]:
    """Compute the difference of every two models, and whether they can be told apart.

    The interval is Student's, with the standard error over the paired resamples (Efron & Tibshirani 1993,
    section 12.4). Where all resamples agree, one photo on which the models differ is added, in the manner of
    Agresti & Min (Statistics in Medicine 24, 2005): models that agree on 40 photos need not always do.

    Args:
        bootstrap: The models on the same resamples.
        names: The models' names, in the order of ``bootstrap.models``.
        metrics: The metrics to compare, names of those of all labels together.

    Returns:
        One entry per metric and pair, pairs in the given order.

    Raises:
        ValueError: There are not as many names as models, or a metric is none of those.

    Examples:
        >>> from manylabel.metrics.bootstrap import bootstrap_metrics
        >>> targets, rng = np.tile([[1.0, 0.0], [0.0, 1.0]], (20, 1)), np.random.default_rng(0)
        >>> evaluated = [(targets, targets == 1), (1 - targets, targets == 0)]
        >>> bootstrap = bootstrap_metrics(targets, evaluated, groups=np.arange(40), rng=rng)
        >>> pair = compare_pairs(bootstrap, names=("good", "bad"), metrics=("exact_match",))[0]
        >>> pair.better, pair.difference, pair.is_distinguishable
        ('good', 1.0, True)
    """
    if len(names) != len(bootstrap.models):
        raise ValueError(f"{len(names)} names for {len(bootstrap.models)} models")
    known = [*bootstrap.models[0].measured] if bootstrap.models else []
    missing = [metric for metric in metrics if metric not in known]
    if known and missing:
        raise ValueError(f"metric '{missing[0]}' was not measured; known: {', '.join(known)}")
    models = list(zip(names, bootstrap.models, strict=True))
    return tuple(
        _compare(metric, first, second, bootstrap)
        for metric in metrics
        for first, second in combinations(models, 2)
    )


def _compare(
    metric: str, first: tuple[str, ModelIntervals], second: tuple[str, ModelIntervals], bootstrap: Bootstrap
) -> PairedDifference:
    """Compare two models, each with its name, in one metric."""
    (first_name, first_model), (second_name, second_model) = first, second
    difference = first_model.measured[metric] - second_model.measured[metric]
    resampled = first_model.resampled[metric] - second_model.resampled[metric]
    top = METRICS[metric].highest_value(n_labels=bootstrap.n_labels)
    interval = interval_of_difference(
        difference / top, resampled / top, n_groups=bootstrap.n_groups, level=bootstrap.level
    )
    return PairedDifference(
        first=first_name,
        second=second_name,
        metric=metric,
        difference=difference,
        low=top * interval.low,
        high=top * interval.high,
        n_photos=bootstrap.n_photos,
        n_groups=bootstrap.n_groups,
    )


def interval_of_difference(
    difference: float, resampled: FloatArray, *, n_groups: int, level: float
) -> Interval:
    """Compute Student's interval of a difference of two metrics between 0 and 1 on the same resamples.

    Args:
        difference: The difference on the photos as they are, in [-1, 1].
        resampled: The same of every resample [n_resamples].
        n_groups: Groups of near-duplicates among the photos.
        level: Share of such intervals that should hold the truth.
    """
    margin = 2.0
    if n_groups >= 2:
        variance = float(resampling_error(resampled[:, None], n_groups=n_groups)[1][0])
        error = variance**0.5 if variance > NO_VARIANCE else 1 / (n_groups + 2)
        margin = student_quantile(level, n_groups - 1) * error
    low, high = (float(np.clip(difference + side, -1, 1)) for side in (-margin, margin))
    return Interval(low=low, high=high)


@dataclass(frozen=True, eq=False, kw_only=True)
class Baseline:
    """The answers of a baseline.

    Attributes:
        name: Its name in tables: "all-negative" or "label-prior".
        scores: Probabilities [n_photos, n_labels].
        decisions: Which labels are given [n_photos, n_labels].
    """

    name: str
    scores: FloatArray
    decisions: BoolArray


def all_negative(*, n_photos: int, n_labels: int) -> Baseline:
    """Give no label to any photo, with score 0.

    Args:
        n_photos: Photos to answer for.
        n_labels: Labels.

    Examples:
        >>> all_negative(n_photos=1, n_labels=2).decisions
        array([[False, False]])
    """
    scores = np.zeros((n_photos, n_labels))
    return Baseline(name="all-negative", scores=scores, decisions=scores > 0)


def label_prior(train_targets: FloatArray, *, n_photos: int) -> Baseline:
    """Score every label with its prevalence in training, and give it where that is at least one half.

    Args:
        train_targets: Float array [n_train, n_labels]: 1 present, 0 absent, NaN unknown.
        n_photos: Photos to answer for.

    Returns:
        Scores and decisions [n_photos, n_labels]. A label that is unknown on every training photo gets the
        prevalence of all labels together; 0 where nothing at all is known.

    Examples:
        >>> label_prior(np.array([[1.0, 0.0], [1.0, 1.0], [0.0, np.nan], [1.0, 0.0]]), n_photos=1).scores
        array([[0.75      , 0.33333333]])
    """
    n_positive, n_known = (train_targets == 1).sum(axis=0), (~np.isnan(train_targets)).sum(axis=0)
    return label_prior_of_counts(n_positive, n_known, n_photos=n_photos)


def label_prior_of_counts(n_positive: IntArray, n_known: IntArray, *, n_photos: int) -> Baseline:
    """Answer like ``label_prior``, from how often each label was present in training.

    Args:
        n_positive: Training photos that carry each label [n_labels].
        n_known: Training photos on which each label is known [n_labels].
        n_photos: Photos to answer for.

    Examples:
        >>> label_prior_of_counts(np.array([3, 1]), np.array([4, 3]), n_photos=1).scores
        array([[0.75      , 0.33333333]])
    """
    overall = n_positive.sum() / max(int(n_known.sum()), 1)
    prevalence = np.where(n_known > 0, n_positive / np.maximum(n_known, 1), overall)
    scores = np.tile(prevalence, (n_photos, 1))
    return Baseline(name="label-prior", scores=scores, decisions=scores >= 0.5)
