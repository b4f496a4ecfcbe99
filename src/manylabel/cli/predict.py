"""``manylabel predict``: score photos with a bundle.

In:  a bundle, photos.
Out: labels on the screen, and in files where asked for.
"""

from pathlib import Path
from typing import Annotated

import typer

from manylabel.cli import options
from manylabel.cli.screen import needs_extra, show_line, show_predictions, show_progress


def predict(
    bundle: Annotated[
        Path, typer.Argument(help="Folder that training wrote.", metavar="BUNDLE", show_default=False)
    ],
    photos: Annotated[
        list[Path],
        typer.Argument(
            help="Photos, and folders that are searched for photos.", metavar="PHOTO", show_default=False
        ),
    ],
    *,
    out: Annotated[
        list[Path] | None,
        typer.Option(help="Also write to this file, .csv or .json; may be given again.", metavar="FILE"),
    ] = None,
    device: options.Device = None,
) -> None:
    """Say which labels photos carry, with probabilities.

    Photos that cannot be read are listed, the others are scored all the same.
    """
    with needs_extra("Predicting", "train"):
        from manylabel.apply import predict as run
    from manylabel.predictors.files import check_form, write_predictions

    files = out or []
    for file in files:
        check_form(file)
    with show_progress() as listener:
        predictions = run(bundle, photos, device=device or "auto", listener=listener)
    show_predictions(predictions)
    for file in files:
        write_predictions(file, predictions)
        show_line(f"Predictions: {file}")
