"""Choose where and in which numbers to compute.

In:  the user's wish, "auto" or a name.
Out: an accelerate ``Accelerator`` and the number type of the forward pass.
"""

import platform
from collections.abc import Mapping

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState

from manylabel.config import DeviceName, PrecisionName
from manylabel.errors import ConfigError


def open_accelerator(device: DeviceName) -> Accelerator:
    """Open the device to compute on: CUDA, MPS or the CPU.

    Precision is not left to accelerate: its choice holds for a whole process and could not differ between
    two fits.

    Args:
        device: "auto" takes the best that is there.

    Raises:
        ConfigError: The wanted device is not there.
    """
    # accelerate keeps the first choice of a process for good: another one would be refused or not heard.
    AcceleratorState._reset_state(reset_partial_state=True)
    accelerator = Accelerator(cpu=device == "cpu", mixed_precision="no")
    if device not in ("auto", accelerator.device.type):
        raise ConfigError(
            f"training.device: '{device}' was asked for, this machine offers '{accelerator.device.type}'; "
            "'auto' takes what is there"
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
