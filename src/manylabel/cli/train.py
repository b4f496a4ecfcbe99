"""``manylabel train``: train one network and write it as a bundle.

In:  photos, labels, settings.
Out: one table on the screen, a bundle.
"""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from manylabel.cli import options
from manylabel.cli.console import show_line
from manylabel.cli.progress import show_progress
from manylabel.cli.screen import show_results
from manylabel.config import DEFAULT_BACKBONE, RunConfig
from manylabel.errors import needs_extra


@options.reads_table
def train(
    context: typer.Context,
    photos: options.Photos,
    labels: options.Labels = None,
    *,
    model: Annotated[
        str | None,
        typer.Option(
            help=f"Network to train, {DEFAULT_BACKBONE} by default; `manylabel models` lists them.",
            metavar="NAME",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the bundle; not given: bundle.", show_default=False)
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
    """Train one network, judge it, write it as a bundle.

    Predict and evaluate use bundles. A fifth of the photos is held out to judge it, unless the table names a
    test part. With --folds the bundle learns from all photos, and is evaluated by a cross-validation.
    """
    config = options.configure(context.params)
    if out is None and config.out == RunConfig().out:
        config = replace(config, out="bundle")
    with needs_extra("Training", "train"):
        from manylabel.pipeline import train as run
    with show_progress() as on_progress:
        result = run(config, command=sys.argv, recipe=recipe, on_progress=on_progress)
    show_results(result.results)
    show_line(f"Bundle: {result.out}")
