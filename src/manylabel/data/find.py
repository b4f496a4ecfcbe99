"""Find the photos of a folder.

In:  a folder.
Out: the photo files in it and in its subfolders, sorted; what else is there; and which of that are photos
     whose file names do not end like those of photos.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from manylabel.data.wording import count, list_some
from manylabel.errors import InputError, did_you_mean, visible
from manylabel.io.files import printable

PHOTO_EXTENSIONS = frozenset(
    {
        *(".avif", ".bmp", ".gif", ".heic", ".heif", ".hif", ".j2c", ".j2k", ".jfif", ".jp2", ".jpe"),
        *(".jpeg", ".jpf", ".jpg", ".jpx", ".mpo", ".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff"),
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
        broken_links: Links with the ending of a photo that lead nowhere.
    """

    photos: tuple[Path, ...]
    others: tuple[Path, ...]
    folders: tuple[Path, ...]
    broken_links: tuple[Path, ...] = ()

    @property
    def photos_and_broken_links(self) -> tuple[Path, ...]:
        """Return what has to be read or told: a photo behind a broken link is missing."""
        return _sort([*self.photos, *self.broken_links]) if self.broken_links else self.photos


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
    check_folder(folder)
    photos, others, folders, broken = list[Path](), list[Path](), list[Path](), list[Path]()
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
            elif is_photo and is_broken_link(entry):
                broken.append(entry)
            elif entry.is_dir():
                # Links wait until every real folder was visited, so that a folder keeps its own name.
                (waiting.append if entry.is_symlink() else waiting.appendleft)(entry)
            elif not is_photo and entry.is_file():
                others.append(entry)
    return FoundFiles(
        photos=_sort(photos), others=_sort(others), folders=_sort(folders[1:]), broken_links=_sort(broken)
    )


def is_broken_link(path: Path) -> bool:
    """Tell whether a path is a link that leads nowhere."""
    return path.is_symlink() and not path.exists()


def check_folder(folder: Path) -> None:
    """Check that a folder of photos exists.

    Raises:
        InputError: It does not, or is a file.
    """
    if not folder.is_dir():
        is_what = "is a file, expected a folder of photos" if folder.exists() else "no such folder"
        raise InputError(f"{folder}: {is_what}")


def _sort(paths: Sequence[Path]) -> tuple[Path, ...]:
    return tuple(sorted(paths, key=lambda path: path.parts))


def is_photo_name(name: str) -> bool:
    """Tell whether a file name ends like that of a photo.

    Examples:
        >>> is_photo_name("lake.JPG"), is_photo_name("labels.csv")
        (True, False)
    """
    stem, _, ending = name.rpartition(".")
    return bool(stem) and f".{ending.lower()}" in PHOTO_EXTENSIONS


def missing_file(path: Path) -> str:
    """Describe a file or folder that does not exist, with the most similar name."""
    neighbors = [entry.name for entry in list_visible(path.parent)] if path.parent.is_dir() else []
    return f"{path}: no such file or folder{did_you_mean(path.name, neighbors)}"


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


MOST_OPENED = 1000
"""Most files that are opened: a folder may contain a hundred thousand that are not photos."""

# Files that go with photos everywhere, and never are one.
_NO_PHOTO = frozenset(
    {
        *(".cfg", ".csv", ".db", ".gz", ".htm", ".html", ".ini", ".ipynb", ".json", ".jsonl", ".log"),
        *(".md", ".mov", ".mp4", ".ndjson", ".npy", ".npz", ".parquet", ".pdf", ".pkl", ".pt", ".py"),
        *(".rar", ".rst", ".sh", ".svg", ".tar", ".toml", ".tsv", ".txt", ".xls", ".xlsm", ".xlsx", ".xml"),
        *(".yaml", ".yml", ".zip"),
    }
)
_N_FIRST_BYTES = 12
_BEGINNINGS = (
    b"\xff\xd8\xff",  # JPEG
    b"\x89PNG\r\n\x1a\n",
    b"GIF87a",
    b"GIF89a",
    b"II*\0",  # TIFF, and most raw files of cameras
    b"MM\0*",
    b"\0\0\0\x0cjP  ",  # JPEG 2000
    b"\xff\x4f\xff\x51",
)
_FTYP_BRANDS = frozenset({b"avif", b"avis", b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1"})


@dataclass(frozen=True, kw_only=True)
class Misnamed:
    """Photos that are not taken for photos.

    Attributes:
        paths: The files.
        has_more: There may be more, as not all files were opened.
    """

    paths: tuple[Path, ...]
    has_more: bool = False

    def describe(self, folder: Path) -> str:
        """Describe the files of a folder that are photos by their content alone."""
        names = [printable(path.relative_to(folder).as_posix()) for path in self.paths]
        some = f"{'at least ' if self.has_more else ''}{count(len(self.paths), 'file')}"
        return visible(
            f"{some} in {folder} left out that look like photos but have no known photo extension: "
            f"{list_some(names, most=3)}; rename them, e.g. to .jpg, and convert camera raw files"
        )


def find_misnamed(found: FoundFiles) -> Misnamed:
    """Find the files that are photos by their first bytes and not by their ending."""
    candidates = [path for path in found.others if path.suffix.lower() not in _NO_PHOTO]
    paths = tuple(path for path in candidates[:MOST_OPENED] if _begins_like_photo(path))
    return Misnamed(paths=paths, has_more=len(candidates) > MOST_OPENED)


def describe_misnamed(found: Sequence[tuple[Path, FoundFiles]]) -> list[str]:
    """Describe, for some folders, files that are photos by content alone; empty if there are none."""
    misnamed = [(folder, find_misnamed(files)) for folder, files in found]
    return [some.describe(folder) for folder, some in misnamed if some.paths]


def _begins_like_photo(path: Path) -> bool:
    """Tell whether the first bytes of a file are those of a photo.

    Examples:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as name:
        ...     file = Path(name) / "photo"
        ...     _ = file.write_bytes(b"GIF89a and more")
        ...     _begins_like_photo(file)
        True
    """
    try:
        with path.open("rb") as file:
            first = file.read(_N_FIRST_BYTES)
    except OSError:
        return False
    if first[4:8] == b"ftyp":
        return first[8:12] in _FTYP_BRANDS
    return first.startswith(_BEGINNINGS) or (first[:4] == b"RIFF" and first[8:12] == b"WEBP")
