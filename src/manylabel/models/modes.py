"""Run networks for inference, and leave them as they were.

In:  a network, a device, a number type; inputs.
Out: contexts for ``with``; outputs.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import torch
from torch import Tensor, nn


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


def infer(module: nn.Module, inputs: Tensor, *, device: torch.device, precision: torch.dtype) -> Tensor:
    """Return the outputs of a module for one batch [batch, ...], on the device.

    With CUDA the batch is filled up to a power of two, and what is made of the rest is cut off: cuDNN
    prepares every convolution anew for each number of photos, which takes a MobileNetV2 more than a second.

    Args:
        module: In inference mode, on the device; gives one tensor, photos first.
        inputs: One batch [batch, ...], anywhere.
        device: Where to compute.
        precision: Number type of the forward pass.
    """
    batch = inputs.to(device)
    with autocast(device, precision):
        outputs: Tensor = module(_fill_up(batch) if device.type == "cuda" else batch)
    return outputs[: len(inputs)]


def _fill_up(batch: Tensor) -> Tensor:
    """Repeat the last row until the number of rows is a power of two.

    Examples:
        >>> _fill_up(torch.tensor([[1], [2], [3]])).tolist()
        [[1], [2], [3], [3]]
    """
    n_more = 2 ** (len(batch) - 1).bit_length() - len(batch)
    return torch.cat([batch, batch[-1:].expand(n_more, *batch.shape[1:])]) if n_more else batch
