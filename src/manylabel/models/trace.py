"""Trace a network to the graph of its operations (torch.fx).

In:  a backbone.
Out: the places through which everything passes, and the networks below and above each. No network is named
     here.
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
from manylabel.models.modes import evaluating


@dataclass(frozen=True, kw_only=True)
class Passage:
    """Describe the output of a module through which everything passes that comes later.

    Attributes:
        name: Path of the module, e.g. ``"layer3"``.
        share_above: Share of the backbone's multiplications that lie above it, in [0, 1].
        shape: Shape of what passes for one photo.
    """

    name: str
    share_above: float
    shape: tuple[int, ...]


class UpperPart(nn.Module):
    """Turn activations at a passage into features, as the whole backbone would.

    Attributes:
        network: The modules above the passage, under the names that they have in the backbone's network.
    """

    def __init__(self, network: fx.GraphModule) -> None:
        super().__init__()
        self.network = network

    def forward(self, activations: Tensor) -> Tensor:
        """Return features [n, n_features] of activations [n, *shape]."""
        return pool_features(self.network(activations))


def nesting(name: str) -> int:
    """Count the modules that hold a module."""
    return name.count(".")


class _Tracer(fx.Tracer):
    """Trace a network and remember which node is the output of which module."""

    def __init__(self) -> None:
        # timm takes a while to import, and knows which of its modules must not be looked into.
        from timm.models import _features_fx

        super().__init__(
            autowrap_functions=tuple(_features_fx.get_notrace_functions())  # type: ignore[no-untyped-call]
        )
        self._leaves = tuple(_features_fx.get_notrace_modules())  # type: ignore[no-untyped-call]
        self.outputs: dict[str, fx.Node] = {}

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Say whether a module stays one operation."""
        return isinstance(m, self._leaves) or super().is_leaf_module(m, module_qualified_name)

    def call_module(self, m: nn.Module, forward: Any, args: Any, kwargs: Any) -> Any:
        """Trace a module, and remember its output."""
        output = super().call_module(m, forward, args, kwargs)
        if isinstance(output, fx.Proxy):
            self.outputs[self.path_of_module(m)] = output.node
        return output


class Trace:
    """Hold the graph of a backbone's network.

    Args:
        backbone: Stays as it is; the parts use its modules.

    Raises:
        ConfigError: The network cannot be traced.
    """

    def __init__(self, backbone: Backbone) -> None:
        self.backbone = backbone
        self.network = backbone.network
        tracer = _Tracer()
        try:
            # In inference mode no layer is left out by chance, and batch norm reads its statistics.
            with evaluating(self.network):
                self.graph = tracer.trace(self.network, concrete_args=_defaults(self.network))
        except (fx.proxy.TraceError, TypeError, ValueError, RuntimeError, AttributeError, NameError) as error:
            reason = str(error).strip().partition("\n")[0]
            raise ConfigError(
                f"{backbone.name} cannot be cut in two ({reason}); use training.tune=head or full"
            ) from error
        self.outputs = tracer.outputs

    def passages(self) -> Iterator[Passage]:
        """Yield the outputs of modules through which everything passes, in the order of the graph."""
        passages = set(self._passages())
        names: dict[fx.Node, str] = {}
        for name, node in self.outputs.items():
            # A stage ends where its last block ends, and where the last layer of that ends.
            if node in passages and (node not in names or nesting(name) < nesting(names[node])):
                names[node] = name
        meter = self._measure()
        total = sum(meter.flops.values())
        done = 0
        for node in self.graph.nodes:
            done += meter.flops.get(node, 0)
            shape = meter.shapes.get(node, ())
            if node in names and len(shape) > 1:
                share = 1 - done / total if total else 0.0
                yield Passage(name=names[node], share_above=share, shape=shape[1:])

    def split(self, name: str) -> tuple[fx.GraphModule, UpperPart]:
        """Return the networks below and above the output of a module, which is a passage."""
        place = self.outputs[name]
        output = next(node for node in self.graph.nodes if node.op == "output")
        below = self._part(ends_at=place)
        above = self._part(ends_at=output.all_input_nodes[0], starts_at=place)
        return fx.GraphModule(self.network, below), UpperPart(fx.GraphModule(self.network, above))

    def _part(self, *, ends_at: fx.Node, starts_at: fx.Node | None = None) -> fx.Graph:
        """Copy the nodes that the output of one is computed from; another one's may be given from outside."""
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

    def _passages(self) -> list[fx.Node]:
        """Return the nodes through which everything passes that the rest of the graph reads."""
        constants, last_reader = self._constants(), dict[fx.Node, int]()
        nodes = list(self.graph.nodes)
        for place, node in enumerate(nodes):
            last_reader.update(dict.fromkeys(node.all_input_nodes, place))
        passages, needed = [], set[fx.Node]()
        for place, node in enumerate(nodes[:-1]):
            if node not in constants:
                needed.add(node)
                needed = {earlier for earlier in needed if last_reader.get(earlier, -1) > place}
                if needed == {node} and node.op != "placeholder":
                    passages.append(node)
        return passages

    def _constants(self) -> set[fx.Node]:
        """Return the nodes that do not depend on the photos: weights, and what is computed from them."""
        constants: set[fx.Node] = set()
        for place, node in enumerate(self.graph.nodes):
            reads_photos = place == 0 or any(source not in constants for source in node.all_input_nodes)
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
    """Let no weight ask for a gradient: the counter fails where a weight is passed on (as in SigLIP)."""
    learning = [weight for weight in network.parameters() if weight.requires_grad]
    for weight in learning:
        weight.requires_grad_(False)
    try:
        yield
    finally:
        for weight in learning:
            weight.requires_grad_(True)


class _Meter(fx.Interpreter):
    """Run a graph once, counting operations and looking at shapes."""

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
    """Return the defaults of further arguments: they are no photos."""
    arguments = list(inspect.signature(network.forward).parameters.values())[1:]
    return {
        argument.name: argument.default
        for argument in arguments
        if argument.default is not inspect.Parameter.empty
    } or None
