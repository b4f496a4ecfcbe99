"""Tell what the cells of a column hold: marks, counts, numbers, dates or texts.

In:  the cells of a column, blanks among them.
Out: yes or no.
"""

import math
import re
from collections.abc import Sequence

from manylabel.data.formats.parsing.values import read_target

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
    filled = [cell for cell in cells if cell]
    return bool(filled) and all(read_target(cell) is not None for cell in filled)


def is_mostly_hot(cells: Sequence[str]) -> bool:
    """Tell whether at least half of the cells are one-hot values, so that the others are mistakes to be told.

    Examples:
        >>> is_mostly_hot(["1", "0", "maybe"]), is_mostly_hot(["?", ""]), is_mostly_hot(["1", "2", "3"])
        (True, False, False)
    """
    targets = [read_target(cell) for cell in cells if cell]
    n_known = sum(target is not None for target in targets)
    says_something = any(target is not None and not math.isnan(target) for target in targets)
    return says_something and 2 * n_known >= len(targets)


def is_partly_hot(cells: Sequence[str]) -> bool:
    """Tell whether some cells are one-hot values, and the others words that may be meant as such."""
    filled = [cell for cell in cells if cell]
    return any(read_target(cell) is not None for cell in filled) and not all(map(_is_number, filled))


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
