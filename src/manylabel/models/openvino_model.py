"""Turn a torch network into an OpenVINO model.

In:  a network, and a sample of its inputs.
Out: a model of the same inputs, for any number of photos, that computes the same in 32-bit floats.
"""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.jit._trace import TracerWarning

from manylabel.quiet_imports import import_openvino

if TYPE_CHECKING:
    import openvino


def to_openvino(module: nn.Module, *, sample: Sequence[NDArray[Any]]) -> "openvino.Model":
    """Convert a network.

    Args:
        module: Takes the arrays of ``sample`` as tensors and gives one tensor; it is put into inference mode
            and must lie on the CPU, its weights in 32-bit floats.
        sample: Inputs of two photos or more, photos first in each: of one, a network may be traced that can
            only take one. All sizes but the number of photos stay fixed.

    Raises:
        ModuleNotFoundError: OpenVINO is not installed.
        RuntimeError: The network cannot be traced, or uses what OpenVINO does not know.
    """
    openvino = import_openvino()
    example = tuple(torch.from_numpy(array) for array in sample)
    inputs = [([-1, *array.shape[1:]], openvino.Type(array.dtype)) for array in sample]
    with _quiet_tracing(), torch.no_grad():
        # Not torch.export: it takes several times as long (ViT-B: 24 s against 4 s) for the same model.
        traced = torch.jit.trace(module.eval(), example, check_trace=False)  # type: ignore[no-untyped-call]
        return openvino.convert_model(traced, example_input=example, input=inputs)


def pixels_to_openvino(module: nn.Module, *, side_px: int) -> "openvino.Model":
    """Convert a network of pixels [n, side_px, side_px, 3], uint8; errors as for ``to_openvino``."""
    return to_openvino(module, sample=[np.zeros((2, side_px, side_px, 3), dtype=np.uint8)])


@contextmanager
def _quiet_tracing() -> Iterator[None]:
    """Silence what tracing warns of: that it is old, and that sizes become constants, as they shall."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r".*torch\.jit\.\w+` is deprecated", FutureWarning)
        warnings.filterwarnings("ignore", r".*torch\.jit\.\w+` is deprecated", DeprecationWarning)
        warnings.simplefilter("ignore", TracerWarning)
        yield
