"""Find the photos of a folder.

In:  a folder.
Out: the photo files in it and in its subfolders, sorted; or those of another kind.
"""

from collections import deque
from collections.abc import Callable
from pathlib import Path

from manylabel.errors import InputError

PHOTO_EXTENSIONS = frozenset(
    {
        ".avif",
        ".bmp",
        ".gif",
        ".heic",
        ".heif",
        ".jfif",
        ".jpeg",
        ".jpg",
        ".png",
        ".ppm",
        ".tif",
        ".tiff",
        ".webp",
    }
)
"""Endings of the files that are taken for photos, in lower case."""


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
    return find_files(folder, is_photo_name)


def find_files(folder: Path, is_wanted: Callable[[str], bool]) -> tuple[Path, ...]:
    """List the files of some kind in a folder and its subfolders, as ``find_photos`` does.

    Args:
        folder: Where to look.
        is_wanted: Tells from its name whether a file is of that kind.

    Raises:
        InputError: The folder does not exist, is a file, or may not be read.
    """
    if not folder.is_dir():
        is_what = "is a file, expected a folder of photos" if folder.exists() else "no such folder"
        raise InputError(f"{folder}: {is_what}")
    files: list[Path] = []
    waiting, seen = deque([folder]), set[tuple[int, int]]()
    while waiting:
        current = waiting.popleft()
        identity = current.stat()
        if (identity.st_dev, identity.st_ino) in seen:
            continue
        seen.add((identity.st_dev, identity.st_ino))
        for entry in list_visible(current):
            if is_wanted(entry.name) and entry.is_file():
                files.append(entry)
            elif entry.is_dir():
                # Links wait until every real folder was visited, so that a folder keeps its own name.
                (waiting.append if entry.is_symlink() else waiting.appendleft)(entry)
    return tuple(sorted(files, key=lambda file: file.parts))


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
