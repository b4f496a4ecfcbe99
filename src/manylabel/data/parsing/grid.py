"""Read a spreadsheet file into lines of text cells.

In:  a CSV, TSV or XLSX file.
Out: Grid; ``sheet.py`` makes columns with names of it.
"""

import csv
import io
import math
import warnings
from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import ParseError
from zipfile import BadZipFile

from manylabel.data.parsing.contents import read_bytes, read_text
from manylabel.errors import TableError

WORKBOOK_EXTENSIONS = (".xlsx", ".xlsm")
TABLE_EXTENSIONS = (".csv", ".tsv", *WORKBOOK_EXTENSIONS)
SEPARATORS = {",": "CSV", ";": "CSV with semicolons", "\t": "TSV"}


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Hold the cells of a spreadsheet file.

    Attributes:
        kind: What kind of file it is, in words.
        unit: What a line is called: "line" of a text, "row" of a workbook.
        lines: Number of the line from 1, and its cells; blank lines are left out.
        notes: What the user should know, one sentence each.
        problems: What stops the run, one sentence each.
    """

    kind: str
    unit: str
    lines: tuple[tuple[int, tuple[str, ...]], ...]
    notes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


def read_grid(path: Path, *, title: str) -> Grid:
    """Read a CSV, TSV or XLSX file; of a workbook, its first sheet.

    Args:
        path: The file.
        title: What errors and notes call it.

    Raises:
        TableError: The file cannot be read as what its ending says.
    """
    is_workbook = path.suffix.lower() in WORKBOOK_EXTENSIONS
    return _read_workbook(path, title=title) if is_workbook else _read_separated(path, title=title)


def _read_separated(path: Path, *, title: str) -> Grid:
    text, notes = read_text(path, title=title)
    separator = _find_separator(text)
    lines, problems = [], []
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True)
    number = 1
    try:
        for cells in reader:
            if reader.line_num > number:
                problems.append(
                    f"{title}, line {number}: a cell runs over several lines; is a quote missing?"
                )
            if any(cell.strip() for cell in cells):
                lines.append((number, tuple(cell.strip() for cell in cells)))
            number = reader.line_num + 1
    except csv.Error as error:
        raise TableError([f"{title}, line {number}: cannot be read as CSV: {error}"]) from error
    return Grid(
        kind=SEPARATORS[separator],
        unit="line",
        lines=tuple(lines),
        notes=notes,
        problems=tuple(problems),
    )


def _find_separator(text: str) -> str:
    """Return what splits the line of column names into most columns; cells hold labels and may mislead."""
    header = next((line for line in text.splitlines() if line.strip()), "")
    widths = {separator: len(next(csv.reader([header], delimiter=separator), [])) for separator in SEPARATORS}
    return max(SEPARATORS, key=lambda separator: widths[separator])


def _read_workbook(path: Path, *, title: str) -> Grid:
    from openpyxl import load_workbook
    from openpyxl.utils.exceptions import InvalidFileException

    content = io.BytesIO(read_bytes(path, title=title))
    try:
        with warnings.catch_warnings():
            # openpyxl warns of styles and cell rules that it drops; no label is among them.
            warnings.simplefilter("ignore", UserWarning)
            book = load_workbook(content, read_only=True, data_only=True)
            sheet = book.worksheets[0]
            sheet.reset_dimensions()  # Some programs write a wrong size, which would cut the sheet.
            values = [tuple(map(_write_value, row)) for row in sheet.iter_rows(values_only=True)]
            names = [other.title for other in book.worksheets]
    except (BadZipFile, InvalidFileException, ParseError, KeyError, ValueError, IndexError, OSError) as error:
        raise TableError([f"{title}: cannot be read as an Excel workbook: {error}"]) from error
    notes = (f"{title}: only the first of {len(names)} sheets is read, '{names[0]}'",) if names[1:] else ()
    width = max(map(len, values), default=0)
    padded = [cells + ("",) * (width - len(cells)) for cells in values]
    lines = tuple((number, cells) for number, cells in enumerate(padded, start=1) if any(cells))
    return Grid(kind="Excel workbook", unit="row", lines=lines, notes=notes)


def _write_value(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float) and math.isfinite(value) and value.is_integer():
        return str(int(value))
    return str(value).strip()
