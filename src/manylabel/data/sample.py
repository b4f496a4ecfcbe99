"""Draw the sample set: postcards from a lake city, with their table of labels.

In:  a folder, the number of pictures, a seed.
Out: images/0001.jpg ... and labels.csv: columns image and labels, joined by ";", empty where none applies.

Picture number i depends on the seed and on i alone, so a larger set begins with the smaller one.
"""

import io
import multiprocessing
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from manylabel.csv_text import CsvWriter
from manylabel.data.postcards.postcard import Postcard, draw_postcard
from manylabel.data.postcards.scene import SAMPLE_LABELS
from manylabel.errors import ConfigError
from manylabel.folders import new_folder
from manylabel.types import Listener, Progress, ignore_progress

__all__ = ["SAMPLE_LABELS", "Postcard", "draw_postcard", "draw_sample"]

_JPEG_QUALITY = 88
_WORTH_A_PROCESS = 20
Drawn = tuple[bytes, tuple[str, ...]]
"""A picture as a JPEG file, and its labels."""

_OWN_FILES = re.compile(r"labels\.csv|images/\d{4,}\.jpg")


def draw_sample(
    out: Path | str,
    *,
    n_photos: int = 200,
    seed: int = 0,
    overwrite: bool = False,
    n_jobs: int = 1,
    listener: Listener = ignore_progress,
) -> Path:
    """Draw the sample set.

    Args:
        out: Folder to make.
        n_photos: How many pictures, at least 1.
        seed: Seed of the drawing, 0 or more; the same seed gives the same pictures.
        overwrite: Replace a sample set in ``out``.
        n_jobs: Processes that draw, as many as processors where -1. They are started anew: a script that asks
            for several needs the guard ``if __name__ == "__main__"``.
        listener: Hears of every picture.

    Returns:
        The table of labels, ``out/labels.csv``; the pictures lie in ``out/images``. The labels of a picture
        come in the order of ``SAMPLE_LABELS``.

    Raises:
        ConfigError: The number of pictures, the seed or the number of processes is too small.
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
    if n_jobs < 1 and n_jobs != -1:
        raise ConfigError(f"n_jobs is {n_jobs}; expected at least 1, or -1 for all processors")
    out = Path(out)
    with new_folder(out, replaces=_OWN_FILES if overwrite else None) as folder:
        (folder / "images").mkdir()
        rows = []
        for number, (jpeg, labels) in enumerate(_draw_all(n_photos, seed=seed, n_jobs=n_jobs), start=1):
            name = f"images/{number:04}.jpg"
            (folder / name).write_bytes(jpeg)
            rows.append([name, ";".join(labels)])
            listener(Progress(subject="postcards", stage="drawing", done=number, total=n_photos))
        with (folder / "labels.csv").open("w", newline="", encoding="utf-8") as file:
            CsvWriter(file, line_end="\n").write_rows([["image", "labels"], *rows])
    return out / "labels.csv"


def _draw_all(n_photos: int, *, seed: int, n_jobs: int) -> Iterator[Drawn]:
    """Draw pictures in their order; of several processes, each draws every so many-th."""
    n_processes = min(n_photos // _WORTH_A_PROCESS, os.cpu_count() or 1 if n_jobs == -1 else n_jobs)
    if n_processes < 2:
        yield from (_draw(number, seed=seed) for number in range(n_photos))
        return
    context = multiprocessing.get_context("spawn")  # a fork of a process with threads can hang
    with ExitStack() as stack:
        sources = []
        for first in range(n_processes):
            source, sink = context.Pipe(duplex=False)
            process = context.Process(
                target=_draw_share, args=(sink, range(first, n_photos, n_processes), seed), daemon=True
            )
            process.start()
            stack.callback(process.join)
            stack.callback(process.terminate)
            sink.close()  # ours: the end of the process is then the end of what it sends
            sources.append(source)
        for number in range(n_photos):
            try:
                yield sources[number % n_processes].recv()
            except EOFError:  # the process was killed; what it would have drawn is drawn here
                yield _draw(number, seed=seed)


def _draw_share(sink: Connection, numbers: Sequence[int], seed: int) -> None:
    for number in numbers:
        sink.send(_draw(number, seed=seed))


def _draw(number: int, *, seed: int) -> Drawn:
    postcard = draw_postcard(np.random.default_rng([seed, number]))
    packed = io.BytesIO()
    postcard.image.save(packed, "JPEG", quality=_JPEG_QUALITY)
    return packed.getvalue(), postcard.labels
