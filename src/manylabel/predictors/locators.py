"""Run the two parts of a network: up to the activations that still have places, and from there on.

In:  the pixels of a photo; activations.
Out: logits, and where in the activations the places of the photo stand.
"""

from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from manylabel.places import PlaceGrid, find_grid
from manylabel.predictors.openvino_parts import ACTIVATIONS, keep_outputs, upper_part
from manylabel.predictors.openvino_predictor import compile_model
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

    def lower(self, pixels: PixelArray) -> ActivationArray:
        """Return activations [n, *shape] of pixels [n, side_px, side_px, 3]."""

    def upper(self, activations: ActivationArray) -> FloatArray:
        """Return logits [n, n_labels] of activations [n, *shape]."""


class OpenVinoLocator:
    """Run both parts through OpenVINO, in 32-bit floats: what one place changes is little.

    Args:
        model: Of pixels, with outputs "logits" and "activations".

    Raises:
        ValueError: It does not give activations with places.
    """

    def __init__(self, model: "openvino.Model") -> None:
        """Compile both parts."""
        upper = upper_part(model)
        if upper is None:
            raise ValueError("this model gives no activations")
        grid = find_grid([axis.get_length() for axis in list(upper.inputs[0].get_partial_shape())[1:]])
        if grid is None:
            raise ValueError("the activations of this model have no places")
        self.grid = grid
        self._lower = compile_model(keep_outputs(model, ACTIVATIONS), precision="fp32", aim="latency")
        self._upper = compile_model(upper, precision="fp32", aim="latency")

    def lower(self, pixels: PixelArray) -> ActivationArray:
        """Return activations; as in ``Locator``."""
        return np.array(self._lower.create_infer_request().infer({0: pixels})[0], dtype=np.float32)

    def upper(self, activations: ActivationArray) -> FloatArray:
        """Return logits; as in ``Locator``."""
        return np.array(self._upper.create_infer_request().infer({0: activations})[0], dtype=np.float64)
