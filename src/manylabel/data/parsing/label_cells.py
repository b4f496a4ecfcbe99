"""Take several labels out of one cell.

In:  cells such as ``"beach;boat"``, ``"['beach', 'boat']"`` or ``"old town"``.
Out: label names per cell, and the text between them, guessed where it is not given.
"""

import ast
import json
from collections.abc import Sequence

from manylabel.data.parsing.values import clean_label

DELIMITERS = (";", "|", ",")


def guess_delimiter(cells: Sequence[str]) -> str | None:
    """Guess the text between two labels of one cell.

    The right delimiter explains all cells with the fewest different labels. Semicolon, bar and comma are
    tried first. A space joins labels only where splitting at it at least halves their number, or lowers it
    while a part of some cell stands alone in another: "old town" is one label where no photo is "old".

    Args:
        cells: Non-empty cells.

    Returns:
        The delimiter; None where every cell holds one label.

    Examples:
        >>> guess_delimiter(["beach;boat", "old town"]), guess_delimiter(["beach boat", "boat", "beach"])
        (';', ' ')
        >>> guess_delimiter(["old town", "new town", "beach"]) is None
        True
    """
    words = [cell for cell in cells if parse_list(cell) is None]
    found = [delimiter for delimiter in DELIMITERS if any(delimiter in cell for cell in words)]
    if found:
        return min(found, key=lambda delimiter: len(_vocabulary(words, delimiter)))
    whole, split = set(words), _vocabulary(words, " ")
    joined = {part for cell in whole if " " in cell for part in cell.split()}
    is_halved = 2 * len(split) <= len(whole)
    is_fewer = len(split) < len(whole) and not joined.isdisjoint(whole)
    return " " if joined and (is_halved or is_fewer) else None


def _vocabulary(cells: Sequence[str], delimiter: str) -> set[str]:
    return {label for cell in cells for label in split_labels(cell, delimiter)}


def split_labels(cell: str, delimiter: str | None) -> list[str]:
    """Split a cell into its labels.

    Args:
        cell: A list as JSON or Python write it, or labels joined by the delimiter.
        delimiter: Text between two labels; None where there is one label per cell. A space stands for any
            white space.

    Returns:
        The labels as written, outer spaces removed; an empty text where a name is missing, but one delimiter
        at the end is forgiven.

    Examples:
        >>> split_labels("beach; boat;", ";"), split_labels("", ";"), split_labels('["beach"]', None)
        (['beach', 'boat'], [], ['beach'])
    """
    listed = parse_list(cell)
    if listed is not None:
        return listed
    if not cell.strip():
        return []
    if delimiter is None:
        return [clean_label(cell)]
    parts = cell.split() if delimiter == " " else cell.split(delimiter)
    if len(parts) > 1 and not parts[-1].strip():
        parts.pop()
    return [clean_label(part) for part in parts]


def parse_list(cell: str) -> list[str] | None:
    """Read a cell that holds a list of labels as JSON or Python write it; None where it holds none.

    Examples:
        >>> parse_list("['beach', 'old town']"), parse_list("[0, 3]"), parse_list("[beach]")
        (['beach', 'old town'], ['0', '3'], None)
    """
    if not (cell.startswith("[") and cell.endswith("]")):
        return None
    try:
        values = json.loads(cell)
    except (ValueError, RecursionError):
        values = _parse_python_list(cell)
    if not isinstance(values, list) or any(isinstance(value, (list, dict)) for value in values):
        return None
    return [clean_label(value) for value in values]


def _parse_python_list(cell: str) -> object:
    try:
        return ast.literal_eval(cell)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
