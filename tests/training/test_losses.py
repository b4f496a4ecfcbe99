"""How wrong logits are, over the known cells only."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import Tensor
from torch.nn import functional

from manylabel.training.losses import binary_cross_entropy, label_weights, positive_weights
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


@given(TARGETS, LOGITS)
def test_unknown_cells_teach_nothing(targets: FloatArray, logits: FloatArray) -> None:
    inputs = tensor(logits).requires_grad_()

    binary_cross_entropy(torch.ones(3))(inputs, tensor(targets)).backward()  # type: ignore[no-untyped-call]

    assert inputs.grad is not None
    assert torch.isfinite(inputs.grad).all()
    assert (inputs.grad[torch.from_numpy(np.isnan(targets))] == 0).all()


def test_the_loss_of_half_precision_logits_is_computed_in_full_precision() -> None:
    logits, targets = torch.tensor([[0.3, -9.0]]).bfloat16(), torch.tensor([[1.0, 0.0]])
    loss = binary_cross_entropy(torch.ones(2))

    assert loss(logits, targets).dtype == torch.float32
    assert float(loss(logits, targets)) == float(loss(logits.float(), targets))
