"""What a format of labels is made of, and what its reader takes and gives.

In:  a source: a file or folder, what the user said about it, and which photos there are.
Out: RawTable: the labels as the file gives them; ``read.py`` makes a LabelTable of it, whatever the format.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from manylabel.config import DataConfig
from manylabel.data.find import is_photo_name
from manylabel.types import Part

FindPhotos = Callable[[str], tuple[int, ...]]
"""Gives the numbers of the photos that a name may stand for; none where there is no such photo."""


def find_none(name: str) -> tuple[int, ...]:
    """Find no photo: what a reader works with where no folder of photos is known."""
    return ()


@dataclass(frozen=True, kw_only=True)
class LabelSource:
    """What a reader is asked to read.

    Attributes:
        path: A file, or a folder of files.
        form: What the user said about it; its paths are not used.
        find: Finds the photos that a cell may name.
        find_number: Finds the photos that are called by a number, other leading zeros aside.
    """

    path: Path
    form: DataConfig = field(default_factory=DataConfig)
    find: FindPhotos = find_none
    find_number: FindPhotos = find_none

    @property
    def folder(self) -> Path:
        """Return the folder that names of photos may be relative to."""
        return self.path if self.path.is_dir() else self.path.parent

    def names_photo(self, text: str) -> bool:
        """Tell whether a text is the name of a photo: of one that is there, or by its ending."""
        return bool(text) and (is_photo_name(text) or bool(self.find(text)))


@dataclass(frozen=True, kw_only=True)
class RawRow:
    """Hold what one line, or one annotation, says about one photo.

    Attributes:
        names: What the photo is called: as written, then other spellings to try in turn.
        folder: Folder that the names may be relative to.
        where: Place to send the user to, e.g. ``"labels.csv, line 7"``.
        present: Labels that apply.
        unknown: Labels of which nothing is known. Every label in neither set is absent.
        part: The given part of the split.
        copies: Names of further files that are the same photo.
    """

    names: tuple[str, ...]
    folder: Path
    where: str
    present: frozenset[str]
    unknown: frozenset[str] = frozenset()
    part: Part | None = None
    copies: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class RawTable:
    """Hold everything that a file of labels says.

    Attributes:
        rows: What is said about each photo, in the order of the file.
        labels: Label names, each once, in the order of the columns of the targets.
        title: What was read, e.g. ``"labels.csv"``.
        form: What it was read as, e.g. ``"COCO"``.
        where: Place of the labels' names, e.g. ``"labels.csv, line 1"``.
        is_declared: The file lists its labels; what it does not list, it says nothing about.
        is_catalogue: The list is one that is used in parts (COCO's 80 categories): labels of which no photo
            carries any are left out, where in a table they are a problem.
        told_joined: Labels of which a note tells already that they may be several in one.
        repair: What to do where two rows about one photo contradict each other, for the error.
        notes: What the user should know but what stops nothing, one sentence each.
        problems: What stops the run, one sentence each.

    Raises:
        ValueError: A label is named twice or empty; the reader has to tell the user.
    """

    rows: tuple[RawRow, ...]
    labels: tuple[str, ...]
    title: str
    form: str
    where: str
    is_declared: bool = False
    is_catalogue: bool = False
    told_joined: frozenset[str] = frozenset()
    repair: str = "keep one of them"
    notes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check the names of the labels."""
        if len(set(self.labels)) != len(self.labels) or "" in self.labels:
            raise ValueError(f"labels must be named, each once: {self.labels}")

    @property
    def source(self) -> str:
        """Say how the labels were read, for the table of labels."""
        return f"{self.title}, read as {self.form}"


Layout = Literal["one-hot", "lists"]
"""How the columns of a table give labels: a column per label, or labels in the cells of a column."""


def _never(_: Any) -> bool:
    return False


@dataclass(frozen=True, kw_only=True)
class LabelFormat:
    """A format of labels: what it is, how it is recognized, how it is read.

    Attributes:
        name: What ``--format`` and ``data.format`` call it.
        title: What errors call it.
        description: What it is, in one line, for ``--format`` help and docs/formats.md.
        read: The reader. It raises TableError for what cannot be read at all, and lists all other problems.
        takes_delimiter: The user may give the text between two labels of a cell.
        file_names: Names of files, in lower case, that have this format, alone or in a folder.
        extensions: Endings of single files that have this format.
        layout: How a table of this format gives labels.
        has_document: Tells from the content of a JSON file whether it has this format.
        document: What that content is, for errors.
        root_tag: Root element of an XML file of this format.
        fits_folder: Tells whether a folder has this format although no file directly in it gives labels. It
            raises TableError where that cannot be decided.
    """

    name: str
    title: str
    description: str
    read: Callable[[LabelSource], RawTable]
    takes_delimiter: bool = False
    file_names: frozenset[str] = frozenset()
    extensions: frozenset[str] = frozenset()
    layout: Layout | None = None
    has_document: Callable[[Any], bool] = _never
    document: str = ""
    root_tag: str = ""
    fits_folder: Callable[[Path], bool] = _never


def collect_labels(rows: Iterable[RawRow]) -> tuple[str, ...]:
    """Name the labels that occur in some rows, sorted."""
    return tuple(sorted({label for row in rows for label in row.present | row.unknown}))
