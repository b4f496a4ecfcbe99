"""Run the two parts of a network: up to the activations that still have places, and from there on.

In:  the pixels of a photo; activations.
Out: logits, and where in the activations the places of the photo stand.
"""

from threading import Lock
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from manylabel.engines.base import average_views
from manylabel.engines.openvino import compile_model
from manylabel.engines.openvino_parts import ACTIVATIONS, FEATURES, LOGITS, keep_outputs, upper_part
from manylabel.patch_grid import PlaceGrid, find_grid
from manylabel.preprocess import PixelArray
from manylabel.types import FloatArray

if TYPE_CHECKING:
    import openvino

ActivationArray = NDArray[np.float32]


class Locator(Protocol):
    """Give the activations of a photo, and the logits of other activations; one class per engine."""

    @property
    def grid(self) -> PlaceGrid:
        """Say where the places are."""

    def lower(self, pixels: PixelArray) -> tuple[ActivationArray, FloatArray]:
        """Look at pixels [n, side_px, side_px, 3]: activations [n, *shape], features [n, n_features]."""

    def upper(self, activations: ActivationArray) -> FloatArray:
        """Return logits [n, n_labels] of activations [n, *shape]."""


class OpenVinoLocator:
    """Run both parts through OpenVINO, in 32-bit floats: what one place changes is little.

    Args:
        model: Of pixels, with outputs "logits", "features" and "activations".
        upper: Its part from activations to logits.
        grid: Where the places stand in these.
    """

    def __init__(self, model: "openvino.Model", *, upper: "openvino.Model", grid: PlaceGrid) -> None:
        """Compile both parts."""
        self._grid = grid
        lower = keep_outputs(model, ACTIVATIONS, FEATURES)
        # Once and here: making a request while another thread begins one can lock OpenVINO for ever.
        self._lower, self._upper = (
            compile_model(part, precision="fp32", hint="LATENCY").create_infer_request()
            for part in (lower, upper)
        )
        self._busy = Lock()

    @property
    def grid(self) -> PlaceGrid:
        """Say where the places are."""
        return self._grid

    def lower(self, pixels: PixelArray) -> tuple[ActivationArray, FloatArray]:
        """Return activations and features; as in ``Locator``."""
        with self._busy:
            found = self._lower.infer({0: pixels})
            return np.array(found[0], dtype=np.float32), np.array(found[1], dtype=np.float64)

    def upper(self, activations: ActivationArray) -> FloatArray:
        """Return logits; as in ``Locator``."""
        with self._busy:
            return np.array(self._upper.infer({0: activations})[0], dtype=np.float64)


def take_apart(model: "openvino.Model") -> OpenVinoLocator | None:
    """Open both parts of a model of pixels; None where it cannot be taken apart or keeps no places."""
    upper = upper_part(model)
    if upper is None:
        return None
    grid = find_grid([axis.get_length() for axis in list(upper.inputs[0].get_partial_shape())[1:]])
    return None if grid is None else OpenVinoLocator(model, upper=upper, grid=grid)


def parts_difference(model: "openvino.Model", pixels: PixelArray) -> float | None:
    """Return how far probabilities of both parts together lie from those of the whole model.

    Args:
        model: Of pixels.
        pixels: What to compare on [n, side_px, side_px, 3].

    Returns:
        The largest difference; None where the model cannot be taken apart.
    """
    locator = take_apart(model)
    if locator is None:
        return None
    whole = compile_model(keep_outputs(model, LOGITS), precision="fp32", hint="LATENCY")
    expected = np.array(whole.create_infer_request().infer({0: pixels})[0], dtype=np.float64)
    found = locator.upper(locator.lower(pixels)[0])
    return float(np.abs(average_views(found, n_views=1) - average_views(expected, n_views=1)).max())
