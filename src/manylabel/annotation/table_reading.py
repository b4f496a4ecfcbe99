"""Read labels to change them: contradictions are questions, and photos without labels wait for some.

In:  the labels, the photos of a folder.
Out: answers for all photos of the folder, known or not; or an error that a table, as it is about to be
     written, would be read as something else than it means.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from manylabel.data.formats.base import LabelFormat, LabelSource, Layout, RawTable
from manylabel.data.formats.label_names import clean_labels, find_impossible_labels
from manylabel.data.formats.memo import Memo
from manylabel.data.formats.photo_names import PhotoFolder, find_named_photos
from manylabel.data.formats.read import Parts, fill_targets, take_split_of_folders
from manylabel.data.formats.registry import FORMATS
from manylabel.data.formats.tables.columns import find_columns
from manylabel.data.formats.tables.sheet import read_sheet
from manylabel.data.wording import cap_problems
from manylabel.errors import InputError, TableError
from manylabel.types import FloatArray, Part

_MOST_CHECKED = 200_000
"""Answers of the largest table that is read again before it is written."""


@dataclass(frozen=True, eq=False, kw_only=True)
class ReadLabels:
    """The labels of all photos of a folder.

    Attributes:
        raw: What was read.
        rows: The photo of each row, None where there is no such photo.
        labels: The labels.
        targets: Float array [n_photos, n_labels]: 1 present, 0 absent, NaN unknown.
        disputed: Photos and labels of which the rows say both; they are unknown.
        parts: Part of the split per photo, None where none is given, or several are.
        notes: Notes for the user, one sentence each.
    """

    raw: RawTable
    rows: tuple[int | None, ...]
    labels: tuple[str, ...]
    targets: FloatArray
    disputed: tuple[tuple[int, str], ...]
    parts: Parts
    notes: tuple[str, ...]


def read_labels(label_format: LabelFormat, source: LabelSource, folder: PhotoFolder) -> ReadLabels:
    """Read the labels of all photos of a folder.

    Raises:
        TableError: They cannot be read.
    """
    raw = clean_labels(label_format.read(source))
    named = find_named_photos(raw, folder, on_missing="skip")
    if problems := cap_problems([raw.problems, named.problems, find_impossible_labels(raw)]):
        raise TableError(problems)
    absent, present = _merge(raw, named.photos, n_photos=len(folder.photos))
    targets = np.where(present, 1.0, np.where(absent, 0.0, np.nan))
    targets[absent & present] = np.nan
    kept = [at for at in range(len(raw.labels)) if not raw.is_catalogue or present[:, at].any()]
    return ReadLabels(
        raw=raw,
        rows=named.photos,
        labels=tuple(raw.labels[at] for at in kept),
        targets=targets[:, kept],
        disputed=tuple((photo, raw.labels[at]) for photo, at in np.argwhere(absent & present).tolist()),
        parts=_find_parts(raw, named.photos, folder=folder),
        notes=(*raw.notes, *named.notes),
    )


def hash_labels(raw: RawTable) -> str:
    """Return a hash of what some labels say, in whatever form, order and file they say it.

    A file that is saved again, copied or touched without another label in it keeps its hash.
    """
    rows = sorted((row.names[0], sorted(row.present), sorted(row.unknown)) for row in raw.rows)
    return sha256(msgspec.json.encode([sorted(raw.labels), rows])).hexdigest()


def check_reading(  # noqa: PLR0913 - what is read, and what it means
    path: Path,
    *,
    title: str,
    layout: Layout,
    source: LabelSource,
    folder: PhotoFolder,
    labels: Sequence[str],
    targets: FloatArray,
) -> None:
    """Check that a table is read as it was meant, unless it is very large.

    Args:
        path: The table.
        title: What errors call it.
        layout: How it says labels.
        source: How it is read; its path is not used.
        folder: The photos.
        labels: All labels.
        targets: What it means [n_photos, n_labels].

    Raises:
        InputError: It is read as something else.
    """
    source = replace(source, path=path, memo=Memo())
    if targets.size > _MOST_CHECKED:
        return
    if np.isnan(targets).all():
        if read_sheet(path, title=title, source=source).lines:
            raise _would_be_misread(title, "no photo has an answer")
        return
    try:
        if source.config.format == "auto":
            found = find_columns(read_sheet(path, title=title, source=source), source).layout
            if found != layout:
                raise _would_be_misread(title, "it looks like another format")
        read = read_labels(next(one for one in FORMATS.values() if one.layout == layout), source, folder)
    except TableError as error:
        raise _would_be_misread(title, error.problems[0].replace(path.name, title)) from error
    has_row = np.isin(np.arange(len(targets)), [row for row in read.rows if row is not None])
    for column, label in enumerate(labels):
        meant = targets[:, column]
        got = read.targets[:, read.labels.index(label)] if label in read.labels else None
        if got is None:
            # No photo has it: nobody has decided, or a table of lists has no place where to name it.
            is_same = np.isnan(meant).all() or (meant[has_row] == 0).all()
        else:
            is_same = np.array_equal(got, meant, equal_nan=True)
        if not is_same:
            raise _would_be_misread(title, f"label '{label}'")


def _would_be_misread(title: str, why: str) -> InputError:
    return InputError(f"{title}: was not saved: read back, it would give other answers ({why})")


def _find_parts(raw: RawTable, photos: Sequence[int | None], *, folder: PhotoFolder) -> Parts:
    """Return the part of the split of every photo: the one that its rows give, else that of its folder."""
    found: list[set[Part]] = [set() for _ in folder.photos]
    for row, photo in zip(raw.rows, photos, strict=True):
        if photo is not None and row.part is not None:
            found[photo].add(row.part)
    given = tuple(next(iter(parts)) if len(parts) == 1 else None for parts in found)
    return take_split_of_folders(folder.names, given, where=raw.title)[0]


def _merge(
    raw: RawTable, photos: Sequence[int | None], *, n_photos: int
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which labels some row calls absent and present, per photo."""
    rows = fill_targets(raw)  # [n_rows, n_labels]
    absent, present = (np.zeros((n_photos, len(raw.labels)), dtype=bool) for _ in range(2))
    for row, photo in enumerate(photos):
        if photo is not None:
            absent[photo] |= rows[row] == 0
            present[photo] |= rows[row] == 1
    return absent, present
