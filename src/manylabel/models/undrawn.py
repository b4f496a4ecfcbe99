"""Build networks without drawing weights that are loaded right afterwards.

In:  a block that builds a network.
Out: the same network, its random weights left undefined. Drawing those of VGG16 takes longer than loading it.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor
from torch.nn import init
from torch.overrides import TorchFunctionMode

_DRAWING: tuple[Callable[..., Any], ...] = (
    *(Tensor.normal_, Tensor.uniform_, Tensor.erfinv_),  # the last makes truncated normal values
    *(init.normal_, init.uniform_, init.trunc_normal_, init.kaiming_normal_, init.kaiming_uniform_),
    *(init.xavier_normal_, init.xavier_uniform_),
)
"""What torch, torchvision and timm draw weights with."""


class Undrawn(TorchFunctionMode):
    """Leave out drawing inside ``with Undrawn():``, in this thread alone.

    Everything else is as it was: constants are written, buffers are computed.

    Examples:
        >>> import torch
        >>> with Undrawn():
        ...     torch.zeros(2).normal_()
        tensor([0., 0.])
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Return a tensor as it is instead of filling it with random values."""
        kwargs = {} if kwargs is None else kwargs
        if func in _DRAWING:
            return left_as_it_is(args[0] if args else kwargs["tensor"])
        return func(*args, **kwargs)


def left_as_it_is(tensor: Tensor) -> Tensor:
    """Return the tensor; tests put NaN into it, to see that all of it is loaded."""
    return tensor
