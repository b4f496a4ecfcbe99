"""Models that are built without weights, or without drawing them."""

from pathlib import Path

import pytest
import torch
from torch import nn
from torchvision import models

from manylabel.bundle.folder import read_bundle
from manylabel.config import ModelConfig
from manylabel.engines.torch import load_classifier
from manylabel.models.backbones import build_backbone
from manylabel.models.backbones.base import Outline, Undrawn, find_undrawn, outline_output
from manylabel.models.classifier import build_initial_classifiers


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


NETWORKS = (
    "resnet18",
    "squeezenet1_1",
    "googlenet",
    "swin_t",
    "convnext_tiny",
    "mobilenet_v3_small",
    "efficientnet_lite0",
    "timm/vit_tiny_patch16_224",
    "timm/resnetv2_50x1_bit",
)


@pytest.mark.parametrize("name", NETWORKS)
def test_whatever_is_not_drawn_is_loaded(name: str, tmp_path: Path) -> None:
    expected = build_backbone(name, seed=3).network.state_dict()
    torch.save(expected, tmp_path / "weights.pth")
    model = ModelConfig(names=(name,), weights=(str(tmp_path / "weights.pth"),))

    ((started, provenance),) = build_initial_classifiers(model, labels=("beach", "boat"), tta=1, seed=1)

    assert provenance.init == "file"
    assert find_undrawn(started) is None
    found = started.backbone.network.state_dict()
    assert all(torch.equal(found[key], weights) for key, weights in expected.items())


def test_all_of_a_bundle_is_loaded(shapes_bundle: Path) -> None:
    classifier = load_classifier(read_bundle(shapes_bundle))

    assert find_undrawn(classifier) is None


def test_random_weights_are_drawn() -> None:
    model = ModelConfig(names=("squeezenet1_1",), init="random")

    ((started, _),) = build_initial_classifiers(model, labels=("beach",), tta=1, seed=1)

    assert find_undrawn(started) is None


def test_what_is_left_out_of_a_file_shows() -> None:
    backbone = build_backbone("squeezenet1_1", seed=None)

    assert find_undrawn(backbone) == "network.features.0.weight"


@pytest.mark.parametrize("fill", [0.0, 255.0, 1e30, float("nan")])
def test_samplers_that_draw_until_values_fit_come_to_an_end(fill: float) -> None:
    tensor = torch.full((1000,), fill)
    with Undrawn():
        nn.init.trunc_normal_(tensor, std=0.02)

    assert tensor.isnan().all()


@pytest.mark.parametrize("name", ["resnet18", "timm/pit_ti_224"])
def test_the_generator_of_torch_is_left_as_it_was(name: str) -> None:
    before = torch.random.get_rng_state()
    build_backbone(name, seed=None)

    assert torch.equal(torch.random.get_rng_state(), before)


def test_what_is_not_drawn_is_constant_or_computed_as_ever() -> None:
    generator = torch.random.get_rng_state()
    with Undrawn():
        norm = nn.Sequential(nn.Linear(3, 2), nn.Conv2d(3, 2, 1)).append(nn.BatchNorm1d(2)).get_submodule("2")

    assert torch.equal(norm.get_parameter("weight"), torch.ones(2))
    assert torch.equal(torch.random.get_rng_state(), generator)
