"""``manylabel sample``: copy the sample set into a folder.

In:  a folder, a number.
Out: drawn photos and their table of labels.
"""

from pathlib import Path
from typing import Annotated

import typer

from manylabel.cli.console import show_line


def sample(
    folder: Annotated[Path, typer.Argument(help="Folder to make.", metavar="DIR", show_default=False)],
    *,
    photos: Annotated[
        int, typer.Option(help="How many postcards, the first of 200.", min=1, max=200, metavar="N")
    ] = 200,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a sample set that lies there.")
    ] = False,
) -> None:
    """Write labelled postcards to try things on."""
    from manylabel.data.sample import write_sample

    table = write_sample(folder, n_photos=photos, overwrite=overwrite)
    show_line(f"Photos: {folder / 'images'}")
    show_line(f"Labels: {table}")
