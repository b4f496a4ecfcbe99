"""Rename the tensors of an EfficientNet from the layout of EfficientNet-PyTorch to that of timm.

In:  tensors named like ``_blocks.1._expand_conv.weight``; how many blocks each stage of timm's network has.
Out: the same tensors named like ``blocks.1.0.conv_pw.weight``.
"""

import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence

from torch import Tensor

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


def has_efficientnet_layout(weights: Mapping[str, Tensor]) -> bool:
    """Say whether tensors are named as in EfficientNet-PyTorch."""
    return "_conv_stem.weight" in weights


def to_timm_layout(
    weights: Mapping[str, Tensor], *, blocks_per_stage: Sequence[int]
) -> "OrderedDict[str, Tensor]":
    """Rename the tensors of an EfficientNet without squeeze-and-excitation.

    Args:
        weights: Tensors by their names in EfficientNet-PyTorch; a name that the layout does not have stays.
        blocks_per_stage: Number of blocks in each stage of timm's network.

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
