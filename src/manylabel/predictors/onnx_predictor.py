"""Predict with ONNX Runtime, without torch.

In:  an ONNX file of pixels [n, side_px, side_px, 3], uint8, that gives logits; upright RGB photos.
Out: probabilities [n_photos, n_labels].
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from manylabel.bundle import BundleConfig
from manylabel.errors import BundleError, MissingExtraError
from manylabel.predictors.openvino_parts import LOGITS
from manylabel.predictors.scoring import Finish, average_views, check_shapes, score_photos
from manylabel.preprocess import PixelArray, Preprocessing
from manylabel.rules import LabelRules
from manylabel.types import FloatArray, Thresholds

_VIEWS_PER_BATCH = 8


class OnnxPredictor:
    """Turn photos into scores through ONNX Runtime on the CPU, in 32-bit floats.

    Args:
        model: The file.
        config: What it was made from: the label names, one per logit, their rules, and how photos become
            pixels.
        thresholds: Thresholds that came with it.

    Raises:
        BundleError: ONNX Runtime cannot take the file.
        MissingExtraError: ONNX Runtime is not installed.
    """

    def __init__(self, model: Path, *, config: BundleConfig, thresholds: Thresholds) -> None:
        """Load the file."""
        try:
            import onnxruntime  # not at the top: an extra
        except ModuleNotFoundError as error:
            raise MissingExtraError("The engine 'onnxruntime'", "onnx") from error
        self._config = config
        self._thresholds = thresholds
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # errors
        try:
            self._session = onnxruntime.InferenceSession(
                str(model), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # ONNX Runtime's errors share no other base
            raise BundleError(f"{model}: ONNX Runtime cannot take it: {str(error).strip()}") from error
        logits = [output for output in self._session.get_outputs() if output.name == LOGITS]
        ends = [
            [axis if isinstance(axis, int) else -1 for axis in end.shape]
            for end in (self._session.get_inputs()[0], *logits)
        ]
        check_shapes(ends, config=config, source=model)
        self._input = self._session.get_inputs()[0].name
        # What is not asked for is not computed either.
        self._run_options = onnxruntime.RunOptions()
        self._run_options.only_execute_path_to_fetches = True

    @property
    def labels(self) -> tuple[str, ...]:
        """Name the labels, in the order of the columns."""
        return self._config.labels

    @property
    def thresholds(self) -> Thresholds:
        """Return the thresholds that came with the model."""
        return self._thresholds

    @property
    def rules(self) -> LabelRules:
        """Return the rules that decisions obey."""
        return self._config.rules

    @property
    def preprocessing(self) -> Preprocessing:
        """Say how a photo becomes pixels."""
        return self._config.preprocessing

    @property
    def engine(self) -> str:
        """Say what computes, and in which numbers."""
        return "ONNX Runtime, fp32"

    @property
    def batch_size(self) -> int:
        """Say how many photos are best scored together."""
        return max(1, _VIEWS_PER_BATCH // self.preprocessing.n_views)

    @property
    def n_parallel(self) -> int:
        """Say how many batches keep the engine busy: one, it has done with it when ``start`` returns."""
        return 1

    def predict_proba(self, photos: Sequence[Image.Image]) -> FloatArray:
        """Return probabilities [n_photos, n_labels] for upright RGB photos of any size."""
        return score_photos(self, photos)

    def start(self, pixels: PixelArray) -> Finish:
        """Score the views of some photos; arguments and result as in ``PixelPredictor``."""
        (logits,) = self._session.run([LOGITS], {self._input: pixels}, self._run_options)
        scores = average_views(np.asarray(logits, dtype=np.float64), n_views=self.preprocessing.n_views)
        return lambda: scores
