"""Decide which photos train, which choose and which judge.

In:  a table of labels, with or without parts given in it, the settings and a random generator.
Out: a ``Split``, and ``split.csv`` to keep it; rare labels are on every side as far as possible.
"""

import csv
import io
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from manylabel.config import SplitConfig
from manylabel.data.readers.wording import cap_problems, count, list_some
from manylabel.errors import ConfigError, OutputError, TableError, did_you_mean
from manylabel.types import FloatArray, IntArray, LabelTable, Part, Split

_COLUMNS = ("image", "part", "fold")
_PARTS: tuple[Part, ...] = get_args(Part)
_MOST_DONORS = 20


def make_split(
    table: LabelTable, *, config: SplitConfig, rng: np.random.Generator, carve_val: bool = False
) -> Split:
    """Split as the table says, and draw what it does not say.

    Given parts stay as they are. With ``config.folds`` the training photos are divided into folds, and nothing
    else is held out: without given test photos every photo gets an out-of-fold score. Without folds and without
    given test photos, ``config.test_fraction`` of the training photos is held out.

    Args:
        table: The photos with their targets and given parts.
        config: Fractions and number of folds.
        rng: Source of chance; the test photos and folds do not depend on ``carve_val``.
        carve_val: Set aside ``config.val_fraction`` of the training photos for validation where none are given.
            With folds nothing is set aside: what trains without one fold takes validation photos from the others.

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
        _check_folds(config.folds, len(train))
        folds = _folds_of(train, table.targets, n_folds=config.folds, rng=rng)
        origin.append(f"{config.folds} folds of {count(len(train), 'photo')}, drawn so that labels are balanced")
    elif not len(test):
        train, test = _hold_out(train, table.targets, ("split.test_fraction", config.test_fraction), rng=rng)
        origin.append(f"{count(len(test), 'test photo')}, drawn so that labels are balanced")
    if carve_val and not len(val) and not folds:
        train, val = _hold_out(train, table.targets, ("split.val_fraction", config.val_fraction), rng=rng)
        origin.append(f"{count(len(val), 'validation photo')}, drawn so that labels are balanced")
    return Split(train=train, val=val, test=test, folds=folds, origin="; ".join(origin))


def stratified_folds(
    targets: FloatArray, *, n_folds: int, rng: np.random.Generator
) -> tuple[IntArray, ...]:
    """Divide photos into folds of equal size with equal shares of every label.

    Iterative stratification (Sechidis, Tsoumakas and Vlahavas, 2011, "On the stratification of multi-label
    data", algorithm 1), with exact sizes. Where several folds want the label that is being dealt out equally, the
    one that wants the other labels of the photo most gets it. In the end photos are swapped as long as that brings
    a label to one more fold.

    Args:
        targets: 1 present, 0 absent, NaN unknown [n_photos, n_labels]. Only known cells count.
        n_folds: From 2 to n_photos.
        rng: Source of chance.

    Returns:
        Sorted row numbers of each fold; sizes differ by at most 1. A label with at least ``n_folds`` positives
        is in every fold as far as possible.

    Raises:
        ValueError: ``n_folds`` is out of range.

    Examples:
        >>> targets = np.array([[1.0], [1.0], [0.0], [0.0]])
        >>> folds = stratified_folds(targets, n_folds=2, rng=np.random.default_rng(0))
        >>> [targets[fold].sum() for fold in folds]
        [np.float64(1.0), np.float64(1.0)]
    """
    n_photos = len(targets)
    if not 2 <= n_folds <= n_photos:
        raise ValueError(f"n_folds is {n_folds}, expected 2 to {n_photos}, the number of photos")
    sizes = [n_photos // n_folds + (fold < n_photos % n_folds) for fold in range(n_folds)]
    return tuple(_deal_out(targets, sizes=sizes, rng=rng))


def stratified_holdout(
    targets: FloatArray, *, fraction: float, rng: np.random.Generator
) -> tuple[IntArray, IntArray]:
    """Hold out a share of the photos with the same share of every label.

    Args:
        targets: 1 present, 0 absent, NaN unknown [n_photos, n_labels]. Only known cells count.
        fraction: Share to hold out, in (0, 1); rounded to whole photos, at least one on each side.
        rng: Source of chance.

    Returns:
        Sorted row numbers of the rest and of the photos held out. A label with at least 2 positives is on both
        sides as far as possible. See ``stratified_folds`` for how.

    Raises:
        ValueError: ``fraction`` is out of range, or there are fewer than 2 photos.
    """
    n_photos = len(targets)
    if not 0 < fraction < 1:
        raise ValueError(f"fraction is {fraction}, expected more than 0 and less than 1")
    if n_photos < 2:
        raise ValueError(f"{count(n_photos, 'photo')} cannot be divided in two")
    n_held_out = min(max(round(fraction * n_photos), 1), n_photos - 1)
    rest, held_out = _deal_out(targets, sizes=[n_photos - n_held_out, n_held_out], rng=rng)
    return rest, held_out


def write_split(path: Path, table: LabelTable, split: Split) -> None:
    """Write a split as CSV with the columns image, part and fold, numbered from 0 and empty where there is none.

    Args:
        path: The file to make or to replace; a kill leaves the old one or the new one.
        table: What the row numbers of the split refer to.
        split: The split.

    Raises:
        OutputError: The file cannot be written.
    """
    parts = dict.fromkeys(range(table.n_photos), "")
    for part, rows in zip(_PARTS, (split.train, split.val, split.test), strict=True):
        parts |= dict.fromkeys(rows.tolist(), part)
    folds = {row: number for number, rows in enumerate(split.folds) for row in rows.tolist()}
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    writer.writerows((name, parts[row], folds.get(row, "")) for row, name in enumerate(table.names))
    try:
        # A file name need not be UTF-8 on every system; surrogateescape brings its bytes through unchanged.
        _replace_file(path, text.getvalue().encode("utf-8", errors="surrogateescape"))
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from error


def read_split(path: Path, table: LabelTable) -> Split:
    """Read what ``write_split`` wrote.

    Args:
        path: The file.
        table: The photos; the file names exactly these, in any order.

    Raises:
        TableError: The file cannot be read or does not fit the table; carries every problem with its line.
    """
    try:
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            reader = csv.DictReader(file)
            if missing := [column for column in _COLUMNS if column not in (reader.fieldnames or ())]:
                raise TableError([f"{path}: no column {list_some(missing)}; expected: {', '.join(_COLUMNS)}"])
            lines = [(reader.line_num, line) for line in reader]
    except (OSError, csv.Error) as error:
        raise TableError([f"{path}: cannot be read: {error}"]) from error
    rows, problems = _parse_lines(lines, table=table, path=path)
    if not problems:
        problems = _check_rows(rows, table=table, path=path)
    if problems:
        raise TableError(problems)
    n_folds = 1 + max((row.fold for row in rows if row.fold is not None), default=-1)
    train, val, test = (_sorted(row.place for row in rows if row.part == part) for part in _PARTS)
    folds = tuple(_sorted(row.place for row in rows if row.fold == fold) for fold in range(n_folds))
    return Split(train=train, val=val, test=test, folds=folds, origin=f"read from {path.name}")


class _Row(NamedTuple):
    """One line of a split file: a photo by its place in the table, its part and its fold."""

    place: int
    part: str
    fold: int | None


def _given_parts(table: LabelTable) -> tuple[IntArray, IntArray, IntArray]:
    """Return the rows of train, val and test; all of them train where nothing is given."""
    without = [name for name, part in zip(table.names, table.parts, strict=True) if part is None]
    if len(without) == table.n_photos:
        return np.arange(table.n_photos), _sorted(()), _sorted(())
    if without:
        raise TableError(
            [
                f"{table.source}: {len(without)} of {table.n_photos} photos have no part of the split, the others do: "
                f"{list_some(without, most=20)}; give each of them train, val or test, or give none to any photo"
            ]
        )
    train, val, test = (
        _sorted(row for row, given in enumerate(table.parts) if given == part) for part in _PARTS
    )
    if not len(train):
        raise TableError([f"{table.source}: its split leaves no photo to train on; mark some as train"])
    return train, val, test


def _check_folds(n_folds: int, n_photos: int) -> None:
    if n_photos < 2:
        raise ConfigError(
            f"split.folds: {n_folds} given, but there is {count(n_photos, 'training photo')}; "
            "a cross-validation needs at least 2: add photos"
        )
    if not 2 <= n_folds <= n_photos:
        raise ConfigError(
            f"split.folds: {n_folds} given, expected 2 to {n_photos}, the number of training photos; try 5"
        )


def _folds_of(
    rows: IntArray, targets: FloatArray, *, n_folds: int, rng: np.random.Generator
) -> tuple[IntArray, ...]:
    return tuple(rows[fold] for fold in stratified_folds(targets[rows], n_folds=n_folds, rng=rng))


def _hold_out(
    rows: IntArray, targets: FloatArray, setting: tuple[str, float], *, rng: np.random.Generator
) -> tuple[IntArray, IntArray]:
    key, fraction = setting
    if not 0 < fraction < 1:
        raise ConfigError(f"{key}: {fraction} given, expected a share above 0 and below 1, e.g. 0.2")
    if len(rows) < 2:
        raise ConfigError(
            f"{key}: {fraction} of {count(len(rows), 'training photo')} cannot be held out; at least 2 are needed: "
            "add photos"
        )
    rest, held_out = stratified_holdout(targets[rows], fraction=fraction, rng=rng)
    return rows[rest], rows[held_out]


def _deal_out(targets: FloatArray, *, sizes: Sequence[int], rng: np.random.Generator) -> list[IntArray]:
    """Deal out photos to parts of exact sizes, and return the sorted rows of each part."""
    # Where cells are unknown, a fair share of the positives does not bring a fair share of the negatives.
    has_unknown = np.isnan(targets).any(axis=0)
    evidence = np.hstack([targets == 1, targets[:, has_unknown] == 0]).astype(np.int64)  # [n_photos, n_columns]
    part = _deal_rarest_first(evidence, sizes=np.array(sizes), rng=rng)
    _bring_to_every_part(evidence, part, n_parts=len(sizes))
    return [np.flatnonzero(part == number) for number in range(len(sizes))]


def _deal_rarest_first(evidence: IntArray, *, sizes: IntArray, rng: np.random.Generator) -> IntArray:
    """Return the part of every photo [n_photos]."""
    n_photos = len(evidence)
    part = np.full(n_photos, -1)
    shuffled = rng.permutation(n_photos)
    wanted, room = _fair_shares(evidence, sizes), sizes.copy()
    left = evidence.sum(axis=0)  # not yet dealt out [n_columns]
    while left.any():
        column = np.where(left > 0, left, n_photos + 1).argmin()
        for photo in shuffled[(part[shuffled] < 0) & (evidence[shuffled, column] == 1)]:
            chosen = _choose_part(wanted, room, column=column, evidence=evidence[photo], rng=rng)
            part[photo] = chosen
            room[chosen] -= 1
            wanted[chosen] -= evidence[photo]
            left -= evidence[photo]
    plain = shuffled[part[shuffled] < 0]
    part[plain] = rng.permutation(np.repeat(np.arange(len(sizes)), room))
    return part
