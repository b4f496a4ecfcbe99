"""``manylabel predict``: predict the labels of photos.

In:  a bundle, photos.
Out: labels on the screen, and in files if some are given.
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
        typer.Argument(help="Photos, or folders to search for photos.", metavar="PHOTO", show_default=False),
    ],
    *,
    out: Annotated[
        list[Path] | None,
        typer.Option(
            help=f"Also write the predictions to this file, ending in {', '.join(FORMATS)}; may be repeated.",
            metavar="FILE",
        ),
    ] = None,
    excel: Annotated[
        bool,
        typer.Option(
            "--excel",
            help="Write .csv so that Excel reads accented letters correctly; not needed for .xlsx.",
        ),
    ] = False,
    engine: options.Engine = None,
    device: options.Device = None,
    precision: options.Precision = None,
    threshold: options.Threshold = None,
    thresholds: options.ThresholdsFile = None,
) -> None:
    """Predict the labels of photos, with probabilities.

    Photos that cannot be read are listed and skipped.
    """
    from manylabel.apply import predict_batches as run  # slow to import; --help does not need it

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
