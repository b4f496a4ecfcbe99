r"""Write text to CSV files so that no spreadsheet computes it, and read it back.

In:  names of files, labels and columns, which may be any text.
Out: cells with an apostrophe before what a spreadsheet would take for a formula (OWASP, "CSV Injection"): a
     text, or one of several joined by ``;``, that starts with ``=``, ``+``, ``-``, ``@``, their full-width
     variants, a tab or a carriage return. Numbers stay numbers. Reading removes the apostrophe, so nothing is
     lost. Column names of labels, different from those of other columns.
"""

import csv
import logging
import re
from collections.abc import Iterable, Sequence
from typing import TextIO

from manylabel.errors import visible

_logger = logging.getLogger(__name__)

_STARTS = "=+\\-@\t\r\uff1d\uff0b\uff0d\uff20"
_BEGINNING = r"(?:^|(?<=[;\t\n\r]))"
"""Start of a cell: in some countries, spreadsheets also split lines at ``;`` and tabs."""

_FORMULA = re.compile(f"{_BEGINNING}(?='*[{_STARTS}])")
_GUARDED = re.compile(f"{_BEGINNING}'(?='*[{_STARTS}])")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_LONGEST_CELL = 1 << 24
_SUFFIX = " (score)"


def guard(text: str) -> str:
    """Return text as a cell of a CSV file that no spreadsheet computes.

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
    """Return the names that a cell may stand for: also with an apostrophe, if ``guard`` did not add it.

    Examples:
        >>> spellings("=1.jpg"), spellings("a.jpg")
        (('=1.jpg', "'=1.jpg"), ('a.jpg',))
    """
    return tuple(dict.fromkeys((name, guard(name))))


def keep_apostrophes(text: str) -> str:
    """Return text that ``unguard`` returns unchanged, for files that mark text as text, such as workbooks.

    Examples:
        >>> keep_apostrophes("=x"), keep_apostrophes("'=x"), unguard(keep_apostrophes("'=x"))
        ('=x', "''=x", "'=x")
    """
    return _GUARDED.sub("''", text)


class CsvWriter:
    """A CSV file whose text no spreadsheet computes.

    Args:
        file: The file, opened with ``newline=""``.
        line_end: The line ending.
    """

    def __init__(self, file: TextIO, *, line_end: str = "\r\n") -> None:
        self._lines = csv.writer(file, lineterminator=line_end)

    def write_row(self, cells: Iterable[object]) -> None:
        """Write a row of text and numbers."""
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


def label_columns(labels: Sequence[str], *, others: Sequence[str]) -> list[str]:
    """Return a column name per label, all different; a label with the name of another column gets a suffix.

    Args:
        labels: The label names, all different.
        others: Names of the other columns.

    Examples:
        >>> label_columns(["sea", "error", "error (score)"], others=["image", "error"])
        ['sea', 'error (score) (score)', 'error (score)']
    """
    taken = {*labels, *others}
    columns = []
    for label in labels:
        column = label
        if label in others:
            while column in taken:
                column += _SUFFIX
            taken.add(column)
            names = visible(label), visible(column)
            _logger.info("label '%s' has the name of another column; its column is called '%s'", *names)
        columns.append(column)
    return columns
