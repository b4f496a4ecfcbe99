"""Build networks as outlines: every layer and shape, no weights.

In:  a block of code that builds networks.
Out: networks whose weights take no memory and no time, for counting parameters and features.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.overrides import TorchFunctionMode

from manylabel.models.modes import evaluating

RANDOM_FILLERS: tuple[Callable[..., Any], ...] = (
    torch.Tensor.normal_,
    torch.Tensor.uniform_,
    nn.init.normal_,
    nn.init.uniform_,
    nn.init.kaiming_normal_,
    nn.init.kaiming_uniform_,
)
"""What torch, torchvision and timm draw weights with. Those of ``nn.init`` hand themselves to the mode before
they call the ones above, and leave the mode while they do."""


class Outline(TorchFunctionMode):
    """Leave weights out of every network that is built inside ``with Outline():``.

    Plain ``with torch.device("meta"):`` does not do: some networks compute with small tensors while they
    are built, e.g. RegNet its widths. Here only memory meant to be filled later stays empty, and filling it
    with random numbers is skipped.

    Examples:
        >>> with Outline():
        ...     layer = nn.Linear(4096, 4096)
        >>> layer.weight.shape, layer.weight.is_meta
        (torch.Size([4096, 4096]), True)
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Turn ``torch.empty`` into a tensor without memory, and random fillers into nothing."""
        kwargs = {} if kwargs is None else kwargs
        if func is torch.empty and kwargs.get("device") is None:
            return func(*args, **{**kwargs, "device": "meta"})
        if func in RANDOM_FILLERS:
            filled = filled_tensor(args, kwargs)
            if filled.is_meta:
                return filled
        return func(*args, **kwargs)


def filled_tensor(args: Sequence[Any], kwargs: Mapping[str, Any]) -> Tensor:
    """Return what one of ``RANDOM_FILLERS`` was called to fill, by the arguments that a mode was given."""
    tensor: Tensor = args[0] if args else kwargs["tensor"]
    return tensor


@torch.no_grad()
def outline_output(network: nn.Module, shape: Sequence[int]) -> Tensor:
    """Run a network on no numbers at all, only to see whether they would fit through and what came out.

    Args:
        network: Stays as it is, on any device.
        shape: Shape of the input, e.g. ``(1, 3, 224, 224)``.

    Returns:
        A tensor with a shape and no values.

    Examples:
        >>> outline_output(nn.Conv2d(3, 8, 3), (1, 3, 32, 32)).shape
        torch.Size([1, 8, 30, 30])
    """
    state = {
        name: value.to("meta") for name, value in (*network.named_parameters(), *network.named_buffers())
    }
    with evaluating(network):
        output: Tensor = functional_call(network, state, (torch.empty(*shape, device="meta"),))
    return output
