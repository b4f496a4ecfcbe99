"""Choose device and precision, and run models there for inference.

In:  the device and precision of the settings, "auto" or a name; a model, inputs.
Out: an accelerate ``Accelerator``, the dtype of the forward pass; outputs.
"""

import platform
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import DistributedDataParallelKwargs
from torch import Tensor, nn

from manylabel.config import DeviceName, PrecisionName
from manylabel.errors import ConfigError
from manylabel.processes import count_processes


def open_accelerator(device: DeviceName) -> Accelerator:
    """Open the device to compute on: CUDA, MPS or the CPU.

    Precision is not left to accelerate: its choice holds for a whole process and could not differ between
    two fits.

    Args:
        device: "auto" takes the best that is there.

    Raises:
        ConfigError: The wanted device is not there.
    """
    # accelerate keeps the first choice of a process: another one would be refused or ignored.
    AcceleratorState._reset_state(reset_partial_state=True)
    is_cpu = device == "cpu" or (count_processes() > 1 and not torch.cuda.is_available())
    # With a static graph, some parameters, e.g. those of auxiliary heads, may take no part in the output.
    in_parallel = DistributedDataParallelKwargs(static_graph=True)
    accelerator = Accelerator(cpu=is_cpu, mixed_precision="no", kwargs_handlers=[in_parallel])
    if device not in ("auto", accelerator.device.type):
        raise ConfigError(
            f"training.device: '{device}' was asked for, this machine offers '{accelerator.device.type}'; "
            "'auto' uses what is available"
        )
    return accelerator


def choose_device(device: DeviceName) -> torch.device:
    """Return the device to compute on; arguments and errors as for ``open_accelerator``."""
    chosen: torch.device = open_accelerator(device).device
    return chosen


def choose_precision(wish: PrecisionName, device: torch.device) -> torch.dtype:
    """Choose the number type of the forward pass.

    Args:
        wish: "auto" takes bf16 where the device computes in it natively, which is where it is faster.
        device: Where to compute.

    Returns:
        ``torch.float32`` or ``torch.bfloat16``.
    """
    if wish == "fp32":
        return torch.float32
    if wish == "bf16" or _is_bf16_native(device):
        return torch.bfloat16
    return torch.float32


def _is_bf16_native(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type != "cpu" or platform.system() == "Windows":
        return False
    # Older torch cannot tell; float32 is right everywhere.
    capabilities: Mapping[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return any(capabilities.get(name, False) for name in ("amx_bf16", "avx512_bf16", "bf16"))


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Put a model into inference mode, then restore its mode."""
    was_training = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(was_training)


def autocast(device: torch.device, precision: torch.dtype) -> AbstractContextManager[None]:
    """Return a context in which torch may compute in ``precision``; float32 changes nothing."""
    return torch.autocast(device.type, precision, enabled=precision != torch.float32)


def infer(module: nn.Module, inputs: Tensor, *, device: torch.device, precision: torch.dtype) -> Tensor:
    """Return the outputs of a module for one batch [batch, ...], on the device.

    With CUDA the batch is filled up to one of few sizes, and the outputs of the rest are dropped: cuDNN
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
