"""Tell of labels that are probably none: several in one, answers, marks that repeat the line above.

In:  RawTable.
Out: problems where a label cannot be one, notes where it may be.
"""

import re
from collections.abc import Iterator, Sequence

from manylabel.data.formats.base import RawTable
from manylabel.data.formats.parsing.values import read_target
from manylabel.data.formats.parsing.wording import list_some

_DITTO = frozenset({'"', "''", "〃", "dto", "dto.", "ditto", "do.", "idem", "s.o.", "s. o.", '-"-', '—"—'})
_UNKNOWN = frozenset(
    {"unknown", "unbekannt", "inconnu", "desconocido", "sconosciuto", "keine angabe", "k.a.", "k. a.", "n.d."}
)
_ALL = frozenset(
    {"all", "alle", "alles", "tous", "toutes", "todos", "todas", "tutti", "tất cả", "全部", "すべて"}
)
_JOINT = re.compile(
    r"\s*[,;|/&+·•¦>\\–]\s*|\s+-\s+|_|\s+(?:und|and|et|y|e|og|och|en|i|и|và|oder|or|ou)\s+",  # noqa: RUF001
    re.IGNORECASE,
)


def find_impossible_labels(raw: RawTable) -> list[str]:
    """Tell of labels that stand for those of the line above."""
    ditto = [label for label in raw.labels if label.casefold() in _DITTO]
    if not ditto:
        return []
    return [f"{raw.where}: {list_some(ditto)} repeats what stands above it; write the labels into every line"]


def describe_odd_labels(raw: RawTable) -> list[str]:
    """Tell of labels that are probably several in one, or mean that nothing or everything applies."""
    notes = []
    answers = [label for label in raw.labels if _is_answer(label)]
    if answers:
        notes.append(
            f"{raw.where}: read as labels of their own: {list_some(answers, most=3)}; if these say whether a "
            "label applies, list the labels that do, or make a column of each"
        )
    joined = [label for label in _find_joined(raw.labels) if label not in raw.told_joined]
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
    said = read_target(answer) if mark and name.strip() and answer.strip() else None
    return said is not None and said in (0.0, 1.0)


def _find_joined(labels: Sequence[str]) -> Iterator[str]:
    """Yield the labels all of whose parts are labels as well."""
    known = {label.casefold() for label in labels}
    for label in labels:
        parts = [part.strip().casefold() for part in _JOINT.split(label)]
        if len(parts) > 1 and all(part in known for part in parts):
            yield label
