"""Run networks for inference, and leave them as they were.

In:  a network, a device, a number type.
Out: contexts for ``with``.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import torch
from torch import nn


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Keep a network in inference mode, then put it back into the mode that it was in."""
    was_training = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(was_training)


def autocast(device: torch.device, precision: torch.dtype) -> AbstractContextManager[None]:
    """Let torch choose ``precision`` for the operations that bear it; float32 changes nothing."""
    return torch.autocast(device.type, precision, enabled=precision != torch.float32)
