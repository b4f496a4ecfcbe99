"""Convert the network of a bundle for OpenVINO.

In:  a bundle.
Out: a model that gives the same logits as torch does, and the features and activations behind them where
     these have places; or an error.
"""

from typing import TYPE_CHECKING

import numpy as np
import torch

from manylabel.bundle.folder import Bundle
from manylabel.engines.openvino import compile_model
from manylabel.engines.openvino_parts import ACTIVATIONS, FEATURES, LOGITS, keep_outputs
from manylabel.engines.split_model import parts_difference
from manylabel.engines.torch import load_classifier, predict_pixels
from manylabel.errors import EngineError
from manylabel.models.classifier import Classifier
from manylabel.models.frozen import relative_error
from manylabel.models.openvino_model import pixels_to_openvino
from manylabel.models.split_model import locate
from manylabel.preprocess import PixelArray

if TYPE_CHECKING:
    import openvino

MAX_DIFFERENCE = 1e-3
"""Largest difference of the logits, relative to their size. Sums in another order give about 1e-6, wrong
layers far more than this."""

_MAX_BETWEEN = 1e-3
"""Largest difference of probabilities between the two parts of a network and the whole."""

_N_CHECKED = 3


def convert_bundle(bundle: Bundle, *, classifier: Classifier | None = None) -> "openvino.Model":
    """Convert the network of a bundle and compare both on a few photos of noise.

    Args:
        bundle: The bundle.
        classifier: Its network, on the CPU. Not given: it is loaded.

    Raises:
        BundleError: The weights do not fit.
        EngineError: OpenVINO cannot compute this network as torch does.
        ModuleNotFoundError: OpenVINO is not installed.
    """
    classifier = load_classifier(bundle) if classifier is None else classifier
    located = locate(classifier)
    network, outputs = (
        (classifier, [LOGITS]) if located is None else (located, [LOGITS, FEATURES, ACTIVATIONS])
    )
    side_px = classifier.preprocessing.side_px
    try:
        model = pixels_to_openvino(network, side_px=side_px, outputs=outputs)
        difference = logit_difference(model, classifier)
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[0]
        raise EngineError(f"{bundle.folder}: OpenVINO cannot take this network: {reason}") from error
    if not difference <= MAX_DIFFERENCE:  # also where it is no number
        raise EngineError(
            f"{bundle.folder}: OpenVINO does not compute this network as torch does: logits differ by "
            f"{difference:.1e} of their size, at most {MAX_DIFFERENCE:.0e} is expected"
        )
    between = parts_difference(model, _noise(side_px))
    # Heat maps rest on the two parts: where these are not the whole, there are none.
    return model if between is not None and between <= _MAX_BETWEEN else keep_outputs(model, LOGITS)


def logit_difference(model: "openvino.Model", classifier: Classifier) -> float:
    """Return how far the logits of both lie apart on photos of noise, relative to the size of torch's.

    Args:
        model: Made from the classifier, with an output "logits".
        classifier: On the CPU, in inference mode.
    """
    side_px = classifier.preprocessing.side_px
    pixels = _noise(side_px)
    compiled = compile_model(keep_outputs(model, LOGITS), precision="fp32", hint="LATENCY")
    ours = np.array(compiled.create_infer_request().infer({0: pixels})[0], dtype=np.float64)
    theirs = predict_pixels(classifier, torch.from_numpy(pixels), precision=torch.float32).numpy()
    return relative_error(ours, theirs)


def _noise(side_px: int) -> PixelArray:
    shape = (_N_CHECKED, side_px, side_px, 3)
    return np.random.default_rng(0).integers(256, size=shape, dtype=np.uint8)
