"""Split one cell into its labels.

In:  cells such as ``"beach;boat"``, ``"['beach' 'boat']"`` or ``"old town"``.
Out: label names per cell, and the text between them, guessed where it is not given. A cell that can be read
     in two ways is an error: no label with an unpaired bracket or quote is ever made.
"""

import csv
import json
import re
from collections import Counter
from collections.abc import Sequence

from manylabel.data.formats.contents import clean_label, read_target
from manylabel.errors import visible
from manylabel.io.csv_text import allow_long_cells

DELIMITERS = ("\n", ";", "|", ",", "\N{FULLWIDTH SEMICOLON}", "、", "\N{FULLWIDTH COMMA}")
POSSIBLE_DELIMITERS = ("/", "+", "&", "·", "•", "¦", ">", "\\", " - ", " – ", "–", " ")  # noqa: RUF001
"""Text that joins labels in some tables and belongs to names in others."""

DELIMITERS_IN_NAMES = {",": "a comma", "/": "a slash", "+": "a plus sign", "&": "'&'"}
"""What a note calls the delimiters that most often belong to names."""

_AND = ("und", "and", "et", "y", "e", "og", "och", "en", "i", "и", "và", "oder", "or", "ou")
_ANY_DELIMITER = re.compile(
    r"\s*(?:{})\s*|\s+-\s+|_|\s+(?:{})\s+".format(
        "|".join(
            re.escape(mark) for mark in (*DELIMITERS, *POSSIBLE_DELIMITERS) if len(mark) == 1 and mark != " "
        ),
        "|".join(_AND),
    ),
    re.IGNORECASE,
)

_RARE = 10  # a delimiter in less than a tenth as many cells as another one is a part of names
_WRAPPER = re.compile(
    r"^(?:array|np\.array|list|tuple|set|frozenset|Index)\((.*?)(?:, dtype=.*)?\)$", re.DOTALL
)
_PAIRS = {"[": "]", "(": ")", "{": "}"}
_ITEM = re.compile(
    r"""\s*(?:
        [brufBRUF]?'(?P<single>(?:[^'\\]|\\.)*)'
      | [brufBRUF]?"(?P<double>(?:[^"\\]|\\.)*)"
      | (?P<bare>[^\s,'"\[\](){}][^,'"\[\](){}]*?)
    )\s*(?P<end>,|$|(?=['"]))""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(.)")
_INCHES = re.compile(r'(?<=\d)"')
_NUMBER = re.compile(r"[+-]?\d+(\.\d*)?\.?")
_NUMBERS = re.compile(r"\d+(\s+\d+)+")
_VECTOR = re.compile(r"[\[({]?\s*[01](\.0?)?([\s,]+[01](\.0?)?)+\s*[\])}]?")
_CUT = re.compile(r"(?:^|[\s,'\"])\.\.\.(?:$|[\s,'\"])")
_NOTHING = frozenset({"None", "NULL", "NaN", "nan", "null"})
_BRACKETS = re.compile(r"[\[\](){}]")


class LabelCellError(ValueError):
    """A cell whose labels are unclear; the text says why and what to write."""


def guess_delimiter(cells: Sequence[str]) -> str | None:
    """Guess the text between two labels of one cell.

    Semicolon, bar and comma are tried first. One that is in far fewer cells than another belongs to a name;
    of the others, the right one explains all cells with the fewest different labels. A space joins labels
    where all are numbers. Else it does, as do "/", "+", "&" and others, only where splitting there at least
    halves their number, or lowers it while a part of some cell is all of another: "old town" is one
    label where no photo is "old".

    Args:
        cells: Non-empty cells.

    Returns:
        The delimiter; None where every cell holds one label.

    Examples:
        >>> guess_delimiter(["beach;boat", "old town"]), guess_delimiter(["beach boat", "boat", "beach"])
        (';', ' ')
        >>> guess_delimiter(["old town", "new town", "beach"]) is None
        True
        >>> guess_delimiter(["Paris, France", "Rome, Italy", "Paris, France", "Rome, Italy"]) is None
        True
    """
    words = [cell for cell in cells if not is_list(cell)]
    n_cells = {mark: sum(mark in cell for cell in words) for mark in DELIMITERS}
    most = max(n_cells.values())
    found = [mark for mark in DELIMITERS if n_cells[mark] and _RARE * n_cells[mark] >= most]
    if found:
        best = min(found, key=lambda mark: len(_vocabulary(words, mark)))
        return None if best == "," and _are_names_with_commas(words) else best
    if any(_NUMBERS.fullmatch(cell) for cell in words) and all(
        _NUMBERS.fullmatch(cell) or cell.isdecimal() for cell in words
    ):
        return " "
    return next((mark for mark in POSSIBLE_DELIMITERS if _joins(words, mark)), None)


def _joins(cells: Sequence[str], mark: str) -> bool:
    """Tell whether cells split at a mark hold labels that return in other cells."""
    whole, split = set(cells), _vocabulary(cells, mark)
    joined = {part for cell in whole if mark in cell for part in _split_at(cell, mark)}
    if not all(any(map(str.isalnum, part)) for part in joined if part):
        return False  # what is between blanks is a delimiter itself
    is_halved = 2 * len(split) <= len(whole)
    most = len(whole) - 1 if mark == " " else len(whole)  # a space is in far more names than the other marks
    is_fewer = len(split) <= most and not joined.isdisjoint(whole)
    return bool(joined) and (is_halved or is_fewer)


def _are_names_with_commas(cells: Sequence[str]) -> bool:
    """Tell whether "Paris, France" is one label: repeated as it is, and its parts are in no other cell."""
    whole = Counter(cell for cell in cells if "," in cell)
    cells_of_part = Counter(
        part for cell in set(cells) for part in {clean_label(text) for text in cell.split(",")}
    )
    is_repeated = len(whole) > 1 and min(whole.values()) > 1
    return is_repeated and all(", " in cell for cell in whole) and max(cells_of_part.values()) == 1


def _vocabulary(cells: Sequence[str], delimiter: str) -> set[str]:
    return {label for cell in cells for label in _split_at(cell, delimiter) if label}


def split_labels(cell: str, delimiter: str | None) -> list[str]:
    """Split a cell into its labels.

    Args:
        cell: A list as JSON, Python, numpy, pandas or PostgreSQL write it, or labels joined by the delimiter.
        delimiter: Text between two labels; None where there is one label per cell. A space matches any
            white space.

    Returns:
        The labels as written, outer spaces removed; empty names between two delimiters are left out.

    Raises:
        LabelCellError: It is unclear which labels the cell holds.

    Examples:
        >>> split_labels("beach; boat;", ";"), split_labels("", ";"), split_labels('["beach"]', None)
        (['beach', 'boat'], [], ['beach'])
        >>> split_labels('"rock; cliff";boat', ";")
        ['rock; cliff', 'boat']
    """
    if is_list(cell):
        labels = parse_list(cell)
    elif not cell.strip():
        labels = []
    else:
        labels = [clean_label(cell)] if delimiter is None else _split_at(cell, delimiter)
    named = [label for label in labels if label]
    broken = next((label for label in named if not _is_paired(label)), None)
    if broken is not None:
        if visible(broken) != broken:
            raise LabelCellError(f"'{cell}' holds a control character; type the labels again")
        raise LabelCellError(f"'{cell}' would make a label '{broken}' with an unpaired bracket or quote")
    return named


def _split_at(cell: str, delimiter: str) -> list[str]:
    if delimiter == " ":
        return [clean_label(part) for part in cell.split()]
    if '"' in cell and len(delimiter) == 1:
        allow_long_cells()
        return [
            clean_label(part) for part in next(csv.reader([cell], delimiter=delimiter, skipinitialspace=True))
        ]
    return [clean_label(part) for part in _join_brackets(cell.split(delimiter), delimiter)]


def split_at_any(label: str) -> list[str]:
    """Split a label at everything that may join labels, "and" in some languages among it.

    Examples:
        >>> split_at_any("lake and boat"), split_at_any("old town")
        (['lake', 'boat'], ['old town'])
    """
    return _ANY_DELIMITER.split(label)


def _join_brackets(parts: Sequence[str], delimiter: str) -> list[str]:
    """Join the parts of a cell that was split inside brackets.

    Examples:
        >>> _join_brackets(["old (church", " tower)", " lake"], ",")
        ['old (church, tower)', ' lake']
    """
    joined: list[str] = []
    for index, part in enumerate(parts):
        if (
            joined
            and joined[-1].count("(") > joined[-1].count(")")
            and any(")" in end for end in parts[index:])
        ):
            joined[-1] += delimiter + part
        else:
            joined.append(part)
    return joined


def _is_paired(label: str) -> bool:
    if _INCHES.sub("", label).count('"') % 2:
        return False
    open_marks: list[str] = []
    for mark in _BRACKETS.findall(label):
        if mark in _PAIRS:
            open_marks.append(_PAIRS[mark])
        elif not open_marks or open_marks.pop() != mark:
            return False
    return not open_marks


def is_list(cell: str) -> bool:
    """Tell whether a cell is written as a list.

    Examples:
        >>> is_list("['beach']"), is_list("array(['a'], dtype=object)"), is_list("beach (old)")
        (True, True, False)
    """
    text = _unwrap(cell)
    if len(text) < 2 or _PAIRS.get(text[0]) != text[-1]:
        return False
    # "(old)" may be a name; a tuple holds texts in quotes, or numbers.
    inner = text[1:-1].strip()
    is_tuple = not inner or inner[0] in "'\"" or ("," in inner and _NUMBER.match(inner) is not None)
    return text[0] != "(" or is_tuple


def _unwrap(cell: str) -> str:
    text = cell.strip()
    wrapped = _WRAPPER.fullmatch(text)
    return (wrapped[1].strip() or "[]") if wrapped else text


def parse_list(cell: str) -> list[str]:
    """Read a cell that holds a list of labels, as JSON, Python, numpy, pandas or PostgreSQL write it.

    Raises:
        LabelCellError: It is unclear which labels the list holds.

    Examples:
        >>> parse_list("['beach' 'old town']"), parse_list("[0 3]"), parse_list("{beach,boat}")
        (['beach', 'old town'], ['0', '3'], ['beach', 'boat'])
        >>> parse_list('{"beach": 1, "boat": 0}'), parse_list("()")
        (['beach'], [])
    """
    text = _unwrap(cell)
    inner = text[1:-1].strip()
    if _CUT.search(inner):
        raise LabelCellError(f"'{cell}' is cut off: the list is incomplete; write the whole list")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if isinstance(value, dict):
        return _read_truths(cell, {str(name): str(truth) for name, truth in value.items()})
    if isinstance(value, list):
        if any(isinstance(item, (list, dict)) for item in value):
            raise LabelCellError(f"'{cell}' is a list of lists; write the labels in one list")
        return [clean_label(item) for item in value]
    if text[0] == "{" and re.fullmatch(r"\s*(['\"]).*?\1\s*:.*", inner, re.DOTALL):
        return _read_truths(cell, _read_pairs(cell, inner))
    return _read_items(cell, inner)


def _read_truths(cell: str, truths: dict[str, str]) -> list[str]:
    targets = {name: read_target(truth) for name, truth in truths.items()}
    if None in targets.values():
        raise LabelCellError(f"'{cell}' does not say of each label whether it is present; write 1 or 0")
    return [clean_label(name) for name, target in targets.items() if target == 1]


def _read_pairs(cell: str, inner: str) -> dict[str, str]:
    pairs = re.findall(r"""(?:'([^']*)'|"([^"]*)")\s*:\s*([^,]+)""", inner)
    if len(pairs) != inner.count(":"):
        raise LabelCellError(f"'{cell}' cannot be read as names with values; write labels joined by ';'")
    return {single or double: value.strip() for single, double, value in pairs}


def _read_items(cell: str, inner: str) -> list[str]:
    """Read the items of a list: in quotes with or without commas between them, or bare with commas."""
    items: list[str] = []
    position = 0
    while position < len(inner):
        found = _ITEM.match(inner, position)
        if found is None:
            raise LabelCellError(f"'{cell}' cannot be read as a list of labels; write labels joined by ';'")
        quoted = found["single"] if found["single"] is not None else found["double"]
        if quoted is not None:
            items.append(_ESCAPE.sub(r"\1", quoted))
        else:
            items += _read_bare(cell, found["bare"], has_commas="," in inner)
        position = found.end()
    return [clean_label(item) for item in items]


def _read_bare(cell: str, text: str, *, has_commas: bool) -> list[str]:
    words = text.split()
    if len(words) == 1 or has_commas:
        return [_as_written(" ".join(words))]
    if all(_NUMBER.fullmatch(word) for word in words):
        return [_as_written(word) for word in words]
    raise LabelCellError(
        f"'{cell}' may be one label with a space or several labels; put commas between labels, or quotes "
        "around them"
    )


def _as_written(word: str) -> str:
    """Write numpy's whole floats as whole numbers, ``1.`` as 1; words for nothing as an empty name."""
    if word in _NOTHING:
        return ""
    return word.rstrip(".") if _NUMBER.fullmatch(word) else word


def are_vectors(cells: Sequence[str]) -> bool:
    """Tell whether the cells hold vectors of zeros and ones, all as long, rather than lists of labels.

    Examples:
        >>> are_vectors(["[1 0 1]", "[0, 1, 0]"]), are_vectors(["[1]", "[0]"]), are_vectors(["1,0", "1,1"])
        (True, False, True)
    """
    if not cells or not all(_VECTOR.fullmatch(cell.strip()) for cell in cells):
        return False
    vectors = [re.findall(r"[01]", cell.replace(".0", "")) for cell in cells]
    are_as_long = len({len(vector) for vector in vectors}) == 1
    # A list of labels names none of them twice.
    return are_as_long and any(len(set(vector)) < len(vector) for vector in vectors)
