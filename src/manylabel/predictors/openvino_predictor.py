"""Predict with OpenVINO, without torch.

In:  an OpenVINO or ONNX model of pixels [n, side_px, side_px, 3], uint8, that gives logits; upright RGB
     photos.
Out: probabilities [n_photos, n_labels].
"""

from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Lock
from typing import TYPE_CHECKING, Any, Literal, assert_never

import numpy as np

from manylabel.bundle import BundleConfig
from manylabel.config import PrecisionName
from manylabel.errors import BundleError, ConfigError
from manylabel.predictors.openvino_parts import LOGITS, keep_outputs
from manylabel.predictors.scoring import EnginePredictor, Finish, average_views, check_shapes
from manylabel.preprocess import PixelArray, fill_up
from manylabel.quiet_imports import import_openvino
from manylabel.types import FloatArray, Thresholds

if TYPE_CHECKING:
    import openvino

Aim = Literal["latency", "throughput", "full_batches"]
"""Whether one photo shall be ready soon, or many in the shortest time. "full_batches" is for many photos of
which every batch but the last is full: what computes one size only is up to a fifth faster, and smaller
batches cost as much as full ones."""

# Larger batches are no faster on a CPU; small ones let reading and computing overlap from the start.
VIEWS_PER_BATCH = 8
_SHORT_NAMES = {"f32": "fp32", "bf16": "bf16"}


class OpenVinoPredictor(EnginePredictor):
    """Turn photos into scores through OpenVINO on the CPU.

    Args:
        model: The model, or its file; of several outputs, the one that is called "logits" is read.
        config: What it was made from: the label names, one per logit, their rules, and how photos become
            pixels.
        thresholds: Thresholds that came with it.
        precision: Numbers to compute in; "auto" takes bf16 where the processor has it.
        aim: What to be fast at.

    Raises:
        BundleError: The model is not one of pixels that gives logits.
        ConfigError: bf16 is asked for, and the processor does not have it.
        ModuleNotFoundError: OpenVINO is not installed.
    """

    def __init__(
        self,
        model: "openvino.Model | Path",
        *,
        config: BundleConfig,
        thresholds: Thresholds,
        precision: PrecisionName = "auto",
        aim: Aim = "throughput",
    ) -> None:
        """Compile the model for this machine."""
        super().__init__(
            labels=config.labels,
            thresholds=thresholds,
            rules=config.rules,
            preprocessing=config.preprocessing,
            views_per_batch=VIEWS_PER_BATCH,
        )
        source = model if isinstance(model, Path) else None
        model = _logits_of(read_model(model), source=source)
        check_shapes(
            [
                [-1 if axis.is_dynamic else axis.get_length() for axis in end.get_partial_shape()]
                for end in (model.inputs[0], model.outputs[0])
            ],
            config=config,
            source=source,
        )
        self._n_rows: int | None = None
        if aim == "full_batches":
            self._n_rows = self.batch_size * config.preprocessing.n_views
            model = _of_batches(model, n_rows=self._n_rows)
        self._is_quantised = _is_quantised(model)
        self._compiled = compile_model(model, precision=precision, aim=aim)
        n_requests = int(self._compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS"))
        # One more than can run: it begins the moment that another ends.
        self._n_parallel = 1 if aim == "latency" else n_requests + 1
        self._idle: SimpleQueue[Any] = SimpleQueue()
        for _ in range(self._n_parallel):
            self._idle.put(self._compiled.create_infer_request())
        self._beginning = Lock()

    @property
    def engine(self) -> str:
        """Say what computes, and in which numbers."""
        number_type = self._compiled.get_property("INFERENCE_PRECISION_HINT").to_string()
        return f"OpenVINO, {'int8 and ' if self._is_quantised else ''}{_SHORT_NAMES[number_type]}"

    @property
    def n_parallel(self) -> int:
        """Say how many batches keep the engine busy."""
        return self._n_parallel

    def start(self, pixels: PixelArray) -> Finish:
        """Begin to score; arguments and result as in ``PixelPredictor``."""
        n_given = len(pixels)
        if self._n_rows is not None:
            pixels = fill_up(pixels, n_rows=self._n_rows)
        # Making a request while another thread begins one can lock OpenVINO for ever.
        with self._beginning:
            try:
                request = self._idle.get_nowait()
            except Empty:
                request = self._compiled.create_infer_request()
            request.start_async({0: pixels})

        def finish() -> FloatArray:
            request.wait()
            logits = np.array(request.get_output_tensor(0).data[:n_given], dtype=np.float64)
            self._idle.put(request)
            return average_views(logits, n_views=self.preprocessing.n_views)

        return finish


def _logits_of(model: "openvino.Model", *, source: Path | None) -> "openvino.Model":
    """Return the part of a model that computes logits."""
    try:
        kept = keep_outputs(model, LOGITS)
        fits = len(kept.inputs) == 1 and len(kept.outputs) == 1
        ranks = [len(end.get_partial_shape()) for end in (kept.inputs[0], kept.outputs[0])] if fits else []
    except RuntimeError:  # no such output, or one of any number of axes
        ranks = []
    if ranks != [4, 2]:
        raise BundleError(f"{source or 'the model'}: expected one input of pixels and an output '{LOGITS}'")
    return kept


def compile_model(
    model: "openvino.Model | Path", *, precision: PrecisionName, aim: Aim
) -> "openvino.CompiledModel":
    """Compile a model for the CPU; arguments and errors as for ``OpenVinoPredictor``."""
    openvino = import_openvino()
    model = read_model(model)
    settings: dict[str, str | int] = {
        "PERFORMANCE_HINT": "LATENCY" if aim == "latency" else "THROUGHPUT",
        "INFERENCE_PRECISION_HINT": _number_type(precision),
    }
    if _is_quantised(model):
        # With several streams, OpenVINO 2026.4 now and then makes another network of 8-bit convolutions that
        # lie side by side: up to half of the compilations of a SqueezeNet were wrong, with one stream none.
        settings["NUM_STREAMS"] = 1
    return openvino.Core().compile_model(model, "CPU", settings)


def _of_batches(model: "openvino.Model", *, n_rows: int) -> "openvino.Model":
    """Return a model that takes batches of one size only."""
    twin = model.clone()
    _, *others = twin.inputs[0].get_partial_shape()
    twin.reshape([n_rows, *others])
    return twin


def _is_quantised(model: "openvino.Model") -> bool:
    """Say whether a model computes in 8-bit numbers."""
    return any(layer.get_type_name() == "FakeQuantize" for layer in model.get_ops())


def read_model(model: "openvino.Model | Path") -> "openvino.Model":
    """Read a model from its file, where it is not in memory yet.

    Raises:
        BundleError: OpenVINO cannot read the file.
    """
    if not isinstance(model, Path):
        return model
    try:
        return import_openvino().Core().read_model(str(model))
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1].strip()
        raise BundleError(f"{model}: OpenVINO cannot read it: {reason}") from error


def has_native_bf16() -> bool:
    """Say whether this processor computes in bf16 natively, which is where it is faster."""
    core = import_openvino().Core()
    return "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def _number_type(precision: PrecisionName) -> Literal["f32", "bf16"]:
    match precision:
        case "fp32":
            return "f32"
        case "auto":
            return "bf16" if has_native_bf16() else "f32"
        case "bf16":
            # OpenVINO would compute in 32-bit floats without a word.
            if not has_native_bf16():
                raise ConfigError(
                    "precision: 'bf16' was asked for, which OpenVINO cannot compute in on this processor; "
                    "'auto' takes what is there, the engine 'torch' emulates it"
                )
            return "bf16"
        case _:
            assert_never(precision)
