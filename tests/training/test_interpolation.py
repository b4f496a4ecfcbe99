"""Going back towards the start of training: how far is given, chosen on held-out photos, or the usual."""

import pytest
import torch
from torch import nn

from manylabel.training.learners.interpolation import SHARES, USUAL_SHARE, Interpolation


def trained() -> tuple[nn.Module, Interpolation]:
    """Return a module whose only weight went from 1 to 3, and its way; it counts its batches in integers."""
    module = nn.Sequential(nn.Linear(1, 1, bias=False), nn.BatchNorm1d(1))
    weight_of(module).fill_(1.0)
    way = Interpolation(module)
    weight_of(module).fill_(3.0)
    module.get_buffer("1.num_batches_tracked").fill_(7)
    return module, way


def weight_of(module: nn.Module) -> torch.Tensor:
    """Return the weight."""
    return module.get_parameter("0.weight").data


@pytest.mark.parametrize("share", [0.25, 1.0])
def test_a_given_share_of_the_way_is_kept(share: float) -> None:
    module, way = trained()

    kept = way.interpolate(share, lambda module: float(weight_of(module)))

    assert kept == share
    assert float(weight_of(module)) == 1 + 2 * share
    assert int(module.get_buffer("1.num_batches_tracked")) == 7


@pytest.mark.parametrize("best", SHARES)
def test_the_share_with_the_lowest_loss_is_chosen(best: float) -> None:
    module, way = trained()

    kept = way.interpolate(None, lambda module: abs(float(weight_of(module)) - (1 + 2 * best)))

    assert kept == best
    assert float(weight_of(module)) == pytest.approx(1 + 2 * best)


def test_the_usual_share_is_kept_where_nothing_can_choose() -> None:
    module, way = trained()

    assert way.interpolate(None, None) == USUAL_SHARE
    assert float(weight_of(module)) == pytest.approx(1 + 2 * USUAL_SHARE)
