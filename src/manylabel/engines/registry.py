"""Choose the engine that scores photos, and open a bundle with it.

In:  a bundle; the user's wishes for engine, device and precision.
Out: a predictor. Where a converted model is at hand, torch is not loaded.
"""

import logging
import platform
import tempfile
from collections.abc import Sequence
from ctypes.util import find_library
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, assert_never

from manylabel.bundle.folder import Bundle, read_bundle
from manylabel.bundle.onnx_file import ONNX_FILE, is_made_from, read_onnx
from manylabel.bundle.tables import ThresholdSource, change_thresholds
from manylabel.config import DeviceName, EngineName, PrecisionName
from manylabel.engines.base import PixelPredictor
from manylabel.engines.engine_files import (
    INT8_FOLDER,
    MODEL_FILE,
    OPENVINO_FOLDER,
    cached_engine,
    read_engine,
    save_openvino,
    write_engine,
)
from manylabel.engines.model_limits import check_model
from manylabel.engines.onnxruntime import OnnxPredictor
from manylabel.engines.openvino import Aim, OpenVinoPredictor, has_native_bf16, read_model
from manylabel.engines.split_model import Locator, take_apart
from manylabel.errors import (
    BundleError,
    ConfigError,
    EngineError,
    MissingExtraError,
    OutputError,
    needs_extra,
)
from manylabel.io.cache import cache_limit_bytes, make_room, mark_used
from manylabel.io.untrusted_files import check_plain
from manylabel.quiet_imports import has_openvino

if TYPE_CHECKING:
    import openvino

_ACCELERATOR_FILES = ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd")
_logger = logging.getLogger(__name__)


def open_predictor(
    folder: Path,
    *,
    engine: EngineName = "auto",
    device: DeviceName = "auto",
    precision: PrecisionName = "auto",
    aim: Aim = "any",
    thresholds: ThresholdSource | Sequence[ThresholdSource] | None = None,
) -> PixelPredictor:
    """Open a bundle.

    Args:
        folder: The bundle.
        engine: "auto" takes OpenVINO where the device is a CPU and OpenVINO is installed, else torch; "int8"
            takes what ``export`` made, as does "onnxruntime".
        device: Where to compute; OpenVINO is used on the CPU.
        precision: Number type of the forward pass.
        aim: How many photos come; to torch it makes no difference.
        thresholds: Thresholds of some labels in place of those of the bundle, by label or as a file.

    Raises:
        BundleError: A file is missing, damaged or does not fit.
        EngineError: OpenVINO was asked for and cannot compute the network.
        ConfigError: The wanted device or number type is not there, or a threshold cannot be used.
        MissingExtraError: The engine is not installed.
    """
    bundle = read_bundle(folder)
    if thresholds is not None:
        bundle = replace(
            bundle, thresholds=change_thresholds(bundle.thresholds, bundle.config.labels, thresholds)
        )
    match engine:
        case "auto":
            return _open_best(bundle, device=device, precision=precision, aim=aim)
        case "torch":
            return _open_torch(bundle, device=device, precision=precision)
        case "openvino" | "int8":
            _check_openvino(engine, device)
            model = _int8_model(bundle) if engine == "int8" else converted_model(bundle)
            return open_converted(bundle, model, precision=precision, aim=aim)
        case "onnxruntime":
            return _open_onnx(bundle, device=device, precision=precision)
        case _:
            assert_never(engine)


def open_locator(bundle: Bundle) -> Locator | None:
    """Open the two parts of a bundle's network, for heat maps; None where it keeps no places of a photo.

    Raises:
        BundleError: A file is missing, damaged or does not fit.
        EngineError: OpenVINO cannot compute the network as torch does.
        MissingExtraError: OpenVINO is not installed.
    """
    _check_openvino("openvino", "cpu")
    found = converted_model(bundle)
    model = read_model(found)
    check_model(model, source=found if isinstance(found, Path) else bundle.folder)
    return take_apart(model)


def _open_best(bundle: Bundle, *, device: DeviceName, precision: PrecisionName, aim: Aim) -> PixelPredictor:
    """Open with OpenVINO where it fits, else with torch."""
    if _is_cpu(device) and has_openvino() and (precision != "bf16" or has_native_bf16()):
        try:
            return open_converted(bundle, converted_model(bundle), precision=precision, aim=aim)
        except EngineError as error:
            _logger.warning("%s; torch is used instead", error)
    return _open_torch(bundle, device=device, precision=precision)


def open_converted(
    bundle: Bundle,
    model: "openvino.Model | Path",
    *,
    precision: PrecisionName = "auto",
    aim: Aim = "any",
) -> OpenVinoPredictor:
    """Open a model that was made from a bundle; arguments and errors as for ``OpenVinoPredictor``."""
    return OpenVinoPredictor(
        model,
        config=bundle.config,
        thresholds=bundle.thresholds,
        precision=precision,
        aim=aim,
    )


def _open_onnx(bundle: Bundle, *, device: DeviceName, precision: PrecisionName) -> PixelPredictor:
    _check_cpu("onnxruntime", device)
    if precision == "bf16":
        raise ConfigError("precision: ONNX Runtime computes in 32-bit floats here; leave 'bf16' out")
    model = read_onnx(bundle)
    if model is None:
        raise BundleError(
            f"{bundle.folder}: has no {ONNX_FILE} yet; make it: manylabel export {bundle.folder} --to onnx"
        )
    return OnnxPredictor(model, config=bundle.config, thresholds=bundle.thresholds)


def _open_torch(bundle: Bundle, *, device: DeviceName, precision: PrecisionName) -> PixelPredictor:
    with needs_extra("Using a bundle with torch", "train"):
        from manylabel.engines.torch import torch_predictor  # not at the top: an extra, and slow

    return torch_predictor(bundle, device=device, precision=precision)


def converted_model(bundle: Bundle) -> "openvino.Model | Path":
    """Return the network of a bundle in a form that OpenVINO reads: from the bundle, else from the cache.

    Where neither has one, it is converted and cached.

    Raises:
        BundleError: The weights do not fit, or an exported form in the bundle is damaged.
        EngineError: OpenVINO cannot compute the network as torch does.
        MissingExtraError: It has to be converted, and torch is not installed.
        ConfigError: MANYLABEL_CACHE_GB is no positive number.
    """
    check_plain(bundle.folder, OPENVINO_FOLDER)
    if (bundle.folder / OPENVINO_FOLDER).is_dir():
        return _exported_model(bundle, OPENVINO_FOLDER, command="--to openvino")
    place, limit_bytes = cached_engine(bundle), cache_limit_bytes()
    if place.exists():
        try:
            model_file = read_engine(place).model
            mark_used(place)
            return model_file
        except BundleError as error:
            _logger.warning("%s; the network is converted again", error)
    exported = read_onnx(bundle)
    if exported is not None:
        return exported
    _logger.info("converting the network for this machine: some seconds, once")
    return _convert(bundle, place, limit_bytes=limit_bytes)


def _convert(bundle: Bundle, place: Path, *, limit_bytes: int) -> "openvino.Model | Path":
    """Convert the network of a bundle; return it as the cache keeps it, so that every run opens the same."""
    with needs_extra(
        f"Converting {bundle.folder}, which has no exported form (export --to onnx makes one),", "train"
    ):
        from manylabel.engines.conversion import convert_bundle  # not at the top: an extra, and slow

    model = convert_bundle(bundle)
    try:
        facts = {"bundle": bundle.facts["sha256"], "network": bundle.config.backbone}
        write_engine(place, model, facts=facts)
    except (OSError, OutputError) as error:
        _logger.warning("the converted network could not be kept in %s: %s", place.parent, error)
        return _as_kept(model)
    make_room(place, limit_bytes=limit_bytes)
    return place / MODEL_FILE


def _as_kept(model: "openvino.Model") -> "openvino.Model":
    """Return a model as it is once it was written: in memory, some sums are ordered otherwise."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        try:
            save_openvino(model, Path(folder))
            return read_model(Path(folder) / MODEL_FILE)
        except OSError:
            return model


def _int8_model(bundle: Bundle) -> Path:
    check_plain(bundle.folder, INT8_FOLDER)
    if not (bundle.folder / INT8_FOLDER).is_dir():
        raise BundleError(
            f"{bundle.folder}: has no 8-bit version yet; make one: "
            f"manylabel export {bundle.folder} --to int8 --photos FOLDER"
        )
    return _exported_model(bundle, INT8_FOLDER, command="--to int8 --photos FOLDER")


def _exported_model(bundle: Bundle, name: str, *, command: str) -> Path:
    """Return the model in a folder of the bundle, checked against what it was made from."""
    folder = bundle.folder / name
    again = f"export it again: manylabel export {bundle.folder} {command}"
    try:
        files = read_engine(folder)
    except BundleError as error:
        raise BundleError(f"{error}; {again}") from error
    if not is_made_from(files.facts.get("bundle"), bundle):
        raise BundleError(
            f"{folder}: was exported from a different model than the one in this bundle; {again}"
        )
    return files.model


def _check_cpu(engine: EngineName, device: DeviceName) -> None:
    if device not in ("auto", "cpu"):
        raise ConfigError(
            f"engine: '{engine}' computes on the CPU, device '{device}' was asked for; leave one out"
        )


def _check_openvino(engine: EngineName, device: DeviceName) -> None:
    _check_cpu(engine, device)
    if not has_openvino():
        raise MissingExtraError(f"The engine '{engine}'", "openvino")


def _is_cpu(device: DeviceName) -> bool:
    """Say whether the device is a CPU; torch, slow to load, is asked only where it may not be."""
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
