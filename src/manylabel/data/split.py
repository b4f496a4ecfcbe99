"""Decide which photos train, which choose and which judge.

In:  a table of labels, with or without parts given in it, the settings and a random generator.
Out: a ``Split``, and ``split.csv`` to keep it.
"""

import csv
import io
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple, get_args

import numpy as np

from manylabel.config import SplitConfig
from manylabel.data.stratify import stratified_folds, stratified_holdout
from manylabel.errors import ConfigError, OutputError, TableError, did_you_mean
from manylabel.files import write_atomically
from manylabel.types import FloatArray, IntArray, LabelTable, Part, Split

__all__ = ["make_split", "read_split", "stratified_folds", "stratified_holdout", "write_split"]

_COLUMNS = ("image", "part", "fold")
_PARTS: tuple[Part, ...] = get_args(Part)


def make_split(
    table: LabelTable, *, config: SplitConfig, rng: np.random.Generator, carve_val: bool = False
) -> Split:
    """Split as the table says, and draw what it does not say.

    Given parts stay as they are. With ``config.folds`` the training photos are divided into folds and nothing
    else is held out: without given test photos, every photo gets an out-of-fold score. Without folds and
    without given test photos, ``config.test_fraction`` of the training photos is held out.

    Args:
        table: The photos with their targets and given parts.
        config: Fractions and number of folds.
        rng: Source of chance; the test photos and the folds do not depend on ``carve_val``.
        carve_val: Set aside ``config.val_fraction`` of the training photos for validation where none are
            given. Not with folds: who trains without one fold takes validation photos from the others.

    Returns:
        A split that uses every photo; row numbers are sorted.

    Raises:
        ConfigError: A fraction or the number of folds does not fit the photos.
        TableError: Only some photos have a part, or none is left to train on.
    """
    train, val, test = _given_parts(table)
    origin = [] if all(part is None for part in table.parts) else [f"given in {table.source}"]
    folds: tuple[IntArray, ...] = ()
    if config.folds is not None:
        folds = _draw_folds(train, table.targets, n_folds=config.folds, rng=rng)
        origin.append(f"{config.folds} folds of {len(train)} photos, drawn label by label")
    elif not len(test):
        train, test = _hold_out(train, table.targets, "test_fraction", config.test_fraction, rng=rng)
        origin.append(f"{len(test)} of {len(train) + len(test)} photos for the test, drawn label by label")
    if carve_val and not len(val) and not folds:
        train, val = _hold_out(train, table.targets, "val_fraction", config.val_fraction, rng=rng)
        origin.append(f"{len(val)} of {len(train) + len(val)} for validation, drawn label by label")
    return Split(train=train, val=val, test=test, folds=folds, origin="; ".join(origin))


def write_split(path: Path, table: LabelTable, split: Split) -> None:
    """Write a split as CSV: image, part, fold (numbered from 0); empty where a photo has none.

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
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    writer.writerows((name, parts.get(row, ""), folds.get(row, "")) for row, name in enumerate(table.names))
    try:
        # File names need not be UTF-8 on every system; surrogateescape brings their bytes through unchanged.
        write_atomically(path, text.getvalue().encode("utf-8", errors="surrogateescape"))
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from error


def read_split(path: Path, table: LabelTable) -> Split:
    """Read what ``write_split`` wrote.

    Args:
        path: The file.
        table: The photos; the file names exactly these, in any order.

    Raises:
        TableError: The file cannot be read or does not fit the table; it carries every problem with its line.
    """
    rows = _parse_lines(_read_lines(path), table=table, path=path)
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
    train, val, test = (_sorted(row for row, of in enumerate(table.parts) if of == part) for part in _PARTS)
    if not len(train):
        raise TableError([f"{table.source}: the given split has no photo to train on; mark some with train"])
    return train, val, test


def _draw_folds(
    rows: IntArray, targets: FloatArray, *, n_folds: int, rng: np.random.Generator
) -> tuple[IntArray, ...]:
    if len(rows) < 2:
        raise ConfigError(
            f"split.folds: {n_folds} given for {len(rows)} training photo(s), "
            "expected at least 2 photos to divide; add photos"
        )
    if not 2 <= n_folds <= len(rows):
        raise ConfigError(
            f"split.folds: {n_folds} given, expected 2 to {len(rows)}, the number of training photos; try 5"
        )
    return tuple(rows[fold] for fold in stratified_folds(targets[rows], n_folds=n_folds, rng=rng))


def _hold_out(
    rows: IntArray, targets: FloatArray, key: str, fraction: float, *, rng: np.random.Generator
) -> tuple[IntArray, IntArray]:
    if not 0 < fraction < 1:
        raise ConfigError(f"split.{key}: {fraction} given, expected a share above 0 and below 1, such as 0.2")
    if len(rows) < 2:
        raise ConfigError(
            f"split.{key}: {fraction} given for {len(rows)} training photo(s), "
            "expected at least 2 photos to hold some out from; add photos"
        )
    rest, held_out = stratified_holdout(targets[rows], fraction=fraction, rng=rng)
    return rows[rest], rows[held_out]


class _Row(NamedTuple):
    """One line of a split file: a photo by its row in the table, its part and its fold."""

    photo: int
    part: str
    fold: int | None


def _read_lines(path: Path) -> list[tuple[int, dict[str, str]]]:
    """Return each line with its number; a cell that the line lacks is empty."""
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
        if name not in photos:
            problem = f"photo '{name}' is not in the table of labels"
        elif name in rows:
            problem = f"photo '{name}' has a line already"
        elif part and part not in _PARTS:
            problem = f"unknown part '{part}'{did_you_mean(part, _PARTS)}; expected {', '.join(_PARTS)}"
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
