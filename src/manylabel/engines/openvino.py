"""Predict with OpenVINO, without torch.

In:  an OpenVINO or ONNX model of pixels [n, side_px, side_px, 3], uint8, that gives logits; upright RGB
     photos.
Out: probabilities [n_photos, n_labels].
"""

from collections.abc import Iterator
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Lock
from typing import TYPE_CHECKING, Any, Literal, assert_never

import numpy as np

from manylabel.bundle.folder import BundleConfig
from manylabel.config import PrecisionName
from manylabel.engines.base import EnginePredictor, Finish, check_shapes
from manylabel.engines.model_limits import check_operations, check_sizes, for_rows
from manylabel.engines.onnx_scan import scan_onnx
from manylabel.engines.openvino_parts import LOGITS, keep_outputs
from manylabel.errors import BundleError, ConfigError, EngineError
from manylabel.preprocess import VIEWS_TOGETHER, PixelArray, fill_up
from manylabel.quiet_imports import import_openvino
from manylabel.types import FloatArray, Thresholds

if TYPE_CHECKING:
    import openvino

Aim = Literal["few", "many", "any"]
"""How many photos come: a few, each of which shall be ready soon; many, in the shortest time together; or any
number at any time, as to a server."""

Hint = Literal["LATENCY", "THROUGHPUT"]

# Making a request while another thread begins one can lock OpenVINO for ever.
_beginning = Lock()
_SHORT_NAMES = {"f32": "fp32", "bf16": "bf16"}


def aim_for(n_photos: int) -> Aim:
    """Choose what to compile for; an engine for many is ready later than two batches are done."""
    return "few" if n_photos < 2 * VIEWS_TOGETHER else "many"


class OpenVinoPredictor(EnginePredictor):
    """Turn photos into scores through OpenVINO on the CPU.

    Args:
        model: The model, or its file; of several outputs, the one that is called "logits" is read.
        config: What it was made from: the label names, one per logit, their rules, and how photos become
            pixels.
        thresholds: Thresholds that came with it.
        precision: Numbers to compute in; "auto" takes bf16 where the processor has it.
        aim: How many photos come.

    Raises:
        BundleError: The model is not one of pixels that gives logits, or would take far too much memory.
        EngineError: OpenVINO cannot compile it.
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
        aim: Aim = "any",
    ) -> None:
        """Compile the model for this machine."""
        super().__init__(
            labels=config.labels,
            thresholds=thresholds,
            rules=config.rules,
            preprocessing=config.preprocessing,
            views_per_batch=VIEWS_TOGETHER,
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
        self._is_quantised = _is_quantised(model)
        hint: Hint = "LATENCY" if aim == "few" else "THROUGHPUT"
        self._networks = []
        for n_photos in _sizes(aim, self.batch_size):
            n_rows = n_photos * config.preprocessing.n_views
            twin = for_rows(model, n_rows=n_rows, source=source)
            check_sizes(twin, n_rows=n_rows, source=source)
            network = _SizedNetwork(twin, n_rows=n_rows, precision=precision, hint=hint)
            # Beforehand: none shall be made while others begin.
            network.make_requests((network.n_parallel + 1) * (self.batch_size // n_photos))
            self._networks.append(network)
        # One more than can run: it begins the moment that another ends.
        self._n_parallel = 1 if aim == "few" else self._networks[0].n_parallel + 1

    @property
    def engine(self) -> str:
        """Say what computes, and in which numbers."""
        number_type = self._networks[0].number_type
        return f"OpenVINO, {'int8 and ' if self._is_quantised else ''}{_SHORT_NAMES[number_type]}"

    @property
    def n_parallel(self) -> int:
        """Say how many batches keep the engine busy."""
        return self._n_parallel

    def start(self, pixels: PixelArray) -> Finish:
        """Begin to score; arguments and result as in ``PixelPredictor``."""
        n_rows = len(pixels)
        with _beginning:
            runs = list(self._start_all(pixels))

        def finish() -> FloatArray:
            return self.to_scores(np.concatenate([run() for run in runs]), n_rows=n_rows)

        return finish

    def _start_all(self, pixels: PixelArray) -> Iterator[Finish]:
        """Begin with as many views at a time as a network takes; what is left over fills up the smallest."""
        for network in self._networks:
            is_smallest = network is self._networks[-1]
            while len(pixels) >= network.n_rows or (is_smallest and len(pixels)):
                yield network.start(pixels[: network.n_rows])
                pixels = pixels[network.n_rows :]


class _SizedNetwork:
    """Run a network that is compiled for one number of views, which is up to a third faster than for any."""

    def __init__(self, model: "openvino.Model", *, n_rows: int, precision: PrecisionName, hint: Hint) -> None:
        self.n_rows = n_rows
        self._compiled = compile_model(model, precision=precision, hint=hint)
        self._idle: SimpleQueue[Any] = SimpleQueue()

    @property
    def n_parallel(self) -> int:
        """Say how many batches run at the same time."""
        return int(self._compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS"))

    @property
    def number_type(self) -> str:
        """Say in which numbers it computes, in OpenVINO's words."""
        return str(self._compiled.get_property("INFERENCE_PRECISION_HINT").to_string())

    def make_requests(self, n_requests: int) -> None:
        """Make requests; they need hardly any memory."""
        with _beginning:
            for _ in range(n_requests):
                self._idle.put(self._compiled.create_infer_request())

    def start(self, pixels: PixelArray) -> Finish:
        """Begin with 1 to ``n_rows`` views; return what waits for their logits. One thread at a time."""
        try:
            request = self._idle.get_nowait()
        except Empty:
            request = self._compiled.create_infer_request()
        n_given = len(pixels)
        request.start_async({0: fill_up(pixels, n_rows=self.n_rows)})

        def finish() -> FloatArray:
            try:
                request.wait()
            except RuntimeError as error:
                raise EngineError(f"OpenVINO cannot compute this network: {_reason(error)}") from error
            logits = np.array(request.get_output_tensor(0).data[:n_given], dtype=np.float64)
            self._idle.put(request)
            return logits

        return finish


def _sizes(aim: Aim, batch_size: int) -> list[int]:
    """Return the numbers of photos that a network is compiled for, the largest first."""
    match aim:
        case "few":
            return [1]
        case "many":
            return [batch_size]
        case "any":
            return [batch_size, 1] if batch_size > 1 else [1]
        case _:
            assert_never(aim)


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
    model: "openvino.Model | Path", *, precision: PrecisionName, hint: Hint
) -> "openvino.CompiledModel":
    """Compile a model for the CPU; arguments and errors as for ``OpenVinoPredictor``.

    Args:
        model: The model, or its file.
        precision: Numbers to compute in.
        hint: Whether one batch shall use all cores, or several run at the same time.
    """
    openvino = import_openvino()
    model = read_model(model)
    settings: dict[str, str | int] = {
        "PERFORMANCE_HINT": hint,
        "INFERENCE_PRECISION_HINT": _number_type(precision),
    }
    if _is_quantised(model):
        # With several streams, OpenVINO 2026.4 now and then makes another network of 8-bit convolutions that
        # lie side by side: up to half of the compilations of a SqueezeNet were wrong, with one stream none.
        settings["NUM_STREAMS"] = 1
    try:
        return openvino.Core().compile_model(model, "CPU", settings)
    except RuntimeError as error:
        raise EngineError(f"OpenVINO cannot compile this network: {_reason(error)}") from error


def _reason(error: RuntimeError) -> str:
    """Return the last line of what OpenVINO says: those before it name its own files."""
    return str(error).strip().rpartition("\n")[2].strip()


def _is_quantised(model: "openvino.Model") -> bool:
    """Say whether a model computes in 8-bit numbers."""
    return any(layer.get_type_name() == "FakeQuantize" for layer in model.get_ops())


def read_model(model: "openvino.Model | Path") -> "openvino.Model":
    """Read a model from its file, where it is not in memory yet.

    Raises:
        BundleError: OpenVINO cannot read the file, or it holds what no network of ours has.
    """
    if not isinstance(model, Path):
        return model
    if model.suffix == ".onnx":
        scan_onnx(model)
    try:
        read = import_openvino().Core().read_model(str(model))
    except RuntimeError as error:
        raise BundleError(f"{model}: OpenVINO cannot read it: {_reason(error)}") from error
    check_operations(read, source=model)
    return read


def has_native_bf16() -> bool:
    """Say whether this processor computes in bf16 natively, which is where it is faster."""
    core = import_openvino().Core()
    return "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def has_native_int8() -> bool:
    """Say whether this processor has instructions for 8-bit numbers, which is where these are faster."""
    core = import_openvino().Core()
    return "INT8" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")


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
