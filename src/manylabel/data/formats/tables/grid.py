"""Read a file of a table into lines of text cells.

In:  a CSV, TSV or XLSX file.
Out: a Grid per sheet; ``sheet.py`` chooses one and finds its column names. In a workbook, a merged area
     holds its value in each of its cells; what cannot be known (a formula that was never computed, an error,
     a date in place of a text) is a bad cell, which matters only in the columns that are read. A workbook
     that is damaged, or made to exhaust whoever opens it, is a TableError.
"""

import csv
import io
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from xml.parsers.expat import ExpatError
from zipfile import BadZipFile

from manylabel.data.find import is_photo_name
from manylabel.data.formats.tables.workbook_cells import CellBudget, SheetCells
from manylabel.data.formats.tables.workbook_parts import Package, SharedParts, read_shared_parts
from manylabel.data.formats.text_files import read_bytes, read_text
from manylabel.errors import TableError
from manylabel.io.csv_text import allow_long_cells, unguard

WORKBOOK_EXTENSIONS = (".xlsx", ".xlsm")
TABLE_EXTENSIONS = (".csv", ".tsv", *WORKBOOK_EXTENSIONS)
SEPARATORS = {",": "CSV", ";": "CSV with semicolons", "\t": "TSV", "|": "CSV with bars"}
BLANKS = " "

_LINES_TRIED = 60
_MOST_COMMENTS = 20

Cells = tuple[str, ...]
NamesPhoto = Callable[[str], bool]


@dataclass(frozen=True, kw_only=True)
class Grid:
    """The cells of one sheet.

    Attributes:
        kind: What kind of file it is, in words.
        unit: What a line is called: "line" of a text, "row" of a workbook.
        lines: Number of the line from 1, and its cells; blank lines are left out.
        bad: Why a cell cannot be used, by the number of its line and its column; such cells are blank.
        name: Name of the sheet, None for a text file.
        separator: What parts the cells of a text file, None in a workbook.
        is_ragged: The cells are parted by blanks, so that a blank last one does not show.
        notes: Notes for the user, one sentence each.
        problems: Reasons to stop the run, one sentence each.
    """

    kind: str
    unit: str
    lines: tuple[tuple[int, Cells], ...]
    bad: Mapping[tuple[int, int], str] = field(default_factory=dict)
    name: str | None = None
    separator: str | None = None
    is_ragged: bool = False
    notes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


def read_separated(path: Path, *, title: str, names_photo: NamesPhoto) -> Grid:
    """Read a text file of lines whose cells are parted by commas, semicolons, tabs, bars or blanks.

    Args:
        path: The file.
        title: What errors and notes call it.
        names_photo: Tells the names of photos, by which the separator is known.

    Raises:
        TableError: The file cannot be read, or is no text.
    """
    text, notes = read_text(path, title=title)
    raw = list(io.StringIO(text, newline=""))
    n_above, separator, more_notes = _read_top(raw, names_photo, title=title)
    body = raw[n_above:]
    if separator is None:
        separator = _find_separator(body, names_photo)
    problems: list[str] = []
    try:
        lines = [
            (number + n_above, cells)
            for number, cells in _parse(body, separator, names_photo, problems, title=title, above=n_above)
            if any(cells)
        ]
    except csv.Error as error:
        raise TableError([f"{title}, {error}"]) from error
    return Grid(
        kind="text with blanks between columns" if separator == BLANKS else SEPARATORS[separator],
        unit="line",
        lines=tuple(lines),
        separator=separator,
        is_ragged=separator == BLANKS,
        notes=(*notes, *more_notes),
        problems=tuple(problems),
    )


def _read_top(raw: list[str], names_photo: NamesPhoto, *, title: str) -> tuple[int, str | None, list[str]]:
    """Return how many lines are above the table, the separator that they declare, and notes.

    Excel writes ``sep=;`` above a table, other programs comments that begin with ``#``, and some of these
    are the names of the columns.
    """
    first = raw[0].strip() if raw else ""
    declared = first.strip('"').lower()
    if declared.startswith("sep=") and len(declared) == len("sep=;"):
        separator = declared[-1]
        return 1, separator if separator in SEPARATORS else None, []
    is_tab = raw[:1] and raw[0].lower().startswith("sep=\t")
    if is_tab:
        return 1, "\t", []
    n_comments = 0
    for line in raw[:_MOST_COMMENTS]:
        if not line.startswith("#"):
            break
        n_comments += 1
    if n_comments == 0 or n_comments == len(raw):
        return 0, None, []
    if n_comments == 1 and any(raw[0].count(mark) == raw[1].count(mark) > 0 for mark in SEPARATORS):
        return 0, None, []  # a column is called "#"
    last, below = raw[n_comments - 1].lstrip("# "), raw[n_comments]
    if any(names_photo(below.split(mark)[0].strip()) and mark in last for mark in SEPARATORS):
        raw[n_comments - 1] = last
        n_comments -= 1
        if n_comments == 0:
            return 0, None, []
    return n_comments, None, [f"{title}: the first {n_comments} lines are comments (#) and are left out"]


def _find_separator(raw: Sequence[str], names_photo: NamesPhoto) -> str:
    """Return what parts the cells: that by which most lines hold the name of a photo of their own.

    Where that does not decide: what splits most lines into the same number of cells, then what splits the
    first line into most. Cells hold labels, and what joins these may mislead.
    """
    scores = {separator: _score(raw, separator, names_photo) for separator in SEPARATORS}
    best = max(SEPARATORS, key=scores.__getitem__)
    blanks = _score(raw, BLANKS, names_photo)
    few = 0.5
    return BLANKS if scores[best][0] < few <= blanks[0] else best


def _score(raw: Sequence[str], separator: str, names_photo: NamesPhoto) -> tuple[float, float, int]:
    try:
        parsed = _parse(raw[: 2 * _LINES_TRIED], separator, names_photo, [], title="", above=0)
        lines = [cells for _, cells in islice(parsed, _LINES_TRIED) if any(cells)]
    except csv.Error:
        return (0.0, 0.0, 0)
    wide = [cells for cells in lines if len(cells) > 1]
    if not wide:
        return (0.0, 0.0, 1)
    n_photos = sum(any(map(names_photo, cells)) for cells in wide)
    [(_, n_equal)] = Counter(map(len, wide)).most_common(1)
    return (n_photos / len(lines), n_equal / len(lines), len(lines[0]))


def _parse(
    raw: Sequence[str],
    separator: str,
    names_photo: NamesPhoto,
    problems: list[str],
    *,
    title: str,
    above: int,
) -> Iterator[tuple[int, Cells]]:
    """Go through the lines of a table: number from 1, cells without outer blanks.

    A cell in quotes may run over several lines. Where one of these begins like a line of the table, a quote
    is missing, and everything up to the next quote was swallowed; unless the cell is the name of a photo that
    contains a line break.

    Raises:
        csv.Error: A cell is too long; the text begins with the line.
    """
    if separator == BLANKS:
        yield from ((number, _split_once(line)) for number, line in enumerate(raw, start=1))
        return
    allow_long_cells()
    reader = csv.reader(iter(raw), delimiter=separator, skipinitialspace=True)
    number = 1
    try:
        for cells in reader:
            inside = raw[number : reader.line_num]
            has_line_like_a_row = any(
                names_photo(line.split(separator)[0].strip().strip('"')) for line in inside
            )
            if has_line_like_a_row and not _has_long_name(cells, separator, names_photo):
                problems.append(
                    f"{title}, line {number + above}: a cell runs over several lines; is a quote missing?"
                )
            yield number, tuple(unguard(cell.strip()) for cell in cells)
            number = reader.line_num + 1
    except csv.Error as error:
        raise csv.Error(f"line {number + above}: cannot be read as CSV: {error}") from error


def _has_long_name(cells: Sequence[str], separator: str, names_photo: NamesPhoto) -> bool:
    """Tell whether exactly one cell has several lines, and is the only photo name among the cells.

    A cell with a separator, or with a line that ends like a photo name before its last line, may be lines of
    the table, and does not count.
    """
    long = [cell for cell in cells if len(cell.splitlines()) > 1]
    if len(long) != 1 or long != list(filter(names_photo, cells)) or separator in long[0]:
        return False
    return not any(is_photo_name(line.strip()) for line in long[0].splitlines()[:-1])


def _split_once(line: str) -> Cells:
    """Split a line such as ``a.jpg 3 7`` into a name and the rest."""
    return tuple(line.strip().split(maxsplit=1))


_DAMAGED = (
    BadZipFile,
    zlib.error,
    ExpatError,
    ValueError,  # numbers of rows and cells; a seek to before the archive
    OverflowError,
    OSError,
    EOFError,
    LookupError,  # an encoding that does not exist
    NotImplementedError,  # a way of packing, or a later form of archives
    RuntimeError,  # an archive that cannot be opened for reading
)
"""What the libraries beneath raise where a workbook is damaged."""


def read_workbook(path: Path, *, title: str) -> tuple[Grid, ...]:
    """Read all sheets of a workbook.

    Args:
        path: The file.
        title: What errors and notes call it.

    Raises:
        TableError: It is no workbook, a damaged one, or larger than any table of labels.
    """
    content = read_bytes(path, title=title)
    try:
        package = Package(content, title=title)
        shared = read_shared_parts(package)
        budget = CellBudget()
        return tuple(_read_sheet(package, shared, name, budget=budget) for name in shared.sheets)
    except _DAMAGED as error:
        raise TableError(
            [
                f"{title}: cannot be read as an Excel workbook: {error}; open it in a spreadsheet program "
                "and save it again as .xlsx or CSV"
            ]
        ) from error


def _read_sheet(package: Package, shared: SharedParts, name: str, *, budget: CellBudget) -> Grid:
    title = package.title if len(shared.sheets) == 1 else f"{package.title}, sheet '{name}'"
    cells = SheetCells(title, shared, budget=budget)
    package.read(shared.sheets[name], cells)
    cells.finish_sheet()
    rows = cells.rows
    width = max(map(len, rows.values()), default=0)
    lines = []
    for number in sorted(rows):
        row = rows.pop(number)  # not kept beside the line that is made of it
        lines.append((number, (*row, *[""] * (width - len(row)))))
    return Grid(kind="Excel workbook", unit="row", lines=tuple(lines), bad=cells.bad, name=name)


def describe_cell(row: int, column: int) -> str:
    """Name a cell as spreadsheet programs do.

    Examples:
        >>> describe_cell(7, 1)
        'B7'
    """
    from openpyxl.utils import get_column_letter

    return f"{get_column_letter(column + 1)}{row}"
