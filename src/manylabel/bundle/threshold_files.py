"""Read, change and write thresholds as a table of labels and numbers.

In:  CSV files with the columns label and threshold, as bundles hold them or a spreadsheet saves them, or a
     mapping; the labels.
Out: one threshold per label; one error that tells every problem.
"""

import csv
import io
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from manylabel.errors import ConfigError, did_you_mean, visible
from manylabel.io.csv_text import CsvWriter, allow_long_cells, unguard
from manylabel.io.files import write_atomically, writing
from manylabel.types import FloatArray, Thresholds

COLUMNS = ("label", "threshold")

SAME = 1e-9
"""Thresholds that differ by less are the same: a spreadsheet keeps 15 digits of a number."""

_SHOWN, _LONGEST_SHOWN = 20, 200

ThresholdSource = Mapping[str, float | str] | Path | str
"""Thresholds by label, or a CSV file with the columns label and threshold."""

_Entry = tuple[str, str, object]
"""Where a threshold was given, its label, its value."""


def write_thresholds(path: Path, labels: Sequence[str], values: FloatArray) -> None:
    """Write thresholds as CSV.

    Args:
        path: The file to make or to replace.
        labels: The label names [n_labels].
        values: One threshold per label [n_labels].

    Raises:
        OutputError: The file cannot be written.
    """
    text = io.StringIO(newline="")
    CsvWriter(text).write_rows([COLUMNS, *zip(labels, values.tolist(), strict=True)])
    with writing(path):
        write_atomically(path, text.getvalue().encode())


def read_thresholds(path: Path, labels: Sequence[str]) -> FloatArray:
    """Return the threshold of each label [n_labels].

    A byte order mark, semicolons or tabs between the cells, and a decimal comma where cells are not divided
    by commas are understood: spreadsheets save them.

    Raises:
        ConfigError: The file cannot be read, a label is unknown, missing or has two lines, or a threshold is
            no number from 0 to 1.
    """
    found, problems = _collect([path], labels)
    missing = [label for label in labels if label not in found]
    if missing and not problems:
        problems.append(f"{path}: has no threshold for {_listed([repr(label) for label in missing])}")
    if problems:
        raise ConfigError("\n".join(map(visible, problems)))
    return np.array([found[label] for label in labels])


def change_thresholds(
    thresholds: Thresholds, labels: Sequence[str], given: ThresholdSource | Sequence[ThresholdSource]
) -> Thresholds:
    """Replace the thresholds of some labels.

    Args:
        thresholds: Those that a bundle has.
        labels: The label names [n_labels].
        given: New thresholds of some or all labels; of several sources, the later ones win.

    Returns:
        The thresholds, with a sentence about what was changed.

    Raises:
        ConfigError: As for ``read_thresholds``, but for missing labels, which keep what they have.

    Examples:
        >>> old = Thresholds(values=np.array([0.5, 0.4]), origin="best F1 per label")
        >>> new = change_thresholds(old, ["boat", "sea"], {"sea": 0.9})
        >>> new.values, new.changes
        (array([0.5, 0.9]), ('thresholds were given: sea 0.9 (0.4 in the bundle)',))
    """
    sources = [given] if isinstance(given, Mapping | Path | str) else given
    found, problems = _collect(sources, labels)
    if problems:
        raise ConfigError("\n".join(map(visible, problems)))
    values = np.array(
        [found.get(label, old) for label, old in zip(labels, thresholds.values.tolist(), strict=True)]
    )
    changed = describe_changes(labels, values, thresholds.values, where="in the bundle")
    if changed is None:
        return thresholds
    return replace(
        thresholds, values=values, changes=(*thresholds.changes, f"thresholds were given: {changed}")
    )


def describe_changes(
    labels: Sequence[str], values: FloatArray, before: FloatArray, *, where: str
) -> str | None:
    """List the labels whose threshold differs, with both numbers; None where none does.

    Args:
        labels: The label names [n_labels].
        values: Their thresholds [n_labels].
        before: What they were [n_labels].
        where: Where they were so, as the end of a remark.
    """
    changed = [
        f"{labels[column]} {values[column]:.3g} ({before[column]:.3g} {where})"
        for column in np.flatnonzero(np.abs(values - before) > SAME).tolist()
    ]
    return visible(_listed(changed)) if changed else None


def _collect(sources: Sequence[ThresholdSource], labels: Sequence[str]) -> tuple[dict[str, float], list[str]]:
    """Return the thresholds that are given by label, and every problem."""
    found, problems, known = dict[str, float](), list[str](), frozenset(labels)
    for source in sources:
        seen = set[str]()
        try:
            entries = list(_entries(source, known))
        except ConfigError as error:
            problems.append(str(error))
            continue
        for where, label, given in entries:
            if len(problems) >= _SHOWN:
                problems.append("there may be more; what follows was not looked at")
                break
            value = _number(given)
            if label not in known:
                hint = did_you_mean(label, labels)
                start = f"{hint} Known labels" if hint else "; known labels"
                problems.append(f"{where}: unknown label '{_cut(label)}'{start}: {_listed(labels)}")
            elif label in seen:
                problems.append(f"{where}: label '{label}' has a threshold already")
            elif value is None:
                problems.append(f"{where}: '{_cut(str(given))}' is no number from 0 to 1")
            else:
                found[label] = value
            seen.add(label)
    return found, problems


def _entries(source: ThresholdSource, labels: Collection[str]) -> Iterator[_Entry]:
    if isinstance(source, Mapping):
        yield from ((f"threshold {label}={value}", label, value) for label, value in source.items())
        return
    text = _read_text(Path(source))
    allow_long_cells()
    first = text.partition("\n")[0]
    delimiter = next((mark for mark in ";\t" if mark in first), ",")
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    heading = [cell.strip().lower() for cell in next(lines, [])]
    if not set(COLUMNS) <= set(heading):
        expected = ",".join(COLUMNS)
        raise ConfigError(
            f"{source}, line 1: expected the columns {expected}, found '{first.strip()[:80]}'; "
            "`manylabel thresholds BUNDLE --out FILE` writes such a file"
        )
    places = [heading.index(column) for column in COLUMNS]
    try:
        for cells in lines:
            if any(cell.strip() for cell in cells):
                label, value = (cells[place] if place < len(cells) else "" for place in places)
                label = unguard(label) if unguard(label) in labels else label
                number = value if delimiter == "," else value.replace(",", ".")
                yield f"{source}, line {lines.line_num}", label, number
    except csv.Error as error:
        raise ConfigError(f"{source}, line {lines.line_num}: cannot be read: {error}") from error


def _read_text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is no text in UTF-8; save it as CSV UTF-8") from error


def _number(given: object) -> float | None:
    """Return a threshold; None where it is no number from 0 to 1."""
    try:
        value = float(given)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None
    return value if 0 <= value <= 1 else None  # also where it is NaN


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}..."


def _listed(words: Sequence[str]) -> str:
    more = f" and {len(words) - _SHOWN} more" if len(words) > _SHOWN else ""
    return ", ".join(words[:_SHOWN]) + more
