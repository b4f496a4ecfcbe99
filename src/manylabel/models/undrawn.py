"""Build networks without drawing weights that are loaded right afterwards.

In:  a block that builds a network.
Out: the same network, NaN where random weights would be. Drawing those of VGG16 takes longer than loading it.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import init
from torch.overrides import TorchFunctionMode

_DRAWING: tuple[Callable[..., Any], ...] = (
    *(Tensor.normal_, Tensor.uniform_),
    # These hand themselves to the mode before they call the ones above, and leave the mode while they do.
    *(init.normal_, init.uniform_, init.kaiming_uniform_),
)


class Undrawn(TorchFunctionMode):
    """Write NaN instead of random weights inside ``with Undrawn():``, in this thread alone.

    Everything else is as it was: constants are written, buffers are computed. NaN, because samplers that draw
    again until all values lie in a range end with it, and because a weight that nobody loads shows.

    Examples:
        >>> with Undrawn():
        ...     torch.zeros(2).normal_()
        tensor([nan, nan])
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Fill a tensor with NaN instead of random values."""
        kwargs = {} if kwargs is None else kwargs
        if func not in _DRAWING:
            return func(*args, **kwargs)
        tensor = args[0] if args else kwargs["tensor"]
        with torch.no_grad():
            return tensor.fill_(float("nan"))


def find_undrawn(network: nn.Module) -> str | None:
    """Return the name of the first weight that was neither drawn nor loaded; None where there is none."""
    state = network.state_dict().items()
    return next((name for name, tensor in state if tensor.isnan().any()), None)
