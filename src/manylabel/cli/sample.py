"""``manylabel sample``: draw the sample set.

In:  a folder, a number, a seed.
Out: drawn photos and their table of labels.
"""

from pathlib import Path
from typing import Annotated

import typer

from manylabel.cli.console import show_line
from manylabel.cli.progress import show_progress


def sample(
    folder: Annotated[Path, typer.Argument(help="Folder to make.", metavar="DIR", show_default=False)],
    *,
    photos: Annotated[int, typer.Option(help="How many pictures to draw.", min=1, metavar="N")] = 200,
    seed: Annotated[int, typer.Option(help="Seed of the drawing.", min=0, metavar="N")] = 0,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a sample set that lies there.")
    ] = False,
) -> None:
    """Draw labelled postcards to try things on."""
    from manylabel.data.sample import draw_sample

    with show_progress() as listener:
        table = draw_sample(
            folder, n_photos=photos, seed=seed, overwrite=overwrite, n_jobs=-1, listener=listener
        )
    show_line(f"Photos: {folder / 'images'}")
    show_line(f"Labels: {table}")
