"""Find out which column of a sheet is which.

In:  a sheet, the settings of the user, and which photos there are.
Out: the column of photo names, that of the split, those of the labels and how they give them; the part of
     each line.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from manylabel.data.formats.base import LabelSource, Layout
from manylabel.data.formats.contents import (
    LABELS_NAMES,
    PART_NAMES,
    PART_WORDS,
    TRUTH_NAMES,
    plain_name,
    read_part,
    read_target,
)
from manylabel.data.formats.tables.label_cells import LabelCellError, guess_delimiter, split_labels
from manylabel.data.formats.tables.photo_column import (
    find_photo_column,
    holds_fractions,
    holds_numbers_or_dates,
    is_mostly_hot,
    is_one_hot,
    is_partly_hot,
    may_count,
    numbers_of,
    repeats,
)
from manylabel.data.formats.tables.sheet import INDEX_NAME, Line, Sheet
from manylabel.data.wording import count, list_some
from manylabel.errors import ConfigError, TableError, did_you_mean
from manylabel.types import Part

FASTAI_NAME = "is_valid"
UNKNOWN_NAME = "unknown labels"
"""The column beside lists of labels that lists those nobody has decided on."""

OTHER_COLUMNS = "to choose others, use --photo-column, --label-columns or --ignore"

_NUMBER_WORDS = frozenset({"0", "1", "0.0", "1.0", "-1", "-1.0", "true", "false", "nan", "none"})
"""Cells of a one-hot column that would be odd names for a label."""

_LINES_TRIED = 300
_MOST_MARKS = 2
_COUNTER = re.compile(r"_?\d+$")


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Which column of a sheet is which.

    Attributes:
        photo: Number of the column of photo names.
        part: Number of the column of the split.
        is_fastai: That column is fastai's ``is_valid``.
        layout: How the label columns say labels.
        labels: Numbers of the label columns.
        unknown: Number of the column that lists unknown labels.
        others: Numbers of the columns that are left out.
        notes: Notes for the user, one sentence each.
        problems: Reasons to stop the run, one sentence each.
    """

    photo: int
    part: int | None
    is_fastai: bool
    layout: Layout
    labels: tuple[int, ...]
    others: tuple[int, ...]
    unknown: int | None = None
    notes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


def find_columns(sheet: Sheet, source: LabelSource, *, layout: Layout | None = None) -> Columns:
    """Find the columns of photo names, of the split and of the labels.

    The column most of whose cells are photos names them. Labels are columns of one-hot values, or the column
    that is named like a list of labels, or the only one that holds text; the settings of the user come first.

    Args:
        sheet: The sheet.
        source: The settings of the user, and which photos there are.
        layout: How the columns say labels; not given: guessed.

    Raises:
        TableError: It is unclear which columns hold labels.
        ConfigError: The user named a column that is not there.
    """
    config = source.config
    ignored = set(numbers_of(config.ignore, sheet, option="ignore"))
    photo, photo_problems = find_photo_column(sheet, source, ignored=ignored)
    wanted = list(numbers_of(config.label_columns, sheet, option="label_columns"))
    if photo in wanted:
        raise ConfigError(
            f"label_columns: '{sheet.header[photo]}' names the photos of {sheet.title}, so it is not a "
            "label; if another column names them, give it with --photo-column NAME"
        )
    parts = _find_parts(sheet, taken={photo, *ignored, *wanted})
    unknown = _find_unknown(sheet, taken={photo, *ignored, *wanted})
    taken = {photo, *parts, *ignored, unknown}
    free = [number for number in range(len(sheet.header)) if number not in taken]
    rest = [number for number in free if not _is_row_number(sheet, number)]
    if wanted:
        labels, kind, label_problems = wanted, layout or _layout_of(sheet, wanted), list[str]()
    else:
        labels, kind, label_problems = _find_labels(
            sheet,
            rest,
            layout=layout or ("lists" if config.delimiter is not None else None),
            keeps_blank=config.format == "one-hot",
        )
    others = sorted({*free} - {*labels})
    is_fastai = bool(parts) and plain_name(sheet.header[parts[0]]) == FASTAI_NAME
    several = " and ".join(f"'{sheet.header[number]}'" for number in parts)
    part_problems = [f"{sheet.where}: {several} both give the split; keep one"] if parts[1:] else []
    bad = [_describe_bad(sheet, number) for number in (photo, *parts, *labels) if number in sheet.bad]
    return Columns(
        photo=photo,
        part=parts[0] if parts else None,
        is_fastai=is_fastai,
        layout=kind,
        labels=tuple(labels),
        others=tuple(others),
        unknown=unknown,
        notes=tuple(_write_notes(sheet, others, is_fastai=is_fastai)),
        problems=(*photo_problems, *part_problems, *label_problems, *_find_unread_parts(sheet, others), *bad),
    )


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
            f"{line.where}: unknown part of the split '{text}'; expected train, val or test{hint}"
        )
    return part


def _find_parts(sheet: Sheet, *, taken: set[int]) -> list[int]:
    names = {*PART_NAMES, FASTAI_NAME}
    return [
        number
        for number, name in enumerate(sheet.header)
        if plain_name(name) in names and number not in taken
    ]


def _find_unknown(sheet: Sheet, *, taken: set[int]) -> int | None:
    """Return the column of labels that nobody has decided on; one that holds 1 and 0 is a label itself."""
    named = (n for n, name in enumerate(sheet.header) if plain_name(name) == plain_name(UNKNOWN_NAME))
    return next((n for n in named if n not in taken and not _holds_numbers_only(sheet, [n])), None)


def _describe_bad(sheet: Sheet, number: int) -> str:
    first, *more = sheet.bad[number]
    others = f" (and {count(len(more), 'more cell')} of column '{sheet.header[number]}')" if more else ""
    return f"{first}{others}"


def _find_unread_parts(sheet: Sheet, others: Sequence[int]) -> list[str]:
    """Find columns that look like the split and have another name."""
    return [
        f"{sheet.where}: column '{sheet.header[number]}' holds parts of a split; name it 'split', or leave "
        f"it out: --ignore '{sheet.header[number]}'"
        for number in others
        if _names_parts([cell for cell in sheet.column(number) if cell])
    ]


def _names_parts(cells: Sequence[str]) -> bool:
    """Tell whether most cells name a part of a split, and not all the same one."""
    parts = [part for part in map(read_part, cells) if part is not None]
    return 2 * len(parts) > len(cells) and (len(set(parts)) > 1 or len(parts) == len(cells))


def _find_labels(
    sheet: Sheet, rest: Sequence[int], *, layout: Layout | None, keeps_blank: bool
) -> tuple[list[int], Layout, list[str]]:
    """Return the label columns, how they say labels, and problems."""
    if not rest:
        given = ", ".join(sheet.header)
        raise TableError(
            [f"{sheet.where}: no column of labels; the columns are: {given}; expected e.g. image,labels"]
        )
    named = _find_named(sheet, rest)
    is_a_label = all(is_one_hot(sheet.column(number)) for number in named) and any(
        is_one_hot(sheet.column(number)) for number in sorted({*rest} - {*named})
    )
    if layout is None and named and not is_a_label and not _holds_numbers_only(sheet, named):
        return named, "lists", []
    long = [] if named or layout == "one-hot" else _find_long(sheet, rest)
    if long:
        return long, "lists", []
    if layout == "lists":
        lists = named or [_find_only_text(sheet, rest)]
        if not named and is_one_hot(sheet.column(lists[0])):
            raise TableError(
                [f"{sheet.where}: no column lists labels: '{sheet.header[lists[0]]}' only says 1 or 0"]
            )
        return lists, "lists", []
    is_given = layout == "one-hot"
    hot = [
        number
        for number in rest
        if is_mostly_hot(sheet.column(number)) or (is_given and is_partly_hot(sheet.column(number)))
    ]
    blank = [number for number in rest if not any(sheet.column(number)) and number not in sheet.bad]
    uncomputed = [number for number in rest if number in sheet.bad and not any(sheet.column(number))]
    counts = [number for number in sorted({*rest} - {*hot}) if may_count(sheet.column(number))]
    if hot or layout == "one-hot" or len(blank) > 1 or uncomputed:
        # Beside marks, a blank column holds remarks that nobody made, unless the user asked for one-hot.
        never = set(blank) if keeps_blank or not hot else set()
        labels = sorted({*hot, *never, *uncomputed})
        if not labels and not counts:
            raise TableError([_describe_no_labels(sheet, rest)])
        return labels, "one-hot", [_describe_counts(sheet, number) for number in counts]
    return [_find_only_text(sheet, rest)], "lists", []


def _find_long(sheet: Sheet, rest: Sequence[int]) -> list[int]:
    """Return the column of labels where each line says of one label whether it is there; else none."""
    hot = [number for number in rest if is_mostly_hot(sheet.column(number))]
    if len(hot) != 1 or plain_name(sheet.header[hot[0]]) not in TRUTH_NAMES:
        return []
    others = [number for number in rest if number not in hot and any(sheet.column(number))]
    texts = [number for number in others if not holds_numbers_or_dates(sheet.column(number))]
    return texts if len(texts) == 1 and repeats(sheet.column(texts[0])) else []


def _layout_of(sheet: Sheet, labels: Sequence[int]) -> Layout:
    filled = [sheet.column(number) for number in labels if any(sheet.column(number))]
    are_numbers = len(filled) > 1 and all(map(holds_numbers_or_dates, filled))
    return "one-hot" if filled and (are_numbers or all(map(is_mostly_hot, filled))) else "lists"


def _find_named(sheet: Sheet, rest: Sequence[int]) -> list[int]:
    """Return the columns named like lists of labels: one, or several that are counted (label1, label2)."""
    plain = {number: plain_name(sheet.header[number]) for number in rest}
    exact = [number for number, name in plain.items() if name in LABELS_NAMES]
    counted = [
        number for number, name in plain.items() if name.rstrip("0123456789").rstrip("_") in LABELS_NAMES
    ]
    if len(counted) > len(exact):
        return counted
    return exact[:1] or _find_counted(sheet, rest)


def _find_counted(sheet: Sheet, rest: Sequence[int]) -> list[int]:
    """Return the columns that are counted (theme 1, theme 2) and hold the same labels."""
    stems: dict[str, list[int]] = {}
    for number in rest:
        stem = _COUNTER.sub("", plain_name(sheet.header[number]))
        if stem != plain_name(sheet.header[number]) and not holds_numbers_or_dates(sheet.column(number)):
            stems.setdefault(stem, []).append(number)
    for numbers in stems.values():
        words = [{cell for cell in sheet.column(number) if cell} for number in numbers]
        is_shared = any(word in other for word in words[0] for other in words[1:])
        if is_shared and not any(is_mostly_hot(sheet.column(number)) for number in numbers):
            return numbers
    return []


def _lists_repeat(cells: Sequence[str]) -> bool:
    """Tell whether the labels that cells list return in other cells."""
    filled = [cell for cell in cells if cell]
    try:
        delimiter = guess_delimiter(filled)
        listed = [label for cell in filled for label in split_labels(cell, delimiter)]
    except LabelCellError:
        return True
    return repeats(listed)


def _holds_numbers_only(sheet: Sheet, numbers: Sequence[int]) -> bool:
    """Tell whether a column that is called "labels" holds one-hot values; x, yes and no are labels there."""
    cells = [cell for number in numbers for cell in sheet.column(number) if cell]
    return bool(cells) and all(cell.lower() in _NUMBER_WORDS for cell in cells)


def _find_only_text(sheet: Sheet, rest: Sequence[int]) -> int:
    """Return the only column that may list labels.

    Raises:
        TableError: There is none, or several.
    """
    filled = [number for number in rest if any(sheet.column(number))]
    if len(rest) == 1 or not filled:
        only = (filled or list(rest))[0]
        if holds_fractions(sheet.column(only)):
            raise TableError([_describe_no_labels(sheet, [only])])
        return only
    texts = [number for number in filled if not holds_numbers_or_dates(sheet.column(number))]
    if not texts:
        raise TableError([_describe_no_labels(sheet, filled)])
    repeating = (
        [number for number in texts if _lists_repeat(sheet.column(number))] if len(texts) > 1 else texts
    )
    if len(repeating) == 1:
        return repeating[0]
    names = list_some([sheet.header[number] for number in texts], most=10)
    marks = sorted({cell for number in texts for cell in sheet.column(number) if cell})
    if len(marks) <= _MOST_MARKS and all(len(set(sheet.column(number))) > 1 for number in texts):
        raise TableError(
            [
                f"{sheet.where}: the columns {names} hold {list_some(marks)}, which are not known words "
                "for present or absent; write 1 and 0 instead"
            ]
        )
    raise TableError(
        [
            f"{sheet.where}: several columns may list the labels: {names}; name all that do, with commas "
            "between them: --label-columns NAME,NAME"
        ]
    )


def _describe_no_labels(sheet: Sheet, numbers: Sequence[int]) -> str:
    held = [
        f"'{sheet.header[number]}' holds '{next((cell for cell in sheet.column(number) if cell), '')}'"
        for number in numbers[:3]
    ]
    are_shares = all(holds_fractions(sheet.column(number)) for number in numbers)
    hint = "for a share or probability, write 1 where it is high enough for the label to apply, else 0; "
    return (
        f"{sheet.where}: no column of labels: {', '.join(held)}; a column per label holds 1 and 0, a column "
        f"of lists holds names; {hint if are_shares else ''}{OTHER_COLUMNS}"
    )


def _describe_counts(sheet: Sheet, number: int) -> str:
    name = sheet.header[number]
    number_held = next(cell for cell in sheet.column(number) if cell not in ("", "0", "1"))
    if set(filter(None, sheet.column(number))) == {"1", "2"}:
        return (
            f"{sheet.where}: column '{name}' holds 1 and 2; if these mean yes and no, write 1 and 0; if "
            f"it is not a label, leave it out: --ignore '{name}'"
        )
    return (
        f"{sheet.where}: column '{name}' holds 0, 1 and other numbers such as {number_held}; if it counts "
        f"something that is a label, write 1 for each number above 0; if not, leave it out: --ignore '{name}'"
    )


def _write_notes(sheet: Sheet, others: Sequence[int], *, is_fastai: bool) -> list[str]:
    notes = []
    index = [number for number in others if _is_row_number(sheet, number)]
    left_out = [sheet.header[number] for number in sorted({*others} - {*index})]
    if index:
        columns = "the first column holds" if len(index) == 1 else f"the first {len(index)} columns hold"
        notes.append(
            f"{sheet.where}: {columns} row numbers and {'is' if len(index) == 1 else 'are'} left out"
        )
    if left_out:
        names = list_some(left_out)
        notes.append(f"{sheet.where}: columns that hold no labels are left out: {names}; {OTHER_COLUMNS}")
    if is_fastai:
        notes.append(f"{sheet.title}: photos with is_valid = True are the test part, as in fastai")
    return notes


def _is_row_number(sheet: Sheet, number: int) -> bool:
    """Tell whether a column is the row index that pandas writes by default."""
    is_unnamed = sheet.header[number].startswith(INDEX_NAME)
    return is_unnamed and all(cell.isdecimal() for cell in sheet.column(number))
