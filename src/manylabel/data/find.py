"""Find the photos of a folder.

In:  a folder.
Out: the photo files in it and in its subfolders, sorted; and what else is there.
"""

from collections import deque
from dataclasses import dataclass
from pathlib import Path

from manylabel.errors import InputError

PHOTO_EXTENSIONS = frozenset(
    {
        ".avif",
        ".bmp",
        ".gif",
        ".heic",
        ".heif",
        ".hif",
        ".j2c",
        ".j2k",
        ".jfif",
        ".jp2",
        ".jpe",
        ".jpeg",
        ".jpf",
        ".jpg",
        ".jpx",
        ".mpo",
        ".pbm",
        ".pgm",
        ".png",
        ".pnm",
        ".ppm",
        ".tif",
        ".tiff",
        ".webp",
    }
)
"""Endings of the files that are taken for photos, in lower case."""


@dataclass(frozen=True, kw_only=True)
class FoundFiles:
    """What lies in a folder and its subfolders, hidden files and folders aside; all sorted.

    Attributes:
        photos: Files with the ending of a photo.
        others: Other files.
        folders: The subfolders.
    """

    photos: tuple[Path, ...]
    others: tuple[Path, ...]
    folders: tuple[Path, ...]


def find_photos(folder: Path) -> tuple[Path, ...]:
    """List the photos of a folder and its subfolders by their file endings.

    Hidden files and folders are skipped. Links are followed, but every folder is visited once, under its
    own name rather than under that of a link: a loop ends, and no photo is listed twice.

    Args:
        folder: Where to look.

    Returns:
        The files, sorted by folder and name; empty where there is none.

    Raises:
        InputError: The folder does not exist, is a file, or may not be read.

    Examples:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as name:
        ...     for photo in ("b.JPG", "a.png", ".hidden.jpg", "notes.txt"):
        ...         (Path(name) / photo).touch()
        ...     [photo.name for photo in find_photos(Path(name))]
        ['a.png', 'b.JPG']
    """
    return find_files(folder).photos


def find_files(folder: Path) -> FoundFiles:
    """List the photos of a folder as ``find_photos`` does, and everything else in it.

    Raises:
        InputError: As for ``find_photos``.
    """
    if not folder.is_dir():
        is_what = "is a file, expected a folder of photos" if folder.exists() else "no such folder"
        raise InputError(f"{folder}: {is_what}")
    photos, others, folders = list[Path](), list[Path](), list[Path]()
    waiting, seen = deque([folder]), set[tuple[int, int]]()
    while waiting:
        current = waiting.popleft()
        identity = current.stat()
        if (identity.st_dev, identity.st_ino) in seen:
            continue
        seen.add((identity.st_dev, identity.st_ino))
        folders.append(current)
        for entry in list_visible(current):
            is_photo = is_photo_name(entry.name)
            if is_photo and entry.is_file():
                photos.append(entry)
            elif entry.is_dir():
                # Links wait until every real folder was visited, so that a folder keeps its own name.
                (waiting.append if entry.is_symlink() else waiting.appendleft)(entry)
            elif not is_photo and entry.is_file():
                others.append(entry)
    return FoundFiles(photos=_sort(photos), others=_sort(others), folders=_sort(folders[1:]))


def _sort(paths: list[Path]) -> tuple[Path, ...]:
    return tuple(sorted(paths, key=lambda path: path.parts))


def is_photo_name(name: str) -> bool:
    """Tell whether a file name ends like that of a photo.

    Examples:
        >>> is_photo_name("lake.JPG"), is_photo_name("labels.csv")
        (True, False)
    """
    stem, _, ending = name.rpartition(".")
    return bool(stem) and f".{ending.lower()}" in PHOTO_EXTENSIONS


def list_visible(folder: Path) -> list[Path]:
    """List the files and folders in a folder, apart from hidden ones; sorted.

    Raises:
        InputError: The folder cannot be listed.
    """
    try:
        return sorted(
            (entry for entry in folder.iterdir() if not entry.name.startswith(".")),
            key=lambda entry: entry.name,
        )
    except OSError as error:
        raise InputError(f"{folder}: cannot be listed: {error.strerror}") from error
