"""Convert models from torch to OpenVINO.

In:  a model of pixels, or the bundle of one.
Out: a model that computes the same in 32-bit floats; for a bundle it has been compared with torch, and also
     gives the features and activations behind the logits where these have a patch grid.
"""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn
from torch.jit._trace import TracerWarning

from manylabel.bundle.folder import Bundle
from manylabel.engines.base import relative_error
from manylabel.engines.openvino import infer_once, parts_difference
from manylabel.engines.openvino_models import ACTIVATIONS, FEATURES, LOGITS, import_openvino, keep_outputs
from manylabel.engines.torch import load_classifier, predict_pixels
from manylabel.errors import EngineError
from manylabel.models.classifier import Classifier
from manylabel.models.split_model import locate
from manylabel.preprocess import PixelArray

if TYPE_CHECKING:
    import openvino

MAX_DIFFERENCE = 1e-3
"""Largest difference of the logits, relative to their size. Sums in another order give about 1e-6, wrong
layers far more than this."""

_MAX_PARTS_DIFFERENCE = 1e-3
"""Largest difference of probabilities between the two parts of a model and the whole."""

_N_CHECKED = 3


def pixels_to_openvino(
    module: nn.Module, *, side_px: int, outputs: Sequence[str] = ("values",)
) -> "openvino.Model":
    """Convert a model of pixels, for any number of photos.

    Args:
        module: Takes pixels [n, side_px, side_px, 3], uint8, and gives one tensor or several; it is put into
            inference mode and must lie on the CPU, its weights in 32-bit floats.
        side_px: Side of the photos.
        outputs: Names of its outputs.

    Raises:
        ModuleNotFoundError: OpenVINO is not installed.
        RuntimeError: The model cannot be traced, or uses what OpenVINO does not know.
    """
    openvino = import_openvino()
    # Of one photo, a model may be traced that can only take one.
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
    """Ignore warnings that tracing is old, and that sizes become constants, which is intended."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r".*torch\.jit\.\w+` is deprecated", FutureWarning)
        warnings.filterwarnings("ignore", r".*torch\.jit\.\w+` is deprecated", DeprecationWarning)
        warnings.simplefilter("ignore", TracerWarning)
        yield


def convert_bundle(bundle: Bundle, *, classifier: Classifier | None = None) -> "openvino.Model":
    """Convert the model of a bundle and compare both on a few photos of noise.

    Args:
        bundle: The bundle.
        classifier: Its model, on the CPU. Not given: it is loaded.

    Raises:
        BundleError: The weights do not fit.
        EngineError: OpenVINO cannot compute this model as torch does.
        ModuleNotFoundError: OpenVINO is not installed.
    """
    classifier = load_classifier(bundle) if classifier is None else classifier
    split = locate(classifier)
    network, outputs = (classifier, [LOGITS]) if split is None else (split, [LOGITS, FEATURES, ACTIVATIONS])
    side_px = classifier.preprocessing.side_px
    try:
        model = pixels_to_openvino(network, side_px=side_px, outputs=outputs)
        difference = logit_difference(model, classifier)
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[0]
        raise EngineError(f"{bundle.folder}: OpenVINO cannot take this model: {reason}") from error
    if not difference <= MAX_DIFFERENCE:  # also where it is NaN
        raise EngineError(
            f"{bundle.folder}: OpenVINO does not compute this model as torch does: logits differ by "
            f"{difference:.1e} of their size, at most {MAX_DIFFERENCE:.0e} is expected"
        )
    between = parts_difference(model, _noise(side_px))
    # Heat maps need both parts: where these do not add up to the whole, there are none.
    return model if between is not None and between <= _MAX_PARTS_DIFFERENCE else keep_outputs(model, LOGITS)


def logit_difference(model: "openvino.Model", classifier: Classifier) -> float:
    """Return the difference between the logits of both on photos of noise, relative to the size of torch's.

    Args:
        model: Made from the classifier, with an output "logits".
        classifier: On the CPU, in inference mode.
    """
    pixels = _noise(classifier.preprocessing.side_px)
    ours = infer_once(keep_outputs(model, LOGITS), pixels)
    theirs = predict_pixels(classifier, torch.from_numpy(pixels), precision=torch.float32).numpy()
    return relative_error(ours, theirs)


def _noise(side_px: int) -> PixelArray:
    shape = (_N_CHECKED, side_px, side_px, 3)
    return np.random.default_rng(0).integers(256, size=shape, dtype=np.uint8)
