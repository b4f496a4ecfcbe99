"""``manylabel evaluate``: judge a bundle on a labelled table.

In:  a bundle, photos, labels.
Out: metrics on the screen, and in a file where asked for.
"""

from pathlib import Path
from typing import Annotated, Literal

import typer

from manylabel.cli import options
from manylabel.cli.console import show_line
from manylabel.cli.progress import show_progress
from manylabel.cli.screen import show_evaluation
from manylabel.config import DataConfig


@options.reads_table
def evaluate(
    bundle: options.Bundle,
    photos: options.Photos,
    labels: options.Labels = None,
    *,
    part: Annotated[
        Literal["train", "val", "test", "all"] | None,
        typer.Option(
            help="Part to judge on, of the table's own split or else of that which the bundle was trained "
            "with; all takes every photo. Not given: the table's test part where it has one, else the photos "
            "that the bundle did not learn from, by their names."
        ),
    ] = None,
    engine: options.Engine = None,
    precision: options.Precision = None,
    threshold: options.Threshold = None,
    thresholds: options.ThresholdsFile = None,
    out: Annotated[
        Path | None, typer.Option(help="Also write the metrics to this file, .json.", metavar="FILE")
    ] = None,
    form: DataConfig,
) -> None:
    """Judge a bundle on labelled photos."""
    from manylabel.apply import evaluate as run  # not at the top: --help shall not load it
    from manylabel.apply import write_evaluation

    options.check_ending(out, ".json")
    with show_progress() as on_progress:
        evaluation = run(
            bundle,
            photos,
            labels,
            form=form,
            part=part,
            engine=engine or "auto",
            precision=precision or "auto",
            thresholds=options.read_threshold_options(thresholds, threshold),
            on_progress=on_progress,
        )
    show_evaluation(evaluation)
    if out is not None:
        write_evaluation(out, evaluation)
        show_line(f"Metrics: {out}")
