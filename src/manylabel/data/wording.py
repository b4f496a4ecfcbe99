"""Write lists and counts as text.

In:  names, problems, numbers.
Out: text that stays short however many there are.
"""

from collections.abc import Sequence
from pathlib import Path

MOST_PROBLEMS = 20
"""Problems that one error lists, about; the rest is counted."""


def list_some(names: Sequence[str], *, most: int = 5) -> str:
    """Quote the first names and count the rest.

    Examples:
        >>> list_some(["a", "b", "c"], most=2)
        "'a', 'b' and 1 more"
    """
    shown = ", ".join(f"'{name}'" for name in names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown


def folder_title(folder: Path) -> str:
    """Name a folder in a sentence.

    Examples:
        >>> folder_title(Path("runs/hanoi"))
        'hanoi/'
    """
    return f"{folder.resolve().name}/"


def count(number: int, noun: str) -> str:
    """Write a number with its noun.

    Examples:
        >>> count(1, "photo"), count(2, "photo")
        ('1 photo', '2 photos')
    """
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def cap_problems(kinds: Sequence[Sequence[str]]) -> list[str]:
    """List problems of several kinds so that many of one kind do not hide another.

    Args:
        kinds: The problems, one list per kind.

    Returns:
        About ``MOST_PROBLEMS`` of them; a line after each kind that is cut counts what is left of it.

    Examples:
        >>> cap_problems([[f"line {line}" for line in range(500)], ["no labels"]])[9:]
        ['line 9', 'and 490 more problems like these', 'no labels']
    """
    filled = [kind for kind in kinds if kind]
    lines: list[str] = []
    for kind in filled:
        share = max(MOST_PROBLEMS // len(filled), 3)
        lines.extend(kind[:share])
        if len(kind) > share:
            lines.append(f"and {count(len(kind) - share, 'more problem')} like these")
    return lines
