"""``manylabel train``: train one model and write it as a bundle.

In:  photos, labels, settings.
Out: one table on the screen, a bundle.
"""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from manylabel.cli.console import show_line
from manylabel.cli.options import Labels, Photos, TrainingOptions, check_run, trains
from manylabel.cli.progress import show_progress
from manylabel.cli.screen import show_results
from manylabel.config import DEFAULT_BACKBONE, RunConfig
from manylabel.errors import needs_extra


@trains
def train(
    photos: Photos,
    labels: Labels = None,
    *,
    model: Annotated[
        str | None,
        typer.Option(
            help=f"Model to train, {DEFAULT_BACKBONE} by default; `manylabel models` lists them.",
            metavar="NAME",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the bundle; bundle by default.", show_default=False)
    ] = None,
    options: TrainingOptions,
) -> None:
    """Train one model, evaluate it and write it as a bundle.

    All other commands use bundles. A fifth of the photos is held out as the test set, unless the table marks
    one. With --folds, the model is trained on all photos and evaluated by cross-validation.

    Without --folds and validation photos, calibration and thresholds are learned by cross-validation within
    the training photos, which takes up to five more fits (none with --set evaluation.inner_folds=false, and
    none with --tune full).
    """
    config = options.configure(photos, labels, models=model, out=out)
    if out is None and config.out == RunConfig().out:
        config = replace(config, out="bundle")
    check_run(config)
    with needs_extra("Training", "train"):
        from manylabel.pipeline import train as run
    with show_progress() as on_progress:
        result = run(config, command=sys.argv, recipe=options.recipe, on_progress=on_progress)
    show_results(result.results)
    show_line(f"Bundle: {result.out}")
