"""Trace a backbone to the graph of its operations (torch.fx).

In:  a backbone.
Out: its split layers; the part below one, photos in, activations out; the part above it, activations in,
     features out. No model is named here.

A split is possible behind every module whose output is all that the rest of the model reads.
"""

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.utils.flop_counter import FlopCounterMode

from manylabel.errors import ConfigError
from manylabel.models.backbones import Backbone, pool_features
from manylabel.models.device import evaluating


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
