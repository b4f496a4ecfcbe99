"""Merge what a table says about the same photo in several places.

In:  RawTable, and the photo of each row.
Out: Merged: one row of targets per photo. Rows that contradict each other are a problem.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from manylabel.data.formats.base import RawRow, RawTable
from manylabel.data.formats.parsing.wording import count, list_some
from manylabel.types import FloatArray, Part


@dataclass(frozen=True, eq=False, kw_only=True)
class Merged:
    """Hold one row per photo, in the order in which the table first names them.

    Attributes:
        photos: Numbers of the photos [n_photos].
        targets: 1 present, 0 absent, NaN unknown [n_photos, n_labels].
        parts: Part of the split per photo, None where nothing was given.
        notes: What the user should know, one sentence each.
        problems: What stops the run, one sentence each.
    """

    photos: tuple[int, ...]
    targets: FloatArray
    parts: tuple[Part | None, ...]
    notes: tuple[str, ...]
    problems: tuple[str, ...]


def fill_targets(raw: RawTable) -> FloatArray:
    """Return the targets of every row of a table [n_rows, n_labels]."""
    column = {label: number for number, label in enumerate(raw.labels)}
    targets = np.zeros((len(raw.rows), len(raw.labels)))
    for number, row in enumerate(raw.rows):
        targets[number, [column[label] for label in row.present]] = 1.0
        targets[number, [column[label] for label in row.unknown]] = np.nan
    return targets


def merge_rows(raw: RawTable, *, photos: Sequence[int | None], targets: FloatArray) -> Merged:
    """Merge the rows about one photo: what one of them knows fills what another does not.

    Args:
        raw: The rows.
        photos: Number of the photo per row; rows without one are left out.
        targets: Targets per row [n_rows, n_labels].
    """
    merged = targets.copy()
    parts = [row.part for row in raw.rows]
    first: dict[int, int] = {}
    repeated: list[str] = []
    problems: list[str] = []
    for row, photo in enumerate(photos):
        if photo is None or first.setdefault(photo, row) == row:
            continue
        earlier = first[photo]
        differs = merged[earlier] + merged[row] == 1  # One says present, the other absent; NaN is neither.
        disputed = [raw.labels[label] for label in np.flatnonzero(differs)]
        if None not in (parts[earlier], parts[row]) and parts[earlier] != parts[row]:
            disputed.append(f"split: {parts[earlier]}, {parts[row]}")
        if disputed:
            problems.append(_contradict(raw.rows[row], raw.rows[earlier], disputed, repair=raw.repair))
        else:
            repeated.append(raw.rows[row].names[0])
        is_unknown = np.isnan(merged[earlier])
        merged[earlier, is_unknown] = merged[row, is_unknown]
        parts[earlier] = parts[earlier] if parts[earlier] is not None else parts[row]
    kept = list(first.values())
    note = f"{count(len(repeated), 'row')} said again what an earlier one said: {list_some(repeated)}"
    return Merged(
        photos=tuple(first),
        targets=merged[kept],
        parts=tuple(parts[row] for row in kept),
        notes=(note,) if repeated else (),
        problems=tuple(problems),
    )


def _contradict(row: RawRow, earlier: RawRow, disputed: Sequence[str], *, repair: str) -> str:
    return (
        f"{row.where}: photo '{row.names[0]}' is also in {earlier.where}, "
        f"and they disagree on {list_some(disputed)}; {repair}"
    )
