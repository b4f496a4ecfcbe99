"""Choose the weight decay of a solved head.

In:  features and targets of the training photos of one fit, and how to weigh positives.
Out: one decay for all labels, near where the loss of held-out photos is lowest.

Photos that a fit does not learn from never enter this module: the fit of a fold chooses from its own training
photos by an inner cross-validation.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from manylabel.data.stratify import stratified_folds
from manylabel.training.logistic import join_problems, label_problems, solve
from manylabel.types import FloatArray, IntArray

DECAYS = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
DEFAULT_DECAY = 1.0
_MIN_PHOTOS = 20
_PRIOR_PHOTOS = 1000
_N_FOLDS = 5
_MANY_PHOTOS = 1000

Weigh = Callable[[FloatArray], FloatArray]
"""Returns the weight of a positive per label [n_labels] for targets [n_photos, n_labels]."""


def choose_decay(
    learned: Tensor, scored: Tensor, targets: FloatArray, *, weigh: Weigh, rng: np.random.Generator
) -> float:
    """Choose one decay for all labels.

    Between the decays that are tried, the loss is taken as a parabola over the logarithm of the decay:
    choices that jump from fold to fold would make the scores of folds hard to compare.

    Args:
        learned: What is learned from, one row per photo [n_photos, n_features], about centred.
        scored: What held-out photos are scored on [n_photos, n_features].
        targets: [n_photos, n_labels], NaN where unknown.
        weigh: Weighs positives; it sees the targets of inner training photos only.
        rng: Source of the inner folds.

    Returns:
        The decay, between the smallest and the largest of ``DECAYS``. With fewer than 20 photos there is
        nothing to choose by: 1.
    """
    if len(targets) < _MIN_PHOTOS:
        return DEFAULT_DECAY
    folds = stratified_folds(targets, n_folds=_N_FOLDS, rng=rng)
    if len(targets) >= _MANY_PHOTOS:
        folds = folds[:1]  # so many tell decays apart by themselves
    basis = span(learned)
    losses = held_out_losses(learned @ basis, scored @ basis, targets, folds=folds, weigh=weigh)
    if not len(losses):
        return DEFAULT_DECAY
    return shrunk(lowest(losses.mean(axis=0)), n_photos=len(targets))


def shrunk(decay: float, *, n_photos: int) -> float:
    """Draw a decay below the default one towards it, the more the fewer photos it was chosen on.

    With 160 photos the loss hardly tells 0.3 from 1, and choices below 1 made the order of held-out photos
    worse: out of fold by 0.9 mAP on natural scenes and 0.4 on aerial photos.

    Examples:
        >>> round(shrunk(0.25, n_photos=100), 2), round(shrunk(0.25, n_photos=30_000), 2)
        (0.88, 0.26)
        >>> shrunk(10.0, n_photos=100)
        10.0
    """
    trust = n_photos / (n_photos + _PRIOR_PHOTOS)
    return float(DEFAULT_DECAY * (decay / DEFAULT_DECAY) ** trust) if decay < DEFAULT_DECAY else decay


def lowest(losses: FloatArray) -> float:
    """Return the decay at the lowest point of the parabola through the lowest loss and its neighbours.

    Args:
        losses: One per decay of ``DECAYS``.

    Examples:
        >>> round(lowest(np.array([9.0, 4.0, 1.0, 0.0, 1.0, 4.0])), 2), lowest(np.arange(6.0))
        (1.0, 0.03)
    """
    if np.ptp(losses) == 0:
        return DEFAULT_DECAY
    best = int(np.argmin(losses))
    if best in (0, len(DECAYS) - 1):
        return DECAYS[best]
    before, here, after = losses[best - 1 : best + 2]
    shift = (before - after) / (2 * (before - 2 * here + after))  # in [-0.5, 0.5] steps
    neighbour = DECAYS[best + 1] if shift > 0 else DECAYS[best - 1]
    return float(DECAYS[best] * (neighbour / DECAYS[best]) ** abs(shift))


def held_out_losses(
    learned: Tensor, scored: Tensor, targets: FloatArray, *, folds: tuple[IntArray, ...], weigh: Weigh
) -> FloatArray:
    """Return the loss of held-out photos with every decay [n_photos with any known cell, n_decays].

    All folds, decays and labels are solved together. The loss is the mean over the known cells of a photo, of
    probabilities from which the weights of positives are taken out.
    """
    n_labels, device = targets.shape[1], learned.device
    is_train = np.ones((len(folds), len(targets)), dtype=bool)
    for row, held_out in zip(is_train, folds, strict=True):
        row[held_out] = False
    known = [np.where(rows[:, None], targets, np.nan) for rows in is_train]
    pos_weights = [weigh(cells) for cells in known]
    of_folds = [
        label_problems(cells, pos_weight=pos_weight, decay=decay, device=device)
        for cells, pos_weight in zip(known, pos_weights, strict=True)
        for decay in DECAYS
    ]
    found = solve(learned[:, None], join_problems(of_folds))
    logits = (scored @ found.weights + found.bias).cpu().double().numpy()
    logits = logits.reshape(len(targets), len(folds), len(DECAYS), n_labels)
    logits = logits - np.log(np.stack(pos_weights))[:, None]  # of each fold
    losses = [_mean_losses(logits[held_out, fold], targets[held_out]) for fold, held_out in enumerate(folds)]
    return np.concatenate(losses)


def span(features: Tensor) -> Tensor:
    """Return an orthonormal basis [n_features, n_dimensions] that holds all photos.

    The weights of a minimum lie in the span of the photos it was learned from, so that nothing is lost where
    others are seen through this basis; with 128 photos of 1280 features, a step costs a tenth.

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


def _mean_losses(logits: FloatArray, targets: FloatArray) -> FloatArray:
    """Return the mean cross-entropy of every photo [n_photos with any known cell, n_decays].

    Args:
        logits: [n_photos, n_decays, n_labels].
        targets: [n_photos, n_labels], NaN where unknown.
    """
    has_known = ~np.isnan(targets).all(axis=1)
    cells = np.logaddexp(0, logits) - targets[:, None] * logits
    return np.asarray(np.nanmean(cells[has_known], axis=2))
