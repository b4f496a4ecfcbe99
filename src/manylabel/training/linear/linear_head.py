"""Fit one linear head to features, by solving.

In:  standardised, scaled features [n_photos, n_views, n_features], targets, weights of positives, a decay.
Out: weights [n_features, n_labels] and biases [n_labels] for the standardised features.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from manylabel.training.linear.solver import Step, label_problems, solve
from manylabel.types import FloatArray

_LEAST_SPREAD = 0.05


@dataclass(frozen=True, eq=False, kw_only=True)
class LinearHead:
    """Hold a linear head, at the minimum or on the way there.

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
    """Find the head with the lowest loss; the last that is heard of is the one.

    Args:
        scaled: Features divided by ``spread`` [n_photos, n_views, n_features]; the loss of a photo is the
            mean over its views.
        targets: [n_photos, n_labels], NaN where unknown.
        spread: What they were divided by [n_features]; the head is for features that are not.
        pos_weight: Weight of a positive per label [n_labels].
        decay: Weight of the penalty.
        on_step: Hears of every step.
    """
    n_known = torch.from_numpy((~np.isnan(targets)).sum(axis=0)).to(scaled)
    share_known = n_known / n_known.sum().clamp(min=1)

    def hear(step: Step) -> None:
        loss = float((step.losses * share_known).sum())
        on_step(LinearHead(weights=step.weights / spread[:, None], bias=step.bias, loss=loss))

    problems = label_problems(targets, pos_weight=pos_weight, decay=decay, device=scaled.device)
    solve(scaled, problems, on_step=hear)


def feature_spread(features: Tensor) -> Tensor:
    """Return what each feature is divided by before decay weighs on it [n_features].

    It is the square root of the deviation: decay then falls half on the weight of a feature and half on what
    the feature does to a logit. Of the powers 0, 1/2, 3/4, 1 and 3/2, those up to 3/4 made no difference to
    the order of photos and 0 gave the lowest loss; 1 and 3/2 were worse. A twentieth of the mean deviation is
    added: what hardly varies stays small.

    Args:
        features: [n_photos, n_views, n_features].
    """
    deviations = features.flatten(end_dim=1).std(dim=0, correction=0)
    spread = (deviations + _LEAST_SPREAD * deviations.mean()).sqrt()
    return torch.where(spread > 0, spread, 1.0)
