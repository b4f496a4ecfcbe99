"""``manylabel compare``: train models on the same photos and compare them.

In:  photos, labels, settings.
Out: one table on the screen, a run directory.
"""

import sys
from pathlib import Path
from typing import Annotated

import typer

from manylabel.cli.console import show_line
from manylabel.cli.options import Labels, Photos, TrainingOptions, trains
from manylabel.cli.progress import show_progress
from manylabel.cli.screen import show_results
from manylabel.errors import needs_extra


@trains
def compare(
    photos: Photos,
    labels: Labels = None,
    *,
    models: Annotated[
        str | None,
        typer.Option(
            help="Models to compare, separated by commas; `manylabel models` lists them.", metavar="NAMES"
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for the report, the models and all other files; runs/latest by default.",
            show_default=False,
        ),
    ] = None,
    options: TrainingOptions,
) -> None:
    """Train models on the same photos, compare them and write a report.

    Prints one table and writes the run directory: report.html, table.csv, results.json, plots, predictions,
    the loss of every epoch, and each trained model as a bundle.
    """
    config = options.configure(photos, labels, models=models, out=out)
    with needs_extra("Training", "train"):
        from manylabel.pipeline import compare as run
    with show_progress() as on_progress:
        result = run(config, command=sys.argv, recipe=options.recipe, on_progress=on_progress)
    show_results(result.results)
    show_line(f"Report: {result.out / 'report.html'}")
