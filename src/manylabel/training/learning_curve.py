"""Measure whether more photos would help: train on growing shares of four fifths of them.

In:  a training method, and the experiment.
Out: mAP of held-out photos by the number of training photos.

The curve is that of linear heads on the frozen backbone, whatever was fine-tuned: the heads of all folds are
solved together, so a curve takes a second. Every photo is scored by heads that were not trained on its fold;
test photos take no part. All heads share the scale of the features and the weight decay, so the gain is
estimated a little too low.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from manylabel.data.stratify import stratified_folds, stratified_holdout
from manylabel.metrics.bootstrap import (
    affordable_resamples,
    draw_resamples,
    interval_of_mean_average_precision,
    intervals_of_average_precision,
)
from manylabel.metrics.comparison import interval_of_difference
from manylabel.metrics.metrics import average_precision, mean_average_precision
from manylabel.metrics.resamples import Resamples
from manylabel.training.cross_validation import Experiment
from manylabel.training.linear_solver import (
    feature_spread,
    is_small_product,
    join_problems,
    label_problems,
    one_thread,
    solve,
)
from manylabel.training.methods import TrainingMethod
from manylabel.training.weight_decay import DEFAULT_DECAY, span
from manylabel.trials import LearningCurve
from manylabel.types import FloatArray, IntArray

SHARES = (0.25, 0.5, 0.75, 1.0)
_N_FOLDS = 5
_MIN_PHOTOS = 40
_MAX_CELLS = 100_000
_N_FITTED_PHOTOS = 1000
_MOST_ROUNDS = 4
_N_RESAMPLES = 500
_LEVEL = 0.95


@dataclass(frozen=True, eq=False, kw_only=True)
class _Round:
    """One division of the training photos into folds, and the heads' scores of all of them.

    Attributes:
        scores: Probabilities [n_shares, n_train, n_labels].
        n_trained: Photos that a head was trained on, mean over the folds [n_shares].
    """

    scores: FloatArray
    n_trained: FloatArray


def measure_learning_curve(method: TrainingMethod, experiment: Experiment) -> LearningCurve | None:
    """Measure the mAP of held-out photos by the number of training photos.

    Args:
        method: Has the features of the backbone.
        experiment: What all models share.

    Returns:
        The curve; None with fewer than 40 training photos that are no near-duplicates of others, with more
        than ``_MAX_CELLS`` cells, and without features.
    """
    train, groups = experiment.split.train, experiment.groups_of(experiment.split.train)
    n_groups = len(train) if groups is None else len(np.unique(groups))
    if n_groups < _MIN_PHOTOS or experiment.targets[train].size > _MAX_CELLS:
        return None
    features = method.backbone_features(train)
    if features is None:
        return None
    scaled = _scale(torch.from_numpy(features).float())
    n_rounds = int(np.clip(_N_FITTED_PHOTOS // len(train), 1, _MOST_ROUNDS))
    rounds = []
    with one_thread(when=is_small_product(scaled)):
        for number in range(n_rounds):
            rounds.append(_run_round(scaled, experiment, number=number))
            method.task.on_step("learning curve", number + 1, n_rounds)
    return _summarise(rounds, experiment)


def _scale(features: Tensor) -> Tensor:
    """Return standardized, scaled features [n_photos, n_dimensions] in the basis of all photos."""
    centered = features - features.mean(dim=0)
    deviation = centered.std(dim=0, correction=0)
    standardized = torch.where(deviation > 0, centered / deviation.clamp(min=1e-12), 0.0)
    scaled = standardized / feature_spread(standardized[:, None])
    return scaled @ span(scaled)


def _run_round(scaled: Tensor, experiment: Experiment, *, number: int) -> _Round:
    train = experiment.split.train
    targets, groups = experiment.targets[train], experiment.groups_of(train)
    rng = np.random.default_rng([experiment.config.seed, 4, number])
    folds = stratified_folds(targets, n_folds=_N_FOLDS, rng=rng, groups=groups)
    trained = [
        [_draw_share(np.setdiff1d(np.arange(len(train)), fold), share, experiment, rng=rng) for fold in folds]
        for share in SHARES
    ]  # indices of training photos, by share and fold
    scores = [_score_folds(scaled, targets, folds=folds, trained=of_share) for of_share in trained]
    is_known = np.asarray((~np.isnan(targets)).any(axis=1))  # the others are not trained on
    n_trained = [np.mean([is_known[indices].sum() for indices in of_share]) for of_share in trained]
    return _Round(scores=np.stack(scores), n_trained=np.array(n_trained))


def _draw_share(
    indices: IntArray, share: float, experiment: Experiment, *, rng: np.random.Generator
) -> IntArray:
    """Draw a share of some training photos, stratified by label."""
    if share == 1:
        return indices
    rows = experiment.split.train[indices]
    _, drawn = stratified_holdout(
        experiment.targets[rows], fraction=share, rng=rng, groups=experiment.groups_of(rows)
    )
    return indices[drawn]


def _score_folds(
    scaled: Tensor, targets: FloatArray, *, folds: tuple[IntArray, ...], trained: list[IntArray]
) -> FloatArray:
    """Return the scores [n_train, n_labels] of each fold by a head that was trained on other photos."""
    n_labels = targets.shape[1]
    of_folds = []
    for indices in trained:
        known = np.full(targets.shape, np.nan)
        known[indices] = targets[indices]
        of_folds.append(
            label_problems(known, pos_weight=np.ones(n_labels), decay=DEFAULT_DECAY, device=scaled.device)
        )
    found = solve(scaled[:, None], join_problems(of_folds))
    logits = (scaled @ found.weights + found.bias).double().sigmoid().numpy()
    logits = logits.reshape(len(targets), len(folds), n_labels)
    scores = np.empty(targets.shape)
    for number, fold in enumerate(folds):
        scores[fold] = logits[fold, number]
    return scores


def _summarise(rounds: list[_Round], experiment: Experiment) -> LearningCurve:
    targets = experiment.targets[experiment.split.train]
    groups = experiment.groups_of(experiment.split.train)
    n_photos, n_labels = targets.shape
    groups = np.arange(n_photos) if groups is None else groups
    n_resamples = affordable_resamples(
        n_photos=n_photos * len(rounds) * len(SHARES), n_labels=n_labels, wanted=_N_RESAMPLES
    )
    rng = np.random.default_rng([experiment.config.seed, 5])
    counts = draw_resamples(groups, n_resamples=n_resamples, rng=rng)
    resamples = [
        [Resamples(targets, scores=scores, counts=counts) for scores in one.scores] for one in rounds
    ]
    # [n_shares, 1 + n_resamples], and with labels at the end
    values = np.mean([list(map(mean_average_precision, of_shares)) for of_shares in resamples], axis=0)
    of_labels = np.mean([list(map(average_precision, of_shares)) for of_shares in resamples], axis=0)
    half = SHARES.index(0.5)
    gain, label_gains = values[-1] - values[half], of_labels[-1] - of_labels[half]
    bands = [
        interval_of_mean_average_precision(of_share, targets, groups=groups, level=_LEVEL)
        for of_share in values
    ]
    label_bands = [
        intervals_of_average_precision(of_share, targets, groups=groups, level=_LEVEL)
        for of_share in of_labels
    ]
    n_groups = len(np.unique(groups))
    gain_band, *label_gain_bands = (
        interval_of_difference(float(draws[0]), draws[1:], n_groups=n_groups, level=_LEVEL)
        for draws in (gain, *label_gains.T)
    )
    return LearningCurve(
        n_photos=np.mean([one.n_trained for one in rounds], axis=0).round().astype(np.int64),
        values=values[:, 0],
        bands=np.array([[band.low, band.high] for band in bands]),
        label_values=of_labels[:, 0],
        label_bands=np.array([[[band.low, band.high] for band in of_share] for of_share in label_bands]),
        gain=float(gain[0]),
        gain_band=np.array([gain_band.low, gain_band.high]),
        label_gain_bands=np.array([[band.low, band.high] for band in label_gain_bands]),
    )
