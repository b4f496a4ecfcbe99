"""Choose the photos and targets that a trained model is evaluated on.

In:  a bundle; a table of labels, or the names of photos in a folder.
Out: which photos were in its training, by their names; the part of the table to evaluate on, and why; targets
     [n_photos, n_labels] in the order of the model's labels, NaN where the table does not tell.
"""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from manylabel.bundle.folder import check_listed
from manylabel.data.formats.matching import PhotoIndex
from manylabel.data.split import KNOWN_COLUMN, SPLIT_FILE
from manylabel.data.wording import list_some
from manylabel.errors import BundleError, TableError, check_choice
from manylabel.io.csv_text import allow_long_cells, unguard
from manylabel.io.files import printable
from manylabel.io.untrusted_files import check_plain
from manylabel.types import FloatArray, IntArray, LabelTable, Part

PartChoice = Part | Literal["all"] | None
"""Part to evaluate on; None: the photos that a model was not trained on, as far as that is known."""

_PARTS: dict[str, Part] = {part: part for part in get_args(Part)}
_WORDS: dict[Part, str] = {"train": "training", "val": "validation", "test": "test"}


def find_learned(bundle: Path, names: Sequence[str], *, folder: Path) -> dict[int, Part] | None:
    """Return the part of each photo in the training of a bundle; photos without known labels had none.

    Args:
        bundle: Folder of the bundle; its split lies in it, or at the top of the run that it belongs to.
        names: What the photos are called in their folder.
        folder: The folder.

    Returns:
        Part by index among the names; None if the bundle has no split.

    Raises:
        BundleError: The split cannot be read, or has changed since training.
    """
    run = bundle.absolute().parent.parent
    check_listed(bundle, SPLIT_FILE)
    check_plain(run, SPLIT_FILE)
    candidates = [bundle / SPLIT_FILE, run / SPLIT_FILE]
    path = next((file for file in candidates if file.is_file()), None)
    if path is None:
        return None
    index = PhotoIndex(names, folder=folder)
    found = dict[int, Part]()
    for name, part in _read_parts(path):
        rows = index.find(name, near=folder).rows
        if len(rows) == 1:
            found[rows[0]] = part
    return found


def choose_evaluation_photos(
    table: LabelTable, part: PartChoice, *, learned: Mapping[int, Part] | None
) -> LabelTable:
    """Choose the photos of a table to evaluate a model on.

    Args:
        table: Labeled photos.
        part: A part of the table's own split, else of that of the bundle. None: the table's test part where
            it has one, else the photos that the model was not trained on, else all.
        learned: Part in the training of the model by row; None if the bundle has no split.

    Returns:
        These photos; the last note tells which they are, why, and whether the numbers are too optimistic.

    Raises:
        ConfigError: There is no such part.
        TableError: It has no photo.
    """
    if part is not None:
        check_choice("part", part, [*_PARTS, "all"])
    known = {} if learned is None else learned
    wished = "test" if part is None and "test" in table.parts else part
    if wished is None:
        rows, note = _choose_untrained(table, known, is_recorded=learned is not None)
    elif wished == "all":
        rows = np.arange(table.n_photos)
        note = f"evaluated on all {table.n_photos} photos, as requested{_describe_trained(rows, known)}"
    else:
        rows, note = _rows_of(table, wished, known)
    return replace(table, notes=(*table.notes, note)).take(rows)


def _choose_untrained(
    table: LabelTable, learned: Mapping[int, Part], *, is_recorded: bool
) -> tuple[IntArray, str]:
    """Return the photos that a model was not trained on, all if none is left; and a note about them."""
    everything = np.arange(table.n_photos)
    rows = np.array([row for row in everything.tolist() if not _is_learned(row, learned)], dtype=np.int64)
    n_learned, n_test = len(everything) - len(rows), list(learned.values()).count("test")
    if not is_recorded:
        return everything, (
            f"evaluated on all {table.n_photos} photos: the model has no record of its training photos. "
            "If some are among these, the numbers are too optimistic"
        )
    if not len(rows):
        return everything, (
            f"evaluated on all {table.n_photos} photos{_describe_trained(everything, learned)}; "
            "evaluate on photos that it has never seen"
        )
    kinds = f"{n_test} from its test part, {len(rows) - n_test} new"
    if not n_learned:
        return rows, (
            f"evaluated on all {len(rows)} photos: going by their names, the model was trained on none of "
            f"them ({kinds})"
        )
    return rows, (
        f"evaluated on the {len(rows)} of {table.n_photos} photos that the model was not trained on, "
        f"going by their names ({kinds}); --part all, in Python part='all', evaluates on all"
    )


def _rows_of(table: LabelTable, part: Part, learned: Mapping[int, Part]) -> tuple[IntArray, str]:
    """Return the photos of a part, by the table itself, else by the split of the bundle; and a note."""
    is_own = part in table.parts
    parts = table.parts if is_own else [learned.get(row) for row in range(table.n_photos)]
    rows = np.flatnonzero([given == part for given in parts])
    if not len(rows):
        raise TableError(
            [
                f"{table.source}: no photo is marked '{part}', and none is known to have been a "
                f"{_WORDS[part]} photo when this model was trained; --part all, in Python part='all', takes "
                "all photos"
            ]
        )
    where = f"that the table marks '{part}'" if is_own else "of this model's training, going by their names"
    kind = "" if is_own else f"{_WORDS[part]} "
    return rows, f"evaluated on the {_count(rows, kind)} {where}{_describe_trained(rows, learned)}"


def _describe_trained(rows: IntArray, learned: Mapping[int, Part]) -> str:
    """Describe how many of some photos a model was trained on."""
    n_learned = sum(_is_learned(row, learned) for row in rows.tolist())
    if not n_learned:
        return ""
    share = "all" if n_learned == len(rows) else str(n_learned)
    return (
        f"; going by their names, the model was trained on {share} of them, so these numbers are too "
        "optimistic"
    )


def _count(rows: IntArray, kind: str = "") -> str:
    return f"{len(rows)} {kind}photo{'' if len(rows) == 1 else 's'}"


def _is_learned(row: int, learned: Mapping[int, Part]) -> bool:
    return learned.get(row, "test") != "test"


def _read_parts(path: Path) -> Iterator[tuple[str, Part]]:
    allow_long_cells()
    try:
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            for line in csv.DictReader(file):
                name, part = line.get("image"), _PARTS.get(line.get("part") or "")
                if name and part and line.get(KNOWN_COLUMN) != "0":
                    yield printable(unguard(name)), part
    except (OSError, csv.Error) as error:
        raise BundleError(f"{path}: cannot be read: {error}") from error


def align_targets(table: LabelTable, labels: Sequence[str]) -> tuple[FloatArray, list[str]]:
    """Bring the columns of a table into the order of a bundle's labels.

    Args:
        table: May lack labels (they become unknown) and have others (they are left out).
        labels: The label names of the bundle.

    Returns:
        Targets [n_photos, n_labels], and what the user should know.

    Raises:
        TableError: No label is shared, or nothing is known of those that are.
    """
    shared = [label for label in labels if label in table.labels]
    if not shared:
        raise TableError(
            [
                f"{table.source}: none of its labels ({', '.join(table.labels[:10])}) is known to the model "
                f"({', '.join(labels[:10])})"
            ]
        )
    targets = np.full((table.n_photos, len(labels)), np.nan)
    for column, label in enumerate(labels):
        if label in table.labels:
            targets[:, column] = table.targets[:, table.labels.index(label)]
    if np.isnan(targets).all():
        raise TableError(
            [f"{table.source}: no cell says whether a photo has {list_some(shared)}; fill some in"]
        )
    notes = []
    missing = [label for label in labels if label not in table.labels]
    if missing:
        notes.append(f"labels that are not in the table and not evaluated: {', '.join(missing)}")
    extra = [label for label in table.labels if label not in labels]
    if extra:
        notes.append(f"labels that the model does not know, left out: {', '.join(extra)}")
    return targets, notes
