"""Run models with torch.

In:  a classifier, or a bundle on disk; upright RGB photos.
Out: probabilities [n_photos, n_labels]; both parts of a split model.
"""

import errno
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch.overrides import TorchFunctionMode

from manylabel.bundle.folder import CONFIG_FILE, WEIGHTS_FILE, Bundle
from manylabel.config import DeviceName, PrecisionName
from manylabel.constraints import LabelConstraints, parse_constraints
from manylabel.engines.base import EnginePredictor, Finish
from manylabel.engines.openvino import ActivationArray
from manylabel.errors import BundleError, ConfigError, WeightsError, visible
from manylabel.io.files import check_room
from manylabel.models.backbones import build_backbone, seeded
from manylabel.models.classifier import Classifier
from manylabel.models.device import choose_device, choose_precision, infer
from manylabel.models.heads import build_head_on
from manylabel.models.split_model import SplitClassifier
from manylabel.models.weight_files import check_header
from manylabel.patch_grid import PatchGrid
from manylabel.preprocess import PixelArray
from manylabel.types import FloatArray, Thresholds

_VIEWS_PER_BATCH = 32
_ALLOCATING: tuple[Callable[..., Any], ...] = (torch.empty, torch.zeros, torch.ones, torch.rand, torch.randn)
_FREE_NUMBERS = 2**27
_MIN_BYTES_PER_NUMBER = 2


class TorchPredictor(EnginePredictor):
    """A model that torch runs.

    Args:
        classifier: The model; used where it lies, in inference mode.
        thresholds: Thresholds that came with it.
        precision: Dtype of the forward pass.
        constraints: What decisions obey; not given: nothing.
    """

    def __init__(
        self,
        classifier: Classifier,
        *,
        thresholds: Thresholds,
        precision: torch.dtype,
        constraints: LabelConstraints | None = None,
    ) -> None:
        """Switch the classifier to inference."""
        super().__init__(
            labels=classifier.labels,
            thresholds=thresholds,
            constraints=parse_constraints(labels=classifier.labels) if constraints is None else constraints,
            preprocessing=classifier.preprocessing,
            views_per_batch=_VIEWS_PER_BATCH,
        )
        self.classifier = classifier.eval()
        self._precision = precision

    @property
    def side_px(self) -> int:
        """Return the side of the square picture that the model sees."""
        return self.preprocessing.side_px

    @property
    def engine(self) -> str:
        """Name the engine and its precision."""
        return f"torch, {'bf16' if self._precision == torch.bfloat16 else 'fp32'}"

    def start(self, pixels: PixelArray) -> Finish:
        """Score the views of some photos; arguments and result as in ``PixelPredictor``."""
        logits = predict_pixels(self.classifier, torch.from_numpy(pixels), precision=self._precision)
        scores = self.to_scores(logits.numpy(), n_rows=len(pixels))
        return lambda: scores


@torch.inference_mode()
def predict_pixels(classifier: Classifier, pixels: torch.Tensor, *, precision: torch.dtype) -> torch.Tensor:
    """Return logits [batch, n_labels] on the CPU.

    Args:
        classifier: In inference mode.
        pixels: [batch, side_px, side_px, 3], 0 to 255.
        precision: Dtype of the forward pass.
    """
    device = next(classifier.parameters()).device
    logits = infer(classifier, pixels, device=device, precision=precision)
    # Sigmoids in double precision keep the order of scores near 0 and 1, which average precision depends on.
    return logits.cpu().double()


class TorchSplitModel:
    """A split model that torch runs where it lies, in 32-bit floats.

    Args:
        network: The model in two parts; put into inference mode.
    """

    def __init__(self, network: SplitClassifier) -> None:
        """Switch the model to inference."""
        self._network = network.eval()
        self._device = next(network.parameters()).device

    @property
    def grid(self) -> PatchGrid:
        """Return the patch grid of the activations."""
        return self._network.grid

    @torch.inference_mode()
    def lower(self, pixels: PixelArray) -> tuple[ActivationArray, FloatArray]:
        """Return activations and features; as in ``SplitModel``."""
        _, features, activations = self._network(torch.tensor(pixels, device=self._device))
        return activations.cpu().numpy(), np.asarray(features.cpu().double().numpy())

    @torch.inference_mode()
    def upper(self, activations: ActivationArray) -> FloatArray:
        """Return logits; as in ``SplitModel``."""
        logits = self._network.upper(torch.tensor(activations, device=self._device))
        return np.asarray(logits.cpu().double().numpy())


def save_weights(classifier: Classifier, path: Path) -> None:
    """Write all weights of a classifier to a .safetensors file.

    Raises:
        OSError: There is no room for it, or it cannot be written.
    """
    tensors = {name: value.contiguous() for name, value in classifier.state_dict().items()}
    check_room(path.parent, sum(tensor.nbytes for tensor in tensors.values()))
    try:
        save_file(tensors, path)
    except SafetensorError as error:  # also where the disk is full
        number = re.search(r"os error (\d+)", str(error))
        raise OSError(int(number[1]) if number else errno.EIO, str(error)) from error


def torch_predictor(
    bundle: Bundle, *, device: DeviceName = "auto", precision: PrecisionName = "auto"
) -> TorchPredictor:
    """Load the model of a bundle onto a device.

    Args:
        bundle: The bundle.
        device: Where to compute.
        precision: Dtype of the forward pass.

    Raises:
        BundleError: The weights do not fit.
        ConfigError: The wanted device is not there.
    """
    classifier = load_classifier(bundle)
    where = choose_device(device)
    classifier.to(where).to(memory_format=torch.channels_last)
    return TorchPredictor(
        classifier,
        thresholds=bundle.thresholds,
        precision=choose_precision(precision, where),
        constraints=bundle.config.constraints,
    )


def load_classifier(bundle: Bundle) -> Classifier:
    """Load the model of a bundle on the CPU, in inference mode.

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
    """Build the model of a bundle; its weights are undefined."""
    config = bundle.config
    try:
        with Budget(weights):
            backbone = build_backbone(config.backbone, side_px=config.preprocessing.side_px, seed=None)
            backbone.preprocessing = config.preprocessing
            with seeded(0):
                head = build_head_on(backbone, config.head, n_labels=len(config.labels))
    except ConfigError as error:
        raise BundleError(f"{bundle.folder / CONFIG_FILE}: {error}") from error
    return Classifier(backbone=backbone, head=head, labels=config.labels)


class Budget(TorchFunctionMode):
    """A limit on the numbers that are allocated inside ``with Budget(...):``.

    The largest models have billions of parameters, and a bundle may name one of them, or millions of
    labels, beside a file of weights of a few bytes.

    Args:
        weights: The file; half a gigabyte more than its numbers is free.

    Examples:
        >>> with Budget(Path(__file__)):
        ...     layer = torch.nn.Linear(100_000, 100_000)
        Traceback (most recent call last):
        ...
        manylabel.errors.BundleError: ...torch.py: does not fit config.json: that describes a model ...
    """

    def __init__(self, weights: Path) -> None:
        """Start with nothing allocated."""
        super().__init__()
        self._weights = weights
        self._n_left = weights.stat().st_size // _MIN_BYTES_PER_NUMBER + _FREE_NUMBERS

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Count what is about to be allocated."""
        kwargs = {} if kwargs is None else kwargs
        if func in _ALLOCATING and kwargs.get("out") is None:
            options = {name: value for name, value in kwargs.items() if name != "generator"}
            self._n_left -= func(*args, **{**options, "device": "meta"}).numel()
            if self._n_left < 0:
                raise BundleError(
                    f"{self._weights}: does not fit config.json: that describes a model with far more "
                    "numbers than this file holds"
                )
        return func(*args, **kwargs)
