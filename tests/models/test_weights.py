"""In: weights in files, in caches and nowhere. Out: backbones with them, or an error with the ways out."""

import re
from collections import OrderedDict
from pathlib import Path
from typing import Any
from urllib.error import URLError

import pytest
import timm
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torchvision import models
from torchvision.models.vision_transformer import VisionTransformer

from manylabel.errors import WeightsError
from manylabel.models.backbones import Backbone, build_backbone, members_of
from manylabel.models.backbones.torchvision import official_weights
from manylabel.models.weights import find_weights, load_weights
from manylabel.preprocess import Preprocessing

Weights = dict[str, Tensor]


@pytest.fixture(autouse=True)
def caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put the caches of torch and Hugging Face into a folder of the test, and every hub out of reach."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("manylabel.models.hubs.urlopen", unreachable)
    return tmp_path


def unreachable(*args: object, **kwargs: object) -> None:
    raise URLError(OSError(-2, "Name or service not known"))


def stir(network: nn.Module) -> nn.Module:
    """Give batch norm statistics and biases that a fresh model does not have."""
    generator = torch.Generator().manual_seed(1)
    for tensor in network.state_dict().values():
        if tensor.is_floating_point() and tensor.ndim == 1:
            tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.5)
    return network.eval()


def same_features(backbone: Backbone, expected: nn.Module, *, side_px: int) -> bool:
    photos = torch.randn(2, 3, side_px, side_px, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        return torch.equal(backbone.eval()(photos), expected.eval()(photos))


def put_into_torch_cache(caches: Path, name: str, weights: Weights) -> Path:
    path = caches / "torch" / "hub" / "checkpoints" / Path(official_weights(name).url).name
    path.parent.mkdir(parents=True)
    torch.save(weights, path)
    return path


def put_into_hugging_face_cache(caches: Path, repository: str, weights: Weights) -> Path:
    folder = caches / "hub" / f"models--{repository.replace('/', '--')}"
    path = folder / "snapshots" / "0123abc" / "model.safetensors"
    path.parent.mkdir(parents=True)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text("0123abc")
    save_file(weights, path)
    return path


def full_size(name: str) -> nn.Module:
    """Build a model as its official file has it: with classifier and auxiliary heads."""
    arguments = {"init_weights": False, "aux_logits": True} if name in ("googlenet", "inception_v3") else {}
    return stir(models.get_model(name, **arguments))


def with_old_names(weights: Weights) -> Weights:
    """Name the layers of a DenseNet as its official file still does, which counts no batches."""
    return OrderedDict(
        (re.sub(r"(denselayer\d+\.(?:norm|conv))(\d)", r"\1.\2", name), tensor)
        for name, tensor in weights.items()
        if not name.endswith("num_batches_tracked")
    )


@pytest.mark.parametrize(
    ("name", "classifier"),
    [
        ("googlenet", "fc"),
        ("mnasnet0_5", "classifier.1"),
        ("shufflenet_v2_x0_5", "fc"),
        pytest.param("densenet121", "classifier", marks=pytest.mark.slow),
        pytest.param("inception_v3", "fc", marks=pytest.mark.slow),
        pytest.param("resnet50", "fc", marks=pytest.mark.slow),
        pytest.param("vgg16", "classifier.6", marks=pytest.mark.slow),
        pytest.param("vit_b_16", "heads.head", marks=pytest.mark.slow),
    ],
)
def test_official_weights_in_the_cache_give_the_features_of_torchvision(
    caches: Path, name: str, classifier: str
) -> None:
    weights = full_size(name).state_dict()
    put_into_torch_cache(caches, name, with_old_names(weights) if name == "densenet121" else weights)
    expected = models.get_model(name, weights=official_weights(name))
    expected.set_submodule(classifier, nn.Identity())
    backbone = build_backbone(name)
    assert load_weights(backbone).init == "official"
    assert same_features(backbone, expected, side_px=224 if name == "vit_b_16" else 96)


def test_official_weights_of_timm_in_the_cache_give_the_features_of_timm(caches: Path) -> None:
    expected: Any = stir(timm.create_model("test_efficientnet"))
    path = put_into_hugging_face_cache(caches, "timm/test_efficientnet.r160_in1k", expected.state_dict())
    backbone = build_backbone("timm/test_efficientnet", seed=5)
    provenance = load_weights(backbone)
    expected.reset_classifier(0)
    assert same_features(backbone, expected, side_px=160)
    assert provenance.init == "official"
    assert provenance.note == f"official weights timm/test_efficientnet.r160_in1k/{path.name}"


def test_official_weights_of_timm_follow_the_side(caches: Path) -> None:
    weights = stir(timm.create_model("test_vit")).state_dict()
    put_into_hugging_face_cache(caches, "timm/test_vit.r160_in1k", weights)
    backbone: Any = build_backbone("timm/test_vit", side_px=96)
    load_weights(backbone)
    assert backbone.network.pos_embed.shape == (1, 1 + 6 * 6, 64)
    assert torch.equal(backbone.network.norm.weight, weights["norm.weight"])


def test_a_damaged_file_in_the_cache_of_timm_is_told(caches: Path) -> None:
    path = put_into_hugging_face_cache(caches, "timm/test_vit.r160_in1k", {"a": torch.zeros(1)})
    path.write_bytes(path.read_bytes()[:-2])
    with pytest.raises(WeightsError, match=r"model\.safetensors: is damaged.*Delete this file"):
        load_weights(build_backbone("timm/test_vit"))


def test_a_damaged_file_in_the_cache_of_torch_is_told(caches: Path) -> None:
    path = put_into_torch_cache(caches, "squeezenet1_1", {"a": torch.zeros(1000)})
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(WeightsError, match=r"(?s)squeezenet1_1-b8a52dc0\.pth: is damaged.*Delete this file"):
        load_weights(build_backbone("squeezenet1_1"))


def test_content_that_is_not_the_official_one_is_used_and_told(caches: Path) -> None:
    path = put_into_torch_cache(caches, "squeezenet1_1", models.squeezenet1_1().state_dict())
    provenance = load_weights(build_backbone("squeezenet1_1"))
    assert provenance.sha256 is not None
    assert provenance.note == (
        f"official weights squeezenet1_1-b8a52dc0.pth, but the content of {path} is not the official one: "
        f"its SHA-256 starts with {provenance.sha256[:8]}"
    )


def test_no_hub_in_reach_names_the_file_and_the_ways_out(caches: Path) -> None:
    with pytest.raises(WeightsError) as caught:
        load_weights(build_backbone("squeezenet1_1"))
    assert str(caught.value) == (
        "squeezenet1_1: squeezenet1_1-b8a52dc0.pth is not on this machine and no hub can be reached "
        "(Name or service not known). Ways out:\n"
        "  1. put squeezenet1_1-b8a52dc0.pth, from "
        "https://download.pytorch.org/models/squeezenet1_1-b8a52dc0.pth, into "
        f"{caches / 'torch' / 'hub' / 'checkpoints'}\n"
        "  2. give a file of weights (.pth or .safetensors): --weights squeezenet1_1=FILE, in Python "
        'weights="FILE"\n'
        "  3. use a backbone whose weights come with the installation: efficientnet_lite0\n"
        "  4. start from random weights, which need many more photos, for a trial: --init random "
        '--tune head, in Python init="random", tune="head" '
        '(MultiLabelClassifier: settings=["model.init=random"])'
    )


def test_no_hub_in_reach_names_the_repository_of_timm(caches: Path) -> None:
    with pytest.raises(WeightsError) as caught:
        load_weights(build_backbone("timm/test_vit"))
    message = str(caught.value)
    assert "timm/test_vit.r160_in1k/model.safetensors is not on this machine" in message
    assert (
        f"copy the folder models--timm--test_vit.r160_in1k from a machine that has it into {caches}"
        in message
    )


def test_a_network_without_official_weights_says_so() -> None:
    with pytest.raises(WeightsError, match=r"there are no official weights of timm/cspresnet50d") as caught:
        load_weights(named("timm/cspresnet50d", nn.Identity()))
    assert "3. start from random" in str(caught.value)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("part", ["whole", "body"])
def test_a_file_with_or_without_classifier_is_loaded(tmp_path: Path, suffix: str, part: str) -> None:
    network: Any = models.squeezenet1_1()
    weights = {
        name: tensor
        for name, tensor in network.state_dict().items()
        if part == "whole" or name.startswith("features")
    }
    path = tmp_path / f"weights{suffix}"
    torch.save(weights, path) if suffix == ".pth" else save_file(weights, path)
    backbone = build_backbone("squeezenet1_1")
    provenance = load_weights(backbone, file=path)
    network.classifier[1] = nn.Identity()
    assert same_features(backbone, network, side_px=64)
    assert (provenance.init, provenance.note) == ("file", f"weights of weights{suffix}")


def test_mnasnet_takes_a_file_that_cannot_hold_its_version(tmp_path: Path) -> None:
    network: Any = stir(models.mnasnet0_5())
    save_file(network.state_dict(), tmp_path / "m.safetensors")
    backbone = build_backbone("mnasnet0_5")
    load_weights(backbone, file=tmp_path / "m.safetensors")
    network.classifier[1] = nn.Identity()
    assert same_features(backbone, network, side_px=64)


def test_a_file_with_another_number_of_classes_is_loaded(tmp_path: Path) -> None:
    network: Any = stir(timm.create_model("test_vit", num_classes=200))
    save_file(network.state_dict(), tmp_path / "vit.safetensors")
    backbone = build_backbone("timm/test_vit")
    assert load_weights(backbone, file=tmp_path / "vit.safetensors").note == "weights of vit.safetensors"
    network.reset_classifier(0)
    assert same_features(backbone, network, side_px=160)


def test_a_file_follows_the_side_of_a_network_of_timm(tmp_path: Path) -> None:
    save_file(timm.create_model("test_vit").state_dict(), tmp_path / "vit.safetensors")
    backbone: Any = build_backbone("timm/test_vit", side_px=96)
    load_weights(backbone, file=tmp_path / "vit.safetensors")
    assert backbone.network.pos_embed.shape == (1, 1 + 6 * 6, 64)


def tiny_transformer(image_size: int) -> VisionTransformer:
    return VisionTransformer(image_size, patch_size=8, num_layers=1, num_heads=1, hidden_dim=8, mlp_dim=8)


def named(name: str, network: nn.Module) -> Backbone:
    return Backbone(network, name=name, n_features=8, preprocessing=Preprocessing(), removed=("heads",))


def test_position_embeddings_of_torchvision_follow_the_side(tmp_path: Path) -> None:
    weights = tiny_transformer(32).state_dict()
    torch.save(weights, tmp_path / "vit.pth")
    backbone: Any = named("vit_b_16", tiny_transformer(48))
    load_weights(backbone, file=tmp_path / "vit.pth")
    embedding = backbone.network.encoder.pos_embedding
    assert embedding.shape == (1, 1 + 6 * 6, 8)
    assert torch.equal(embedding[:, 0], weights["encoder.pos_embedding"][:, 0])


def test_old_names_of_transformers_are_understood(tmp_path: Path) -> None:
    network = tiny_transformer(32)
    old = {
        name.replace("mlp.0.", "mlp.linear_1.").replace("mlp.3.", "mlp.linear_2."): tensor
        for name, tensor in network.state_dict().items()
    }
    assert any("linear_2" in name for name in old)
    save_file(old, tmp_path / "old.safetensors")
    backbone = named("vit_b_16", tiny_transformer(32))
    load_weights(backbone, file=tmp_path / "old.safetensors")
    loaded = backbone.network.state_dict()
    assert all(torch.equal(tensor, loaded[name]) for name, tensor in network.state_dict().items())


def test_tensors_without_a_place_are_told(tmp_path: Path) -> None:
    weights = models.squeezenet1_1().state_dict() | {
        "extra.weight": torch.zeros(1),
        "extra.bias": torch.zeros(1),
    }
    torch.save(weights, tmp_path / "w.pth")
    note = load_weights(build_backbone("squeezenet1_1"), file=tmp_path / "w.pth").note
    assert note == "weights of w.pth; 2 tensors in it were not used, e.g. extra.weight"


def test_weights_of_another_network_name_the_first_that_is_missing(tmp_path: Path) -> None:
    torch.save(models.squeezenet1_1().state_dict(), tmp_path / "w.pth")
    with pytest.raises(WeightsError) as caught:
        load_weights(build_backbone("resnet18"), file=tmp_path / "w.pth")
    assert str(caught.value) == (
        f"{tmp_path / 'w.pth'}: has no conv1.weight, which resnet18 needs; 100 of its 100 tensors are "
        "missing. Are these weights of another model?"
    )


def test_weights_of_another_size_name_the_first_that_differs(tmp_path: Path) -> None:
    torch.save(models.squeezenet1_0().state_dict(), tmp_path / "w.pth")
    with pytest.raises(WeightsError) as caught:
        load_weights(build_backbone("squeezenet1_1"), file=tmp_path / "w.pth")
    assert str(caught.value) == (
        f"{tmp_path / 'w.pth'}: features.0.weight is [96, 3, 7, 7] in it, squeezenet1_1 needs [64, 3, 3, 3]. "
        "Are these weights of another model?"
    )


def test_weights_of_another_network_of_timm_are_refused(tmp_path: Path) -> None:
    torch.save(models.squeezenet1_1().state_dict(), tmp_path / "w.pth")
    with pytest.raises(WeightsError, match=r"has no cls_token, which timm/test_vit needs"):
        load_weights(build_backbone("timm/test_vit"), file=tmp_path / "w.pth")


def test_weights_that_the_conversion_of_timm_chokes_on_are_refused(tmp_path: Path) -> None:
    torch.save({"pos_embed": torch.zeros(3)}, tmp_path / "w.pth")
    with pytest.raises(WeightsError, match=r"has no cls_token, which timm/test_vit needs"):
        load_weights(build_backbone("timm/test_vit"), file=tmp_path / "w.pth")


def test_weights_of_a_version_that_is_not_known_are_refused(tmp_path: Path) -> None:
    weights: Any = models.mnasnet0_5().state_dict()
    weights._metadata[""]["version"] = 7
    torch.save(weights, tmp_path / "w.pth")
    with pytest.raises(
        WeightsError, match=r"w\.pth: mnasnet0_5 cannot take these weights: version should be"
    ):
        load_weights(build_backbone("mnasnet0_5"), file=tmp_path / "w.pth")


def test_a_wrong_file_leaves_the_network_as_it_was(tmp_path: Path) -> None:
    weights = models.squeezenet1_1().state_dict()
    del weights["features.12.expand3x3.bias"]
    torch.save(weights, tmp_path / "w.pth")
    backbone = build_backbone("squeezenet1_1")
    before = {name: tensor.clone() for name, tensor in backbone.state_dict().items()}
    with pytest.raises(WeightsError, match=r"has no features\.12\.expand3x3\.bias"):
        load_weights(backbone, file=tmp_path / "w.pth")
    assert all(torch.equal(tensor, before[name]) for name, tensor in backbone.state_dict().items())


def test_weights_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    weights = models.squeezenet1_1().state_dict()
    weights["features.0.bias"][3] = torch.nan
    torch.save(weights, tmp_path / "w.pth")
    with pytest.raises(WeightsError, match=r"features\.0\.bias holds values that are not finite"):
        load_weights(build_backbone("squeezenet1_1"), file=tmp_path / "w.pth")


def test_a_file_counts_more_than_random_weights(tmp_path: Path) -> None:
    torch.save(models.squeezenet1_1().state_dict(), tmp_path / "w.pth")
    provenance = load_weights(build_backbone("squeezenet1_1"), init="random", file=tmp_path / "w.pth")
    assert provenance.init == "file"


def test_backbones_that_are_joined_have_their_own_weights(tmp_path: Path) -> None:
    torch.save(models.squeezenet1_1().state_dict(), tmp_path / "w.pth")
    joined = build_backbone("efficientnet_lite0+squeezenet1_1", side_px=64).eval()
    files = {"squeezenet1_1": tmp_path / "w.pth"}

    provenance = find_weights(joined.name, files=files)(joined)

    assert provenance.init == "package"
    assert "squeezenet1_1: weights of w.pth" in provenance.note
    for member, file in zip(members_of(joined), (None, tmp_path / "w.pth"), strict=True):
        alone = build_backbone(member.name, side_px=64).eval()
        load_weights(alone, file=file)
        assert all(map(torch.equal, alone.state_dict().values(), member.state_dict().values()))


def test_random_weights_of_one_backbone_make_all_random() -> None:
    joined = build_backbone("squeezenet1_1+mnasnet0_5", side_px=64)
    assert load_weights(joined, init="random", seed=1).init == "random"


@pytest.mark.parametrize(
    "name",
    [
        "googlenet",
        "resnet50",
        pytest.param("vgg16", marks=pytest.mark.slow),
        pytest.param("vit_b_16", marks=pytest.mark.slow),
    ],
)
def test_random_weights_tell_photos_apart(name: str) -> None:
    backbone = build_backbone(name, side_px=64).eval()
    load_weights(backbone, init="random", seed=3)
    generator = torch.Generator().manual_seed(0)
    coarse = torch.randn(8, 3, 8, 8, generator=generator)
    photos = nn.functional.interpolate(coarse, size=64, mode="bilinear")
    with torch.no_grad():
        features = backbone(photos)
    assert features.isfinite().all()
    alive = features.std(dim=0) > 0.05 * features.abs().mean()
    assert alive.float().mean() > 0.3


def test_random_weights_depend_on_the_seed_alone() -> None:
    state = torch.random.get_rng_state()
    first, again, other = (first_random_weights(seed) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(torch.random.get_rng_state(), state)


def first_random_weights(seed: int) -> Tensor:
    backbone = build_backbone("squeezenet1_1")
    load_weights(backbone, init="random", seed=seed)
    return next(backbone.parameters())


@pytest.mark.real
@pytest.mark.parametrize("name", ["mobilenet_v2", "squeezenet1_1", "timm/vit_tiny_patch16_224"])
def test_real_weights_are_loaded_completely(real_weights: Path, name: str) -> None:
    backbone = build_backbone(name).eval()
    file = real_weights / f"{name.removeprefix('timm/')}.safetensors"
    assert load_weights(backbone, file=file).note == f"weights of {file.name}"
    loaded = backbone.network.state_dict()
    given = load_file(file)
    assert all(torch.equal(given[name], tensor) for name, tensor in loaded.items() if name in given)
    assert {name for name in loaded if name not in given} == set()
