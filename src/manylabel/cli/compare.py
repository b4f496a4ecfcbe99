"""``manylabel compare``: train networks on the same photos and compare them.

In:  photos, labels, settings.
Out: one table on the screen, a run directory.
"""

import sys
from pathlib import Path
from typing import Annotated

import typer

from manylabel.cli import options
from manylabel.cli.console import show_line
from manylabel.cli.progress import show_progress
from manylabel.cli.screen import show_results
from manylabel.errors import needs_extra


@options.reads_table
def compare(
    context: typer.Context,
    photos: options.Photos,
    labels: options.Labels = None,
    *,
    models: Annotated[
        str | None,
        typer.Option(
            help="Networks to compare, joined by commas; `manylabel models` lists them.", metavar="NAMES"
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for the report, the models and all files; not given: runs/latest.",
            show_default=False,
        ),
    ] = None,
    recipe: options.Recipe = options.DEFAULT_RECIPE,
    tune: options.Tune = None,
    head: options.Head = None,
    init: options.Init = None,
    weights: options.Weights = None,
    folds: options.Folds = None,
    epochs: options.Epochs = None,
    device: options.Device = None,
    seed: options.Seed = None,
    set_: options.Settings = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Train networks on the same photos, compare them, write a report.

    Prints one table and writes the run directory: report.html, table.csv, facts.json, plots, predictions,
    the loss of every epoch, and each trained network as a bundle.
    """
    config = options.configure(context.params)
    with needs_extra("Training", "train"):
        from manylabel.pipeline import compare as run
    with show_progress() as on_progress:
        result = run(config, command=sys.argv, recipe=recipe, on_progress=on_progress)
    show_results(result.results)
    show_line(f"Report: {result.out / 'report.html'}")
