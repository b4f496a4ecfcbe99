"""Make an 8-bit version of a bundle, and measure what that costs and gains.

In:  a bundle; photos like those that it will score, with labels or without.
Out: the folder ``int8`` in the bundle: the model for OpenVINO (model.xml, model.bin), and for other engines
     (model.onnx); in facts.json how they compare with the 32-bit network.

Weights and activations become 8-bit integers (post-training quantisation by NNCF); their ranges are read from
a few hundred photos, the calibration. Whatever is measured is measured on other photos.
"""

import io
import json
import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from manylabel.bundle import ONNX_FILE, Bundle
from manylabel.config import DataConfig
from manylabel.data.find import find_photos
from manylabel.data.photos import convert_photos
from manylabel.data.readers import read_table_as
from manylabel.errors import (
    ConfigError,
    EngineError,
    InputError,
    MissingExtraError,
    PhotoError,
    needs_extra,
    nothing_read,
)
from manylabel.export.comparison import Comparison, compare_engines
from manylabel.export.job import Exported, ExportJob
from manylabel.export.onnx import check_onnx_installed, convert_to_onnx, versions
from manylabel.export.parity import (
    MAX_INT8_DIFFERENCE,
    Parity,
    as_facts,
    check_parity,
    choose_parity_photos,
    compare_with_torch,
)
from manylabel.files import writing
from manylabel.predictors.engine_files import INT8_FOLDER, MODEL_FILE, new_engine, save_openvino, write_facts
from manylabel.predictors.engines import converted_model, open_converted
from manylabel.predictors.onnx_predictor import OnnxPredictor
from manylabel.predictors.openvino_parts import LOGITS, PIXELS, keep_outputs
from manylabel.predictors.openvino_predictor import has_native_bf16, read_model
from manylabel.predictors.scoring import PixelPredictor
from manylabel.predictors.torch_predictor import load_classifier
from manylabel.preprocess import PixelArray, resize_photo
from manylabel.quiet_imports import has_openvino, import_nncf, import_openvino
from manylabel.types import IntArray, LabelTable, Listener, Progress

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
    """Quantise, compare and write; arguments, result and errors as in ``formats.export``.

    With a table, both versions are measured on photos that did not calibrate: on the test part where the
    table names one, else on the photos that are left.
    """
    check_installed()
    if job.photos is None:
        raise ConfigError("8-bit numbers need --photos DIR: a folder of photos like those to be scored")
    bundle = job.bundle
    table = None if job.labels is None else _read_labels(job.photos, job.labels, job.form)
    paths, judged = _choose_photos(job.photos, table)
    pixels, failures = _read_pixels(paths, bundle, job.listener)
    folder = bundle.folder / INT8_FOLDER
    with new_engine(folder) as unfinished:
        parity = _make(job, unfinished, pixels)
        comparison = None
        if table is not None and judged is not None:
            engines, judging = _open_all(bundle, unfinished), table.take(judged)
            comparison = compare_engines(engines, judging, origin=_origin(table), listener=job.listener)
        check_parity(
            parity,
            bundle=bundle.folder,
            form="the 8-bit version",
            limit=MAX_INT8_DIFFERENCE if job.max_difference is None else job.max_difference,
            advice=_advise(parity, comparison),
        )
        with writing(folder):
            write_facts(unfinished, _facts(bundle, len(pixels), parity, comparison))
    return Exported(
        path=folder,
        parity=parity,
        comparison=comparison,
        n_calibration=len(pixels),
        failures=tuple(failures),
    )


def _make(job: ExportJob, folder: Path, pixels: Sequence[PixelArray]) -> Parity:
    """Write the 8-bit version for OpenVINO and for other engines, and compare both with torch."""
    bundle = job.bundle
    classifier = load_classifier(bundle)
    photos = choose_parity_photos(bundle.config.preprocessing, photos=job.photos)
    engines: list[PixelPredictor] = []
    full = keep_outputs(read_model(converted_model(bundle)), LOGITS)
    attends = has_attention(full)
    # Not from the ONNX file: OpenVINO 2026.4 computes 8-bit ONNX files of networks that lay two
    # convolutions side by side, such as SqueezeNet, far from what ONNX Runtime does.
    quantised = quantise(full, pixels, has_attention=attends)
    with writing(bundle.folder / INT8_FOLDER):
        save_openvino(quantised, folder)
    engines.append(open_converted(bundle, folder / MODEL_FILE))
    try:
        program = convert_to_onnx(bundle, classifier, has_places=False)
    except EngineError as error:
        _logger.warning("there will be no %s/%s: %s", INT8_FOLDER, ONNX_FILE, error)
    else:
        named = [{PIXELS: photo} for photo in pixels]
        in_onnx = quantise(program.model_proto, named, has_attention=attends)
        in_onnx.metadata_props.add(key="manylabel.numbers", value=json.dumps("int8"))
        made = folder / ONNX_FILE
        with writing(bundle.folder / INT8_FOLDER):
            made.write_bytes(in_onnx.SerializeToString())
        engines.append(OnnxPredictor(made, config=bundle.config, thresholds=bundle.thresholds))
    return compare_with_torch(engines, bundle, classifier, on=photos)


def _open_all(bundle: Bundle, folder: Path) -> dict[str, PixelPredictor]:
    """Open the network as it was and its 8-bit version, as ``predict`` does."""
    full = converted_model(bundle)
    open_one = partial(open_converted, bundle, aim="many")
    engines: dict[str, PixelPredictor] = {"fp32": open_one(full, precision="fp32")}
    if has_native_bf16():
        engines["bf16"] = open_one(full, precision="bf16")
    return {**engines, "int8": open_one(folder / MODEL_FILE)}


def _advise(parity: Parity, comparison: Comparison | None) -> str:
    """Say what helps to decide whether a difference may be accepted, and how to accept it."""
    largest = max(row.max_difference if np.isfinite(row.max_difference) else math.inf for row in parity.rows)
    if math.isinf(largest):
        return "Such numbers cannot be used"
    sentences = [
        f"{row.engine}: {row.max_difference:.2g} at most, {row.mean_difference:.2g} on average, "
        f"{row.n_changed} of {parity.n_decisions} decisions change"
        for row in parity.rows
    ]
    if comparison is None:
        sentences.append("--labels FILE would tell what that costs in mAP and exact match")
    else:
        sentences += _weigh(comparison)
    accepted = min(math.ceil(100 * largest) / 100, 1.0)
    return ". ".join([*sentences, f"--max-difference {accepted:g} accepts it"])


def _weigh(comparison: Comparison) -> list[str]:
    """Say what 8-bit numbers cost and what they save."""
    before, after = comparison.engines["fp32"], comparison.engines["int8"]
    metrics = {
        "mAP": (before.mAP, after.mAP),
        "exact match": (before.exact_match, after.exact_match),
    }
    changes = [
        f"{name} from {100 * old:.1f} to {100 * new:.1f} %"
        for name, (old, new) in metrics.items()
        if old is not None and new is not None
    ]
    others = {"fp32": "32-bit numbers", "bf16": "bf16"}
    ratios = [
        f"{comparison.engines[name].ms_per_photo / after.ms_per_photo:.1f} times as fast as {words}"
        for name, words in others.items()
        if name in comparison.engines
    ]
    on = f"On {comparison.n_photos} photos ({comparison.judged_on})"
    return [*([f"{on} they change {', '.join(changes)}"] if changes else []), f"They are {', '.join(ratios)}"]


def check_installed() -> None:
    """Check that everything needed is there.

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
    """Say whether a model is a transformer."""
    return bool(_ATTENTION & {layer.get_type_name() for layer in model.get_ops()})


def quantise(model: AnyModel, samples: Sequence[Any], *, has_attention: bool) -> AnyModel:
    """Return an 8-bit version of a model.

    Args:
        model: One of OpenVINO, or of ONNX; stays as it is.
        samples: What to read the ranges from: pixels [1, side_px, side_px, 3], for ONNX by the name of the
            input.
        has_attention: Whether it is a transformer, of which NNCF leaves some layers as they are.
    """
    nncf = import_nncf()
    with _quiet_nncf():
        quantised: AnyModel = nncf.quantize(
            model,
            nncf.Dataset(samples),
            preset=nncf.QuantizationPreset.MIXED,
            model_type=nncf.ModelType.TRANSFORMER if has_attention else None,
            subset_size=len(samples),
        )
    return quantised


@contextmanager
def _quiet_nncf() -> Iterator[None]:
    """Silence bars and messages; NNCF's own switch would also change handlers that are not its own.

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


def _read_labels(photos: Path, labels: Path, form: DataConfig) -> LabelTable:
    return read_table_as(form, labels, photos=photos, purpose="judging")


def _choose_photos(folder: Path, table: LabelTable | None) -> tuple[list[Path], IntArray | None]:
    """Return the files that calibrate, and the rows of the table that judge."""
    # The same photos every time: two exports of one bundle can be compared.
    rng = np.random.default_rng(0)
    if table is None:
        found = find_photos(folder)
        if not found:
            raise InputError(f"no photo found in {folder}; give a folder of photos like those to be scored")
        chosen = np.sort(rng.permutation(len(found))[:MAX_CALIBRATION])
        return [found[row] for row in chosen], None
    is_test = np.array([part == "test" for part in table.parts])
    if is_test.any() and not is_test.all():
        calibrating, judged = (
            rng.permutation(np.flatnonzero(~is_test))[:MAX_CALIBRATION],
            np.flatnonzero(is_test),
        )
    else:
        if table.n_photos < 2:
            raise InputError(f"{table.source}: one photo cannot both calibrate and judge; give at least two")
        mixed = rng.permutation(table.n_photos)
        n_calibrating = min(MAX_CALIBRATION, table.n_photos // 2)
        calibrating, judged = mixed[:n_calibrating], np.sort(mixed[n_calibrating:])
    return [table.photos[row] for row in np.sort(calibrating)], judged


def _origin(table: LabelTable) -> str:
    is_test = {part == "test" for part in table.parts}
    return "the table's test part" if is_test == {True, False} else _NOT_CALIBRATING


def _read_pixels(
    paths: Sequence[Path], bundle: Bundle, listener: Listener
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
        listener(Progress(subject="photos", stage="calibrating", done=n_done, total=len(paths)))
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
        "parity": as_facts(parity),
        "comparison": None if comparison is None else asdict(comparison),
        "versions": {
            **versions(),
            "openvino": import_openvino().get_version(),
            "nncf": import_nncf().__version__,
        },
    }
