"""Write predictions to files while they come.

In:  predictions, part by part.
Out: CSV, Excel, JSON, JSON Lines, Parquet, Label Studio or COCO files, chosen by their ending; a row per
     photo, in the order of the photos; complete or absent.
"""

import io
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from errno import EISDIR
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np

from manylabel.engines.stream import Predictions
from manylabel.errors import MissingExtraError, OutputError, PhotoError
from manylabel.exporters.predictions.sheets import FIRST_COLUMNS, ExcelRows
from manylabel.exporters.predictions.tools import CocoRows, LabelStudioRows
from manylabel.io.csv_text import CsvWriter, label_columns
from manylabel.io.files import new_file, writing

_ROWS_PER_GROUP = 8192


class RowWriter(Protocol):
    """Write predictions to an open file; one per form."""

    def write(self, predictions: Predictions) -> None:
        """Write the next rows."""

    def close(self) -> None:
        """Write what comes after the last row; the file itself stays open."""


@contextmanager
def open_prediction_files(
    paths: Sequence[Path], *, is_for_excel: bool = False
) -> Iterator[Callable[[Predictions], None]]:
    """Open files for predictions; they appear once the block has ended without an error.

    Args:
        paths: Each ends in one of ``FORMS``.
        is_for_excel: Whether CSV files begin with a mark for Excel, see ``CsvRows``.

    Yields:
        What writes the next predictions to all of them.

    Raises:
        OutputError: An ending is unknown, a file cannot be written, or there is no CSV file for spreadsheets.
        MissingExtraError: Parquet files are asked for, and pyarrow is not installed.
    """
    for path in paths:
        check_form(path)
    if is_for_excel and not any(_ending_of(path) == ".csv" for path in paths):
        raise OutputError("--excel: makes CSV files for spreadsheets; give a file that ends in .csv to --out")
    forms = FORMS | {".csv": partial(CsvRows, is_for_excel=is_for_excel)}
    with ExitStack() as stack:
        writers = {}
        for path in paths:
            if path not in writers:
                with writing(path):
                    writer = forms[_ending_of(path)](stack.enter_context(_new_file(path)))
                writers[path] = writer
                if isinstance(writer, ExcelRows):
                    stack.callback(writer.abandon)

        def write(predictions: Predictions) -> None:
            for path, writer in writers.items():
                with writing(path):
                    writer.write(predictions)

        yield write
        for path, writer in writers.items():
            with writing(path):
                writer.close()


def _new_file(path: Path) -> AbstractContextManager[BinaryIO]:
    if path.is_dir():  # which would be noticed only after all the work
        raise IsADirectoryError(EISDIR, os.strerror(EISDIR), str(path))
    return new_file(path)


def write_predictions(path: Path, predictions: Predictions) -> None:
    """Write predictions in the form that the file's ending names.

    Args:
        path: Ends in one of ``FORMS``.
        predictions: What to write.

    Raises:
        OutputError: The ending is unknown, or the file cannot be written.
        MissingExtraError: A Parquet file is asked for, and pyarrow is not installed.
    """
    with open_prediction_files([path]) as write:
        write(predictions)


def check_form(path: Path) -> None:
    """Check that a file of this ending can be written; call it before long work.

    Raises:
        OutputError: The ending is unknown.
        MissingExtraError: It is a Parquet file, and pyarrow is not installed.
    """
    if _ending_of(path) == ".parquet" and find_spec("pyarrow") is None:
        raise MissingExtraError("Writing Parquet files", "parquet")


def _ending_of(path: Path) -> str:
    """Return the longest known ending of a file's name."""
    known = [ending for ending in FORMS if path.name.lower().endswith(ending)]
    if not known:
        raise OutputError(f"{path}: unknown ending '{path.suffix}'; known: {', '.join(FORMS)}")
    return max(known, key=len)


class CsvRows:
    """Write columns image, labels (joined by ``;``, most probable first), error, then the probabilities.

    A photo that could not be read has its reason under error and no probabilities. Names and labels that a
    spreadsheet would compute get an apostrophe before them (``csv_text``).

    Args:
        file: Where to write to.
        is_for_excel: Whether Excel will open it, which takes a CSV file for UTF-8 only where it starts with a
            byte order mark.
    """

    def __init__(self, file: BinaryIO, *, is_for_excel: bool = False) -> None:
        encoding = "utf-8-sig" if is_for_excel else "utf-8"
        self._text = io.TextIOWrapper(file, encoding=encoding, newline="", write_through=True)
        self._csv = CsvWriter(self._text)
        self._has_heading = False

    def write(self, predictions: Predictions) -> None:
        """Write the next rows."""
        scores = predictions.scores
        if not self._has_heading:
            self._csv.write_row([*FIRST_COLUMNS, *label_columns(scores.labels, others=FIRST_COLUMNS)])
            self._has_heading = True
        for answer in predictions.in_order():
            if isinstance(answer, PhotoError):
                self._csv.write_row([str(answer.path), "", answer.reason, *[""] * len(scores.labels)])
            else:
                values = (f"{score:.6f}" for score in scores.values[answer])
                said = ";".join(predictions.labels_of(answer))
                self._csv.write_row([scores.names[answer], said, "", *values])

    def close(self) -> None:
        """Write what is still waiting."""
        self._text.detach()


class JsonRows:
    """Write an object with thresholds, photos (image, labels, scores) and unreadable ones (image, error)."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._n_photos: int | None = None
        self._unreadable: list[dict[str, str]] = []

    def write(self, predictions: Predictions) -> None:
        """Write the next photos; the unreadable ones wait for the end."""
        if self._n_photos is None:
            named = zip(predictions.scores.labels, predictions.thresholds.tolist(), strict=True)
            self._say(f'{{\n"thresholds": {_to_json(dict(named))},\n"photos": [')
            self._n_photos = 0
        for answer in predictions.in_order():
            row = _to_row(predictions, answer)
            if isinstance(answer, PhotoError):
                self._unreadable.append(row)
            else:
                self._say(f"{',' if self._n_photos else ''}\n{_to_json(row)}")
                self._n_photos += 1

    def close(self) -> None:
        """Close the photos and write the unreadable ones."""
        if self._n_photos is None:
            self._say('{\n"photos": [')
        rows = ",\n".join(map(_to_json, self._unreadable))
        self._say(f'\n],\n"unreadable": [\n{rows}\n]\n}}\n')

    def _say(self, text: str) -> None:
        self._file.write(text.encode())


class JsonLineRows:
    """Write an object per line: image, labels and scores, or image and error."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def write(self, predictions: Predictions) -> None:
        """Write the next lines."""
        for answer in predictions.in_order():
            self._file.write(f"{_to_json(_to_row(predictions, answer))}\n".encode())

    def close(self) -> None:
        """Do nothing: the last line is complete."""


class ParquetRows:
    """Write columns image, labels (a list), error, then a float column per label, null where not read."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._writer: Any = None
        self._waiting: list[Any] = []

    def write(self, predictions: Predictions) -> None:
        """Take the next rows; they are written in groups that are worth reading one by one."""
        self._waiting.append(_to_arrow(predictions))
        if sum(part.num_rows for part in self._waiting) >= _ROWS_PER_GROUP:
            self._write_group()

    def close(self) -> None:
        """Write the last rows and the directory of the file."""
        self._write_group()
        if self._writer is not None:
            self._writer.close()

    def _write_group(self) -> None:
        import pyarrow  # not at the top: an extra
        from pyarrow import parquet

        if not self._waiting:
            return
        group = pyarrow.concat_tables(self._waiting)
        self._waiting = []
        if self._writer is None:
            self._writer = parquet.ParquetWriter(self._file, group.schema, compression="zstd")
        self._writer.write_table(group, row_group_size=group.num_rows)


def _to_arrow(predictions: Predictions) -> Any:
    import pyarrow  # not at the top: an extra

    answers = list(predictions.in_order())
    rows = [_to_row(predictions, answer) for answer in answers]
    columns = {
        "image": pyarrow.array([row["image"] for row in rows], pyarrow.string()),
        "labels": pyarrow.array([row.get("labels") for row in rows], pyarrow.list_(pyarrow.string())),
        "error": pyarrow.array([row.get("error") for row in rows], pyarrow.string()),
    }
    values = np.full((len(answers), len(predictions.scores.labels)), np.nan, dtype=np.float32)
    is_read = np.array([not isinstance(answer, PhotoError) for answer in answers], dtype=bool)
    values[is_read] = predictions.scores.values
    for column, name in enumerate(label_columns(predictions.scores.labels, others=FIRST_COLUMNS)):
        columns[name] = pyarrow.array(values[:, column], pyarrow.float32(), mask=~is_read)
    return pyarrow.table(columns)


def _to_row(predictions: Predictions, answer: int | PhotoError) -> dict[str, Any]:
    if isinstance(answer, PhotoError):
        return {"image": str(answer.path), "error": answer.reason}
    scores = predictions.scores
    return {
        "image": scores.names[answer],
        "labels": predictions.labels_of(answer),
        "scores": {
            label: round(float(score), 6)
            for label, score in zip(scores.labels, scores.values[answer], strict=True)
        },
    }


def _to_json(values: object) -> str:
    return json.dumps(values, ensure_ascii=False)


FORMS: dict[str, Callable[[BinaryIO], RowWriter]] = {
    ".csv": CsvRows,
    ".xlsx": ExcelRows,
    ".json": JsonRows,
    ".jsonl": JsonLineRows,
    ".parquet": ParquetRows,
    ".labelstudio.json": LabelStudioRows,
    ".coco.json": CocoRows,
}
"""What writes predictions, by the ending of the file."""
