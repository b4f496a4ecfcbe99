"""The tables of a bundle as CSV: its thresholds, and the out-of-fold predictions that they were chosen by.

In:  CSV files, as bundles hold them or a spreadsheet saves them; a mapping of thresholds; a trial.
Out: one threshold per label, or one error with every problem; targets and probabilities as arrays.

    thresholds.csv
        label, threshold
    out_of_fold.csv
        photo, group, fold           its name; numbers of its group of near-duplicates and of its fold
        LABEL probability            calibrated without the photo
        LABEL target                 1 present, 0 absent, empty if unknown
"""

import csv
import io
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from manylabel.errors import BundleError, ConfigError, did_you_mean, kind_of, visible
from manylabel.io.csv_text import CsvWriter, allow_long_cells, unguard
from manylabel.io.files import write_output
from manylabel.trials import Trial
from manylabel.types import FloatArray, IntArray, LabelTable, Thresholds

COLUMNS = ("label", "threshold")
_FIRST_COLUMNS = ("photo", "group", "fold")

SAME = 1e-9
"""Thresholds that differ by less are equal: a spreadsheet keeps 15 digits of a number."""

_SHOWN, _LONGEST_SHOWN = 20, 200

ThresholdSource = Mapping[str, float | str] | Path | str
"""Thresholds by label, or a CSV file with the columns label and threshold."""

_Entry = tuple[str, str, object]
"""Source of a threshold, its label, its value."""


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
    write_output(path, text.getvalue().encode())


def read_thresholds(path: Path, labels: Sequence[str]) -> FloatArray:
    """Return the threshold of each label [n_labels].

    A byte order mark, semicolons or tabs between cells, and decimal commas in such files are accepted:
    spreadsheets write them.

    Raises:
        ConfigError: The file cannot be read, a label is unknown, missing or has two lines, or a threshold is
            not a number from 0 to 1.
    """
    found, problems = _collect([path], labels)
    missing = [label for label in labels if label not in found]
    if missing and not problems:
        problems.append(f"{path}: has no threshold for {_join([repr(label) for label in missing])}")
    if problems:
        raise ConfigError("\n".join(map(visible, problems)))
    return np.array([found[label] for label in labels])


def change_thresholds(
    thresholds: Thresholds, labels: Sequence[str], given: ThresholdSource | Sequence[ThresholdSource]
) -> Thresholds:
    """Replace the thresholds of some labels.

    Args:
        thresholds: Those of a bundle.
        labels: The label names [n_labels].
        given: New thresholds of some or all labels; later sources win.

    Returns:
        The thresholds, with a sentence about the changes.

    Raises:
        ConfigError: As for ``read_thresholds``, except that labels may be missing, which keep theirs.

    Examples:
        >>> old = Thresholds(values=np.array([0.5, 0.4]), origin="best F1 per label")
        >>> new = change_thresholds(old, ["boat", "sea"], {"sea": 0.9})
        >>> new.values, new.changes
        (array([0.5, 0.9]), ('thresholds were given: sea 0.9 (0.4 in the bundle)',))
    """
    found, problems = _collect(_list_sources(given), labels)
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
    """List the labels whose threshold differs, with both numbers; None if there are none.

    Args:
        labels: The label names [n_labels].
        values: Their thresholds [n_labels].
        before: Their earlier thresholds [n_labels].
        where: Where those stand, as the end of a remark.
    """
    changed = [
        f"{labels[column]} {values[column]:.3g} ({before[column]:.3g} {where})"
        for column in np.flatnonzero(np.abs(values - before) > SAME).tolist()
    ]
    return visible(_join(changed)) if changed else None


def _collect(sources: Sequence[ThresholdSource], labels: Sequence[str]) -> tuple[dict[str, float], list[str]]:
    """Return the given thresholds by label, and every problem."""
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
                problems.append("there may be more problems; the rest was not checked")
                break
            value = _number(given)
            if label not in known:
                hint = did_you_mean(label, labels)
                start = f"{hint} Known labels" if hint else "; known labels"
                problems.append(f"{where}: unknown label '{_shorten(str(label))}'{start}: {_join(labels)}")
            elif label in seen:
                problems.append(f"{where}: label '{label}' already has a threshold")
            elif value is None:
                problems.append(f"{where}: '{_shorten(str(given))}' is not a number from 0 to 1")
            else:
                found[label] = value
            seen.add(label)
    return found, problems


def _list_sources(given: object) -> Sequence[ThresholdSource]:
    """Return thresholds, files of them, or several of them as a list."""
    if isinstance(given, Mapping | Path | str):
        return [given]
    if isinstance(given, list | tuple) and all(isinstance(source, Mapping | Path | str) for source in given):
        return given
    if hasattr(given, "items"):  # a series of pandas
        return [dict(given.items())]
    raise ConfigError(
        f"thresholds: given {kind_of(given)}, expected numbers by label, such as {{'boat': 0.7}}, a CSV file"
        " of them, or from Model.set_thresholds an objective such as 'precision=0.9'"
    )


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
    columns = [heading.index(column) for column in COLUMNS]
    try:
        for cells in lines:
            if any(cell.strip() for cell in cells):
                label, value = (cells[column] if column < len(cells) else "" for column in columns)
                if any(cell.strip() for cell in cells[len(heading) :]):
                    value = delimiter.join(cells[columns[1] :])  # a decimal comma in a file of commas
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
        raise ConfigError(f"{path}: is not UTF-8 text; save it as CSV UTF-8") from error


def _number(given: object) -> float | None:
    """Return a threshold; None if it is not a number from 0 to 1."""
    try:
        value = float(given)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None
    return value if 0 <= value <= 1 else None  # also if it is NaN


def _shorten(text: str) -> str:
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}..."


def _join(words: Sequence[str]) -> str:
    more = f" and {len(words) - _SHOWN} more" if len(words) > _SHOWN else ""
    return ", ".join(words[:_SHOWN]) + more


@dataclass(frozen=True, eq=False, kw_only=True)
class OutOfFold:
    """The out-of-fold predictions that thresholds were chosen by.

    Attributes:
        names: Names of the photos [n_photos].
        labels: The label names.
        targets: [n_photos, n_labels]: 1 present, 0 absent, NaN unknown.
        scores: Probabilities [n_photos, n_labels].
        groups: Number of each photo's group of near-duplicates [n_photos].
        folds: Number of each photo's fold [n_photos].

    Raises:
        ValueError: The sizes do not fit together, or a value is out of range.
    """

    names: tuple[str, ...]
    labels: tuple[str, ...]
    targets: FloatArray
    scores: FloatArray
    groups: IntArray
    folds: IntArray

    def __post_init__(self) -> None:
        """Check that sizes and values fit together."""
        shape = (len(self.names), len(self.labels))
        lengths = {len(self.names), len(self.groups), len(self.folds)}
        if not (self.targets.shape == self.scores.shape == shape and len(lengths) == 1):
            raise ValueError(f"targets have shape {self.targets.shape}, scores {self.scores.shape}")
        if not np.isin(self.targets[~np.isnan(self.targets)], (0.0, 1.0)).all():
            raise ValueError("a target is neither 0 nor 1")
        if not ((self.scores >= 0) & (self.scores <= 1)).all():
            raise ValueError("a probability lies outside 0 to 1")

    @property
    def fold_rows(self) -> tuple[IntArray, ...]:
        """Return the rows of each fold, a partition of the photos."""
        return tuple(np.flatnonzero(self.folds == number) for number in np.unique(self.folds))


def gather_out_of_fold(trial: Trial, table: LabelTable, *, groups: IntArray | None) -> OutOfFold | None:
    """Return the predictions that chose the thresholds of a trial; None if all photos were trained on.

    Args:
        trial: The trial.
        table: Its photos and labels.
        groups: Number of each photo's group of near-duplicates [n_photos]; None if there are none.
    """
    if trial.calibration_set is None:
        return None
    rows = trial.calibration_set.evaluated.rows
    folds = np.zeros(len(rows), dtype=np.int64)
    for number, fold in enumerate(trial.calibration_set.folds):
        folds[fold] = number
    return OutOfFold(
        names=tuple(table.names[row] for row in rows),
        labels=table.labels,
        targets=table.targets[rows],
        scores=trial.calibration_set.threshold_scores,
        groups=rows if groups is None else groups[rows],
        folds=folds,
    )


def write_out_of_fold(path: Path, kept: OutOfFold) -> None:
    """Write photos, probabilities and targets as CSV.

    Raises:
        OutputError: The file cannot be written.
    """
    text = io.StringIO(newline="")
    writer = CsvWriter(text)
    writer.write_row(_heading(kept.labels))
    for row, name in enumerate(kept.names):
        cells = zip(kept.scores[row].tolist(), kept.targets[row].tolist(), strict=True)
        writer.write_row(
            [
                *(name, kept.groups[row], kept.folds[row]),
                *(text for cell in cells for text in (f"{cell[0]:.8f}", _target_text(cell[1]))),
            ]
        )
    write_output(path, text.getvalue().encode())


def read_out_of_fold(path: Path, labels: Sequence[str]) -> OutOfFold:
    """Read what ``write_out_of_fold`` wrote.

    Args:
        path: The file.
        labels: The expected label names, in this order.

    Raises:
        BundleError: It cannot be read, or has other labels.
    """
    allow_long_cells()
    try:
        with path.open(newline="", encoding="utf-8") as file:
            heading, *lines = csv.reader(file)
        # Earlier versions wrote names unchanged.
        if _heading(labels) not in ([unguard(cell) for cell in heading], heading):
            raise ValueError("its columns do not match the labels of the bundle")
        numbers = [[float(cell or "nan") for cell in cells] for _, *cells in lines]
        values = np.array(numbers).reshape(len(lines), len(heading) - 1)
        return OutOfFold(
            names=tuple(unguard(line[0]) for line in lines),
            labels=tuple(labels),
            scores=values[:, 2::2],
            targets=values[:, 3::2],
            groups=values[:, 0].astype(np.int64),
            folds=values[:, 1].astype(np.int64),
        )
    except OSError as error:
        raise BundleError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (ValueError, csv.Error) as error:
        raise BundleError(f"{path}: is damaged: {error}") from error


def _heading(labels: Sequence[str]) -> list[str]:
    # The suffixes make all column names different, whatever the labels are.
    return [*_FIRST_COLUMNS, *(f"{label} {kind}" for label in labels for kind in ("probability", "target"))]


def _target_text(target: float) -> str:
    return "" if np.isnan(target) else f"{target:.0f}"
