"""Draw postcards into a folder: ``python -m tools.postcards FOLDER``.

In:  a folder, the number of pictures, a seed.
Out: images/0001.jpg ... and labels.csv, columns image and labels, joined by ";", empty where none applies.

The sample set that manylabel ships was drawn with 200 pictures and seed 0. Picture number i depends on the
seed and on i alone, so a larger set begins with the smaller one.
"""

import argparse
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np

from manylabel.io.csv_text import CsvWriter
from tools.postcards.postcard import draw_postcard

_JPEG_QUALITY = 75


def draw_set(folder: Path, *, n_photos: int, seed: int = 0, n_processes: int | None = 1) -> Path:
    """Draw a set.

    Args:
        folder: What to fill; it must not exist.
        n_photos: How many pictures.
        seed: Seed of the drawing, 0 or more.
        n_processes: How many draw at once; None for one per processor.

    Returns:
        The table of labels; the pictures lie in ``images`` beside it.
    """
    (folder / "images").mkdir(parents=True)
    draw = partial(draw_one, folder, seed=seed)
    if n_processes == 1:
        rows = [draw(number) for number in range(n_photos)]
    else:
        with ProcessPoolExecutor(n_processes) as processes:
            rows = list(processes.map(draw, range(n_photos)))
    with (folder / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        CsvWriter(file, line_end="\n").write_rows([["image", "labels"], *rows])
    return folder / "labels.csv"


def draw_one(folder: Path, number: int, *, seed: int) -> list[str]:
    """Draw a picture into a folder; return its line of the table."""
    postcard = draw_postcard(np.random.default_rng([seed, number]))
    name = f"images/{number + 1:04}.jpg"
    postcard.image.save(folder / name, "JPEG", quality=_JPEG_QUALITY, optimize=True)
    return [name, ";".join(postcard.labels)]


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m tools.postcards", description="Draw postcards.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--photos", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    draw_set(given.folder, n_photos=given.photos, seed=given.seed, n_processes=None)


if __name__ == "__main__":
    main()
