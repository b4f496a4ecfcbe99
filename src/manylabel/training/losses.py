"""Measure how wrong logits are, over the known cells only.

In:  logits and targets, both [batch, n_labels]; NaN targets are unknown and count for nothing.
Out: one number to minimise, and the weights of positives that it uses.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from manylabel.config import LossName
from manylabel.types import FloatArray

Loss = Callable[[Tensor, Tensor], Tensor]
"""What maps logits and targets [batch, n_labels] to the mean loss of the known cells."""


def positive_weights(targets: FloatArray, *, cap: float) -> FloatArray:
    """Weigh the positives of each label so that they count as much as its negatives.

    ``w_j = n_negative_j / n_positive_j``, at most ``cap``, and 1 where a label has no positives or no
    negatives.

    Args:
        targets: [n_photos, n_labels], NaN unknown.
        cap: Largest weight, at least 1.

    Returns:
        Weights [n_labels].

    Examples:
        >>> positive_weights(np.array([[1.0, 0.0], [0.0, 0.0], [0.0, np.nan], [0.0, 0.0]]), cap=20.0)
        array([3., 1.])
    """
    n_positive = (targets == 1).sum(axis=0)
    n_negative = (targets == 0).sum(axis=0)
    both = (n_positive > 0) & (n_negative > 0)
    ratio = n_negative / np.maximum(n_positive, 1)
    return np.where(both, np.minimum(ratio, cap), 1.0)


def label_weights(targets: FloatArray, *, name: LossName, cap: float) -> FloatArray:
    """Return the weight of a positive per label [n_labels] that a loss uses."""
    if name == "weighted_bce":
        return positive_weights(targets, cap=cap)
    return np.ones(targets.shape[1])


def binary_cross_entropy(pos_weight: Tensor) -> Loss:
    """Make the binary cross-entropy with weighted positives, averaged over known cells.

    ``-[w_j y log s(z) + (1 - y) log(1 - s(z))]`` with ``s`` the logistic function. A batch without any
    known cell has loss 0.

    Args:
        pos_weight: Weight of a positive per label [n_labels].
    """

    def loss(logits: Tensor, targets: Tensor) -> Tensor:
        is_known = ~targets.isnan()
        cells = functional.binary_cross_entropy_with_logits(
            logits.float(), targets.nan_to_num(0.0), pos_weight=pos_weight, reduction="none"
        )  # [batch, n_labels]
        return torch.where(is_known, cells, 0.0).sum() / is_known.sum().clamp(min=1)

    return loss
