"""Promise a recall or a precision where there are enough photos.

In:  targets [n_photos, n_labels] (1 present, 0 absent, NaN unknown) and scores of the same shape, of photos
     that the model did not see.
Out: per label the threshold that keeps the promise, NaN where none can be made, and how many photos are
     missing.

A promise is about new photos that come from where these came from, scored by the model that scored these. It
holds for each label by itself, not for all at once, and however few photos there are. Out-of-fold scores come
from several models, and the final one is yet another: there it holds as far as their scores are the same.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from manylabel.metrics.resamples import BoolArray, known_cells
from manylabel.trials import MissedGuarantee
from manylabel.types import FloatArray, IntArray

# 1 - 0.9 is a little less than 0.1: without this, nine positives would not be enough for a recall of 90 %.
_ROUNDING = 1e-9


@dataclass(frozen=True, eq=False, kw_only=True)
class Guarantee:
    """The thresholds that keep a promise.

    Attributes:
        values: Threshold per label [n_labels] in [0, 1], the score of one of the photos; NaN where nothing
            can be promised.
        n_positive: Known photos with each label [n_labels].
        n_needed: Fewest photos with a label that can carry the promise, if all scores are as good as can be.
        metric: What is promised: "recall" or "precision".
        target: How much of it, in (0, 1).
    """

    values: FloatArray
    n_positive: IntArray
    n_needed: int
    metric: Literal["recall", "precision"]
    target: float

    @property
    def is_guaranteed(self) -> BoolArray:
        """Return which labels have a promise [n_labels]."""
        return ~np.isnan(self.values)

    def list_missed(self, labels: Sequence[str], *, reached: FloatArray) -> tuple[MissedGuarantee, ...]:
        """List the labels without a promise.

        Args:
            labels: The label names [n_labels].
            reached: Recall or precision of the chosen thresholds on these photos [n_labels].

        Examples:
            >>> kept = guarantee_recall(np.ones((7, 1)), np.full((7, 1), 0.8), target=0.9)
            >>> (missed,) = kept.list_missed(["boat"], reached=np.array([1.0]))
            >>> missed.label, missed.n_positive, missed.n_needed, missed.reached
            ('boat', 7, 9, 1.0)
        """
        rows = zip(labels, self.n_positive.tolist(), reached.tolist(), self.is_guaranteed, strict=True)
        return tuple(
            MissedGuarantee(
                label=label,
                metric=self.metric,
                target=self.target,
                n_positive=n_positive,
                n_needed=self.n_needed,
                reached=share if n_positive else None,
            )
            for label, n_positive, share, is_kept in rows
            if not is_kept
        )


def guarantee_recall(targets: FloatArray, scores: FloatArray, *, target: float) -> Guarantee:
    """Find the highest threshold per label that misses at most 1 - target of the photos with the label.

    With n positives it is the k-th lowest of their scores, k = floor((1 - target) (n + 1)). A new positive
    falls into each of the n + 1 gaps between them with the same chance, so it scores lower with a chance of
    at most k / (n + 1): the share that is missed is at most 1 - target on average over collections of photos
    and new photos. (Split conformal prediction; conformal risk control with the miss as loss, Angelopoulos
    et al. 2022, arXiv:2208.02814, theorem 1.)

    Args:
        targets: Float array [n_photos, n_labels]: 1 present, 0 absent, NaN unknown.
        scores: Float array [n_photos, n_labels].
        target: Recall to reach, in (0, 1).

    Returns:
        Thresholds; NaN for labels with fewer than 1 / (1 - target) - 1 positives.

    Raises:
        ValueError: Targets and scores differ in shape.

    Examples:
        >>> scores = np.linspace(0.9, 0.1, 9).reshape(9, 1)
        >>> guarantee_recall(np.ones((9, 1)), scores, target=0.8).values
        array([0.2])
    """
    known_cells(targets, scores)
    is_positive, missed = targets == 1, 1 - target
    n_positive = is_positive.sum(axis=0)
    rank = np.floor(missed * (n_positive + 1) + _ROUNDING).astype(np.int64)  # counted from 1
    rising = np.sort(np.where(is_positive, scores, np.inf), axis=0)
    rising = np.vstack([np.full((1, targets.shape[1]), np.nan), rising])  # rank 0: no promise
    return Guarantee(
        values=np.take_along_axis(rising, rank[None], axis=0)[0],
        n_positive=n_positive,
        n_needed=math.ceil(1 / missed - _ROUNDING) - 1,
        metric="recall",
        target=target,
    )


def guarantee_precision(
    targets: FloatArray, scores: FloatArray, *, target: float, confidence: float = 0.9
) -> Guarantee:
    """Find the lowest threshold per label whose precision is proven to reach a target.

    Thresholds are tested one after the other, from high to low, each against "its precision is below the
    target" by the exact binomial test on the photos that reach it, until one is not proven. The first one
    has as many photos as a proof needs when all of them are right. As the order is fixed, each test may
    spend the whole error (Learn then Test, Angelopoulos et al. 2021, arXiv:2110.01052, fixed-sequence
    testing): with the stated confidence, a collection of photos gives no threshold, or one whose precision
    on new photos reaches the target. The thresholds tested are scores of the photos themselves, which is
    sound where a photo with a higher score is never less likely to have the label.

    Args:
        targets: Float array [n_photos, n_labels]: 1 present, 0 absent, NaN unknown.
        scores: Float array [n_photos, n_labels].
        target: Precision to reach, in (0, 1).
        confidence: Chance, in (0, 1), over collections of photos that the promise is kept.

    Returns:
        Thresholds; NaN for labels where nothing can be proven.

    Raises:
        ValueError: Targets and scores differ in shape.

    Examples:
        >>> targets = np.array([[1.0]] * 30 + [[0.0]] * 10)
        >>> kept = guarantee_precision(targets, np.linspace(1, 0.22, 40).reshape(40, 1), target=0.9)
        >>> kept.values, kept.n_needed
        (array([0.42]), 22)
    """
    known = known_cells(targets, scores)
    error = 1 - confidence + _ROUNDING
    n_hits_needed = _hits_needed(int(known.sum(axis=0).max(initial=0)), target=target, error=error)
    columns = zip(targets.T, scores.T, known.T, strict=True)
    return Guarantee(
        values=np.array(
            [_lowest_proven(truth[rows], score[rows], n_hits_needed) for truth, score, rows in columns]
        ),
        n_positive=(targets == 1).sum(axis=0),
        n_needed=math.ceil(math.log(error) / math.log(target)),
        metric="precision",
        target=target,
    )


def _lowest_proven(targets: FloatArray, scores: FloatArray, n_hits_needed: IntArray) -> float:
    """Go down the known photos [n] of a label while each threshold is proven; NaN if the first is not."""
    distinct, rank = np.unique(scores, return_inverse=True)
    counts = (np.bincount(rank, weights=weights, minlength=len(distinct)) for weights in (targets, None))
    hits, n_decided = (np.cumsum(count[::-1]).astype(np.int64) for count in counts)  # highest threshold first
    # Starting lower, where one error is allowed, proves more in large collections, much less in small ones:
    # 8 % instead of 44 % of drawn labels, each with 40 positives among 160 photos, at a target of 90 %.
    can_be_proven = n_hits_needed[n_decided] <= n_decided
    is_proven = hits >= n_hits_needed[n_decided]
    is_reached = np.logical_and.accumulate(is_proven[can_be_proven])
    return (
        float(distinct[::-1][can_be_proven][is_reached].min(initial=np.inf)) if is_reached.any() else np.nan
    )


def _hits_needed(n_most: int, *, target: float, error: float) -> IntArray:
    """Count the right answers among n that a precision below the target would give with a chance <= error.

    Returns the least h with P(Binomial(n, target) >= h) <= error, for n = 0 to ``n_most`` [n_most + 1];
    n + 1, which cannot be reached, where n are too few.

    Examples:
        >>> _hits_needed(24, target=0.9, error=0.1)[20:]
        array([21, 22, 22, 23, 24])
    """
    needed = np.empty(n_most + 1, dtype=np.int64)
    h, chance = 1, 0.0  # chance of h or more among n
    for n in range(n_most + 1):
        if chance > error:
            chance -= _binomial(n, h, target)
            h += 1
        needed[n] = h
        # h or more among n + 1: among n already, or by the last one after h - 1.
        chance += target * _binomial(n, h - 1, target)
    return needed


def _binomial(n: int, k: int, share: float) -> float:
    """Compute the chance of exactly k among n."""
    n_ways = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
    return math.exp(n_ways + k * math.log(share) + (n - k) * math.log1p(-share))
