"""Skip unread tokens in the upper part of a transformer, and speed up attention on CPUs.

In:  the graph of a model that turns activations into features.
Out: the same graph, its numbers the same but for rounding.

A model that reads its class token alone needs no other token behind its last attention: keys and values of
all tokens, but one query and one row through the rest of the block.
"""

import operator

import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from manylabel.models.device import evaluating

_BY_TOKEN_MODULES = (nn.Dropout, nn.GELU, nn.Identity, nn.LayerNorm, nn.Linear, nn.ReLU, nn.SiLU)
_BY_TOKEN_FUNCTIONS = (
    functional.layer_norm,
    functional.gelu,
    operator.add,
    operator.mul,
    torch.add,
    torch.mul,
)
_TOKENS, _QUERIES = 1, 2
"""The axis of the tokens: in [n, n_tokens, dim], and in the queries [n, n_heads, n_tokens, dim_per_head]."""

# Scores of all heads of a batch beyond this many would need too much memory at once.
_MOST_SCORES = 1 << 26
_TOLERANCE = 1e-3


def lighten(network: fx.GraphModule, example: Tensor) -> fx.GraphModule:
    """Return a model that gives the same features and computes less.

    Args:
        network: Turns activations into features; stays as it is.
        example: Activations [n, ...] on which both are compared; where they differ, the model itself is
            returned.
    """
    graph = fx.Graph()
    output = graph.graph_copy(network.graph, {})
    graph.output(output)
    is_narrower = _FirstToken(graph, network).narrow()
    if not _replace_attention(graph, network) and not is_narrower:
        return network
    graph.lint()
    lighter = fx.GraphModule(network, graph)
    with torch.inference_mode(), evaluating(network), evaluating(lighter):
        expected = network(example)
        try:
            found = lighter(example)
        except (RuntimeError, IndexError, TypeError):
            return network
    if found.shape != expected.shape:
        return network
    is_same = bool((found - expected).abs().max() <= _TOLERANCE * expected.abs().max())
    return lighter if is_same else network


def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Compute scaled dot-product attention without a mask.

    On a CPU with bf16, torch's own takes three times as long as its three steps one by one, most of it in the
    backward pass.

    Args:
        query: [n, n_heads, n_queries, dim].
        key: [n, n_heads, n_keys, dim].
        value: [n, n_heads, n_keys, dim].

    Returns:
        [n, n_heads, n_queries, dim].
    """
    n_scores = query.shape[:-1].numel() * key.shape[-2]
    dtype = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else query.dtype
    if query.device.type != "cpu" or dtype != torch.bfloat16 or n_scores > _MOST_SCORES:
        return functional.scaled_dot_product_attention(query, key, value)
    # In 16 bits throughout: autocast would do the softmax in 32, and copy all scores twice.
    with torch.autocast("cpu", enabled=False):
        scores = (query.to(dtype) * query.shape[-1] ** -0.5) @ key.to(dtype).transpose(-2, -1)
        attended: Tensor = scores.softmax(dim=-1) @ value.to(dtype)
    return attended


def attend_packed(  # noqa: PLR0913 - what ``nn.MultiheadAttention`` holds
    query: Tensor,
    source: Tensor,
    in_weight: Tensor,
    in_bias: Tensor | None,
    out_weight: Tensor,
    out_bias: Tensor | None,
    n_heads: int,
) -> Tensor:
    """Compute what ``nn.MultiheadAttention`` gives for tokens that attend to others.

    Args:
        query: Tokens that attend [n, n_queries, dim].
        source: Tokens that they attend to [n, n_keys, dim].
        in_weight: [3 * dim, dim], for queries, keys and values.
        in_bias: [3 * dim], or None.
        out_weight: [dim, dim].
        out_bias: [dim], or None.
        n_heads: Heads.

    Returns:
        [n, n_queries, dim].
    """
    dim = query.shape[-1]
    query_bias, other_bias = (None, None) if in_bias is None else (in_bias[:dim], in_bias[dim:])
    queries = functional.linear(query, in_weight[:dim], query_bias)
    keys, values = functional.linear(source, in_weight[dim:], other_bias).chunk(2, dim=-1)
    by_head = [
        each.reshape(*each.shape[:2], n_heads, dim // n_heads).transpose(1, 2)
        for each in (queries, keys, values)
    ]
    attended = attend(*by_head).transpose(1, 2).flatten(start_dim=2)
    return functional.linear(attended, out_weight, out_bias)


class _FirstToken:
    """A graph that reads only the first token, narrowed to compute no other one where possible.

    Args:
        graph: Changed in place.
        network: Holds its modules.
    """

    def __init__(self, graph: fx.Graph, network: nn.Module) -> None:
        self.graph, self.network = graph, network
        self._reads = [node for node in graph.nodes if _is_first_token(node)]
        self._axes: dict[fx.Node, int] = {}  # axis of the tokens of each node that is narrowed to one

    def narrow(self) -> bool:
        """Skip what is not read; tell whether there was anything."""
        if len(self._reads) != 1:
            return False
        for node in reversed(self.graph.nodes):
            wanted = {self._axis_read(node, by=user) for user in node.users}
            axis = wanted.pop() if len(wanted) == 1 else None
            if axis is not None and self._keeps_tokens_apart(node):
                self._axes[node] = axis
        for node in self._axes:
            self._narrow_inputs(node)
        return bool(self._axes)

    def _axis_read(self, node: fx.Node, *, by: fx.Node) -> int | None:
        """Return the axis of a node along which another one reads only the first; None where it reads all."""
        if by in self._reads:
            return _TOKENS
        if by not in self._axes or (self._attends(by) and node in by.args[1:3]):
            return None
        return self._source_axis(by)

    def _source_axis(self, node: fx.Node) -> int:
        """Return the axis of the tokens in the inputs of a node; an attention reads queries."""
        if _is_attention(node):
            return _QUERIES
        axis = self._axes[node]
        return _TOKENS + _QUERIES - axis if _is_method(node, "transpose") else axis

    def _attends(self, node: fx.Node) -> bool:
        return _is_attention(node) or _packed_attention(node, self.network) is not None

    def _keeps_tokens_apart(self, node: fx.Node) -> bool:
        """Tell whether a node computes each token from the same token of its inputs, or of its queries."""
        if node.op == "call_module":
            is_by_token = isinstance(self.network.get_submodule(str(node.target)), _BY_TOKEN_MODULES)
            return is_by_token or self._attends(node)
        if node.target is operator.getitem:  # a module of attention gives a pair
            source, index = node.args
            if not isinstance(source, fx.Node) or not isinstance(index, int) or index != 0:
                return False
            return _packed_attention(source, self.network) is not None
        is_reshape = _is_method(node, "reshape") and len(node.args) == 4
        is_transpose = _is_method(node, "transpose") and node.args[1:] == (1, 2)
        return is_reshape or is_transpose or _is_attention(node) or node.target in _BY_TOKEN_FUNCTIONS

    def _narrow_inputs(self, node: fx.Node) -> None:
        """Narrow the inputs of a node that computes one token to what it reads."""
        if _is_method(node, "reshape"):
            node.args = (*node.args[:2], 1, node.args[3])
        elif self._attends(node):
            query, *others = node.args
            assert isinstance(query, fx.Node)
            node.args = (self._first(query, read_by=node), *others)
        else:
            for source in node.all_input_nodes:
                # A weight is the same for all tokens; where it is not, the comparison at the end tells.
                if source.op != "get_attr":
                    node.replace_input_with(source, self._first(source, read_by=node))

    def _first(self, source: fx.Node, *, read_by: fx.Node) -> fx.Node:
        """Return a node that holds the first token of another one."""
        if source in self._axes:
            return source
        first = (*[slice(None)] * self._source_axis(read_by), slice(0, 1))
        with self.graph.inserting_before(read_by):
            return self.graph.call_function(operator.getitem, (source, first))


def _is_first_token(node: fx.Node) -> bool:
    """Tell whether a node is ``tokens[:, 0]``."""
    return node.target is operator.getitem and node.args[1] == (slice(None), 0)


def _is_method(node: fx.Node, name: str) -> bool:
    return node.op == "call_method" and node.target == name


def _is_attention(node: fx.Node) -> bool:
    """Tell whether a node attends without a mask, a random or a causal one."""
    options = {"attn_mask": None, "dropout_p": 0.0, "is_causal": False}
    return (
        node.target is functional.scaled_dot_product_attention
        and len(node.args) == 3
        and all(name in options and options[name] == value for name, value in node.kwargs.items())
    )


def _packed_attention(node: fx.Node, network: nn.Module) -> nn.MultiheadAttention | None:
    """Return the module of a node that attends like ``attend_packed``; None where it does not."""
    if node.op != "call_module" or len(node.args) != 3 or node.args[1] is not node.args[2]:
        return None
    module = network.get_submodule(str(node.target))
    if not isinstance(module, nn.MultiheadAttention):
        return None
    is_plain = (
        module.batch_first
        and module.dropout == 0
        and module._qkv_same_embed_dim
        and module.bias_k is None
        and not module.add_zero_attn
        and node.kwargs == {"need_weights": False}
        and all(user.target is operator.getitem and user.args[1] == 0 for user in node.users)
    )
    return module if is_plain else None


def _replace_attention(graph: fx.Graph, network: nn.Module) -> bool:
    """Replace attention by ``attend``; tell whether there is any."""
    plain = [node for node in graph.nodes if _is_attention(node)]
    packed = [(node, _packed_attention(node, network)) for node in graph.nodes]
    for node in plain:
        node.target, node.kwargs = attend, {}
    for node, module in packed:
        if module is not None:
            _unpack(graph, node, module)
    return bool(plain) or any(module is not None for _, module in packed)


def _unpack(graph: fx.Graph, node: fx.Node, module: nn.MultiheadAttention) -> None:
    """Replace a module of attention by ``attend_packed`` on its weights."""
    has_bias = module.in_proj_bias is not None
    with graph.inserting_before(node):
        weights = [
            graph.get_attr(f"{node.target}.{name}") if has_bias or name.endswith("weight") else None
            for name in ("in_proj_weight", "in_proj_bias", "out_proj.weight", "out_proj.bias")
        ]
        attended = graph.call_function(attend_packed, (*node.args[:2], *weights, module.num_heads))
    for user in list(node.users):  # the attended tokens, first of a pair
        user.replace_all_uses_with(attended)
        graph.erase_node(user)
    graph.erase_node(node)
