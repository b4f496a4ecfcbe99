"""Follow what people said about each answer: where two disagree, and what somebody has looked at again.

In:  the lines of a journal, as they are added.
Out: answers that people disagree about; whether an answer was given or confirmed in some queue of the page.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from manylabel.annotation.history import rename_cell
from manylabel.annotation.journal import Answer, Entry, RemoveLabel, RenameLabel, SetLabel

Cell = tuple[str, str]
"""A photo and a label."""


@dataclass(frozen=True, kw_only=True)
class Disagreement:
    """An answer that people disagree about.

    Attributes:
        photo: The photo.
        label: The label.
        answers: The last answer of each person who gave one.
    """

    photo: str
    label: str
    answers: dict[str, Answer]


class Reviewed:
    """What people said about each answer, up to the last line that was followed.

    Args:
        settling: The queue in which a disagreement is settled: what is said there replaces all before it.
    """

    def __init__(self, *, settling: str) -> None:
        self._settling = settling
        self._forget()

    def _forget(self) -> None:
        self._n_followed = 0
        self._said: dict[Cell, list[SetLabel]] = {}
        self._by_several: set[Cell] = set()
        self._undone: set[int] = set()

    def follow(self, entries: Sequence[Entry]) -> None:
        """Take up the lines that were added since the last call.

        Args:
            entries: All lines of the journal.
        """
        if len(entries) < self._n_followed:  # another journal
            self._forget()
        for entry in entries[self._n_followed :]:
            self._take(entry)
        self._n_followed = len(entries)

    def queue_of(self, photo: str, label: str) -> str | None:
        """Return the queue in which an answer was last given or confirmed; None if nobody gave it."""
        valid = self._valid((photo, label))
        return valid[-1].queue if valid else None

    def disagreements(self) -> Iterator[Disagreement]:
        """Yield the answers that people disagree about."""
        for photo, label in sorted(self._by_several):
            valid = self._valid((photo, label))
            last = max((at for at, entry in enumerate(valid) if entry.queue == self._settling), default=0)
            answers = {entry.by: entry.after for entry in valid[last:]}
            if len({answer for answer in answers.values() if answer != "unknown"}) > 1:
                yield Disagreement(photo=photo, label=label, answers=answers)

    def _take(self, entry: Entry) -> None:
        if entry.undoes:
            self._undone.add(entry.undoes)
        match entry:
            case SetLabel() if not entry.undoes:
                cell = entry.photo, entry.label
                said = self._said.setdefault(cell, [])
                said.append(entry)
                if any(one.by != entry.by for one in said):
                    self._by_several.add(cell)
            case RemoveLabel():  # another label may get its name
                self._said = {cell: said for cell, said in self._said.items() if cell[1] != entry.label}
                self._by_several = {cell for cell in self._by_several if cell[1] != entry.label}
            case RenameLabel():
                self._said = {rename_cell(cell, entry): said for cell, said in self._said.items()}
                self._by_several = {rename_cell(cell, entry) for cell in self._by_several}
            case _:
                pass

    def _valid(self, cell: Cell) -> list[SetLabel]:
        """Return what was said about an answer and not undone."""
        return [entry for entry in self._said.get(cell, []) if entry.action not in self._undone]
