"""Cut a backbone in two: a part that stays as it is, and a part that learns.

In:  a backbone, and where to cut it; not given: below the last stage or stages.
Out: the part below the cut, photos in, activations out; the part above it, activations in, features out.

No network is named here. The network is traced to a graph of its operations (torch.fx), and a cut is possible
behind every module whose output is all that the rest of the graph reads.
"""

import inspect
import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.utils.flop_counter import FlopCounterMode

from manylabel.errors import ConfigError, did_you_mean
from manylabel.models.backbones import Backbone, pool_features
from manylabel.models.modes import evaluating

_AIM = 0.25
_SHARES = (0.08, 0.45)
_MUCH = 0.5
_NESTING_COST = 0.3
_SIZE_COST = 0.4


@dataclass(frozen=True, kw_only=True)
class Cut:
    """Describe a place where a backbone can be cut.

    Attributes:
        name: Path of the module behind which the cut lies, e.g. ``"layer3"``.
        share_above: Share of the backbone's multiplications that lie above it, in [0, 1].
        shape: Shape of what passes it for one photo.
    """

    name: str
    share_above: float
    shape: tuple[int, ...]


@dataclass(frozen=True, eq=False, kw_only=True)
class SplitBackbone:
    """Hold the two parts of a backbone; they share its weights, in modules of the same names.

    Attributes:
        below: Normalised photos [n, 3, side_px, side_px] in, activations [n, *cut.shape] out.
        above: Activations in, features [n, n_features] out.
        cut: Where it was cut.
    """

    below: fx.GraphModule
    above: "UpperPart"
    cut: Cut

    def caution(self) -> str | None:
        """Return what to say of a cut above which more learns than a few hundred photos can teach.

        Measured on 160 photos with MobileNetV2: behind ``features.7`` learning lost 3.4 mAP against the head
        alone, behind ``features.0`` 36.8, where the usual cut gained 1.6.
        """
        if self.cut.share_above <= _MUCH:
            return None
        return (
            f"training.cut: {self.cut.share_above:.0%} of the network's multiplications lie above "
            f"'{self.cut.name}', usually about {_AIM:.0%}; with few photos so much of it can end up worse "
            "than a head alone (--tune head): compare the two"
        )


class UpperPart(nn.Module):
    """Turn activations at a cut into features, as the whole backbone would.

    Attributes:
        network: The modules above the cut, under the names that they have in the backbone's network.
    """

    def __init__(self, network: fx.GraphModule) -> None:
        super().__init__()
        self.network = network

    def forward(self, activations: Tensor) -> Tensor:
        """Return features [n, n_features] of activations [n, *cut.shape]."""
        return pool_features(self.network(activations))


def split_backbone(backbone: Backbone, cut: str | None = None) -> SplitBackbone:
    """Cut a backbone in two.

    Args:
        backbone: Stays as it is; the parts use its modules.
        cut: Path of a module, e.g. ``"layer3"``; the cut lies behind it. Not given: ``choose_cut``.

    Raises:
        ConfigError: The network cannot be traced, or cannot be cut there.

    Examples:
        >>> from manylabel.models.backbones import build_backbone
        >>> parts = split_backbone(build_backbone("squeezenet1_1", side_px=64), "features.10")
        >>> parts.cut.shape
        (384, 3, 3)
        >>> activations = parts.below.eval()(torch.zeros(2, 3, 64, 64))  # [2, 384, 3, 3]
        >>> parts.above.eval()(activations).shape
        torch.Size([2, 512])
    """
    trace = _Trace(backbone)
    cuts = trace.cuts()
    if not cuts:
        raise ConfigError(f"{backbone.name} cannot be cut: no module passes all on; use tune=head or full")
    name = choose_cut(list(cuts.values())).name if cut is None else cut
    if name not in cuts:
        near = sorted(cuts.values(), key=lambda cut: (_nesting(cut.name), abs(cut.share_above - _AIM)))
        known = ", ".join(cut.name for cut in near[:8])
        hint = did_you_mean(name, list(cuts))
        raise ConfigError(
            f"training.cut: {backbone.name} cannot be cut behind '{name}'{hint or ';'} "
            f"possible, among others: {known}"
        )
    below, above = trace.split(name)
    return SplitBackbone(below=below, above=UpperPart(above), cut=cuts[name])


def list_cuts(backbone: Backbone) -> tuple[Cut, ...]:
    """List the places where a backbone can be cut, in the order in which a photo passes them.

    Raises:
        ConfigError: The network cannot be traced.
    """
    return tuple(_Trace(backbone).cuts().values())


def choose_cut(cuts: list[Cut]) -> Cut:
    """Choose the cut above which about a quarter of the multiplications lie.

    Of cuts that come near, whole stages are preferred to modules inside them, and small activations to large
    ones, because activations are kept on disk for many views of every photo.

    Args:
        cuts: All of a network, at least one.

    Examples:
        >>> choose_cut([Cut(name="layer2", share_above=0.46, shape=(512, 28, 28)),
        ...     Cut(name="layer3", share_above=0.2, shape=(1024, 14, 14)),
        ...     Cut(name="layer4.1", share_above=0.05, shape=(2048, 7, 7))]).name
        'layer3'
    """
    near = [cut for cut in cuts if _SHARES[0] <= cut.share_above <= _SHARES[1]] or cuts
    smallest = min(math.prod(cut.shape) for cut in near)

    def cost(cut: Cut) -> float:
        distance = abs(math.log(max(cut.share_above, 1e-6) / _AIM))
        size = math.log2(math.prod(cut.shape) / smallest)
        return distance + _SIZE_COST * size + _NESTING_COST * _nesting(cut.name)

    return min(near, key=cost)


def _nesting(name: str) -> int:
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


class _Trace:
    """Hold the graph of a network."""

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

    def cuts(self) -> dict[str, Cut]:
        """Return the possible cuts by name, in the order of the graph."""
        passages = set(self._passages())
        names: dict[fx.Node, str] = {}
        for name, node in self.outputs.items():
            # A stage ends where its last block ends, and where the last layer of that ends.
            if node in passages and (node not in names or _nesting(name) < _nesting(names[node])):
                names[node] = name
        meter = self._measure()
        total = sum(meter.flops.values())
        cuts, done = {}, 0
        for node in self.graph.nodes:
            done += meter.flops.get(node, 0)
            if node in names and len(meter.shapes.get(node, ())) > 1 and done < total:
                share = 1 - done / total
                cuts[names[node]] = Cut(name=names[node], share_above=share, shape=meter.shapes[node][1:])
        return cuts

    def split(self, name: str) -> tuple[fx.GraphModule, fx.GraphModule]:
        """Return the graphs below and above the output of a module."""
        place = self.outputs[name]
        output = next(node for node in self.graph.nodes if node.op == "output")
        below = self._part(ends_at=place)
        above = self._part(ends_at=output.all_input_nodes[0], starts_at=place)
        return fx.GraphModule(self.network, below), fx.GraphModule(self.network, above)

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
        with evaluating(self.network):
            meter.run(torch.zeros(1, 3, side, side, device=weight.device, dtype=weight.dtype))
        return meter


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
