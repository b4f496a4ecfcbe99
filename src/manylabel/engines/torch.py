"""Predict with torch.

In:  a classifier, or a bundle on disk; upright RGB photos.
Out: probabilities [n_photos, n_labels].
"""

import errno
import re
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from manylabel.bundle.folder import CONFIG_FILE, WEIGHTS_FILE, Bundle, read_bundle
from manylabel.config import DeviceName, PrecisionName
from manylabel.constraints import LabelRules, parse_rules
from manylabel.engines.base import EnginePredictor, Finish
from manylabel.engines.memory_budget import Budget
from manylabel.errors import BundleError, ConfigError, WeightsError, visible
from manylabel.io.disk_space import check_room
from manylabel.models.backbones import build_backbone, seeded
from manylabel.models.classifier import Classifier
from manylabel.models.device import choose_device, choose_precision, infer
from manylabel.models.heads import build_head
from manylabel.models.weight_files import check_header
from manylabel.preprocess import PixelArray
from manylabel.types import Thresholds

_VIEWS_PER_BATCH = 32


class TorchPredictor(EnginePredictor):
    """Turn photos into scores through torch.

    Args:
        classifier: The network; used where it lies, in inference mode.
        thresholds: Thresholds that came with it.
        precision: Number type of the forward pass.
        rules: What decisions obey; not given: nothing.
    """

    def __init__(
        self,
        classifier: Classifier,
        *,
        thresholds: Thresholds,
        precision: torch.dtype,
        rules: LabelRules | None = None,
    ) -> None:
        """Switch the classifier to inference."""
        super().__init__(
            labels=classifier.labels,
            thresholds=thresholds,
            rules=parse_rules(labels=classifier.labels) if rules is None else rules,
            preprocessing=classifier.preprocessing,
            views_per_batch=_VIEWS_PER_BATCH,
        )
        self._classifier = classifier.eval()
        self._precision = precision

    @property
    def classifier(self) -> Classifier:
        """Return the network, in inference mode."""
        return self._classifier

    @property
    def side_px(self) -> int:
        """Return the side of the square picture that the network sees."""
        return self.preprocessing.side_px

    @property
    def engine(self) -> str:
        """Say what computes, and in which numbers."""
        return f"torch, {'bf16' if self._precision == torch.bfloat16 else 'fp32'}"

    def start(self, pixels: PixelArray) -> Finish:
        """Score the views of some photos; arguments and result as in ``PixelPredictor``."""
        logits = predict_pixels(self._classifier, torch.from_numpy(pixels), precision=self._precision)
        scores = self.to_scores(logits.numpy(), n_rows=len(pixels))
        return lambda: scores


@torch.inference_mode()
def predict_pixels(classifier: Classifier, pixels: torch.Tensor, *, precision: torch.dtype) -> torch.Tensor:
    """Return logits [batch, n_labels] on the CPU.

    Args:
        classifier: In inference mode.
        pixels: [batch, side_px, side_px, 3], 0 to 255.
        precision: Number type of the forward pass.
    """
    device = next(classifier.parameters()).device
    logits = infer(classifier, pixels, device=device, precision=precision)
    # Sigmoids in double precision keep the order of scores near 0 and 1, which average precision looks at.
    return logits.cpu().double()


def save_weights(classifier: Classifier, path: Path) -> None:
    """Write all weights of a classifier to a .safetensors file.

    Raises:
        OSError: There is no room for it, or it cannot be written.
    """
    tensors = {name: value.contiguous() for name, value in classifier.state_dict().items()}
    check_room(path.parent, sum(tensor.nbytes for tensor in tensors.values()))
    try:
        save_file(tensors, path)
    except SafetensorError as error:  # its word for a full disk, too
        number = re.search(r"os error (\d+)", str(error))
        raise OSError(int(number[1]) if number else errno.EIO, str(error)) from error


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
    return torch_predictor(read_bundle(folder), device=device, precision=precision)


def torch_predictor(
    bundle: Bundle, *, device: DeviceName = "auto", precision: PrecisionName = "auto"
) -> TorchPredictor:
    """Put the network of a bundle on a device; arguments and errors as for ``load_predictor``."""
    classifier = load_classifier(bundle)
    where = choose_device(device)
    classifier.to(where).to(memory_format=torch.channels_last)
    return TorchPredictor(
        classifier,
        thresholds=bundle.thresholds,
        precision=choose_precision(precision, where),
        rules=bundle.config.rules,
    )


def load_classifier(bundle: Bundle) -> Classifier:
    """Build the network of a bundle on the CPU, with its weights, in inference mode.

    Raises:
        BundleError: The weights do not fit.
    """
    weights = bundle.folder / WEIGHTS_FILE
    try:
        check_header(weights)
        classifier = _build_classifier(bundle, weights)
        classifier.load_state_dict(load_file(weights))
    except WeightsError as error:
        raise BundleError(str(error)) from error
    except (OSError, LookupError, RuntimeError, SafetensorError, TypeError, ValueError) as error:
        reason = str(error).strip().rpartition("\n")[2].strip()
        raise BundleError(f"{weights}: does not fit config.json: {visible(reason)}") from error
    return classifier.eval()


def _build_classifier(bundle: Bundle, weights: Path) -> Classifier:
    """Build the network of a bundle; its weights are undefined."""
    config = bundle.config
    try:
        with Budget(weights):
            backbone = build_backbone(config.backbone, side_px=config.preprocessing.side_px, seed=None)
            backbone.preprocessing = config.preprocessing
            n_features, n_labels = backbone.n_features, len(config.labels)
            with seeded(0):
                head = build_head(
                    config.head, backbone=config.backbone, n_features=n_features, n_labels=n_labels
                )
    except ConfigError as error:
        raise BundleError(f"{bundle.folder / CONFIG_FILE}: {error}") from error
    return Classifier(backbone=backbone, head=head, labels=config.labels)
