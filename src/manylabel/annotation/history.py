"""Sum up a journal of changes.

In:  the lines of a journal.
Out: what became of each answer; the last action that was not undone, and what undoes it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from manylabel.annotation.answers import invert
from manylabel.annotation.journal import (
    Answer,
    Change,
    Entry,
    RemoveLabel,
    RenameLabel,
    SetLabel,
    list_changes,
)


@dataclass(frozen=True, kw_only=True)
class ChangedAnswer:
    """An answer that is another one than before all changes.

    Attributes:
        photo: The photo.
        label: The label, as it is called now.
        before: The answer before the first change.
        after: The answer after the last.
        by: Who made the last change.
        time: When, ISO 8601 in UTC.
    """

    photo: str
    label: str
    before: Answer
    after: Answer
    by: str
    time: str


def list_changed(entries: Iterable[Entry]) -> list[ChangedAnswer]:
    """Return the answers that changed, in the order of their last change; not those of removed labels.

    Args:
        entries: The lines of a journal.

    Examples:
        >>> first = SetLabel(photo="a.jpg", label="ship", before="unknown", after="present")
        >>> [found] = list_changed([first, RenameLabel(label="ship", to="boat")])
        >>> found.label, found.before, found.after
        ('boat', 'unknown', 'present')
    """
    firsts: dict[tuple[str, str], Answer] = {}
    lasts: dict[tuple[str, str], SetLabel] = {}
    for entry in entries:
        match entry:
            case SetLabel():
                cell = entry.photo, entry.label
                firsts.setdefault(cell, entry.before)
                lasts.pop(cell, None)
                lasts[cell] = entry
            case RemoveLabel():  # another label may get its name
                firsts = {cell: before for cell, before in firsts.items() if cell[1] != entry.label}
                lasts = {cell: last for cell, last in lasts.items() if cell[1] != entry.label}
            case RenameLabel():
                firsts = {rename_cell(cell, entry): before for cell, before in firsts.items()}
                lasts = {rename_cell(cell, entry): last for cell, last in lasts.items()}
    return [
        ChangedAnswer(
            photo=photo,
            label=label,
            before=firsts[photo, label],
            after=last.after,
            by=last.by,
            time=last.time,
        )
        for (photo, label), last in lasts.items()
        if last.after != firsts[photo, label]
    ]


def rename_cell(cell: tuple[str, str], change: RenameLabel) -> tuple[str, str]:
    """Return a photo and a label after a change of its name."""
    photo, label = cell
    return (photo, change.to) if label == change.label else cell


def find_last_action(entries: Sequence[Entry]) -> tuple[int, list[Change]] | None:
    """Return the number of the last action that was not undone, and what undoes it; None without one.

    Args:
        entries: The lines of a journal.
    """
    changes = list_changes(entries)
    undone = {entry.undoes for entry in entries}
    last = max({change.action for change in changes if not change.undoes} - undone, default=None)
    if last is None:
        return None
    return last, [invert(change) for change in reversed(changes) if change.action == last]
