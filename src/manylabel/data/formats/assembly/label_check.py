"""Check that the labels of a table can be learned.

In:  RawTable, and targets.
Out: problems, notes, and which labels are kept.
"""

from typing import Literal

import numpy as np

from manylabel.data.formats.base import RawTable
from manylabel.data.formats.parsing.wording import list_some
from manylabel.errors import TableError
from manylabel.types import FloatArray, IntArray

Purpose = Literal["training", "checking", "judging"]
"""What a table is read for: what nothing can be learned from is refused, kept, or of no matter."""


def find_label_problems(raw: RawTable, targets: FloatArray) -> list[str]:
    """Say why a table cannot be used at all: it has no rows, or no labels.

    Args:
        raw: The table.
        targets: Targets per row [n_rows, n_labels].
    """
    if raw.problems:
        return []  # What is missing may be what could not be read.
    if not raw.rows:
        return [f"{raw.where}: no photo is named in this table"]
    if not raw.labels or (raw.is_catalogue and not (targets == 1).any()):
        return [f"{raw.where}: no labels: no photo carries any"]
    return []


def find_hopeless_labels(raw: RawTable, targets: FloatArray) -> list[str]:
    """Say what cannot be learned: labels that no photo carries, or tables that never say "absent".

    Args:
        raw: The table.
        targets: Targets per row [n_rows, n_labels].
    """
    if not targets.size:
        return []
    unused = [] if raw.is_catalogue else [raw.labels[label] for label in _find_unused(targets)]
    unknown = {raw.labels[label] for label in np.flatnonzero(np.isnan(targets).all(axis=0))}
    problems = [
        f"{raw.where}: label '{label}' is unknown on every photo, so nothing can be learned of it; "
        "fill it in or leave it out"
        if label in unknown
        else f"{raw.where}: no photo carries label '{label}', so nothing can be learned of it; leave it out"
        for label in unused
    ]
    if not (targets == 0).any() and np.isnan(targets).any():
        problems.append(
            f"{raw.where}: no cell says that a label is absent; blank means unknown, so write 0 for absent"
        )
    return problems


def choose_labels(
    raw: RawTable, targets: FloatArray, *, purpose: Purpose, min_photos: int = 1
) -> tuple[IntArray, list[str]]:
    """Choose the labels to keep.

    Args:
        raw: The table.
        targets: Targets per photo [n_photos, n_labels].
        purpose: Labels of a catalogue that no photo carries are left out but where the table judges.
        min_photos: Labels on fewer photos are left out, but where the table judges.

    Returns:
        Numbers of the labels that are kept, and notes.
    """
    unused = _find_unused(targets)
    everything = np.arange(len(raw.labels))
    names = list_some([raw.labels[label] for label in unused])
    notes = []
    kept = everything
    if len(unused) and raw.is_catalogue and purpose != "judging":
        notes.append(f"{raw.where}: no photo carries {names}; left out")
        kept = np.setdiff1d(everything, unused)
    elif len(unused) and purpose == "judging":
        notes.append(f"{raw.where}: no photo carries {names}")
    n_photos = (targets == 1).sum(axis=0)
    rare = np.flatnonzero((n_photos < min_photos) & (min_photos > 1))
    if len(rare) and purpose != "judging":
        names = list_some([f"{raw.labels[label]} ({n_photos[label]})" for label in rare])
        notes.append(f"{raw.where}: labels on fewer than {min_photos} photos are left out: {names}")
        kept = np.setdiff1d(kept, rare)
        if not len(kept):
            raise TableError(
                [f"{raw.where}: no label is on {min_photos} photos or more; choose a lower --min-photos"]
            )
    return kept, [*notes, *_describe_always_present(raw, targets)]


def _find_unused(targets: FloatArray) -> IntArray:
    return np.flatnonzero(~(targets == 1).any(axis=0))


def _describe_always_present(raw: RawTable, targets: FloatArray) -> list[str]:
    is_used = (targets == 1).any(axis=0)
    always = [raw.labels[label] for label in np.flatnonzero(is_used & ~(targets == 0).any(axis=0))]
    return [f"{raw.where}: no photo is known to lack {list_some(always)}"] if always else []
