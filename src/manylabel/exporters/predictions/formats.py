"""The writers of predictions, one class per file format.

In:  predictions, part by part.
Out: their rows in an open file.
"""

import io
import json
import re
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from manylabel.errors import PhotoError
from manylabel.io.csv_text import CsvWriter, keep_apostrophes, label_columns

if TYPE_CHECKING:
    from manylabel.engines.stream import Predictions

FIRST_COLUMNS = ("image", "labels", "error")
"""The columns before those of the labels."""

_DIGITS = 6
_ROWS_PER_GROUP = 8192
_MAX_SHEET_ROWS = 1_048_576
"""Rows of a sheet; further photos go to the next one."""

_NO_XML = re.compile("[\x00-\x08\x0b-\x1f\ufffe\uffff]|_(?=x[0-9A-Fa-f]{4}_)")
"""What a workbook cannot hold as it is, and what it would take for an escape."""


class CsvRows:
    """A CSV file: image, labels (joined by ``;``, most probable first), error, then the probabilities.

    A photo that could not be read has its reason under error and no probabilities. Names and labels that a
    spreadsheet would compute get an apostrophe before them (``csv_text``).

    Args:
        file: The file to write to.
        is_for_excel: Whether Excel will open it, which takes a CSV file for UTF-8 only where it starts with a
            byte order mark.
    """

    def __init__(self, file: BinaryIO, *, is_for_excel: bool = False) -> None:
        encoding = "utf-8-sig" if is_for_excel else "utf-8"
        self._text = io.TextIOWrapper(file, encoding=encoding, newline="", write_through=True)
        self._csv = CsvWriter(self._text)
        self._has_heading = False

    def write(self, predictions: "Predictions") -> None:
        """Write the next rows."""
        scores = predictions.scores
        if not self._has_heading:
            self._csv.write_row([*FIRST_COLUMNS, *label_columns(scores.labels, others=FIRST_COLUMNS)])
            self._has_heading = True
        for answer in predictions.in_order():
            if isinstance(answer, PhotoError):
                self._csv.write_row([answer.name, "", answer.reason, *[""] * len(scores.labels)])
            else:
                values = (f"{score:.6f}" for score in scores.values[answer])
                labels = ";".join(predictions.labels_of(answer))
                self._csv.write_row([scores.names[answer], labels, "", *values])

    def close(self) -> None:
        """Release the file, which stays open."""
        self._text.detach()


class ExcelRows:
    """A workbook: image, labels (joined by ``;``, most probable first), error, then the probabilities.

    Text is text in it, whatever it starts with, and numbers are numbers.

    A photo that could not be read has its reason under error and no probabilities.
    """

    def __init__(self, file: BinaryIO) -> None:
        """Start a workbook."""
        from openpyxl import Workbook  # not at the top: slow

        self._file = file
        self._workbook = Workbook(write_only=True)
        self._sheet: Any = None
        self._n_rows = 0
        self._is_saved = False

    def write(self, predictions: "Predictions") -> None:
        """Write the next rows."""
        scores = predictions.scores
        for answer in predictions.in_order():
            if self._sheet is None or self._n_rows == _MAX_SHEET_ROWS:
                self._start_sheet(scores.labels)
            if isinstance(answer, PhotoError):
                self._append([answer.name, "", answer.reason], ())
            else:
                labels = ";".join(predictions.labels_of(answer))
                self._append(
                    [scores.names[answer], labels, ""], scores.values[answer].round(_DIGITS).tolist()
                )

    def close(self) -> None:
        """Write the workbook."""
        if self._sheet is None:
            self._start_sheet(())
        self._workbook.save(self._file)
        self._is_saved = True

    def abandon(self) -> None:
        """Close a workbook that will not be written; after ``close`` this does nothing."""
        for sheet in [] if self._is_saved else self._workbook.worksheets:
            sheet.close()  # it writes to a temporary file of its own

    def _start_sheet(self, labels: Sequence[str]) -> None:
        number = len(self._workbook.worksheets) + 1
        self._sheet = self._workbook.create_sheet("photos" if number == 1 else f"photos {number}")
        self._sheet.freeze_panes = "B2"
        self._n_rows = 0
        self._append([*FIRST_COLUMNS, *label_columns(labels, others=FIRST_COLUMNS)], ())

    def _append(self, texts: Sequence[str], numbers: Sequence[float]) -> None:
        self._sheet.append([*map(self._text_cell, texts), *numbers])
        self._n_rows += 1

    def _text_cell(self, text: str) -> Any:
        from openpyxl.cell import WriteOnlyCell

        if not text:
            return None
        cell = WriteOnlyCell(self._sheet, _escape(keep_apostrophes(text)))
        cell.data_type = "s"  # else what begins with = is a formula
        return cell


def _escape(text: str) -> str:
    """Return text as a workbook holds it (ECMA-376, part 1, section 22.4.2.4)."""
    return _NO_XML.sub(lambda found: f"_x{ord(found[0]):04X}_", text)


class ParquetRows:
    """A Parquet table: image, labels (a list), error, then a float per label, null where not read."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._writer: Any = None
        self._waiting: list[Any] = []

    def write(self, predictions: "Predictions") -> None:
        """Add the next rows; they are written in groups that are worth reading one by one."""
        self._waiting.append(_to_arrow(predictions))
        if sum(part.num_rows for part in self._waiting) >= _ROWS_PER_GROUP:
            self._write_group()

    def close(self) -> None:
        """Write the last rows and the footer of the file."""
        self._write_group()
        if self._writer is not None:
            self._writer.close()

    def abandon(self) -> None:
        """Close a table that will not be kept, while its file is open; after ``close`` this does nothing."""
        if self._writer is not None:
            with suppress(OSError):  # the disk may be full
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


def _to_arrow(predictions: "Predictions") -> Any:
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


def _to_row(predictions: "Predictions", answer: int | PhotoError) -> dict[str, Any]:
    if isinstance(answer, PhotoError):
        return {"image": answer.name, "error": answer.reason}
    scores = predictions.scores
    return {
        "image": scores.names[answer],
        "labels": predictions.labels_of(answer),
        "scores": {
            label: round(float(score), 6)
            for label, score in zip(scores.labels, scores.values[answer], strict=True)
        },
    }


class JsonRows:
    """A JSON object of thresholds, photos (image, labels, scores) and unreadable ones (image, error)."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._n_photos: int | None = None
        self._unreadable: list[dict[str, str]] = []

    def write(self, predictions: "Predictions") -> None:
        """Write the next photos; the unreadable ones wait for the end."""
        if self._n_photos is None:
            named = zip(predictions.scores.labels, predictions.thresholds.tolist(), strict=True)
            self._file.write(b'{\n"thresholds": ' + _to_json(dict(named)) + b',\n"photos": [')
            self._n_photos = 0
        for answer in predictions.in_order():
            row = _to_row(predictions, answer)
            if isinstance(answer, PhotoError):
                self._unreadable.append(row)
            else:
                self._file.write((b",\n" if self._n_photos else b"\n") + _to_json(row))
                self._n_photos += 1

    def close(self) -> None:
        """Close the photos and write the unreadable ones."""
        if self._n_photos is None:
            self._file.write(b'{\n"photos": [')
        rows = b",\n".join(map(_to_json, self._unreadable))
        self._file.write(b'\n],\n"unreadable": [\n' + rows + b"\n]\n}\n")


class JsonLineRows:
    """A JSON object per line: image, labels and scores, or image and error."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def write(self, predictions: "Predictions") -> None:
        """Write the next lines."""
        for answer in predictions.in_order():
            self._file.write(_to_json(_to_row(predictions, answer)) + b"\n")

    def close(self) -> None:
        """Do nothing: the last line is complete."""


class LabelStudioRows:
    """Label Studio: a list of tasks, each with the labels given as a prediction of a choice.

    They are imported into a project whose labeling interface has
    ``<Image name="image" value="$image"/>`` and ``<Choices name="labels" toName="image" choice="multiple">``.
    The score of a prediction is the mean probability of the labels that it gives; without any, one less the
    highest probability.
    """

    def __init__(self, file: BinaryIO) -> None:
        """Start the list."""
        self._file = file
        self._n_tasks = 0
        file.write(b"[")

    def write(self, predictions: "Predictions") -> None:
        """Write the next tasks."""
        for answer in predictions.in_order():
            if isinstance(answer, PhotoError):
                continue
            self._file.write(b",\n" if self._n_tasks else b"\n")
            self._file.write(_to_json(_as_task(predictions, answer)))
            self._n_tasks += 1

    def close(self) -> None:
        """End the list."""
        self._file.write(b"\n]\n")


def _as_task(predictions: "Predictions", row: int) -> dict[str, Any]:
    scores, given = predictions.scores, predictions.labels_of(row)
    values = dict(zip(scores.labels, scores.values[row].tolist(), strict=True))
    score = sum(values[label] for label in given) / len(given) if given else 1 - max(values.values())
    choices = {
        "from_name": "labels",
        "to_name": "image",
        "type": "choices",
        "value": {"choices": given},
    }
    prediction = {"model_version": "manylabel", "score": round(score, _DIGITS), "result": [choices]}
    return {
        "data": {"image": scores.names[row]},
        "predictions": [prediction],
        "meta": {"scores": {label: round(value, _DIGITS) for label, value in values.items()}},
    }


class CocoRows:
    """A COCO file: images, categories, and an annotation with its score per label that is given."""

    def __init__(self, file: BinaryIO) -> None:
        """Start the images; annotations wait for the end."""
        self._file = file
        self._n_images = 0
        self._labels: tuple[str, ...] = ()
        self._annotations: list[tuple[int, int, float]] = []
        file.write(b'{\n"images": [')

    def write(self, predictions: "Predictions") -> None:
        """Write the next images."""
        scores = predictions.scores
        self._labels = scores.labels
        for answer in predictions.in_order():
            if isinstance(answer, PhotoError):
                continue
            self._file.write(b",\n" if self._n_images else b"\n")
            self._n_images += 1
            self._file.write(_to_json({"id": self._n_images, "file_name": scores.names[answer]}))
            for label in predictions.labels_of(answer):
                column = scores.labels.index(label)
                self._annotations.append((self._n_images, column, float(scores.values[answer, column])))

    def close(self) -> None:
        """Write categories and annotations."""
        categories = [{"id": number, "name": label} for number, label in enumerate(self._labels, start=1)]
        self._file.write(b'\n],\n"categories": ' + _to_json(categories) + b',\n"annotations": [')
        for number, (image, column, score) in enumerate(self._annotations, start=1):
            annotation = {
                "id": number,
                "image_id": image,
                "category_id": column + 1,
                "score": round(score, _DIGITS),
            }
            self._file.write((b"\n" if number == 1 else b",\n") + _to_json(annotation))
        self._file.write(b"\n]\n}\n")


def _to_json(values: object) -> bytes:
    return json.dumps(values, ensure_ascii=False).encode()
