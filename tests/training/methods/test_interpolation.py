"""Going back towards the start of training: any share of the way."""

import pytest
import torch
from torch import nn

from manylabel.training.methods.interpolation import Way


def trained() -> tuple[nn.Module, Way]:
    """Return a module whose only weight went from 1 to 3, and its way; it counts its batches in integers."""
    module = nn.Sequential(nn.Linear(1, 1, bias=False), nn.BatchNorm1d(1))
    weight_of(module).fill_(1.0)
    way = Way(module)
    weight_of(module).fill_(3.0)
    module.get_buffer("1.num_batches_tracked").fill_(7)
    way.end(lambda: None)
    return module, way


def weight_of(module: nn.Module) -> torch.Tensor:
    """Return the weight."""
    return module.get_parameter("0.weight").data


def test_the_module_stays_at_the_end_of_its_way() -> None:
    module, _ = trained()

    assert float(weight_of(module)) == 3
    assert int(module.get_buffer("1.num_batches_tracked")) == 7


@pytest.mark.parametrize("share", [1.0, 0.25, 0.0, 0.5])
def test_a_share_of_the_way_is_kept(share: float) -> None:
    module, way = trained()

    way.stand(0.9)
    way.stand(share)

    assert float(weight_of(module)) == 1 + 2 * share
    assert int(module.get_buffer("1.num_batches_tracked")) == 7


def test_both_ends_change_alike() -> None:
    module = nn.Sequential(nn.Linear(1, 1, bias=False))
    weight_of(module).fill_(1.0)
    way = Way(module)
    weight_of(module).fill_(3.0)

    def add_ten() -> None:
        weight_of(module).add_(10)

    way.end(add_ten)

    assert float(weight_of(module)) == 13
    way.stand(0.0)
    assert float(weight_of(module)) == 11
