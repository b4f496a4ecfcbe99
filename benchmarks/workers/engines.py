"""Build the engines that are compared, all of them for the same network.

In:  a classifier of manylabel, uint8 photos [n, side_px, side_px, 3].
Out: calls that turn such photos into probabilities [n, n_labels].
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from manylabel.config import HeadName
from manylabel.engines.openvino_models import import_openvino
from manylabel.models.backbones import seeded
from manylabel.models.classifier import Classifier, build_classifier
from manylabel.models.device import autocast

Pixels = NDArray[np.uint8]
Engine = Callable[[Pixels], Any]

N_LABELS, SIDE_PX = 10, 224


class Probabilities(nn.Module):
    """Give probabilities in place of logits."""

    def __init__(self, classifier: Classifier) -> None:
        super().__init__()
        self.classifier = classifier

    def forward(self, pixels: Tensor) -> Tensor:
        """Return probabilities [n, n_labels] of pixels [n, side_px, side_px, 3]."""
        probabilities: Tensor = self.classifier(pixels).sigmoid()
        return probabilities


def build_network(name: str, *, head: HeadName) -> Probabilities:
    """Build a network with random weights: they cost the same time as trained ones."""
    with seeded(0):
        classifier: Classifier = build_classifier(
            name, labels=[f"label {n}" for n in range(N_LABELS)], head=head
        )
    return Probabilities(classifier).eval()


def random_pixels(n_photos: int) -> Pixels:
    """Draw pixels [n_photos, side_px, side_px, 3]."""
    shape = (n_photos, SIDE_PX, SIDE_PX, 3)
    return np.random.default_rng(0).integers(0, 256, size=shape, dtype=np.uint8)


def torch_engine(network: nn.Module, *, precision: torch.dtype) -> Engine:
    """Return eager torch in float32, or under autocast."""

    @torch.inference_mode()
    def run(pixels: Pixels) -> Tensor:
        with autocast(torch.device("cpu"), precision):
            probabilities: Tensor = network(torch.from_numpy(pixels))
        return probabilities

    return run


def to_openvino(network: nn.Module, *, batch_size: int) -> Any:
    """Convert a network to OpenVINO, for batches of one size."""
    openvino = import_openvino()

    model = openvino.convert_model(network, example_input=torch.from_numpy(random_pixels(batch_size)))
    model.reshape([batch_size, SIDE_PX, SIDE_PX, 3])
    return model


def openvino_engine(model: Any, *, hint: str) -> Any:
    """Compile a model for the hint "LATENCY" or "THROUGHPUT"."""
    openvino = import_openvino()

    return openvino.Core().compile_model(model, "CPU", {"PERFORMANCE_HINT": hint})
