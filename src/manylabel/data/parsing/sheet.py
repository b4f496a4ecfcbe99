"""Give the lines of a spreadsheet file columns with names.

In:  a file, or lines of cells.
Out: Sheet: every column has a name of its own, every line a cell for each.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from manylabel.data.find import is_photo_name
from manylabel.data.parsing.grid import Grid, read_grid
from manylabel.data.parsing.wording import count
from manylabel.errors import TableError

INDEX_NAME = "Unnamed: 0"
"""What pandas calls the first column where it has no name; it writes the index of its rows so."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """Hold one line of a table.

    Attributes:
        where: Its place, e.g. ``"labels.csv, line 7"``.
        cells: One text per column of the sheet, without outer spaces.
    """

    where: str
    cells: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """Hold a table of texts.

    Attributes:
        title: What errors and notes call it.
        kind: What kind of file it is, in words.
        where: Place of the column names, e.g. ``"labels.csv, line 1"``.
        header: Names of the columns, each once, none empty.
        lines: The lines below the column names.
        notes: What the user should know, one sentence each.
        problems: What stops the run, one sentence each.
    """

    title: str
    kind: str
    where: str
    header: tuple[str, ...]
    lines: tuple[Line, ...]
    notes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    def column(self, number: int) -> tuple[str, ...]:
        """Return the cells of a column."""
        return tuple(line.cells[number] for line in self.lines)


def read_sheet(path: Path, *, title: str | None = None) -> Sheet:
    """Read a CSV, TSV or XLSX file whose first line names the columns.

    Args:
        path: The file.
        title: What errors and notes call it; not given: its name.

    Raises:
        TableError: The file cannot be read, is empty, or its first line names no columns.
    """
    title = title or path.name
    grid = read_grid(path, title=title)
    if not grid.lines:
        raise TableError([*grid.problems, f"{title}: is empty; expected a line of column names, then photos"])
    number, names = grid.lines[0]
    where = f"{title}, {grid.unit} {number}"
    if is_photo_name(names[0]):
        raise TableError(
            [f"{where}: '{names[0]}' is a photo, expected the names of columns, such as image,labels"]
        )
    header = _name_columns(names)
    lines, problems = _fit_lines(grid, title=title, width=len(header))
    kept, column_problems = _keep_columns(header, lines, where=where)
    return Sheet(
        title=title,
        kind=grid.kind,
        where=where,
        header=tuple(header[column] for column in kept),
        lines=tuple(
            Line(where=line.where, cells=tuple(line.cells[column] for column in kept)) for line in lines
        ),
        notes=grid.notes,
        problems=(*grid.problems, *column_problems, *problems),
    )


def _fit_lines(grid: Grid, *, title: str, width: int) -> tuple[list[Line], list[str]]:
    lines: list[Line] = []
    problems: list[str] = []
    for number, cells in grid.lines[1:]:
        where = f"{title}, {grid.unit} {number}"
        if len(cells) < width:
            problems.append(f"{where}: {count(len(cells), 'cell')}, but {count(width, 'column')} named")
        elif any(cells[width:]):
            problems.append(
                f"{where}: {count(len(cells), 'cell')}, but {count(width, 'column')} named; "
                "does a cell need quotes?"
            )
        else:
            lines.append(Line(where=where, cells=cells[:width]))
    return lines, problems


def _name_columns(names: Sequence[str]) -> tuple[str, ...]:
    n_named = max((number for number, name in enumerate(names, start=1) if name), default=0)
    header = [unicodedata.normalize("NFC", name) for name in names[:n_named]]
    return (header[0] or INDEX_NAME, *header[1:])


def _keep_columns(header: Sequence[str], lines: Sequence[Line], *, where: str) -> tuple[list[int], list[str]]:
    """Choose the columns that have a name of their own; return them and the problems."""
    kept: list[int] = []
    problems: list[str] = []
    for column, name in enumerate(header):
        if not name:
            if any(line.cells[column] for line in lines):
                problems.append(f"{where}: column {column + 1} has no name")
        elif header.index(name) < column:
            first = header.index(name) + 1
            problems.append(f"{where}: two columns are named '{name}' (columns {first} and {column + 1})")
        else:
            kept.append(column)
    return kept, problems
