"""In: features. Out: logits, from heads of exactly the sizes that the study published."""

import pytest
import torch
from torch import nn

from manylabel.config import HeadName
from manylabel.models.backbones import build_backbone
from manylabel.models.backbones.base import Outline
from manylabel.models.heads import HEADS, Standardize, build_head


def count_parameters(*modules: nn.Module) -> int:
    return sum(parameter.numel() for module in modules for parameter in module.parameters())


@pytest.mark.parametrize(
    ("name", "n_parameters"),
    [
        ("vgg16", 134_301_514),
        ("googlenet", 26_620_586),
        ("resnet50", 48_723_018),
        ("vit_b_16", 90_072_586),
    ],
)
def test_the_classifiers_of_the_study_have_their_published_sizes(name: str, n_parameters: int) -> None:
    with Outline():
        backbone = build_backbone(name)
        head = build_head("study", backbone=name, n_features=backbone.n_features, n_labels=10)
    assert count_parameters(backbone, head) == n_parameters


@pytest.mark.parametrize(
    ("backbone", "widths"),
    [
        ("resnet50", [4096, 4096, 3]),
        ("mobilenet_v2", [4096, 4096, 3]),
        ("vgg19_bn", [3]),
        ("timm/vgg16", [3]),
        ("vit_l_16", [8, 2048, 1024, 3]),
        ("timm/vit_tiny_patch16_224", [8, 2048, 1024, 3]),
    ],
)
def test_the_head_of_the_study_depends_on_the_family(backbone: str, widths: list[int]) -> None:
    with Outline():
        head = build_head("study", backbone=backbone, n_features=8, n_labels=3)
    assert [layer.out_features for layer in head if isinstance(layer, nn.Linear)] == widths


@pytest.mark.parametrize("name", HEADS)
@pytest.mark.parametrize("backbone", ["resnet50", "vgg16", "vit_b_16"])
def test_every_head_turns_features_into_logits_with_a_linear_layer(name: HeadName, backbone: str) -> None:
    head = build_head(name, backbone=backbone, n_features=6, n_labels=2).eval()
    assert isinstance(head[-1], nn.Linear)
    assert head(torch.randn(5, 6)).shape == (5, 2)


def test_a_linear_head_is_one_layer() -> None:
    head = build_head("linear", backbone="resnet50", n_features=2048, n_labels=10)
    assert count_parameters(head) == 2048 * 10 + 10


def test_an_mlp_has_one_hidden_layer_of_512() -> None:
    head = build_head("mlp", backbone="resnet50", n_features=2048, n_labels=10)
    assert count_parameters(head) == 2048 * 512 + 512 + 512 * 10 + 10
    assert any(isinstance(layer, nn.Dropout) for layer in head)


def test_measured_features_are_centred_and_of_size_one() -> None:
    features = torch.randn(500, 4, generator=torch.Generator().manual_seed(0)) * 3 + 7
    standardize = Standardize(4, has_unit_length=False)
    standardize.measure(features)
    measured = standardize(features)
    assert torch.allclose(measured.mean(dim=0), torch.zeros(4), atol=1e-5)
    assert measured.std(dim=0).mean().item() == pytest.approx(1, abs=0.01)


def test_features_of_one_direction_are_the_same_at_any_length() -> None:
    features = torch.tensor([[1.0, 2.0, 3.0]])
    standardize = Standardize(3)
    assert torch.allclose(standardize(features), standardize(10 * features))


def test_no_block_of_features_drowns_another() -> None:
    generator = torch.Generator().manual_seed(0)
    large, small = (
        100 * torch.randn(500, 6, generator=generator),
        0.1 * torch.randn(500, 2, generator=generator),
    )
    standardize = Standardize(8, blocks=(6, 2))
    standardize.measure(torch.cat([large, small], dim=1))

    measured = standardize(torch.cat([large, small], dim=1))

    assert measured[:, :6].std(dim=0).mean().item() == pytest.approx(1, abs=0.01)
    assert measured[:, 6:].std(dim=0).mean().item() == pytest.approx(1, abs=0.01)
    torch.testing.assert_close(standardize(torch.cat([10 * large, 3 * small], dim=1)), measured)


@pytest.mark.parametrize(
    "standardize", [Standardize(4), Standardize(4, has_unit_length=False)], ids=["length", "no length"]
)
@pytest.mark.parametrize("value", [0.0, 5.0])
def test_constant_features_stay_finite(standardize: Standardize, value: float) -> None:
    features = torch.full((3, 4), value)
    standardize.measure(features)
    assert torch.allclose(standardize(features), torch.zeros(3, 4), atol=1e-5)


def test_what_was_measured_is_saved_with_the_weights() -> None:
    standardize, again = Standardize(2, has_unit_length=False), Standardize(2, has_unit_length=False)
    standardize.measure(torch.tensor([[1.0, 2.0], [5.0, 8.0]]))
    again.load_state_dict(standardize.state_dict())
    features = torch.tensor([[2.0, 3.0]])
    assert torch.equal(again(features), standardize(features))
    assert count_parameters(standardize) == 0
