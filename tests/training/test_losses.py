"""How wrong logits are, over the known cells only."""

import math
from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import Tensor
from torch.nn import functional

from manylabel.config import LossName
from manylabel.training.losses import (
    LOSSES,
    Loss,
    asymmetric_loss,
    binary_cross_entropy,
    focal_loss,
    label_weights,
    positive_weights,
)
from manylabel.types import FloatArray

TARGETS = arrays(np.float64, (7, 3), elements=st.sampled_from([0.0, 1.0, np.nan]))
LOGITS = arrays(np.float32, (7, 3), elements=st.floats(-20, 20, width=32))


def tensor(values: FloatArray) -> Tensor:
    """Return values as float32, as the loop has them."""
    return torch.tensor(values, dtype=torch.float32)


@given(TARGETS)
def test_known_positives_weigh_as_much_as_known_negatives(targets: FloatArray) -> None:
    weights = positive_weights(targets, cap=100.0)

    for column, weight in zip(targets.T, weights, strict=True):
        n_positive, n_negative = int((column == 1).sum()), int((column == 0).sum())
        if n_positive and n_negative:
            assert weight * n_positive == pytest.approx(n_negative)
        else:
            assert weight == 1


def test_weights_are_capped() -> None:
    targets = np.zeros((100, 1))
    targets[0] = 1

    assert positive_weights(targets, cap=20.0) == [20.0]


def test_the_plain_loss_weighs_nothing() -> None:
    targets = np.array([[1.0, 0.0], [0.0, 0.0], [0.0, 1.0]])

    np.testing.assert_array_equal(label_weights(targets, name="bce", cap=20.0), [1.0, 1.0])
    np.testing.assert_array_equal(label_weights(targets, name="weighted_bce", cap=20.0), [2.0, 2.0])


def test_the_loss_is_the_formula_of_its_docstring() -> None:
    logits, weight = torch.tensor([[0.3, -1.2]]), torch.tensor([4.0, 5.0])

    loss = binary_cross_entropy(weight)(logits, torch.tensor([[1.0, 0.0]]))

    positive = -4.0 * math.log(1 / (1 + math.exp(-0.3)))
    negative = -math.log(1 - 1 / (1 + math.exp(1.2)))
    assert float(loss) == pytest.approx((positive + negative) / 2)


@given(TARGETS, LOGITS)
def test_the_loss_is_the_mean_over_the_known_cells_that_torch_computes(
    targets: FloatArray, logits: FloatArray
) -> None:
    weight = torch.tensor([1.0, 2.5, 20.0])
    is_known = ~np.isnan(targets)
    cells = functional.binary_cross_entropy_with_logits(
        tensor(logits), tensor(np.nan_to_num(targets)), pos_weight=weight, reduction="none"
    )
    expected = float(cells[torch.from_numpy(is_known)].mean()) if is_known.any() else 0.0

    loss = binary_cross_entropy(weight)(tensor(logits), tensor(targets))

    assert float(loss) == pytest.approx(expected, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("name", LOSSES)
@given(TARGETS, LOGITS)
def test_unknown_cells_teach_nothing(name: str, targets: FloatArray, logits: FloatArray) -> None:
    inputs = tensor(logits).requires_grad_()

    LOSSES[name].build(torch.ones(3))(inputs, tensor(targets)).backward()  # type: ignore[no-untyped-call]

    assert inputs.grad is not None
    assert torch.isfinite(inputs.grad).all()
    assert (inputs.grad[torch.from_numpy(np.isnan(targets))] == 0).all()


@pytest.mark.parametrize("name", LOSSES)
def test_the_loss_of_half_precision_logits_is_computed_in_full_precision(name: str) -> None:
    logits, targets = torch.tensor([[0.3, -9.0]]).bfloat16(), torch.tensor([[1.0, 0.0]])
    loss = LOSSES[name].build(torch.ones(2))

    assert loss(logits, targets).dtype == torch.float32
    assert float(loss(logits, targets)) == float(loss(logits.float(), targets))


def test_every_loss_of_the_settings_has_an_entry() -> None:
    assert tuple(LOSSES) == get_args(LossName)
    assert all(entry.name == name and entry.title and entry.help for name, entry in LOSSES.items())


@pytest.mark.parametrize(
    ("loss", "factor"),
    [
        (focal_loss(alpha=0.5, gamma=0.0), 0.5),
        (asymmetric_loss(gamma_pos=0.0, gamma_neg=0.0, margin=0.0), 1.0),
    ],
)
@given(TARGETS, LOGITS)
def test_without_discounts_every_loss_is_the_cross_entropy(
    loss: Loss, factor: float, targets: FloatArray, logits: FloatArray
) -> None:
    expected = factor * float(binary_cross_entropy(torch.ones(3))(tensor(logits), tensor(targets)))

    assert float(loss(tensor(logits), tensor(targets))) == pytest.approx(expected, rel=1e-5, abs=1e-6)


def test_the_focal_loss_is_the_formula_of_its_docstring() -> None:
    present, absent = 1 / (1 + math.exp(-0.3)), 1 / (1 + math.exp(1.2))
    positive = -0.25 * (1 - present) ** 2 * math.log(present)
    negative = -0.75 * absent**2 * math.log(1 - absent)

    loss = focal_loss()(torch.tensor([[0.3, -1.2]]), torch.tensor([[1.0, 0.0]]))

    assert float(loss) == pytest.approx((positive + negative) / 2, rel=1e-5)


def test_the_asymmetric_loss_is_the_formula_of_its_docstring() -> None:
    present, absent = 1 / (1 + math.exp(-0.3)), 1 / (1 + math.exp(1.2)) - 0.05
    positive = -(1 - present) * math.log(present)
    negative = -(absent**4) * math.log(1 - absent)

    loss = asymmetric_loss(gamma_pos=1.0)(torch.tensor([[0.3, -1.2, -4.0]]), torch.tensor([[1.0, 0.0, 0.0]]))

    assert float(loss) == pytest.approx((positive + negative) / 3, rel=1e-5)  # the last counts for nothing


@pytest.mark.parametrize("name", ["focal", "asymmetric"])
@pytest.mark.parametrize("logit", [-80.0, -20.0, 0.0, 20.0, 80.0])
def test_confident_logits_have_finite_losses_and_gradients(name: str, logit: float) -> None:
    logits = torch.full((1, 2), logit, requires_grad=True)

    loss = LOSSES[name].build(torch.ones(2))(logits, torch.tensor([[1.0, 0.0]]))
    loss.backward()  # type: ignore[no-untyped-call]

    assert loss.isfinite()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()
