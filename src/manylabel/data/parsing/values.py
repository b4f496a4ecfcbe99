"""Say what single words of a table mean.

In:  the text of one cell, or one value of a JSON file.
Out: a target, a part of the split, a label.
"""

import math
import unicodedata

from manylabel.types import Part

PRESENT_WORDS = frozenset({"1", "1.0", "true", "yes", "x"})
ABSENT_WORDS = frozenset({"0", "0.0", "false", "no"})
UNKNOWN_WORDS = frozenset({"", "?", "-1", "-1.0", "nan", "na", "n/a", "#n/a", "<na>", "null"})
EXPECTED_TARGET = "1, 0, true, false, yes, no, x, or blank for unknown"

PART_WORDS: dict[str, Part] = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
}
"""Names of the parts of a split, as columns and folders write them."""


def read_target(text: str) -> float | None:
    """Read one cell of a one-hot table.

    Returns:
        1 present, 0 absent, NaN unknown; None where the text is nothing of the kind.

    Examples:
        >>> read_target("yes"), read_target("0"), read_target(""), read_target("beach")
        (1.0, 0.0, nan, None)
    """
    word = text.strip().lower()
    if word in PRESENT_WORDS:
        return 1.0
    if word in ABSENT_WORDS:
        return 0.0
    return math.nan if word in UNKNOWN_WORDS else None


def read_part(text: str) -> Part | None:
    """Read the name of a part of the split.

    Returns:
        The part; None where the text names none.

    Examples:
        >>> read_part("Validation"), read_part("holdout")
        ('val', None)
    """
    return PART_WORDS.get(text.strip().lower())


def clean_label(value: object) -> str:
    r"""Write a label's name in one way: outer spaces go, and letters with marks are one character each.

    The second matters because the same word typed on two systems can be two different strings.

    Examples:
        >>> clean_label(" cafe\u0301 ") == "caf\u00e9", clean_label(7), clean_label(None)
        (True, '7', '')
    """
    return "" if value is None else unicodedata.normalize("NFC", str(value)).strip()
