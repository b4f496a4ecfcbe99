"""Say what thresholds gain over 0.5 for every label.

In:  targets, scores, and what thresholds that were chosen on other photos decide.
Out: how good decisions are with 0.5, with thresholds chosen on the very photos, and with those of others.
"""

import math
from dataclasses import dataclass

import numpy as np

from manylabel.decisions.thresholds import ThresholdAim, ThresholdMethod, choose_thresholds
from manylabel.metrics.bootstrap import affordable_resamples, draw_counts
from manylabel.metrics.curves import BoolArray
from manylabel.metrics.metrics import (
    binary_accuracy,
    class_recall,
    exact_match,
    precision,
)
from manylabel.types import FloatArray, IntArray

_N_RESAMPLES = 200
_HEADLINES: dict[ThresholdMethod, tuple[str, str]] = {
    "f1": ("f_beta_macro", "macro-F"),
    "half": ("f_beta_macro", "macro-F"),
    "accuracy": ("binary_accuracy", "binary accuracy"),
    "cost": ("cost", "the cost of a photo"),
    "precision": ("precision_macro", "macro-precision"),
    "recall": ("recall_macro", "macro-recall"),
}
"""The metric that the benefit of each method is told by, and its name; behind an F comes the beta."""


@dataclass(frozen=True, kw_only=True)
class DecisionQuality:
    """Hold how good decisions are: metrics by their names, NaN where nothing is known.

    Shares are in [0, 1]; ``f_beta_macro`` has the beta of the aim, 1 if it has none; ``precision_macro`` is
    the mean of the labels that are given at all; ``cost`` is what the wrong labels of a photo cost on
    average, 1 each if not given.
    """

    f_beta_macro: float
    exact_match: float
    binary_accuracy: float
    precision_macro: float
    recall_macro: float
    cost: float


@dataclass(frozen=True, kw_only=True)
class ThresholdBenefit:
    """Hold what thresholds do for decisions.

    Attributes:
        half: With 0.5 for every label.
        optimistic: With thresholds that were chosen on the very photos that are evaluated.
        cross_fitted: With thresholds that were chosen on other photos, which is what new photos will see.
        aim: What the thresholds aim at.
    """

    half: DecisionQuality
    optimistic: DecisionQuality
    cross_fitted: DecisionQuality
    aim: ThresholdAim

    @property
    def sentence(self) -> str:
        """Say in one sentence what thresholds do for the metric that is nearest to their aim."""
        metric, name = _HEADLINES[self.aim.method]
        name = f"{name}{self.aim.beta:g}" if metric == "f_beta_macro" else name
        before, new, own = (getattr(q, metric) for q in (self.half, self.cross_fitted, self.optimistic))
        if math.isnan(self.half.exact_match):
            return "what thresholds do for new photos cannot be said: no photo has a known label"
        if any(math.isnan(value) for value in (before, new, own)):
            return f"what thresholds do for {name} cannot be said: no label is given to any photo"
        template = "{:.2f}" if metric == "cost" else "{:.1%}"
        old_text, new_text, own_text = (template.format(n).rstrip("%") for n in (before, new, own))
        change = f"{'raise' if new > before else 'lower'} {name} from {old_text} to"
        effect = f"{change if old_text != new_text else f'leave {name} at'} {new_text}"
        return f"thresholds {effect} on photos they did not see; on their own photos it looks like {own_text}"


def threshold_benefit(
    targets: FloatArray, scores: FloatArray, *, decisions: BoolArray, aim: ThresholdAim
) -> ThresholdBenefit:
    """Compare thresholds with 0.5 everywhere, on the photos that chose them and on others.

    Args:
        targets: Float array [n_photos, n_labels]: 1 present, 0 absent, NaN unknown.
        scores: Out-of-fold probabilities [n_photos, n_labels].
        decisions: What thresholds of other photos decide [n_photos, n_labels].
        aim: What the thresholds aim at.

    Raises:
        ValueError: As ``choose_thresholds``.

    Examples:
        >>> targets, scores = np.array([[1.0], [1.0], [0.0], [0.0]]), np.array([[0.4], [0.4], [0.2], [0.1]])
        >>> from manylabel.decisions.thresholds import cross_fit_thresholds
        >>> folds, aim = (np.array([0, 2]), np.array([1, 3])), ThresholdAim(method="f1")
        >>> decisions = cross_fit_thresholds(targets, scores, folds, aim=aim)
        >>> benefit = threshold_benefit(targets, scores, decisions=decisions, aim=aim)
        >>> benefit.half.f_beta_macro, benefit.cross_fitted.f_beta_macro
        (0.0, 1.0)
    """
    once = np.ones((1, len(targets)), dtype=np.int64)

    def judge(decided: BoolArray) -> DecisionQuality:
        return DecisionQuality(
            f_beta_macro=float(_f_beta_macro(targets, decided, once, beta=aim.beta)[0]),
            exact_match=exact_match(targets, decided),
            binary_accuracy=binary_accuracy(targets, decided),
            precision_macro=_precision_of_given(targets, decided),
            recall_macro=class_recall(targets, decided),
            cost=float(_cost_of_a_photo(targets, decided, once, aim)[0]),
        )

    return ThresholdBenefit(
        half=judge(scores >= 0.5),
        optimistic=judge(choose_thresholds(targets, scores, aim=aim).decide(scores)),
        cross_fitted=judge(decisions),
        aim=aim,
    )


def gains_more_than_chance(
    targets: FloatArray, scores: FloatArray, *, decisions: BoolArray, aim: ThresholdAim, groups: IntArray
) -> bool:
    """Say whether decisions are better than those of 0.5 by more than one standard error.

    Better by macro-F, accuracy or cost, whatever the aim is nearest to. The standard error is that of the
    difference over resamples of the photos, copies together (Efron and Tibshirani 1993, "An introduction to
    the bootstrap", chapter 6).

    Args:
        targets: Float array [n_photos, n_labels]: 1 present, 0 absent, NaN unknown.
        scores: Out-of-fold probabilities [n_photos, n_labels].
        decisions: What thresholds of other photos decide [n_photos, n_labels].
        aim: What the thresholds aim at.
        groups: Number of each photo's group of copies [n_photos].
    """
    if len(np.unique(groups)) < 2 or np.isnan(targets).all():
        return False  # nothing says how much chance explains
    n_photos, n_labels = targets.shape
    n_resamples = affordable_resamples(n_photos=n_photos, n_labels=n_labels, wanted=_N_RESAMPLES)
    drawn = draw_counts(groups, n_resamples=n_resamples, rng=np.random.default_rng(0))
    counts = np.concatenate([np.ones((1, len(targets)), dtype=drawn.dtype), drawn])  # the photos, then draws
    new, half = (_merits(targets, decided, counts, aim) for decided in (decisions, scores >= 0.5))
    gains = np.nan_to_num(new - half)  # a draw without a known cell gains nothing
    return bool(gains[0] > gains[1:].std())


def _merits(targets: FloatArray, decisions: BoolArray, counts: IntArray, aim: ThresholdAim) -> FloatArray:
    """Measure how good decisions are on each draw of the photos [n_draws]; more is better."""
    if aim.method == "f1":
        return _f_beta_macro(targets, decisions, counts, beta=aim.beta)
    if aim.method == "cost":
        return -_cost_of_a_photo(targets, decisions, counts, aim)
    is_known = ~np.isnan(targets)
    n_right = (is_known & (decisions == (targets == 1))).sum(axis=1)
    return np.asarray((counts @ n_right) / np.maximum(counts @ is_known.sum(axis=1), 1))


def _precision_of_given(targets: FloatArray, decisions: BoolArray) -> float:
    """Average the precision of the labels that are given to any photo: what is promised is about those."""
    is_given = (decisions & ~np.isnan(targets)).any(axis=0)
    values = precision(targets, decisions)[is_given]
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else math.nan


def _f_beta_macro(targets: FloatArray, decisions: BoolArray, counts: IntArray, *, beta: float) -> FloatArray:
    """Average the F-beta of the labels with a known cell, as ``f1_macro`` does for beta 1 [n_draws].

    Args:
        targets: Float array [n_photos, n_labels].
        decisions: Which labels are given [n_photos, n_labels].
        counts: How often each draw holds each photo [n_draws, n_photos].
        beta: What recall weighs beside precision.
    """
    is_known, is_present = ~np.isnan(targets), targets == 1
    is_judged = is_known.any(axis=0)
    if not is_judged.any():
        return np.full(len(counts), np.nan)
    hits, n_given, n_present = (
        counts @ cells[:, is_judged].astype(np.float64)
        for cells in (is_present & decisions, is_known & decisions, is_present)
    )
    weight = beta**2
    values = (1 + weight) * hits / np.maximum(n_given + weight * n_present, 1e-300)  # [n_draws, n_labels]
    return np.asarray(values.mean(axis=1))


def _cost_of_a_photo(
    targets: FloatArray, decisions: BoolArray, counts: IntArray, aim: ThresholdAim
) -> FloatArray:
    """Average what wrong labels cost over the photos with a known label [n_draws]; NaN without any."""
    cost_missed, cost_false = aim.costs
    missed, false = (targets == 1) & ~decisions, (targets == 0) & decisions
    cost = cost_missed * missed.sum(axis=1) + cost_false * false.sum(axis=1)  # [n_photos]
    n_photos = (counts @ (~np.isnan(targets)).any(axis=1)).astype(np.float64)
    costs = np.full(len(counts), np.nan)
    np.divide(counts @ cost, n_photos, out=costs, where=n_photos > 0)
    return costs
