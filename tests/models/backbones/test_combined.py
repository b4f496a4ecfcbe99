"""Several backbones as one give the features of each."""

import pytest
import torch

from manylabel.errors import ConfigError
from manylabel.models.backbones import build_backbone, members_of, source_of
from manylabel.preprocess import Preprocessing


def photos_of(side_px: int, preprocessing: Preprocessing) -> torch.Tensor:
    """Return photos, normalized as a backbone takes them."""
    photos = torch.rand(2, 3, side_px, side_px, generator=torch.Generator().manual_seed(0))
    mean, std = (torch.tensor(values)[:, None, None] for values in (preprocessing.mean, preprocessing.std))
    return (photos - mean) / std


def test_each_member_sees_photos_normalized_as_it_was_trained_on_them() -> None:
    backbone = build_backbone("efficientnet_lite0+squeezenet1_1", side_px=64).eval()
    members = members_of(backbone)
    assert members[0].preprocessing.mean != members[1].preprocessing.mean

    with torch.inference_mode():
        features = backbone(photos_of(64, backbone.preprocessing))
        alone = [member(photos_of(64, member.preprocessing)) for member in members]

    assert backbone.blocks == (1280, 512)
    assert backbone.n_features == 1792
    torch.testing.assert_close(features, torch.cat(alone, dim=1))


def test_photos_have_the_largest_side_unless_told() -> None:
    backbone = build_backbone("efficientnet_lite0+efficientnet_lite2")

    assert backbone.preprocessing.side_px == 260
    assert [member.preprocessing.side_px for member in members_of(backbone)] == [260, 260]
    assert [member.name for member in members_of(backbone)] == ["efficientnet_lite0", "efficientnet_lite2"]
    assert source_of(backbone.name).license_of(backbone) == "apache-2.0"


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("efficientnet_lite0+", "expected up to 8 different models"),
        ("efficientnet_lite0+efficientnet_lite0", "expected up to 8 different models"),
        ("+".join(f"timm/resnet{depth}" for depth in range(9)), "expected up to 8 different models"),
        ("+".join(f"timm/{'x' * 60}{number}" for number in range(4)), "expected 200 at most"),
        ("efficientnet_lite0+rasnet50", "unknown model 'rasnet50'; did you mean 'resnet50'"),
    ],
)
def test_names_that_cannot_be_joined_are_told(name: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem.replace("+", r"\+")):
        build_backbone(name)


def test_the_normalization_of_each_member_is_saved_with_the_weights() -> None:
    first = build_backbone("efficientnet_lite0+squeezenet1_1", side_px=64).state_dict()
    other = build_backbone("squeezenet1_1+efficientnet_lite0", side_px=64).state_dict()

    assert {"network.inputs.scale", "network.inputs.shift"} <= first.keys()
    assert not torch.equal(first["network.inputs.shift"], other["network.inputs.shift"])


def test_a_member_that_takes_no_such_photos_is_told() -> None:
    with pytest.raises(ConfigError, match="maxvit_t cannot take photos of 260 x 260 pixels, which another"):
        build_backbone("maxvit_t+efficientnet_lite2")
