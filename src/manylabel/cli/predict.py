"""``manylabel predict``: score photos with a bundle.

In:  a bundle, photos.
Out: labels on the screen, and in files where asked for.
"""

from pathlib import Path
from typing import Annotated

import typer

from manylabel.cli import options
from manylabel.cli.console import show_line
from manylabel.cli.progress import show_progress
from manylabel.cli.screen import Said
from manylabel.exporters.predictions.registry import FORMATS, open_prediction_files


def predict(
    bundle: options.Bundle,
    photos: Annotated[
        list[Path],
        typer.Argument(
            help="Photos, and folders that are searched for photos.", metavar="PHOTO", show_default=False
        ),
    ],
    *,
    out: Annotated[
        list[Path] | None,
        typer.Option(
            help=f"Also write to this file, which ends in {', '.join(FORMATS)}; may be given again.",
            metavar="FILE",
        ),
    ] = None,
    excel: Annotated[
        bool,
        typer.Option(
            "--excel",
            help="Write .csv so that Excel reads its letters right; .xlsx needs no such care.",
        ),
    ] = False,
    engine: options.Engine = None,
    device: options.Device = None,
    precision: options.Precision = None,
    threshold: options.Threshold = None,
    thresholds: options.ThresholdsFile = None,
) -> None:
    """Say which labels photos carry, with probabilities.

    Photos that cannot be read are listed, the others are scored all the same.
    """
    from manylabel.apply import predict_batches as run  # not at the top: --help shall not load it

    files, said = out or [], Said()
    with show_progress() as on_progress, open_prediction_files(files, is_for_excel=excel) as write:
        parts = run(
            bundle,
            photos,
            engine=engine or "auto",
            device=device or "auto",
            precision=precision or "auto",
            thresholds=options.read_threshold_options(thresholds, threshold),
            on_progress=on_progress,
        )
        for part in parts:
            write(part)
            said.add(part)
    said.show(is_written=bool(files))
    for file in files:
        show_line(f"Predictions: {file}")
