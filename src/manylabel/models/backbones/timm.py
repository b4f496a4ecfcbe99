"""Backbones of timm.

In:  "timm/NAME", with or without the tag of its weights.
Out: its body with random weights; its official weights. timm takes a while to import and is imported when
     needed.
"""

import re
import sys
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from safetensors import SafetensorError
from torch import Tensor, nn

from manylabel.errors import ConfigError, WeightsError, did_you_mean
from manylabel.models.backbones.base import Backbone, BackboneSource, Undrawn, find_undrawn, seeded
from manylabel.models.hubs import (
    OfficialFile,
    PackagedFile,
    hugging_face_file,
    packaged_file,
    torch_hub_file,
)
from manylabel.models.weight_files import OTHER_MODEL, Weights, first_mismatch, read_weights, reason_of
from manylabel.preprocess import Preprocessing

TIMM_PREFIX = "timm/"
_UNKNOWN_LICENSE = "see the model card"

# Names of layers in EfficientNet-PyTorch, and in timm.
_AROUND_BLOCKS = {
    "_conv_stem": "conv_stem",
    "_bn0": "bn1",
    "_conv_head": "conv_head",
    "_bn1": "bn2",
    "_fc": "classifier",
}
_IN_EXPANDING_BLOCK = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}
# A block that does not expand starts with its depthwise convolution, and timm counts from there.
_IN_PLAIN_BLOCK = {
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn1",
    "_project_conv": "conv_pw",
    "_bn2": "bn2",
}
_IN_BLOCK = re.compile(r"_blocks\.(\d+)\.(\w+)\.(\w+)")


class TimmSource(BackboneSource):
    """The models of timm, under the prefix ``timm/``."""

    name: ClassVar[str] = "timm"
    help: ClassVar[str] = "More than a thousand models of timm: timm/NAME or timm/NAME.TAG."

    def architecture(self, name: str) -> str:
        """Return timm's name of a backbone."""
        return name.removeprefix(TIMM_PREFIX)

    def has(self, name: str) -> bool:
        """Tell whether timm has a model of this name."""
        import timm

        return name.startswith(TIMM_PREFIX) and bool(timm.is_model(self.architecture(name)))

    def short_names(self) -> tuple[str, ...]:
        """Return none: a pattern that starts with ``timm/`` lists them."""
        return ()

    def check(self, name: str) -> None:
        """Check the tag of the weights.

        Raises:
            ConfigError: timm has no weights of this tag.
        """
        import timm

        architecture, _, tag = self.architecture(name).partition(".")
        known = [full.partition(".")[2] for full in timm.list_models(f"{architecture}.*", include_tags=True)]
        if tag and tag not in known:
            raise ConfigError(
                f"unknown weights '{tag}' of {TIMM_PREFIX}{architecture}{did_you_mean(tag, known) or '.'} "
                f"Known: {', '.join(known)}"
            )

    def build(self, name: str, side_px: int | None) -> Backbone:
        """Build a model without its classifier."""
        network = timm_network(self.architecture(name), side_px=side_px)
        config = network.pretrained_cfg
        default_px = min(config["input_size"][1:])
        # Nearly all of timm is square; the five models that are not take squares of the shorter side.
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
            # Not num_features: behind it some models, e.g. MobileNetV3, have a wider layer of their own.
            n_features=network.head_hidden_size,
            preprocessing=preprocessing,
            removed=tuple(dict.fromkeys(layer.partition(".")[0] for layer in layers)),
        )

    def license_of(self, backbone: Backbone) -> str:
        """Return the license of the official weights."""
        config: Any = backbone.network.pretrained_cfg
        known: str = config.get("license", "unknown")
        return _UNKNOWN_LICENSE if known == "unknown" else known

    def packaged_file(self, name: str) -> PackagedFile | None:
        """Return the weights of a model in an installable package; None where no package has them."""
        return packaged_file(self.architecture(name))

    def official_file(self, name: str) -> OfficialFile | None:
        """Return the file of the official weights; None where there are none."""
        import timm

        config = timm.get_pretrained_cfg(self.architecture(name))
        if config is not None and config.hf_hub_id:
            return hugging_face_file(config.hf_hub_id)
        if config is not None and isinstance(config.url, str) and config.url:
            return torch_hub_file(config.url)
        return None

    def load_official(self, backbone: Backbone, path: Path) -> bool:
        """Load official weights as timm does, which knows the layouts of a thousand of them.

        The file is read here, weights only, but for the few formats that timm has a reader of its own for.
        """
        side_px = backbone.preprocessing.side_px
        built: Any = backbone.network
        is_read_by_timm = bool(built.pretrained_cfg.get("custom_load"))
        try:
            weights = path if is_read_by_timm else read_weights(path)
            with seeded(0), Undrawn():
                network = timm_network(self.architecture(backbone.name), side_px=side_px, weights=weights)
        except (RuntimeError, ValueError, LookupError, OSError, EOFError, SafetensorError) as error:
            raise WeightsError(
                f"{path}: is damaged, or not the weights of {backbone.name}: {reason_of(error)}"
            ) from error
        missing = find_undrawn(network)
        if missing is not None:
            raise WeightsError(f"{path}: has no {missing}, which {backbone.name} needs. {OTHER_MODEL}")
        backbone.network = network
        return True

    def convert(self, network: nn.Module, weights: Weights) -> Weights:
        """Convert other layouts, and position embeddings of another side."""
        built: Any = network
        if has_efficientnet_layout(weights) and hasattr(network, "conv_stem"):
            return to_timm_layout(weights, blocks_per_stage=[len(stage) for stage in built.blocks])
        convert = getattr(sys.modules[type(network).__module__], "checkpoint_filter_fn", None)
        if convert is None or first_mismatch(network, weights) is None:
            return weights
        try:
            return OrderedDict(convert(weights, network))
        except (AttributeError, LookupError, RuntimeError, ValueError, TypeError):
            # It expects weights of this model; our own error describes what is wrong with these.
            return weights


def timm_network(
    architecture: str, *, side_px: int | None, weights: Path | Mapping[str, Tensor] | None = None
) -> Any:
    """Build a model of timm without its classifier.

    Args:
        architecture: timm's name, with or without the tag of its weights.
        side_px: Side of the square photos. Not given: what its weights were trained with.
        weights: Official weights of exactly this model: its tensors, or the file, where timm has a reader
            of its own for it. Not given: random weights.
    """
    import timm

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


def has_efficientnet_layout(weights: Mapping[str, Tensor]) -> bool:
    """Tell whether tensors are named as in EfficientNet-PyTorch."""
    return "_conv_stem.weight" in weights


def to_timm_layout(
    weights: Mapping[str, Tensor], *, blocks_per_stage: Sequence[int]
) -> "OrderedDict[str, Tensor]":
    """Rename the tensors of an EfficientNet from EfficientNet-PyTorch to timm.

    Only for models without squeeze-and-excitation.

    Args:
        weights: Tensors by their names in EfficientNet-PyTorch; a name that the layout does not have stays.
        blocks_per_stage: Number of blocks in each stage of timm's model.

    Examples:
        >>> from torch import zeros
        >>> named = {"_blocks.2._bn0.bias": zeros(8), "_blocks.2._expand_conv.weight": zeros(8, 4, 1, 1)}
        >>> list(to_timm_layout(named, blocks_per_stage=[1, 2]))
        ['blocks.1.1.bn1.bias', 'blocks.1.1.conv_pw.weight']
    """
    positions = [
        f"{stage}.{block}" for stage, n_blocks in enumerate(blocks_per_stage) for block in range(n_blocks)
    ]
    return OrderedDict((_rename(name, weights, positions), tensor) for name, tensor in weights.items())


def _rename(name: str, weights: Mapping[str, Tensor], positions: Sequence[str]) -> str:
    in_block = _IN_BLOCK.fullmatch(name)
    if in_block is None:
        layer, dot, tensor = name.partition(".")
        return f"{_AROUND_BLOCKS.get(layer, layer)}{dot}{tensor}"
    number, layer, tensor = in_block.groups()
    expands = f"_blocks.{number}._expand_conv.weight" in weights
    layers = _IN_EXPANDING_BLOCK if expands else _IN_PLAIN_BLOCK
    if layer not in layers or int(number) >= len(positions):
        return name
    return f"blocks.{positions[int(number)]}.{layers[layer]}.{tensor}"
