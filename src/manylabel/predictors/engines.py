"""Choose the engine that scores photos, and open a bundle with it.

In:  a bundle; the user's wishes for engine, device and precision.
Out: a predictor. Where a converted model is at hand, torch is not loaded.
"""

import logging
import platform
from ctypes.util import find_library
from pathlib import Path
from typing import TYPE_CHECKING, assert_never

from manylabel.bundle import WEIGHTS_FILE, Bundle, read_bundle
from manylabel.cache import cache_limit_bytes, make_room, mark_used
from manylabel.config import DeviceName, EngineName, PrecisionName
from manylabel.errors import BundleError, ConfigError, EngineError, MissingExtraError, OutputError
from manylabel.predictors.engine_files import INT8_FOLDER, cached_engine, read_engine, write_engine
from manylabel.predictors.openvino_predictor import Aim, OpenVinoPredictor, has_native_bf16
from manylabel.predictors.scoring import PixelPredictor
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
    aim: Aim = "throughput",
) -> PixelPredictor:
    """Open a bundle.

    Args:
        folder: The bundle.
        engine: "auto" takes OpenVINO where the device is a CPU and OpenVINO is installed, else torch; "int8"
            takes what ``export.int8.export`` made.
        device: Where to compute; OpenVINO is used on the CPU.
        precision: Number type of the forward pass.
        aim: What to be fast at; torch makes no difference.

    Raises:
        BundleError: A file is missing, damaged or does not fit.
        EngineError: OpenVINO was asked for and cannot compute the network.
        ConfigError: The wanted device or number type is not there.
        MissingExtraError: The engine is not installed.
    """
    bundle = read_bundle(folder)
    match engine:
        case "auto":
            return _open_best(bundle, device=device, precision=precision, aim=aim)
        case "torch":
            return _open_torch(bundle, device=device, precision=precision)
        case "openvino" | "int8":
            _check_openvino(engine, device)
            model = _int8_model(bundle) if engine == "int8" else converted_model(bundle)
            return open_converted(bundle, model, precision=precision, aim=aim)
        case _:
            assert_never(engine)


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
    aim: Aim = "throughput",
) -> OpenVinoPredictor:
    """Open a model that was made from a bundle; arguments and errors as for ``OpenVinoPredictor``."""
    return OpenVinoPredictor(
        model,
        config=bundle.config,
        thresholds=bundle.thresholds,
        precision=precision,
        aim=aim,
    )


def _open_torch(bundle: Bundle, *, device: DeviceName, precision: PrecisionName) -> PixelPredictor:
    try:
        from manylabel.predictors.torch_predictor import torch_predictor  # not at the top: an extra, and slow
    except ModuleNotFoundError as error:
        raise MissingExtraError("Using a bundle with torch", "train") from error
    return torch_predictor(bundle, device=device, precision=precision)


def converted_model(bundle: Bundle) -> "openvino.Model | Path":
    """Return the converted model from the cache, or convert and cache it.

    Raises:
        BundleError: The weights do not fit.
        EngineError: OpenVINO cannot compute the network as torch does.
        MissingExtraError: It has to be converted, and torch is not installed.
        ConfigError: MANYLABEL_CACHE_GB is no positive number.
    """
    place, limit_bytes = cached_engine(bundle), cache_limit_bytes()
    if place.exists():
        try:
            model_file = read_engine(place).model
            mark_used(place)
            return model_file
        except BundleError as error:
            _logger.warning("%s; the network is converted again", error)
    try:
        from manylabel.predictors.conversion import convert_bundle  # not at the top: an extra, and slow
    except ModuleNotFoundError as error:
        raise MissingExtraError("Converting a bundle for OpenVINO", "train") from error
    model = convert_bundle(bundle)
    try:
        facts = {"bundle": bundle.facts["sha256"], "network": bundle.config.backbone}
        write_engine(place, model, facts=facts)
    except (OSError, OutputError) as error:
        _logger.warning("the converted network could not be kept in %s: %s", place.parent, error)
    else:
        make_room(place, limit_bytes=limit_bytes)
    return model


def _int8_model(bundle: Bundle) -> Path:
    folder = bundle.folder / INT8_FOLDER
    if not folder.is_dir():
        raise BundleError(
            f"{bundle.folder}: has no 8-bit version yet; make one: "
            f"manylabel export {bundle.folder} --int8 --photos FOLDER"
        )
    again = f"make it anew: manylabel export {bundle.folder} --int8 --photos FOLDER"
    try:
        files = read_engine(folder)
    except BundleError as error:
        raise BundleError(f"{error}; {again}") from error
    made_from = files.facts.get("bundle")
    if not isinstance(made_from, dict) or made_from.get(WEIGHTS_FILE) != bundle.facts["sha256"][WEIGHTS_FILE]:
        raise BundleError(f"{folder}: was made from other weights than those of the bundle; {again}")
    return files.model


def _check_openvino(engine: EngineName, device: DeviceName) -> None:
    if device not in ("auto", "cpu"):
        raise ConfigError(
            f"engine: '{engine}' computes on the CPU, device '{device}' was asked for; leave one out"
        )
    if not has_openvino():
        raise MissingExtraError(f"The engine '{engine}'", "openvino")


def _is_cpu(device: DeviceName) -> bool:
    """Say whether the device is a CPU; torch, slow to load, is asked only where it may not be."""
    if device != "auto":
        return device == "cpu"
    if not _may_have_accelerator():
        return True
    try:
        from manylabel.predictors.device import choose_device
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
