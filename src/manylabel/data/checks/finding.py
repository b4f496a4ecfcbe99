"""What a check looks at, and what it finds.

In:  photos of a table; where something was found, how serious it is, and the words for it.
Out: a ``SeenPhotos``: near-duplicates, sizes, failures; a ``Finding``: several labels with the same problem
     give one sentence, not one each.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from manylabel.data.duplicates import DuplicateGroups, Fingerprint, find_duplicates
from manylabel.data.photos import read_sizes
from manylabel.data.wording import list_some
from manylabel.errors import PhotoError, visible
from manylabel.types import IntArray, LabelTable

Level = Literal["error", "warning", "note"]

_MOST_SENTENCES = 3


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A finding about photos and labels.

    Attributes:
        level: "error" stops a run, "warning" makes its results worse or less certain, "note" is good to know.
        kind: What was found, as a fixed word, e.g. ``"few_positives"``.
        text: The same as a plain sentence.
        photos: Row numbers of the photos concerned; empty if it concerns no single photos.
        labels: Columns of the labels concerned; empty if it concerns no single labels.
        cells: Row and column of each cell concerned.
    """

    level: Level
    kind: str
    text: str
    photos: tuple[int, ...] = ()
    labels: tuple[int, ...] = ()
    cells: tuple[tuple[int, int], ...] = ()

    def __post_init__(self) -> None:
        """Keep names from controlling a terminal."""
        object.__setattr__(self, "text", visible(self.text))


def plain(numbers: Iterable[int] | IntArray) -> tuple[int, ...]:
    """Turn row or column numbers into plain integers, for JSON."""
    return tuple(int(number) for number in numbers)


def name_photos(table: LabelTable, rows: Iterable[int] | IntArray) -> str:
    """Name the first photos of some rows and count the rest."""
    return list_some([table.names[row] for row in rows])


def per_label(
    table: LabelTable,
    columns: Sequence[int] | IntArray,
    *,
    level: Level,
    kind: str,
    words: tuple[Callable[[int], str], str],
) -> list[Finding]:
    """Make findings about several labels: one each for up to 3 labels, one together for more.

    Args:
        table: Names the labels.
        columns: The labels concerned, the worst first.
        level: As in ``Finding``.
        kind: As in ``Finding``.
        words: Text about one label by its column, after its name; and about several, after their number.
    """
    one, several = words
    if len(columns) <= _MOST_SENTENCES:
        return [
            Finding(
                level=level,
                kind=kind,
                text=f"label '{table.labels[column]}': {one(column)}",
                labels=(column,),
            )
            for column in plain(columns)
        ]
    names = list_some([table.labels[column] for column in columns])
    text = f"{len(columns):,} labels {several}: {names}"
    return [Finding(level=level, kind=kind, text=text, labels=plain(columns))]


@dataclass(frozen=True, eq=False, kw_only=True)
class SeenPhotos:
    """Properties of the photos of a table that need no labels.

    Attributes:
        duplicates: Which photos are near-duplicates.
        sizes_px: Width and height of each photo in pixels [n_photos, 2].
        side_px: Side of the square picture that the model sees.
        failures: An error for each photo that could not be read; it has no row in the table.
    """

    duplicates: DuplicateGroups
    sizes_px: IntArray
    side_px: int
    failures: tuple[PhotoError, ...]


def look_at_photos(
    table: LabelTable, fingerprints: Sequence[Fingerprint], *, side_px: int, failures: Sequence[PhotoError]
) -> SeenPhotos:
    """Find near-duplicates and read sizes.

    Args:
        table: The readable photos.
        fingerprints: One per photo of the table.
        side_px: Side of the square picture that the model sees.
        failures: The errors of the other photos.
    """
    return SeenPhotos(
        duplicates=find_duplicates(fingerprints),
        sizes_px=read_sizes(table.photos),
        side_px=side_px,
        failures=tuple(failures),
    )
