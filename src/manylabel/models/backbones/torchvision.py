"""Backbones of torchvision.

In:  the name of a classification model, e.g. "resnet50".
Out: its body with random weights; its official weights.
"""

import re
from collections import OrderedDict
from dataclasses import replace
from functools import cache
from typing import Any, Literal

from torch import Tensor, nn
from torchvision import models
from torchvision.models import WeightsEnum
from torchvision.models.vision_transformer import VisionTransformer, interpolate_embeddings
from torchvision.transforms import InterpolationMode

from manylabel.models.backbones.base import Backbone, BackboneSource
from manylabel.models.hubs import OfficialFile, torch_hub_file
from manylabel.models.weight_files import Weights
from manylabel.preprocess import Preprocessing

_INTERPOLATIONS: dict[InterpolationMode, Literal["bilinear", "bicubic"]] = {
    InterpolationMode.BILINEAR: "bilinear",
    InterpolationMode.BICUBIC: "bicubic",
}
_AUXILIARY_HEADS = ("aux1", "aux2", "AuxLogits")
# Names in old files of torchvision, and what torchvision renames them to when it loads them.
_RENAMED = (
    (re.compile(r"(denselayer\d+\.(?:norm|conv))\.(\d)\."), r"\1\2."),
    (re.compile(r"\.mlp\.linear_1\."), ".mlp.0."),
    (re.compile(r"\.mlp\.linear_2\."), ".mlp.3."),
)


class TorchvisionSource(BackboneSource):
    """The classification models of torchvision."""

    name = "torchvision"
    help = "The classification models of torchvision, with official ImageNet weights."

    def has(self, name: str) -> bool:
        """Tell whether torchvision has a classification model of this name."""
        return name in self.short_names()

    def short_names(self) -> tuple[str, ...]:
        """Return the names of all classification models."""
        return _names()

    def build(self, name: str, side_px: int | None) -> Backbone:
        """Build a model without its last layer."""
        preset = official_weights(name).transforms()
        preprocessing = Preprocessing(
            side_px=preset.crop_size[0],
            mean=tuple(preset.mean),
            std=tuple(preset.std),
            interpolation=_INTERPOLATIONS[preset.interpolation],
            crop_fraction=preset.crop_size[0] / preset.resize_size[0],
        )
        if side_px is not None:
            preprocessing = replace(preprocessing, side_px=side_px)
        network = models.get_model(name, **_arguments(name, preprocessing.side_px))
        if name in ("googlenet", "inception_v3"):
            _fill_convolutions(network)
        classifier, n_features = _take_off_classifier(network)
        return Backbone(
            network,
            name=name,
            n_features=n_features,
            preprocessing=preprocessing,
            removed=(classifier.partition(".")[0], *_AUXILIARY_HEADS),
        )

    def license_of(self, backbone: Backbone) -> str:
        """Return the license of the official weights."""
        # https://github.com/facebookresearch/SWAG/blob/main/LICENSE
        return "CC-BY-NC-4.0" if "SWAG" in official_weights(backbone.name).name else "BSD-3-Clause"

    def official_file(self, name: str) -> OfficialFile:
        """Return the file of the official weights."""
        return torch_hub_file(official_weights(name).url)

    def convert(self, network: nn.Module, weights: Weights) -> Weights:
        """Rename tensors of old files, and interpolate position embeddings of another side."""
        renamed: Weights = OrderedDict((_current_name(name), tensor) for name, tensor in weights.items())
        if (
            isinstance(network, VisionTransformer)
            and renamed.get("encoder.pos_embedding", Tensor()).ndim == 3
        ):
            renamed = interpolate_embeddings(network.image_size, network.patch_size, renamed)
        # MNASNet refuses weights without a version, which a .safetensors file cannot hold.
        versions = {"": {"version": getattr(network, "_version", None)}}
        renamed._metadata = versions | weights._metadata  # type: ignore[attr-defined]
        return renamed


def _current_name(name: str) -> str:
    for old, new in _RENAMED:
        name = old.sub(new, name)
    return name


@cache
def _names() -> tuple[str, ...]:
    return tuple(models.list_models(module=models))


def official_weights(name: str) -> WeightsEnum:
    """Return the entry of torchvision for the official weights of a model.

    The first weights are preferred to the newest: those reach a higher accuracy on ImageNet through label
    smoothing and longer schedules, but their features serve other tasks less well (Kornblith et al. 2021,
    "Why do better loss functions lead to less transferable features?").

    Examples:
        >>> official_weights("resnet50")
        ResNet50_Weights.IMAGENET1K_V1
        >>> official_weights("vit_h_14")
        ViT_H_14_Weights.IMAGENET1K_SWAG_E2E_V1
    """
    choices = models.get_model_weights(name)
    return choices["IMAGENET1K_V1"] if "IMAGENET1K_V1" in choices.__members__ else choices["DEFAULT"]


def _arguments(name: str, side_px: int) -> dict[str, Any]:
    match name.partition("_")[0]:
        case "vit":
            return {"image_size": side_px}
        case "maxvit":
            return {"input_size": (side_px, side_px)}
        case "googlenet" | "inception":
            # Their official weights expect other means than the preprocessing of torchvision gives them.
            return {"aux_logits": False, "init_weights": False, "transform_input": True}
    return {}


def _fill_convolutions(network: nn.Module) -> None:
    """Fill convolutions as He et al. 2015 do, in place of a slow truncated normal with vanishing outputs."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")


def _take_off_classifier(network: nn.Module) -> tuple[str, int]:
    """Remove the last layer; return its name and the number of its inputs.

    The layers before it stay: the hidden layers of VGG, the dropout of MobileNet. In SqueezeNet the last
    layer is a convolution and its inputs still have to be pooled, which the layers behind it do.
    """
    layers = [
        (name, module)
        for name, module in network.named_modules()
        if isinstance(module, nn.Linear | nn.Conv2d)
    ]
    name, layer = layers[-1]
    network.set_submodule(name, nn.Identity())
    return name, layer.in_features if isinstance(layer, nn.Linear) else layer.in_channels
