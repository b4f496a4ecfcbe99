"""What a format of labels is made of, and what its reader takes and gives.

In:  a source: a file or folder, the settings of the user for it, and which photos there are; a folder with
     ``train/``, ``valid/`` and ``test/``, each with a file of labels; the names of an annotation file.
Out: RawTable: the labels as the file gives them, or one of all parts; ``read.py`` makes a LabelTable of it,
     whatever the format. The files with their parts; the level at which folders name parts.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from manylabel.config import DataConfig
from manylabel.data.find import is_photo_name, list_visible
from manylabel.data.formats.contents import read_part
from manylabel.data.formats.memo import Memo
from manylabel.data.wording import count, folder_title
from manylabel.errors import TableError
from manylabel.types import Part

FindPhotos = Callable[[str], tuple[int, ...]]
"""Returns the numbers of the photos that a name may mean; empty if there is no such photo."""


def find_none(name: str) -> tuple[int, ...]:
    """Find no photo, for readers without a folder of photos."""
    return ()


@dataclass(frozen=True, kw_only=True)
class LabelSource:
    """A file or folder of labels to read.

    Attributes:
        path: A file, or a folder of files.
        config: How to read it; its paths are not used.
        find: Finds the photos that a cell may name.
        find_number: Finds the photos that are called by a number, other leading zeros aside.
        memo: What was read of it before; None where its files may change.
    """

    path: Path
    config: DataConfig = field(default_factory=DataConfig)
    find: FindPhotos = find_none
    find_number: FindPhotos = find_none
    memo: Memo | None = field(default=None, compare=False)

    @property
    def folder(self) -> Path:
        """Return the folder that names of photos may be relative to."""
        return self.path if self.path.is_dir() else self.path.parent

    def names_photo(self, text: str) -> bool:
        """Tell whether a text is the name of a photo: of one that is there, or by its ending."""
        return bool(text) and (is_photo_name(text) or bool(self.find(text)))


@dataclass(frozen=True, kw_only=True)
class RawRow:
    """The labels of one photo, as one line or one annotation gives them.

    Attributes:
        names: Names of the photo: as written, then other spellings to try in turn. Where photos of several
            folders have one name, the folder belongs into it.
        folder: Folder that the names may be relative to.
        where: Location for messages, e.g. ``"labels.csv, line 7"``.
        present: Labels that apply.
        unknown: Labels that are unknown, none of them present. Every label in neither set is absent.
        part: The given part of the split.
        duplicates: Names of further files that are the same photo.
    """

    names: tuple[str, ...]
    folder: Path
    where: str
    present: frozenset[str]
    unknown: frozenset[str] = frozenset()
    part: Part | None = None
    duplicates: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class RawTable:
    """The content of a file of labels.

    Attributes:
        rows: The labels of each photo, in the order of the file.
        labels: Label names, each once, in the order of the columns of the targets.
        title: What was read, e.g. ``"labels.csv"``.
        kind: What it was read as, e.g. ``"COCO"``.
        where: Location of the labels' names, e.g. ``"labels.csv, line 1"``.
        is_declared: The file lists its labels; labels that it does not list are unknown.
        is_catalogue: The list is longer than what is used (COCO has 80 categories): labels without photos are
            left out; in other tables they are a problem.
        is_line_per_row: Each row is a line of the file, in its order.
        noted_joined: Labels that a note already reports as perhaps several in one.
        repair: What to do if two rows about one photo contradict each other, for the error.
        notes: Notes for the user that do not stop the run, one sentence each.
        problems: Reasons to stop the run, one sentence each.

    Raises:
        ValueError: A label is named twice or empty, or a row has one that is not listed; the reader should
            have reported it.
    """

    rows: tuple[RawRow, ...]
    labels: tuple[str, ...]
    title: str
    kind: str
    where: str
    is_declared: bool = False
    is_catalogue: bool = False
    is_line_per_row: bool = False
    noted_joined: frozenset[str] = frozenset()
    repair: str = "keep one of them"
    notes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check the labels, and that every row has only these."""
        listed = frozenset(self.labels)
        if len(listed) != len(self.labels) or "" in listed:
            raise ValueError(f"labels must be named, each once: {self.labels}")
        for row in self.rows:
            if not (row.present <= listed and row.unknown <= listed):
                other = sorted((row.present | row.unknown) - listed)
                raise ValueError(f"{row.where}: its labels {other} are not among those of the table")

    @property
    def source(self) -> str:
        """Describe how the labels were read."""
        return f"{self.title}, read as {self.kind}"


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
        fits_folder: Tells whether a folder has this format. It is asked where no table and no JSON or XML
            file of the folder gives labels, and raises TableError where that cannot be decided.
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
    """Return the labels that occur in some rows, sorted."""
    return tuple(sorted({label for row in rows for label in row.present | row.unknown}))


@dataclass(frozen=True, kw_only=True)
class PartFile:
    """A file of labels, one of several of a data set.

    Attributes:
        path: The file.
        title: Its path below the folder of the data set, for messages.
        part: The part of the split that its folder names, None where it names none.
    """

    path: Path
    title: str
    part: Part | None = None


def list_part_files(root: Path, is_wanted: Callable[[str], bool]) -> list[PartFile]:
    """List the files of labels in a folder, and in those of its subfolders that name a part of the split.

    Args:
        root: The folder, or one file, which is taken whatever it is called.
        is_wanted: Tells from its name in lower case whether a file holds labels.

    Returns:
        The files of the subfolders, else those of the folder itself; sorted.
    """
    if not root.is_dir():
        return [PartFile(path=root, title=root.name)]
    folders = [entry for entry in list_visible(root) if read_part(entry.name) and entry.is_dir()]
    found = [
        PartFile(path=path, title=f"{folder.name}/{path.name}", part=read_part(folder.name))
        for folder in folders
        for path in list_wanted_files(folder, is_wanted)
    ]
    return found or [PartFile(path=path, title=path.name) for path in list_wanted_files(root, is_wanted)]


def require_part_files(root: Path, is_wanted: Callable[[str], bool], *, expected: str) -> list[PartFile]:
    """List files as ``list_part_files`` does.

    Args:
        root: The folder or file.
        is_wanted: Tells from its name in lower case whether a file holds labels.
        expected: What such a file is called, for the error.

    Raises:
        TableError: There is none.
    """
    files = list_part_files(root, is_wanted)
    if not files:
        raise TableError([f"{root}: no {expected} in this folder, or in train/, valid/ and test/ in it"])
    return files


def find_only_file(path: Path, extensions: Sequence[str]) -> Path:
    """Return a file as it is, and of a folder the only file of some kind in it.

    Args:
        path: The file or folder.
        extensions: Endings of the kind, in lower case.

    Raises:
        TableError: The folder holds no such file, or several.
    """
    if not path.is_dir():
        return path
    found = list_wanted_files(path, lambda name: name.endswith(tuple(extensions)))
    if len(found) == 1:
        return found[0]
    held = "several" if found else "none"
    kinds = ", ".join(extensions)
    raise TableError([f"{path}: is a folder with {held} of these files: {kinds}; name the file of labels"])


_BESIDE_PART = re.compile(r"(?:images?|imgs?|photos?|set|data|split)|[\W_\d]+")


def read_folder_part(name: str) -> Part | None:
    """Read the part of the split that a folder of photos names, as collections call it.

    Examples:
        >>> read_folder_part("train2017"), read_folder_part("test_images"), read_folder_part("images")
        ('train', 'test', None)
    """
    return read_part(name) or read_part(_BESIDE_PART.sub("", name.lower()))


def find_part_level(folders: Sequence[tuple[str, ...]]) -> int | None:
    """Find the level at which the folders of all photos name parts of the split, at least two of them.

    Args:
        folders: The folders that each photo lies in, the outermost first.

    Returns:
        The outermost such level, from 0 on; None where there is none.

    Examples:
        >>> find_part_level([("images", "train"), ("images", "val")]), find_part_level([("train",), ("bus",)])
        (1, None)
    """
    names = set(folders)
    for level in range(min(map(len, names), default=0)):
        parts = {read_folder_part(name[level]) for name in names}
        if len(parts) > 1 and None not in parts:
            return level
    return None


def list_wanted_files(folder: Path, is_wanted: Callable[[str], bool]) -> list[Path]:
    """List the files directly in a folder whose names in lower case are wanted; hidden ones never are."""
    return [path for path in list_visible(folder) if is_wanted(path.name.lower()) and path.is_file()]


def join_tables(tables: Sequence[tuple[PartFile, RawTable]], *, root: Path, format_name: str) -> RawTable:
    """Make one table of those of all parts.

    Args:
        tables: The tables, each with its file.
        root: Folder of the data set, or its only file.
        format_name: Name of the format, for the user.

    Returns:
        The rows of all tables. Labels keep the order in which they first appear where the files list their
        labels, and are sorted where they do not; what one file's list lacks is unknown in its rows.
    """
    [first, *more] = [table for _, table in tables]
    kinds = list(dict.fromkeys(table.kind for _, table in tables))
    kind = format_name if kinds == [format_name] else f"{format_name}: {'; '.join(kinds)}"
    if not more and tables[0][0].part is None:
        return replace(first, kind=kind)
    labels = tuple(dict.fromkeys(label for _, table in tables for label in table.labels))
    rows = [_adopt(row, file, table, labels=labels) for file, table in tables for row in table.rows]
    title = f"{folder_title(root)} ({count(len(tables), 'file')})"
    return RawTable(
        rows=tuple(rows),
        labels=labels if first.is_declared else tuple(sorted(labels)),
        title=title,
        kind=kind,
        where=title,
        is_declared=first.is_declared,
        is_catalogue=first.is_catalogue,
        repair=first.repair,
        notes=tuple(note for _, table in tables for note in table.notes),
        problems=tuple(problem for _, table in tables for problem in table.problems),
    )


def _adopt(row: RawRow, file: PartFile, table: RawTable, *, labels: Sequence[str]) -> RawRow:
    unlisted = frozenset(labels).difference(table.labels) if table.is_declared else frozenset[str]()
    inside = PurePosixPath(file.title).parent
    return replace(
        row,
        names=tuple(_prefix(name, inside) for name in row.names),
        unknown=row.unknown | unlisted,
        part=file.part if row.part is None else row.part,
    )


def _prefix(name: str, folder: PurePosixPath) -> str:
    # The file names photos relative to itself, and the same name may be in use in every part's folder.
    return name if not name else str(folder / name)


def order_names(stem: str, written: str) -> tuple[str, ...]:
    """Put the names of a photo into the order in which they are tried.

    The name of the file itself counts: what is written in it may be older, as in files that were renamed
    together with their photos. Where both say the same, what is written has an ending, so it goes first.

    Examples:
        >>> order_names("001", "001.jpg"), order_names("001", "old.jpg"), order_names("001", "")
        (('001.jpg', '001'), ('001', 'old.jpg'), ('001',))
    """
    if not written:
        return (stem,)
    names = (stem, written) if _contradicts(stem, written) else (written, stem)
    return tuple(dict.fromkeys(names))


def describe_contradictions(rows: Sequence[RawRow], *, where: str, written_in: str) -> tuple[str, ...]:
    """Describe files that have the name of one photo and contain the name of another.

    Args:
        rows: A row per file, with the names of ``order_names``.
        where: Name of what was read.
        written_in: Key or element that holds the name of the photo.
    """
    odd = [row for row in rows if len(row.names) > 1 and _contradicts(*row.names)]
    if not odd:
        return ()
    files = count(len(odd), "file")
    return (
        f"{where}: {files} whose {written_in} is not the name of the file, e.g. '{odd[0].names[1]}' in "
        f"{odd[0].where}; the name of the file counts where there is such a photo",
    )


def find_stem(name: str) -> str:
    r"""Cut folders and the ending of a photo.

    Examples:
        >>> find_stem(r"..\images\a.1.jpg"), find_stem("a.1")
        ('a.1', 'a.1')
    """
    last = name.replace("\\", "/").rpartition("/")[2]
    return last.rpartition(".")[0] if is_photo_name(last) else last


def _contradicts(stem: str, written: str) -> bool:
    first, second = (unicodedata.normalize("NFC", find_stem(name)).casefold() for name in (stem, written))
    return first != second
