"""Networks whose weights are loaded, not drawn."""

from pathlib import Path

import pytest
import torch
from torch import nn

from manylabel.bundle.folder import read_bundle
from manylabel.config import ModelConfig
from manylabel.engines.torch import load_classifier
from manylabel.models.backbones import build_backbone
from manylabel.models.start import start_classifiers
from manylabel.models.undrawn import Undrawn, find_undrawn

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

    ((started, provenance),) = start_classifiers(model, labels=("beach", "boat"), tta=1, seed=1)

    assert provenance.init == "file"
    assert find_undrawn(started) is None
    found = started.backbone.network.state_dict()
    assert all(torch.equal(found[key], weights) for key, weights in expected.items())


def test_all_of_a_bundle_is_loaded(shapes_bundle: Path) -> None:
    classifier = load_classifier(read_bundle(shapes_bundle))

    assert find_undrawn(classifier) is None


def test_random_weights_are_drawn() -> None:
    model = ModelConfig(names=("squeezenet1_1",), init="random")

    ((started, _),) = start_classifiers(model, labels=("beach",), tta=1, seed=1)

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
