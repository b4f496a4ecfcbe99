"""``manylabel explain``: show which parts of a photo led to each label.

In:  a bundle, photos, perhaps labeled photos to show similar ones from.
Out: a folder of heat maps with a page; a line per photo on the screen.
"""

from pathlib import Path
from typing import Annotated

import typer

from manylabel.cli import options
from manylabel.cli.console import show_line
from manylabel.cli.progress import show_progress
from manylabel.cli.screen import show_failures
from manylabel.config import DataConfig
from manylabel.errors import ConfigError


@options.reads_table
def explain(
    bundle: options.Bundle,
    photos: Annotated[
        list[Path],
        typer.Argument(
            help="Photos to explain, or folders to search for photos.",
            metavar="PHOTO",
            show_default=False,
        ),
    ],
    *,
    out: Annotated[Path, typer.Option(help="Folder to write to.", metavar="DIR", show_default=False)],
    label: Annotated[
        list[str] | None,
        typer.Option(
            help="Label to explain; may be repeated. Not given: the predicted labels, or the most probable "
            "one if there are none.",
            metavar="NAME",
        ),
    ] = None,
    among: Annotated[
        Path | None,
        typer.Option(
            help="Folder of labeled photos, e.g. the training photos, to show the most similar ones from.",
            metavar="DIR",
        ),
    ] = None,
    labels: Annotated[
        Path | None, typer.Option(help="Table of labels of the photos in --among.", metavar="FILE")
    ] = None,
    engine: options.Engine = None,
    precision: options.Precision = None,
    threshold: options.Threshold = None,
    thresholds: options.ThresholdsFile = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the output of an earlier run.")
    ] = False,
    form: DataConfig,
) -> None:
    """Show which parts of a photo led to each label."""
    options.check_exist([*photos, *([labels] if labels else [])])
    # Slow to import; --help does not need them.
    from manylabel.explanation.files import check_output, write_explanations
    from manylabel.explanation.run import explain as run

    if (among is None) != (labels is None):
        raise ConfigError("--among and --labels go together: photos and their table of labels")
    if among is None and form != DataConfig():
        raise ConfigError("options for reading a table of labels need --among and --labels")
    check_output(out, overwrite=overwrite)
    pair = None if among is None or labels is None else (among, labels)
    with show_progress() as on_progress:
        explained = run(
            bundle,
            photos,
            labels=() if label is None else label,
            among=pair,
            form=form,
            engine=engine or "auto",
            precision=precision or "auto",
            thresholds=options.read_threshold_options(thresholds, threshold),
            on_progress=on_progress,
        )
    write_explanations(out, explained, overwrite=overwrite)
    for photo in explained.photos:
        labels_shown = ", ".join(f"{found.label} {found.score:.0%}" for found in photo.labels)
        show_line(f"{photo.path.name}: {labels_shown}")
    show_failures(explained.failures)
    show_line(f"Heat maps: {out / 'index.html'}")
