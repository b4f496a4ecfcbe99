"""Models of timm, and weights in the layout of EfficientNet-PyTorch."""

from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from torch import Tensor
from torch.nn import functional

from manylabel.errors import WeightsError
from manylabel.models.backbones import build_backbone, source_of
from manylabel.models.backbones.timm import has_efficientnet_layout, to_timm_layout
from manylabel.models.weight_files import read_weights
from manylabel.models.weights import load_weights

NAMES = [f"efficientnet_lite{size}" for size in range(3)]
_BATCH_NORM_EPSILON = 1e-3  # of TensorFlow's models, in which these weights were trained


def packaged(name: str) -> "OrderedDict[str, Tensor]":
    file = source_of(name).packaged_file(name)
    assert file is not None
    path = file.find()
    assert path is not None
    return read_weights(path)


def renamed(name: str, network: Any) -> "OrderedDict[str, Tensor]":
    return to_timm_layout(packaged(name), blocks_per_stage=[len(stage) for stage in network.blocks])


@pytest.mark.parametrize("name", NAMES)
def test_every_tensor_gets_the_name_and_shape_of_timm(name: str) -> None:
    network = timm.create_model(f"tf_{name}")
    expected = {key: tensor.shape for key, tensor in network.state_dict().items()}
    assert {key: tensor.shape for key, tensor in renamed(name, network).items()} == expected


@pytest.mark.parametrize("name", NAMES)
def test_renaming_gives_what_the_order_of_the_tensors_gives(name: str) -> None:
    """Both layouts list their tensors in the same order, which the renaming does not look at."""
    network = timm.create_model(f"tf_{name}")
    found = renamed(name, network)
    for key, tensor in zip(network.state_dict(), packaged(name).values(), strict=True):
        assert torch.equal(found[key], tensor), key


def test_the_first_stages_answer_as_the_layout_of_the_file_does() -> None:
    weights = packaged("efficientnet_lite0")
    photos = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    values = relu6(normalise(convolve(photos, weights["_conv_stem.weight"], stride=2), weights, "_bn0"))
    values = run_block(values, weights, number=0, stride=1)
    values = run_block(values, weights, number=1, stride=2)
    expected = run_block(values, weights, number=2, stride=1) + values

    network: Any = timm.create_model("tf_efficientnet_lite0").eval()
    network.load_state_dict(renamed("efficientnet_lite0", network))
    with torch.no_grad():
        found = network.blocks[:2](network.bn1(network.conv_stem(photos)))
    assert torch.allclose(found, expected, atol=1e-4)


def run_block(values: Tensor, weights: dict[str, Tensor], *, number: int, stride: int) -> Tensor:
    """Run an inverted residual block (Sandler et al. 2018), tensors named as in the file."""
    block = f"_blocks.{number}."
    if f"{block}_expand_conv.weight" in weights:
        values = convolve(values, weights[f"{block}_expand_conv.weight"])
        values = relu6(normalise(values, weights, f"{block}_bn0"))
    depthwise = weights[f"{block}_depthwise_conv.weight"]
    values = convolve(values, depthwise, stride=stride, groups=len(depthwise))
    values = relu6(normalise(values, weights, f"{block}_bn1"))
    values = convolve(values, weights[f"{block}_project_conv.weight"])
    return normalise(values, weights, f"{block}_bn2")


def convolve(values: Tensor, kernel: Tensor, *, stride: int = 1, groups: int = 1) -> Tensor:
    """Convolve with TensorFlow's padding "SAME" of an even side: what is left over goes right and below."""
    n_padded = kernel.shape[-1] - stride if stride > 1 else kernel.shape[-1] - 1
    before, after = n_padded // 2, n_padded - n_padded // 2
    padded = functional.pad(values, (before, after, before, after))
    return functional.conv2d(padded, kernel, stride=stride, groups=groups)


def normalise(values: Tensor, weights: dict[str, Tensor], layer: str) -> Tensor:
    mean, var, scale, shift = (
        weights[f"{layer}.{tensor}"] for tensor in ("running_mean", "running_var", "weight", "bias")
    )
    return functional.batch_norm(values, mean, var, scale, shift, eps=_BATCH_NORM_EPSILON)


def relu6(values: Tensor) -> Tensor:
    return values.clamp(0, 6)


def test_names_outside_the_layout_stay() -> None:
    weights = {name: torch.zeros(1) for name in ("_conv_stem.weight", "_blocks.9._bn1.bias", "other.bias")}
    assert has_efficientnet_layout(weights)
    renamed = to_timm_layout(weights, blocks_per_stage=[1])
    assert list(renamed) == ["conv_stem.weight", "_blocks.9._bn1.bias", "other.bias"]


def test_a_file_in_this_layout_does_not_fit_a_network_of_another_kind(tmp_path: Path) -> None:
    torch.save(packaged("efficientnet_lite0"), tmp_path / "own.pth")
    with pytest.raises(WeightsError, match="has no cls_token, which timm/test_vit needs"):
        load_weights(build_backbone("timm/test_vit"), file=tmp_path / "own.pth")


def test_a_given_file_in_this_layout_is_loaded_too(tmp_path: Path) -> None:
    torch.save(packaged("efficientnet_lite0"), tmp_path / "own.pth")
    given, installed = build_backbone("efficientnet_lite0"), build_backbone("timm/tf_efficientnet_lite0")
    assert load_weights(given, file=tmp_path / "own.pth").note == "weights of own.pth"
    load_weights(installed)
    assert all(map(torch.equal, given.state_dict().values(), installed.state_dict().values()))
