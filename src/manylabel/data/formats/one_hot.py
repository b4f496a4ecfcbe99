"""Read a one-hot table: a line per photo, a column per label; and Roboflow's export, several of them.

In:  CSV, TSV or XLSX: ``image,beach,boat`` and ``a.jpg,1,0``. Of Roboflow, the folder of the export with
     ``train/``, ``valid/`` and ``test/``, or one ``_classes.csv``, whose column names begin with a space.
Out: RawTable; labels in the order of the columns. Blank cells are absent where the table only marks what is
     present, else unknown.
"""

import math
from collections import Counter
from collections.abc import Mapping

from manylabel.config import BlankMeaning
from manylabel.data.formats.base import (
    LabelFormat,
    LabelSource,
    RawRow,
    RawTable,
    find_only_file,
    join_tables,
    require_part_files,
)
from manylabel.data.formats.contents import DASHES, EXPECTED_TARGET, find_absent_marks, read_target
from manylabel.data.formats.tables.columns import Columns, find_columns, read_line_part, read_photo_name
from manylabel.data.formats.tables.grid import TABLE_EXTENSIONS
from manylabel.data.formats.tables.photo_column import drop_totals
from manylabel.data.formats.tables.sheet import Sheet, read_sheet
from manylabel.data.wording import count, list_some
from manylabel.io.csv_text import spellings

_FAR_MORE = 10
_BLANK_VALUES = {"absent": 0.0, "unknown": math.nan}


def read_one_hot(source: LabelSource) -> RawTable:
    """Read a one-hot table.

    Raises:
        TableError: The file is no table, or has no column of labels.
    """
    path = find_only_file(source.path, TABLE_EXTENSIONS)
    return read_one_hot_sheet(read_sheet(path, source=source), source=source)


def read_one_hot_sheet(sheet: Sheet, *, source: LabelSource) -> RawTable:
    """Read a sheet with a column per label.

    Args:
        sheet: The sheet.
        source: The settings of the user, and which photos there are.

    Raises:
        TableError: The sheet has no column of labels.
    """
    columns = find_columns(sheet, source, layout="one-hot")
    sheet, total_note = drop_totals(sheet, source, columns.photo)
    words = Counter(cell for number in columns.labels for cell in sheet.column(number))
    target_of, word_notes = read_words(words, blank=source.config.blank, title=sheet.title)
    problems = _find_strange_cells(sheet, columns)
    names = [sheet.header[number] for number in columns.labels]
    rows = []
    for line in sheet.lines:
        cells = [line.cells[number] for number in columns.labels]
        targets = {name: target_of[cell] for name, cell in zip(names, cells, strict=True)}
        rows.append(
            RawRow(
                names=spellings(read_photo_name(line, sheet, columns, problems=problems)),
                folder=source.folder,
                where=line.where,
                present=frozenset(label for label, target in targets.items() if target == 1),
                unknown=frozenset(label for label, target in targets.items() if math.isnan(target)),
                part=read_line_part(line, columns, problems=problems),
            )
        )
    return RawTable(
        rows=tuple(rows),
        labels=tuple(names),
        title=sheet.title,
        kind=f"one-hot {sheet.kind} ({count(len(names), 'label')})",
        where=sheet.where,
        is_declared=True,
        is_line_per_row=True,
        notes=(*word_notes, *total_note, *sheet.notes, *columns.notes),
        problems=(*sheet.problems, *columns.problems, *problems),
    )


def read_words(
    words: Counter[str], *, blank: BlankMeaning | None, title: str
) -> tuple[dict[str, float], tuple[str, ...]]:
    """Find out what the words in the label columns of a table mean, each beside the others.

    Args:
        words: How many cells hold each word.
        blank: What a blank cell means; None finds out.
        title: What notes call the table.

    Returns:
        The target of every word, NaN where it is unknown or no such word; notes for the user.

    Examples:
        >>> read_words(Counter({"x": 3, "": 9}), blank=None, title="labels.csv")[0]
        {'x': 1.0, '': 0.0}
    """
    target_by_word = {word: read_target(word) for word in words}
    absent_marks = find_absent_marks(words)
    target_by_word |= {word: 0.0 for word in words if word.strip().lower() in absent_marks}
    mark_note = _describe_absent_marks(absent_marks, target_by_word, title)
    blank_target, blank_note = _choose_blank(words, target_by_word, blank, title)
    dash, dash_note = _choose_dash(words, target_by_word, title)
    targets = {word: _read_word(word, target_by_word, blank=blank_target, dash=dash) for word in words}
    return targets, (*mark_note, *blank_note, *dash_note)


def _describe_absent_marks(
    absent: frozenset[str], target_by_word: Mapping[str, float | None], title: str
) -> tuple[str, ...]:
    if not absent:
        return ()
    present = list_some(sorted(word for word, target in target_by_word.items() if target == 1), most=2)
    return (f"{title}: {list_some(sorted(absent))} is read as absent, as {present} marks what is present",)


def _choose_blank(
    words: Counter[str], target_by_word: Mapping[str, float | None], wanted: BlankMeaning | None, title: str
) -> tuple[float, tuple[str, ...]]:
    """Return what a blank cell means, and a note where that was guessed and matters."""
    if wanted is not None:
        return _BLANK_VALUES[wanted], ()
    n_blank = words[""]
    marks = [word for word in words if target_by_word[word] == 1]
    n_absent = sum(number for word, number in words.items() if target_by_word[word] == 0)
    if n_absent and n_blank > _FAR_MORE * n_absent:
        note = (
            f"{title}: {n_blank:,} blank cells are read as unknown, because {count(n_absent, 'cell')} "
            "of labels say absent; if blank means absent, use --blank absent"
        )
        return math.nan, (note,)
    if n_absent or not marks or not n_blank:
        return math.nan, ()
    shown = " or ".join(f"'{mark}'" for mark in sorted(marks)[:3])
    note = (
        f"{title}: no cell marks a label as absent (marks found: {shown}), so "
        f"{count(n_blank, 'blank cell')} {'is' if n_blank == 1 else 'are'} read as absent; "
        "if blank means 'not checked', use --blank unknown"
    )
    return 0.0, (note,)


def _choose_dash(
    words: Counter[str], target_by_word: Mapping[str, float | None], title: str
) -> tuple[float, tuple[str, ...]]:
    """Return what a dash means: absent, unless another word says absent; and a note where there are any."""
    n_dashes = sum(words[dash] for dash in DASHES)
    if not n_dashes:
        return math.nan, ()
    says_absent = any(word not in DASHES and target_by_word[word] == 0 for word in words)
    meaning = "unknown" if says_absent else "absent"
    note = f"{title}: {count(n_dashes, 'cell')} of labels hold a dash, read as {meaning}"
    return (math.nan if says_absent else 0.0), (note,)


def _read_word(text: str, target_by_word: Mapping[str, float | None], *, blank: float, dash: float) -> float:
    if not text:
        return blank
    if text in DASHES:
        return dash
    target = target_by_word[text]
    return math.nan if target is None else target


def _find_strange_cells(sheet: Sheet, columns: Columns) -> list[str]:
    """Describe words that are not one-hot values: one line for each column and word."""
    problems = []
    for number in columns.labels:
        strange: dict[str, list[str]] = {}
        odd = {word for word in set(sheet.column(number)) if read_target(word) is None}
        for line in sheet.lines if odd else ():
            if line.cells[number] in odd:
                strange.setdefault(line.cells[number], []).append(line.where)
        for word, cells in strange.items():
            hint = "; if numbers count something, write 1 for each above 0" if word.isdecimal() else ""
            more = f" (and {count(len(cells) - 1, 'more cell')} of this column)" if cells[1:] else ""
            where = f"{cells[0]}, column '{sheet.header[number]}'"
            problems.append(f"{where}: '{word}' is none of {EXPECTED_TARGET}{hint}{more}")
    return problems


ONE_HOT = LabelFormat(
    name="one-hot",
    title="one-hot table",
    description="CSV, TSV or XLSX with a line per photo and a column per label",
    read=read_one_hot,
    layout="one-hot",
)


_ROBOFLOW_FILE = "_classes.csv"


def read_roboflow(source: LabelSource) -> RawTable:
    """Read a Roboflow export for multi-label classification.

    Raises:
        TableError: There is no ``_classes.csv``, or one that is no table.
    """
    files = require_part_files(source.path, lambda name: name == _ROBOFLOW_FILE, expected=_ROBOFLOW_FILE)
    tables = [
        (file, read_one_hot_sheet(read_sheet(file.path, title=file.title, source=source), source=source))
        for file in files
    ]
    return join_tables(tables, root=source.path, format_name="Roboflow export")


ROBOFLOW = LabelFormat(
    name="roboflow",
    title="Roboflow",
    description="Roboflow's multi-label export: `_classes.csv`, one per part of the split",
    read=read_roboflow,
    file_names=frozenset({_ROBOFLOW_FILE}),
)
