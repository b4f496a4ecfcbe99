"""Traced backbones, and where they are split."""

import re

import pytest
import torch
from torch import nn

from manylabel.errors import ConfigError
from manylabel.models.backbones import Backbone, build_backbone
from manylabel.models.graph import SplitLayer, UpperPart
from manylabel.models.splitting import (
    choose_split_layer,
    find_split_layer,
    list_split_layers,
    split_backbone,
    split_layer_warning,
)
from manylabel.preprocess import Preprocessing

FAMILIES = {
    "resnet18": "layer3",
    "mobilenet_v2": "features.14",
    "googlenet": "inception4c",
    "squeezenet1_1": None,
    "shufflenet_v2_x0_5": None,
    "densenet121": "features.transition2",
    "timm/vit_tiny_patch16_224": "blocks.8",
    "timm/convnext_atto": "stages.2",
    "timm/swin_tiny_patch4_window7_224": "layers.3.downsample",
    "timm/efficientnet_b0": None,
}


def network_of(*layers: nn.Module) -> Backbone:
    """Return a backbone of some layers, for photos of 8 x 8 pixels."""
    return Backbone(
        nn.Sequential(*layers), name="small", n_features=4, preprocessing=Preprocessing(side_px=8), removed=()
    )


@pytest.mark.parametrize("name", FAMILIES)
def test_both_parts_together_give_what_the_whole_gives(name: str) -> None:
    backbone = build_backbone(name).eval()
    side = backbone.preprocessing.side_px
    photos = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(0))

    parts = split_backbone(backbone)

    assert FAMILIES[name] in (None, parts.layer.name)
    assert 0.08 <= parts.layer.share_above <= 0.45
    with torch.inference_mode():
        activations = parts.below.eval()(photos)
        features = parts.above.eval()(activations)
        torch.testing.assert_close(features, backbone(photos))
    assert tuple(activations.shape[1:]) == parts.layer.shape


def test_the_parts_share_the_weights_of_the_whole_and_nothing_with_each_other() -> None:
    backbone = build_backbone("squeezenet1_1", side_px=64)
    parts = split_backbone(backbone, "features.9")
    assert isinstance(parts.above, UpperPart)
    below, above = dict(parts.below.named_parameters()), dict(parts.above.network.named_parameters())

    assert not below.keys() & above.keys()
    assert {**below, **above}.keys() == dict(backbone.network.named_parameters()).keys()
    assert all(backbone.network.get_parameter(name) is weight for name, weight in (below | above).items())


@pytest.mark.parametrize(
    ("name", "side_px", "layer", "shape"),
    [
        ("mobilenet_v2+resnet18", 64, "features.13+layer3", (352, 4, 4)),
        ("mobilenet_v2+resnet18", 64, None, (4736,)),
        ("timm/test_vit+resnet18", 160, None, (32064,)),
    ],
)
def test_joined_backbones_are_split_in_each(
    name: str, side_px: int, layer: str | None, shape: tuple[int, ...]
) -> None:
    backbone = build_backbone(name, side_px=side_px).eval()
    photos = torch.randn(2, 3, side_px, side_px, generator=torch.Generator().manual_seed(0))

    parts = split_backbone(backbone, layer)

    assert find_split_layer(backbone, layer) == parts.layer
    with torch.inference_mode():
        activations = parts.below.eval()(photos)
        torch.testing.assert_close(parts.above.eval()(activations), backbone(photos))
    assert tuple(activations.shape[1:]) == parts.layer.shape == shape
    below = {id(weight) for weight in parts.below.parameters()}
    assert below.isdisjoint(id(weight) for weight in parts.above.parameters())


def test_joined_backbones_are_split_behind_given_layers() -> None:
    backbone = build_backbone("mobilenet_v2+resnet18", side_px=64)

    assert find_split_layer(backbone, "features.16+layer3").name == "features.16+layer3"
    with pytest.raises(ConfigError, match="names 3 layers, expected one for each of the models: 2"):
        find_split_layer(backbone, "a+b+c")


def test_every_listed_cut_can_be_made() -> None:
    backbone = build_backbone("squeezenet1_1", side_px=64).eval()
    photos = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    cuts = list_split_layers(backbone)

    assert [cut.name for cut in cuts][:2] == ["features.0", "features.1"]
    shares = [cut.share_above for cut in cuts]
    assert shares == sorted(shares, reverse=True)
    for cut in cuts[:: len(cuts) // 5]:
        parts = split_backbone(backbone, cut.name)
        with torch.inference_mode():
            torch.testing.assert_close(parts.above.eval()(parts.below.eval()(photos)), backbone(photos))


def test_a_cut_inside_a_branch_is_refused_with_the_nearest_name() -> None:
    backbone = build_backbone("resnet18", side_px=64)

    with pytest.raises(ConfigError, match=r"cannot be split behind 'layer3\.0\.conv1'"):
        split_backbone(backbone, "layer3.0.conv1")
    with pytest.raises(ConfigError, match=r"'layr3'; did you mean 'layer3'\?"):
        split_backbone(backbone, "layr3")


def test_a_network_that_decides_by_its_numbers_is_refused_in_words() -> None:
    class Moody(nn.Module):
        def forward(self, photos: torch.Tensor) -> torch.Tensor:
            return photos if photos.sum() > 0 else -photos

    with pytest.raises(
        ConfigError,
        match=r"small cannot be partially fine-tuned, because it cannot be traced \(.*\); use --tune",
    ):
        split_backbone(network_of(nn.Conv2d(3, 4, 3), Moody()))


def test_a_network_without_a_place_to_cut_is_refused_in_words() -> None:
    with pytest.raises(
        ConfigError,
        match="small cannot be partially fine-tuned: it has no layer that all later layers depend on",
    ):
        split_backbone(network_of(nn.Conv2d(3, 4, 8), nn.Flatten()))


def test_tracing_leaves_the_network_in_its_mode() -> None:
    backbone = build_backbone("squeezenet1_1", side_px=64).train()

    split_backbone(backbone)

    assert backbone.training
    assert backbone.network.training


def test_a_cut_that_leaves_much_to_learn_asks_for_care() -> None:
    backbone = build_backbone("squeezenet1_1", side_px=64)

    warning = split_layer_warning(find_split_layer(backbone, "features.3"))

    assert warning is not None
    assert re.search(
        r"training.split_layer: \d\d% of the model's .* above 'features.3', by default about 25%", warning
    )
    assert split_layer_warning(find_split_layer(backbone)) is None


def test_where_nothing_lies_near_a_quarter_the_nearest_is_taken() -> None:
    cuts = [
        SplitLayer(name=name, share_above=share, shape=(4, 2, 2)) for name, share in (("a", 0.9), ("b", 0.7))
    ]

    assert choose_split_layer(cuts).name == "b"
