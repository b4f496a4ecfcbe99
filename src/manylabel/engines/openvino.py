"""Run models with OpenVINO on the CPU. No other module compiles for it.

In:  an OpenVINO or ONNX model of pixels [n, side_px, side_px, 3], uint8.
Out: probabilities [n_photos, n_labels] of a bundle; the outputs of any model; both parts of a split model.

No torch is loaded.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Lock
from typing import TYPE_CHECKING, Any, Literal, Protocol, assert_never

import numpy as np
from numpy.typing import NDArray

from manylabel.bundle.folder import BundleConfig
from manylabel.config import PrecisionName
from manylabel.engines.base import EnginePredictor, Finish, average_views, check_shapes
from manylabel.engines.openvino_models import (
    ACTIVATIONS,
    FEATURES,
    LOGITS,
    check_sizes,
    for_rows,
    import_openvino,
    keep_outputs,
    last_line,
    read_model,
    upper_part,
)
from manylabel.errors import BundleError, ConfigError, EngineError
from manylabel.patch_grid import PatchGrid, find_grid
from manylabel.preprocess import VIEWS_TOGETHER, PixelArray, fill_up
from manylabel.types import FloatArray, Thresholds

if TYPE_CHECKING:
    import openvino

Workload = Literal["few", "many", "any"]
"""How many photos come: a few, each as soon as possible; many, in the shortest time together; or any number
at any time, as to a server."""

Dtype = Literal["f32", "bf16"]
"""What a model computes in, as OpenVINO names it."""

Hint = Literal["LATENCY", "THROUGHPUT"]
"""Whether one batch uses all cores, or several batches run at the same time."""

ActivationArray = NDArray[np.float32]

# Creating a request while another thread starts one can deadlock OpenVINO.
_starting = Lock()
_PRECISIONS = {"f32": "fp32", "bf16": "bf16"}


def workload_of(n_photos: int) -> Workload:
    """Return what to compile for; an engine for many is ready later than two batches are done."""
    return "few" if n_photos < 2 * VIEWS_TOGETHER else "many"


class OpenVinoPredictor(EnginePredictor):
    """A model that OpenVINO runs.

    Args:
        model: The model, or its file; of several outputs, the one that is called "logits" is read.
        config: What it was made from: the label names, one per logit, their constraints, and how photos
            become pixels.
        thresholds: Thresholds that came with it.
        precision: What to compute in; "auto" takes bf16 where the processor has it.
        workload: How many photos come.

    Raises:
        BundleError: The model does not turn pixels into logits, or would take far too much memory.
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
        workload: Workload = "any",
    ) -> None:
        """Compile the model for this machine."""
        super().__init__(
            labels=config.labels,
            thresholds=thresholds,
            constraints=config.constraints,
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
        self._is_quantized = _is_quantized(model)
        dtype = choose_dtype(precision)
        hint: Hint = "LATENCY" if workload == "few" else "THROUGHPUT"
        self._networks = []
        for n_photos in _sizes(workload, self.batch_size):
            n_rows = n_photos * config.preprocessing.n_views
            sized = for_rows(model, n_rows=n_rows, source=source)
            check_sizes(sized, n_rows=n_rows, source=source)
            network = CompiledModel(sized, n_rows=n_rows, dtype=dtype, hint=hint)
            network.create_requests(network.n_parallel * (self.batch_size // n_photos))
            self._networks.append(network)
        self.n_parallel = 1 if workload == "few" else self._networks[0].n_parallel

    @property
    def engine(self) -> str:
        """Name the engine and its precision."""
        precision = _PRECISIONS[self._networks[0].dtype]
        return f"OpenVINO, {'int8 and ' if self._is_quantized else ''}{precision}"

    def start(self, pixels: PixelArray) -> Finish:
        """Start to score; arguments and result as in ``PixelPredictor``."""
        n_rows = len(pixels)
        with _starting:
            runs = list(self._start_all(pixels))

        def finish() -> FloatArray:
            logits = np.concatenate([run() for run in runs]).astype(np.float64)
            return self.to_scores(logits, n_rows=n_rows)

        return finish

    def _start_all(self, pixels: PixelArray) -> Iterator[Callable[[], NDArray[np.float32]]]:
        """Start with as many views at a time as a model takes; the smallest one is filled up."""
        for network in self._networks:
            is_smallest = network is self._networks[-1]
            while len(pixels) >= network.n_rows or (is_smallest and len(pixels)):
                yield network.start(pixels[: network.n_rows])
                pixels = pixels[network.n_rows :]


class CompiledModel:
    """A model that is compiled for one number of photos, which is up to a third faster than for any.

    Args:
        model: Takes pixels [n_rows, side_px, side_px, 3]; its first output is read.
        n_rows: Photos, or views, at a time.
        dtype: What to compute in.
        hint: What to compile for.

    Raises:
        EngineError: OpenVINO cannot compile it.
    """

    def __init__(self, model: "openvino.Model", *, n_rows: int, dtype: Dtype, hint: Hint) -> None:
        """Compile it."""
        self.n_rows = n_rows
        self._compiled = compile_model(model, dtype=dtype, hint=hint)
        self._idle: SimpleQueue[Any] = SimpleQueue()

    @property
    def n_parallel(self) -> int:
        """Return how many batches keep it busy: one more than can run, which starts when another ends."""
        return int(self._compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")) + 1

    @property
    def dtype(self) -> str:
        """Return what it computes in, as OpenVINO names it."""
        return str(self._compiled.get_property("INFERENCE_PRECISION_HINT").to_string())

    def create_requests(self, n_requests: int) -> None:
        """Create requests beforehand, so that none is created while another starts; they take no memory."""
        with _starting:
            for _ in range(n_requests):
                self._idle.put(self._compiled.create_infer_request())

    def start(self, pixels: PixelArray) -> Callable[[], NDArray[np.float32]]:
        """Start with 1 to ``n_rows`` photos; return what waits for the output. One thread at a time."""
        try:
            request = self._idle.get_nowait()
        except Empty:
            request = self._compiled.create_infer_request()
        n_given = len(pixels)
        request.start_async({0: fill_up(pixels, n_rows=self.n_rows)})

        def finish() -> NDArray[np.float32]:
            try:
                request.wait()
            except RuntimeError as error:
                raise EngineError(f"OpenVINO cannot compute this model: {last_line(error)}") from error
            output = np.array(request.get_output_tensor(0).data[:n_given], dtype=np.float32)
            self._idle.put(request)
            return output

        return finish


def _sizes(workload: Workload, batch_size: int) -> list[int]:
    """Return the numbers of photos that a model is compiled for, the largest first."""
    match workload:
        case "few":
            return [1]
        case "many":
            return [batch_size]
        case "any":
            return [batch_size, 1] if batch_size > 1 else [1]
        case _:
            assert_never(workload)


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


def compile_model(model: "openvino.Model | Path", *, dtype: Dtype, hint: Hint) -> "openvino.CompiledModel":
    """Compile a model, or its file, for the CPU.

    Args:
        model: The model, or its file.
        dtype: What to compute in.
        hint: What to compile for.

    Raises:
        BundleError: OpenVINO cannot read the file.
        EngineError: OpenVINO cannot compile it.
    """
    model = read_model(model)
    settings: dict[str, str | int] = {"PERFORMANCE_HINT": hint, "INFERENCE_PRECISION_HINT": dtype}
    if _is_quantized(model):
        # With several streams, OpenVINO 2026.4 now and then makes another model of 8-bit convolutions that
        # lie side by side: up to half of the compilations of a SqueezeNet were wrong, with one stream none.
        settings["NUM_STREAMS"] = 1
    try:
        return import_openvino().Core().compile_model(model, "CPU", settings)
    except RuntimeError as error:
        raise EngineError(f"OpenVINO cannot compute this model: {last_line(error)}") from error


def infer_once(model: "openvino.Model", pixels: PixelArray) -> FloatArray:
    """Compile a model and return its first output for some pixels, in 32-bit floats."""
    request = compile_model(model, dtype="f32", hint="LATENCY").create_infer_request()
    return np.array(request.infer({0: pixels})[0], dtype=np.float64)


def _is_quantized(model: "openvino.Model") -> bool:
    """Return whether a model computes in 8-bit integers."""
    return any(layer.get_type_name() == "FakeQuantize" for layer in model.get_ops())


def has_native_bf16() -> bool:
    """Return whether this processor computes in bf16 natively, which is where it is faster."""
    return _has_capability("BF16")


def has_native_int8() -> bool:
    """Return whether this processor has 8-bit instructions, which is where quantized models are faster."""
    return _has_capability("INT8")


def _has_capability(name: str) -> bool:
    return name in import_openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def choose_dtype(precision: PrecisionName) -> Dtype:
    """Choose what to compute in.

    Raises:
        ConfigError: bf16 is asked for, and the processor does not have it.
    """
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
                    "'auto' uses what is available, the engine 'torch' emulates it"
                )
            return "bf16"
        case _:
            assert_never(precision)


class SplitModel(Protocol):
    """A model in two parts, split at activations that still have a patch grid; one class per engine."""

    @property
    def grid(self) -> PatchGrid:
        """Return the patch grid of the activations."""

    def lower(self, pixels: PixelArray) -> tuple[ActivationArray, FloatArray]:
        """Return activations [n, *shape] and features [n, n_features] of pixels [n, side_px, side_px, 3]."""

    def upper(self, activations: ActivationArray) -> FloatArray:
        """Return logits [n, n_labels] of activations [n, *shape]."""


class OpenVinoSplitModel:
    """A split model that OpenVINO runs, in 32-bit floats: a single patch changes little.

    Args:
        model: Takes pixels, with outputs "logits", "features" and "activations".
        upper: Its part from activations to logits.
        grid: Patch grid of the activations.
    """

    def __init__(self, model: "openvino.Model", *, upper: "openvino.Model", grid: PatchGrid) -> None:
        """Compile both parts, with one request each."""
        self.grid = grid
        self._lower, self._upper = (
            compile_model(part, dtype="f32", hint="LATENCY").create_infer_request()
            for part in (keep_outputs(model, ACTIVATIONS, FEATURES), upper)
        )
        self._busy = Lock()

    def lower(self, pixels: PixelArray) -> tuple[ActivationArray, FloatArray]:
        """Return activations and features; as in ``SplitModel``."""
        with self._busy:
            found = self._lower.infer({0: pixels})
            return np.array(found[0], dtype=np.float32), np.array(found[1], dtype=np.float64)

    def upper(self, activations: ActivationArray) -> FloatArray:
        """Return logits; as in ``SplitModel``."""
        with self._busy:
            return np.array(self._upper.infer({0: activations})[0], dtype=np.float64)


def split_model(model: "openvino.Model") -> OpenVinoSplitModel | None:
    """Split a model of pixels; None where it cannot be split or has no patch grid."""
    upper = upper_part(model)
    if upper is None:
        return None
    grid = find_grid([axis.get_length() for axis in list(upper.inputs[0].get_partial_shape())[1:]])
    return None if grid is None else OpenVinoSplitModel(model, upper=upper, grid=grid)


def parts_difference(model: "openvino.Model", pixels: PixelArray) -> float | None:
    """Return the largest difference of a probability between both parts together and the whole model.

    Args:
        model: Takes pixels.
        pixels: What to compare on [n, side_px, side_px, 3].

    Returns:
        The difference; None where the model cannot be split.
    """
    parts = split_model(model)
    if parts is None:
        return None
    expected = infer_once(keep_outputs(model, LOGITS), pixels)
    found = parts.upper(parts.lower(pixels)[0])
    return float(np.abs(average_views(found, n_views=1) - average_views(expected, n_views=1)).max())
