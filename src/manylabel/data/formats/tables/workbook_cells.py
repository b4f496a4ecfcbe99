"""Read the cells of one sheet of an Excel workbook.

In:  the XML of a sheet, piece by piece, and what all sheets share.
Out: the text of each cell by row and column, why some cannot be used, and which areas were merged. More cells
     than any table of labels has are a TableError as soon as they are met.
"""

import math
from bisect import bisect_left
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

from manylabel.data.formats.tables.workbook_parts import PartReader, SharedParts, unescape
from manylabel.errors import TableError
from manylabel.io.csv_text import unguard

MOST_ROWS, MOST_COLUMNS = 1_048_576, 16_384
"""What a spreadsheet program can show."""

_MOST_CELLS = 25_000_000
_MOST_SPREAD_CELLS = 15_000_000
"""Cells of a workbook, counted with the blank ones between them, if most are blank."""

_MOST_CHARACTERS = 1 << 26
_LONGEST_TEXT = 32_767
_MOST_PIECES = 64
_MOST_MERGED = 250_000
_MOST_BAD = 300_000
_LONGEST_SHOWN = 40


@dataclass
class CellBudget:
    """Cells and characters that the sheets of a workbook have used up.

    Attributes:
        n_cells: Cells, the blank ones between others counted.
        n_filled: Cells that hold anything.
        n_characters: Characters of their texts.
    """

    n_cells: int = 0
    n_filled: int = 0
    n_characters: int = 0


class SheetCells(PartReader):
    """The cells of one sheet.

    Attributes:
        rows: Texts of the rows in which any cell is filled, by their number from 1; each ends with a filled
            cell.
        bad: Why a cell cannot be used, by its row and its column from 0; of more than 300,000 of them, the
            first ones and the last one of each column.

    Args:
        title: What errors call the sheet.
        shared: What all sheets share.
        budget: Used by the sheets before; counts on.
    """

    def __init__(self, title: str, shared: SharedParts, *, budget: CellBudget) -> None:
        super().__init__(title)
        self.rows: dict[int, list[str]] = {}
        self.bad: dict[tuple[int, int], str] = {}
        self._values = CellValues(shared)
        self._budget = budget
        self._n_cells_before = budget.n_cells
        self._columns = _ColumnNumbers()
        self._last_bad: dict[int, tuple[int, str]] = {}
        self._merged: list[tuple[int, int, int, int]] = []
        self._cells: list[str] = []
        self._row = self._width = 0
        self._column = -1
        self._is_cell = self._has_formula = self._is_sound = False
        self._kind, self._style = "n", "0"
        self._value: str | None = None
        self._pieces: list[str] | None = None

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """Note that an element begins; the most frequent ones are checked first, as there are millions."""
        if tag == "c" and not self._is_cell:
            self._begin_cell(attributes)
        elif tag == "v" and self._is_cell and self._pieces is None:
            self._pieces = []
        else:
            super().start(tag, attributes)

    def end(self, tag: str) -> None:
        """Note that an element ends."""
        if tag == "c" and self._is_cell:
            self._finish_cell()
        elif tag == "v" and self._pieces is not None:
            self._finish_text()
        else:
            super().end(tag)

    def begin(self, name: str, attributes: dict[str, str]) -> None:
        """Note that an element begins."""
        match name:
            case "c" if not self._is_cell:
                self._begin_cell(attributes)
            case "v" | "t" if self._is_cell and self._pieces is None:
                self._pieces = None if self._is_sound else []
            case "c" | "v" | "t" if self._is_cell:
                raise self.badly_written()
            case "f" if self._is_cell:
                self._has_formula = True
            case "row":
                self._begin_row(attributes.get("r"))
            case "rPh":
                self._is_sound = True
            case "mergeCell":
                self._note_merged(attributes.get("ref", ""))

    def finish(self, name: str) -> None:
        """Note that an element ends."""
        match name:
            case "c" if self._is_cell:
                self._finish_cell()
            case "v" | "t" if self._pieces is not None:
                self._finish_text()
            case "row":
                self._finish_row()
            case "rPh":
                self._is_sound = False

    def text(self, text: str) -> None:
        """Note text of the element that began last."""
        if self._pieces is not None:
            self._pieces.append(text)
            if len(self._pieces) > _MOST_PIECES:
                raise self._too_long()

    def finish_sheet(self) -> None:
        """Give each cell of a merged area the value of its first one, in the rows that hold anything."""
        numbers = sorted(self.rows)
        n_cells = len(self.rows) * self._width
        for top, left, bottom, right in self._merged:
            first = self.rows.get(top, [])
            text, reason = first[left] if left < len(first) else "", self.bad.get((top, left))
            rows = range(bisect_left(numbers, top), bisect_left(numbers, bottom + 1))
            columns = range(left, min(right + 1, self._width))
            n_cells -= len(rows) * len(columns)
            if n_cells < 0:
                raise TableError([f"{self.title}: has merged cells that overlap; unmerge them"])
            if text:
                for row in rows:
                    cells = self.rows[numbers[row]]
                    cells.extend([""] * (columns.stop - len(cells)))
                    cells[columns.start : columns.stop] = [text] * len(columns)
            if reason is not None and rows:
                for column in columns:  # the first and the last row tell as much as all of them
                    self._note_bad(numbers[rows[0]], column, reason)
                    self._note_bad(numbers[rows[-1]], column, reason)
        self.bad |= {(row, column): reason for column, (row, reason) in self._last_bad.items()}

    def _begin_row(self, given: str | None) -> None:
        self._row = self._row + 1 if given is None else int(float(given))
        self._column = -1
        if not 1 <= self._row <= MOST_ROWS:
            raise TableError(
                [
                    f"{self.title}: has a row {self._row}, where a sheet ends with row {MOST_ROWS}; delete "
                    "what is outside the table"
                ]
            )
        self._cells = self.rows.get(self._row, [])

    def _finish_row(self) -> None:
        if self._cells:
            self.rows[self._row] = self._cells
            self._width = max(self._width, len(self._cells))
            self._check_budget()
        self._cells = []

    def _begin_cell(self, attributes: dict[str, str]) -> None:
        name = attributes.get("r")
        self._column = self._column + 1 if name is None else self._columns[name.rstrip("0123456789")]
        if self._column >= MOST_COLUMNS:
            raise TableError(
                [
                    f"{self.title}, row {self._row}: has a cell in column {self._column + 1}, where a sheet "
                    f"ends with column {MOST_COLUMNS}; delete what is outside the table"
                ]
            )
        self._kind, self._style = attributes.get("t", "n"), attributes.get("s", "0")
        self._value, self._pieces = None, None
        self._is_cell, self._has_formula = True, False

    def _finish_text(self) -> None:
        if self._pieces is not None:
            self._value = (self._value or "") + "".join(self._pieces)
            self._pieces = None

    def _finish_cell(self) -> None:
        self._is_cell = False
        text, reason = self._values.read(self._value, self._kind, self._style, has_formula=self._has_formula)
        if not text and reason is None:
            return
        budget, cells = self._budget, self._cells
        budget.n_filled += 1
        budget.n_characters += len(text)
        if len(text) > _LONGEST_TEXT or budget.n_characters > _MOST_CHARACTERS:
            raise self._too_long()
        if reason is not None:
            self._note_bad(self._row, self._column, reason)
        if self._column == len(cells):
            cells.append(text)
        else:
            _put(cells, self._column, text)

    def _note_bad(self, row: int, column: int, reason: str) -> None:
        if len(self.bad) < _MOST_BAD:
            self.bad[row, column] = reason
        else:
            self._last_bad[column] = row, reason

    def _check_budget(self) -> None:
        self._budget.n_cells = self._n_cells_before + len(self.rows) * self._width
        if self._budget.n_cells > max(_MOST_SPREAD_CELLS, min(2 * self._budget.n_filled, _MOST_CELLS)):
            raise TableError(
                [
                    f"{self.title}: its cells are spread over {len(self.rows):,} rows and {self._width:,} "
                    "columns, more than can be read; delete what is outside the table, or save the "
                    "table as CSV"
                ]
            )

    def _too_long(self) -> TableError:
        return TableError(
            [
                f"{self.title}, row {self._row}, column {self._column + 1}: more text than can be read: "
                f"{_LONGEST_TEXT:,} characters a cell, {_MOST_CHARACTERS:,} a workbook; shorten it, or save "
                "the table as CSV"
            ]
        )

    def _note_merged(self, area: str) -> None:
        first, _, last = area.replace("$", "").partition(":")
        (top, left), (bottom, right) = self._position(first), self._position(last or first)
        self._merged.append((top, left, bottom, right))
        if len(self._merged) > _MOST_MERGED:
            raise TableError([f"{self.title}: has more than {_MOST_MERGED:,} merged cells; unmerge them"])

    def _position(self, name: str) -> tuple[int, int]:
        letters = name.rstrip("0123456789")
        return int(name[len(letters) :]), self._columns[letters]


def _put(cells: list[str], column: int, text: str) -> None:
    """Write a cell of a row, after as many blank ones as it takes."""
    cells.extend([""] * (column + 1 - len(cells)))
    cells[column] = text


class _ColumnNumbers(dict[str, int]):
    """The numbers of columns from 0, by their letters."""

    def __missing__(self, letters: str) -> int:
        number = 0
        for letter in letters.upper():
            if "A" <= letter <= "Z" and number <= MOST_COLUMNS:
                number = 26 * number + ord(letter) - ord("A") + 1
            else:
                number = 0
                break
        if not number:
            raise ValueError(f"there is no column '{letters[:_LONGEST_SHOWN]}'")
        self[letters] = number - 1
        return number - 1


_LONGEST_NUMBER = 64
_ERRORS = frozenset(
    {
        *("#BLOCKED!", "#CALC!", "#CONNECT!", "#DIV/0!", "#FIELD!", "#GETTING_DATA", "#N/A", "#NAME?"),
        *("#NULL!", "#NUM!", "#REF!", "#SPILL!", "#UNKNOWN!", "#VALUE!"),
    }
)
_UNCOMPUTED = "its formula was never computed; open the file in a spreadsheet program and save it there"
_NO_TEXT = "it refers to a text that the workbook does not contain; save it again in a spreadsheet program"

Value = tuple[str, str | None]
"""The text of a cell; and why it cannot be used, if it cannot."""


class CellValues:
    """What the cells of a workbook hold.

    Args:
        shared: What all its sheets share.
    """

    def __init__(self, shared: SharedParts) -> None:
        self._shared = shared

    def read(self, value: str | None, kind: str, style: str, *, has_formula: bool) -> Value:
        """Read one cell.

        Args:
            value: Its content, None if it has none.
            kind: What it is: n a number, s the number of a text, b a truth value, ...
            style: Number of its style, by which dates are known.
            has_formula: Whether the value was computed.
        """
        if not value:
            is_computed = not has_formula or (kind == "str" and value is not None)
            return "", None if is_computed else _UNCOMPUTED
        match kind:
            case "n" if style in self._shared.dates:
                return self._read_date(value, is_length=self._shared.dates[style])
            case "n" if len(value) <= _LONGEST_NUMBER:
                return _read_number(value)
            case "n":
                return "", _describe_number(value)
            case "s":
                return self._read_shared(value)
            case "b":
                return _read_truth(value)
            case "d":
                return _describe_date(value.partition("T")[0][:_LONGEST_SHOWN])
            case "e":
                return "", _describe_error(value[:_LONGEST_SHOWN])
            case _:
                return _read_text(unescape(value))

    def _read_shared(self, value: str) -> Value:
        try:
            number = int(value)
        except ValueError:
            number = -1
        if not 0 <= number < len(self._shared.strings):
            return "", _NO_TEXT
        return _read_text(self._shared.strings[number])

    def _read_date(self, value: str, *, is_length: bool) -> Value:
        from openpyxl.utils.datetime import MAC_EPOCH, WINDOWS_EPOCH, from_excel  # not at the top: slow

        epoch = MAC_EPOCH if self._shared.is_from_1904 else WINDOWS_EPOCH
        try:
            moment = from_excel(float(value), epoch, timedelta=is_length)
        except (OverflowError, ValueError):
            return "", _describe_error("#VALUE!")
        return _describe_date(f"{moment:%Y-%m-%d}" if isinstance(moment, date) else str(moment))


@lru_cache(maxsize=4096)
def _read_number(value: str) -> Value:
    try:
        number = float(value)
    except ValueError:
        return "", _describe_number(value)
    if math.isfinite(number) and number.is_integer():
        return str(int(value) if value.isdecimal() else int(number)), None
    return str(number), None


def _describe_number(value: str) -> str:
    return f"it holds '{value[:_LONGEST_SHOWN]}' as a number, which it is not"


def _read_truth(value: str) -> Value:
    if value in ("0", "1"):
        return str(value == "1"), None
    return "", f"it holds '{value[:_LONGEST_SHOWN]}', which is neither true nor false"


def _read_text(value: str) -> Value:
    return ("", _describe_error(value)) if value in _ERRORS else (unguard(value.strip()), None)


@lru_cache(maxsize=4096)
def _describe_error(value: str) -> str:
    return f"it holds the error {value}"


@lru_cache(maxsize=4096)
def _describe_date(shown: str) -> Value:
    return shown, f"it holds a date ({shown}); type the text again in a cell formatted as text"
