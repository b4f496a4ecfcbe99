"""Calibrate probabilities: one slope and one offset per label for the logits.

In:  targets [n_photos, n_labels] (1 present, 0 absent, NaN unknown) and out-of-fold scores of the same shape.
Out: a calibration, scores calibrated by photos of other folds, and whether that is worth using.

The labels of small collections have few positives, and two numbers fitted to three positives are chance. So
all labels share a slope and an offset, and each leaves them only as far as its own photos insist.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from manylabel.metrics.curves import cell_losses, known_probabilities, log_loss
from manylabel.metrics.resamples import BoolArray
from manylabel.trials import CalibrationGain, CalibrationOutcome
from manylabel.types import FloatArray, IntArray

_FLOATS = np.finfo(np.float64)

# Standard deviations of (log slope, offset) in the prior. The common ones lie around (0, 0), so widely that
# a hundred photos overrule it: a slope between 1/4 and 4 and an odds factor between 1/7 and 7 pass in 95 of
# 100 cases. A label's own lie around the common ones: a factor of 2/3 to 3/2 for the slope, 0.45 to 2.2 for
# the odds. In simulations with 80, 160 and 400 photos, 10 labels present on 2 to 40 % and seven kinds of
# distortion, the log loss of fresh photos, averaged over the kinds, differed by less than 1 % for all of
# (0.1 to 0.3, 0.3 to 0.8). For (0, 0), common values only, it was 2 to 5 % higher; for (10, 10), every label
# by itself, 22 % with 80 photos, 5 % with 160. Scores of mobilenet_v2 for two sets of real photos prefer
# the lower end of that range, by about 2 %.
_COMMON_SPREAD: FloatArray = np.array([0.7, 1.0])
_LABEL_SPREAD: FloatArray = np.array([0.2, 0.4])

# A score of 0 that is wrong must not outweigh all other photos. Float32 scores are 1 from about here on.
_WIDEST_LOGIT = 16.0
_MAX_STEPS = 100
_LONGEST_STEP = 3.0
_N_HALVINGS = 20
_SMALL_STEP = 1e-8

# Of scores that needed none, 8 photos calibrated 5 in 100, three 13, and scores of new photos were then
# wrong by up to half.
MIN_PHOTOS = 20


@dataclass(frozen=True, eq=False, kw_only=True)
class Calibration:
    """A slope and an offset per label that turn scores into probabilities.

    Attributes:
        slopes: What logits are multiplied with [n_labels], above 0. Below 1 where scores were too sure.
        offsets: What is then added to them [n_labels]. Below 0 where scores were too high.

    Raises:
        ValueError: The two differ in length, a slope is not above 0, or a number is not finite.
    """

    slopes: FloatArray
    offsets: FloatArray

    def __post_init__(self) -> None:
        """Check that every label has a slope and an offset that keep the order of its scores."""
        if self.slopes.ndim != 1 or self.slopes.shape != self.offsets.shape:
            raise ValueError(
                f"slopes have shape {self.slopes.shape}, offsets {self.offsets.shape}; expected [n_labels]"
            )
        if not (np.isfinite(self.slopes) & np.isfinite(self.offsets) & (self.slopes > 0)).all():
            raise ValueError("slopes must be above 0, slopes and offsets finite")

    def apply(self, scores: FloatArray) -> FloatArray:
        """Calibrate scores: sigmoid(slope x logit(score) + offset).

        The order of a label's scores stays as it is; scores that come closer than floats can tell become
        equal. With slope 1 and offset 0 every score is returned bit by bit. NaN stays NaN.

        Args:
            scores: Probabilities [..., n_labels].

        Returns:
            Probabilities of the same shape.

        Raises:
            ValueError: There are more or fewer labels.

        Examples:
            >>> calibration = Calibration(slopes=np.array([1.0, 0.5]), offsets=np.zeros(2))
            >>> calibration.apply(np.array([[0.9, 0.9], [0.5, 0.0]])).round(6)
            array([[0.9 , 0.75],
                   [0.5 , 0.  ]])
        """
        if scores.shape[-1:] != self.slopes.shape:
            raise ValueError(
                f"scores have shape {scores.shape}; expected {len(self.slopes)} labels at the end"
            )
        calibrated = sigmoid(self.slopes * logit(scores) + self.offsets)
        is_unchanged = (self.slopes == 1) & (self.offsets == 0)
        return np.where(is_unchanged, scores, calibrated)


@dataclass(frozen=True, eq=False, kw_only=True)
class CalibrationResult:
    """A calibration, whether it is used, and why.

    Attributes:
        calibration: For new photos: the one fitted to all photos, or one that changes nothing.
        scores: Scores [n_photos, n_labels], each calibrated by photos of other folds; the given ones where
            the calibration is left out.
        gain: What that does to their log loss, also where it is left out.
        is_used: Whether the calibration is used.
    """

    calibration: Calibration
    scores: FloatArray
    gain: CalibrationGain
    is_used: bool


def fit_calibration(targets: FloatArray, scores: FloatArray) -> Calibration:
    """Fit a slope and an offset per label on photos that training did not see.

    It is Platt's logistic regression on the logit (Platt 1999, "Probabilistic outputs for support vector
    machines and comparisons to regularized likelihood methods"), whose slope alone is the temperature of Guo
    et al. 2017, "On calibration of modern neural networks", section 4.2. What keeps it from fitting noise is
    partial pooling (Gelman and Hill 2007, "Data analysis using regression and multilevel/hierarchical
    models", chapters 12 and 14): (log slope, offset) of a label has a normal prior around the common pair,
    the common pair one around (0, 0), and the most probable values of all together are found by Fisher
    scoring, all labels at once. So the fewer positives or negatives a label has, the closer it stays to the
    others. A label that lacks one of the two takes the common values and has no say in them: where nobody
    ever noted an absence, that is about the notes, not about the scores.

    Args:
        targets: Float array [n_photos, n_labels]: 1 present, 0 absent, NaN unknown.
        scores: Probabilities [n_photos, n_labels] by models that did not learn from these photos.

    Returns:
        The calibration; it changes nothing where no label has both positives and negatives.

    Raises:
        ValueError: Targets and scores differ in shape, or a score of a known cell is no probability.

    Examples:
        >>> targets = np.array([[1.0], [0.0], [0.0], [0.0]] * 50)
        >>> too_high = np.full((200, 1), 0.5)
        >>> fit_calibration(targets, too_high).apply(np.array([[0.5]])).round(2)
        array([[0.25]])
    """
    known = known_probabilities(targets, scores)
    has_both = (targets == 1).any(axis=0) & (targets == 0).any(axis=0)
    problem = _Problem(
        logits=np.clip(logit(np.where(known, scores, 0.5)), -_WIDEST_LOGIT, _WIDEST_LOGIT),
        truth=np.where(known, targets, 0.0),
        counts=known & has_both,
    )
    values = _most_probable(problem)
    log_slopes, offsets = (values[0] + values[1:]).T
    return Calibration(slopes=np.exp(log_slopes), offsets=offsets)


def cross_fit_calibration(targets: FloatArray, scores: FloatArray, folds: Sequence[IntArray]) -> FloatArray:
    """Calibrate the scores of every photo by a calibration that was fitted to the photos of the other folds.

    Args:
        targets: Float array [n_photos, n_labels]: 1 present, 0 absent, NaN unknown.
        scores: Out-of-fold probabilities [n_photos, n_labels].
        folds: Row numbers of each fold, a partition of the photos.

    Returns:
        Probabilities [n_photos, n_labels].

    Raises:
        ValueError: The folds are not a partition of the photos, or ``fit_calibration`` objects.

    Examples:
        >>> targets, scores = np.array([[1.0], [1.0], [0.0], [0.0]]), np.array([[0.6], [0.6], [0.4], [0.4]])
        >>> cross_fit_calibration(targets, scores, (np.array([0, 2]), np.array([1, 3]))).round(2).ravel()
        array([0.62, 0.62, 0.38, 0.38])
    """
    calibrated = np.empty(scores.shape)
    for fold, others in with_others(folds, n_photos=len(targets)):
        calibrated[fold] = fit_calibration(targets[others], scores[others]).apply(scores[fold])
    return calibrated


def choose_calibration(
    targets: FloatArray,
    scores: FloatArray,
    folds: Sequence[IntArray],
    *,
    groups: IntArray | None = None,
    is_decided: bool = False,
) -> CalibrationResult:
    """Fit a calibration, and leave it out unless it lowers the log loss of photos that it was not fitted to.

    It has to lower it by more than one standard error over the photos, and takes at least 20 of them.

    Args:
        targets: Float array [n_photos, n_labels]: 1 present, 0 absent, NaN unknown.
        scores: Out-of-fold probabilities [n_photos, n_labels].
        folds: Row numbers of each fold, a partition of the photos.
        groups: Number of each photo's group of near-duplicates [n_photos], which count as one. Not given:
            there are none.
        is_decided: Use it whatever it does, because more photos than these have decided so.

    Returns:
        The result. Its scores are for evaluation, its calibration is for new photos.

    Raises:
        ValueError: The folds are not a partition of the photos, or ``fit_calibration`` objects.

    Examples:
        >>> targets, scores = np.array([[1.0], [0.0], [0.0], [0.0]] * 10), np.full((40, 1), 0.5)
        >>> gain = choose_calibration(targets, scores, np.split(np.arange(40), 5)).gain
        >>> gain.outcome, round(gain.log_loss_before, 3), round(gain.log_loss_after, 3)
        ('used', 0.693, 0.564)
    """
    calibrated = cross_fit_calibration(targets, scores, folds)
    before, after = log_loss(targets, scores), log_loss(targets, calibrated)
    gains = _gains(targets, scores, calibrated, groups=groups)
    is_used = is_decided or (len(gains) >= MIN_PHOTOS and after < before and _are_more_than_chance(gains))
    outcome = _outcome(before, after, n_photos=len(gains), is_used=is_used)
    return CalibrationResult(
        calibration=fit_calibration(targets, scores) if is_used else _no_calibration(scores.shape[1]),
        scores=calibrated if is_used else scores,
        gain=CalibrationGain(outcome=outcome, log_loss_before=before, log_loss_after=after),
        is_used=is_used,
    )


def _gains(
    targets: FloatArray, scores: FloatArray, calibrated: FloatArray, *, groups: IntArray | None
) -> FloatArray:
    """Compute by how much the log loss of each photo falls [n_known]; near-duplicates are one."""
    is_known = ~np.isnan(targets).all(axis=1)
    of_cells = cell_losses(targets, scores) - cell_losses(targets, calibrated)
    gains: FloatArray = of_cells.sum(axis=1)[is_known]
    if groups is None:
        return gains
    numbers = np.unique(groups[is_known], return_inverse=True)[1]
    return np.asarray(np.bincount(numbers, weights=gains), dtype=np.float64)


def _are_more_than_chance(gains: FloatArray) -> bool:
    """Test whether their sum lies more than one standard error above 0."""
    return bool(gains.sum() > gains.std() * np.sqrt(len(gains)))


def leave_uncalibrated(targets: FloatArray, scores: FloatArray) -> CalibrationResult:
    """Return the result of not calibrating; arguments as for ``fit_calibration``."""
    loss = log_loss(targets, scores)
    return CalibrationResult(
        calibration=_no_calibration(scores.shape[1]),
        scores=scores,
        gain=CalibrationGain(outcome="off", log_loss_before=loss, log_loss_after=loss),
        is_used=False,
    )


def _no_calibration(n_labels: int) -> Calibration:
    """Return the calibration that changes nothing."""
    return Calibration(slopes=np.ones(n_labels), offsets=np.zeros(n_labels))


def _outcome(before: float, after: float, *, n_photos: int, is_used: bool) -> CalibrationOutcome:
    """Name what became of a calibration that changes the log loss like this."""
    if np.isnan(before):
        return "unknown"
    if before == after:
        return "no_change"
    if is_used:
        return "used"
    if after > before:
        return "worse"
    return "too_few_photos" if n_photos < MIN_PHOTOS else "within_chance"


@dataclass(frozen=True, eq=False, kw_only=True)
class _Problem:
    """The photos that slopes and offsets are fitted to, all [n_photos, n_labels].

    Its methods take values [1 + n_labels, 2]: the common (log slope, offset), then what each label adds.
    """

    logits: FloatArray
    truth: FloatArray
    counts: BoolArray

    def loss(self, values: FloatArray) -> float:
        """Compute -log of the probability of truth and values together, but for a constant."""
        log_slopes, offsets = (values[0] + values[1:]).T
        logits = np.exp(log_slopes) * self.logits + offsets
        misfit = (np.logaddexp(0.0, logits) - self.truth * logits) * self.counts
        prior = (values[0] / _COMMON_SPREAD) ** 2 + ((values[1:] / _LABEL_SPREAD) ** 2).sum(axis=0)
        return float(misfit.sum() + prior.sum() / 2)

    def step(self, values: FloatArray) -> FloatArray:
        """Compute the step of Fisher scoring (McCullagh and Nelder 1989, "Generalized linear models", 2.5).

        Labels hang together by the common values alone. So what each label adds is solved for as a function
        of the common step, 2 x 2 numbers per label, and then the common step (a Schur complement).
        """
        gradient, information = self._derivatives(values)
        own_gradient = gradient + values[1:] / _LABEL_SPREAD**2
        inverse = np.linalg.inv(information + np.diag(_LABEL_SPREAD**-2))
        undone = information @ inverse  # [n_labels, 2, 2], the part of a common step that a label takes back
        common_information = np.diag(_COMMON_SPREAD**-2) + (information - undone @ information).sum(axis=0)
        left = gradient - _times(undone, own_gradient)
        common_gradient = values[0] / _COMMON_SPREAD**2 + left.sum(axis=0)
        common: FloatArray = -np.linalg.solve(common_information, common_gradient)
        own = -_times(inverse, own_gradient + _times(information, common))
        return np.vstack([common, own])

    def _derivatives(self, values: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Compute the gradient [n_labels, 2] and the Fisher information [n_labels, 2, 2] of the misfit."""
        log_slopes, offsets = (values[0] + values[1:]).T
        scaled = np.exp(log_slopes) * self.logits  # also what logits change by per unit of log slope
        probability = sigmoid(scaled + offsets)
        excess = (probability - self.truth) * self.counts
        weight = probability * (1 - probability) * self.counts
        gradient = np.stack([(excess * scaled).sum(axis=0), excess.sum(axis=0)], axis=1)
        mixed = (weight * scaled).sum(axis=0)
        information = np.array([[(weight * scaled**2).sum(axis=0), mixed], [mixed, weight.sum(axis=0)]])
        return gradient, np.moveaxis(information, 2, 0)


def _most_probable(problem: _Problem) -> FloatArray:
    """Find the values with the lowest loss, from slope 1 and offset 0 on."""
    values = np.zeros((1 + problem.logits.shape[1], 2))
    for _ in range(_MAX_STEPS):
        step = _safe_step(problem, values)
        values = values + step
        if np.abs(step).max() < _SMALL_STEP:
            break
    return values


def _safe_step(problem: _Problem, values: FloatArray) -> FloatArray:
    """Compute a step that does not raise the loss: that of Fisher scoring, shortened as often as needed."""
    loss, step = problem.loss(values), problem.step(values)
    # From far away a step may be so long that exp overflows.
    step /= max(1.0, np.abs(step).max() / _LONGEST_STEP)
    for _ in range(_N_HALVINGS):
        if problem.loss(values + step) <= loss:
            return step
        step = step / 2
    return np.zeros_like(step)


def _times(matrices: NDArray[np.floating], vectors: FloatArray) -> FloatArray:
    """Multiply each label's matrix [n_labels, 2, 2] with its vector [n_labels, 2], or one for all [2]."""
    return np.asarray((matrices @ vectors[..., None])[..., 0])


def with_others(folds: Sequence[IntArray], *, n_photos: int) -> list[tuple[IntArray, IntArray]]:
    """Return each fold and the sorted rows of all other folds.

    Args:
        folds: Row numbers of each fold, a partition of the photos.
        n_photos: Photos that have scores.

    Raises:
        ValueError: The folds are not a partition of the photos.

    Examples:
        >>> with_others([np.array([2, 0]), np.array([1])], n_photos=3)
        [(array([2, 0]), array([1])), (array([1]), array([0, 2]))]
    """
    rows = np.concatenate([np.empty(0, dtype=np.int64), *folds])
    if not np.array_equal(np.sort(rows), np.arange(n_photos)):
        raise ValueError(f"the folds are not a partition of the {n_photos} photos that have scores")
    return [(fold, np.setdiff1d(rows, fold)) for fold in folds]


def logit(probability: FloatArray, *, least: float = float(_FLOATS.tiny)) -> FloatArray:
    """Turn probabilities into log-odds.

    Args:
        probability: In [0, 1]; NaN stays NaN.
        least: What is nearer to 0 or to 1 counts as this near, in (0, 0.5). By default the floats next to
            them.

    Examples:
        >>> logit(np.array([0.5, 1.0])), logit(np.array([0.0]), least=1e-12)
        (array([ 0.        , 36.73680057]), array([-27.63102112]))
    """
    clipped = np.clip(probability, least, 1 - max(least, float(_FLOATS.epsneg)))
    return np.asarray(np.log(clipped) - np.log1p(-clipped))


def sigmoid(log_odds: FloatArray) -> FloatArray:
    """Turn log-odds of any size into probabilities; NaN stays NaN.

    Examples:
        >>> sigmoid(np.array([0.0, -800.0]))
        array([0.5, 0. ])
    """
    odds_against = np.exp(-np.abs(log_odds))  # at most 1, so that nothing overflows
    return np.asarray(np.where(log_odds >= 0, 1.0, odds_against) / (1 + odds_against))
