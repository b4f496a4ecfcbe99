"""Write predictions as a spreadsheet.

In:  predictions, part by part.
Out: an Excel workbook; text is text in it, whatever it starts with, and numbers are numbers.
"""

import re
from collections.abc import Sequence
from typing import Any, BinaryIO

from manylabel.engines.stream import Predictions
from manylabel.errors import PhotoError
from manylabel.io.csv_text import keep_apostrophes, label_columns

FIRST_COLUMNS = ("image", "labels", "error")
"""The columns before those of the labels."""

_DIGITS = 6
_MOST_ROWS = 1_048_576
"""Rows of a sheet; further photos go to the next one."""

_NO_XML = re.compile("[\x00-\x08\x0b-\x1f\ufffe\uffff]|_(?=x[0-9A-Fa-f]{4}_)")
"""What a workbook cannot hold as it is, and what it would take for an escape."""


class ExcelRows:
    """Columns image, labels (joined by ``;``, most probable first), error, then the probabilities.

    A photo that could not be read has its reason under error and no probabilities.
    """

    def __init__(self, file: BinaryIO) -> None:
        """Begin a workbook."""
        from openpyxl import Workbook  # not at the top: slow

        self._file = file
        self._workbook = Workbook(write_only=True)
        self._sheet: Any = None
        self._n_rows = 0
        self._is_saved = False

    def write(self, predictions: Predictions) -> None:
        """Write the next rows."""
        scores = predictions.scores
        for answer in predictions.in_order():
            if self._sheet is None or self._n_rows == _MOST_ROWS:
                self._begin_sheet(scores.labels)
            if isinstance(answer, PhotoError):
                self._append([str(answer.path), "", answer.reason], ())
            else:
                said = ";".join(predictions.labels_of(answer))
                self._append([scores.names[answer], said, ""], scores.values[answer].round(_DIGITS).tolist())

    def close(self) -> None:
        """Write the workbook."""
        if self._sheet is None:
            self._begin_sheet(())
        self._workbook.save(self._file)
        self._is_saved = True

    def abandon(self) -> None:
        """End what was begun and will not be written; after ``close`` there is nothing to do."""
        for sheet in [] if self._is_saved else self._workbook.worksheets:
            sheet.close()  # it writes to a temporary file of its own

    def _begin_sheet(self, labels: Sequence[str]) -> None:
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
