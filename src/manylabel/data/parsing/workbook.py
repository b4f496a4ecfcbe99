"""Read an Excel workbook into lines of text cells.

In:  an XLSX file.
Out: a Grid per sheet. A merged area holds its value in each of its cells; what cannot be known (a formula
     that was never computed, an error, a date in place of a text) is a bad cell, which matters only in the
     columns that are read.
"""

import io
import math
import warnings
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError
from zipfile import BadZipFile, ZipFile

from manylabel.data.parsing.contents import read_bytes
from manylabel.data.parsing.grid import Grid
from manylabel.errors import TableError

_ERRORS = frozenset(
    {
        *("#BLOCKED!", "#CALC!", "#CONNECT!", "#DIV/0!", "#FIELD!", "#GETTING_DATA", "#N/A", "#NAME?"),
        *("#NULL!", "#NUM!", "#REF!", "#SPILL!", "#UNKNOWN!", "#VALUE!"),
    }
)


def read_workbook(path: Path, *, title: str) -> tuple[Grid, ...]:
    """Read all sheets of a workbook.

    Args:
        path: The file.
        title: What errors and notes call it.

    Raises:
        TableError: It is no workbook, or a damaged one.
    """
    from openpyxl.utils.exceptions import InvalidFileException

    content = read_bytes(path, title=title)
    try:
        with warnings.catch_warnings():
            # openpyxl warns of styles and cell rules that it drops; no label is among them.
            warnings.simplefilter("ignore", UserWarning)
            return _read_sheets(content)
    except (BadZipFile, InvalidFileException, ParseError, KeyError, ValueError, IndexError, OSError) as error:
        raise TableError([f"{title}: cannot be read as an Excel workbook: {error}"]) from error


def _read_sheets(content: bytes) -> tuple[Grid, ...]:
    from openpyxl import load_workbook

    is_plain = not _holds(content, b"<mergeCell", b"<f>", b"<f ")
    values = load_workbook(io.BytesIO(content), read_only=is_plain, data_only=True)
    formulas = None if is_plain else load_workbook(io.BytesIO(content), data_only=False)
    return tuple(
        _read_sheet(sheet, None if formulas is None else formulas[sheet.title]) for sheet in values.worksheets
    )


def _holds(content: bytes, *marks: bytes) -> bool:
    """Tell whether the XML of any sheet holds some text; only then is the slow way of reading needed."""
    with ZipFile(io.BytesIO(content)) as archive:
        sheets = [name for name in archive.namelist() if name.startswith("xl/worksheets/")]
        return any(mark in archive.read(name) for name in sheets for mark in marks)


def _read_sheet(sheet: Any, formulas: Any | None) -> Grid:
    if formulas is None:
        sheet.reset_dimensions()  # Some programs write a wrong size, which would cut the sheet.
    rows = [list(row) for row in sheet.iter_rows(values_only=True)]
    bad: dict[tuple[int, int], str] = {}
    if formulas is not None:
        _note_uncomputed(rows, formulas, bad)
        _fill_merged(rows, sheet)
    width = max(map(len, rows), default=0)
    lines = []
    for number, row in enumerate(rows, start=1):
        cells: list[str] = []
        for column, value in enumerate(row):
            text, reason = _write_value(value)
            cells.append(text)
            if reason is not None:
                bad[number, column] = reason
        if any(cells) or any((number, column) in bad for column in range(len(row))):
            lines.append((number, (*cells, *[""] * (width - len(cells)))))
    return Grid(kind="Excel workbook", unit="row", lines=tuple(lines), bad=bad, name=sheet.title)


def _note_uncomputed(rows: list[list[object]], formulas: Any, bad: dict[tuple[int, int], str]) -> None:
    for number, row in enumerate(formulas.iter_rows(), start=1):
        for column, cell in enumerate(row):
            is_blank = (
                number > len(rows) or column >= len(rows[number - 1]) or rows[number - 1][column] is None
            )
            if cell.data_type == "f" and is_blank:
                bad[number, column] = (
                    "its formula was never computed; open the file in a spreadsheet program and save it there"
                )


def _fill_merged(rows: list[list[object]], sheet: Any) -> None:
    for area in sheet.merged_cells.ranges:
        value = rows[area.min_row - 1][area.min_col - 1]
        for number in range(area.min_row - 1, min(area.max_row, len(rows))):
            for column in range(area.min_col - 1, min(area.max_col, len(rows[number]))):
                rows[number][column] = value


def _write_value(value: object) -> tuple[str, str | None]:
    """Write a cell as text; and why it cannot be used, if it cannot."""
    match value:
        case None:
            return "", None
        case float() if math.isfinite(value) and value.is_integer():
            return str(int(value)), None
        case datetime() | date() | time() | timedelta():
            shown = f"{value:%Y-%m-%d}" if isinstance(value, date) else str(value)
            return shown, f"it holds a date ({shown}); type the text again in a cell formatted as text"
        case str() if value in _ERRORS:
            return "", f"it holds the error {value}"
        case _:
            return str(value).strip(), None


def describe_cell(row: int, column: int) -> str:
    """Name a cell as spreadsheet programs do.

    Examples:
        >>> describe_cell(7, 1)
        'B7'
    """
    from openpyxl.utils import get_column_letter

    return f"{get_column_letter(column + 1)}{row}"
