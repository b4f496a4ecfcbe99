"""A table with a column per label, changed cell by cell.

In:  its lines, the columns of the labels, answers.
Out: the same table with other marks, in the words that it uses: x and blank, yes and no, 1, 0 and ?. Where
     these would be read as something else than they were meant, because they depend on each other, all of
     them are written as 1, 0 and ?.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from manylabel.annotation.label_file import LabelFile, TableLines
from manylabel.annotation.separated_text import TextLine, read_cell
from manylabel.config import BlankMeaning
from manylabel.data.formats.base import Layout
from manylabel.data.formats.label_names import clean_name
from manylabel.data.formats.one_hot import read_words
from manylabel.errors import InputError

_PLAIN = {"1": "0", "yes": "no", "true": "false", "y": "n", "t": "f", "ja": "nein", "present": "absent"}
_PRESENT, _ABSENT, _UNKNOWN = "1", "0", "?"


class OneHotFile(LabelFile):
    """A table with a column per label.

    Args:
        path: The file.
        lines: Its lines.
        columns: The column of each label.
        blank: What a blank cell means, if the user has told.
    """

    layout: ClassVar[Layout] = "one-hot"

    def __init__(
        self,
        path: Path,
        lines: TableLines,
        *,
        columns: Mapping[str, int],
        blank: BlankMeaning | None = None,
    ) -> None:
        super().__init__(path, lines)
        self._columns = dict(columns)
        self._order = sorted(columns, key=self._columns.__getitem__)
        # Labels without a column: readers do not recognize a column without answers.
        self._waiting: list[str] = []
        self._blank = blank
        self._words = self._count_words()
        self._meaning, _ = read_words(self._words, blank=blank, title="")
        self._choose_marks()

    @property
    def labels(self) -> tuple[str, ...]:
        """Return the labels, in the order of their columns."""
        return tuple(self._order)

    def set(self, photo: int, label: str, target: float) -> None:
        """Write the answer for a photo and a label."""
        if label in self._waiting:
            if math.isnan(target):
                return
            self._waiting.remove(label)
            self._insert(label)
        column = self._columns[label]
        for line in self._answerable_lines(photo):
            if not _is_same(self._meaning[self.cell(line, column)], target):
                self._write(line, column, self._mark(target))
        if math.isnan(target) and all(map(self._says_nothing, self.lines_about(photo))):
            dropped = self.drop_own_line(photo)
            if dropped is not None:
                self._count(dropped, -1)

    def remember(self, label: str) -> list[float]:
        """Add a label that readers do not find; what its column holds, if it has one, stays."""
        self._order.append(label)
        if not self._take_over(label):
            self._waiting.append(label)
            return [math.nan] * len(self._lines_of)
        column = self._columns[label]
        return [self._meaning[self.cell(self._lines_of[photo][0], column)] for photo in self.rows()]

    def check_name(self, label: str) -> None:
        """Check that no other column has the name of a label."""
        column = self._find_column(label)
        if column is not None and not self._is_empty(column):
            raise InputError(
                f"{self.path.name} has a column '{label}' that is not a label; choose another name"
            )

    def unnamed(self) -> tuple[str, ...]:
        """Return the labels without a column, or with a blank one."""
        empty = {*self._waiting, *self._list_blank()}
        return tuple(label for label in self._order if label in empty)

    def has_strangers(self, label: str) -> int:
        """Count the lines about photos that are not in the folder and have an answer for a label."""
        column = self._columns.get(label)
        if column is None:
            return 0
        return sum(not math.isnan(self._meaning[self.cell(line, column)]) for line in self.strangers())

    def _find_column(self, label: str) -> int | None:
        """Return the column of a name that is no label now."""
        assert self.lines.header is not None
        taken = self._columns.values()
        for column in range(len(self.lines.header.cells)):
            if column not in taken and clean_name(self.cell(self.lines.header, column)) == label:
                return column
        return None

    def _is_empty(self, column: int) -> bool:
        """Tell whether a column is blank, or was of a label whose answers were all taken back."""
        cells = {self.cell(line, column) for line in self.lines.body}
        return column != self.lines.photo_column and cells <= {_UNKNOWN, ""}

    def _list_blank(self) -> list[str]:
        """Return the labels whose columns are blank, so that readers take them for remarks."""
        return [
            label
            for label, column in self._columns.items()
            if not any(self.cell(line, column) for line in self.lines.body)
        ]

    def _take_over(self, label: str) -> bool:
        """Take an empty column of its name for a label, if there is one."""
        column = self._find_column(label)
        if column is None or not self._is_empty(column):
            return False
        self._columns[label] = column
        self._words.update(self.cell(line, column) for line in self.lines.body)
        meaning, _ = read_words(+self._words, blank=self._blank, title="")
        self._meaning = {**meaning, **self._meaning}
        return True

    def add(self, label: str) -> None:
        """Add a label; its column is written with the first answer."""
        self._order.append(label)
        if not self._take_over(label):
            self._waiting.append(label)
            return
        column = self._columns[label]
        for line in self.lines.body:
            if not math.isnan(self._meaning[self.cell(line, column)]):
                self._write(line, column, self._mark(math.nan))

    def _insert(self, label: str) -> None:
        """Insert a column behind those of the labels that were there before."""
        place = self._order.index(label)
        before = [self._columns[name] for name in self._order[:place] if name in self._columns]
        after = min(self._columns.values(), default=self.lines.photo_column + 1)
        column = max(before) + 1 if before else after
        self._columns = {name: at + (at >= column) for name, at in self._columns.items()}
        body = set(self.lines.body)
        for line in self.table_lines():
            mark = label if line is self.lines.header else self._mark(math.nan) if line in body else ""
            if len(line.cells) < column:
                line.set(column, mark)
            else:
                line.insert(column, mark)
        self._columns[label] = column
        self._words[self._mark(math.nan)] += len(body)

    def remove(self, label: str) -> None:
        """Remove a label and its column."""
        self._order.remove(label)
        if label in self._waiting:
            self._waiting.remove(label)
            return
        column = self._columns.pop(label)
        for line in self.lines.body:
            self._words[self.cell(line, column)] -= 1
        for line in self.table_lines():
            line.remove(column)
        self._columns = {name: at - (at > column) for name, at in self._columns.items()}

    def rename(self, label: str, to: str) -> None:
        """Give a label another name."""
        self._order[self._order.index(label)] = to
        if label in self._waiting:
            self._waiting[self._waiting.index(label)] = to
            return
        assert self.lines.header is not None
        self.lines.header.set(self._columns[label], to)
        self._columns = {to if name == label else name: at for name, at in self._columns.items()}

    def finish(self) -> None:
        """Write all marks as 1, 0 and ?, if one would be read as something else than it was meant."""
        meaning, _ = read_words(+self._words, blank=self._blank, title="")
        if all(_is_same(target, self._meaning[word]) for word, target in meaning.items()):
            return
        for line in self.lines.body:
            for column in self._columns.values():
                word = self.cell(line, column)
                self._write(line, column, _plain_mark(self._meaning[word]))
        self._blank = None
        self._meaning, _ = read_words(+self._words, blank=None, title="")
        self._choose_marks()

    def _answerable_lines(self, photo: int) -> Sequence[TextLine]:
        is_new = photo not in self._lines_of
        lines = self.lines_about(photo)
        if is_new:
            for column in self._columns.values():
                lines[0].set(column, self._mark(math.nan), is_mark=True)
            self._count(lines[0], +1)
        return lines

    def _count_words(self) -> Counter[str]:
        """Count the cells of labels per word; each way to write one is read once, as there are few."""
        written = Counter(
            line.cells[column] if column < len(line.cells) else ""
            for line in self.lines.body
            for column in self._columns.values()
        )
        words = Counter[str]()
        for cell, number in written.items():
            words[read_cell(cell, separator=self.lines.separator)] += number
        return words

    def _count(self, line: TextLine, step: int) -> None:
        for column in self._columns.values():
            self._words[self.cell(line, column)] += step

    def _write(self, line: TextLine, column: int, mark: str) -> None:
        self._words[self.cell(line, column)] -= 1
        line.set(column, mark, is_mark=True)
        self._words[mark] += 1

    def _says_nothing(self, line: TextLine) -> bool:
        return all(math.isnan(self._meaning[self.cell(line, at)]) for at in self._columns.values())

    def _mark(self, target: float) -> str:
        return self._marks[1] if target == 1 else self._marks[0] if target == 0 else self._marks[2]

    def _choose_marks(self) -> None:
        """Choose the words for absent, present and unknown: those that the table uses most."""
        present = self._most_used(1.0) or _PRESENT
        opposite = _PLAIN.get(present.lower(), _ABSENT)
        opposite = opposite.upper() if present.isupper() else opposite
        opposite = opposite.capitalize() if present.istitle() else opposite
        absent, unknown = self._most_used(0.0), self._most_used(math.nan)
        marks = (
            opposite if absent is None else absent,
            present,
            _UNKNOWN if unknown is None else unknown,
        )
        self._marks = marks
        for word, target in zip(marks, (0.0, 1.0, math.nan), strict=True):
            self._meaning.setdefault(word, target)

    def _most_used(self, target: float) -> str | None:
        known = [word for word in +self._words if _is_same(self._meaning[word], target)]
        return max(known, key=self._words.__getitem__, default=None)


def _plain_mark(target: float) -> str:
    return _PRESENT if target == 1 else _ABSENT if target == 0 else _UNKNOWN


def _is_same(first: float, second: float) -> bool:
    return first == second or (math.isnan(first) and math.isnan(second))
