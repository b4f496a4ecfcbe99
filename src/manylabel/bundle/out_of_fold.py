"""The photos that chose the thresholds of a bundle, and what was said of them by fits that did not see them.

In:  a trial, or the file that a bundle keeps.
Out: targets and probabilities, from which other thresholds can be chosen, as arrays or as CSV.

    photo, group, fold           its name; numbers of its group of near-copies and of its fold
    LABEL probability            calibrated without the photo
    LABEL target                 1 present, 0 absent, empty where it is unknown
"""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from manylabel.errors import BundleError
from manylabel.io.csv_text import CsvWriter, allow_long_cells, unguard
from manylabel.io.files import write_atomically, writing
from manylabel.types import FloatArray, IntArray, LabelTable, Trial

_FIRST_COLUMNS = ("photo", "group", "fold")


@dataclass(frozen=True, eq=False, kw_only=True)
class OutOfFold:
    """The photos that chose thresholds.

    Attributes:
        names: What they are called [n_photos].
        labels: The label names.
        targets: [n_photos, n_labels]: 1 present, 0 absent, NaN unknown.
        scores: Probabilities [n_photos, n_labels].
        groups: Number of each photo's group of near-copies [n_photos].
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
    """Gather what chose the thresholds of a trial; None where no photos were kept from training.

    Args:
        trial: The trial.
        table: Its photos and labels.
        groups: Number of the group of each photo of the table [n_photos]; None: there are no copies.
    """
    if trial.calibration_set is None:
        return None
    rows, folds = (
        trial.calibration_set.evaluated.rows,
        np.zeros(len(trial.calibration_set.evaluated.rows), dtype=np.int64),
    )
    for number, places in enumerate(trial.calibration_set.folds):
        folds[places] = number
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
    with writing(path):
        write_atomically(path, text.getvalue().encode())


def read_out_of_fold(path: Path, labels: Sequence[str]) -> OutOfFold:
    """Read what ``write_out_of_fold`` wrote.

    Args:
        path: The file.
        labels: The label names that it must have, in this order.

    Raises:
        BundleError: It cannot be read, or has other labels.
    """
    allow_long_cells()
    try:
        with path.open(newline="", encoding="utf-8") as file:
            heading, *lines = csv.reader(file)
        # Earlier versions wrote names as they are.
        if _heading(labels) not in ([unguard(cell) for cell in heading], heading):
            raise ValueError("its columns do not fit the labels of the bundle")
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
    # With what follows a label, no column is called as another one, whatever the labels are called.
    return [*_FIRST_COLUMNS, *(f"{label} {kind}" for label in labels for kind in ("probability", "target"))]


def _target_text(target: float) -> str:
    return "" if np.isnan(target) else f"{target:.0f}"
