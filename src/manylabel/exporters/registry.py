"""Export a bundle to other formats.

In:  a bundle, the wanted export, perhaps photos like those to be scored and their labels.
Out: files in the bundle, compared with the model that they were made from.

Everything heavy is imported inside functions: the command line reads names and help from here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from manylabel.config import DataConfig, ExportName
from manylabel.errors import ConfigError, did_you_mean, needs_extra
from manylabel.types import ProgressCallback, ignore_progress

if TYPE_CHECKING:
    from manylabel.exporters.parity import Exported, ExportJob


@dataclass(frozen=True, kw_only=True)
class Exporter:
    """An export that users can choose.

    Attributes:
        name: What they call it.
        help: What it is for, for the command line.
        output: The file or folder in the bundle that it makes.
        run: Makes it; raises what ``export`` raises.
        takes_labels: Whether it measures on labeled photos what the export loses.
    """

    name: str
    help: str
    output: str
    run: "Callable[[ExportJob], Exported]"
    takes_labels: bool = False


def _export_onnx(job: "ExportJob") -> "Exported":
    from manylabel.exporters.onnx import export_onnx

    return export_onnx(job)


def _export_openvino(job: "ExportJob") -> "Exported":
    from manylabel.exporters.openvino import export_openvino

    return export_openvino(job)


def _export_int8(job: "ExportJob") -> "Exported":
    from manylabel.exporters.int8 import export_int8

    return export_int8(job)


EXPORTERS = {
    exporter.name: exporter
    for exporter in (
        Exporter(name="onnx", help="one file for any engine", output="model.onnx", run=_export_onnx),
        Exporter(
            name="openvino", help="ready for machines without torch", output="openvino", run=_export_openvino
        ),
        Exporter(
            name="int8",
            help="8-bit integers, for `predict --engine int8`",
            output="int8",
            run=_export_int8,
            takes_labels=True,
        ),
    )
}
"""The exporters by name, in the order in which the command line lists them."""


def export(  # noqa: PLR0913 - a wish of the user each
    bundle: Path | str,
    to: ExportName,
    *,
    photos: Path | str | None = None,
    labels: Path | str | None = None,
    form: DataConfig | None = None,
    max_difference: float | None = None,
    on_progress: ProgressCallback = ignore_progress,
) -> "Exported":
    """Export a bundle; an earlier export to the same format is replaced.

    Args:
        bundle: Folder that training wrote; the new files go into it.
        to: One of ``EXPORTERS``: "onnx" for ``model.onnx``, one file for any engine; "openvino" for the
            folder ``openvino``, with which no conversion is needed; "int8" for the folder ``int8``, a
            quantized model.
        photos: Folder of photos like those that will be scored. The export is compared with the model on
            24 of them, on drawn pictures where none is given; up to 300 set the ranges of 8-bit integers.
        labels: Table of their labels, to measure what 8-bit integers lose and gain.
        form: How the table is read; its paths are not used.
        max_difference: Largest difference of a probability from torch's, in [0, 1]; beyond it nothing is
            written. Not given: 0.001, and none for "int8", which is limited by decisions and mAP, see
            ``exporters.comparison``.
        on_progress: Called as the work goes on.

    Raises:
        ConfigError: There is no such exporter, or it does not take labels.
        InputError: The bundle, the photos or the table cannot be used, or there are too few photos.
        EngineError: A probability of the export differs from torch's by more than ``max_difference``, or
            8-bit integers change too many decisions or lose too much mAP.
        MissingExtraError: A library for it is not installed.
    """
    with needs_extra("Exporting a bundle", "train,onnx"):
        from manylabel.bundle.folder import read_bundle
        from manylabel.exporters.parity import ExportJob

    exporter = find_exporter(to)
    if labels is not None and not exporter.takes_labels:
        raise ConfigError(
            f"labels: they only measure what int8 loses, and '{to}' predicts the same as the model; "
            "leave --labels out, or use --to int8"
        )
    job = ExportJob(
        bundle=read_bundle(Path(bundle)),
        photos=None if photos is None else Path(photos),
        labels=None if labels is None else Path(labels),
        form=DataConfig() if form is None else form,
        max_difference=max_difference,
        on_progress=on_progress,
    )
    return exporter.run(job)


def find_exporter(name: str) -> Exporter:
    """Return the exporter of a name.

    Raises:
        ConfigError: There is none.
    """
    if name not in EXPORTERS:
        hint = did_you_mean(name, list(EXPORTERS)) or ";"
        raise ConfigError(f"export: unknown export '{name}'{hint} known exports: {', '.join(EXPORTERS)}")
    return EXPORTERS[name]
