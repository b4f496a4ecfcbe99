r"""Write texts into CSV files so that no spreadsheet computes them, and read them back.

In:  names of files, labels and columns, as anybody may call them.
Out: cells with an apostrophe before what a spreadsheet would take for a formula (OWASP, "CSV Injection"): a
     text, or one of several joined by ``;``, that starts with ``=``, ``+``, ``-``, ``@``, their wide forms, a
     tab or a carriage return. Numbers stay numbers. Reading takes the apostrophe away, so nothing is lost.
"""

import csv
import re
from collections.abc import Iterable
from typing import TextIO

_STARTS = "=+\\-@\t\r\uff1d\uff0b\uff0d\uff20"
_BEGINNING = r"(?:^|(?<=[;\t\n\r]))"
"""Where a cell starts: in some countries, spreadsheets part a line also at ``;`` and tabs."""

_FORMULA = re.compile(f"{_BEGINNING}(?='*[{_STARTS}])")
_GUARDED = re.compile(f"{_BEGINNING}'(?='*[{_STARTS}])")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_LONGEST_CELL = 1 << 24


def guard(text: str) -> str:
    """Return a text as the cell of a CSV file that no spreadsheet computes.

    Args:
        text: A name, a label, or labels joined by ``;``.

    Examples:
        >>> guard("=1+1.jpg"), guard("sea;@home"), guard("-0.5"), guard("'=x"), guard("sea")
        ("'=1+1.jpg", "sea;'@home", '-0.5', "''=x", 'sea')
    """
    return text if _NUMBER.fullmatch(text) else _FORMULA.sub("'", text)


def unguard(cell: str) -> str:
    """Return the text that a cell stands for.

    Examples:
        >>> unguard("'=1+1.jpg"), unguard("sea;'@home"), unguard("''=x"), unguard("rock 'n' roll")
        ('=1+1.jpg', 'sea;@home', "'=x", "rock 'n' roll")
    """
    return _GUARDED.sub("", cell) if "'" in cell else cell


def spellings(name: str) -> tuple[str, ...]:
    """Return what a name that was read may have been: also with the apostrophe, where nobody put it there.

    Examples:
        >>> spellings("=1.jpg"), spellings("a.jpg")
        (('=1.jpg', "'=1.jpg"), ('a.jpg',))
    """
    return tuple(dict.fromkeys((name, guard(name))))


def keep_apostrophes(text: str) -> str:
    """Return a text that ``unguard`` gives back as it is, for files in which text is text, such as workbooks.

    Examples:
        >>> keep_apostrophes("=x"), keep_apostrophes("'=x"), unguard(keep_apostrophes("'=x"))
        ('=x', "''=x", "'=x")
    """
    return _GUARDED.sub("''", text)


class CsvWriter:
    """A CSV file whose texts no spreadsheet computes.

    Args:
        file: Where to write to, opened with ``newline=""``.
        line_end: What ends a line.
    """

    def __init__(self, file: TextIO, *, line_end: str = "\r\n") -> None:
        self._lines = csv.writer(file, lineterminator=line_end)

    def write_row(self, cells: Iterable[object]) -> None:
        """Write a row of texts and numbers."""
        self._lines.writerow([guard(cell) if isinstance(cell, str) else cell for cell in cells])

    def write_rows(self, rows: Iterable[Iterable[object]]) -> None:
        """Write several rows."""
        for cells in rows:
            self.write_row(cells)


def allow_long_cells() -> None:
    """Let the csv module read cells of up to 16 million characters.

    It refuses more than 131,072, a valid length for a list of labels. The limit holds for the whole process,
    so it is only ever raised.
    """
    if csv.field_size_limit() < _LONGEST_CELL:
        csv.field_size_limit(_LONGEST_CELL)
