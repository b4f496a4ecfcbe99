"""Hold what photos themselves tell, without their labels.

In:  the photo files, their fingerprints, the errors of those that cannot be read.
Out: a ``SeenPhotos``: copies, sizes, failures.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from manylabel.data.duplicates import DuplicateGroups, Fingerprint, find_duplicates
from manylabel.data.photos import read_sizes
from manylabel.errors import PhotoError
from manylabel.types import IntArray, LabelTable


@dataclass(frozen=True, eq=False, kw_only=True)
class SeenPhotos:
    """Hold what the photos of a table tell.

    Attributes:
        duplicates: Which photos are copies of each other.
        sizes_px: Width and height of each photo in pixels [n_photos, 2].
        side_px: Side of the square picture that the network sees.
        failures: An error for each photo that could not be read; it has no row in the table.
    """

    duplicates: DuplicateGroups
    sizes_px: IntArray
    side_px: int
    failures: tuple[PhotoError, ...]


def look_at_photos(
    table: LabelTable, fingerprints: Sequence[Fingerprint], *, side_px: int, failures: Sequence[PhotoError]
) -> SeenPhotos:
    """Find copies and read sizes.

    Args:
        table: The readable photos.
        fingerprints: One per photo of the table.
        side_px: Side of the square picture that the network sees.
        failures: The errors of the other photos.
    """
    return SeenPhotos(
        duplicates=find_duplicates(fingerprints),
        sizes_px=read_sizes(table.photos),
        side_px=side_px,
        failures=tuple(failures),
    )
