"""Find again, by their names, the photos that a bundle was trained and judged with.

In:  a bundle; the names of photos in a folder.
Out: which of them took which part.
"""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import get_args

from manylabel.data.assembly.matching import PhotoIndex
from manylabel.data.split import KNOWN_COLUMN, SPLIT_FILE
from manylabel.errors import BundleError
from manylabel.files import printable
from manylabel.types import Part

_PARTS: dict[str, Part] = {part: part for part in get_args(Part)}


def find_learned(bundle: Path, names: Sequence[str], *, folder: Path) -> dict[int, Part] | None:
    """Return which photos took which part; those of which no label was known took none.

    Args:
        bundle: Folder of the bundle; its split lies in it, or at the top of the run that it belongs to.
        names: What the photos are called in their folder.
        folder: The folder.

    Returns:
        Part by place among the names; None where the bundle has no split.

    Raises:
        BundleError: The split cannot be read.
    """
    places = [bundle / SPLIT_FILE, bundle.absolute().parent.parent / SPLIT_FILE]
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        return None
    index = PhotoIndex(names, folder=folder)
    found = dict[int, Part]()
    for name, part in _read_parts(path):
        rows = index.find(name, near=folder).rows
        if len(rows) == 1:
            found[rows[0]] = part
    return found


def _read_parts(path: Path) -> Iterator[tuple[str, Part]]:
    try:
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            for line in csv.DictReader(file):
                name, part = line.get("image"), _PARTS.get(line.get("part") or "")
                if name and part and line.get(KNOWN_COLUMN) != "0":
                    yield printable(name), part
    except (OSError, csv.Error) as error:
        raise BundleError(f"{path}: cannot be read: {error}") from error
