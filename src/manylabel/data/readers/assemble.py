"""Make the table of labels out of what a reader read.

In:  RawTable, and the photos of a folder.
Out: LabelTable; or one TableError with every problem: missing photos, disagreements, labels without photos.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from manylabel.data.readers.matching import Match, PhotoIndex
from manylabel.data.readers.raw import RawRow, RawTable
from manylabel.data.readers.wording import MOST_PROBLEMS, cap_problems, count, list_some
from manylabel.errors import TableError, did_you_mean
from manylabel.types import FloatArray, LabelTable, Part

MOST_SUGGESTED = 5000
"""Photos up to which a similar name is searched for a missing one; the search takes long in more."""


@dataclass(frozen=True, kw_only=True)
class PhotoFolder:
    """Hold the photos that a table may name.

    Attributes:
        path: The folder.
        photos: The files in it and in its subfolders.
    """

    path: Path
    photos: tuple[Path, ...]

    def names(self) -> tuple[str, ...]:
        """Name the photos: their paths below the folder, with forward slashes."""
        return tuple(photo.relative_to(self.path).as_posix() for photo in self.photos)


def assemble_table(raw: RawTable, *, folder: PhotoFolder, for_training: bool) -> LabelTable:
    """Match names to photos, merge what is said twice, and check the labels.

    Args:
        raw: What a reader read.
        folder: The photos.
        for_training: A label that no photo carries, or a table that never says "absent", is a problem; else
            it is a note.

    Returns:
        The photos that the table names, in its order.

    Raises:
        TableError: Every problem found, those of the reader first.
    """
    names = folder.names()
    matched = _match_rows(raw, names, folder)
    merged = _merge_rows(raw, matched.photos, names)
    targets = _fill_targets(raw)
    hopeless = _find_hopeless(raw, targets)
    kinds = [raw.problems, matched.problems, merged.problems, *([hopeless] if for_training else [])]
    problems = cap_problems(kinds)
    if problems:
        raise TableError(problems)
    kept, unused = _choose_labels(raw, merged.targets, for_training=for_training)
    notes = [*raw.notes, *matched.notes, *merged.notes, *unused, *([] if for_training else hopeless)]
    table = LabelTable(
        photos=tuple(folder.photos[photo] for photo in merged.photos),
        names=tuple(names[photo] for photo in merged.photos),
        labels=tuple(raw.labels[label] for label in kept),
        targets=merged.targets[:, kept],
        parts=merged.parts,
        source=raw.source,
        notes=tuple(notes),
    )
    return table
