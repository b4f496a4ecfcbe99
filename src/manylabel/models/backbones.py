"""Build the bodies of networks: everything up to the features that a head reads.

In:  the name of a backbone, one of ``short_names`` or "timm/NAME"; the side of the photos in pixels.
Out: a ``Backbone``: normalised photos in, features out. It knows its preprocessing; its weights are random
     until ``weights.load_weights`` gives it better ones.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torchvision import models
from torchvision.models import WeightsEnum
from torchvision.transforms import InterpolationMode

from manylabel.errors import ConfigError, did_you_mean
from manylabel.models.outline import outline_output
from manylabel.models.undrawn import Undrawn
from manylabel.preprocess import Preprocessing

TIMM_PREFIX = "timm/"

TIMM_NAMES = {f"efficientnet_lite{size}": f"tf_efficientnet_lite{size}" for size in range(3)}
"""Backbones of timm with a name of their own, and what timm calls them: those whose weights a package has."""

_INTERPOLATIONS: dict[InterpolationMode, Literal["bilinear", "bicubic"]] = {
    InterpolationMode.BILINEAR: "bilinear",
    InterpolationMode.BICUBIC: "bicubic",
}
_AUXILIARY_HEADS = ("aux1", "aux2", "AuxLogits")


class Backbone(nn.Module):
    """Turn photos into features.

    Attributes:
        network: The network of torchvision or timm, its last layer taken off.
        name: Its name, e.g. ``"efficientnet_lite0"``, ``"resnet50"`` or ``"timm/vit_tiny_patch16_224"``.
        n_features: Number of features per photo.
        preprocessing: How a photo becomes the pixels that the network was trained on.
        removed: First parts of the names of weights that official files have and this network has not: those
            of the classifier and of auxiliary heads.
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        name: str,
        n_features: int,
        preprocessing: Preprocessing,
        removed: tuple[str, ...],
    ) -> None:
        super().__init__()
        self.network = network
        self.name = name
        self.n_features = n_features
        self.preprocessing = preprocessing
        self.removed = removed

    def forward(self, photos: Tensor) -> Tensor:
        """Return features [n, n_features] of normalised photos [n, 3, side_px, side_px]."""
        return pool_features(self.network(photos))


def pool_features(features: Tensor) -> Tensor:
    """Return features [n, n_features] of what a network gives.

    A few encoders of timm, made for language models, keep their patches apart, [n, n_patches, n_features];
    some networks keep rows and columns, [n, n_features, rows, columns].
    """
    if features.ndim == 3:
        return features.mean(dim=1)
    if features.ndim == 4:
        return features.mean(dim=(2, 3))
    return features


def build_backbone(name: str, *, side_px: int | None = None, seed: int | None = 0) -> Backbone:
    """Build the body of a network with random weights.

    Args:
        name: One of ``short_names``, e.g. ``"resnet50"``, or ``"timm/NAME"``.
        side_px: Side of the square photos. Not given: the side that the official weights were trained with.
        seed: Seed of the random weights; torch's own generator is left as it was. None: the weights
            are NaN, for a caller that loads all of them.

    Raises:
        ConfigError: The name is unknown, or the network cannot take photos of that side.

    Examples:
        >>> build_backbone("squeezenet1_1").n_features
        512
        >>> build_backbone("rasnet50")
        Traceback (most recent call last):
        ...
        manylabel.errors.ConfigError: unknown network 'rasnet50'; did you mean 'resnet50'? ...
    """
    check_name(name)
    build = _build_torchvision if timm_name(name) is None else _build_timm
    with seeded(0 if seed is None else seed), Undrawn() if seed is None else nullcontext():
        if side_px is None:
            return build(name, None)
        try:
            backbone = build(name, side_px)
            outline_output(backbone, (1, 3, side_px, side_px))
        except (AssertionError, RuntimeError, TypeError, ValueError) as error:
            raise ConfigError(
                f"{name} cannot take photos of {side_px} x {side_px} pixels: {_first_line(error)}; "
                f"leave side_px out to use the side that its weights were trained with"
            ) from error
    return backbone


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draw from a generator of one's own; torch's generator on the CPU is put back afterwards."""
    with torch.random.fork_rng(devices=[]):
        # torch.manual_seed would also change the generators of every GPU.
        torch.default_generator.manual_seed(seed)
        yield


@cache
def short_names() -> tuple[str, ...]:
    """List the names without a prefix: ``TIMM_NAMES``, then the classification networks of torchvision."""
    return (*TIMM_NAMES, *models.list_models(module=models))


def timm_name(name: str) -> str | None:
    """Return what timm calls a backbone; None for one of torchvision.

    Examples:
        >>> timm_name("efficientnet_lite0"), timm_name("timm/resnet50.tv_in1k"), timm_name("resnet50")
        ('tf_efficientnet_lite0', 'resnet50.tv_in1k', None)
    """
    return name.removeprefix(TIMM_PREFIX) if name.startswith(TIMM_PREFIX) else TIMM_NAMES.get(name)


def official_weights(name: str) -> WeightsEnum:
    """Return the entry of torchvision for the official weights of a network.

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


def check_name(name: str) -> None:
    """Check that a network exists.

    Raises:
        ConfigError: It does not, or timm has no weights of the given tag.
    """
    if name in short_names():
        return
    # timm takes a while to import and is asked only now.
    import timm

    architecture = name.removeprefix(TIMM_PREFIX)
    is_known = timm.is_model(architecture)
    if name.startswith(TIMM_PREFIX) and is_known:
        _check_tag(name)
        return
    if name.startswith(TIMM_PREFIX):
        hint = did_you_mean(name, [TIMM_PREFIX + known for known in timm.list_models()])
    elif is_known:
        hint = f"; did you mean '{TIMM_PREFIX}{name}'?"
    else:
        hint = did_you_mean(name, short_names())
    raise ConfigError(
        f"unknown network '{name}'{hint or '.'} `manylabel models` lists those with a short name, "
        f"`manylabel models '{TIMM_PREFIX}*'` those of timm"
    )


def _check_tag(name: str) -> None:
    import timm

    architecture, _, tag = name.removeprefix(TIMM_PREFIX).partition(".")
    known = [full.partition(".")[2] for full in timm.list_models(f"{architecture}.*", include_tags=True)]
    if tag and tag not in known:
        raise ConfigError(
            f"unknown weights '{tag}' of {TIMM_PREFIX}{architecture}{did_you_mean(tag, known) or '.'} "
            f"Known: {', '.join(known)}"
        )


def _build_torchvision(name: str, side_px: int | None) -> Backbone:
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
    network = models.get_model(name, **_torchvision_arguments(name, preprocessing.side_px))
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


def _torchvision_arguments(name: str, side_px: int) -> dict[str, Any]:
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
    """Put nothing in the place of the last layer; return its name and the number of its inputs.

    What stands before it stays: the hidden layers of VGG, the dropout of MobileNet. In SqueezeNet the last
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


def _build_timm(name: str, side_px: int | None) -> Backbone:
    network = timm_network(name, side_px=side_px)
    config = network.pretrained_cfg
    default_px = min(config["input_size"][1:])
    # Nearly all of timm is square; the five networks that are not take squares of the shorter side.
    preprocessing = Preprocessing(
        side_px=default_px if side_px is None else side_px,
        mean=tuple(config["mean"]),
        std=tuple(config["std"]),
        interpolation=config["interpolation"],
        crop_fraction=config["crop_pct"],
    )
    classifier = config.get("classifier") or ()
    layers = (classifier,) if isinstance(classifier, str) else tuple(classifier)
    return Backbone(
        network,
        name=name,
        # Not num_features: behind it some networks, e.g. MobileNetV3, have a wider layer of their own.
        n_features=network.head_hidden_size,
        preprocessing=preprocessing,
        removed=tuple(dict.fromkeys(layer.partition(".")[0] for layer in layers)),
    )


def timm_network(
    name: str, *, side_px: int | None, weights: Path | Mapping[str, Tensor] | None = None
) -> Any:
    """Build a network of timm without its classifier.

    Args:
        name: One of ``TIMM_NAMES``, or ``"timm/NAME"`` with or without the tag of its weights.
        side_px: Side of the square photos. Not given: what its weights were trained with.
        weights: Official weights of exactly this network: its tensors, or the file, where timm has a reader
            of its own for it. Not given: random weights.
    """
    import timm

    architecture = timm_name(name)
    assert architecture is not None, "a backbone of torchvision"
    config = timm.get_pretrained_cfg(architecture)
    has_fixed_side = config is not None and config.fixed_input_size
    source = {"file": str(weights)} if isinstance(weights, Path) else {"state_dict": weights}
    return timm.create_model(
        architecture,
        pretrained=weights is not None,
        pretrained_cfg_overlay=None if weights is None else source,
        num_classes=0,
        img_size=side_px if has_fixed_side else None,
    )


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
