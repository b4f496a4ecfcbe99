"""Fit a linear head on features of a frozen backbone, in well under a second for 200 photos and 10 labels.

In:  features [n_photos, n_features] of all photos; targets [n_photos, n_labels], NaN where unknown.
Out: probabilities of all photos; of the labeled ones also by heads that were not trained on them.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from manylabel.data.stratify import stratified_folds
from manylabel.decisions.calibration import sigmoid
from manylabel.training.linear_solver import (
    feature_spread,
    is_small_product,
    label_problems,
    one_thread,
    solve,
)
from manylabel.training.weight_decay import (
    DECAYS,
    DEFAULT_DECAY,
    Choice,
    choose_of_losses,
    held_out_logits,
    scaled_losses,
    span,
)
from manylabel.types import FloatArray, IntArray

FEWEST_PHOTOS = 10
"""Labeled photos that a head needs at least."""

_N_FOLDS = 5
_FEWEST_TO_CHOOSE = 20
_MANY_PHOTOS = 1000
_SEED = 0


@dataclass(frozen=True, eq=False, kw_only=True)
class FittedHead:
    """What a head says.

    Attributes:
        probabilities: Of all photos [n_photos, n_labels].
        out_of_fold: Of labeled photos, by heads that did not learn from them [n_photos, n_labels]; NaN for
            the others.
        folds: Rows of the photos that each of these heads did not learn from.
    """

    probabilities: FloatArray
    out_of_fold: FloatArray
    folds: tuple[IntArray, ...]


@torch.no_grad()
def fit_head(features: NDArray[np.float32], targets: FloatArray, *, groups: IntArray) -> FittedHead | None:
    """Fit a head on the labeled photos.

    The decay of the weights and the scale of the logits are chosen by cross-validation; for the photos of a
    fold, on the other folds.

    Args:
        features: Features of all photos [n_photos, n_features], finite.
        targets: 1 present, 0 absent, NaN unknown [n_photos, n_labels].
        groups: Number of the group of near-duplicates of each photo [n_photos].

    Returns:
        None with fewer than 10 labeled photos that are no near-duplicates.
    """
    labeled = np.flatnonzero(~np.isnan(targets).all(axis=1))
    if len(np.unique(groups[labeled])) < FEWEST_PHOTOS:
        return None
    known = targets[labeled]
    folds = stratified_folds(
        known, n_folds=_N_FOLDS, rng=np.random.default_rng(_SEED), groups=groups[labeled]
    )
    scaled = _scale(features)  # [n_photos, n_features]
    basis = span(scaled[labeled])
    projected = scaled @ basis  # [n_photos, n_dimensions]
    trained = projected[labeled]
    with one_thread(when=is_small_product(trained)):
        choice, held_out = _cross_validate(trained, known, folds=folds)
        problems = label_problems(
            known, pos_weight=_even(known), decay=choice.decay, device=torch.device("cpu")
        )
        head = solve(trained[:, None], problems)
    logits = choice.scale * (projected @ head.weights + head.bias)
    out_of_fold = np.full(targets.shape, np.nan)
    out_of_fold[labeled] = held_out
    return FittedHead(
        probabilities=logits.double().sigmoid().numpy(),
        out_of_fold=out_of_fold,
        folds=tuple(labeled[fold] for fold in folds),
    )


def _scale(features: NDArray[np.float32]) -> Tensor:
    """Center and scale features as linear probing does, but by the statistics of all photos."""
    values = torch.from_numpy(features)
    deviation = values.std(dim=0, correction=0)
    centered = (values - values.mean(dim=0)) / torch.where(deviation > 0, deviation, 1.0)
    return centered / feature_spread(centered[:, None])


def _cross_validate(
    trained: Tensor, targets: FloatArray, *, folds: tuple[IntArray, ...]
) -> tuple[Choice, FloatArray]:
    """Return the choice of decay and scale, and out-of-fold probabilities [n_labeled, n_labels]."""
    if len(targets) < _FEWEST_TO_CHOOSE:
        choice = Choice(decay=DEFAULT_DECAY)
        logits = _out_of_fold_logits(trained, targets, folds=folds, decays=(choice.decay,))
        return choice, sigmoid(logits[:, 0])
    if len(targets) >= _MANY_PHOTOS:  # one fold says enough; a scale and a decay of so many fit no chance
        first = _out_of_fold_logits(trained, targets, folds=folds[:1], decays=DECAYS)
        choice = choose_of_losses(scaled_losses(first[folds[0]], targets[folds[0]]))
        logits = _out_of_fold_logits(trained, targets, folds=folds, decays=(choice.decay,))
        return choice, sigmoid(choice.scale * logits[:, 0])
    logits = _out_of_fold_logits(trained, targets, folds=folds, decays=DECAYS)
    held_out = np.empty(targets.shape)
    for fold in folds:
        others = np.setdiff1d(np.arange(len(targets)), fold)
        choice = choose_of_losses(scaled_losses(logits[others], targets[others]))
        held_out[fold] = sigmoid(choice.scale * logits[fold, DECAYS.index(choice.decay)])
    return choose_of_losses(scaled_losses(logits, targets)), held_out


def _out_of_fold_logits(
    trained: Tensor, targets: FloatArray, *, folds: tuple[IntArray, ...], decays: tuple[float, ...]
) -> FloatArray:
    """Return logits [n_labeled, n_decays, n_labels]; NaN for photos of no fold."""
    logits = np.full((len(targets), len(decays), targets.shape[1]), np.nan)
    logits[np.concatenate(folds)] = held_out_logits(
        trained, trained, targets, folds=folds, weigh=_even, decays=decays
    )
    return logits


def _even(targets: FloatArray) -> FloatArray:
    """Weigh positives like negatives."""
    return np.ones(targets.shape[1])
