"""Read a one-hot table: a line per photo, a column per label.

In:  CSV, TSV or XLSX: ``image,beach,boat`` and ``a.jpg,1,0``.
Out: RawTable; labels in the order of the columns, blank cells unknown.
"""

import math
from collections.abc import Sequence
from pathlib import Path

from manylabel.data.parsing.columns import (
    describe_left_out,
    find_columns,
    read_line_part,
    read_photo_name,
    unknown_column,
)
from manylabel.data.parsing.grid import TABLE_EXTENSIONS
from manylabel.data.parsing.parts import find_only_file
from manylabel.data.parsing.raw import LabelSource, RawRow, RawTable
from manylabel.data.parsing.sheet import Line, Sheet, read_sheet
from manylabel.data.parsing.values import EXPECTED_TARGET, read_target
from manylabel.data.parsing.wording import count


def read_one_hot(source: LabelSource) -> RawTable:
    """Read a one-hot table.

    Raises:
        TableError: The file is no table, or has no column of labels.
    """
    path = find_only_file(source.path, TABLE_EXTENSIONS)
    return read_one_hot_sheet(read_sheet(path), folder=path.parent)


def read_one_hot_sheet(sheet: Sheet, *, folder: Path, forgives_columns: bool = False) -> RawTable:
    """Read a sheet with a column per label.

    Args:
        sheet: The sheet.
        folder: Folder that the names of photos may be relative to.
        forgives_columns: Leave out columns that hold something else, with a note; else they are a problem.

    Raises:
        TableError: The sheet has no column of labels.
    """
    columns = find_columns(sheet)
    known = [number for number in columns.others if not _is_foreign(sheet, number)]
    foreign = [number for number in columns.others if number not in known]
    problems = [] if forgives_columns else [_describe_foreign(sheet, number) for number in foreign]
    rows = []
    for line in sheet.lines:
        targets = _read_targets(line, sheet, labels=known, problems=problems)
        rows.append(
            RawRow(
                names=(read_photo_name(line, sheet, columns, problems=problems),),
                folder=folder,
                where=line.where,
                present=frozenset(label for label, target in targets.items() if target == 1),
                unknown=frozenset(label for label, target in targets.items() if math.isnan(target)),
                part=read_line_part(line, columns, problems=problems),
            )
        )
    labels = tuple(sheet.header[number] for number in known)
    return RawTable(
        rows=tuple(rows),
        labels=labels,
        title=sheet.title,
        form=f"one-hot {sheet.kind} ({count(len(labels), 'label')})",
        where=sheet.where,
        is_declared=True,
        notes=(
            *sheet.notes,
            *columns.notes,
            *(describe_left_out(sheet, foreign) if forgives_columns else ()),
        ),
        problems=(*sheet.problems, *columns.problems, *problems),
    )


def _is_foreign(sheet: Sheet, number: int) -> bool:
    """Tell whether nothing in a column is a one-hot value, so that it can be no label."""
    cells = [cell for cell in sheet.column(number) if cell]
    return bool(cells) and all(read_target(cell) is None for cell in cells)


def _describe_foreign(sheet: Sheet, number: int) -> str:
    example = next(line for line in sheet.lines if line.cells[number])
    held = f"it holds '{example.cells[number]}', columns of labels hold 1, 0 or blank for unknown"
    return unknown_column(sheet, number, known=held)


def _read_targets(
    line: Line, sheet: Sheet, *, labels: Sequence[int], problems: list[str]
) -> dict[str, float]:
    targets = {}
    for number in labels:
        target = read_target(line.cells[number])
        if target is None:
            place = f"{line.where}, column '{sheet.header[number]}'"
            problems.append(f"{place}: '{line.cells[number]}' is none of {EXPECTED_TARGET}")
        targets[sheet.header[number]] = math.nan if target is None else target
    return targets
