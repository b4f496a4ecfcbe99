"""Check photos: those that cannot be read, odd sizes, near-duplicates.

In:  the table, the sizes of the photos, groups of near-duplicates, the split, errors of unreadable photos.
Out: findings.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from manylabel.data.checks.finding import Finding, Level, name_photos, plain
from manylabel.data.duplicates import DuplicateGroups
from manylabel.data.wording import count, list_some
from manylabel.errors import PhotoError
from manylabel.types import IntArray, LabelTable, Split

_MOST_SHOWN = 3


def check_duplicates(table: LabelTable, duplicates: DuplicateGroups, split: Split | None) -> list[Finding]:
    """Check what near-duplicates do to labels and to the split.

    Args:
        table: The photos and their labels.
        duplicates: Which photos are near-duplicates.
        split: The split and its folds. Not given: no leak is found.

    Raises:
        ValueError: The groups are those of another number of photos.
    """
    if len(duplicates.groups) != table.n_photos:
        raise ValueError(f"groups are given for {len(duplicates.groups)} photos, expected {table.n_photos}")
    return [
        *_leaks(table, duplicates.groups, split),
        *_different_labels(table, duplicates.groups),
        *_count_duplicates(table, duplicates),
    ]


def _leaks(table: LabelTable, groups: IntArray, split: Split | None) -> list[Finding]:
    """Find test and validation photos that have a near-duplicate in a part that trains or validates."""
    if split is None:
        return []
    parts = (("training", split.train), ("validation", split.val), ("test", split.test))
    findings = []
    for (trained, seen), (held_out_name, held_out) in ((parts[0], parts[2]), (parts[1], parts[2]), parts[:2]):
        leaked = held_out[np.isin(groups[held_out], groups[seen])]
        if len(leaked):
            text = (
                f"near-duplicates of {trained} photos among the {held_out_name} photos ({len(leaked):,} of"
                f" {len(held_out):,}),"
                f" so scores look better than they are; keep near-duplicates in one part:"
                f" {name_photos(table, leaked)}"
            )
            findings.append(Finding(level="warning", kind="leak", text=text, photos=plain(leaked)))
    return [*findings, *_leaks_across_folds(table, groups, split)]


def _leaks_across_folds(table: LabelTable, groups: IntArray, split: Split) -> list[Finding]:
    """Find training photos with a near-duplicate in another fold."""
    n_folds_of = Counter(group for fold in split.folds for group in np.unique(groups[fold]).tolist())
    leaked = [row for row in split.train.tolist() if n_folds_of[int(groups[row])] > 1]
    if not leaked:
        return []
    text = (
        f"{count(len(leaked), 'training photo')} with a near-duplicate in another fold, so out-of-fold scores"
        f" look better than they are; keep near-duplicates in one fold: {name_photos(table, leaked)}"
    )
    return [Finding(level="warning", kind="leak", text=text, photos=plain(leaked))]


def _different_labels(table: LabelTable, groups: IntArray) -> list[Finding]:
    """Find near-duplicates where one carries a label and another does not."""
    shape = (int(groups.max(initial=-1)) + 1, table.n_labels)
    has_present, has_absent = np.zeros((2, *shape), dtype=np.bool_)  # [n_groups, n_labels]
    for found, value in ((has_present, 1), (has_absent, 0)):
        rows, columns = np.nonzero(table.targets == value)
        found[groups[rows], columns] = True
    is_contested = has_present & has_absent
    contested = np.flatnonzero(is_contested.any(axis=1))
    if not len(contested):
        return []
    rows_of = {group: np.flatnonzero(groups == group) for group in contested[:_MOST_SHOWN].tolist()}
    phrases = [
        f"{name_photos(table, rows)} in"
        f" {list_some([table.labels[column] for column in np.flatnonzero(is_contested[group])])}"
        for group, rows in rows_of.items()
    ]
    n_left = len(contested) - len(phrases)
    more = f"; and {n_left:,} more groups" if n_left > 1 else "; and 1 more group" if n_left else ""
    cells = np.argwhere(is_contested[groups] & ~np.isnan(table.targets))
    return [
        Finding(
            level="warning",
            kind="copies_differ",
            text=f"near-duplicates with different labels, so one may be wrong: {'; '.join(phrases)}{more}",
            photos=plain(np.unique(cells[:, 0])),
            labels=plain(np.unique(cells[:, 1])),
            cells=tuple((int(row), int(column)) for row, column in cells),
        )
    ]


def _count_duplicates(table: LabelTable, duplicates: DuplicateGroups) -> list[Finding]:
    """Count exact duplicates and near-duplicates."""
    sizes = np.bincount(duplicates.groups)
    findings = []
    for kind, kinds, words in (
        ("exact_copies", {"exact"}, "the same pixels as another photo, so that it counts more than once"),
        ("near_copies", {"near", "mirrored"}, "nearly the same picture as another photo"),
    ):
        pairs = [pair for pair in duplicates.pairs if pair.kind in kinds]
        rows = np.unique([row for pair in pairs for row in (pair.first, pair.second)]).astype(np.int64)
        if not pairs:
            continue
        n_mirrored = sum(pair.kind == "mirrored" for pair in pairs)
        mirrored = f", {count(n_mirrored, 'pair')} of them mirrored" if n_mirrored else ""
        largest = int(sizes[duplicates.groups[rows]].max())
        size = f", the largest group has {largest:,}" if largest > 2 else ""
        named = list_some([f"{table.names[pair.first]} = {table.names[pair.second]}" for pair in pairs])
        text = f"{count(len(rows), 'photo')} with {words}{mirrored}{size}: {named}"
        findings.append(Finding(level="note", kind=kind, text=text, photos=plain(rows)))
    return findings


_MOST_ELONGATED = 3.0
_MOST_TIMES_LARGER = 10.0


def find_unreadable(failures: Sequence[PhotoError]) -> list[Finding]:
    """Describe the photos that cannot be read.

    Args:
        failures: One error per photo; these photos have no row in the table any more.
    """
    if not failures:
        return []
    listed = list_some([f"{failure.path.name}: {failure.reason}" for failure in failures], most=3)
    text = f"{count(len(failures), 'photo')} left out because reading failed: {listed}"
    return [Finding(level="warning", kind="unreadable", text=text)]


def find_odd_sizes(table: LabelTable, sizes_px: IntArray, *, side_px: int) -> list[Finding]:
    """Find photos that are small for the model, very long, or very different from each other.

    Args:
        table: Names the photos.
        sizes_px: Width and height of each photo in pixels [n_photos, 2].
        side_px: Side of the square picture that the model sees.

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
            words=f"with a side below half of the {side_px} pixels that the model sees, so blurred",
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
    """Describe the smallest and the largest photo if one is ten times as large as the other."""
    least, most = int(shorter.argmin()), int(shorter.argmax())
    if shorter[most] < _MOST_TIMES_LARGER * shorter[least]:
        return []
    named = [
        f"{sizes_px[row][0]} x {sizes_px[row][1]} pixels ('{table.names[row]}')" for row in (least, most)
    ]
    text = f"photos differ in size from {named[0]} to {named[1]}: they may show things at different scales"
    return [Finding(level="note", kind="sizes_differ", text=text, photos=(least, most))]
