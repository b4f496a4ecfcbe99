"""Measure how wrong logits are, over the known cells only.

In:  logits and targets, both [batch, n_labels]; NaN targets are unknown and count for nothing.
Out: one number to minimize, and the weights of positives that it uses.

What each loss does to probabilities:

* ``bce`` is lowest where probabilities are the frequencies of the labels: nothing needs to be undone.
* ``weighted_bce`` multiplies the odds of a label by the weight w of its positives. Training takes log w from
  the last bias afterwards, so probabilities are frequencies again.
* ``focal`` and ``asymmetric`` are not proper scoring rules: their probabilities are systematically off until
  a calibration corrects them (``evaluation.calibrate``, on by default). Nothing is undone.

A new loss is a function and an entry in ``LOSSES``, and its name in ``config.LossName``.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from manylabel.config import LossName
from manylabel.types import FloatArray

Loss = Callable[[Tensor, Tensor], Tensor]
"""Maps logits and targets [batch, n_labels] to the mean loss of the known cells."""


@dataclass(frozen=True, kw_only=True)
class LossEntry:
    """A loss that can be chosen.

    Attributes:
        name: Value of ``training.loss``.
        title: The loss in words.
        help: What it is for, and what to beware of.
        build: Makes it for the weights of positives [n_labels], all 1 unless ``weighs_positives``.
        weighs_positives: Whether rare positives weigh more; training undoes what that does to probabilities.
        is_solvable: Whether a linear head is solved under it; else heads are trained by the loop too.
    """

    name: LossName
    title: str
    help: str
    build: Callable[[Tensor], Loss]
    weighs_positives: bool = False
    is_solvable: bool = False


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
    if LOSSES[name].weighs_positives:
        return positive_weights(targets, cap=cap)
    return np.ones(targets.shape[1])


def binary_cross_entropy(pos_weight: Tensor) -> Loss:
    """Make the binary cross-entropy with weighted positives, averaged over known cells.

    ``-[w_j y log p + (1 - y) log(1 - p)]`` with ``p`` the logistic function of the logit. A batch without any
    known cell has loss 0.

    Args:
        pos_weight: Weight of a positive per label [n_labels].
    """

    def loss(logits: Tensor, targets: Tensor) -> Tensor:
        cells = functional.binary_cross_entropy_with_logits(
            logits.float(), targets.nan_to_num(0.0), pos_weight=pos_weight, reduction="none"
        )  # [batch, n_labels]
        return mean_of_known(cells, targets)

    return loss


def focal_loss(*, alpha: float = 0.25, gamma: float = 2.0) -> Loss:
    """Make the focal loss, averaged over known cells.

    ``-alpha y (1 - p)^gamma log p - (1 - alpha) (1 - y) p^gamma log(1 - p)``: cells that are nearly right
    count for little (Lin et al. 2017, "Focal loss for dense object detection", arXiv:1708.02002, equation 5;
    the defaults are theirs). With gamma 0 and alpha 1/2 it is half the binary cross-entropy.

    Args:
        alpha: Weight of positives, in (0, 1).
        gamma: How strongly easy cells are discounted, at least 0.
    """

    def loss(logits: Tensor, targets: Tensor) -> Tensor:
        present = targets.nan_to_num(0.0)
        entropy = functional.binary_cross_entropy_with_logits(logits.float(), present, reduction="none")
        wrong = -torch.expm1(-entropy)  # 1 - probability of the true answer
        weights = alpha * present + (1 - alpha) * (1 - present)
        return mean_of_known(weights * wrong**gamma * entropy, targets)

    return loss


def asymmetric_loss(*, gamma_pos: float = 0.0, gamma_neg: float = 4.0, margin: float = 0.05) -> Loss:
    """Make the asymmetric loss, averaged over known cells.

    ``-y (1 - p)^gamma_pos log p - (1 - y) q^gamma_neg log(1 - q)`` with ``q = max(p - margin, 0)``: easy
    negatives, which are most cells of a large vocabulary, count for little or nothing (Ridnik et al. 2021,
    "Asymmetric loss for multi-label classification", arXiv:2009.14119, equations 4 to 6; the defaults are
    those of their experiments on MS-COCO). With 0, 0 and 0 it is the binary cross-entropy.

    Args:
        gamma_pos: How strongly easy positives are discounted, at least 0.
        gamma_neg: The same of negatives.
        margin: Probability up to which negatives count for nothing, in [0, 1).
    """

    def loss(logits: Tensor, targets: Tensor) -> Tensor:
        logits, present = logits.float(), targets.nan_to_num(0.0)
        scores = logits.sigmoid()
        shifted = (scores - margin).clamp(min=0)
        # Without a margin, 1 - q would round to 0 for large logits.
        right = functional.logsigmoid(-logits) if margin == 0 else torch.log1p(-shifted)
        positive = (1 - scores) ** gamma_pos * functional.logsigmoid(logits)
        negative = shifted**gamma_neg * right
        return mean_of_known(-(present * positive + (1 - present) * negative), targets)

    return loss


def mean_of_known(cells: Tensor, targets: Tensor) -> Tensor:
    """Return the mean of the losses of all known cells, 0 without any.

    Args:
        cells: Loss of each cell, finite [batch, n_labels].
        targets: [batch, n_labels], NaN where unknown.
    """
    is_known = ~targets.isnan()
    return torch.where(is_known, cells, 0.0).sum() / is_known.sum().clamp(min=1)


_FOR_LARGE_SETS = "Made for large, long-tailed sets: on few photos its defaults tend to do worse than bce."

LOSSES: dict[str, LossEntry] = {
    entry.name: entry
    for entry in (
        LossEntry(
            name="weighted_bce",
            title="weighted binary cross-entropy",
            help="Positives of a label count as much as its negatives.",
            build=binary_cross_entropy,
            weighs_positives=True,
            is_solvable=True,
        ),
        LossEntry(
            name="bce",
            title="binary cross-entropy",
            help="All cells count the same.",
            build=binary_cross_entropy,
            is_solvable=True,
        ),
        LossEntry(
            name="focal",
            title="focal loss",
            help=f"Cells that are nearly right count for little. {_FOR_LARGE_SETS}",
            build=lambda pos_weight: focal_loss(),
        ),
        LossEntry(
            name="asymmetric",
            title="asymmetric loss",
            help=f"Easy negatives count for little or nothing. {_FOR_LARGE_SETS}",
            build=lambda pos_weight: asymmetric_loss(),
        ),
    )
}
"""Losses by ``training.loss``."""
