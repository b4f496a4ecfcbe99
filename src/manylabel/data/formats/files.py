"""Find files of labels: one per part of the split, or one per photo.

In:  a folder with ``train/``, ``valid/`` and ``test/``, each with a file of labels; a folder of photos; the
     name of an annotation file and the name of the photo that it holds.
Out: those files with their parts, and one RawTable of all of them; the level at which folders name parts; the
     names to look for a photo by.
"""

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from manylabel.data.find import is_photo_name, list_visible
from manylabel.data.formats.base import RawRow, RawTable
from manylabel.data.formats.values import read_part
from manylabel.data.wording import count, folder_title
from manylabel.errors import TableError
from manylabel.types import Part


@dataclass(frozen=True, kw_only=True)
class PartFile:
    """Hold one file of labels of a data set.

    Attributes:
        path: The file.
        title: What errors and notes call it: its path below the folder of the data set.
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
    forms = list(dict.fromkeys(table.form for _, table in tables))
    form = format_name if forms == [format_name] else f"{format_name}: {'; '.join(forms)}"
    if not more and tables[0][0].part is None:
        return replace(first, form=form)
    labels = tuple(dict.fromkeys(label for _, table in tables for label in table.labels))
    rows = [_adopt(row, file, table, labels=labels) for file, table in tables for row in table.rows]
    title = f"{folder_title(root)} ({count(len(tables), 'file')})"
    return RawTable(
        rows=tuple(rows),
        labels=labels if first.is_declared else tuple(sorted(labels)),
        title=title,
        form=form,
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
    """Say which files are called after one photo and name another one.

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
