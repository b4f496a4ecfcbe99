"""Check the labels of a table: clean their names, and find those that cannot be learned or are probably none.

In:  RawTable, as a reader read it, and targets; names that were given in Python.
Out: the table with clean names; problems where a name cannot be used or a label not be learned; notes where a
     label may be several in one, or two labels one; which labels are kept.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from manylabel.data.formats.base import RawTable
from manylabel.data.formats.contents import read_target
from manylabel.data.formats.tables.label_cells import split_at_any
from manylabel.data.wording import list_some
from manylabel.errors import TableError, visible
from manylabel.types import FloatArray, IntArray

_KEPT_INVISIBLE = frozenset("\u200c\u200d\ufe0e\ufe0f")
"""Joiners and selectors that letters of some scripts and pictures need."""

_HALF_CHARACTER = re.compile("[\ud800-\udfff]")
_MOST_COMPARED = 400  # labels; more pairs take too long
_LEAST_LETTERS = 5  # of names that differ by one letter and are still probably one


def clean_labels(raw: RawTable) -> RawTable:
    """Remove what cannot be seen from the names of labels: two labels that look the same become one.

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
        else f"{where}: a label has an empty name"
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
        *(f"{raw.where}: a label's name holds a broken character: '{visible(label)}'" for label in halves),
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


def describe_similar_names(raw: RawTable, targets: FloatArray) -> list[str]:
    """Describe labels that differ by case, blanks or one letter, and are probably one.

    Args:
        raw: The table.
        targets: Targets per row [n_rows, n_labels].
    """
    if len(raw.labels) > _MOST_COMPARED:
        return []
    n_photos = (targets == 1).sum(axis=0)
    groups = _group_similar(raw.labels)
    return [
        f"{raw.where}: these labels may be the same, spelled differently: "
        + ", ".join(f"'{raw.labels[label]}' ({n_photos[label]})" for label in group)
        + "; they are kept apart, rename them in the table to merge them"
        for group in groups
    ]


def _group_similar(labels: Sequence[str]) -> list[list[int]]:
    group_of = np.arange(len(labels))
    for first in range(len(labels)):
        for second in range(first):
            if _are_similar(labels[first], labels[second]):
                group_of[group_of == group_of[first]] = group_of[second]
    groups = [np.flatnonzero(group_of == group).tolist() for group in np.unique(group_of)]
    return [group for group in groups if len(group) > 1]


def _are_similar(first: str, second: str) -> bool:
    """Tell whether two names are probably one; names that differ in a number are not.

    Examples:
        >>> _are_similar("berge", "Bergee"), _are_similar("old town", "Old-Town")
        (True, True)
        >>> _are_similar("boat", "goat"), _are_similar("car 1", "car 2")
        (False, False)
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
        (index for index, pair in enumerate(zip(short, long, strict=False)) if pair[0] != pair[1]), len(short)
    )
    return short[start:] == long[start + 1 :] or short[start + 1 :] == long[start + 1 :]


_DITTO = frozenset({'"', "''", "〃", "dto", "dto.", "ditto", "do.", "idem", "s.o.", "s. o.", '-"-', '—"—'})
_UNKNOWN = frozenset(
    {"unknown", "unbekannt", "inconnu", "desconocido", "sconosciuto", "keine angabe", "k.a.", "k. a.", "n.d."}
)
_ALL = frozenset(
    {"all", "alle", "alles", "tous", "toutes", "todos", "todas", "tutti", "tất cả", "全部", "すべて"}
)


def find_impossible_labels(raw: RawTable) -> list[str]:
    """Find labels that mean "the same as above"."""
    ditto = [label for label in raw.labels if label.casefold() in _DITTO]
    if not ditto:
        return []
    return [f"{raw.where}: {list_some(ditto)} means 'the same as above'; write the labels into every line"]


def describe_odd_labels(raw: RawTable) -> list[str]:
    """Describe labels that are probably several in one, or mean that nothing or everything applies."""
    notes = []
    answers = [label for label in raw.labels if _is_answer(label)]
    if answers:
        notes.append(
            f"{raw.where}: read as labels of their own: {list_some(answers, most=3)}; if these say whether a "
            "label applies, list the labels that do, or make a column of each"
        )
    joined = [label for label in _find_joined(raw.labels) if label not in raw.noted_joined]
    if joined:
        notes.append(
            f"{raw.where}: these labels look like several in one: {list_some(joined, most=4)}; if they are, "
            "write the same mark, such as ';', between all labels"
        )
    unknown = [label for label in raw.labels if label.casefold() in _UNKNOWN]
    if unknown:
        notes.append(
            f"{raw.where}: {list_some(unknown)} is read as a label of its own; if it means that nobody "
            "looked, leave those photos out"
        )
    everything = [label for label in raw.labels if label.casefold() in _ALL]
    if everything:
        notes.append(
            f"{raw.where}: {list_some(everything)} is read as a label of its own; it marks no other label"
        )
    return notes


def _is_answer(label: str) -> bool:
    name, mark, answer = label.rpartition(":")
    target = read_target(answer) if mark and name.strip() and answer.strip() else None
    return target is not None and target in (0.0, 1.0)


def _find_joined(labels: Sequence[str]) -> Iterator[str]:
    """Yield the labels all of whose parts are labels as well."""
    known = {label.casefold() for label in labels}
    for label in labels:
        parts = [part.strip().casefold() for part in split_at_any(label)]
        if len(parts) > 1 and all(part in known for part in parts):
            yield label


Purpose = Literal["training", "checking", "evaluation"]
"""What a table is read for: labels that cannot be learned are refused, kept with findings, or kept."""


def find_label_problems(raw: RawTable, targets: FloatArray) -> list[str]:
    """Explain why a table cannot be used at all: it has no rows, or no labels.

    Args:
        raw: The table.
        targets: Targets per row [n_rows, n_labels].
    """
    if raw.problems:
        return []  # What is missing may be what could not be read.
    if not raw.rows:
        return [f"{raw.where}: no photo is named in this table"]
    if not raw.labels or (raw.is_catalogue and not (targets == 1).any()):
        return [f"{raw.where}: no labels: no photo carries any"]
    return []


def find_hopeless_labels(raw: RawTable, targets: FloatArray) -> list[str]:
    """Explain what cannot be learned: labels without photos, or tables that never say "absent".

    Args:
        raw: The table.
        targets: Targets per row [n_rows, n_labels].
    """
    if not targets.size:
        return []
    unused = [] if raw.is_catalogue else [raw.labels[label] for label in _find_unused(targets)]
    unknown = {raw.labels[label] for label in np.flatnonzero(np.isnan(targets).all(axis=0))}
    problems = [
        f"{raw.where}: label '{label}' is unknown on every photo, so it cannot be learned; fill it in or "
        "leave it out"
        if label in unknown
        else f"{raw.where}: no photo carries label '{label}', so it cannot be learned; leave it out"
        for label in unused
    ]
    if not (targets == 0).any() and np.isnan(targets).any():
        problems.append(
            f"{raw.where}: no cell says that a label is absent; blank means unknown, so write 0 for absent"
        )
    return problems


def choose_labels(
    raw: RawTable, targets: FloatArray, *, purpose: Purpose, min_photos: int = 1
) -> tuple[IntArray, list[str]]:
    """Choose the labels to keep.

    Args:
        raw: The table.
        targets: Targets per photo [n_photos, n_labels].
        purpose: Labels of a catalogue that no photo carries are left out, except in evaluation.
        min_photos: Labels on fewer photos are left out, except in evaluation.

    Returns:
        Numbers of the labels that are kept, and notes.
    """
    unused = _find_unused(targets)
    everything = np.arange(len(raw.labels))
    names = list_some([raw.labels[label] for label in unused])
    notes = []
    kept = everything
    if len(unused) and raw.is_catalogue and purpose != "evaluation":
        notes.append(f"{raw.where}: no photo carries {names}; left out")
        kept = np.setdiff1d(everything, unused)
    elif len(unused) and purpose == "evaluation":
        notes.append(f"{raw.where}: no photo carries {names}")
    n_photos = (targets == 1).sum(axis=0)
    rare = np.flatnonzero((n_photos < min_photos) & (min_photos > 1))
    if len(rare) and purpose != "evaluation":
        names = list_some([f"{raw.labels[label]} ({n_photos[label]})" for label in rare])
        notes.append(f"{raw.where}: labels on fewer than {min_photos} photos are left out: {names}")
        kept = np.setdiff1d(kept, rare)
        if not len(kept):
            raise TableError(
                [f"{raw.where}: no label is on {min_photos} photos or more; choose a lower --min-photos"]
            )
    return kept, [*notes, *_describe_always_present(raw, targets)]


def _find_unused(targets: FloatArray) -> IntArray:
    return np.flatnonzero(~(targets == 1).any(axis=0))


def _describe_always_present(raw: RawTable, targets: FloatArray) -> list[str]:
    is_used = (targets == 1).any(axis=0)
    always = [raw.labels[label] for label in np.flatnonzero(is_used & ~(targets == 0).any(axis=0))]
    return [f"{raw.where}: no photo is known to lack {list_some(always)}"] if always else []
