"""Read a table that lists labels: a line per photo, or a line per photo and label.

In:  CSV, TSV or XLSX: ``image,labels`` and ``a.jpg,beach;boat``; or ``image,label1,label2``; or several lines
     of one photo, each with one of its labels.
Out: RawTable; labels sorted by name. An empty cell means that no label applies. A column ``unknown labels``
     lists those that nobody has decided on.
"""

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from manylabel.data.formats.base import (
    LabelFormat,
    LabelSource,
    RawRow,
    RawTable,
    collect_labels,
    find_only_file,
)
from manylabel.data.formats.contents import TRUTH_NAMES, plain_name, read_target
from manylabel.data.formats.tables.columns import Columns, find_columns, read_line_part, read_photo_name
from manylabel.data.formats.tables.grid import TABLE_EXTENSIONS
from manylabel.data.formats.tables.label_cells import (
    DELIMITERS,
    DELIMITERS_IN_NAMES,
    LabelCellError,
    are_vectors,
    guess_delimiter,
    is_list,
    split_labels,
)
from manylabel.data.formats.tables.photo_column import drop_totals
from manylabel.data.formats.tables.sheet import Line, Sheet, read_sheet
from manylabel.data.wording import count, list_some
from manylabel.errors import TableError
from manylabel.io.csv_text import spellings

_NO_LABEL_WORDS = frozenset(
    {
        *("-", "\N{EN DASH}", "\N{EM DASH}", "none", "nan", "null", "n/a", "#n/a", "<na>", "nil", "(none)"),
        *("keine", "keines", "nichts", "nothing", "rien", "aucun", "nada", "ninguno", "nessuno", "なし"),
    }
)
"""Cells of these words mean that no label applies, unless the word also occurs beside labels."""

_MOST_LABELS = 0.8  # labels per cell, above which splitting gives nearly every photo a label of its own
_FEW_CELLS = 10
_FEW_REPEATED = 0.1
_NUMBERS, _DECIMAL = re.compile(r"[\d\s.,;]+"), re.compile(r"\d+\.\d+")


def read_delimited(source: LabelSource) -> RawTable:
    """Read a table that lists the labels of photos.

    Raises:
        TableError: The file is no table, or has no column of labels.
    """
    path = find_only_file(source.path, TABLE_EXTENSIONS)
    return read_delimited_sheet(read_sheet(path, source=source), source=source)


def read_delimited_sheet(sheet: Sheet, *, source: LabelSource) -> RawTable:
    """Read a sheet with columns that list labels.

    Args:
        sheet: The sheet.
        source: The settings of the user, and which photos there are.

    Raises:
        TableError: The sheet has no column of labels, or its cells may not be lists of labels.
    """
    columns = find_columns(sheet, source, layout="lists")
    sheet, total_note = drop_totals(sheet, source, columns.photo)
    cells = [cell for number in columns.labels for cell in sheet.column(number) if cell]
    given = source.config.delimiter
    if given is None and are_vectors(cells):
        raise TableError([_describe_vectors(sheet, columns, cells)])
    between = guess_delimiter(cells) if given is None else given
    problems = _find_lost_lists(sheet, columns, cells)
    lists = [_read_labels(line, columns.labels, delimiter=between, problems=problems) for line in sheet.lines]
    if given is None and not problems:
        problems += _find_own_labels(sheet, columns, lists, delimiter=between)
    lists, nothing_note = _empty_words(lists, sheet)
    unknown = _read_unknown(sheet, columns, delimiter=between or ";", problems=problems)
    rows = [
        RawRow(
            names=spellings(read_photo_name(line, sheet, columns, problems=problems)),
            folder=source.folder,
            where=line.where,
            present=frozenset(labels),
            unknown=frozenset(not_decided) - frozenset(labels),
            part=read_line_part(line, columns, problems=problems),
        )
        for line, labels, not_decided in zip(sheet.lines, lists, unknown, strict=True)
    ]
    joined, long_notes = _join_lines(rows, sheet, columns, problems=problems)
    names = ", ".join(sheet.header[number] for number in (columns.photo, *columns.labels))
    return RawTable(
        rows=tuple(joined),
        labels=collect_labels(joined),
        title=sheet.title,
        kind=f"delimited {sheet.kind} ({names}), {_describe(cells, between, columns)}",
        where=sheet.where,
        is_line_per_row=joined is rows and len(columns.labels) == 1,
        notes=(
            *long_notes,
            *nothing_note,
            *total_note,
            *sheet.notes,
            *columns.notes,
            *_warn_unused(sheet, cells, given),
            *_warn_other_delimiters(sheet, cells, between),
        ),
        problems=(*sheet.problems, *columns.problems, *problems),
    )


def _read_unknown(
    sheet: Sheet, columns: Columns, *, delimiter: str | None, problems: list[str]
) -> list[list[str]]:
    """Return the labels of each line that nobody has decided on."""
    numbers = () if columns.unknown is None else (columns.unknown,)
    return [_read_labels(line, numbers, delimiter=delimiter, problems=problems) for line in sheet.lines]


def _read_labels(
    line: Line, columns: Sequence[int], *, delimiter: str | None, problems: list[str]
) -> list[str]:
    labels: list[str] = []
    for number in columns:
        try:
            labels += split_labels(line.cells[number], delimiter)
        except LabelCellError as error:
            problems.append(f"{line.where}: {error}")
    for label in sorted(set(labels)):
        if labels.count(label) > 1:
            problems.append(f"{line.where}: label '{label}' is named twice")
    return labels


def _describe_vectors(sheet: Sheet, columns: Columns, cells: Sequence[str]) -> str:
    name = sheet.header[columns.labels[0]]
    return (
        f"{sheet.where}: the cells of column '{name}' are rows of zeros and ones, e.g. {cells[0]}; nothing "
        "says which label each of them is; write a column per label (image,beach,boat), or the names"
    )


def _find_lost_lists(sheet: Sheet, columns: Columns, cells: Sequence[str]) -> list[str]:
    """Find lists of numbers that a spreadsheet has read as decimals: 1,3 became the number 1.3."""
    lost = [cell for cell in cells if _DECIMAL.fullmatch(cell)]
    if not lost or sheet.kind != "Excel workbook" or not all(map(_NUMBERS.fullmatch, cells)):
        return []
    name = sheet.header[columns.labels[0]]
    first, last = lost[0].split(".")
    return [
        f"{sheet.where}: column '{name}' holds the number {lost[0]}; if it lists {first} and {last}, the "
        f"spreadsheet has made a decimal of it: write '{first};{last}' as text"
    ]


def _find_own_labels(
    sheet: Sheet, columns: Columns, lists: Sequence[Sequence[str]], *, delimiter: str | None
) -> Iterator[str]:
    """Find tables where nearly every photo would have labels of its own: the cells were split wrongly."""
    filled = [(line, labels) for line, labels in zip(sheet.lines, lists, strict=True) if labels]
    uses = Counter(label for _, labels in filled for label in labels)
    n_own = sum(all(uses[label] == 1 for label in labels) for _, labels in filled)
    if len(filled) < _FEW_CELLS or n_own <= _MOST_LABELS * len(filled):
        return
    shown = "; ".join(
        f"'{line.cells[columns.labels[0]]}' as {list_some(labels, most=3)}" for line, labels in filled[:3]
    )
    how = "as one label" if delimiter is None else f"split at '{delimiter}'"
    names = list_some([sheet.header[number] for number in columns.labels])
    yield (
        f"{sheet.where}: {n_own} of {len(filled)} photos would have labels that no other photo has, so the "
        f"cells of {names} are probably read wrongly, {how}: {shown}. Set the delimiter, --delimiter TEXT, "
        "or choose the column, --label-columns NAME"
    )


def _empty_words(lists: Sequence[list[str]], sheet: Sheet) -> tuple[list[list[str]], tuple[str, ...]]:
    """Read words such as "none" as "no label applies" if they never occur beside labels."""
    alone = Counter(
        labels[0] for labels in lists if len(labels) == 1 and labels[0].lower() in _NO_LABEL_WORDS
    )
    joined = {label for labels in lists if len(labels) > 1 for label in labels}
    empty = {word for word in alone if word not in joined}
    if not empty or not any(set(labels) - empty for labels in lists):
        return list(lists), ()
    n_cells = sum(alone[word] for word in empty)
    words = list_some(sorted(empty))
    hold = "holds" if n_cells == 1 else "hold"
    note = f"{sheet.title}: {count(n_cells, 'cell')} of labels {hold} {words}, read as 'no label applies'"
    return [[] if set(labels) <= empty else labels for labels in lists], (note,)


def _join_lines(
    rows: list[RawRow], sheet: Sheet, columns: Columns, *, problems: list[str]
) -> tuple[list[RawRow], list[str]]:
    """Join the lines of one photo where each holds one of its labels; elsewhere leave them as they are."""
    lines_of = Counter(row.names[0] for row in rows)
    n_repeated = sum(number > 1 for number in lines_of.values())
    has_one_each = all(len(row.present) <= 1 for row in rows)
    truths = _read_truths(sheet, columns, problems=problems) if has_one_each else None
    is_long = has_one_each and n_repeated > _FEW_REPEATED * len(lines_of)
    if truths is None and not is_long:
        return rows, []
    notes = []
    if n_repeated:
        notes.append(
            f"{sheet.title}: read as one line per photo and label: {count(n_repeated, 'photo')} of "
            f"{len(lines_of)} are named on several lines"
        )
    if truths is None:
        return _join(rows), notes
    notes.append(
        f"{sheet.title}: '{sheet.header[truths.column]}' says whether the label of a line is present (1) or "
        "absent (0); labels that have no line are unknown"
    )
    labels = frozenset(label for row in rows for label in row.present)
    absent: dict[str, set[str]] = {name: set() for name in lines_of}
    kept = []
    for row, target in zip(rows, truths.targets, strict=True):
        if target == 0:
            absent[row.names[0]] |= row.present
        kept.append(row if target == 1 else replace(row, present=frozenset()))
    joined = _join(kept)
    return [replace(row, unknown=labels - row.present - absent[row.names[0]]) for row in joined], notes


@dataclass(frozen=True, kw_only=True)
class _Truths:
    """A column that tells whether the label of each line is present (1), absent (0) or unknown (NaN)."""

    column: int
    targets: list[float]


def _read_truths(sheet: Sheet, columns: Columns, *, problems: list[str]) -> _Truths | None:
    """Read the column that says whether the label of a line is present; None where there is none."""
    found = (number for number in columns.others if plain_name(sheet.header[number]) in TRUTH_NAMES)
    column = next(found, None)
    if column is None:
        return None
    targets = [read_target(cell) for cell in sheet.column(column)]
    if None in targets:
        strange = sheet.column(column)[targets.index(None)]
        problems.append(
            f"{sheet.where}: column '{sheet.header[column]}' holds '{strange}', neither 1 (the label of the "
            f"line is present) nor 0 (absent); correct it, or leave it out: --ignore '{sheet.header[column]}'"
        )
        return None
    known = [math.nan if target is None else target for target in targets]
    return _Truths(column=column, targets=known) if any(target != 1 for target in known) else None


def _join(rows: Sequence[RawRow]) -> list[RawRow]:
    joined: dict[str, RawRow] = {}
    for row in rows:
        earlier = joined.get(row.names[0])
        if earlier is None:
            joined[row.names[0]] = row
        else:
            part = row.part if earlier.part is None else earlier.part
            joined[row.names[0]] = replace(earlier, present=earlier.present | row.present, part=part)
    return list(joined.values())


def _warn_unused(sheet: Sheet, cells: Sequence[str], delimiter: str | None) -> list[str]:
    if delimiter is None or any(delimiter in cell for cell in cells):
        return []
    return [f"{sheet.title}: the given delimiter '{delimiter}' does not occur in any cell"]


def _warn_other_delimiters(sheet: Sheet, cells: Sequence[str], delimiter: str | None) -> list[str]:
    """Describe labels that contain a delimiter of other tables."""
    if delimiter is None:
        return [note for mark in DELIMITERS_IN_NAMES for note in _warn_mark(sheet, cells, mark)]
    others = [mark for mark in DELIMITERS if mark != delimiter]
    odd = [cell for cell in cells if not is_list(cell) and any(mark in cell for mark in others)]
    if not odd or len(odd) == len(cells):
        return []
    cells_are = f"{count(len(odd), 'cell')} {'holds' if len(odd) == 1 else 'hold'}"
    listed = list_some(list(dict.fromkeys(odd)), most=3)
    return [f"{sheet.title}: {cells_are} another delimiter, read as a part of a label: {listed}"]


def _warn_mark(sheet: Sheet, cells: Sequence[str], mark: str) -> list[str]:
    """Describe labels that contain a mark that may separate labels."""
    holding = dict.fromkeys(cell for cell in cells if mark in cell and not is_list(cell))
    listed = list_some(list(holding), most=2)
    note = f"{sheet.title}: {DELIMITERS_IN_NAMES[mark]} is part of the label: {listed}"
    return [f"{note}; --delimiter '{mark}' splits there"] if holding else []


def _describe(cells: Sequence[str], delimiter: str | None, columns: Columns) -> str:
    if any(is_list(cell) for cell in cells):
        return "labels as lists"
    if columns.labels[1:] and delimiter is None:
        return f"labels in {len(columns.labels)} columns"
    if delimiter is None:
        return "one label per photo"
    named = {" ": "spaces", "\n": "line breaks"}
    quoted = f"'{delimiter}'"
    return f"labels joined by {named.get(delimiter, quoted)}"


DELIMITED = LabelFormat(
    name="delimited",
    title="delimited table",
    description="CSV, TSV, XLSX or TXT with a column that lists the labels of a photo, several such columns "
    "(`label1`, `label2`), or a line per photo and label",
    read=read_delimited,
    takes_delimiter=True,
    layout="lists",
)
