"""``manylabel sample``: copy the sample set into a folder.

In:  a folder, a number.
Out: drawn photos and their table of labels.
"""

from pathlib import Path
from typing import Annotated

import typer

from manylabel.cli.console import show_line


def sample(
    folder: Annotated[Path, typer.Argument(help="Folder to create.", metavar="DIR", show_default=False)],
    *,
    photos: Annotated[
        int, typer.Option(help="Number of postcards, the first N of 200.", min=1, max=200, metavar="N")
    ] = 200,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing sample set.")] = False,
) -> None:
    """Write a sample dataset: drawn postcards with labels."""
    from manylabel.data.sample import write_sample

    table = write_sample(folder, n_photos=photos, overwrite=overwrite)
    show_line(f"Photos: {folder / 'images'}")
    show_line(f"Labels: {table}")
