"""Modules from Python as backbones."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from manylabel.errors import ConfigError
from manylabel.models.backbones import build_backbone, module, register_backbone, short_names
from manylabel.models.catalog import list_models
from manylabel.models.weights import load_weights, urls_to_fetch
from manylabel.preprocess import Preprocessing


class Tokens(nn.Module):
    """A model that keeps its patches apart."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 8, stride=8)

    def forward(self, photos: Tensor) -> Tensor:
        """Return [n, n_patches, 6]."""
        patches: Tensor = self.stem(photos).flatten(start_dim=2).transpose(1, 2)
        return patches


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    """Forget what a test registers."""
    before = dict(module._MODULES)
    yield
    module._MODULES.clear()
    module._MODULES.update(before)


def test_a_registered_module_is_copied_with_its_weights() -> None:
    network = Tokens()
    register_backbone("tokens", network, preprocessing=Preprocessing(side_px=32))
    backbone = build_backbone("tokens", seed=None)
    provenance = load_weights(backbone)

    assert (backbone.n_features, backbone.preprocessing.side_px) == (6, 32)
    assert backbone(torch.zeros(2, 3, 32, 32)).shape == (2, 6)
    assert torch.equal(backbone.network.get_parameter("stem.weight"), network.stem.weight)
    assert backbone.network is not network
    assert (provenance.init, provenance.note) == ("file", "weights that the module was registered with")
    assert urls_to_fetch(["tokens"]) == ()


def test_a_module_without_training_counts_as_random() -> None:
    register_backbone("tokens", Tokens(), preprocessing=Preprocessing(side_px=32), is_pretrained=False)

    assert load_weights(build_backbone("tokens")).init == "random"


def test_another_side_is_tried_out() -> None:
    register_backbone("tokens", Tokens(), preprocessing=Preprocessing(side_px=32))

    assert build_backbone("tokens", side_px=48).preprocessing.side_px == 48
    with pytest.raises(ConfigError, match="tokens cannot take photos of 4 x 4 pixels"):
        build_backbone("tokens", side_px=4)


def test_a_registered_module_is_listed() -> None:
    register_backbone("tokens", Tokens(), preprocessing=Preprocessing(side_px=32), license_name="MIT")

    assert "tokens" in short_names()
    (info,) = list_models(["tokens"])
    assert (info.license, info.weights, info.parameters) == ("MIT", None, 3 * 6 * 64 + 6)


@pytest.mark.parametrize("name", ["resnet50", "efficientnet_lite0", "timm/resnet50"])
def test_a_name_that_is_taken_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=f"the name '{name}' is taken"):
        register_backbone(name, Tokens(), preprocessing=Preprocessing(side_px=32))
