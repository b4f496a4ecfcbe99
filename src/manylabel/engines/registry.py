"""Choose an engine and open a bundle with it.

In:  a bundle; engine, device and precision, as the user asks for them.
Out: a predictor. Where an exported or converted model is at hand, torch is not loaded.

Everything heavy is imported inside functions: the command line reads names and help from here.
"""

import logging
import platform
from collections.abc import Callable, Sequence
from ctypes.util import find_library
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from manylabel.config import DeviceName, EngineName, PrecisionName
from manylabel.errors import (
    BundleError,
    ConfigError,
    EngineError,
    MissingExtraError,
    check_choice,
    did_you_mean,
    needs_extra,
)

if TYPE_CHECKING:
    import openvino

    from manylabel.bundle.folder import Bundle
    from manylabel.bundle.tables import ThresholdSource
    from manylabel.engines.base import PixelPredictor
    from manylabel.engines.openvino import OpenVinoPredictor, SplitModel, Workload

_ACCELERATOR_FILES = ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd")
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class EngineOptions:
    """How a bundle is to be opened.

    Attributes:
        device: Where to compute.
        precision: What to compute in.
        workload: How many photos come.

    Raises:
        ConfigError: There is no such device or precision.
    """

    device: DeviceName = "auto"
    precision: PrecisionName = "auto"
    workload: "Workload" = "any"

    def __post_init__(self) -> None:
        """Check what was chosen."""
        check_choice("device", self.device, get_args(DeviceName))
        check_choice("precision", self.precision, get_args(PrecisionName))


@dataclass(frozen=True, kw_only=True)
class Engine:
    """An engine that users can choose.

    Attributes:
        name: What they call it.
        help: When to choose it, for the command line.
        open: Opens a bundle; raises what ``open_predictor`` raises.
        is_cpu_only: Whether it refuses other devices.
        is_installed: Whether everything that it needs is installed.
        extra: The optional dependencies that install it.
    """

    name: str
    help: str
    open: "Callable[[Bundle, EngineOptions], PixelPredictor]"
    is_cpu_only: bool = False
    is_installed: Callable[[], bool] = lambda: True
    extra: str = "train"


def _has_openvino() -> bool:
    return find_spec("openvino") is not None


def _open_auto(bundle: "Bundle", options: EngineOptions) -> "PixelPredictor":
    """Open with OpenVINO where it fits, else with torch."""
    if _is_cpu(options.device) and _has_openvino() and _has_precision(options.precision):
        try:
            return _open_openvino(bundle, options)
        except EngineError as error:
            _logger.warning("%s; torch is used instead", error)
    return _open_torch(bundle, options)


def _open_openvino(bundle: "Bundle", options: EngineOptions) -> "PixelPredictor":
    from manylabel.engines.model_files import converted_model

    model = converted_model(bundle)
    return open_converted(bundle, model, precision=options.precision, workload=options.workload)


def _open_int8(bundle: "Bundle", options: EngineOptions) -> "PixelPredictor":
    from manylabel.engines.model_files import int8_model

    model = int8_model(bundle)
    return open_converted(bundle, model, precision=options.precision, workload=options.workload)


def _open_torch(bundle: "Bundle", options: EngineOptions) -> "PixelPredictor":
    with needs_extra("Using a bundle with torch", "train"):
        from manylabel.engines.torch import torch_predictor

    return torch_predictor(bundle, device=options.device, precision=options.precision)


def _open_onnxruntime(bundle: "Bundle", options: EngineOptions) -> "PixelPredictor":
    from manylabel.bundle.onnx_file import ONNX_FILE, read_onnx
    from manylabel.engines.onnxruntime import OnnxPredictor

    if options.precision == "bf16":
        raise ConfigError("precision: ONNX Runtime computes in 32-bit floats here; leave 'bf16' out")
    model = read_onnx(bundle)
    if model is None:
        raise BundleError(
            f"{bundle.folder}: has no {ONNX_FILE} yet; make it: manylabel export {bundle.folder} --to onnx"
        )
    return OnnxPredictor(model, config=bundle.config, thresholds=bundle.thresholds)


_OPENVINO = Engine(
    name="openvino",
    help="fastest on most CPUs",
    open=_open_openvino,
    is_cpu_only=True,
    is_installed=_has_openvino,
    extra="openvino",
)

ENGINES = {
    engine.name: engine
    for engine in (
        Engine(name="auto", help="openvino on a CPU, else torch", open=_open_auto),
        _OPENVINO,
        Engine(name="torch", help="any device", open=_open_torch),
        replace(
            _OPENVINO,
            name="int8",
            help="fastest where the processor has 8-bit instructions (`manylabel export --to int8` first)",
            open=_open_int8,
        ),
        Engine(
            name="onnxruntime",
            help="another engine on the CPU (`manylabel export --to onnx` first)",
            open=_open_onnxruntime,
            is_cpu_only=True,
            extra="onnx",
        ),
    )
}
"""The engines by name, in the order in which the command line lists them."""


def open_predictor(
    folder: Path,
    *,
    engine: EngineName = "auto",
    device: DeviceName = "auto",
    precision: PrecisionName = "auto",
    workload: "Workload" = "any",
    thresholds: "ThresholdSource | Sequence[ThresholdSource] | None" = None,
) -> "PixelPredictor":
    """Open a bundle.

    Args:
        folder: The bundle.
        engine: One of ``ENGINES``.
        device: Where to compute; OpenVINO is used on the CPU.
        precision: What to compute in.
        workload: How many photos come; it makes no difference to torch.
        thresholds: Thresholds of some labels in place of those of the bundle, by label or as a file.

    Raises:
        BundleError: A file is missing, damaged or does not fit.
        EngineError: OpenVINO was asked for and cannot compute the model.
        ConfigError: There is no such engine, the wanted device or precision is not there, or a threshold
            cannot be used.
        MissingExtraError: The engine is not installed.
    """
    from manylabel.bundle.folder import read_bundle
    from manylabel.bundle.tables import change_thresholds

    bundle = read_bundle(folder)
    if thresholds is not None:
        bundle = replace(
            bundle, thresholds=change_thresholds(bundle.thresholds, bundle.config.labels, thresholds)
        )
    return open_bundle(bundle, engine, EngineOptions(device=device, precision=precision, workload=workload))


def open_bundle(bundle: "Bundle", engine: EngineName, options: EngineOptions) -> "PixelPredictor":
    """Open a bundle that was read; errors as for ``open_predictor``."""
    entry = find_engine(engine)
    _check_engine(entry, options.device)
    return entry.open(bundle, options)


def find_engine(name: str) -> Engine:
    """Return the engine of a name.

    Raises:
        ConfigError: There is none.
    """
    if name not in ENGINES:
        hint = did_you_mean(name, list(ENGINES)) or ";"
        raise ConfigError(f"engine: unknown engine '{name}'{hint} known engines: {', '.join(ENGINES)}")
    return ENGINES[name]


def open_split_model(bundle: "Bundle") -> "SplitModel | None":
    """Open both parts of a bundle's model, for heat maps; None where it has no patch grid.

    Raises:
        BundleError: A file is missing, damaged or does not fit.
        EngineError: OpenVINO cannot compute the model as torch does.
        MissingExtraError: OpenVINO is not installed.
    """
    from manylabel.engines.model_files import converted_model
    from manylabel.engines.openvino import split_model
    from manylabel.engines.openvino_models import check_model, read_model

    _check_engine(_OPENVINO, "cpu")
    found = converted_model(bundle)
    model = read_model(found)
    check_model(model, source=found if isinstance(found, Path) else bundle.folder)
    return split_model(model)


def open_converted(
    bundle: "Bundle",
    model: "openvino.Model | Path",
    *,
    precision: PrecisionName = "auto",
    workload: "Workload" = "any",
) -> "OpenVinoPredictor":
    """Open a model that was made from a bundle; arguments and errors as for ``OpenVinoPredictor``."""
    from manylabel.engines.openvino import OpenVinoPredictor

    return OpenVinoPredictor(
        model, config=bundle.config, thresholds=bundle.thresholds, precision=precision, workload=workload
    )


def _check_engine(engine: Engine, device: DeviceName) -> None:
    if engine.is_cpu_only and device not in ("auto", "cpu"):
        raise ConfigError(
            f"engine: '{engine.name}' computes on the CPU, device '{device}' was asked for; leave one out"
        )
    if not engine.is_installed():
        raise MissingExtraError(f"The engine '{engine.name}'", engine.extra)


def _has_precision(precision: PrecisionName) -> bool:
    from manylabel.engines.openvino import has_native_bf16

    return precision != "bf16" or has_native_bf16()


def _is_cpu(device: DeviceName) -> bool:
    """Return whether the device is a CPU; torch, slow to load, is asked only where it may not be."""
    if device != "auto":
        return device == "cpu"
    if not _may_have_accelerator():
        return True
    try:
        from manylabel.models.device import choose_device
    except ModuleNotFoundError:
        return True
    return choose_device(device).type == "cpu"


def _may_have_accelerator() -> bool:
    """Look for the driver of a GPU that torch could use."""
    match platform.system():
        case "Darwin":
            return platform.machine() == "arm64"
        case "Windows":
            return find_library("nvcuda") is not None
        case _:
            return any(Path(file).exists() for file in _ACCELERATOR_FILES)
