"""Solve weighted logistic regressions, many at once.

In:  features [n_photos, n_views, n_features] that all problems share; a column of targets, of weights of the
     photos and a decay per problem.
Out: weights [n_features, n_problems] and biases [n_problems] at the minimum.

One linear head is solved by ``solve_linear_head``, a problem per label.

The loss of a problem with targets y, weights a of the photos and decay d is

    sum_photos a * mean_views cross_entropy(w . x + b, y)  +  d / 2 * |w|^2

It is convex and has one minimum; no learning rate and no chance take part. All problems take their steps
together, so that a step is two matrix products; each has its own step length and stops by itself, so that no
problem changes the result of another. The steps are those of a preconditioned conjugate gradient
(Polak-Ribiere, restarted where it does not descend; Nocedal and Wright 2006, "Numerical optimization",
section 5.2).
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from manylabel.models.classifier import prior_log_odds
from manylabel.types import FloatArray

MAX_STEPS = 200
_TOLERANCE = 1e-5
_N_NEWTON_STEPS = 2
_LONGEST_STEP = 10.0
_TINY = 1e-30
_LEAST_SPREAD = 0.05
_SMALL_PRODUCT = 2**22


@dataclass(frozen=True, eq=False, kw_only=True)
class Problems:
    """What differs between problems.

    Attributes:
        targets: 1 or 0 [n_photos, n_problems]; any number where the weight is 0.
        weights: How much a photo counts [n_photos, n_problems], at least 0. A problem without positives or
            without negatives has no finite minimum and keeps its initial bias.
        decay: Weight of the penalty [n_problems], at least 0. With 0, problems that can be solved without an
            error have no minimum, and stop after ``MAX_STEPS``.
        bias: Initial bias [n_problems]; weights start at 0.
    """

    targets: Tensor
    weights: Tensor
    decay: Tensor
    bias: Tensor


@dataclass(frozen=True, eq=False, kw_only=True)
class Step:
    """The state of all problems after a step.

    Attributes:
        weights: [n_features, n_problems].
        bias: [n_problems].
        losses: Loss of each problem without its penalty [n_problems].
    """

    weights: Tensor
    bias: Tensor
    losses: Tensor


def ignore_step(step: Step) -> None:
    """Do nothing with a step."""


@torch.no_grad()
def solve(features: Tensor, problems: Problems, *, on_step: Callable[[Step], None] = ignore_step) -> Step:
    """Minimise the loss of every problem.

    Args:
        features: [n_photos, n_views, n_features], about centred: far from 0 it takes more steps.
        problems: The problems.
        on_step: Called after every step, also where nothing moves.

    Returns:
        The minimum, to a hundred-thousandth of the initial gradient.

    Examples:
        >>> found = solve(
        ...     torch.tensor([[[-1.0]], [[1.0]]]),
        ...     Problems(targets=torch.tensor([[0.0], [1.0]]), weights=torch.full((2, 1), 0.5),
        ...              decay=torch.ones(1), bias=torch.zeros(1)),
        ... )
        >>> found.weights, found.bias
        (tensor([[0.4011]]), tensor([0.]))
    """
    descent = _Descent(features, problems)
    for _ in range(MAX_STEPS):
        descent.turn()
        descent.go()
        on_step(descent.state)
        if not descent.is_moving.any():
            break
    return descent.state


class _Descent:
    """The state of the conjugate gradient."""

    def __init__(self, features: Tensor, problems: Problems) -> None:
        n_photos, n_views, n_features = features.shape
        self.rows = features.flatten(end_dim=1)  # [n_photos * n_views, n_features]
        self.targets = problems.targets[:, None]  # [n_photos, 1, n_problems]
        self.counts = problems.weights[:, None] / n_views
        self.decay = problems.decay
        self.weights = features.new_zeros(n_features, len(problems.decay))
        self.bias = problems.bias.clone()
        self.logits = self.bias.expand(n_photos, n_views, -1).clone()
        self.losses = self._losses(self.logits)
        # The diagonal of the initial curvature: how fast each weight may move.
        variance = problems.bias.sigmoid() * (1 - problems.bias.sigmoid())
        counts = self.counts.expand_as(self.logits).flatten(end_dim=1)
        guess = variance * (self.rows.square().T @ counts) + self.decay  # [n_features, n_problems]
        spread = variance * problems.weights.sum(dim=0)
        self.pace = 1 / guess.clamp(min=_TINY)
        self.bias_pace = 1 / spread.clamp(min=_TINY)
        positives = (problems.weights * problems.targets).sum(dim=0)
        negatives = (problems.weights * (1 - problems.targets)).sum(dim=0)
        self.is_moving = (positives > 0) & (negatives > 0)
        self._before: tuple[Tensor, Tensor, Tensor] | None = None

    @property
    def state(self) -> Step:
        """Return weights, biases and losses."""
        return Step(weights=self.weights, bias=self.bias, losses=self.losses)

    def turn(self) -> None:
        """Choose the direction of the next step; problems at their minimum stop."""
        errors = self.counts * (self.logits.sigmoid() - self.targets)  # [n_photos, n_views, n_problems]
        gradient = self.rows.T @ errors.flatten(end_dim=1) + self.decay * self.weights
        bias_gradient = errors.sum(dim=(0, 1))
        paced, bias_paced = self.pace * gradient, self.bias_pace * bias_gradient
        size = (gradient * paced).sum(dim=0) + bias_gradient * bias_paced  # [n_problems]
        if self._before is None:
            self._first_size = size
            self.direction, self.bias_direction = -paced, -bias_paced
        else:
            old_gradient, old_bias_gradient, old_size = self._before
            change = (paced * (gradient - old_gradient)).sum(dim=0)
            change += bias_paced * (bias_gradient - old_bias_gradient)
            memory = (change / old_size.clamp(min=_TINY)).clamp(min=0)
            direction, bias_direction = (
                memory * self.direction - paced,
                memory * self.bias_direction - bias_paced,
            )
            descends = (gradient * direction).sum(dim=0) + bias_gradient * bias_direction < 0
            self.direction = torch.where(descends, direction, -paced)
            self.bias_direction = torch.where(descends, bias_direction, -bias_paced)
        self.is_moving &= size > _TOLERANCE**2 * self._first_size
        self._before = gradient, bias_gradient, size

    def go(self) -> None:
        """Take the step, of each problem as far as its loss falls."""
        move = (self.rows @ self.direction + self.bias_direction).view_as(self.logits)
        length = torch.where(self.is_moving, self._length(move), 0.0)
        self.weights = self.weights + length * self.direction
        self.bias = self.bias + length * self.bias_direction
        self.logits = self.logits + length * move
        self.losses = self._losses(self.logits)

    def _length(self, move: Tensor) -> Tensor:
        """Find the lowest point along the direction, by Newton's method in one dimension."""
        linear = self.decay * (self.weights * self.direction).sum(dim=0)
        square = self.decay * self.direction.square().sum(dim=0)
        slope, _ = self._slope(self.logits, move)
        # The curvature of a cross-entropy is a quarter at most: the lowest point is this far away at least.
        bound = (self.counts * move.square()).sum(dim=(0, 1)) / 4 + square
        least = -(slope + linear) / bound.clamp(min=_TINY)
        length = least
        for _ in range(_N_NEWTON_STEPS):
            slope, curvature = self._slope(self.logits + length * move, move)
            length = length - (slope + linear + length * square) / (curvature + square).clamp(min=_TINY)
            length = torch.maximum(length.clamp(max=_LONGEST_STEP), least)
        losses = self._losses(self.logits + length * move) + length * linear + length.square() * square / 2
        return torch.where(losses < self.losses, length, least)

    def _slope(self, logits: Tensor, move: Tensor) -> tuple[Tensor, Tensor]:
        """Return first and second derivative of the losses along ``move`` [n_problems]."""
        scores = logits.sigmoid()
        slope = (self.counts * (scores - self.targets) * move).sum(dim=(0, 1))
        return slope, (self.counts * scores * (1 - scores) * move.square()).sum(dim=(0, 1))

    def _losses(self, logits: Tensor) -> Tensor:
        return (self.counts * (functional.softplus(logits) - self.targets * logits)).sum(dim=(0, 1))


def label_problems(
    targets: FloatArray, *, pos_weight: FloatArray, decay: float, device: torch.device
) -> Problems:
    """Make a problem of each label: the mean loss over its known cells, positives weighted.

    Args:
        targets: [n_photos, n_labels], NaN where unknown: those cells count for nothing.
        pos_weight: Weight of a positive per label [n_labels].
        decay: Weight of the penalty.
        device: Where to compute.
    """
    is_known = ~np.isnan(targets)
    counts = is_known * np.where(targets == 1, pos_weight, 1.0) / np.maximum(is_known.sum(axis=0), 1)

    def tensor(values: FloatArray) -> Tensor:
        return torch.tensor(values, dtype=torch.float32, device=device)

    return Problems(
        targets=tensor(np.nan_to_num(targets)),
        weights=tensor(counts),
        decay=tensor(np.full(targets.shape[1], decay)),
        bias=tensor(prior_log_odds(targets) + np.log(pos_weight)),
    )


def join_problems(parts: Sequence[Problems]) -> Problems:
    """Put problems on the same photos side by side."""
    return Problems(
        targets=torch.cat([part.targets for part in parts], dim=1),
        weights=torch.cat([part.weights for part in parts], dim=1),
        decay=torch.cat([part.decay for part in parts]),
        bias=torch.cat([part.bias for part in parts]),
    )


@dataclass(frozen=True, eq=False, kw_only=True)
class LinearHead:
    """A linear head, at the minimum or before it.

    Attributes:
        weights: [n_features, n_labels].
        bias: [n_labels].
        loss: Mean loss over the known cells, without the penalty.
    """

    weights: Tensor
    bias: Tensor
    loss: float


def solve_linear_head(
    scaled: Tensor,
    targets: FloatArray,
    *,
    spread: Tensor,
    pos_weight: FloatArray,
    decay: float,
    on_step: Callable[[LinearHead], None],
) -> None:
    """Find the head with the lowest loss: the last that ``on_step`` is called with.

    Args:
        scaled: Features divided by ``spread`` [n_photos, n_views, n_features]; the loss of a photo is the
            mean over its views.
        targets: [n_photos, n_labels], NaN where unknown.
        spread: Divisor of each feature [n_features]; the head is for features that were not divided.
        pos_weight: Weight of a positive per label [n_labels].
        decay: Weight of the penalty.
        on_step: Called with the head of every step.
    """
    n_known = torch.from_numpy((~np.isnan(targets)).sum(axis=0)).to(scaled)
    share_known = n_known / n_known.sum().clamp(min=1)

    def report(step: Step) -> None:
        loss = float((step.losses * share_known).sum())
        on_step(LinearHead(weights=step.weights / spread[:, None], bias=step.bias, loss=loss))

    problems = label_problems(targets, pos_weight=pos_weight, decay=decay, device=scaled.device)
    solve(scaled, problems, on_step=report)


def feature_spread(features: Tensor) -> Tensor:
    """Return the divisor of each feature under the penalty [n_features].

    It is the square root of the deviation: decay then falls half on the weight of a feature and half on what
    the feature does to a logit. Of the powers 0, 1/2, 3/4, 1 and 3/2, those up to 3/4 made no difference to
    the order of photos and 0 gave the lowest loss; 1 and 3/2 were worse. A twentieth of the mean deviation is
    added: features that hardly vary stay small.

    Args:
        features: [n_photos, n_views, n_features].
    """
    deviations = features.flatten(end_dim=1).std(dim=0, correction=0)
    spread = (deviations + _LEAST_SPREAD * deviations.mean()).sqrt()
    return torch.where(spread > 0, spread, 1.0)


def is_small_product(features: Tensor) -> bool:
    """Tell whether one thread multiplies features as fast as several do."""
    return features.numel() <= _SMALL_PRODUCT


@contextmanager
def one_thread(*, when: bool) -> Iterator[None]:
    """Compute with one thread of torch, then with as many as before.

    The products of a small head take microseconds: distributing them to several threads takes longer, and on
    a busy machine every one of them waits for the slowest thread.

    Args:
        when: Otherwise the threads stay as they are.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1 if when else before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
