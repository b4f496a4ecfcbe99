"""Bring a bundle into other forms.

In:  a bundle, the wanted form, perhaps photos like those to be scored and their labels.
Out: files in the bundle, compared with the network that they were made from.
"""

from collections.abc import Callable
from pathlib import Path

from manylabel.bundle.folder import read_bundle
from manylabel.config import DataConfig, ExportName
from manylabel.errors import ConfigError
from manylabel.exporters.int8 import export_int8
from manylabel.exporters.job import Exported, ExportJob
from manylabel.exporters.onnx import export_onnx
from manylabel.exporters.openvino import export_openvino
from manylabel.types import ProgressCallback, ignore_progress

EXPORTS: dict[ExportName, Callable[[ExportJob], Exported]] = {
    "onnx": export_onnx,
    "openvino": export_openvino,
    "int8": export_int8,
}
"""What makes each form."""


def export(  # noqa: PLR0913 - a wish of the user each
    bundle: Path | str,
    to: ExportName,
    *,
    photos: Path | str | None = None,
    labels: Path | str | None = None,
    form: DataConfig | None = None,
    max_difference: float | None = None,
    on_progress: ProgressCallback = ignore_progress,
) -> Exported:
    """Bring a bundle into another form; what an earlier export made is replaced.

    Args:
        bundle: Folder that training wrote; the new files go into it.
        to: "onnx" for ``model.onnx``, one file for any engine; "openvino" for the folder ``openvino``, with
            which nothing has to be converted where it is used; "int8" for the folder ``int8``, 8-bit numbers.
        photos: Folder of photos like those that shall be scored. The new form is compared with the network on
            24 of them, on drawn pictures where none is given; 8-bit numbers take their ranges from up to 300.
        labels: Table of their labels, to measure what 8-bit numbers lose and gain.
        form: How the table is read; its paths are not used.
        max_difference: Largest difference of a probability from torch's, in [0, 1]; beyond it nothing is
            written. Not given: 0.001, and with 8-bit numbers none: these go by decisions and mAP, see
            ``export.tolerance``.
        on_progress: Hears of progress.

    Raises:
        ConfigError: Labels are given for a form whose probabilities are those of the network.
        InputError: The bundle, the photos or the table cannot be used, or there are too few photos.
        EngineError: A probability of the new form lies further from torch's than ``max_difference``, or 8-bit
            numbers change too many decisions or lose too much mAP.
        MissingExtraError: A library for it is not installed.
    """
    if labels is not None and to != "int8":
        raise ConfigError(
            f"labels: only what 8-bit numbers lose is measured with them, and '{to}' gives what the network "
            "gives; leave --labels out, or take --to int8"
        )
    job = ExportJob(
        bundle=read_bundle(Path(bundle)),
        photos=None if photos is None else Path(photos),
        labels=None if labels is None else Path(labels),
        form=DataConfig() if form is None else form,
        max_difference=max_difference,
        on_progress=on_progress,
    )
    return EXPORTS[to](job)
