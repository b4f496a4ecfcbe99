"""``manylabel suggest``: list the photos that are most worth labelling next.

In:  a bundle, a folder of photos, maybe a table of those that are labelled.
Out: photos on the screen, the most useful first, and in a file where asked for.
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
            help="Table of the photos that are labelled, which are left out. Not given: those that the "
            "bundle was trained or evaluated with, by their names.",
            metavar="TABLE",
        ),
    ] = None,
    n: Annotated[int, typer.Option("--n", "-n", min=1, help="How many photos to list.", metavar="N")] = 20,
    out: Annotated[
        Path | None,
        typer.Option(help="Also write them, with all probabilities, to this file, .csv.", metavar="FILE"),
    ] = None,
    device: options.Device = None,
    form: DataConfig,
) -> None:
    """List the photos that are most worth labelling next: hard for the network, and like many others."""
    from manylabel.labelling import suggest as run  # not at the top: --help shall not load it
    from manylabel.labelling import write_suggestions

    options.check_ending(out, ".csv")
    with show_progress() as on_progress:
        suggestions = run(
            bundle, photos, labels, n=n, form=form, device=device or "auto", on_progress=on_progress
        )
    show_suggestions(suggestions)
    if out is not None:
        write_suggestions(out, suggestions)
        show_line(f"Suggestions: {out}")
