"""What a reader hands on: the labels as a file tells them, before photos are looked for.

In:  what one format says.
Out: RawTable; ``assemble.py`` turns it into a LabelTable, in the same way for every format.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

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


Reader = Callable[[LabelSource], RawTable]
"""The shape of every reader. It raises TableError for what cannot be read at all, and lists all else."""


def collect_labels(rows: Iterable[RawRow]) -> tuple[str, ...]:
    """Name the labels that occur in some rows, sorted."""
    return tuple(sorted({label for row in rows for label in row.present | row.unknown}))
