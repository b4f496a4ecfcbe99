"""Run models with ONNX Runtime on the CPU, without torch.

In:  an ONNX file of pixels [n, side_px, side_px, 3], uint8, that gives logits; upright RGB photos.
Out: probabilities [n_photos, n_labels].
"""

from pathlib import Path

import numpy as np

from manylabel.bundle.folder import BundleConfig
from manylabel.engines.base import EnginePredictor, Finish, check_shapes
from manylabel.engines.onnx_scan import scan_onnx
from manylabel.engines.openvino_models import LOGITS, check_model, has_openvino, read_model
from manylabel.errors import BundleError, EngineError, needs_extra
from manylabel.preprocess import PixelArray
from manylabel.types import Thresholds

_VIEWS_PER_BATCH = 8


class OnnxPredictor(EnginePredictor):
    """A model that ONNX Runtime runs, in 32-bit floats unless the file is quantized.

    Args:
        model: The file.
        config: What it was made from: the label names, one per logit, their constraints, and how photos
            become pixels.
        thresholds: Thresholds that came with it.

    Raises:
        BundleError: ONNX Runtime cannot read the file, or it has operations that no model of manylabel has.
        MissingExtraError: ONNX Runtime is not installed.
    """

    def __init__(self, model: Path, *, config: BundleConfig, thresholds: Thresholds) -> None:
        """Load the file."""
        with needs_extra("The engine 'onnxruntime'", "onnx"):
            import onnxruntime  # not at the top: an extra

        super().__init__(
            labels=config.labels,
            thresholds=thresholds,
            constraints=config.constraints,
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
        self._is_quantized = properties.get("manylabel.numbers") == '"int8"'
        # Compute no other output.
        self._run_options = onnxruntime.RunOptions()
        self._run_options.only_execute_path_to_fetches = True

    @property
    def engine(self) -> str:
        """Name the engine and its precision."""
        return f"ONNX Runtime, {'int8' if self._is_quantized else 'fp32'}"

    def start(self, pixels: PixelArray) -> Finish:
        """Score the views of some photos; arguments and result as in ``PixelPredictor``."""
        try:
            (logits,) = self._session.run([LOGITS], {self._input: pixels}, self._run_options)
        except Exception as error:  # ONNX Runtime's errors share no other base
            raise EngineError(f"{self._model}: ONNX Runtime cannot compute it: {_reason(error)}") from error
        scores = self.to_scores(np.asarray(logits, dtype=np.float64), n_rows=len(pixels))
        return lambda: scores


def _check_file(model: Path) -> None:
    """Refuse a harmful file before ONNX Runtime starts to compute its constants.

    Where OpenVINO is not installed, it is not known beforehand how much the operations compute together.
    """
    if has_openvino():
        check_model(read_model(model), source=model)
    else:
        scan_onnx(model)


def _reason(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
