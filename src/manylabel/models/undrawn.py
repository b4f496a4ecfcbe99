"""Build networks without drawing weights that are loaded right afterwards.

In:  a block that builds a network.
Out: the same network, NaN where random weights would be. Drawing those of VGG16 takes longer than loading it.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from manylabel.models.outline import RANDOM_FILLERS, filled_tensor


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
        if func not in RANDOM_FILLERS:
            return func(*args, **kwargs)
        with torch.no_grad():
            return filled_tensor(args, kwargs).fill_(float("nan"))


def find_undrawn(network: nn.Module) -> str | None:
    """Return the name of the first weight that was neither drawn nor loaded; None where there is none."""
    state = network.state_dict().items()
    return next((name for name, tensor in state if tensor.isnan().any()), None)
