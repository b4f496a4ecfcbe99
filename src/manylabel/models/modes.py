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

    With CUDA the batch is filled up to one of few sizes, and what is made of the rest is cut off: cuDNN
    prepares every convolution anew for each number of photos, which takes a MobileNetV2 more than a second.

    Args:
        module: In inference mode, on the device; gives one tensor, photos first.
        inputs: One batch [batch, ...], anywhere.
        device: Where to compute.
        precision: Number type of the forward pass.
    """
    batch = inputs.to(device)
    if device.type == "cuda":
        n_more = few_sizes(len(batch)) - len(batch)
        batch = torch.cat([batch, batch[-1:].expand(n_more, *batch.shape[1:])]) if n_more else batch
    with autocast(device, precision):
        outputs: Tensor = module(batch)
    return outputs[: len(inputs)]


def few_sizes(n_rows: int) -> int:
    """Round a number of rows up to a power of two or, above 32, to a multiple of 32.

    Examples:
        >>> [few_sizes(n_rows) for n_rows in (0, 1, 3, 9, 32, 33, 160)]
        [0, 1, 4, 16, 32, 64, 160]
    """
    return -(-n_rows // 32) * 32 if n_rows > 32 else 2 ** (n_rows - 1).bit_length() if n_rows else 0
