"""Name the columns of a table.

In:  a file, or lines of cells.
Out: Sheet: every column has a name of its own, every line a cell for each.
"""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from manylabel.data.find import is_photo_name
from manylabel.data.formats.base import LabelSource
from manylabel.data.formats.contents import LABELS_NAMES, PART_NAMES, PHOTO_NAMES, plain_name
from manylabel.data.formats.tables.grid import (
    WORKBOOK_EXTENSIONS,
    Cells,
    Grid,
    describe_cell,
    read_separated,
    read_workbook,
)
from manylabel.data.wording import count, list_some
from manylabel.errors import ConfigError, TableError, did_you_mean

INDEX_NAME = "Unnamed: 0"
"""What pandas calls the first column where it has no name; it writes the index of its rows so."""

_LINES_TRIED = 200
_MOST_TITLES = 20
_NAMES_OF_A_LIST = ("photo", "labels")


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of a table.

    Attributes:
        where: Its location, e.g. ``"labels.csv, line 7"``.
        number: The number of the line in the file, from 1.
        cells: One text per column of the sheet, without outer spaces.
    """

    where: str
    number: int
    cells: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """A table of texts.

    Attributes:
        title: What errors and notes call it.
        kind: What kind of file it is, in words.
        where: Location of the column names, e.g. ``"labels.csv, line 1"``.
        header: Names of the columns, each once, none empty.
        lines: The lines below the column names.
        columns: The number of each column in the file, from 0; empty where the file has no columns.
        header_number: The number of the line of column names, from 1; None if no line names them.
        separator: What parts the cells of a text file, None in a workbook.
        bad: Sentences about cells that cannot be used, by the number of their column.
        notes: Notes for the user, one sentence each.
        problems: Reasons to stop the run, one sentence each.
    """

    title: str
    kind: str
    where: str
    header: tuple[str, ...]
    lines: tuple[Line, ...]
    columns: tuple[int, ...] = ()
    header_number: int | None = None
    separator: str | None = None
    bad: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    def column(self, number: int) -> tuple[str, ...]:
        """Return the cells of a column."""
        return self._by_column[number]

    @cached_property
    def _by_column(self) -> tuple[tuple[str, ...], ...]:
        if not self.lines:
            return ((),) * len(self.header)
        return tuple(zip(*(line.cells for line in self.lines), strict=True))


def read_sheet(path: Path, *, title: str | None = None, source: LabelSource | None = None) -> Sheet:
    """Read a CSV, TSV or XLSX file.

    Args:
        path: The file.
        title: What errors and notes call it; not given: its name.
        source: The settings of the user, and which photos there are; not given: none.

    Raises:
        TableError: The file cannot be read, is empty, or its columns cannot be named.
        ConfigError: There is no such sheet or line.
    """
    named = title or path.name
    given = LabelSource(path=path) if source is None else source
    if given.memo is None:
        return _read_sheet(path, title=named, source=given)
    return given.memo.get(("sheet", path, named), lambda: _read_sheet(path, title=named, source=given))


def _read_sheet(path: Path, *, title: str, source: LabelSource) -> Sheet:
    grid = _read_grid(path, title=title, source=source)
    if not grid.lines:
        raise TableError([*grid.problems, f"{title}: is empty; expected a line of column names, then photos"])
    grid, notes = _name_lines(grid, title=title, source=source)
    number, names = grid.lines[0]
    where = f"{title}, {grid.unit} {number}"
    header = _name_columns(names)
    lines, problems = _fit_lines(grid, title=title, width=len(header))
    kept, column_notes, column_problems = _keep_columns(header, lines, where=where)
    return Sheet(
        title=title,
        kind=grid.kind,
        where=where,
        header=tuple(header[column] for column in kept),
        lines=tuple(_take(line, kept) for line in lines),
        columns=tuple(kept),
        header_number=None if [number] == [below for below, _ in grid.lines[1:2]] else number,
        separator=grid.separator,
        bad=_place_bad_cells(grid, kept, title=title),
        notes=(*grid.notes, *notes, *column_notes),
        problems=(*grid.problems, *column_problems, *problems),
    )


def _take(line: Line, columns: Sequence[int]) -> Line:
    """Return a line with some of its columns; the same one where it has no others, as it may be long."""
    if len(columns) == len(line.cells):
        return line
    return replace(line, cells=tuple(line.cells[column] for column in columns))


def _read_grid(path: Path, *, title: str, source: LabelSource) -> Grid:
    if path.suffix.lower() not in WORKBOOK_EXTENSIONS:
        if source.config.sheet is not None:
            raise ConfigError(f"sheet: '{source.config.sheet}' was given, but {title} is no workbook")
        return read_separated(path, title=title, names_photo=source.names_photo)
    grids = read_workbook(path, title=title)
    names = [grid.name or "" for grid in grids]
    if source.config.sheet is not None:
        if source.config.sheet not in names:
            raise ConfigError(
                f"sheet: {title} has no sheet '{source.config.sheet}'; it has "
                f"{list_some(names)}{did_you_mean(source.config.sheet, names)}"
            )
        return grids[names.index(source.config.sheet)]
    chosen = next((grid for grid in grids if _locate_photos(grid, source) is not None), grids[0])
    if len(grids) == 1:
        return chosen
    note = f"{title}: of {len(grids)} sheets, '{chosen.name}' is read; --sheet NAME reads another"
    return replace(chosen, notes=(*chosen.notes, note))


def _locate_photos(grid: Grid, source: LabelSource) -> int | None:
    """Return the column of a grid in which most lines have the name of a photo; None where there is none."""
    tried = [cells for _, cells in grid.lines[:_LINES_TRIED]]
    width = max(map(len, tried), default=0)
    # A single line may be one of column names, one of them called like a photo.
    is_name = source.names_photo if len(tried) > 1 else is_photo_name
    shares = [
        sum(len(cells) > column and is_name(cells[column]) for cells in tried) for column in range(width)
    ]
    best = max(range(width), key=shares.__getitem__, default=0)
    return best if width and 2 * shares[best] >= len(tried) - 1 and shares[best] else None


def _name_lines(grid: Grid, *, title: str, source: LabelSource) -> tuple[Grid, list[str]]:
    """Cut off the lines above the column names; add names if there are none.

    Raises:
        TableError: The table has no column names.
        ConfigError: There is no line of the given number.
    """
    wanted = source.config.header_row
    if wanted is not None:
        header = next((index for index, (number, _) in enumerate(grid.lines) if number == wanted), None)
        if header is None:
            raise ConfigError(f"header_row: {title} has nothing in {grid.unit} {wanted}")
        return _cut_above(grid, header), []
    column = _locate_photos(grid, source)
    first = None if column is None else _first_photo(grid, column, source)
    if column is None or first is None:
        return grid, []
    if first == 0 and _is_header(grid, column):
        return grid, []
    if first == 0:
        return _name_a_list(grid, column, title=title)
    header = _find_header(grid, first)
    if header == 0:
        return grid, []
    above = list_some(
        [" ".join(filter(None, dict.fromkeys(cells))) for _, cells in grid.lines[:header]], most=2
    )
    names = f"{grid.unit} {grid.lines[header][0]} names the columns"
    return _cut_above(grid, header), [f"{title}: {names}; lines above are left out: {above}"]


def _first_photo(grid: Grid, column: int, source: LabelSource) -> int | None:
    names = (
        index
        for index, (_, cells) in enumerate(grid.lines[:_LINES_TRIED])
        if len(cells) > column and source.names_photo(cells[column])
    )
    return next(names, None)


def _is_header(grid: Grid, column: int) -> bool:
    """Tell whether the first line names the columns although a photo is called like one of them."""
    top, *below = [cells for _, cells in grid.lines[:_LINES_TRIED]]
    n_files = sum(len(cells) > column and is_photo_name(cells[column]) for cells in below)
    return not is_photo_name(top[column]) and (_has_usual_name(top) or 2 * n_files > len(below))


def _find_header(grid: Grid, first: int) -> int:
    """Return which line above the first photo names the columns: the first, unless it is a title.

    Photos at the top of a table may be missing, so the line above the first one that is there is taken only
    where the first line holds fewer cells, or is the only one of both without a usual name.
    """
    top, above = grid.lines[0][1], grid.lines[first - 1][1]
    if first - 1 > _MOST_TITLES or first == 1:
        return 0
    below = [cells for _, cells in grid.lines[first : first + _LINES_TRIED]]
    if any(
        cell and any(cell == cells[column] for cells in below if len(cells) > column)
        for column, cell in enumerate(above)
    ):
        return 0  # a line of the table, as what it holds returns below it
    has_fewer = len(set(filter(None, top))) < len(set(filter(None, above)))
    return first - 1 if has_fewer or (_has_usual_name(above) and not _has_usual_name(top)) else 0


def _has_usual_name(cells: Cells) -> bool:
    return any(plain_name(cell) in {*PHOTO_NAMES, *LABELS_NAMES, *PART_NAMES} for cell in cells)


def _cut_above(grid: Grid, header: int) -> Grid:
    return replace(grid, lines=grid.lines[header:])


def _name_a_list(grid: Grid, column: int, *, title: str) -> tuple[Grid, list[str]]:
    """Name the two columns of a list of photos and labels that begins with a photo."""
    number, cells = grid.lines[0]
    if len([cell for cell in cells if cell]) > len(_NAMES_OF_A_LIST) or column != 0:
        raise TableError(
            [
                f"{title}, {grid.unit} {number}: '{cells[column]}' is a photo, not the name of a column. "
                "Put a line such as image,beach,boat above it, or choose the line of names: --header-row N"
            ]
        )
    named = replace(grid, lines=((number, _NAMES_OF_A_LIST), *grid.lines))
    note = f"{title}: no line names the columns; they are read as photo, labels"
    return named, [note]


def _place_bad_cells(grid: Grid, kept: Sequence[int], *, title: str) -> dict[int, tuple[str, ...]]:
    below = {number for number, _ in grid.lines[1:]}  # in a list without column names, the first line, too
    sentences: dict[int, list[str]] = {}
    for (number, column), reason in sorted(grid.bad.items()):
        if number in below and column in kept:
            cell = f"{title}, cell {describe_cell(number, column)}"
            sentences.setdefault(kept.index(column), []).append(f"{cell}: {reason}")
    return {column: tuple(listed) for column, listed in sentences.items()}


def _fit_lines(grid: Grid, *, title: str, width: int) -> tuple[list[Line], list[str]]:
    lines: list[Line] = []
    problems: list[str] = []
    for number, cells in grid.lines[1:]:
        where = f"{title}, {grid.unit} {number}"
        if grid.is_ragged and len(cells) == 1:
            cells = (*cells, "")  # a photo without labels
        if len(cells) < width:
            problems.append(f"{where}: {count(len(cells), 'cell')}, but {count(width, 'column')} named")
        elif any(cells[width:]):
            repair = "does a cell need quotes?" if grid.name is None else "delete what is beside the table"
            problems.append(
                f"{where}: {count(len(cells), 'cell')}, but {count(width, 'column')} named; {repair}"
            )
        else:
            lines.append(Line(where=where, number=number, cells=cells[:width]))
    return lines, problems


def _name_columns(names: Sequence[str]) -> tuple[str, ...]:
    n_named = max((number for number, name in enumerate(names, start=1) if name), default=0)
    header = [unicodedata.normalize("NFC", " ".join(name.splitlines())) for name in names[:n_named]]
    return (header[0] or INDEX_NAME, *header[1:])


def _keep_columns(
    header: Sequence[str], lines: Sequence[Line], *, where: str
) -> tuple[list[int], list[str], list[str]]:
    """Choose the columns that have a name of their own; return them, notes and problems."""
    kept: list[int] = []
    notes: list[str] = []
    problems: list[str] = []
    firsts: dict[str, int] = {}
    for column, name in enumerate(header):
        if not name:
            if any(line.cells[column] for line in lines):
                notes.append(f"{where}: column {column + 1} has no name and is left out")
        elif name in firsts:
            first = firsts[name] + 1
            problems.append(f"{where}: two columns are named '{name}' (columns {first} and {column + 1})")
        else:
            kept.append(column)
            firsts[name] = column
    return kept, notes, problems
