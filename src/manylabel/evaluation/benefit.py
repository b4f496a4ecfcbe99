"""Say what thresholds gain over 0.5 for every label.

In:  targets, scores, and what thresholds that were chosen on other photos decide.
Out: how good decisions are with 0.5, with thresholds chosen on the very photos, and with those of others.
"""

import math
from dataclasses import dataclass

import numpy as np

from manylabel.evaluation.curves import BoolArray
from manylabel.evaluation.metrics import (
    binary_accuracy,
    class_recall,
    exact_match,
    precision,
    recall,
)
from manylabel.evaluation.resampled import affordable_resamples, draw_counts
from manylabel.evaluation.thresholds import ThresholdAim, ThresholdMethod, choose_thresholds
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
        optimistic: With thresholds that were chosen on the very photos that are judged.
        cross_fitted: With thresholds that were chosen on other photos, which is what new photos will see.
        aim: What the thresholds aim at.
    """

    half: DecisionQuality
    optimistic: DecisionQuality
    cross_fitted: DecisionQuality
    aim: ThresholdAim

    @property
    def is_loss(self) -> bool:
        """Say whether 0.5 does better on photos that did not choose, by the metric nearest to the aim."""
        metric, _ = _HEADLINES[self.aim.method]
        new, half = getattr(self.cross_fitted, metric), getattr(self.half, metric)
        return bool(new > half if metric == "cost" else new < half)

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
        >>> from manylabel.evaluation.thresholds import cross_fit_thresholds
        >>> folds, aim = (np.array([0, 2]), np.array([1, 3])), ThresholdAim(method="f1")
        >>> decisions = cross_fit_thresholds(targets, scores, folds, aim=aim)
        >>> benefit = threshold_benefit(targets, scores, decisions=decisions, aim=aim)
        >>> benefit.half.f_beta_macro, benefit.cross_fitted.f_beta_macro
        (0.0, 1.0)
    """

    def judge(decided: BoolArray) -> DecisionQuality:
        return DecisionQuality(
            f_beta_macro=_f_beta_macro(targets, decided, beta=aim.beta),
            exact_match=exact_match(targets, decided),
            binary_accuracy=binary_accuracy(targets, decided),
            precision_macro=_precision_of_given(targets, decided),
            recall_macro=class_recall(targets, decided),
            cost=_cost_of_a_photo(targets, decided, aim),
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
    gains = _merits(targets, decisions, counts, aim) - _merits(targets, scores >= 0.5, counts, aim)
    return bool(gains[0] > gains[1:].std())


def _merits(targets: FloatArray, decisions: BoolArray, counts: IntArray, aim: ThresholdAim) -> FloatArray:
    """Measure how good decisions are on each draw of the photos [n_draws]; more is better."""
    is_known, is_present = ~np.isnan(targets), targets == 1
    if aim.method == "f1":
        hits, n_given, n_present = (
            counts @ cells.astype(np.float64)
            for cells in (is_present & decisions, is_known & decisions, is_present)
        )
        weight = aim.beta**2
        values = (1 + weight) * hits / np.maximum(n_given + weight * n_present, 1e-300)  # [n_draws, n_labels]
        return np.asarray(values[:, is_known.any(axis=0)].mean(axis=1))
    cost_missed, cost_false = aim.costs if aim.method == "cost" else (1.0, 1.0)
    cost = cost_missed * (is_present & ~decisions) + cost_false * (is_known & ~is_present & decisions)
    per = is_known.any(axis=1) if aim.method == "cost" else is_known.sum(axis=1)
    return np.asarray(-(counts @ cost.sum(axis=1)) / np.maximum(counts @ per, 1))


def _precision_of_given(targets: FloatArray, decisions: BoolArray) -> float:
    """Average the precision of the labels that are given to any photo: what is promised is about those."""
    is_given = (decisions & ~np.isnan(targets)).any(axis=0)
    values = precision(targets, decisions)[is_given]
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else math.nan


def _f_beta_macro(targets: FloatArray, decisions: BoolArray, *, beta: float) -> float:
    """Average the F-beta of the labels with a known cell, as ``f1_macro`` does for beta 1."""
    right, found = precision(targets, decisions), recall(targets, decisions)
    values = (1 + beta**2) * right * found / np.maximum(beta**2 * right + found, 1e-300)
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else math.nan


def _cost_of_a_photo(targets: FloatArray, decisions: BoolArray, aim: ThresholdAim) -> float:
    """Average what wrong labels cost over the photos with a known label; NaN where there are none."""
    n_photos = (~np.isnan(targets)).any(axis=1).sum()
    n_missed, n_false = ((targets == 1) & ~decisions).sum(), ((targets == 0) & decisions).sum()
    cost_missed, cost_false = aim.costs
    return float((cost_missed * n_missed + cost_false * n_false) / n_photos) if n_photos else math.nan
