"""Export a bundle to one ONNX file that any engine can run.

In:  a bundle.
Out: ``model.onnx`` in it, compared with torch under OpenVINO and ONNX Runtime; or an error, and no file.

    pixels         uint8 [n, side_px, side_px, 3], RGB, any n: normalisation is inside
    probabilities  float32 [n, n_labels], calibrated
    logits         float32 [n, n_labels]: what is averaged where a photo has several views
    features       float32 [n, n_features]: the input of the head, where the model has a patch grid
    activations    float32 [n, ...]: what heat maps are made from, where the model has a patch grid

Names, thresholds, preprocessing and constraints are in the metadata of the file, as JSON.
"""

import io
import json
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from manylabel.bundle.folder import Bundle
from manylabel.bundle.onnx_file import ONNX_FILE, add_onnx
from manylabel.engines.base import PixelPredictor
from manylabel.engines.onnxruntime import OnnxPredictor
from manylabel.engines.openvino_models import (
    ACTIVATIONS,
    FEATURES,
    LOGITS,
    PIXELS,
    PROBABILITIES,
    has_openvino,
)
from manylabel.engines.registry import open_converted
from manylabel.engines.torch import load_classifier
from manylabel.errors import EngineError, needs_extra
from manylabel.exporters.parity import (
    Exported,
    ExportJob,
    check_parity,
    check_parts,
    choose_parity_photos,
    compare_with_torch,
)
from manylabel.io.files import writing
from manylabel.io.folders import partial_folder
from manylabel.models.classifier import Classifier
from manylabel.models.split_model import SplitClassifier, locate

if TYPE_CHECKING:
    from torch.onnx import ONNXProgram

_FORMAT_VERSION = 1
_MOST_BYTES = 2**31 - 2**20
"""What a single ONNX file can hold: its format counts in 31 bits."""


class _ExportedModel(nn.Module):
    """A model with all outputs of the file."""

    def __init__(self, network: Classifier | SplitClassifier) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        """Return the outputs of the file for pixels [n, side_px, side_px, 3], uint8."""
        given = self.network(pixels)
        logits, *others = given if isinstance(given, tuple) else (given,)
        return (torch.sigmoid(logits), logits, *others)


def export_onnx(job: ExportJob) -> Exported:
    """Convert, compare and write; arguments, result and errors as in ``registry.export``."""
    check_onnx_installed("Writing ONNX", "onnx")
    bundle = job.bundle
    photos = choose_parity_photos(bundle.config.preprocessing, photos=job.photos)
    classifier = load_classifier(bundle)
    program = convert_to_onnx(bundle, classifier)
    with writing(bundle.folder), partial_folder(bundle.folder / ONNX_FILE) as folder:
        made = folder / ONNX_FILE
        program.save(made, external_data=False)
        parity = compare_with_torch(_open_both(bundle, made), bundle, classifier, on=photos)
        check_parity(parity, bundle=bundle.folder, name=ONNX_FILE, limit=job.max_difference)
        check_parts(made, bundle=bundle.folder, pixels=photos.pixels[:2])
        path = add_onnx(bundle, made, facts={"parity": parity.to_dict(), "versions": versions()})
    return Exported(path=path, parity=parity)


def _open_both(bundle: Bundle, made: Path) -> list[PixelPredictor]:
    """Open a file with ONNX Runtime, and with OpenVINO where that is installed."""
    engines: list[PixelPredictor] = [OnnxPredictor(made, config=bundle.config, thresholds=bundle.thresholds)]
    return [*engines, *([open_converted(bundle, made, precision="fp32")] if has_openvino() else [])]


def convert_to_onnx(bundle: Bundle, classifier: Classifier, *, has_patches: bool = True) -> "ONNXProgram":
    """Convert the model of a bundle, with metadata for the users of the file.

    Args:
        bundle: What the file is made from.
        classifier: Its model, on the CPU, in inference mode.
        has_patches: Whether features and activations are outputs, too.

    Raises:
        EngineError: The model cannot be converted, or is too large for one file.
    """
    try:
        program = onnx_program(classifier, has_patches=has_patches)
    except EngineError as error:
        raise EngineError(f"{bundle.folder}: {error}") from error
    program.model.metadata_props.update(_metadata(bundle))
    return program


def onnx_program(classifier: Classifier, *, has_patches: bool = True) -> "ONNXProgram":
    """Convert a model, without metadata; arguments and errors as for ``convert_to_onnx``."""
    _check_size(classifier)
    split = locate(classifier) if has_patches else None
    network = _ExportedModel(classifier if split is None else split).eval()
    outputs = [PROBABILITIES, LOGITS, *([] if split is None else [FEATURES, ACTIVATIONS])]
    side_px = classifier.preprocessing.side_px
    # Of one photo, a model may be traced that can only take one.
    example = torch.zeros(2, side_px, side_px, 3, dtype=torch.uint8)
    try:
        program = _convert(network, example, outputs=outputs)
    except (RuntimeError, torch.onnx.OnnxExporterError):
        # The exporter knows fused attention of the usual shape only; step by step it knows every one.
        _unfuse_attention(network)
        try:
            program = _convert(network, example, outputs=outputs)
        except (RuntimeError, torch.onnx.OnnxExporterError) as error:
            reason = str(error).strip().partition("\n")[0]
            raise EngineError(f"ONNX cannot take this model: {reason}") from error
    if program is None:
        raise EngineError("torch gave no ONNX file for this model")
    program.model.producer_name = "manylabel"
    program.model.metadata_props.clear()
    return program


def _convert(network: nn.Module, example: Tensor, *, outputs: list[str]) -> "ONNXProgram | None":
    with _quiet(), torch.no_grad():
        return torch.onnx.export(
            network,
            (example,),
            input_names=[PIXELS],
            output_names=outputs,
            dynamic_shapes={PIXELS: {0: torch.export.Dim("n_photos")}},
            dynamo=True,
            verbose=False,
        )


def _unfuse_attention(network: nn.Module) -> None:
    """Make timm's layers compute attention step by step."""
    layers: Any = network.modules()
    for layer in layers:
        if hasattr(layer, "fused_attn"):
            layer.fused_attn = False


def _metadata(bundle: Bundle) -> Mapping[str, str]:
    """Return the metadata of the file; every value is text, as ONNX requires."""
    config = bundle.config
    values = {
        "format_version": _FORMAT_VERSION,
        "problem_type": "multi_label_classification",
        "labels": config.labels,
        "thresholds": bundle.thresholds.values.tolist(),
        "preprocessing": config.preprocessing.to_dict(),
        "constraints": [constraint.text for constraint in config.constraints.constraints],
        "backbone": config.backbone,
        "made_from": bundle.facts["sha256"],
    }
    return {f"manylabel.{key}": json.dumps(value, ensure_ascii=False) for key, value in values.items()}


def _check_size(classifier: Classifier) -> None:
    n_bytes = 4 * classifier.n_parameters
    if n_bytes > _MOST_BYTES:
        raise EngineError(
            f"{n_bytes / 1e9:.1f} GB of weights, and one ONNX file holds 2.1 GB at most; "
            "OpenVINO's own format has no such limit: manylabel export --to openvino"
        )


def check_onnx_installed(what: str, extra: str) -> None:
    """Check that ONNX files can be made and run.

    Args:
        what: What they are needed for, as the beginning of a sentence.
        extra: The extra that installs all of it.

    Raises:
        MissingExtraError: A library is missing.
    """
    with needs_extra(what, extra):
        import onnx  # noqa: F401 - not at the top: an extra
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401


@contextmanager
def _quiet() -> Iterator[None]:
    """Hide what the exporter prints and warns of: its steps, and its own deprecated calls."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir", "torch.export")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def versions() -> dict[str, str]:
    """Return the versions of the libraries that make a file."""
    import onnx
    import onnxscript

    return {"torch": torch.__version__, "onnx": onnx.__version__, "onnxscript": onnxscript.__version__}
