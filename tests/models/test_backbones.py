"""In: names of models and sides of photos. Out: backbones whose features are what they say they are."""

from typing import Any

import pytest
import timm
import torch

from manylabel.errors import ConfigError
from manylabel.models.backbones import SOURCES, build_backbone, short_names, source_of, timm_name
from manylabel.models.backbones.base import Outline, outline_output
from manylabel.models.backbones.torchvision import official_weights
from manylabel.preprocess import Preprocessing

# One of each family, the small ones.
FAMILIES = (
    "alexnet",
    "convnext_tiny",
    "densenet121",
    "efficientnet_b0",
    "efficientnet_lite0",
    "googlenet",
    "inception_v3",
    "maxvit_t",
    "mnasnet0_5",
    "mobilenet_v2",
    "mobilenet_v3_small",
    "regnet_y_400mf",
    "resnet18",
    "shufflenet_v2_x0_5",
    "squeezenet1_1",
    "swin_t",
    "swin_v2_t",
    "vgg11",
    "vit_b_32",
)


@pytest.mark.parametrize(
    ("name", "n_parameters", "n_features"),
    [
        ("vgg16", 134_260_544, 4096),
        ("googlenet", 5_599_904, 1024),
        ("resnet50", 23_508_032, 2048),
        ("vit_b_16", 85_798_656, 768),
    ],
)
def test_the_networks_of_the_study_have_their_bodies(name: str, n_parameters: int, n_features: int) -> None:
    with Outline():
        backbone = build_backbone(name)
    assert sum(parameter.numel() for parameter in backbone.parameters()) == n_parameters
    assert backbone.n_features == n_features


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_gives_the_features_it_announces(name: str) -> None:
    check_features(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(short_names()) - set(FAMILIES)))
def test_every_other_network_gives_the_features_it_announces(name: str) -> None:
    check_features(name)


def check_features(name: str) -> None:
    with Outline():
        backbone = build_backbone(name)
    side = backbone.preprocessing.side_px
    assert outline_output(backbone, (2, 3, side, side)).shape == (2, backbone.n_features)
    assert (side, backbone.preprocessing.mean) == seen_in_pre_training(name)


def seen_in_pre_training(name: str) -> tuple[int, tuple[float, ...]]:
    """Return the side in pixels and the mean of the channels, as torchvision and timm tell them."""
    architecture = timm_name(name)
    if architecture is None:
        preset = official_weights(name).transforms()
        return preset.crop_size[0], tuple(preset.mean)
    config = timm.get_pretrained_cfg(architecture)
    assert config is not None
    return config.input_size[-1], tuple(config.mean)


@pytest.mark.parametrize(
    ("name", "n_features"),
    [
        ("timm/test_vit", 64),
        ("timm/test_efficientnet", 256),
        ("timm/mobilenetv3_small_050", 1024),  # its num_features say 288
        pytest.param(
            "timm/gemma4_vit_167m_enc",  # keeps its patches apart
            768,
            marks=pytest.mark.skipif(
                not timm.is_model("gemma4_vit_167m_enc"), reason="this version of timm does not have it"
            ),
        ),
        ("timm/mobilenetv5_300m_enc", 2048),  # keeps its rows and columns apart
    ],
)
def test_networks_of_timm_give_the_features_they_announce(name: str, n_features: int) -> None:
    with Outline():
        backbone = build_backbone(name)
    side = backbone.preprocessing.side_px
    assert outline_output(backbone, (2, 3, side, side)).shape == (2, n_features)
    assert backbone.n_features == n_features


@pytest.mark.parametrize("name", ["squeezenet1_1", "shufflenet_v2_x0_5", "timm/test_vit"])
def test_photos_become_features(name: str) -> None:
    backbone = build_backbone(name, side_px=64).eval()
    with torch.no_grad():
        features = backbone(torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)))
    assert features.shape == (2, backbone.n_features)
    assert features.isfinite().all()


def test_squeezenet_gives_the_mean_of_its_last_maps() -> None:
    backbone: Any = build_backbone("squeezenet1_1").eval()
    photos = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        expected = backbone.network.features(photos).mean(dim=(2, 3))
        assert torch.allclose(backbone(photos), expected, atol=1e-6)


def test_vgg_keeps_the_hidden_layers_of_its_classifier() -> None:
    with Outline():
        network: Any = build_backbone("vgg16").network
    assert [layer.out_features for layer in network.classifier if hasattr(layer, "out_features")] == [
        4096,
        4096,
    ]


def test_preprocessing_is_that_of_the_official_weights() -> None:
    with Outline():
        backbone = build_backbone("efficientnet_b3")
    assert backbone.preprocessing == Preprocessing(
        side_px=300, interpolation="bicubic", fit="squash", crop_fraction=300 / 320
    )


def test_preprocessing_of_timm_is_that_of_its_weights() -> None:
    assert build_backbone("timm/test_vit").preprocessing == Preprocessing(
        side_px=160, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5), interpolation="bicubic", crop_fraction=0.95
    )


@pytest.mark.parametrize(
    ("name", "side_px"),
    [("resnet18", 96), ("vit_b_32", 64), ("swin_t", 128), ("maxvit_t", 448), ("timm/test_vit", 96)],
)
def test_another_side_can_be_asked_for(name: str, side_px: int) -> None:
    with Outline():
        backbone = build_backbone(name, side_px=side_px)
    assert backbone.preprocessing.side_px == side_px
    assert outline_output(backbone, (1, 3, side_px, side_px)).shape == (1, backbone.n_features)


@pytest.mark.parametrize(
    ("name", "side_px", "reason"),
    [
        ("vit_b_32", 100, "indivisible by patch size"),
        ("maxvit_t", 256, "not divisible by partition size 7"),
        ("squeezenet1_1", 16, "Output size is too small"),
    ],
)
def test_a_side_that_does_not_fit_is_refused(name: str, side_px: int, reason: str) -> None:
    expected = rf"{name} cannot take photos of {side_px} x {side_px} pixels: .*{reason}.*leave side_px out"
    with Outline(), pytest.raises(ConfigError, match=expected):
        build_backbone(name, side_px=side_px)


def test_the_seed_decides_the_weights_and_torch_draws_on_as_before() -> None:
    state = torch.random.get_rng_state()
    first, again, other = (
        build_backbone("squeezenet1_1", seed=seed).state_dict()["network.features.0.weight"]
        for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("rasnet50", "unknown model 'rasnet50'; did you mean 'resnet50'?"),
        ("test_vit", "unknown model 'test_vit'; did you mean 'timm/test_vit'?"),
        ("timm/test_vot", "unknown model 'timm/test_vot'; did you mean 'timm/test_vit"),
        (
            "timm/test_vit.r160_in2k",
            "unknown weights 'r160_in2k' of timm/test_vit; did you mean 'r160_in1k'?",
        ),
        ("", "unknown model ''."),
        ("fcn_resnet50", "unknown model 'fcn_resnet50'"),
        ("timm/hf-hub:someone/something", "unknown model 'timm/hf-hub:someone/something'"),
    ],
)
def test_an_unknown_name_is_told_with_the_nearest(name: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build_backbone(name)
    assert str(caught.value).startswith(problem)


def test_an_unknown_name_says_where_names_are_listed() -> None:
    with pytest.raises(ConfigError, match=r"`manylabel models` lists those with a short name"):
        build_backbone("nothing_like_it")


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("efficientnet_lite0", "bundled"),
        ("resnet50", "torchvision"),
        ("timm/resnet50", "timm"),
        ("timm/tf_efficientnet_lite0", "timm"),
    ],
)
def test_every_backbone_has_one_source(name: str, source: str) -> None:
    assert source_of(name).name == source
    assert [known.name for known in SOURCES if known.has(name)] == [source]


def test_sources_describe_themselves() -> None:
    assert len({source.name for source in SOURCES}) == len(SOURCES)
    assert all(source.help.endswith(".") for source in SOURCES)
