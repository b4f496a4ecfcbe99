"""A CSV or TSV file of labels, changed without touching anything else in it.

In:  the lines of the file, which of them are about which photo; answers, one by one.
Out: the bytes of the changed file. Columns of others, order, separators, encoding, line ends and quotes stay.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import ClassVar

from manylabel.annotation.separated_text import SeparatedText, TextLine, read_cell
from manylabel.data.formats.base import Layout
from manylabel.data.formats.text_files import encode_text
from manylabel.errors import InputError


@dataclass(eq=False, kw_only=True)
class TableLines:
    """The lines of a file, as a reader understood them.

    Attributes:
        text: All of the text.
        separator: What parts its cells.
        encoding: Its encoding, as ``decode_text`` finds it.
        header: The line of column names, None if no line names them.
        body: The lines about photos, in their order.
        photos: The photo of each of these lines, None where there is no such photo.
        photo_column: Number of the column that names the photos.
        names: What all photos are called: their paths below the folder.
    """

    text: SeparatedText
    separator: str
    encoding: str
    header: TextLine | None
    body: list[TextLine]
    photos: list[int | None]
    photo_column: int
    names: tuple[str, ...]


class LabelFile(ABC):
    """A file of labels that can be changed.

    Attributes:
        path: The file.
        lines: Its lines.
        layout: How it says labels.

    Args:
        path: The file.
        lines: Its lines.
    """

    layout: ClassVar[Layout]

    def __init__(self, path: Path, lines: TableLines) -> None:
        self.path = path
        self.lines = lines
        self._lines_of: dict[int, list[TextLine]] = {}
        for line, photo in zip(lines.body, lines.photos, strict=True):
            if photo is not None:
                self._lines_of.setdefault(photo, []).append(line)
        self._own: dict[int, TextLine] = {}  # lines that were added for photos that had none
        self._is_quoted = lines.header is not None and lines.header.is_quoted()
        self._spelling = find_spelling(self._written_names(), lines.names)

    @abstractmethod
    def set(self, photo: int, label: str, target: float) -> None:
        """Write the answer for a photo and a label; a photo that has no line gets one.

        Args:
            photo: Number of the photo.
            label: The label.
            target: 1 present, 0 absent, NaN unknown.
        """

    @abstractmethod
    def remember(self, label: str) -> list[float]:
        """Add a label that the table does not name.

        Returns:
            What that means for each photo with a line, in the order of ``rows``.
        """

    @abstractmethod
    def add(self, label: str) -> None:
        """Add a label, unknown for all photos."""

    @abstractmethod
    def remove(self, label: str) -> None:
        """Remove a label that is unknown for all photos."""

    @abstractmethod
    def rename(self, label: str, to: str) -> None:
        """Give a label another name."""

    @abstractmethod
    def check_name(self, label: str) -> None:
        """Check that a label can have a name.

        Raises:
            InputError: The table has another column of this name.
        """

    @abstractmethod
    def unnamed(self) -> tuple[str, ...]:
        """Return the labels that readers do not find: no photo has them, or an answer for them."""

    @abstractmethod
    def has_strangers(self, label: str) -> int:
        """Count the lines about photos that are not in the folder and have an answer for a label."""

    def check_removable(self, label: str) -> None:
        """Check that nothing but answers for photos of the folder is lost with a label.

        Raises:
            InputError: Lines about other photos have answers.
        """
        if n := self.has_strangers(label):
            raise InputError(
                f"{self.path.name} has answers for '{label}' on photos outside the folder (lines: {n}). "
                "They would be lost: remove these lines first"
            )

    def strangers(self) -> list[TextLine]:
        """Return the lines about photos that are not in the folder."""
        lines = self.lines
        return [line for line, photo in zip(lines.body, lines.photos, strict=True) if photo is None]

    @abstractmethod
    def finish(self) -> None:
        """Make sure that what was changed is read as it was meant."""

    def content(self) -> bytes:
        """Return the bytes of the file with all changes."""
        self.finish()
        text = self.lines.text.text()
        try:
            return encode_text(text, self.lines.encoding)
        except UnicodeEncodeError:  # a name that the encoding of the table lacks
            self.lines.encoding = "utf-8-sig"  # which spreadsheets recognize
            return encode_text(text, self.lines.encoding)

    def lines_about(self, photo: int) -> list[TextLine]:
        """Return the lines about a photo; a new one, with nothing but its name, if there are none."""
        if photo not in self._lines_of:
            lines = self.lines
            width = len(lines.header.cells if lines.header is not None else lines.body[0].cells)
            cells = [""] * max(width, lines.photo_column + 1)
            cells[lines.photo_column] = self._spelling.write(lines.names[photo])
            last = lines.body[-1] if lines.body else lines.header
            assert last is not None
            line = lines.text.add(cells, after=last, is_quoted=self._is_quoted)
            lines.body.append(line)
            lines.photos.append(photo)
            self._lines_of[photo] = [line]
            self._own[photo] = line
        return self._lines_of[photo]

    def drop_own_line(self, photo: int) -> TextLine | None:
        """Remove the line that was added for a photo, if it was; return it."""
        line = self._own.pop(photo, None)
        if line is not None:
            place = self.lines.body.index(line)
            del self.lines.body[place], self.lines.photos[place], self._lines_of[photo]
            self.lines.text.remove(line)
        return line

    def rows(self) -> list[int]:
        """Return the photos that have a line."""
        return sorted(self._lines_of)

    def cell(self, line: TextLine, column: int) -> str:
        """Return the text that a cell stands for; empty if the line has no such cell."""
        cells = line.cells
        return read_cell(cells[column], separator=self.lines.separator) if column < len(cells) else ""

    def table_lines(self) -> list[TextLine]:
        """Return the line of names, and all lines below it that hold anything."""
        below = [line for line in self.lines.text.below(self.lines.header) if any(map(str.strip, line.cells))]
        return below if self.lines.header is None else [self.lines.header, *below]

    def _written_names(self) -> list[tuple[str, str]]:
        column = self.lines.photo_column
        return [
            (self.cell(line, column), self.lines.names[photo])
            for line, photo in zip(self.lines.body, self.lines.photos, strict=True)
            if photo is not None
        ]


@dataclass(frozen=True, kw_only=True)
class Spelling:
    """How a table calls photos.

    Attributes:
        before: What stands before the name.
        has_folder: Whether folders are named.
        has_ending: Whether endings are.
    """

    before: str = ""
    has_folder: bool = True
    has_ending: bool = True

    def write(self, name: str) -> str:
        """Write the name of a photo, given its path below the folder of the photos."""
        path = PurePosixPath(name)
        path = path if self.has_folder else PurePosixPath(path.name)
        return self.before + str(path if self.has_ending else path.with_suffix(""))


def find_spelling(written: Sequence[tuple[str, str]], names: Sequence[str]) -> Spelling:
    """Find out how a table calls its photos.

    Args:
        written: What some lines call their photo, and its path below the folder of the photos.
        names: Such paths of all photos, which have to stay different.

    Examples:
        >>> find_spelling([("img/a.jpg", "a.jpg"), ("img/b.jpg", "b.jpg")], ["a.jpg", "b.jpg", "c.jpg"])
        Spelling(before='img/', has_folder=True, has_ending=True)
        >>> find_spelling([("a", "x/a.jpg")], ["x/a.jpg", "y/a.jpg"]).write("y/a.jpg")
        'y/a.jpg'
    """
    for has_folder in (True, False):
        for has_ending in (True, False):
            plain = Spelling(has_folder=has_folder, has_ending=has_ending)
            ending = plain.write(written[0][1]) if written else ""
            before = written[0][0].removesuffix(ending) if written and written[0][0].endswith(ending) else ""
            spelling = Spelling(before=before, has_folder=has_folder, has_ending=has_ending)
            fits = all(spelling.write(name) == text for text, name in written)
            if fits and len(set(map(spelling.write, names))) == len(names):
                return spelling
    return Spelling()
