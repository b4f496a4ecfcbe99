"""What is known of photos and labels before training.

In:  counts, as plain Python values.
Out: frozen results. Rows are row numbers of the table of labels; lists of labels keep the order of the table.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from manylabel.types import Part

Level = Literal["error", "warning", "note"]


@dataclass(frozen=True, kw_only=True)
class LabelCounts:
    """How many photos carry a label.

    Attributes:
        name: The label.
        n_positive, n_negative, n_unknown: Photos with it, without it, and those where nobody knows.
        n_train, n_val, n_test: Photos with it in each part of the split.
        n_train_known: Training photos on which it is known.
    """

    name: str
    n_positive: int
    n_negative: int
    n_unknown: int
    n_train: int
    n_val: int
    n_test: int
    n_train_known: int

    def n_in(self, part: Part) -> int:
        """Return the number of photos with the label in a part of the split."""
        return {"train": self.n_train, "val": self.n_val, "test": self.n_test}[part]


@dataclass(frozen=True, kw_only=True)
class DataResults:
    """The photos, their labels and the split.

    Attributes:
        source: How the table was read.
        notes: What reading it left out or changed.
        n_photos: Readable photos.
        split_origin: Where the split comes from.
        n_folds: Folds of the cross-validation; 0 without.
        part_sizes: Photos in each part of the split.
        labels: Counts per label.
        labels_per_photo: Photos with 0, 1, 2, ... labels.
        co_occurrence: Photos with both labels [n_labels, n_labels]; the diagonal holds those with one.
    """

    source: str
    notes: tuple[str, ...]
    n_photos: int
    split_origin: str
    n_folds: int
    part_sizes: Mapping[Part, int]
    labels: tuple[LabelCounts, ...]
    labels_per_photo: tuple[int, ...]
    co_occurrence: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, kw_only=True)
class FindingResult:
    """A finding of the check of photos and labels, as ``manylabel.data.check`` describes it."""

    level: Level
    kind: str
    text: str
    photos: tuple[int, ...] = ()
    labels: tuple[int, ...] = ()
    cells: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, kw_only=True)
class NearDuplicate:
    """A photo of a group of near-duplicates.

    Attributes:
        row, name: The photo.
        part: Its part of the split; None where it is in none.
        present: Contested labels that it carries.
    """

    row: int
    name: str
    part: Part | None
    present: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class NearDuplicateGroup:
    """Photos that show nearly the same.

    Attributes:
        contested: Labels that some of them carry and others do not.
        photos: At most 4 of them.
    """

    contested: tuple[str, ...]
    photos: tuple[NearDuplicate, ...]
