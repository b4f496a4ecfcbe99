"""Draw the sample set: postcards from a lake city, with their table of labels.

In:  a folder, the number of pictures, a seed.
Out: images/0001.jpg ... and labels.csv: columns image and labels, joined by ";", empty where none applies.

Picture number i depends on the seed and on i alone, so a larger set begins with the smaller one.
"""

import csv
import re
from pathlib import Path

import numpy as np

from manylabel.data.postcards.postcard import Postcard, draw_postcard
from manylabel.data.postcards.scene import SAMPLE_LABELS
from manylabel.errors import ConfigError
from manylabel.files import new_folder
from manylabel.types import Listener, Progress, ignore_progress

__all__ = ["SAMPLE_LABELS", "Postcard", "draw_postcard", "draw_sample"]

_JPEG_QUALITY = 88
_OWN_FILES = re.compile(r"labels\.csv|images/\d{4,}\.jpg")


def draw_sample(
    out: Path | str,
    *,
    n_photos: int = 200,
    seed: int = 0,
    overwrite: bool = False,
    listener: Listener = ignore_progress,
) -> Path:
    """Draw the sample set.

    Args:
        out: Folder to make.
        n_photos: How many pictures, at least 1.
        seed: Seed of the drawing, 0 or more; the same seed gives the same pictures.
        overwrite: Replace a sample set in ``out``.
        listener: Hears of every picture.

    Returns:
        The table of labels, ``out/labels.csv``; the pictures lie in ``out/images``. The labels of a picture
        come in the order of ``SAMPLE_LABELS``.

    Raises:
        ConfigError: The number of pictures or the seed is too small.
        OutputError: The folder is taken, holds other files or cannot be written to.

    Examples:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     table = draw_sample(Path(folder) / "postcards", n_photos=2)
        ...     print(table.read_text(encoding="utf-8").splitlines()[0])
        image,labels
    """
    if n_photos < 1:
        raise ConfigError(f"n_photos is {n_photos}; expected at least 1 picture")
    if seed < 0:
        raise ConfigError(f"seed is {seed}; expected 0 or more")
    out = Path(out)
    with new_folder(out, replaces=_OWN_FILES if overwrite else None) as folder:
        (folder / "images").mkdir()
        rows = []
        for number in range(n_photos):
            postcard = draw_postcard(np.random.default_rng([seed, number]))
            name = f"images/{number + 1:04}.jpg"
            postcard.image.save(folder / name, quality=_JPEG_QUALITY)
            rows.append([name, ";".join(postcard.labels)])
            listener(Progress(subject="postcards", stage="drawing", done=number + 1, total=n_photos))
        with (folder / "labels.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerows([["image", "labels"], *rows])
    return out / "labels.csv"
