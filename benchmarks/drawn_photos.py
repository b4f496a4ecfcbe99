"""Photos that the benchmarks make for themselves.

In:  real photos, or the drawn sample set.
Out: phone-size JPEGs; tables of any length whose photos all differ.
"""

import csv
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

PHONE_PX = (4000, 3000)
N_PHONE_PHOTOS = 64

_QUALITY = 90
_MOST_SHIFT_PX = 24


def make_phone_photos(folder: Path, photos: Sequence[Path], *, n_photos: int = N_PHONE_PHOTOS) -> None:
    """Make 12-megapixel JPEGs, each a mosaic of small real photos: as hard to decode as what a phone takes.

    Args:
        folder: Where to put them; nothing is done where it exists.
        photos: Small photos.
        n_photos: How many to make.
    """
    if folder.exists():
        return
    rng = np.random.default_rng(0)
    with new_folder(folder) as partial:
        for number in range(n_photos):
            mosaic = _mosaic([photos[row] for row in rng.integers(len(photos), size=200)])
            mosaic.save(partial / f"{number:03d}.jpg", quality=_QUALITY)


def make_table(folder: Path, sample: Path, *, n_photos: int) -> None:
    """Make a labeled set of any length from the drawn sample set, by cutting its postcards differently.

    No two photos have the same pixels, so that no cache can help.

    Args:
        folder: Where to put images/ and labels.csv; nothing is done where it exists.
        sample: The sample set, as ``manylabel sample`` draws it.
        n_photos: How many photos.
    """
    if folder.exists():
        return
    with (sample / "labels.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    with (
        new_folder(folder) as partial,
        (partial / "labels.csv").open("w", newline="", encoding="utf-8") as file,
    ):
        (partial / "images").mkdir()
        writer = csv.writer(file)
        writer.writerow(["image", "labels"])
        for number, shift_px in enumerate(_shifts(n_photos, n_postcards=len(rows))):
            row = rows[number % len(rows)]
            name = f"images/{number:05d}.jpg"
            _cut(sample / row["image"], shift_px).save(partial / name, quality=_QUALITY)
            writer.writerow([name, row["labels"]])


def _shifts(n_photos: int, *, n_postcards: int) -> Iterator[tuple[int, int]]:
    """Give each photo of a postcard another shift, right and down in pixels."""
    for number in range(n_photos):
        yield divmod(number // n_postcards, _MOST_SHIFT_PX)


def _cut(path: Path, shift_px: tuple[int, int]) -> Image.Image:
    with Image.open(path) as postcard:
        left, top = shift_px
        width, height = postcard.width - _MOST_SHIFT_PX, postcard.height - _MOST_SHIFT_PX
        return postcard.convert("RGB").crop((left, top, left + width, top + height))


def _mosaic(paths: list[Path]) -> Image.Image:
    mosaic = Image.new("RGB", PHONE_PX)
    side_px = 256
    columns = -(-PHONE_PX[0] // side_px)
    for number, path in enumerate(paths):
        with Image.open(path) as photo:
            row, column = divmod(number, columns)
            mosaic.paste(photo.convert("RGB").resize((side_px, side_px)), (column * side_px, row * side_px))
    return mosaic


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """Fill a folder that appears only when it is complete."""
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    yield partial
    partial.rename(folder)
