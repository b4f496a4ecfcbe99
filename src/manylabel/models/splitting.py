"""Split backbones in two: the part below stays as it is, the part above is trained or explained.

In:  a backbone; the name of the layer to split it behind, by default below the last stage or stages.
Out: the part below, photos in, activations out; the part above, activations in, features out. A backbone that
     joins several is split in each of them.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from manylabel.errors import ConfigError, did_you_mean
from manylabel.models.attention import lighten
from manylabel.models.backbones import Backbone, members_of
from manylabel.models.backbones.combined import SEPARATOR, CombinedNetwork, Renormalize
from manylabel.models.graph import SplitLayer, Trace, UpperPart, nesting
from manylabel.patch_grid import find_grid

_TARGET_SHARE = 0.25
_SHARES = (0.08, 0.45)
_MUCH = 0.5
_NESTING_COST = 0.3
_SIZE_COST = 0.4


@dataclass(frozen=True, eq=False, kw_only=True)
class SplitBackbone:
    """The two parts of a backbone; they share its weights, in modules of the same names.

    Attributes:
        below: Normalised photos [n, 3, side_px, side_px] in, activations [n, *layer.shape] out.
        above: Activations in, features [n, n_features] out.
        layer: The split layer.
    """

    below: nn.Module
    above: nn.Module
    layer: SplitLayer


def split_layer_warning(layer: SplitLayer) -> str | None:
    """Return a warning where more is fine-tuned than a few hundred photos are enough for; else None.

    Measured on 160 photos with MobileNetV2: fine-tuning above ``features.7`` lost 3.4 mAP against the head
    alone, above ``features.0`` 36.8; above the default layer it gained 1.6.
    """
    if layer.share_above <= _MUCH:
        return None
    return (
        f"training.split_layer: {layer.share_above:.0%} of the model's multiplications lie above "
        f"'{layer.name}', by default about {_TARGET_SHARE:.0%}; with few photos, fine-tuning that much "
        "can do worse than a head alone (--tune head): compare the two"
    )


class JoinedLower(nn.Module):
    """The lower parts of several backbones: normalized photos in, the activations of all of them out."""

    def __init__(
        self, inputs: Renormalize, parts: Sequence[nn.Module], shapes: Sequence[tuple[int, ...]]
    ) -> None:
        super().__init__()
        self.inputs = inputs
        self.parts = nn.ModuleList(parts)
        self.is_stacked = _can_stack(shapes)

    def forward(self, photos: Tensor) -> Tensor:
        """Return activations [n, *shape]: channels side by side, or flat where rows and columns differ."""
        activations = [part(taken) for part, taken in zip(self.parts, self.inputs(photos), strict=True)]
        if not self.is_stacked:
            activations = [found.flatten(start_dim=1) for found in activations]
        return torch.cat(activations, dim=1)


class JoinedUpper(nn.Module):
    """The upper parts of several backbones: the activations of all of them in, features out."""

    def __init__(self, parts: Sequence[UpperPart], shapes: Sequence[tuple[int, ...]]) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)
        self.shapes = tuple(shapes)
        self.is_stacked = _can_stack(shapes)
        self.sizes = [shape[0] if self.is_stacked else math.prod(shape) for shape in self.shapes]

    def forward(self, activations: Tensor) -> Tensor:
        """Return features [n, n_features] of activations as ``JoinedLower`` returns them."""
        each = torch.split(activations, self.sizes, dim=1)
        return torch.cat(
            [
                part(found if self.is_stacked else _unflatten(found, shape))
                for part, found, shape in zip(self.parts, each, self.shapes, strict=True)
            ],
            dim=1,
        )


def _unflatten(activations: Tensor, shape: tuple[int, ...]) -> Tensor:
    whole = torch.unflatten(activations, 1, shape)
    return whole.contiguous(memory_format=torch.channels_last) if whole.ndim == 4 else whole


def _can_stack(shapes: Sequence[tuple[int, ...]]) -> bool:
    """Tell whether activations of one photo, of these shapes, are channels of the same rows and columns."""
    grids = {find_grid(shape) for shape in shapes}
    grid = grids.pop()
    return not grids and grid is not None and grid.layout == "channels_first"


def find_split_layer(backbone: Backbone, name: str | None = None) -> SplitLayer:
    """Return the layer that ``split_backbone`` would use; arguments and errors are the same."""
    traces = [Trace(member) for member in members_of(backbone)]
    return join_layers(_find_split_layers(traces, name))


def split_backbone(backbone: Backbone, name: str | None = None) -> SplitBackbone:
    """Split a backbone in two.

    Args:
        backbone: Stays as it is; the parts use its modules.
        name: Path of the module to split behind, e.g. ``"layer3"``. Not given: ``choose_split_layer``.
            For a backbone that joins several: one for all of them, or one for each, joined by "+".

    Raises:
        ConfigError: The model cannot be traced, or cannot be split there.

    Examples:
        >>> import torch
        >>> from manylabel.models.backbones import build_backbone
        >>> parts = split_backbone(build_backbone("squeezenet1_1", side_px=64), "features.10")
        >>> parts.layer.shape
        (384, 3, 3)
        >>> activations = parts.below.eval()(torch.zeros(2, 3, 64, 64))  # [2, 384, 3, 3]
        >>> parts.above.eval()(activations).shape
        torch.Size([2, 512])
    """
    traces = [Trace(member) for member in members_of(backbone)]
    return split_traces(backbone, traces, _find_split_layers(traces, name), is_lightened=True)


def split_traces(
    backbone: Backbone, traces: Sequence[Trace], layers: Sequence[SplitLayer], *, is_lightened: bool
) -> SplitBackbone:
    """Split a backbone behind given layers.

    Args:
        backbone: Stays as it is; the parts use its modules.
        traces: The graphs of its members.
        layers: A split layer of each.
        is_lightened: Whether the upper parts of transformers compute only what is read.
    """
    parts = [trace.split(layer.name) for trace, layer in zip(traces, layers, strict=True)]
    uppers = [above for _, above in parts]
    if is_lightened:
        uppers = [_lighten(above, layer) for above, layer in zip(uppers, layers, strict=True)]
    network = backbone.network
    if not isinstance(network, CombinedNetwork):
        return SplitBackbone(below=parts[0][0], above=uppers[0], layer=layers[0])
    shapes = [layer.shape for layer in layers]
    return SplitBackbone(
        below=JoinedLower(network.inputs, [below for below, _ in parts], shapes),
        above=JoinedUpper(uppers, shapes),
        layer=join_layers(layers),
    )


def join_layers(layers: Sequence[SplitLayer]) -> SplitLayer:
    """Return several split layers as one: the activations of all, and the largest share."""
    if len(layers) == 1:
        return layers[0]
    shapes = [layer.shape for layer in layers]
    if _can_stack(shapes):
        shape = (sum(shape[0] for shape in shapes), *shapes[0][1:])
    else:
        shape = (sum(math.prod(shape) for shape in shapes),)
    return SplitLayer(
        name=SEPARATOR.join(layer.name for layer in layers),
        share_above=max(layer.share_above for layer in layers),
        shape=shape,
    )


def _lighten(above: UpperPart, layer: SplitLayer) -> UpperPart:
    weight = next(above.parameters())
    example = torch.randn(2, *layer.shape, generator=torch.Generator().manual_seed(0)).to(weight)
    return UpperPart(lighten(above.network, example))


def _find_split_layers(traces: Sequence[Trace], name: str | None) -> list[SplitLayer]:
    names: Sequence[str | None] = [None] if name is None else name.split(SEPARATOR)
    if len(names) == 1:
        names = [*names] * len(traces)
    if len(names) != len(traces):
        raise ConfigError(
            f"training.split_layer: '{name}' names {len(names)} layers, expected one for each of the models: "
            f"{len(traces)}"
        )
    return [_find_split_layer(trace, layer) for trace, layer in zip(traces, names, strict=True)]


def _find_split_layer(trace: Trace, name: str | None) -> SplitLayer:
    layers = {layer.name: layer for layer in _useful_layers(trace)}
    network = trace.backbone.name
    if not layers:
        raise ConfigError(
            f"{network} cannot be partially fine-tuned: it has no layer that all later layers depend on; "
            "use --tune head or --tune full"
        )
    if name is None:
        return choose_split_layer(list(layers.values()))
    if name not in layers:
        near = sorted(
            layers.values(),
            key=lambda layer: (nesting(layer.name), abs(layer.share_above - _TARGET_SHARE)),
        )
        known = ", ".join(layer.name for layer in near[:8])
        hint = did_you_mean(name, list(layers))
        raise ConfigError(
            f"training.split_layer: {network} cannot be split behind '{name}'{hint or ';'} "
            f"possible, among others: {known}"
        )
    return layers[name]


def list_split_layers(backbone: Backbone) -> tuple[SplitLayer, ...]:
    """Return the layers behind which a single backbone can be split, from photo to features.

    Raises:
        ConfigError: The model cannot be traced.
    """
    return tuple(_useful_layers(Trace(backbone)))


def _useful_layers(trace: Trace) -> list[SplitLayer]:
    """Return the split layers with anything to train above them."""
    return [layer for layer in trace.split_layers() if layer.share_above > 0]


def choose_split_layer(layers: list[SplitLayer]) -> SplitLayer:
    """Choose the layer above which about a quarter of the multiplications lie.

    Of layers that come near, whole stages are preferred to modules inside them, and small activations to
    large ones, because activations are kept on disk for many views of every photo.

    Args:
        layers: All split layers of a model, at least one.

    Examples:
        >>> choose_split_layer([SplitLayer(name="layer2", share_above=0.46, shape=(512, 28, 28)),
        ...     SplitLayer(name="layer3", share_above=0.2, shape=(1024, 14, 14)),
        ...     SplitLayer(name="layer4.1", share_above=0.05, shape=(2048, 7, 7))]).name
        'layer3'
    """
    near = [layer for layer in layers if _SHARES[0] <= layer.share_above <= _SHARES[1]] or layers
    smallest = min(math.prod(layer.shape) for layer in near)

    def cost(layer: SplitLayer) -> float:
        distance = abs(math.log(max(layer.share_above, 1e-6) / _TARGET_SHARE))
        size = math.log2(math.prod(layer.shape) / smallest)
        return distance + _SIZE_COST * size + _NESTING_COST * nesting(layer.name)

    return min(near, key=cost)
