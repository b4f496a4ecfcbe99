"""The upper part of a transformer gives the same features with less work.

In:  small transformers.
Out: failed tests where features or gradients change, or where tokens are computed that nobody reads.
"""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, fx, nn
from torch.nn import functional
from torchvision.models import VisionTransformer

from manylabel.models import attention
from manylabel.models.attention import attend, attend_packed, lighten
from manylabel.models.backbones import Backbone, build_backbone
from manylabel.models.graph import Trace
from manylabel.models.splitting import split_backbone
from manylabel.preprocess import Preprocessing

DIM, N_TOKENS = 16, 5


def draw(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape))).to(dtype)


def small_transformer() -> Backbone:
    """Return a transformer of torchvision with three blocks, for photos of 32 pixels."""
    torch.manual_seed(0)
    network = VisionTransformer(
        image_size=32, patch_size=16, num_layers=3, num_heads=2, hidden_dim=DIM, mlp_dim=32
    )
    network.heads = nn.Sequential()
    preprocessing = Preprocessing(side_px=32)
    return Backbone(network, name="small", n_features=DIM, preprocessing=preprocessing, removed=())


def upper_parts(backbone: Backbone, cut: str) -> tuple[fx.GraphModule, fx.GraphModule]:
    """Return what lies above a cut, as it was traced and lightened."""
    above = Trace(backbone).split(cut)[1].network.eval()
    shape = split_backbone(backbone, cut).layer.shape
    return above, lighten(above, draw(2, *shape))


def gradients(network: nn.Module, activations: Tensor) -> dict[str, Tensor]:
    network.zero_grad()
    network(activations).square().sum().backward()
    return {
        name: weight.grad.clone() for name, weight in network.named_parameters() if weight.grad is not None
    }


def timm_transformer() -> Backbone:
    torch.manual_seed(0)
    return build_backbone("timm/vit_tiny_patch16_224")


@pytest.mark.parametrize(
    ("build", "cut"),
    [(small_transformer, "encoder.layers.encoder_layer_0"), (timm_transformer, "blocks.9")],
)
def test_features_and_gradients_stay_the_same(build: Callable[[], Backbone], cut: str) -> None:
    whole, lighter = upper_parts(build(), cut)
    activations = draw(2, *split_backbone(build(), cut).layer.shape)
    expected = gradients(whole, activations)
    found = gradients(lighter, activations)

    assert lighter is not whole
    assert lighter.state_dict().keys() == whole.state_dict().keys()
    torch.testing.assert_close(lighter(activations), whole(activations))
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, msg=name, atol=1e-4, rtol=1e-3)


def test_behind_the_last_attention_only_the_class_token_is_computed() -> None:
    lighter = upper_parts(small_transformer(), "encoder.layers.encoder_layer_0")[1]
    seen = {}
    for block in (1, 2):
        name = f"encoder.layers.encoder_layer_{block}"
        lighter.get_submodule(f"{name}.mlp.0").register_forward_hook(
            lambda module, given, made, block=block: seen.update({block: given[0].shape[1]})
        )
    lighter(draw(2, N_TOKENS, DIM))
    assert seen == {1: N_TOKENS, 2: 1}


class Pooled(nn.Module):
    """Attend once, then read as ``read`` says."""

    def __init__(self, read: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.mix = nn.Linear(DIM, DIM)
        self.read = read

    def forward(self, tokens: Tensor) -> Tensor:
        heads = self.mix(tokens).unflatten(-1, (2, DIM // 2)).transpose(1, 2)
        attended = functional.scaled_dot_product_attention(heads, heads, heads)
        return self.read(tokens + attended.transpose(1, 2).reshape(-1, N_TOKENS, DIM))


@pytest.mark.parametrize(
    "read",
    [
        lambda tokens: tokens.mean(dim=1),
        lambda tokens: tokens[:, 0] + tokens[:, 1],
        lambda tokens: tokens[:, 1],
        lambda tokens: tokens[:, 0] + tokens.mean(dim=1),
    ],
)
def test_all_tokens_are_computed_where_more_than_the_first_is_read(read: Callable[[Tensor], Tensor]) -> None:
    network = fx.symbolic_trace(Pooled(read)).eval()
    tokens = draw(2, N_TOKENS, DIM)
    lighter = lighten(network, tokens)
    assert attend in {node.target for node in lighter.graph.nodes}
    assert not attention._FirstToken(lighter.graph, lighter).narrow()
    torch.testing.assert_close(lighter(tokens), network(tokens))


@pytest.mark.parametrize("wrong", [lambda q, k, v: q, lambda q, k, v: q[:, :1, :1], lambda q, k, v: q @ k])
def test_a_network_that_would_change_stays_as_it_is(
    wrong: Callable[[Tensor, Tensor, Tensor], Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    network = fx.symbolic_trace(Pooled(lambda tokens: tokens[:, 0])).eval()
    monkeypatch.setattr(attention, "attend", wrong)
    assert lighten(network, draw(2, N_TOKENS, DIM)) is network


def test_a_network_without_attention_stays_as_it_is() -> None:
    network = fx.symbolic_trace(nn.Sequential(nn.Linear(4, 4), nn.ReLU()))
    assert lighten(network, draw(2, 4)) is network


@pytest.mark.parametrize("is_cast", [False, True])
def test_attention_in_16_bits_is_near_that_in_32(is_cast: bool) -> None:
    exact = [draw(2, 3, n, 8).requires_grad_() for n in (4, 7, 7)]
    rounded = [
        tensor.detach().to(torch.float32 if is_cast else torch.bfloat16).requires_grad_() for tensor in exact
    ]
    expected = functional.scaled_dot_product_attention(exact[0], exact[1], exact[2])
    with torch.autocast("cpu", torch.bfloat16, enabled=is_cast):
        found = attend(*rounded)
    wanted = torch.autograd.grad(expected.square().sum(), exact)
    got = torch.autograd.grad(found.float().square().sum(), rounded)

    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.float(), expected, atol=0.03, rtol=0.03)
    for near, gradient in zip(got, wanted, strict=True):
        torch.testing.assert_close(near.float(), gradient, atol=0.1, rtol=0.05)


@pytest.mark.parametrize("most_scores", [1, 1 << 26])
def test_more_scores_than_memory_holds_are_left_to_torch(
    most_scores: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    heads = draw(2, 3, 4, 8, dtype=torch.bfloat16)
    monkeypatch.setattr(attention, "_MOST_SCORES", most_scores)
    expected = functional.scaled_dot_product_attention(heads, heads, heads)
    torch.testing.assert_close(attend(heads, heads, heads), expected, atol=0.02, rtol=0.02)


@pytest.mark.parametrize("has_bias", [False, True])
def test_a_module_of_attention_is_computed_from_its_weights(has_bias: bool) -> None:
    torch.manual_seed(0)
    module = nn.MultiheadAttention(DIM, 4, bias=has_bias, batch_first=True).eval()
    query, source = draw(2, 3, DIM), draw(2, N_TOKENS, DIM)
    expected = module(query, source, source, need_weights=False)[0]
    found = attend_packed(
        query,
        source,
        module.in_proj_weight,
        module.in_proj_bias,
        module.out_proj.weight,
        module.out_proj.bias,
        module.num_heads,
    )
    torch.testing.assert_close(found, expected)
