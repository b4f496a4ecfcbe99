"""Predict with ONNX Runtime, without torch.

In:  an ONNX file of pixels [n, side_px, side_px, 3], uint8, that gives logits; upright RGB photos.
Out: probabilities [n_photos, n_labels].
"""

from pathlib import Path

import numpy as np

from manylabel.bundle.folder import BundleConfig
from manylabel.engines.base import EnginePredictor, Finish, check_shapes
from manylabel.engines.model_limits import check_model
from manylabel.engines.onnx_scan import scan_onnx
from manylabel.engines.openvino import read_model
from manylabel.engines.openvino_parts import LOGITS
from manylabel.errors import BundleError, EngineError, needs_extra
from manylabel.preprocess import PixelArray
from manylabel.quiet_imports import has_openvino
from manylabel.types import Thresholds

_VIEWS_PER_BATCH = 8


class OnnxPredictor(EnginePredictor):
    """Turn photos into scores through ONNX Runtime on the CPU, in 32-bit floats where the file has no others.

    Args:
        model: The file.
        config: What it was made from: the label names, one per logit, their rules, and how photos become
            pixels.
        thresholds: Thresholds that came with it.

    Raises:
        BundleError: ONNX Runtime cannot take the file, or it holds what no network of ours has.
        MissingExtraError: ONNX Runtime is not installed.
    """

    def __init__(self, model: Path, *, config: BundleConfig, thresholds: Thresholds) -> None:
        """Load the file."""
        with needs_extra("The engine 'onnxruntime'", "onnx"):
            import onnxruntime  # not at the top: an extra

        super().__init__(
            labels=config.labels,
            thresholds=thresholds,
            rules=config.rules,
            preprocessing=config.preprocessing,
            views_per_batch=_VIEWS_PER_BATCH,
        )
        self._model = model
        _check_file(model)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # errors
        try:
            self._session = onnxruntime.InferenceSession(
                str(model), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # ONNX Runtime's errors share no other base
            raise BundleError(f"{model}: ONNX Runtime cannot take it: {_reason(error)}") from error
        inputs = self._session.get_inputs()
        logits = [output for output in self._session.get_outputs() if output.name == LOGITS]
        if len(inputs) != 1 or len(logits) != 1:
            raise BundleError(f"{model}: expected one input and an output '{LOGITS}'")
        ends = [
            [axis if isinstance(axis, int) else -1 for axis in end.shape] for end in (inputs[0], logits[0])
        ]
        check_shapes(ends, config=config, source=model)
        self._input = inputs[0].name
        properties = self._session.get_modelmeta().custom_metadata_map
        self._is_quantised = properties.get("manylabel.numbers") == '"int8"'
        # What is not asked for is not computed either.
        self._run_options = onnxruntime.RunOptions()
        self._run_options.only_execute_path_to_fetches = True

    @property
    def engine(self) -> str:
        """Say what computes, and in which numbers."""
        return f"ONNX Runtime, {'int8' if self._is_quantised else 'fp32'}"

    def start(self, pixels: PixelArray) -> Finish:
        """Score the views of some photos; arguments and result as in ``PixelPredictor``."""
        try:
            (logits,) = self._session.run([LOGITS], {self._input: pixels}, self._run_options)
        except Exception as error:  # ONNX Runtime's errors share no other base
            raise EngineError(f"{self._model}: ONNX Runtime cannot compute it: {_reason(error)}") from error
        scores = self.to_scores(np.asarray(logits, dtype=np.float64), n_rows=len(pixels))
        return lambda: scores


def _check_file(model: Path) -> None:
    """Refuse what could harm, before ONNX Runtime begins to compute its constants.

    Where OpenVINO is not installed, nobody tells beforehand how much the operations compute together.
    """
    if has_openvino():
        check_model(read_model(model), source=model)
    else:
        scan_onnx(model)


def _reason(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
