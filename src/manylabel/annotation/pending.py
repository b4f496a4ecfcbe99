"""Changes that wait for their photos.

In:  changes of photos that are not in the folder now, as a disk is not mounted or a folder was moved.
Out: the same changes, under the present names of their labels, until the photos are back.
"""

from collections.abc import Collection, Sequence

import msgspec

from manylabel.annotation.journal import Change, Entry, RemoveLabel, RenameLabel, SetLabel


class PendingChanges:
    """Changes of photos that are not in the folder, by the numbers of their lines in the journal."""

    def __init__(self) -> None:
        self._changes: dict[int, SetLabel] = {}

    @property
    def numbers(self) -> tuple[int, ...]:
        """Return the numbers of the lines, from 0."""
        return tuple(self._changes)

    def items(self) -> list[tuple[int, SetLabel]]:
        """Return the numbers and changes, in their order."""
        return list(self._changes.items())

    def answers(self) -> tuple[SetLabel, ...]:
        """Return the last change per photo and label, unless it brings back the answer before the first."""
        firsts: dict[tuple[str, str], SetLabel] = {}
        for change in self._changes.values():
            firsts.setdefault((change.photo, change.label), change)
        lasts = {(change.photo, change.label): change for change in self._changes.values()}
        return tuple(change for cell, change in lasts.items() if change.after != firsts[cell].before)

    def has_label(self, label: str) -> bool:
        """Tell whether a change waits for a photo that gives an answer for a label."""
        return any(change.label == label for change in self.answers())

    def continues(self, change: SetLabel) -> bool:
        """Tell whether a change begins with the answer that the last one for its photo and label leaves."""
        cell = change.photo, change.label
        return any((one.photo, one.label) == cell and one.after == change.before for one in self.answers())

    def add(self, number: int, change: SetLabel) -> None:
        """Add a change.

        Args:
            number: Number of its line in the journal, from 0, higher than those before.
            change: The change.
        """
        self._changes[number] = change

    def follow(self, change: Change) -> None:
        """Take a change of the labels into account: what waits has the new name, or is of no more use."""
        match change:
            case RenameLabel(label=label, to=to):
                self._changes = {
                    number: msgspec.structs.replace(one, label=to) if one.label == label else one
                    for number, one in self._changes.items()
                }
            case RemoveLabel(label=label):
                self._changes = {number: one for number, one in self._changes.items() if one.label != label}
            case _:
                pass


def find_pending(entries: Sequence[Entry], numbers: Collection[int]) -> PendingChanges:
    """Return changes of a journal, as they are called at its end.

    Args:
        entries: Lines from the beginning of the journal.
        numbers: The numbers of the changes among them, from 0.

    Examples:
        >>> ship = SetLabel(photo="a.jpg", label="ship", before="unknown", after="present")
        >>> [found] = find_pending([ship, RenameLabel(label="ship", to="boat")], [0]).answers()
        >>> found.label
        'boat'
    """
    pending, wanted = PendingChanges(), set(numbers)
    for number in range(min(wanted, default=len(entries)), len(entries)):
        match entries[number]:
            case SetLabel() as change if number in wanted:
                pending.add(number, change)
            case RenameLabel() | RemoveLabel() as change:
                pending.follow(change)
            case _:
                pass
    return pending
