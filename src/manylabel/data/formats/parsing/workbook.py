"""Read an Excel workbook into lines of text cells.

In:  an XLSX file.
Out: a Grid per sheet. A merged area holds its value in each of its cells; what cannot be known (a formula
     that was never computed, an error, a date in place of a text) is a bad cell, which matters only in the
     columns that are read. A workbook that is damaged, or made to exhaust whoever opens it, is a TableError.
"""

import zlib
from pathlib import Path
from xml.parsers.expat import ExpatError
from zipfile import BadZipFile

from manylabel.data.formats.parsing.cells import Cells, Room
from manylabel.data.formats.parsing.contents import read_bytes
from manylabel.data.formats.parsing.grid import Grid
from manylabel.data.formats.parsing.package import Package
from manylabel.data.formats.parsing.shared_parts import SharedParts, read_shared_parts
from manylabel.errors import TableError

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
        room = Room()
        return tuple(_read_sheet(package, shared, name, room=room) for name in shared.sheets)
    except _DAMAGED as error:
        raise TableError(
            [
                f"{title}: cannot be read as an Excel workbook: {error}; open it in a spreadsheet program "
                "and save it anew as .xlsx or CSV"
            ]
        ) from error


def _read_sheet(package: Package, shared: SharedParts, name: str, *, room: Room) -> Grid:
    title = package.title if len(shared.sheets) == 1 else f"{package.title}, sheet '{name}'"
    cells = Cells(title, shared, room=room)
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
