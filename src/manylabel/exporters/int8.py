"""Quantize a bundle to 8 bits, and measure what that costs and gains.

In:  a bundle; photos like those that it will score, with labels or without.
Out: the folder ``int8`` in the bundle: the model for OpenVINO (model.xml, model.bin), and for other engines
     (model.onnx); in facts.json how they compare with the 32-bit model.

Weights and activations become 8-bit integers (post-training quantization by NNCF); their ranges are set by a
few hundred photos, the calibration. Everything is measured on other photos.
"""

import io
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from manylabel.bundle.folder import Bundle
from manylabel.bundle.onnx_file import ONNX_FILE
from manylabel.data.find import find_photos
from manylabel.data.formats import read_table_as
from manylabel.data.photos import convert_photos
from manylabel.engines.base import PixelPredictor
from manylabel.engines.model_files import (
    INT8_FOLDER,
    MODEL_FILE,
    converted_model,
    new_engine,
    save_openvino,
    write_facts,
)
from manylabel.engines.onnxruntime import OnnxPredictor
from manylabel.engines.openvino import has_native_bf16, has_native_int8
from manylabel.engines.openvino_models import (
    LOGITS,
    PIXELS,
    has_openvino,
    import_nncf,
    import_openvino,
    keep_outputs,
    read_model,
)
from manylabel.engines.registry import open_converted
from manylabel.engines.torch import load_classifier
from manylabel.errors import (
    ConfigError,
    EngineError,
    InputError,
    MissingExtraError,
    PhotoError,
    needs_extra,
    nothing_read,
)
from manylabel.exporters.comparison import (
    MIN_DECISIONS,
    announce,
    check_cost,
    compare_engines,
    count_evaluated,
)
from manylabel.exporters.onnx import check_onnx_installed, convert_to_onnx, versions
from manylabel.exporters.parity import (
    Comparison,
    Exported,
    ExportJob,
    Parity,
    compare_with_torch,
    read_parity_photos,
)
from manylabel.io.files import writing
from manylabel.preprocess import PixelArray, resize_photo
from manylabel.types import IntArray, LabelTable, Progress, ProgressCallback

if TYPE_CHECKING:
    import openvino

AnyModel = TypeVar("AnyModel")
"""A model of OpenVINO or of ONNX."""

MAX_CALIBRATION = 300

_FORMAT_VERSION = 2
_logger = logging.getLogger(__name__)
_NOT_CALIBRATING = "photos that did not calibrate but may have trained"
_ATTENTION = {"ScaledDotProductAttention", "Softmax"}


def export_int8(job: ExportJob) -> Exported:
    """Quantize, compare and write; arguments, result and errors as in ``registry.export``.

    With a table, both versions are evaluated on photos that did not calibrate: on the test part where the
    table names one, else on the remaining photos.
    """
    check_installed()
    if job.photos is None:
        raise ConfigError(
            "8-bit integers need --photos DIR, in Python photos=: a folder of photos like those to be scored"
        )
    bundle = job.bundle
    table = None
    if job.labels is not None:
        table = read_table_as(job.form, job.labels, photos=job.photos, purpose="evaluation")
    chosen = _choose_photos(job.photos, table, n_labels=len(bundle.config.labels))
    _log_limits(chosen)
    pixels, failures = _read_pixels(chosen.calibrating, bundle, job.on_progress)
    folder = bundle.folder / INT8_FOLDER
    with new_engine(folder) as unfinished:
        parity = _make(bundle, unfinished, pixels, evaluated=chosen.evaluated)
        comparison = None
        if table is not None and chosen.rows is not None:
            engines, evaluated = _open_all(bundle, unfinished), table.take(chosen.rows)
            comparison = compare_engines(
                engines, evaluated, origin=_origin(table), on_progress=job.on_progress
            )
        check_cost(parity, comparison, bundle=bundle.folder, max_difference=job.max_difference)
        with writing(folder):
            write_facts(unfinished, _facts(bundle, len(pixels), parity, comparison))
    return Exported(
        path=folder,
        parity=parity,
        comparison=comparison,
        n_calibration=len(pixels),
        failures=tuple(failures),
    )


def _make(bundle: Bundle, folder: Path, pixels: Sequence[PixelArray], *, evaluated: Sequence[Path]) -> Parity:
    """Write the 8-bit version for OpenVINO and for other engines, and compare both with torch."""
    classifier = load_classifier(bundle)
    photos = read_parity_photos(evaluated, bundle.config.preprocessing)
    engines: list[PixelPredictor] = []
    full = keep_outputs(read_model(converted_model(bundle)), LOGITS)
    attends = has_attention(full)
    # Not from the ONNX file: OpenVINO 2026.4 computes 8-bit ONNX files of models that lay two
    # convolutions side by side, such as SqueezeNet, far from what ONNX Runtime does.
    quantized = quantize(full, pixels, has_attention=attends)
    with writing(bundle.folder / INT8_FOLDER):
        save_openvino(quantized, folder)
    engines.append(open_converted(bundle, folder / MODEL_FILE))
    try:
        program = convert_to_onnx(bundle, classifier, has_patches=False)
    except EngineError as error:
        _logger.warning("there will be no %s/%s: %s", INT8_FOLDER, ONNX_FILE, error)
    else:
        named = [{PIXELS: photo} for photo in pixels]
        in_onnx = quantize(program.model_proto, named, has_attention=attends)
        in_onnx.metadata_props.add(key="manylabel.numbers", value=json.dumps("int8"))
        made = folder / ONNX_FILE
        with writing(bundle.folder / INT8_FOLDER):
            made.write_bytes(in_onnx.SerializeToString())
        engines.append(OnnxPredictor(made, config=bundle.config, thresholds=bundle.thresholds))
    return compare_with_torch(engines, bundle, classifier, on=photos)


def _open_all(bundle: Bundle, folder: Path) -> dict[str, PixelPredictor]:
    """Open the original and its 8-bit version, as ``predict`` does."""
    full = converted_model(bundle)
    open_one = partial(open_converted, bundle, workload="many")
    engines: dict[str, PixelPredictor] = {"fp32": open_one(full, precision="fp32")}
    if has_native_bf16():
        engines["bf16"] = open_one(full, precision="bf16")
    return {**engines, "int8": open_one(folder / MODEL_FILE)}


def check_installed() -> None:
    """Check that everything needed is installed.

    Raises:
        MissingExtraError: It is not.
    """
    what = "Making an 8-bit version"
    if not has_openvino():
        raise MissingExtraError(what, "int8,openvino")
    check_onnx_installed(what, "int8")
    with needs_extra(what, "int8"):
        import_nncf()


def has_attention(model: "openvino.Model") -> bool:
    """Return whether a model is a transformer."""
    return bool(_ATTENTION & {layer.get_type_name() for layer in model.get_ops()})


def quantize(model: AnyModel, samples: Sequence[Any], *, has_attention: bool) -> AnyModel:
    """Return an 8-bit version of a model.

    Args:
        model: One of OpenVINO, or of ONNX; stays as it is.
        samples: What sets the ranges: pixels [1, side_px, side_px, 3], for ONNX by the name of the
            input.
        has_attention: Whether it is a transformer, of which NNCF leaves some layers as they are.
    """
    nncf = import_nncf()
    with _quiet_nncf():
        quantized: AnyModel = nncf.quantize(
            model,
            nncf.Dataset(samples),
            preset=nncf.QuantizationPreset.MIXED,
            model_type=nncf.ModelType.TRANSFORMER if has_attention else None,
            subset_size=len(samples),
        )
    return quantized


@contextmanager
def _quiet_nncf() -> Iterator[None]:
    """Hide bars and messages; NNCF's own switch would also change handlers that are not its own.

    A part of torch that it loads warns of every computer without CUDA.
    """
    loggers = [logging.getLogger(name) for name in ("nncf", "torch.utils.cpp_extension")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with redirect_stdout(io.StringIO()):
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@dataclass(frozen=True, eq=False, kw_only=True)
class _ChosenPhotos:
    """The photos that quantization works on.

    Attributes:
        calibrating: Those that set the ranges of 8-bit integers.
        evaluated: Those that are compared for changed decisions.
        rows: Rows of the table that mAP is measured on; None without a table.
    """

    calibrating: list[Path]
    evaluated: list[Path]
    rows: IntArray | None


def _choose_photos(folder: Path, table: LabelTable | None, *, n_labels: int) -> _ChosenPhotos:
    """Choose the photos; with a table of enough photos, no photo both calibrates and is evaluated."""
    # The same photos every time: two exports of one bundle can be compared.
    rng = np.random.default_rng(0)
    if table is None:
        found = find_photos(folder)
        if not found:
            raise InputError(f"no photo found in {folder}; give a folder of photos like those to be scored")
        mixed = [found[row] for row in rng.permutation(len(found))]
        n_evaluated = count_evaluated(len(found), n_labels=n_labels, where=folder)
        # From the end: these calibrate only if the folder has too few photos for both.
        return _ChosenPhotos(
            calibrating=sorted(mixed[:MAX_CALIBRATION]), evaluated=sorted(mixed[-n_evaluated:]), rows=None
        )
    calibrating, rows = _choose_rows(table, rng)
    n_evaluated = count_evaluated(table.n_photos, n_labels=n_labels, where=folder)
    is_enough = len(rows) * n_labels >= MIN_DECISIONS
    evaluated = np.sort(rng.permutation(rows if is_enough else np.arange(table.n_photos))[:n_evaluated])
    return _ChosenPhotos(
        calibrating=[table.photos[row] for row in calibrating],
        evaluated=[table.photos[row] for row in evaluated],
        rows=rows,
    )


def _choose_rows(table: LabelTable, rng: np.random.Generator) -> tuple[IntArray, IntArray]:
    """Return the rows of a table that calibrate, and those that are evaluated."""
    is_test = np.array([part == "test" for part in table.parts])
    if is_test.any() and not is_test.all():
        calibrating = rng.permutation(np.flatnonzero(~is_test))[:MAX_CALIBRATION]
        return np.sort(calibrating), np.flatnonzero(is_test)
    if table.n_photos < 2:
        raise InputError(
            f"{table.source}: one photo cannot serve both calibration and evaluation; give at least two"
        )
    mixed = rng.permutation(table.n_photos)
    n_calibrating = min(MAX_CALIBRATION, table.n_photos // 2)
    return np.sort(mixed[:n_calibrating]), np.sort(mixed[n_calibrating:])


def _log_limits(chosen: _ChosenPhotos) -> None:
    """Log, before long work, what will be refused, and where 8 bits gain nothing."""
    sentences = announce(
        n_calibrating=len(chosen.calibrating),
        n_evaluated=len(chosen.evaluated),
        n_labeled=None if chosen.rows is None else len(chosen.rows),
    )
    for sentence in sentences:
        _logger.info("%s", sentence)
    if not has_native_int8():
        _logger.warning(
            "this processor has no 8-bit instructions: the 8-bit version is smaller, but not faster here"
        )


def _origin(table: LabelTable) -> str:
    is_test = {part == "test" for part in table.parts}
    return "the table's test part" if is_test == {True, False} else _NOT_CALIBRATING


def _read_pixels(
    paths: Sequence[Path], bundle: Bundle, on_progress: ProgressCallback
) -> tuple[list[PixelArray], list[PhotoError]]:
    preprocessing = bundle.config.preprocessing
    pixels, failures = list[PixelArray](), list[PhotoError]()
    read = convert_photos(
        paths, lambda photo: resize_photo(photo, preprocessing), side_px=preprocessing.side_px
    )
    for n_done, photo in enumerate(read, start=1):
        if isinstance(photo, PhotoError):
            failures.append(photo)
        else:
            pixels.append(photo[None])  # [1, side_px, side_px, 3]
        on_progress(Progress(subject="photos", stage="calibrating", done=n_done, total=len(paths)))
    if not pixels:
        raise InputError(nothing_read(failures, purpose=" to calibrate"))
    return pixels, failures


def _facts(
    bundle: Bundle, n_calibration: int, parity: Parity, comparison: Comparison | None
) -> Mapping[str, Any]:
    return {
        "format_version": _FORMAT_VERSION,
        "bundle": bundle.facts["sha256"],
        "n_calibration": n_calibration,
        "parity": parity.to_dict(),
        "comparison": None if comparison is None else asdict(comparison),
        "versions": {
            **versions(),
            "openvino": import_openvino().get_version(),
            "nncf": import_nncf().__version__,
        },
    }
