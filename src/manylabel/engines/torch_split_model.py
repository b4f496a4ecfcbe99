"""Run the two parts of a network through torch.

In:  a network taken apart; pixels, or activations.
Out: activations, or logits.
"""

import numpy as np
import torch

from manylabel.engines.split_model import ActivationArray
from manylabel.models.split_model import LocatedClassifier
from manylabel.patch_grid import PlaceGrid
from manylabel.preprocess import PixelArray
from manylabel.types import FloatArray


class TorchLocator:
    """Run both parts where the network lies, in 32-bit floats.

    Args:
        located: The network; put into inference mode.
    """

    def __init__(self, located: LocatedClassifier) -> None:
        """Switch the network to inference."""
        self._located = located.eval()
        self._device = next(located.parameters()).device

    @property
    def grid(self) -> PlaceGrid:
        """Say where the places are."""
        return self._located.grid

    @torch.inference_mode()
    def lower(self, pixels: PixelArray) -> tuple[ActivationArray, FloatArray]:
        """Return activations and features; as in ``Locator``."""
        _, features, activations = self._located(torch.tensor(pixels, device=self._device))
        return activations.cpu().numpy(), np.asarray(features.cpu().double().numpy())

    @torch.inference_mode()
    def upper(self, activations: ActivationArray) -> FloatArray:
        """Return logits; as in ``Locator``."""
        logits = self._located.upper(torch.tensor(activations, device=self._device))
        return np.asarray(logits.cpu().double().numpy())
