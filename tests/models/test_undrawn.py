"""Networks whose weights are loaded, not drawn."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from manylabel.bundle import read_bundle
from manylabel.config import ModelConfig
from manylabel.models import undrawn
from manylabel.models.backbones import build_backbone
from manylabel.models.start import start_classifiers
from manylabel.models.undrawn import Undrawn
from manylabel.predictors.torch_predictor import load_classifier

NETWORKS = (
    "resnet18",
    "squeezenet1_1",
    "googlenet",
    "swin_t",
    "mobilenet_v3_small",
    "efficientnet_lite0",
    "timm/vit_tiny_patch16_224",
    "timm/resnetv2_50x1_bit",
)


@pytest.fixture
def poison(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put NaN wherever weights would have been drawn."""

    def fill(tensor: Tensor) -> Tensor:
        with torch.no_grad():
            return tensor.fill_(float("nan"))

    monkeypatch.setattr(undrawn, "left_as_it_is", fill)


@pytest.mark.usefixtures("poison")
@pytest.mark.parametrize("name", NETWORKS)
def test_whatever_is_not_drawn_is_loaded(name: str, tmp_path: Path) -> None:
    expected = build_backbone(name, seed=3).network.state_dict()
    torch.save(expected, tmp_path / "weights.pth")
    model = ModelConfig(names=(name,), weights=(str(tmp_path / "weights.pth"),))

    ((started, provenance),) = start_classifiers(model, labels=("beach", "boat"), tta=1, seed=1)

    assert provenance.init == "file"
    assert not any(weights.isnan().any() for weights in started.state_dict().values())
    found = started.backbone.network.state_dict()
    assert all(torch.equal(found[key], weights) for key, weights in expected.items())


@pytest.mark.usefixtures("poison")
def test_all_of_a_bundle_is_loaded(shapes_bundle: Path) -> None:
    classifier = load_classifier(read_bundle(shapes_bundle))

    assert not any(weights.isnan().any() for weights in classifier.state_dict().values())


@pytest.mark.usefixtures("poison")
def test_random_weights_are_drawn() -> None:
    model = ModelConfig(names=("squeezenet1_1",), init="random")

    ((started, _),) = start_classifiers(model, labels=("beach",), tta=1, seed=1)

    assert not any(weights.isnan().any() for weights in started.state_dict().values())


def test_what_is_not_drawn_is_constant_or_computed_as_ever() -> None:
    generator = torch.random.get_rng_state()
    with Undrawn():
        norm = nn.Sequential(nn.Linear(3, 2), nn.Conv2d(3, 2, 1)).append(nn.BatchNorm1d(2)).get_submodule("2")

    assert torch.equal(norm.get_parameter("weight"), torch.ones(2))
    assert torch.equal(torch.random.get_rng_state(), generator)
