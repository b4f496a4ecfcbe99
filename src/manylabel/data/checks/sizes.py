"""Look for photos that cannot be read, or whose size or shape costs accuracy.

In:  the table, the sizes of the photos, the errors of those that cannot be read.
Out: findings.
"""

from collections.abc import Sequence

import numpy as np

from manylabel.data.checks.finding import Finding, Level, name_photos, plain
from manylabel.data.formats.parsing.wording import count, list_some
from manylabel.errors import PhotoError
from manylabel.types import IntArray, LabelTable

_MOST_ELONGATED = 3.0
_MOST_TIMES_LARGER = 10.0


def find_unreadable(failures: Sequence[PhotoError]) -> list[Finding]:
    """Say which photos cannot be read.

    Args:
        failures: One error per photo; these photos have no row in the table any more.
    """
    if not failures:
        return []
    listed = list_some([f"{failure.path.name}: {failure.reason}" for failure in failures], most=3)
    text = f"{count(len(failures), 'photo')} left out because reading failed: {listed}"
    return [Finding(level="warning", kind="unreadable", text=text)]


def find_odd_sizes(table: LabelTable, sizes_px: IntArray, *, side_px: int) -> list[Finding]:
    """Find photos that are small for the network, very long, or very different from each other.

    Args:
        table: Names the photos.
        sizes_px: Width and height of each photo in pixels [n_photos, 2].
        side_px: Side of the square picture that the network sees.

    Raises:
        ValueError: The sizes are those of another number of photos.
    """
    if not table.n_photos:
        return []
    if sizes_px.shape != (table.n_photos, 2):
        raise ValueError(f"sizes have shape {sizes_px.shape}, expected {(table.n_photos, 2)}")
    shorter, longer = sizes_px.min(axis=1), sizes_px.max(axis=1)
    small = np.flatnonzero(2 * shorter < side_px)
    long = np.flatnonzero(longer > _MOST_ELONGATED * shorter)
    return [
        *_rows_finding(
            table,
            small,
            level="note",
            kind="small",
            words=f"with a side below half of the {side_px} pixels that the network sees, so blurred",
        ),
        *_rows_finding(
            table,
            long,
            level="warning",
            kind="elongated",
            words=f"more than {_MOST_ELONGATED:.0f} times as long as wide, so distorted as a square",
        ),
        *_spread(table, sizes_px, shorter),
    ]


def _rows_finding(table: LabelTable, rows: IntArray, *, level: Level, kind: str, words: str) -> list[Finding]:
    if not len(rows):
        return []
    text = f"{count(len(rows), 'photo')} {words}: {name_photos(table, rows)}"
    return [Finding(level=level, kind=kind, text=text, photos=plain(rows))]


def _spread(table: LabelTable, sizes_px: IntArray, shorter: IntArray) -> list[Finding]:
    """Say how different the photos are in size, where some are ten times as large as others."""
    least, most = int(shorter.argmin()), int(shorter.argmax())
    if shorter[most] < _MOST_TIMES_LARGER * shorter[least]:
        return []
    named = [
        f"{sizes_px[row][0]} x {sizes_px[row][1]} pixels ('{table.names[row]}')" for row in (least, most)
    ]
    text = f"photos differ in size from {named[0]} to {named[1]}: they may show things at different scales"
    return [Finding(level="note", kind="sizes_differ", text=text, photos=(least, most))]
