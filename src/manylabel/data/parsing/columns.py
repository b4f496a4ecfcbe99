"""Find out which column of a sheet is which.

In:  a sheet.
Out: the column of photo names, that of the split, and the rest; the part of each line.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from manylabel.data.parsing.sheet import INDEX_NAME, Line, Sheet
from manylabel.data.parsing.values import PART_WORDS, read_part, read_target
from manylabel.data.parsing.wording import list_some
from manylabel.errors import TableError, did_you_mean
from manylabel.types import Part

PHOTO_NAMES = frozenset(
    {
        "file",
        "file_name",
        "file_path",
        "filename",
        "filepath",
        "fname",
        "image",
        "image_file",
        "image_id",
        "image_name",
        "image_path",
        "img",
        "path",
        "photo",
        "photo_name",
    }
)
LABELS_NAMES = frozenset(
    {"categories", "category", "class", "classes", "label", "labels", "objects", "tag", "tags"}
)
PART_NAMES = frozenset({"split", "subset", "partition"})
FASTAI_NAME = "is_valid"


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Hold which column of a sheet is which.

    Attributes:
        photo: Number of the column of photo names.
        part: Number of the column of the split.
        is_fastai: That column is fastai's ``is_valid``.
        others: Numbers of the columns left: labels, and whatever else is there.
        notes: What the user should know, one sentence each.
        problems: What stops the run, one sentence each.
    """

    photo: int
    part: int | None
    is_fastai: bool
    others: tuple[int, ...]
    notes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


def find_columns(sheet: Sheet) -> Columns:
    """Find the columns of photo names and of the split by their names.

    A column with the name of a photo column is taken, else the first one. A column of that name that holds
    nothing but ones and zeros is a label: a ``path`` may be one through a wood.

    Raises:
        TableError: There is no column left for labels.
    """
    plain = [_plain(name) for name in sheet.header]
    named = [number for number, name in enumerate(plain) if name in PHOTO_NAMES]
    photo = next((number for number in named if not is_one_hot(sheet, number)), 0)
    parts = [number for number, name in enumerate(plain) if name in {*PART_NAMES, FASTAI_NAME}]
    parts = [number for number in parts if number != photo]
    index = [0] if photo != 0 and _is_row_number(sheet) else []
    taken = {photo, *parts, *index}
    others = tuple(number for number in range(len(plain)) if number not in taken)
    if not others:
        given = ", ".join(sheet.header)
        raise TableError([f"{sheet.where}: no column of labels; the columns are: {given}"])
    is_fastai = bool(parts) and plain[parts[0]] == FASTAI_NAME
    notes = [f"{sheet.where}: the first column holds row numbers and is left out"] if index else []
    if is_fastai:
        notes.append(
            f"{sheet.title}: photos with is_valid = True judge, as in fastai: they are the test part"
        )
    several = " and ".join(f"'{sheet.header[number]}'" for number in parts)
    return Columns(
        photo=photo,
        part=parts[0] if parts else None,
        is_fastai=is_fastai,
        others=others,
        notes=tuple(notes),
        problems=(f"{sheet.where}: {several} both tell the split; keep one",) if parts[1:] else (),
    )


def find_labels_column(sheet: Sheet, columns: Columns) -> int | None:
    """Return the column named like a list of labels; None where there is none."""
    return next((number for number in columns.others if _plain(sheet.header[number]) in LABELS_NAMES), None)


def is_one_hot(sheet: Sheet, number: int) -> bool:
    """Tell whether every cell of a column says present, absent or unknown, and not all say unknown."""
    cells = [cell for cell in sheet.column(number) if cell]
    return bool(cells) and all(read_target(cell) is not None for cell in cells)


def read_photo_name(line: Line, sheet: Sheet, columns: Columns, *, problems: list[str]) -> str:
    """Return the name of the photo of a line; empty, with a problem, where there is none."""
    name = line.cells[columns.photo]
    if not name:
        problems.append(f"{line.where}: no photo is named in column '{sheet.header[columns.photo]}'")
    return name


def read_line_part(line: Line, columns: Columns, *, problems: list[str]) -> Part | None:
    """Read the part of the split that a line gives.

    Args:
        line: The line.
        columns: Which column tells the split.
        problems: Gets a sentence where the cell names no part.

    Returns:
        The part; None where the table has none, the cell is blank, or it names no part.
    """
    text = line.cells[columns.part] if columns.part is not None else ""
    if not text:
        return None
    if columns.is_fastai:
        is_valid = read_target(text)
        if is_valid is None:
            problems.append(f"{line.where}: is_valid is '{text}', expected True or False")
        return "test" if is_valid == 1 else "train" if is_valid == 0 else None
    part = read_part(text)
    if part is None:
        hint = did_you_mean(text.lower(), list(PART_WORDS))
        problems.append(
            f"{line.where}: unknown part of the split '{text}'{hint}; expected train, val or test"
        )
    return part


def unknown_column(sheet: Sheet, number: int, *, known: str) -> str:
    """Say that nothing is known about a column, and what to do about it.

    Args:
        sheet: The sheet.
        number: Number of the column.
        known: What would be known, as the end of a sentence.
    """
    name = sheet.header[number]
    hint = did_you_mean(_plain(name), [*sorted(PART_NAMES), FASTAI_NAME])
    advice = "" if hint else "; delete the column if it is no label"
    return f"{sheet.where}: unknown column '{name}'{hint}; {known}{advice}"


def describe_left_out(sheet: Sheet, numbers: Sequence[int]) -> list[str]:
    """Say which columns hold no labels and are left out; nothing where there are none."""
    names = list_some([sheet.header[number] for number in numbers])
    return [f"{sheet.where}: columns that hold no labels are left out: {names}"] if numbers else []


def _is_row_number(sheet: Sheet) -> bool:
    """Tell whether the first column is the row index that pandas writes unless it is told not to."""
    return sheet.header[0] == INDEX_NAME and all(cell.isdecimal() for cell in sheet.column(0))


def _plain(name: str) -> str:
    return name.strip().lower().replace(" ", "_").replace("-", "_")
