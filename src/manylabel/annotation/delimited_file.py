"""A table that lists the labels of each photo in one cell, changed cell by cell.

In:  its lines, the column of the lists, answers.
Out: the same table with other lists. Labels that nobody has decided on are listed in a column
     ``unknown labels``, which is added with the first of them. A list that would be split elsewhere than
     between its labels is written as a JSON list.
"""

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from manylabel.annotation.label_file import LabelFile, TableLines
from manylabel.annotation.separated_text import TextLine
from manylabel.data.formats.base import Layout
from manylabel.data.formats.tables.columns import UNKNOWN_NAME
from manylabel.data.formats.tables.label_cells import (
    LabelCellError,
    guess_delimiter,
    is_list,
    split_labels,
)

_JOINED = ";"


@dataclass(frozen=True, kw_only=True)
class ListColumns:
    """The columns of a table that list labels.

    Attributes:
        present: The column of the labels that are present.
        unknown: The column of unknown labels, None if there is none yet.
        delimiter: What parts the labels of a cell, if the user has told.
    """

    present: int
    unknown: int | None
    delimiter: str | None


class DelimitedFile(LabelFile):
    """A table with a column of lists.

    Args:
        path: The file.
        lines: Its lines.
        columns: The columns of lists.
        labels: All labels.
        lists: The labels that each line about a photo lists, and those that are unknown.
    """

    layout: ClassVar[Layout] = "lists"

    def __init__(
        self,
        path: Path,
        lines: TableLines,
        *,
        columns: ListColumns,
        labels: Iterable[str],
        lists: Iterable[tuple[frozenset[str], frozenset[str]]],
    ) -> None:
        super().__init__(path, lines)
        self._column = columns.present
        self._unknown_column = columns.unknown
        self._labels = list(labels)
        self._delimiter = columns.delimiter
        cells = list(self._cells().values())
        self._split_before = self._find_delimiter(cells)
        self._has_space = any(f"{self._split_before or _JOINED} " in cell for cell in cells)
        n_lists = Counter(map(is_list, filter(None, cells)))
        self._is_listed = n_lists[True] > n_lists[False]
        self._present: dict[TextLine, list[str]] = {}
        self._unknown: dict[TextLine, set[str]] = {}
        for line, (present, unknown) in zip(lines.body, lists, strict=True):
            order = self._split(self.cell(line, self._column), self._split_before)
            self._present[line] = [label for label in order if label in present]
            self._present[line] += sorted(present.difference(order))  # whose names were cleaned
            self._unknown[line] = set(unknown)
        self._changed = set[TextLine]()

    def set(self, photo: int, label: str, target: float) -> None:
        """Write the answer for a photo and a label."""
        is_new = photo not in self._lines_of
        for line in self.lines_about(photo):
            if is_new:
                self._present[line], self._unknown[line] = [], set(self._labels)
            present, unknown = self._present[line], self._unknown[line]
            unknown.discard(label)
            if target == 1 and label not in present:
                present.append(label)
            if target != 1 and label in present:
                present.remove(label)
            if math.isnan(target):
                unknown.add(label)
            self._changed.add(line)
        if all(self._unknown[line] == set(self._labels) for line in self.lines_about(photo)):
            dropped = self.drop_own_line(photo)
            if dropped is not None:
                self._forget(dropped)

    def remember(self, label: str) -> list[float]:
        """Add a label that no line lists, so that it is absent from all photos with a line."""
        self._labels.append(label)
        return [0.0] * len(self._lines_of)

    def check_name(self, label: str) -> None:
        """Allow every name: labels are no columns."""

    def unnamed(self) -> tuple[str, ...]:
        """Return the labels that no line lists."""
        named = set[str]().union(*self._present.values(), *self._unknown.values())
        return tuple(label for label in self._labels if label not in named)

    def has_strangers(self, label: str) -> int:
        """Count the lines about photos that are not in the folder and list a label."""
        return sum(label in self._present[line] for line in self.strangers())

    def add(self, label: str) -> None:
        """Add a label, unknown for all photos."""
        self._labels.append(label)
        for line in self.lines.body:
            self._unknown[line].add(label)
            self._changed.add(line)

    def remove(self, label: str) -> None:
        """Remove a label; a photo that was away when its answer was taken back may still have it."""
        self._labels.remove(label)
        for line in self.lines.body:
            self._unknown[line].discard(label)
            if label in self._present[line]:
                self._present[line].remove(label)
            self._changed.add(line)

    def rename(self, label: str, to: str) -> None:
        """Give a label another name."""
        self._labels = [to if name == label else name for name in self._labels]
        for line in self.lines.body:
            present, unknown = self._present[line], self._unknown[line]
            if label in present or label in unknown:
                self._present[line] = [to if name == label else name for name in present]
                self._unknown[line] = {to if name == label else name for name in unknown}
                self._changed.add(line)

    def finish(self) -> None:
        """Write the lists, so that each is split between its labels."""
        for line in self._changed:
            self._write(line, is_listed=self._is_listed_at(line))
        for line in self._find_misread():
            self._write(line, is_listed=True)
        if self._find_misread():  # what was split in one way before is split in another now
            for line in self.lines.body:
                self._write(line, is_listed=True)
        self._split_before = self._find_delimiter(self._cells().values())
        self._changed.clear()
        self._write_unknown()

    def _write(self, line: TextLine, *, is_listed: bool) -> None:
        text = self._join(self._present[line], is_listed=is_listed)
        if self.cell(line, self._column) != text:
            line.set(self._column, text)

    def _cells(self) -> dict[TextLine, str]:
        return {line: self.cell(line, self._column) for line in self.lines.body}

    def _is_listed_at(self, line: TextLine) -> bool:
        cell = self.cell(line, self._column)
        return is_list(cell) if cell else self._is_listed

    def _write_unknown(self) -> None:
        if self._unknown_column is None:
            if not any(self._unknown.values()):
                return
            self._add_unknown_column()
        assert self._unknown_column is not None
        for line, unknown in self._unknown.items():
            names = [label for label in self._labels if label in unknown]
            text = self._join(names, is_listed=False)
            if self._split(text, self._split_before or _JOINED) != names:
                text = self._join(names, is_listed=True)
            if self.cell(line, self._unknown_column) != text:
                line.set(self._unknown_column, text)

    def _add_unknown_column(self) -> None:
        lines = self.lines
        self._unknown_column = max(len(line.cells) for line in self.table_lines())
        if lines.header is None:
            lines.header = lines.text.add_top(["photo", "labels"])
        lines.header.set(self._unknown_column, UNKNOWN_NAME)
        for line in self.table_lines():
            if len(line.cells) <= self._unknown_column:
                line.set(self._unknown_column, UNKNOWN_NAME if line is lines.header else "")

    def _find_misread(self) -> list[TextLine]:
        cells = self._cells()
        delimiter = self._find_delimiter(cells.values())
        lines = self._changed if delimiter == self._split_before else self.lines.body
        return [line for line in lines if not self._is_read(line, cells, delimiter)]

    def _is_read(self, line: TextLine, cells: Mapping[TextLine, str], delimiter: str | None) -> bool:
        return self._split(cells[line], delimiter) == self._present[line]

    def _split(self, cell: str, delimiter: str | None) -> list[str]:
        try:
            return split_labels(cell, delimiter)
        except LabelCellError:
            return []

    def _find_delimiter(self, cells: Iterable[str]) -> str | None:
        return self._delimiter or guess_delimiter([cell for cell in cells if cell])

    def _join(self, labels: list[str], *, is_listed: bool) -> str:
        if is_listed:
            return json.dumps(labels, ensure_ascii=False)
        delimiter = self._delimiter or self._split_before or _JOINED
        between = f"{delimiter} " if self._has_space and delimiter != " " else delimiter
        return between.join(labels)

    def _forget(self, line: TextLine) -> None:
        del self._present[line], self._unknown[line]
        self._changed.discard(line)
