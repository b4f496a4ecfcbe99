"""Turn a torch network into an OpenVINO model.

In:  a network of pixels.
Out: a model of pixels, for any number of photos, that computes the same in 32-bit floats.
"""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.jit._trace import TracerWarning

from manylabel.quiet_imports import import_openvino

if TYPE_CHECKING:
    import openvino


def pixels_to_openvino(
    module: nn.Module, *, side_px: int, outputs: Sequence[str] = ("values",)
) -> "openvino.Model":
    """Convert a network of pixels.

    Args:
        module: Takes pixels [n, side_px, side_px, 3], uint8, and gives one tensor or several; it is put into
            inference mode and must lie on the CPU, its weights in 32-bit floats.
        side_px: Side of the photos; only their number stays open.
        outputs: What to call what it gives.

    Raises:
        ModuleNotFoundError: OpenVINO is not installed.
        RuntimeError: The network cannot be traced, or uses what OpenVINO does not know.
    """
    openvino = import_openvino()
    # Of one photo, a network may be traced that can only take one.
    example = torch.zeros(2, side_px, side_px, 3, dtype=torch.uint8)
    with _quiet_tracing(), torch.no_grad():
        # Not torch.export: it takes several times as long (ViT-B: 24 s against 4 s) for the same model.
        traced = torch.jit.trace(module.eval(), example, check_trace=False)  # type: ignore[no-untyped-call]
        shape = [-1, side_px, side_px, 3]
        model = openvino.convert_model(traced, example_input=example, input=[(shape, openvino.Type.u8)])
    for output, name in zip(model.outputs, outputs, strict=True):
        output.get_tensor().set_names({name})
    return model


@contextmanager
def _quiet_tracing() -> Iterator[None]:
    """Silence what tracing warns of: that it is old, and that sizes become constants, as they shall."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r".*torch\.jit\.\w+` is deprecated", FutureWarning)
        warnings.filterwarnings("ignore", r".*torch\.jit\.\w+` is deprecated", DeprecationWarning)
        warnings.simplefilter("ignore", TracerWarning)
        yield
