"""Build a network that a file names without taking more memory than its weights explain.

In:  how many numbers may be allocated; a block that builds a network.
Out: the network, or an error before too much is allocated.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from manylabel.errors import BundleError

_ALLOCATING: tuple[Callable[..., Any], ...] = (torch.empty, torch.zeros, torch.ones, torch.rand, torch.randn)
_FREE_NUMBERS = 2**27
_LEAST_BYTES_PER_NUMBER = 2


class Budget(TorchFunctionMode):
    """A limit on the numbers that are allocated inside ``with Budget(...):``.

    The largest networks have billions of parameters, and a bundle may name one of them, or millions of
    labels, beside a file of weights of a few bytes.

    Args:
        weights: The file; half a gigabyte more than its numbers is free.

    Examples:
        >>> with Budget(Path(__file__)):
        ...     layer = torch.nn.Linear(100_000, 100_000)
        Traceback (most recent call last):
        ...
        manylabel.errors.BundleError: ...budget.py: does not fit config.json: that describes a network ...
    """

    def __init__(self, weights: Path) -> None:
        """Begin with nothing allocated."""
        super().__init__()
        self._weights = weights
        self._n_left = weights.stat().st_size // _LEAST_BYTES_PER_NUMBER + _FREE_NUMBERS

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Count what is about to be allocated."""
        kwargs = {} if kwargs is None else kwargs
        if func in _ALLOCATING and kwargs.get("out") is None:
            form = {name: value for name, value in kwargs.items() if name != "generator"}
            self._n_left -= func(*args, **{**form, "device": "meta"}).numel()
            if self._n_left < 0:
                raise BundleError(
                    f"{self._weights}: does not fit config.json: that describes a network with far more "
                    "numbers than this file holds"
                )
        return func(*args, **kwargs)
