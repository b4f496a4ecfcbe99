"""Clean the names of labels, and tell of those that are probably one.

In:  RawTable, as a reader read it; names that were given in Python.
Out: the same with clean names; notes; problems of names that cannot be used.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from manylabel.data.formats.base import RawTable
from manylabel.data.formats.parsing.wording import list_some
from manylabel.errors import visible
from manylabel.types import FloatArray

_KEPT_INVISIBLE = frozenset("\u200c\u200d\ufe0e\ufe0f")
"""Joiners and selectors that letters of some scripts and pictures need."""

_HALF_CHARACTER = re.compile("[\ud800-\udfff]")
_MOST_COMPARED = 400  # labels; more pairs take too long
_LEAST_LETTERS = 5  # of names that differ by one letter and are still probably one


def clean_labels(raw: RawTable) -> RawTable:
    """Remove what cannot be seen from the names of labels: two labels that look alike become one.

    Args:
        raw: The table as it was read.

    Returns:
        The table with a note where a name was changed, and a problem where two columns then have one name,
        where a column has none, and where a name is no text.
    """
    names = {label: clean_name(label) for label in raw.labels}
    changed = list(dict.fromkeys(clean for label, clean in names.items() if clean not in (label, "")))
    if all(clean == label for label, clean in names.items()):
        return raw
    labels = tuple(dict.fromkeys(name for name in names.values() if name))
    joined = [name for name in labels if list(names.values()).count(name) > 1]
    note = f"{raw.where}: invisible characters were removed from labels: {list_some(changed)}"
    return replace(
        raw,
        labels=labels,
        rows=tuple(
            replace(
                row,
                present=frozenset(names[label] for label in row.present) - {""},
                unknown=frozenset(names[label] for label in row.unknown) - {""},
            )
            for row in raw.rows
        ),
        notes=(*raw.notes, note) if changed else raw.notes,
        problems=(*raw.problems, *_describe_joined(raw, joined), *_describe_unnamed(raw, names)),
    )


def clean_name(label: str) -> str:
    r"""Write a name without characters that cannot be seen, blanks being plain ones.

    Examples:
        >>> clean_name("beach\u200b"), clean_name("\ufeffold\u00a0town\n")
        ('beach', 'old town')
    """
    kept = (
        " " if character.isspace() else character
        for character in label
        if character.isspace()
        or character in _KEPT_INVISIBLE
        or unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Co", "Cn")
    )
    return "".join(kept).strip()


def find_unusable_names(names: Iterable[str], *, where: str) -> list[str]:
    r"""Describe names of labels that no file, table or screen can show.

    Args:
        names: The names.
        where: The beginning of a problem: where they were given.

    Examples:
        >>> find_unusable_names(["boat", " ", "a\x1b[2J"], where="y")[1]
        "y: a label's name has characters that cannot be shown: 'a\\x1b[2J'"
    """
    return [
        f"{where}: a label's name has characters that cannot be shown: '{visible(name)}'"
        if name.strip()
        else f"{where}: a label has an empty name: '{visible(name)}'"
        for name in names
        if not name.strip() or visible(name) != name
    ]


def _describe_unnamed(raw: RawTable, names: Mapping[str, str]) -> list[str]:
    """Describe labels that are nothing but invisible, where they are listed, and those that are no text.

    An invisible entry of a list is a blank, as many programs leave them behind.
    """
    halves = [label for label in names if _HALF_CHARACTER.search(label)]
    unnamed = [label for label, clean in names.items() if not clean and label not in halves]
    return [
        *(f"{raw.where}: a label's name holds half a character: '{visible(label)}'" for label in halves),
        *(
            f"{raw.where}: a label's name has no visible character: '{_escaped(label)}'; give it a name"
            for label in unnamed
            if raw.is_declared
        ),
    ]


def _escaped(text: str) -> str:
    return text.encode("unicode_escape").decode()


def _describe_joined(raw: RawTable, joined: Sequence[str]) -> list[str]:
    if not raw.is_declared or raw.is_catalogue:
        return []  # in lists of labels, both were the same label
    return [f"{raw.where}: two labels differ only by an invisible character: '{name}'" for name in joined]


def describe_alike(raw: RawTable, targets: FloatArray) -> list[str]:
    """Tell of labels that differ by case, blanks or one letter, and are probably one.

    Args:
        raw: The table.
        targets: Targets per row [n_rows, n_labels].
    """
    if len(raw.labels) > _MOST_COMPARED:
        return []
    n_photos = (targets == 1).sum(axis=0)
    groups = _group_alike(raw.labels)
    return [
        f"{raw.where}: these labels may be the same, spelled differently: "
        + ", ".join(f"'{raw.labels[label]}' ({n_photos[label]})" for label in group)
        + "; they are kept apart, rename them in the table to merge them"
        for group in groups
    ]


def _group_alike(labels: Sequence[str]) -> list[list[int]]:
    group_of = np.arange(len(labels))
    for first in range(len(labels)):
        for second in range(first):
            if _are_alike(labels[first], labels[second]):
                group_of[group_of == group_of[first]] = group_of[second]
    groups = [np.flatnonzero(group_of == group).tolist() for group in np.unique(group_of)]
    return [group for group in groups if len(group) > 1]


def _are_alike(first: str, second: str) -> bool:
    """Tell whether two names are probably one; names that differ in a number are not.

    Examples:
        >>> _are_alike("berge", "Bergee"), _are_alike("old town", "Old-Town"), _are_alike("car 1", "car 2")
        (True, True, False)
        >>> _are_alike("boat", "goat")
        False
    """
    one, other = (re.sub(r"[\W_]+", "", name.casefold()) for name in (first, second))
    if one == other:
        return bool(one)
    if re.sub(r"\D", "", one) != re.sub(r"\D", "", other) or min(len(one), len(other)) < _LEAST_LETTERS:
        return False
    return _differ_by_one(*sorted((one, other), key=len))


def _differ_by_one(short: str, long: str) -> bool:
    """Tell whether one letter more, or another one, is the only difference."""
    if len(long) - len(short) > 1:
        return False
    start = next(
        (place for place, pair in enumerate(zip(short, long, strict=False)) if pair[0] != pair[1]), len(short)
    )
    return short[start:] == long[start + 1 :] or short[start + 1 :] == long[start + 1 :]
