"""Weights between those before and those after training."""

import pytest
import torch
from torch import nn

from manylabel.training.methods.interpolation import Interpolation


def trained() -> tuple[nn.Module, Interpolation]:
    """Return a module whose only weight went from 1 to 3, and its interpolation; it counts its batches in
    integers."""
    module = nn.Sequential(nn.Linear(1, 1, bias=False), nn.BatchNorm1d(1))
    weight_of(module).fill_(1.0)
    interpolation = Interpolation(module)
    weight_of(module).fill_(3.0)
    module.get_buffer("1.num_batches_tracked").fill_(7)
    interpolation.finish(lambda: None)
    return module, interpolation


def weight_of(module: nn.Module) -> torch.Tensor:
    """Return the weight."""
    return module.get_parameter("0.weight").data


def test_the_module_keeps_its_trained_weights() -> None:
    module, _ = trained()

    assert float(weight_of(module)) == 3
    assert int(module.get_buffer("1.num_batches_tracked")) == 7


@pytest.mark.parametrize("alpha", [1.0, 0.25, 0.0, 0.5])
def test_any_alpha_gives_weights_in_between(alpha: float) -> None:
    module, interpolation = trained()

    interpolation.set_alpha(0.9)
    interpolation.set_alpha(alpha)

    assert float(weight_of(module)) == 1 + 2 * alpha
    assert int(module.get_buffer("1.num_batches_tracked")) == 7


def test_a_change_reaches_both_ends() -> None:
    module = nn.Sequential(nn.Linear(1, 1, bias=False))
    weight_of(module).fill_(1.0)
    interpolation = Interpolation(module)
    weight_of(module).fill_(3.0)

    def add_ten() -> None:
        weight_of(module).add_(10)

    interpolation.finish(add_ten)

    assert float(weight_of(module)) == 13
    interpolation.set_alpha(0.0)
    assert float(weight_of(module)) == 11
