"""``manylabel evaluate``: evaluate a model on labeled photos.

In:  a bundle, photos, labels.
Out: metrics on the screen, and in a file if one is given.
"""

from pathlib import Path
from typing import Annotated, Literal, get_args

import typer

from manylabel.cli import options
from manylabel.cli.console import show_line
from manylabel.cli.progress import show_progress
from manylabel.cli.screen import show_evaluation
from manylabel.config import DataConfig

_PartName = Literal["train", "val", "test", "all"]


@options.reads_table
def evaluate(
    bundle: options.Bundle,
    photos: options.Photos,
    labels: options.Labels = None,
    *,
    part: Annotated[
        _PartName | None,
        options.one_of(
            get_args(_PartName),
            "--part",
            help="Photos to evaluate on: a part of the table's own split, or of the split that the model was "
            "trained with; all uses every photo. Not given: the table's test part if it has one, otherwise "
            "the photos that the model was not trained on, matched by name.",
        ),
    ] = None,
    engine: options.Engine = None,
    precision: options.Precision = None,
    threshold: options.Threshold = None,
    thresholds: options.ThresholdsFile = None,
    out: Annotated[
        Path | None, typer.Option(help="Also write the metrics to this .json file.", metavar="FILE")
    ] = None,
    overwrite: options.Overwrite = False,
    form: DataConfig,
) -> None:
    """Evaluate a model on labeled photos."""
    options.check_file(out, ending=".json", overwrite=overwrite, inputs=[labels, thresholds], bundle=bundle)
    from manylabel.apply import evaluate as run  # slow to import; --help does not need it
    from manylabel.apply import write_evaluation

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
