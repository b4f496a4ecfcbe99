"""Torch models as OpenVINO models."""

import numpy as np
import pytest
import torch
from torch import nn

from manylabel.engines.conversion import pixels_to_openvino
from manylabel.engines.openvino_models import import_openvino
from manylabel.models.classifier import build_classifier

pytest.importorskip("openvino")


class Brightness(nn.Module):
    """Return the mean of each channel."""

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return [n, 3]."""
        return pixels.float().mean(dim=(1, 2))


def test_any_module_and_any_number_of_photos_can_be_converted() -> None:
    model = pixels_to_openvino(Brightness(), side_px=8)
    compiled = import_openvino().Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

    for n_photos in (1, 2, 5):
        pixels = np.full((n_photos, 8, 8, 3), 7, dtype=np.uint8)
        np.testing.assert_allclose(compiled(pixels)[0], np.full((n_photos, 3), 7.0))


@pytest.mark.parametrize("name", ["squeezenet1_1", "timm/vit_tiny_patch16_224"])
def test_a_classifier_gives_the_same_logits(name: str) -> None:
    classifier = build_classifier(name, labels=("sea", "sky"), head="mlp", side_px=64).eval()
    nn.init.normal_(classifier._output_layer.weight)
    pixels = np.random.default_rng(0).integers(256, size=(3, 64, 64, 3), dtype=np.uint8)

    model = pixels_to_openvino(classifier, side_px=64)

    compiled = import_openvino().Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    with torch.inference_mode():
        expected = classifier(torch.from_numpy(pixels)).numpy()
    np.testing.assert_allclose(compiled(pixels)[0], expected, atol=1e-4 * np.abs(expected).max())
