"""Change cells of a CSV or TSV text, and leave every other character as it is.

In:  the text, what parts its cells.
Out: lines whose cells can be replaced, added and removed; the text again. Quotes, blanks around cells, line
     ends and the order of everything stay; a replaced cell is quoted if it was, or has to be.
"""

import csv
import io
import re
from collections.abc import Sequence

from manylabel.io.csv_text import allow_long_cells, guard, unguard


class TextLine:
    """The cells of one line, which may run over several lines of the file inside quotes.

    Args:
        raw: The line with its line end.
        separator: What parts the cells.
    """

    def __init__(self, raw: str, *, separator: str) -> None:
        self._raw: str | None = raw
        self._separator = separator
        self._cells: list[str] | None = None
        self._line_end = _read_line_end(raw)

    @property
    def cells(self) -> list[str]:
        """Return the cells as they are written, with quotes and blanks."""
        if self._cells is None:
            assert self._raw is not None
            self._cells = split_raw(self._raw.removesuffix(self._line_end), self._separator)
        return self._cells

    def is_quoted(self) -> bool:
        """Tell whether all cells are in quotes."""
        return all(cell.lstrip(" ").startswith('"') for cell in self.cells)

    def set(self, column: int, value: str, *, is_mark: bool = False) -> None:
        """Replace a cell; cells that the line lacks are added.

        Args:
            column: Its number, from 0.
            value: The text that the cell is to stand for.
            is_mark: Whether it is a mark such as a dash, which is no formula.
        """
        self.cells.extend([""] * (column + 1 - len(self.cells)))
        before = self.cells[column]
        plain = before.lstrip(" ")
        indent = before[: len(before) - len(plain)]
        is_quoted = plain.startswith('"')
        if is_mark and not is_quoted:
            self.cells[column] = indent + value
        else:
            self.cells[column] = indent + write_cell(value, separator=self._separator, is_quoted=is_quoted)
        self._raw = None

    def insert(self, column: int, value: str) -> None:
        """Add a cell before another one, or at the end."""
        is_quoted = self.is_quoted()
        self.cells.insert(column, write_cell(value, separator=self._separator, is_quoted=is_quoted))
        self._raw = None

    def remove(self, column: int) -> None:
        """Remove a cell, if the line has it."""
        del self.cells[column : column + 1]
        self._raw = None

    def end(self, line_end: str) -> None:
        """Give the last line of a file a line end, if it has none."""
        if not self._line_end:
            self._raw = None if self._raw is None else self._raw + line_end
            self._line_end = line_end

    def text(self) -> str:
        """Return the line with its line end."""
        if self._raw is None:
            self._raw = self._separator.join(self.cells) + self._line_end
        return self._raw


class SeparatedText:
    """A CSV or TSV text.

    Attributes:
        separator: What parts the cells.
        line_end: How its lines end.

    Args:
        text: The text.
        separator: What parts the cells.
        n_above: Number of lines above the table, which are no table.

    Raises:
        ValueError: A quote is missing, or within a cell, so that cells cannot be told apart.
    """

    def __init__(self, text: str, *, separator: str, n_above: int = 0) -> None:
        raw = list(io.StringIO(text, newline=""))
        self.separator = separator
        self._above = raw[:n_above]
        self._numbers: list[int] = []
        self._lines: list[TextLine] = []
        allow_long_cells()
        reader = csv.reader(iter(raw[n_above:]), delimiter=separator, skipinitialspace=True)
        first = n_above
        for cells in reader:
            end = n_above + reader.line_num
            line = TextLine("".join(raw[first:end]), separator=separator)
            if '"' in line.text() and [_unquote_whole(cell, separator) for cell in line.cells] != cells:
                raise ValueError(f"line {first + 1}: a quote is missing or within a cell")
            self._numbers.append(first + 1)
            self._lines.append(line)
            first = end
        self.line_end = next((_read_line_end(line) for line in raw if _read_line_end(line)), "\r\n")

    def lines(self) -> dict[int, TextLine]:
        """Return the lines of the table by their numbers in the file, from 1."""
        return dict(zip(self._numbers, self._lines, strict=False))

    def add(self, cells: Sequence[str], *, after: TextLine, is_quoted: bool) -> TextLine:
        """Add a line below another one.

        Args:
            cells: The texts that its cells are to stand for.
            after: That other line.
            is_quoted: Whether all cells are put in quotes.
        """
        after.end(self.line_end)
        written = (write_cell(cell, separator=self.separator, is_quoted=is_quoted) for cell in cells)
        line = TextLine(self.separator.join(written) + self.line_end, separator=self.separator)
        place = len(self._lines) - 1 - self._lines[::-1].index(after)  # usually the last one
        self._lines.insert(place + 1, line)
        return line

    def add_top(self, cells: Sequence[str]) -> TextLine:
        """Add a line above all others."""
        written = (write_cell(cell, separator=self.separator, is_quoted=False) for cell in cells)
        line = TextLine(self.separator.join(written) + self.line_end, separator=self.separator)
        self._lines.insert(0, line)
        return line

    def remove(self, line: TextLine) -> None:
        """Remove a line that was added."""
        self._lines.remove(line)

    def below(self, line: TextLine | None) -> list[TextLine]:
        """Return all lines below another one; all lines for None."""
        return list(self._lines) if line is None else self._lines[self._lines.index(line) + 1 :]

    def text(self) -> str:
        """Return the text."""
        return "".join([*self._above, *(line.text() for line in self._lines)])


def split_raw(line: str, separator: str) -> list[str]:
    r"""Split a line into its cells, each as it is written.

    Examples:
        >>> split_raw('a.jpg, "sea; ""old"" town",', ",")
        ['a.jpg', ' "sea; ""old"" town"', '']
    """
    if '"' not in line:
        return line.split(separator)
    part = re.escape(separator)
    cell = re.compile(f' *"(?:[^"]|"")*"?[^{part}]*|[^{part}]*')
    cells, position = list[str](), 0
    while True:
        found = cell.match(line, position)
        assert found is not None  # matches nothing, too
        cells.append(found[0])
        if found.end() == len(line):
            return cells
        position = found.end() + 1


def write_cell(value: str, *, separator: str, is_quoted: bool) -> str:
    r"""Write a cell that stands for a text.

    Examples:
        >>> [write_cell(text, separator=",", is_quoted=False) for text in ("sea", "a, b", '6" pipe', "=1")]
        ['sea', '"a, b"', '"6"" pipe"', "'=1"]
    """
    text = guard(value)
    needs_quotes = any(mark in text for mark in (separator, '"', "\n", "\r")) or text != text.strip()
    return '"{}"'.format(text.replace('"', '""')) if is_quoted or needs_quotes else text


def read_cell(raw: str, *, separator: str) -> str:
    """Return the text that a cell stands for.

    Examples:
        >>> read_cell(' "a, b"', separator=","), read_cell("", separator=",")
        ('a, b', '')
    """
    return unguard(_unquote(raw, separator=separator).strip())


def _unquote(raw: str, *, separator: str) -> str:
    if '"' not in raw:
        return raw
    allow_long_cells()
    return next(csv.reader([raw], delimiter=separator, skipinitialspace=True))[0]


def _unquote_whole(raw: str, separator: str) -> str | None:
    """Return the text between quotes and blanks of a cell; None if its quotes do not end with it."""
    first, *others = next(csv.reader([raw + separator], delimiter=separator, skipinitialspace=True))
    return first if others == [""] else None


def _read_line_end(raw: str) -> str:
    return next((end for end in ("\r\n", "\n", "\r") if raw.endswith(end)), "")
