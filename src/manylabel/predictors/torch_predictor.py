"""Predict with torch.

In:  a classifier, or a bundle on disk; upright RGB photos.
Out: probabilities [n_photos, n_labels].
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from manylabel.bundle import WEIGHTS_FILE, read_bundle
from manylabel.config import DeviceName, PrecisionName
from manylabel.errors import BundleError
from manylabel.models.backbones import build_backbone, seeded
from manylabel.models.classifier import Classifier
from manylabel.models.heads import build_head
from manylabel.predictors.device import choose_device, choose_precision
from manylabel.preprocess import resize_views
from manylabel.types import FloatArray, Thresholds

_BATCH_SIZE = 32


def autocast(device: torch.device, precision: torch.dtype) -> AbstractContextManager[None]:
    """Let torch choose ``precision`` for the operations that bear it; float32 changes nothing."""
    return torch.autocast(device.type, precision, enabled=precision != torch.float32)


class TorchPredictor:
    """Turn photos into scores through torch.

    Args:
        classifier: The network; used where it lies, in inference mode.
        thresholds: Thresholds that came with it.
        precision: Number type of the forward pass.
    """

    def __init__(self, classifier: Classifier, *, thresholds: Thresholds, precision: torch.dtype) -> None:
        """Switch the classifier to inference."""
        self._classifier = classifier.eval()
        self._thresholds = thresholds
        self._precision = precision

    @property
    def labels(self) -> tuple[str, ...]:
        """Name the labels, in the order of the columns."""
        return self._classifier.labels

    @property
    def thresholds(self) -> Thresholds:
        """Return the thresholds that came with the model."""
        return self._thresholds

    @property
    def side_px(self) -> int:
        """Return the side of the square picture that the network sees."""
        return self._classifier.preprocessing.side_px

    def predict_proba(self, photos: Sequence[Image.Image]) -> FloatArray:
        """Return probabilities [n_photos, n_labels] for upright RGB photos of any size."""
        preprocessing = self._classifier.preprocessing
        scores = np.empty((len(photos), len(self.labels)))
        for start in range(0, len(photos), _BATCH_SIZE):
            views = [resize_views(photo, preprocessing) for photo in photos[start : start + _BATCH_SIZE]]
            pixels = torch.from_numpy(np.concatenate(views))  # [batch * n_views, side_px, side_px, 3]
            logits = predict_pixels(self._classifier, pixels, precision=self._precision)
            logits = logits.reshape(-1, preprocessing.n_views, len(self.labels)).mean(
                dim=1
            )  # [batch, n_labels]
            scores[start : start + len(views)] = logits.sigmoid()
        return scores


@torch.inference_mode()
def predict_pixels(classifier: Classifier, pixels: torch.Tensor, *, precision: torch.dtype) -> torch.Tensor:
    """Return logits [batch, n_labels] on the CPU.

    Args:
        classifier: In inference mode.
        pixels: [batch, side_px, side_px, 3], 0 to 255.
        precision: Number type of the forward pass.
    """
    device = next(classifier.parameters()).device
    with autocast(device, precision):
        logits: torch.Tensor = classifier(pixels.to(device))
    # Sigmoids in double precision keep the order of scores near 0 and 1, which average precision looks at.
    return logits.cpu().double()


def save_weights(classifier: Classifier, path: Path) -> None:
    """Write all weights of a classifier to a .safetensors file."""
    save_file({name: value.contiguous() for name, value in classifier.state_dict().items()}, path)


def load_predictor(
    folder: Path, *, device: DeviceName = "auto", precision: PrecisionName = "auto"
) -> TorchPredictor:
    """Read a bundle.

    Args:
        folder: The bundle.
        device: Where to compute.
        precision: Number type of the forward pass.

    Raises:
        BundleError: A file is missing, damaged or does not fit.
        ConfigError: The wanted device is not there.
    """
    bundle = read_bundle(folder)
    config = bundle.config
    backbone = build_backbone(config.backbone, side_px=config.preprocessing.side_px)
    backbone.preprocessing = config.preprocessing
    with seeded(0):
        head = build_head(
            config.head, backbone=config.backbone, n_features=backbone.n_features, n_labels=len(config.labels)
        )
    classifier = Classifier(backbone=backbone, head=head, labels=config.labels)
    try:
        classifier.load_state_dict(load_file(folder / WEIGHTS_FILE))
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1].strip()
        raise BundleError(f"{folder / WEIGHTS_FILE}: does not fit config.json: {reason}") from error
    where = choose_device(device)
    classifier.to(where).to(memory_format=torch.channels_last)
    return TorchPredictor(
        classifier, thresholds=bundle.thresholds, precision=choose_precision(precision, where)
    )
