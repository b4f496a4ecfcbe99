"""Read a delimited table: a line per photo, all of its labels in one cell.

In:  CSV, TSV or XLSX: ``image,labels`` and ``a.jpg,beach;boat``.
Out: RawTable; labels sorted by name, an empty cell says that none applies.
"""

from collections.abc import Sequence
from pathlib import Path

from manylabel.data.parsing.columns import (
    describe_left_out,
    find_columns,
    find_labels_column,
    read_line_part,
    read_photo_name,
    unknown_column,
)
from manylabel.data.parsing.grid import TABLE_EXTENSIONS
from manylabel.data.parsing.label_cells import guess_delimiter, parse_list, split_labels
from manylabel.data.parsing.parts import find_only_file
from manylabel.data.parsing.raw import LabelSource, RawRow, RawTable, collect_labels
from manylabel.data.parsing.sheet import Line, Sheet, read_sheet


def read_delimited(source: LabelSource) -> RawTable:
    """Read a table with all labels of a photo in one cell.

    Raises:
        TableError: The file is no table, or has no column of labels.
    """
    path = find_only_file(source.path, TABLE_EXTENSIONS)
    sheet = read_sheet(path)
    return read_delimited_sheet(sheet, folder=path.parent, delimiter=source.delimiter)


def read_delimited_sheet(
    sheet: Sheet, *, folder: Path, delimiter: str | None, forgives_columns: bool = False
) -> RawTable:
    """Read a sheet with a column of label lists.

    Args:
        sheet: The sheet.
        folder: Folder that the names of photos may be relative to.
        delimiter: Text between two labels; None guesses it.
        forgives_columns: Leave out columns that are no list of labels, with a note; else they are a problem.

    Raises:
        TableError: The sheet has no column of labels.
    """
    columns = find_columns(sheet)
    named = find_labels_column(sheet, columns)
    column = columns.others[0] if named is None else named
    names = f"{sheet.header[columns.photo]}, {sheet.header[column]}"
    foreign = [number for number in columns.others if number != column]
    left_out = describe_left_out(sheet, foreign) if forgives_columns else []
    unknown = [unknown_column(sheet, number, known=f"known here: {names}, split") for number in foreign]
    problems = [] if forgives_columns else unknown
    cells = [cell for cell in sheet.column(column) if cell]
    between = guess_delimiter(cells) if delimiter is None else delimiter
    rows = [
        RawRow(
            names=(read_photo_name(line, sheet, columns, problems=problems),),
            folder=folder,
            where=line.where,
            present=_read_labels(line, column, delimiter=between, problems=problems),
            part=read_line_part(line, columns, problems=problems),
        )
        for line in sheet.lines
    ]
    return RawTable(
        rows=tuple(rows),
        labels=collect_labels(rows),
        title=sheet.title,
        form=f"delimited {sheet.kind} ({names}), {_describe(cells, between)}",
        where=sheet.where,
        notes=(*sheet.notes, *columns.notes, *left_out, *_warn_unused(sheet, cells, delimiter)),
        problems=(*sheet.problems, *columns.problems, *problems),
    )


def _warn_unused(sheet: Sheet, cells: Sequence[str], delimiter: str | None) -> list[str]:
    if delimiter is None or any(delimiter in cell for cell in cells):
        return []
    return [f"{sheet.title}: the given delimiter '{delimiter}' is in no cell"]


def _read_labels(line: Line, column: int, *, delimiter: str | None, problems: list[str]) -> frozenset[str]:
    labels = split_labels(line.cells[column], delimiter)
    return check_labels(labels, where=line.where, problems=problems)


def check_labels(labels: list[str], *, where: str, problems: list[str]) -> frozenset[str]:
    """Return the labels of one photo as a set.

    Args:
        labels: Names as written.
        where: Place to send the user to.
        problems: Gets a sentence where a name is empty, and one where a label is named twice.
    """
    named = frozenset(label for label in labels if label)
    if "" in labels:
        problems.append(f"{where}: the name of a label is empty")
    for label in sorted(named):
        if labels.count(label) > 1:
            problems.append(f"{where}: label '{label}' is named twice")
    return named


def _describe(cells: list[str], delimiter: str | None) -> str:
    if any(parse_list(cell) is not None for cell in cells):
        return "labels as lists"
    if delimiter is None:
        return "one label per photo"
    return "labels joined by spaces" if delimiter == " " else f"labels joined by '{delimiter}'"
