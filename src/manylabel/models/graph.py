"""Trace a backbone to the graph of its operations (torch.fx), and split it in two.

In:  a backbone; the name of the layer to split it behind, by default below the last stage or stages.
Out: its split layers; the part below one, photos in, activations out; the part above it, activations in,
     features
     out. No model is named here.

A split is possible behind every module whose output is all that the rest of the model reads.
"""

import inspect
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.utils.flop_counter import FlopCounterMode

from manylabel.errors import ConfigError, did_you_mean
from manylabel.models.attention import lighten
from manylabel.models.backbones import Backbone, pool_features
from manylabel.models.device import evaluating

_TARGET_SHARE = 0.25
_SHARES = (0.08, 0.45)
_MUCH = 0.5
_NESTING_COST = 0.3
_SIZE_COST = 0.4


@dataclass(frozen=True, kw_only=True)
class SplitLayer:
    """A module whose output is all that later modules read.

    Attributes:
        name: Path of the module, e.g. ``"layer3"``.
        share_above: Share of the backbone's multiplications that lie above it, in [0, 1].
        shape: Shape of its output for one photo.
    """

    name: str
    share_above: float
    shape: tuple[int, ...]


class UpperPart(nn.Module):
    """The part of a backbone above a split layer: activations in, features out.

    Attributes:
        network: The modules above the layer, under their names in the backbone's model.
    """

    def __init__(self, network: fx.GraphModule) -> None:
        super().__init__()
        self.network = network

    def forward(self, activations: Tensor) -> Tensor:
        """Return features [n, n_features] of activations [n, *shape]."""
        return pool_features(self.network(activations))


def nesting(name: str) -> int:
    """Count the modules around a module."""
    return name.count(".")


class _Tracer(fx.Tracer):
    """A tracer that remembers which node is the output of which module."""

    def __init__(self) -> None:
        # timm takes a while to import, and knows which of its modules cannot be traced.
        from timm.models import _features_fx

        super().__init__(
            autowrap_functions=tuple(_features_fx.get_notrace_functions())  # type: ignore[no-untyped-call]
        )
        self._leaves = tuple(_features_fx.get_notrace_modules())  # type: ignore[no-untyped-call]
        self.outputs: dict[str, fx.Node] = {}

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Tell whether a module stays one operation."""
        return isinstance(m, self._leaves) or super().is_leaf_module(m, module_qualified_name)

    def call_module(self, m: nn.Module, forward: Any, args: Any, kwargs: Any) -> Any:
        """Trace a module, and remember its output."""
        output = super().call_module(m, forward, args, kwargs)
        if isinstance(output, fx.Proxy):
            self.outputs[self.path_of_module(m)] = output.node
        return output


class Trace:
    """The graph of a backbone's model.

    Args:
        backbone: Stays as it is; the parts use its modules.

    Raises:
        ConfigError: The model cannot be traced.
    """

    def __init__(self, backbone: Backbone) -> None:
        self.backbone = backbone
        self.network = backbone.network
        tracer = _Tracer()
        try:
            # In inference mode dropout is off, and batch norm reads its statistics.
            with evaluating(self.network):
                self.graph = tracer.trace(self.network, concrete_args=_defaults(self.network))
        except (fx.proxy.TraceError, TypeError, ValueError, RuntimeError, AttributeError, NameError) as error:
            reason = str(error).strip().partition("\n")[0]
            raise ConfigError(
                f"{backbone.name} cannot be partially fine-tuned, because it cannot be traced ({reason}); "
                "use --tune head or --tune full"
            ) from error
        self.outputs = tracer.outputs

    def split_layers(self) -> Iterator[SplitLayer]:
        """Yield all split layers, in the order of the graph."""
        candidates = set(self._split_nodes())
        names: dict[fx.Node, str] = {}
        for name, node in self.outputs.items():
            # A stage ends where its last block ends, and where the last layer of that ends.
            if node in candidates and (node not in names or nesting(name) < nesting(names[node])):
                names[node] = name
        meter = self._measure()
        total = sum(meter.flops.values())
        done = 0
        for node in self.graph.nodes:
            done += meter.flops.get(node, 0)
            shape = meter.shapes.get(node, ())
            if node in names and len(shape) > 1:
                share = 1 - done / total if total else 0.0
                yield SplitLayer(name=names[node], share_above=share, shape=shape[1:])

    def split(self, name: str) -> tuple[fx.GraphModule, UpperPart]:
        """Return the models below and above a split layer."""
        split = self.outputs[name]
        output = next(node for node in self.graph.nodes if node.op == "output")
        below = self._part(ends_at=split)
        above = self._part(ends_at=output.all_input_nodes[0], starts_at=split)
        return fx.GraphModule(self.network, below), UpperPart(fx.GraphModule(self.network, above))

    def _part(self, *, ends_at: fx.Node, starts_at: fx.Node | None = None) -> fx.Graph:
        """Copy the nodes that one is computed from; the output of another becomes the input."""
        part, copies = fx.Graph(), dict[fx.Node, fx.Node]()
        if starts_at is not None:
            copies[starts_at] = part.placeholder("activations")
        needed, waiting = set[fx.Node](), [ends_at]
        while waiting:
            node = waiting.pop()
            if node not in needed and node not in copies:
                needed.add(node)
                waiting.extend(node.all_input_nodes)
        for node in self.graph.nodes:
            if node in needed:
                copies[node] = part.node_copy(node, copies.__getitem__)
        part.output(copies[ends_at])
        return part

    def _split_nodes(self) -> list[fx.Node]:
        """Return the nodes whose output is all that later nodes read."""
        constants, last_reader = self._constants(), dict[fx.Node, int]()
        nodes = list(self.graph.nodes)
        for position, node in enumerate(nodes):
            last_reader.update(dict.fromkeys(node.all_input_nodes, position))
        found, needed = [], set[fx.Node]()
        for position, node in enumerate(nodes[:-1]):
            if node not in constants:
                needed.add(node)
                needed = {earlier for earlier in needed if last_reader.get(earlier, -1) > position}
                if needed == {node} and node.op != "placeholder":
                    found.append(node)
        return found

    def _constants(self) -> set[fx.Node]:
        """Return the nodes that do not depend on the photos: weights, and what is computed from them."""
        constants: set[fx.Node] = set()
        for position, node in enumerate(self.graph.nodes):
            reads_photos = position == 0 or any(source not in constants for source in node.all_input_nodes)
            if node.op != "output" and not reads_photos:
                constants.add(node)
        return constants

    @torch.inference_mode()
    def _measure(self) -> "_Meter":
        meter = _Meter(fx.GraphModule(self.network, self.graph))
        side = self.backbone.preprocessing.side_px
        weight = next(self.network.parameters())
        with evaluating(self.network), _without_gradients(self.network):
            meter.run(torch.zeros(1, 3, side, side, device=weight.device, dtype=weight.dtype))
        return meter


@contextmanager
def _without_gradients(network: nn.Module) -> Iterator[None]:
    """Turn off gradients: the counter fails where a weight is passed on (as in SigLIP)."""
    trainable = [weight for weight in network.parameters() if weight.requires_grad]
    for weight in trainable:
        weight.requires_grad_(False)
    try:
        yield
    finally:
        for weight in trainable:
            weight.requires_grad_(True)


class _Meter(fx.Interpreter):
    """An interpreter that runs a graph once and counts operations and shapes."""

    def __init__(self, module: fx.GraphModule) -> None:
        super().__init__(module)
        self.flops: dict[fx.Node, int] = {}
        self.shapes: dict[fx.Node, tuple[int, ...]] = {}

    def run_node(self, n: fx.Node) -> Any:
        """Run one node."""
        with FlopCounterMode(display=False) as counter:
            result = super().run_node(n)
        self.flops[n] = counter.get_total_flops()
        if isinstance(result, Tensor):
            self.shapes[n] = tuple(result.shape)
        return result


def _defaults(network: nn.Module) -> dict[str, Any] | None:
    """Return the defaults of all arguments but the photos."""
    arguments = list(inspect.signature(network.forward).parameters.values())[1:]
    return {
        argument.name: argument.default
        for argument in arguments
        if argument.default is not inspect.Parameter.empty
    } or None


@dataclass(frozen=True, eq=False, kw_only=True)
class SplitBackbone:
    """The two parts of a backbone; they share its weights, in modules of the same names.

    Attributes:
        below: Normalised photos [n, 3, side_px, side_px] in, activations [n, *layer.shape] out.
        above: Activations in, features [n, n_features] out.
        layer: The split layer.
    """

    below: fx.GraphModule
    above: UpperPart
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


def find_split_layer(backbone: Backbone, name: str | None = None) -> SplitLayer:
    """Return the layer that ``split_backbone`` would use; arguments and errors are the same."""
    return _find_split_layer(Trace(backbone), name)


def split_backbone(backbone: Backbone, name: str | None = None) -> SplitBackbone:
    """Split a backbone in two.

    Args:
        backbone: Stays as it is; the parts use its modules.
        name: Path of the module to split behind, e.g. ``"layer3"``. Not given: ``choose_split_layer``.

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
    trace = Trace(backbone)
    found = _find_split_layer(trace, name)
    below, above = trace.split(found.name)
    weight = next(backbone.network.parameters())
    example = torch.randn(2, *found.shape, generator=torch.Generator().manual_seed(0)).to(weight)
    above = UpperPart(lighten(above.network, example))
    return SplitBackbone(below=below, above=above, layer=found)


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
    """Return the layers behind which a backbone can be split, from photo to features.

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
