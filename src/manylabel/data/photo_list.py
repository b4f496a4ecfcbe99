"""List photos without keeping all of their names in memory.

In:  a folder; or a list: a text file with a line per photo, a CSV or Parquet file with a column of photos.
Out: their names in a fixed order, one after the other, and the file or address of each.
"""

import csv
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Protocol

from manylabel.data.find import is_broken_link, is_photo_name, missing_file
from manylabel.data.remote import NoPhoto, Photo, RemotePhoto, check_scheme, is_remote, locate_photo
from manylabel.errors import InputError, did_you_mean, needs_extra
from manylabel.io.csv_text import allow_long_cells, unguard
from manylabel.io.files import absolute_path, file_sha256

LIST_ENDINGS = (".txt", ".csv", ".tsv", ".parquet")
PHOTO_COLUMNS = ("image", "photo", "path", "file", "filename", "file_name", "url", "name")
"""Names of the column of photos, in lower case; the first one that a list has is taken."""

_N_LOOKED_AT = 100


class PhotoList(Protocol):
    """Photos in a fixed order."""

    def names(self) -> Iterator[str]:
        """Yield what to call each photo; the same names in the same order at every call."""

    def find(self, name: str) -> Photo:
        """Return where a photo is."""

    def describe(self) -> dict[str, str | int]:
        """Describe the list, so that another one can be told apart."""


def is_photo_list(path: Path) -> bool:
    """Tell whether a path is a list of photos, and neither a photo nor a folder.

    Examples:
        >>> is_photo_list(Path("photos.csv")), is_photo_list(Path("a.jpg"))
        (True, False)
    """
    return path.suffix.lower() in LIST_ENDINGS and not path.is_dir()


def open_photo_list(path: Path, *, column: str | None = None) -> PhotoList:
    """Open a folder or a list of photos.

    Args:
        path: A folder, or a file that ends in one of ``LIST_ENDINGS``. Relative paths in a list start from
            the folder of the list.
        column: Column of a CSV or Parquet file; not given: the first of ``PHOTO_COLUMNS``, else the only one.

    Raises:
        InputError: It does not exist, is no list, has no such column, or holds no photo.
        MissingExtraError: A library that the list needs is not installed.
    """
    if path.is_dir():
        photos: PhotoList = PhotoFolder(path)
    elif not path.exists():
        raise InputError(missing_file(path))
    elif is_photo_list(path):
        photos = PhotoListFile(path, column=column)
    else:
        known = ", ".join(LIST_ENDINGS)
        raise InputError(f"{path}: expected a folder of photos, or a list of photos ending in {known}")
    first = list(islice(photos.names(), _N_LOOKED_AT))
    if not first:
        raise InputError(f"{path}: contains no photos")
    _check_first([photos.find(name) for name in first], path)
    return photos


def _check_first(photos: Sequence[Photo], path: Path) -> None:
    """Refuse a list whose paths start from another folder than its own."""
    named = [photo for photo in photos if not isinstance(photo, NoPhoto)]
    files = [photo for photo in named if isinstance(photo, Path)]
    for number, photo in enumerate(photos, start=1):
        if isinstance(photo, RemotePhoto):
            try:
                check_scheme(photo.scheme)
            except InputError as error:
                raise InputError(f"{path}: photo {number}, {photo.url}: {error}") from error
    if files and len(files) == len(named) and not (path.is_dir() or any(map(_exists, files))):
        raise InputError(
            f"{path}: none of the first {len(files)} paths exist, e.g. {files[0]}; relative paths start from "
            "the folder of the list"
        )


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # e.g. a name that is too long
        return False


class PhotoFolder:
    """The photos of a folder and its subfolders, by their endings, in the order of ``find_photos``.

    Hidden files and folders are skipped. A link that leads nowhere is a photo that cannot be read. A link to
    a folder is followed if it leads out of this folder; every
    folder is visited once.

    Args:
        folder: The folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def names(self) -> Iterator[str]:
        """Yield the paths below the folder; only the names in one folder at a time are in memory."""
        yield from self._walk(self._folder, "", root=self._folder.resolve(), seen=set())

    def _walk(self, folder: Path, prefix: str, *, root: Path, seen: set[tuple[int, int]]) -> Iterator[str]:
        with _listing(folder):
            identity = folder.stat()
        if (identity.st_dev, identity.st_ino) in seen:
            return
        seen.add((identity.st_dev, identity.st_ino))
        for name, is_folder, is_link in _list_entries(folder):
            if not is_folder:
                yield prefix + name
            elif not (is_link and _is_visible_below(root, (folder / name).resolve())):
                yield from self._walk(folder / name, f"{prefix}{name}/", root=root, seen=seen)

    def find(self, name: str) -> Path:
        """Return the file of a photo."""
        return self._folder / name

    def describe(self) -> dict[str, str | int]:
        """Return the folder; its photos are compared part by part."""
        return {"kind": "folder", "path": absolute_path(self._folder)}


def _is_visible_below(root: Path, folder: Path) -> bool:
    """Tell whether a folder is listed under its own name as well."""
    return folder.is_relative_to(root) and not any(
        name.startswith(".") for name in folder.relative_to(root).parts
    )


@contextmanager
def _listing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(f"{folder}: cannot be listed: {error.strerror}") from error


def _list_entries(folder: Path) -> list[tuple[str, bool, bool]]:
    """List the photos and folders in a folder: name, whether it is a folder, whether it is a link; sorted."""
    with _listing(folder), os.scandir(folder) as entries:
        found = [
            (entry.name, is_folder, entry.is_symlink())
            for entry in entries
            if not entry.name.startswith(".")
            and ((is_folder := _is_folder(entry)) or (is_photo_name(entry.name) and _is_file(entry)))
        ]
    found.sort()
    return found


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Tell whether an entry is a folder; a link that leads to itself is none."""
    return Path(entry.path).is_dir() if entry.is_symlink() else entry.is_dir()


def _is_file(entry: os.DirEntry[str]) -> bool:
    path = Path(entry.path)
    return path.is_file() or is_broken_link(path) if entry.is_symlink() else entry.is_file()


class PhotoListFile:
    """The photos of a text, CSV or Parquet file, row by row, each as often as it is listed.

    Args:
        path: The file.
        column: Column of the photos; not given: it is found by its name.

    Raises:
        InputError: There is no such column.
    """

    def __init__(self, path: Path, *, column: str | None = None) -> None:
        self._path = path
        self._column = column

    def names(self) -> Iterator[str]:
        """Yield paths and addresses as they are written, one per row; empty lines are none."""
        try:
            yield from self._cells()
        except csv.Error as error:
            raise InputError(f"{self._path}: is not a CSV file: {error}") from error
        except UnicodeDecodeError as error:
            raise InputError(f"{self._path}: is not UTF-8 text: {error.reason}; save it as UTF-8") from error
        except OSError as error:
            raise InputError(f"{self._path}: cannot be read: {error.strerror or error}") from error

    def _cells(self) -> Iterator[str]:
        match self._path.suffix.lower():
            case ".parquet":
                yield from self._parquet_cells()
            case ".csv" | ".tsv":
                yield from self._csv_cells()
            case _:
                # Names on disk need not be UTF-8; surrogates stand for other bytes, as in paths.
                with self._path.open(encoding="utf-8-sig", errors="surrogateescape") as lines:
                    yield from (line.rstrip("\r\n") for line in lines if line.strip())

    def _csv_cells(self) -> Iterator[str]:
        allow_long_cells()
        with self._path.open(encoding="utf-8-sig", newline="") as file:
            line = file.readline()
            file.seek(0)
            rows = csv.reader(file, delimiter=max(",;\t", key=line.count))
            first = next(rows, [])
            with_photo = [number for number, cell in enumerate(first) if _is_photo(cell)]
            if with_photo and self._column is None:
                number = with_photo[0]
                yield unguard(first[number])  # a list without column names
            else:
                number = first.index(self._find_column(first))
            for row in rows:
                if not row:
                    continue
                if number >= len(row):
                    raise InputError(
                        f"{self._path}, line {rows.line_num}: {len(row)} cells, expected {number + 1} or more"
                    )
                yield unguard(row[number])

    def _parquet_cells(self) -> Iterator[str]:
        with needs_extra("Reading Parquet files", "parquet"):
            from pyarrow import ArrowException, types
            from pyarrow.parquet import ParquetFile
        try:
            with ParquetFile(self._path) as file:
                column = self._find_column(file.schema_arrow.names)
                kind = file.schema_arrow.field(column).type
                if not (types.is_string(kind) or types.is_large_string(kind)):
                    raise InputError(
                        f"{self._path}: column '{column}' contains {kind}, expected text; choose another one "
                        "with --photo-column"
                    )
                for batch in file.iter_batches(columns=[column]):
                    yield from ("" if cell is None else cell for cell in batch.column(0).to_pylist())
        except ArrowException as error:
            raise InputError(f"{self._path}: is not a Parquet file: {error}") from error

    def _find_column(self, columns: list[str]) -> str:
        if self._column is not None:
            if self._column in columns:
                return self._column
            hint = did_you_mean(self._column, columns) or f"; columns: {', '.join(columns) or 'none'}"
            raise InputError(f"{self._path}: has no column '{self._column}'{hint}")
        by_name = {column.strip().lower(): column for column in reversed(columns)}
        for name in PHOTO_COLUMNS:
            if name in by_name:
                return by_name[name]
        if len(columns) == 1:
            return columns[0]
        raise InputError(
            f"{self._path}: cannot tell which column has the photos; set --photo-column. Columns: "
            f"{', '.join(columns) or 'none'}"
        )

    def find(self, name: str) -> Photo:
        """Return the file of a photo, or its address."""
        return locate_photo(name, folder=self._path.parent)

    def describe(self) -> dict[str, str | int]:
        """Return the file, its hash and the number of its photos; all of it is read once."""
        return {
            "kind": "list",
            "path": absolute_path(self._path),
            "sha256": file_sha256(self._path),
            "n_photos": sum(1 for _ in self.names()),
        }


def _is_photo(cell: str) -> bool:
    return is_remote(cell) or is_photo_name(cell)
