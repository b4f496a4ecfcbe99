"""Say whether two models can be told apart on the same photos.

In:  the models, measured on the same draws of the photos.
Out: the difference of every two, its interval, and whether that excludes 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from manylabel.metrics.bootstrap import draw_moments
from manylabel.metrics.intervals import (
    NO_VARIANCE,
    Bootstrap,
    Interval,
    ModelIntervals,
    highest_value,
    student_quantile,
)
from manylabel.types import FloatArray

LOWER_IS_BETTER = frozenset({"hamming_loss", "coverage_error", "ranking_loss"})


@dataclass(frozen=True, kw_only=True)
class PairedDifference:
    """The difference of two models in one metric.

    Attributes:
        first: Name of one model.
        second: Name of the other.
        metric: Name of the metric.
        difference: Metric of the first less that of the second.
        interval: Interval of that difference.
        n_photos: Photos that they were compared on.
        n_groups: Groups of near-copies among these.
    """

    first: str
    second: str
    metric: str
    difference: float
    interval: Interval
    n_photos: int
    n_groups: int

    @property
    def is_distinguishable(self) -> bool:
        """Say whether the interval excludes 0; at level 0.95 one in twenty pairs of equal models does."""
        return self.interval.low > 0 or self.interval.high < 0

    @property
    def better(self) -> str | None:
        """Name the model with the better value; None where they are equal or cannot be compared."""
        if np.isnan(self.difference) or self.difference == 0:
            return None
        is_first = (self.difference > 0) != (self.metric in LOWER_IS_BETTER)
        return self.first if is_first else self.second


def compare_pairs(
    bootstrap: Bootstrap, *, names: Sequence[str], metrics: Sequence[str] = ("mAP", "exact_match")
) -> tuple[PairedDifference, ...]:
    """Say for every two models whether they can be told apart.

    The interval is Student's, with the standard error of the paired draws (Efron & Tibshirani 1993, section
    12.4). Where the draws all agree one photo on which the models differ is added, in the manner of Agresti &
    Min (Statistics in Medicine 24, 2005): models that agree on 40 photos need not always do.

    Args:
        bootstrap: The models on the same draws.
        names: What the models are called, in the order of ``bootstrap.models``.
        metrics: The metrics to compare, names of ``measure``.

    Returns:
        One entry per metric and pair, pairs in the given order.

    Raises:
        ValueError: There are not as many names as models.

    Examples:
        >>> from manylabel.metrics.intervals import bootstrap_metrics
        >>> targets, rng = np.tile([[1.0, 0.0], [0.0, 1.0]], (20, 1)), np.random.default_rng(0)
        >>> evaluated = [(targets, targets == 1), (1 - targets, targets == 0)]
        >>> bootstrap = bootstrap_metrics(targets, evaluated, groups=np.arange(40), rng=rng)
        >>> pair = compare_pairs(bootstrap, names=("good", "bad"), metrics=("exact_match",))[0]
        >>> pair.better, pair.difference, pair.is_distinguishable
        ('good', 1.0, True)
    """
    if len(names) != len(bootstrap.models):
        raise ValueError(f"{len(names)} names for {len(bootstrap.models)} models")
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
    draws = first_model.resampled.metrics[metric] - second_model.resampled.metrics[metric]
    top = highest_value(metric, n_labels=bootstrap.n_labels)
    interval = interval_of_difference(
        difference / top, draws / top, n_groups=bootstrap.n_groups, level=bootstrap.level
    )
    return PairedDifference(
        first=first_name,
        second=second_name,
        metric=metric,
        difference=difference,
        interval=Interval(low=top * interval.low, high=top * interval.high),
        n_photos=bootstrap.n_photos,
        n_groups=bootstrap.n_groups,
    )


def interval_of_difference(difference: float, draws: FloatArray, *, n_groups: int, level: float) -> Interval:
    """Compute Student's interval of a difference of two metrics between 0 and 1 on the same draws.

    Args:
        difference: The difference on the photos as they are, in [-1, 1].
        draws: The same of every draw [n_resamples].
        n_groups: Groups of copies among the photos.
        level: Share of such intervals that should hold the truth.
    """
    margin = 2.0
    if n_groups >= 2:
        variance = float(draw_moments(draws[:, None], n_groups=n_groups)[1][0])
        error = variance**0.5 if variance > NO_VARIANCE else 1 / (n_groups + 2)
        margin = student_quantile(level, n_groups - 1) * error
    low, high = (float(np.clip(difference + side, -1, 1)) for side in (-margin, margin))
    return Interval(low=low, high=high)
