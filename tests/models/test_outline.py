"""In: networks built as outlines. Out: shapes and counts as if they were real, without their memory."""

import torch
from torch import nn
from torchvision import models

from manylabel.models.outline import Outline, outline_output


def test_an_outline_counts_what_the_network_has() -> None:
    with Outline():
        outline = models.mnasnet0_5()
    real = models.mnasnet0_5()
    assert {name: tensor.shape for name, tensor in outline.state_dict().items()} == {
        name: tensor.shape for name, tensor in real.state_dict().items()
    }
    assert outline.layers[0].weight.is_meta


def test_networks_that_compute_while_they_are_built_get_an_outline() -> None:
    with Outline():
        network = models.regnet_y_400mf()
    assert sum(parameter.numel() for parameter in network.parameters()) == 4_344_144


def test_what_is_built_after_the_block_is_real() -> None:
    with Outline():
        pass
    assert not nn.Linear(2, 2).weight.is_meta


def test_tensors_with_a_device_of_their_own_stay_there() -> None:
    with Outline():
        assert not torch.empty(2, device="cpu").is_meta


def test_an_output_without_numbers_leaves_the_network_as_it_was() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten())
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    assert outline_output(network, (1, 3, 8, 8)).shape == (1, 4 * 6 * 6)
    assert network.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
