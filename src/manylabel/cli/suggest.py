"""``manylabel suggest``: list the photos that are most worth labeling next.

In:  a bundle, a folder of photos, perhaps a table of those already labeled.
Out: photos on the screen, the most useful first, and in a file if one is given.
"""

from pathlib import Path
from typing import Annotated

import typer

from manylabel.cli import options
from manylabel.cli.console import show_line
from manylabel.cli.progress import show_progress
from manylabel.cli.screen import show_suggestions
from manylabel.config import DataConfig


@options.reads_table
def suggest(
    bundle: options.Bundle,
    photos: options.Photos,
    *,
    labels: Annotated[
        Path | None,
        typer.Option(
            "--labels",
            help="Table of the photos that are already labeled, which are left out. Not given: those that "
            "the model was trained or evaluated on, matched by name.",
            metavar="TABLE",
        ),
    ] = None,
    n: Annotated[int, typer.Option("--n", "-n", min=1, help="Number of photos to list.", metavar="N")] = 20,
    out: Annotated[
        Path | None,
        typer.Option(help="Also write them, with all probabilities, to this .csv file.", metavar="FILE"),
    ] = None,
    overwrite: options.Overwrite = False,
    device: options.Device = None,
    form: DataConfig,
) -> None:
    """List the photos most worth labeling next: the model is unsure about them, and they are typical."""
    options.check_file(out, ending=".csv", overwrite=overwrite, inputs=[labels], bundle=bundle)
    from manylabel.labeling import suggest as run  # slow to import; --help does not need it
    from manylabel.labeling import write_suggestions

    with show_progress() as on_progress:
        suggestions = run(
            bundle, photos, labels, n=n, form=form, device=device or "auto", on_progress=on_progress
        )
    show_suggestions(suggestions)
    if out is not None:
        write_suggestions(out, suggestions)
        show_line(f"Suggestions: {out}")
