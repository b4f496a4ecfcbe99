"""Choose the weight decay of a solved head.

In:  features and targets of the training photos of one fit, and how to weigh positives.
Out: one decay for all labels, and a scale for the logits.

Photos that a fit is not trained on never enter this module: the fit of a fold chooses by an inner
cross-validation of its own training photos.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from manylabel.data.stratify import stratified_folds
from manylabel.training.linear_solver import join_problems, label_problems, solve
from manylabel.types import FloatArray, IntArray

DECAYS = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
DEFAULT_DECAY = 1.0
_SCALES = np.geomspace(0.5, 4.0, 31)
_MIN_PHOTOS = 20
_N_FOLDS = 5
_MANY_PHOTOS = 1000
_MOST_LABELS = 100

Weigh = Callable[[FloatArray], FloatArray]
"""Returns the weight of a positive per label [n_labels] for targets [n_photos, n_labels]."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The weight decay and the scale of a solved head.

    Attributes:
        decay: Weight of the penalty.
        scale: Factor of the logits: a strong decay makes probabilities underconfident, and this corrects it.
    """

    decay: float
    scale: float = 1.0


def choose_decay(
    trained: Tensor,
    scored: Tensor,
    targets: FloatArray,
    *,
    weigh: Weigh,
    rng: np.random.Generator,
    groups: IntArray | None = None,
) -> Choice:
    """Choose one decay and one scale for all labels: those with the lowest loss of held-out photos.

    Of more than 100 labels, the 100 that have most photos both with and without them decide.

    The curve is flat and a hundred photos are few: of the decays whose loss is within one standard error of
    the lowest, photo by photo, the one nearest to 1 is taken (the rule of Breiman, Friedman, Olshen and Stone
    1984, "Classification and regression trees", section 3.4.3, with 1 for the simplest model). Choices that
    follow chance would also make the scores of different folds hard to compare.

    Args:
        trained: Features to train on, one row per photo [n_photos, n_features], about centered.
        scored: Features to score held-out photos on [n_photos, n_features].
        targets: [n_photos, n_labels], NaN where unknown.
        weigh: Weighs positives; it sees the targets of inner training photos only.
        rng: Source of the inner folds.
        groups: Number of the group of near-duplicates of each photo [n_photos], which stays in one fold;
            not given: there are no near-duplicates.

    Returns:
        One of ``DECAYS``, and its scale; 1 and 1 with fewer than 20 photos that are no near-duplicates.
    """
    n_groups = len(targets) if groups is None else len(np.unique(groups))
    if n_groups < _MIN_PHOTOS or np.isnan(targets).all():
        return Choice(decay=DEFAULT_DECAY)
    n_rarer = np.minimum((targets == 1).sum(axis=0), (targets == 0).sum(axis=0))
    targets = targets[:, np.sort(np.argsort(-n_rarer, kind="stable")[:_MOST_LABELS])]
    folds = stratified_folds(targets, n_folds=_N_FOLDS, rng=rng, groups=groups)
    if len(targets) >= _MANY_PHOTOS:
        folds = folds[:1]  # so many photos suffice
    basis = span(trained)
    logits = held_out_logits(trained @ basis, scored @ basis, targets, folds=folds, weigh=weigh)
    return choose_of_losses(scaled_losses(logits, targets[np.concatenate(folds)]))


def choose_of_losses(losses: FloatArray) -> Choice:
    """Choose the decay, and its best scale, of the losses of held-out photos.

    Args:
        losses: As ``scaled_losses`` returns them, [n_scales, n_evaluated, n_decays], for all of ``DECAYS``.

    Returns:
        1 and 1 without photos.
    """
    if losses.shape[1] == 0:
        return Choice(decay=DEFAULT_DECAY)
    best_scales = losses.mean(axis=1).argmin(axis=0)
    best = nearest_good(losses[best_scales, :, np.arange(len(DECAYS))].T)
    return Choice(decay=DECAYS[best], scale=float(_SCALES[best_scales[best]]))


def scaled_losses(logits: FloatArray, targets: FloatArray) -> FloatArray:
    """Return the mean cross-entropy of the known cells of each photo with every scale and decay.

    Args:
        logits: [n_photos, n_decays, n_labels].
        targets: [n_photos, n_labels], NaN where unknown.

    Returns:
        Losses [n_scales, n_evaluated, n_decays] of the photos with any known cell.
    """
    has_known = ~np.isnan(targets).all(axis=1)
    known, evaluated = targets[has_known, None], logits[has_known]
    return np.stack(
        [
            np.nanmean(np.logaddexp(0, scale * evaluated) - known * scale * evaluated, axis=2)
            for scale in _SCALES
        ]
    )


def nearest_good(losses: FloatArray) -> int:
    """Return the index of the decay nearest to 1 whose loss is within one standard error of the lowest.

    Args:
        losses: [n_photos, n_decays].

    Examples:
        >>> DECAYS[nearest_good(np.array([[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]]))]
        0.03
        >>> DECAYS[nearest_good(np.array([[0.0, 2.0, 3.0, 4.0, 5.0, 6.0], [9.0, 8.0, 7.0, 6.0, 5.0, 4.0]]))]
        1.0
    """
    means = losses.mean(axis=0)
    excess = losses - losses[:, [int(np.argmin(means))]]
    error = excess.std(axis=0) / np.sqrt(len(losses))
    good = np.flatnonzero(excess.mean(axis=0) <= error)
    usual = DECAYS.index(DEFAULT_DECAY)
    return int(good[np.argmin(np.abs(good - usual))])


def held_out_logits(
    trained: Tensor,
    scored: Tensor,
    targets: FloatArray,
    *,
    folds: tuple[IntArray, ...],
    weigh: Weigh,
    decays: tuple[float, ...] = DECAYS,
) -> FloatArray:
    """Return logits of held-out photos with every decay [n_held_out, n_decays, n_labels], fold by fold.

    All folds, decays and labels are solved together. The weights of positives are taken out.
    """
    n_labels, device = targets.shape[1], trained.device
    is_train = np.ones((len(folds), len(targets)), dtype=bool)
    for row, held_out in zip(is_train, folds, strict=True):
        row[held_out] = False
    known = [np.where(rows[:, None], targets, np.nan) for rows in is_train]
    pos_weights = [weigh(cells) for cells in known]
    of_folds = [
        label_problems(cells, pos_weight=pos_weight, decay=decay, device=device)
        for cells, pos_weight in zip(known, pos_weights, strict=True)
        for decay in decays
    ]
    found = solve(trained[:, None], join_problems(of_folds))
    logits = (scored @ found.weights + found.bias).cpu().double().numpy()
    logits = logits.reshape(len(targets), len(folds), len(decays), n_labels)
    logits = logits - np.log(np.stack(pos_weights))[:, None]  # of each fold
    return np.concatenate([logits[held_out, fold] for fold, held_out in enumerate(folds)])


def span(features: Tensor) -> Tensor:
    """Return an orthonormal basis [n_features, n_dimensions] of the features of all photos.

    The weights of a minimum lie in the span of the training photos, so nothing is lost where others are
    projected onto it; with 128 photos of 1280 features, a step costs a tenth.

    Args:
        features: [n_photos, n_features].
    """
    n_photos, n_features = features.shape
    if n_photos >= n_features:
        return torch.eye(n_features).to(features)
    rows = features.cpu().double()  # MPS has neither float64 nor this decomposition
    squares, vectors = torch.linalg.eigh(rows @ rows.T)
    is_used = squares > 1e-9 * squares[-1].clamp(min=1e-12)
    basis: Tensor = rows.T @ (vectors[:, is_used] / squares[is_used].sqrt())
    return basis.to(features)
