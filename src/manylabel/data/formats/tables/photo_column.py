"""Find the column that names the photos; tell what the cells of a column hold.

In:  a sheet, the settings of the user, and which photos there are; the cells of a column.
Out: the number of the column, with problems where two columns name different photos; whether cells are marks,
     counts, numbers, dates or texts.
"""

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

from manylabel.data.find import is_photo_name
from manylabel.data.formats.base import LabelSource
from manylabel.data.formats.contents import LABELS_NAMES, PHOTO_NAMES, plain_name, read_target
from manylabel.data.formats.tables.sheet import Sheet
from manylabel.data.wording import list_some
from manylabel.errors import ConfigError, did_you_mean

_LINES_TRIED = 300
_TOTALS = frozenset(
    {
        *("total", "totals", "sum", "count", "mean", "average", "%", "in %", "percent"),
        *("summe", "gesamt", "insgesamt", "anzahl", "mittelwert", "somme", "moyenne", "totale", "suma"),
        *("media", "tổng", "合計", "合计", "итого"),
    }
)
"""Words for a photo in a line below a table that sums it up."""


def number_of(name: str, sheet: Sheet, *, option: str) -> int:
    """Return the number of a column that the user named.

    Raises:
        ConfigError: There is no such column.
    """
    if name in sheet.header:
        return sheet.header.index(name)
    plain = [plain_name(other) for other in sheet.header]
    if plain.count(plain_name(name)) == 1:
        return plain.index(plain_name(name))
    raise ConfigError(
        f"{option}: {sheet.where} has no column '{name}'; it has "
        f"{list_some(sheet.header, most=20)}{did_you_mean(name, sheet.header)}"
    )


def numbers_of(names: Sequence[str], sheet: Sheet, *, option: str) -> tuple[int, ...]:
    """Return the numbers of columns that the user named, each once.

    Args:
        names: The names. A name with a comma in it may come in pieces, as commas also part names.
        sheet: The sheet.
        option: What an error calls the names.

    Raises:
        ConfigError: There is no such column.
    """
    known = {_without_blanks(name): number for number, name in enumerate(sheet.header) if "," in name}
    numbers: list[int] = []
    first = 0
    while first < len(names):
        ends = range(len(names), first + 1, -1)
        end = next((end for end in ends if _without_blanks(",".join(names[first:end])) in known), first + 1)
        pieces = names[first:end]
        whole = known.get(_without_blanks(",".join(pieces))) if len(pieces) > 1 else None
        numbers.append(number_of(pieces[0], sheet, option=option) if whole is None else whole)
        first = end
    return tuple(dict.fromkeys(numbers))


def _without_blanks(name: str) -> str:
    return "".join(name.split())


def find_photo_column(sheet: Sheet, source: LabelSource, *, ignored: set[int]) -> tuple[int, list[str]]:
    """Return the column that names the photos, and problems if another column contradicts it.

    Args:
        sheet: The sheet.
        source: The settings of the user, and which photos there are.
        ignored: Columns to leave out.

    Raises:
        ConfigError: The user named a column that is not there.
    """
    if source.config.photo_column is not None:
        return number_of(source.config.photo_column, sheet, option="photo_column"), []
    numbers = [number for number in range(len(sheet.header)) if number not in ignored]
    found = [number for number in numbers if _is_mostly(source.names_photo, sheet, number)]
    if not found:
        return _find_numbered(sheet, source, numbers) or (_find_photo_by_name(sheet, numbers), [])
    named = [number for number in found if _is_mostly(is_photo_name, sheet, number)]
    # Names of files go before bare numbers, which may count anything; numbers that count up go last.
    keys = [number for number in found if _is_key(sheet, number) and not counts_up(sheet.column(number))]
    candidates = named or keys or found
    best = max(candidates, key=lambda number: _rank_photo_column(sheet, source, number))
    others = [number for number in (named or keys) if number != best]
    problems = [_contradict(sheet, source, best, other) for other in others]
    return best, [problem for problem in problems if problem][:1]


def drop_totals(sheet: Sheet, source: LabelSource, photo: int) -> tuple[Sheet, tuple[str, ...]]:
    """Take sums and remarks off the end of a sheet; return it, and a note where there are any.

    Args:
        sheet: The sheet.
        source: Which photos there are.
        photo: The column that names the photos.
    """
    n_kept = len(sheet.lines)
    while n_kept and _is_below(sheet.lines[n_kept - 1].cells, photo, source):
        n_kept -= 1
    dropped = sheet.lines[n_kept:]
    if not dropped:
        return sheet, ()
    names = list_some([line.cells[photo] for line in dropped])
    note = f"{dropped[0].where}: lines below the table are left out: {names}"
    return replace(sheet, lines=sheet.lines[:n_kept]), (note,)


def _is_below(cells: Sequence[str], photo: int, source: LabelSource) -> bool:
    """Tell whether a line names no photo, but sums up those above or holds a remark and nothing else."""
    name = cells[photo]
    is_remark = (
        not is_photo_name(name)
        and not name.isdecimal()
        and not any(cell for number, cell in enumerate(cells) if number != photo)
    )
    return bool(name) and not source.find(name) and (is_remark or name.strip(" :").casefold() in _TOTALS)


def _find_numbered(sheet: Sheet, source: LabelSource, numbers: Sequence[int]) -> tuple[int, list[str]] | None:
    """Return the column whose cells are the numbers of photos, leading zeros aside; a problem for several."""
    found = [
        number
        for number in numbers
        if _is_key(sheet, number) and _is_mostly(lambda cell: bool(source.find_number(cell)), sheet, number)
    ]
    if not found:
        return None
    named = [number for number in found if plain_name(sheet.header[number]) in PHOTO_NAMES]
    if len(named or found) == 1:
        return (named or found)[0], []
    names = list_some([sheet.header[number] for number in found])
    return found[0], [f"{sheet.where}: {names} may all name the photos; choose one: --photo-column NAME"]


def _is_key(sheet: Sheet, number: int) -> bool:
    """Tell whether every line has a value of its own in a column, as names of photos are."""
    cells = [cell for cell in sheet.column(number) if cell]
    return len(set(cells)) == len(cells) and plain_name(sheet.header[number]) not in LABELS_NAMES


def _is_mostly(test: Callable[[str], bool], sheet: Sheet, number: int) -> bool:
    cells = [cell for cell in sheet.column(number)[:_LINES_TRIED] if cell]
    return bool(cells) and 2 * sum(map(test, cells)) >= len(cells)


def _rank_photo_column(sheet: Sheet, source: LabelSource, number: int) -> tuple[float, bool, int, int]:
    cells = [cell for cell in sheet.column(number)[:_LINES_TRIED] if cell]
    share = sum(bool(source.find(cell)) for cell in cells) / len(cells)
    return round(share, 1), plain_name(sheet.header[number]) in PHOTO_NAMES, len(set(cells)), -number


def _find_photo_by_name(sheet: Sheet, numbers: Sequence[int]) -> int:
    """Return the column with the name of a photo column, else the first one.

    A column of that name that holds nothing but ones and zeros is a label: a ``path`` may be one through a
    wood.
    """
    named = (
        number
        for number in numbers
        if plain_name(sheet.header[number]) in PHOTO_NAMES and not is_one_hot(sheet.column(number))
    )
    return next(named, next(iter(numbers), 0))


def _contradict(sheet: Sheet, source: LabelSource, first: int, second: int) -> str:
    """Describe where two columns name different photos; "" if they do not."""
    for line in sheet.lines[:_LINES_TRIED]:
        one, other = source.find(line.cells[first]), source.find(line.cells[second])
        if one and other and not set(one) & set(other):
            return (
                f"{line.where}: '{sheet.header[first]}' names {line.cells[first]}, '{sheet.header[second]}' "
                f"names {line.cells[second]}; choose one: --photo-column NAME"
            )
    return ""


_COUNT_SHARE = 0.25  # of the cells of a column of numbers that are 0 or 1, from which on it may count a label
_MOST_DIFFERENT = 0.5  # share of different cells above which a column of texts tells something of each photo
_MOST_DIGITS = 18  # Python refuses to count with thousands of digits
_FEW_CELLS = 10
_DATE = re.compile(r"\d{1,4}[-./]\d{1,2}[-./]\d{1,4}([ T]\d{1,2}:\d{2}(:\d{2})?.*)?")


def is_one_hot(cells: Sequence[str]) -> bool:
    """Tell whether every cell says present, absent or unknown, and not all are blank.

    Examples:
        >>> is_one_hot(["1", "", "no"]), is_one_hot(["", ""]), is_one_hot(["1", "2"])
        (True, False, False)
    """
    words = set(cells) - {""}
    return bool(words) and all(read_target(word) is not None for word in words)


def is_mostly_hot(cells: Sequence[str]) -> bool:
    """Tell whether at least half of the cells are one-hot values, so that the others are mistakes.

    Examples:
        >>> is_mostly_hot(["1", "0", "maybe"]), is_mostly_hot(["?", ""]), is_mostly_hot(["1", "2", "3"])
        (True, False, False)
    """
    words = Counter(cell for cell in cells if cell)
    targets = {word: target for word in words if (target := read_target(word)) is not None}
    n_known = sum(words[word] for word in targets)
    says_something = not all(map(math.isnan, targets.values()))
    return says_something and 2 * n_known >= words.total()


def is_partly_hot(cells: Sequence[str]) -> bool:
    """Tell whether some cells are one-hot values, and the others words that may be meant as such."""
    words = set(cells) - {""}
    return any(read_target(word) is not None for word in words) and not all(map(_is_number, words))


def may_count(cells: Sequence[str]) -> bool:
    """Tell whether whole numbers may say how often a label applies.

    Examples:
        >>> may_count(["0", "1", "2", "0"]), may_count(["1", "2", "3"]), may_count(["1871", "1920", "1871"])
        (True, False, False)
    """
    filled = [cell for cell in cells if cell]
    if not filled or not all(cell.isdecimal() for cell in filled) or len(set(filled)) == len(filled):
        return False
    return sum(cell in ("0", "1") for cell in filled) >= _COUNT_SHARE * len(filled)


def counts_up(cells: Sequence[str]) -> bool:
    """Tell whether the cells number the lines, from 0, 1 or anywhere.

    Examples:
        >>> counts_up(["7", "8", "9"]), counts_up(["7", "9", "8"])
        (True, False)
    """
    filled = [int(cell) for cell in cells if cell.isdecimal() and len(cell) <= _MOST_DIGITS]
    return len(filled) == len(cells) > 1 and filled == list(range(filled[0], filled[0] + len(filled)))


def holds_numbers_or_dates(cells: Sequence[str]) -> bool:
    """Tell whether every cell is a number or a date; a decimal comma is fine."""
    return all(_is_number(cell) or _DATE.fullmatch(cell) for cell in cells if cell)


def holds_fractions(cells: Sequence[str]) -> bool:
    """Tell whether the cells are numbers, and some of them no whole ones: probabilities, measures."""
    filled = [cell for cell in cells if cell]
    return (
        bool(filled) and all(map(_is_number, filled)) and any("." in cell or "," in cell for cell in filled)
    )


def repeats(cells: Sequence[str]) -> bool:
    """Tell whether texts return, as labels do and remarks do not; of few cells nobody can tell."""
    filled = [cell for cell in cells if cell]
    return len(filled) < _FEW_CELLS or len(set(filled)) <= _MOST_DIFFERENT * len(filled)


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text.replace(",", ".")))
    except ValueError:
        return False
