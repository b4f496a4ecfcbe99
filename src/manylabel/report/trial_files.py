"""Write what was found by one model as CSV files.

In:  a trial and the table.
Out: predictions/<model>.csv and history/<model>.csv of a run directory; its label_issues.csv.
"""

import io
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from manylabel.io.csv_text import CsvWriter, label_columns
from manylabel.io.files import write_atomically
from manylabel.report.label_issues import list_label_issues
from manylabel.trials import Epoch, Trial
from manylabel.types import LabelTable

LABEL_ISSUES_FILE = "label_issues.csv"


def write_trial(folder: Path, trial: Trial, table: LabelTable) -> None:
    """Write the scores and the losses of one model into a run directory."""
    name = f"{file_name(trial.model)}.csv"
    write_predictions(folder / "predictions" / name, trial, table)
    write_history(folder / "history" / name, trial.history)


def file_name(model: str) -> str:
    """Return a model's name as a file name.

    Examples:
        >>> file_name("timm/vit_tiny_patch16_224")
        'timm--vit_tiny_patch16_224'
    """
    return model.replace("/", "--")


def write_predictions(path: Path, trial: Trial, table: LabelTable) -> None:
    """Write what a model says about every photo that it did not learn from.

    Columns: image, part ("out-of-fold" or "test"), given, predicted, then the probabilities of each label.
    Labels of one cell are joined by ``;``; an unknown label stands as ``label?`` among the given ones.

    Args:
        path: The file.
        trial: The scores and decisions.
        table: Names of the photos and the given labels.
    """
    rows: list[list[object]] = []
    for part, evaluated in (("out-of-fold", trial.out_of_fold), ("test", trial.test)):
        if evaluated is None:
            continue
        for row, scores, decisions in zip(evaluated.rows, evaluated.scores, evaluated.decisions, strict=True):
            predicted = ";".join(np.array(trial.labels)[decisions])
            given = given_labels(table, int(row))
            rows.append([table.names[row], part, given, predicted, *(f"{score:.6f}" for score in scores)])
    columns = ("image", "part", "given", "predicted")
    _write_csv(path, [*columns, *label_columns(trial.labels, others=columns)], rows)


def write_label_issues(folder: Path, trial: Trial, table: LabelTable) -> None:
    """Write given labels that are probably wrong into a run directory, the least likely first.

    Columns: rank from 1, photo, label, given (1 present, 0 absent), probability (of the label, by a fit that
    did not see the photo), wrong (probability that what was given is wrong). Nothing is written where no
    photo was kept from training.

    Args:
        folder: The run directory.
        trial: The best model.
        table: Names of the photos and the given labels.
    """
    cells = list_label_issues(table, trial)
    if cells is None:
        return
    rows = [
        [
            *(rank, cell.name, cell.label, cell.given),
            *(f"{value:.4f}" for value in (cell.score, 1 - cell.quality)),
        ]
        for rank, cell in enumerate(cells, start=1)
    ]
    columns = ["rank", "photo", "label", "given", "probability", "wrong"]
    _write_csv(folder / LABEL_ISSUES_FILE, columns, rows)


def write_history(path: Path, history: Sequence[Epoch]) -> None:
    """Write the loss of every epoch.

    Columns: fold (from 1; empty for the fit that is kept), epoch, train_loss, held_out_loss, learning_rate
    (empty where a solver chose its steps).

    Args:
        path: The file.
        history: The epochs of all fits.
    """
    rows = [
        [
            "" if epoch.fold is None else epoch.fold + 1,
            epoch.epoch,
            f"{epoch.train_loss:.6f}",
            "" if epoch.held_out_loss is None else f"{epoch.held_out_loss:.6f}",
            "" if epoch.learning_rate is None else f"{epoch.learning_rate:.3g}",
        ]
        for epoch in history
    ]
    _write_csv(path, ["fold", "epoch", "train_loss", "held_out_loss", "learning_rate"], rows)


def given_labels(table: LabelTable, row: int) -> str:
    """Join the labels that a photo was given; unknown ones carry a question mark."""
    words = []
    for label, target in zip(table.labels, table.targets[row], strict=True):
        if np.isnan(target):
            words.append(f"{label}?")
        elif target == 1:
            words.append(label)
    return ";".join(words)


def _write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    text = io.StringIO(newline="")
    CsvWriter(text).write_rows([header, *rows])
    write_atomically(path, text.getvalue().encode())
