"""Split photos into training, validation and test photos, or into folds.

In:  a table of labels, with or without parts given in it, the settings and a random generator; maybe groups
     of photos that stay together.
Out: a ``Split``, and ``split.csv`` to keep it.
"""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, get_args

import numpy as np

from manylabel.config import SplitConfig
from manylabel.data.stratify import stratified_folds, stratified_holdout
from manylabel.errors import ConfigError, PhotoError, TableError, did_you_mean
from manylabel.io.csv_text import CsvWriter, allow_long_cells, unguard
from manylabel.io.files import write_output
from manylabel.types import FloatArray, IntArray, LabelTable, Part, Split

_COLUMNS = ("image", "part", "fold")
KNOWN_COLUMN = "n_known"
SPLIT_FILE = "split.csv"
"""What a run calls the file that ``write_split`` writes."""

_REASONS_SHOWN = 5
_PARTS: tuple[Part, ...] = get_args(Part)


def make_split(
    table: LabelTable,
    *,
    config: SplitConfig,
    rng: np.random.Generator,
    carve_val: bool = False,
    groups: IntArray | None = None,
) -> Split:
    """Split as the table says, and draw the rest at random.

    Given parts stay as they are. With ``config.folds`` the training photos are divided into folds and nothing
    else is held out: without given test photos, every photo gets an out-of-fold score. Without folds and
    without given test photos, ``config.test_fraction`` of the training photos is held out. What is drawn
    keeps the photos of a group together; given parts may cut one.

    Args:
        table: The photos with their targets and given parts.
        config: Fractions and number of folds.
        rng: Source of chance; the test photos and the folds do not depend on ``carve_val``.
        carve_val: Set aside ``config.val_fraction`` of the training photos for validation where none are
            given. Not with folds: who trains without one fold takes validation photos from the others.
        groups: Number of each photo's group [n_photos], e.g. of near-duplicates. Not given: each photo is by
            itself.

    Returns:
        A split that uses every photo; row numbers are sorted.

    Raises:
        ConfigError: A fraction or the number of folds does not fit the photos or their groups.
        TableError: Only some photos have a part, or none is left to train on.
    """
    train, val, test = _given_parts(table)
    origin = [] if all(part is None for part in table.parts) else [f"given in {table.source}"]
    drawn = _Drawer(targets=table.targets, groups=groups, rng=rng)
    folds: tuple[IntArray, ...] = ()
    if config.folds is not None:
        folds = drawn.folds(train, n_folds=config.folds)
        origin.append(f"{config.folds} folds of {len(train)} photos, {drawn.manner(train)}")
    elif not len(test):
        whole = train
        train, test = drawn.holdout(train, "test_fraction", config.test_fraction)
        origin.append(f"{len(test)} of {len(whole)} photos held out for the test, {drawn.manner(whole)}")
    if carve_val and not len(val) and not folds:
        whole = train
        train, val = drawn.holdout(train, "val_fraction", config.val_fraction)
        origin.append(f"{len(val)} of {len(whole)} for validation, {drawn.manner(whole)}")
    return Split(train=train, val=val, test=test, folds=folds, groups=groups, origin="; ".join(origin))


def given_split(table: LabelTable) -> Split | None:
    """Return the split that the table gives to all of its photos; None where it gives none, or not to all."""
    if not table.n_photos or any(part is None for part in table.parts):
        return None
    train, val, test = _rows_of_parts(table)
    return Split(train=train, val=val, test=test, origin=f"given in {table.source}")


def find_lost_parts(table: LabelTable, lost: Sequence[PhotoError]) -> list[str]:
    """Describe given parts without a readable photo; a drawn part must not replace a given one.

    Args:
        table: All photos, also those that cannot be read.
        lost: The errors of the photos that cannot be read.
    """
    reasons = {error.path: error.reason for error in lost}
    problems = []
    for part in _PARTS:
        rows = [row for row, given in enumerate(table.parts) if given == part]
        if rows and all(table.photos[row] in reasons for row in rows):
            listed = "; ".join(
                f"{table.names[row]}: {reasons[table.photos[row]]}" for row in rows[:_REASONS_SHOWN]
            )
            more = f"; and {len(rows) - _REASONS_SHOWN} more" if len(rows) > _REASONS_SHOWN else ""
            photos = f"all {len(rows)} photos" if len(rows) > 1 else "the only photo"
            problems.append(
                f"{table.source}: {photos} of the given part '{part}' cannot be read: {listed}{more}; repair "
                f"or replace them, or mark other photos with {part}"
            )
    return problems


def write_split(path: Path, table: LabelTable, split: Split) -> None:
    """Write a split as CSV: image, part, fold (numbered from 0, empty without one), n_known: known labels.

    Args:
        path: The file to make or to replace; a kill leaves the old one or the new one.
        table: What the row numbers of the split refer to.
        split: The split.

    Raises:
        OutputError: The file cannot be written.
    """
    parts: dict[int, str] = {}
    for part, rows in zip(_PARTS, (split.train, split.val, split.test), strict=True):
        parts |= dict.fromkeys(rows.tolist(), part)
    folds = {row: number for number, rows in enumerate(split.folds) for row in rows.tolist()}
    text = io.StringIO(newline="")
    writer = CsvWriter(text, line_end="\n")
    writer.write_row([*_COLUMNS, KNOWN_COLUMN])
    n_known = (~np.isnan(table.targets)).sum(axis=1).tolist()
    writer.write_rows(
        (name, parts.get(row, ""), folds.get(row, ""), n_known[row]) for row, name in enumerate(table.names)
    )
    # File names need not be UTF-8 on every system; surrogateescape brings their bytes through unchanged.
    write_output(path, text.getvalue().encode("utf-8", errors="surrogateescape"))


def read_split(path: Path, table: LabelTable) -> Split:
    """Read what ``write_split`` wrote.

    Args:
        path: The file.
        table: The photos; the file names exactly these, in any order.

    Raises:
        TableError: The file cannot be read or does not fit the table; it carries every problem with its line.
    """
    rows = _parse_lines(read_split_lines(path), table=table, path=path)
    train, val, test = (_sorted(row.photo for row in rows if row.part == part) for part in _PARTS)
    numbers = sorted({row.fold for row in rows if row.fold is not None})
    folds = tuple(_sorted(row.photo for row in rows if row.fold == number) for number in numbers)
    if folds and (numbers != list(range(len(folds))) or len(train) != sum(map(len, folds))):
        raise TableError(
            [
                f"{path}: {sum(map(len, folds))} of {len(train)} training photos are in the folds {numbers}; "
                "expected each of them in one fold, and folds numbered from 0 without a gap"
            ]
        )
    return Split(train=train, val=val, test=test, folds=folds, origin=f"read from {path.name}")


def _rows_of_parts(table: LabelTable) -> tuple[IntArray, IntArray, IntArray]:
    """Return the rows that the table marks as train, val and test."""
    train, val, test = (_sorted(row for row, of in enumerate(table.parts) if of == part) for part in _PARTS)
    return train, val, test


def _given_parts(table: LabelTable) -> tuple[IntArray, IntArray, IntArray]:
    """Return the rows of train, val and test; all of them train where nothing is given."""
    without = [name for name, part in zip(table.names, table.parts, strict=True) if part is None]
    if len(without) == table.n_photos:
        return np.arange(table.n_photos), _sorted(()), _sorted(())
    if without:
        problem = (
            f"{table.source}: {len(without)} of {table.n_photos} photos have no part of the split; "
            "give them train, val or test like the others, or give none to any; without: "
        )
        raise TableError([problem + ", ".join(without)])
    train, val, test = _rows_of_parts(table)
    if not len(train):
        raise TableError([f"{table.source}: the given split has no photo to train on; mark some with train"])
    return train, val, test


@dataclass(frozen=True, eq=False, kw_only=True)
class _Drawer:
    """Divide some of the photos by chance, label by label, and whole groups where there are any."""

    targets: FloatArray
    groups: IntArray | None
    rng: np.random.Generator

    def folds(self, rows: IntArray, *, n_folds: int) -> tuple[IntArray, ...]:
        """Divide rows into folds."""
        if len(rows) < 2:
            raise ConfigError(
                f"split.folds: {n_folds} given for {len(rows)} training photo(s), "
                "expected at least 2 photos to divide; add photos"
            )
        if not 2 <= n_folds <= len(rows):
            raise ConfigError(
                f"split.folds: {n_folds} given, expected 2 to {len(rows)}, "
                "the number of training photos; try 5"
            )
        self._check_groups(rows, "folds", n_folds)
        n_groups = self._n_groups(rows)
        if n_folds > n_groups:
            raise ConfigError(
                f"split.folds: {n_folds} given, expected 2 to {n_groups}, the number of training photos that "
                f"are not near-duplicates; try {min(5, n_groups)}"
            )
        folds = stratified_folds(
            self.targets[rows], n_folds=n_folds, rng=self.rng, groups=self._groups_of(rows)
        )
        return tuple(rows[fold] for fold in folds)

    def holdout(self, rows: IntArray, key: str, fraction: float) -> tuple[IntArray, IntArray]:
        """Divide rows into the rest and those held out."""
        if not 0 < fraction < 1:
            raise ConfigError(
                f"split.{key}: {fraction} given, expected a share above 0 and below 1, such as 0.2"
            )
        if len(rows) < 2:
            raise ConfigError(
                f"split.{key}: {fraction} given for {len(rows)} training photo(s), "
                "expected at least 2 photos to hold some out from; add photos"
            )
        self._check_groups(rows, key, fraction)
        rest, held_out = stratified_holdout(
            self.targets[rows], fraction=fraction, rng=self.rng, groups=self._groups_of(rows)
        )
        return rows[rest], rows[held_out]

    def manner(self, rows: IntArray) -> str:
        """Describe how rows were divided."""
        is_grouped = self._n_groups(rows) < len(rows)
        return "stratified by label" + (", near-duplicates kept together" if is_grouped else "")

    def _check_groups(self, rows: IntArray, key: str, given: float) -> None:
        """Refuse to divide photos that all belong together."""
        if self._n_groups(rows) < 2:
            raise ConfigError(
                f"split.{key}: {given} given, but the {len(rows)} training photos are near-duplicates, which "
                "stay together; add other photos"
            )

    def _groups_of(self, rows: IntArray) -> IntArray | None:
        return None if self.groups is None else self.groups[rows]

    def _n_groups(self, rows: IntArray) -> int:
        return len(rows) if self.groups is None else len(np.unique(self.groups[rows]))


class _Row(NamedTuple):
    """One line of a split file: a photo by its row in the table, its part and its fold."""

    photo: int
    part: str
    fold: int | None


def read_split_lines(path: Path) -> list[tuple[int, dict[str, str]]]:
    """Return each line that ``write_split`` wrote, with its number; a cell that the line lacks is empty.

    Raises:
        TableError: The file cannot be read, or lacks a column.
    """
    allow_long_cells()
    try:
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            reader = csv.DictReader(file, restval="")
            columns = reader.fieldnames or ()
            lines = [(reader.line_num, line) for line in reader]
    except (OSError, csv.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise TableError([f"{path}: cannot be read: {reason}"]) from error
    missing = [column for column in _COLUMNS if column not in columns]
    if missing:
        raise TableError([f"{path}: no column {', '.join(missing)}; expected {', '.join(_COLUMNS)}"])
    return lines


def _parse_lines(lines: Iterable[tuple[int, dict[str, str]]], *, table: LabelTable, path: Path) -> list[_Row]:
    photos = {name: row for row, name in enumerate(table.names)}
    folds = {"": None, **{str(number): number for number in range(table.n_photos)}}
    rows: dict[str, _Row] = {}
    problems = []
    for number, line in lines:
        name, part, fold = (line[column] for column in _COLUMNS)
        name = unguard(name) if unguard(name) in photos else name  # earlier versions wrote names as they are
        if name not in photos:
            problem = f"photo '{name}' is not in the table of labels"
        elif name in rows:
            problem = f"photo '{name}' has a line already"
        elif part and part not in _PARTS:
            problem = f"unknown part '{part}'; expected {', '.join(_PARTS)}{did_you_mean(part, _PARTS)}"
        elif fold not in folds or (fold and part != "train"):
            problem = f"fold '{fold}' of part '{part}'; expected 0, 1, ... with train, else nothing"
        else:
            problem = ""
        if problem:
            problems.append(f"{path}, line {number}: {problem}")
        if name in photos:
            rows[name] = _Row(photos[name], part, folds.get(fold))
    problems += [f"{path}: no line for photo '{name}'" for name in table.names if name not in rows]
    if problems:
        raise TableError(problems)
    return list(rows.values())


def _sorted(rows: Iterable[int]) -> IntArray:
    return np.array(sorted(rows), dtype=np.int64)
