"""Find photos whose file names do not end like those of photos.

In:  what lies in a folder.
Out: the files that begin like photos, and one sentence about them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from manylabel.data.find import FoundFiles
from manylabel.data.formats.parsing.wording import count, list_some
from manylabel.errors import visible
from manylabel.io.files import printable

MOST_OPENED = 1000
"""Files that are opened: a folder may hold a hundred thousand that are no photos."""

# Files that go with photos everywhere, and never are one.
_NO_PHOTO = frozenset(
    {
        *(".cfg", ".csv", ".db", ".gz", ".htm", ".html", ".ini", ".ipynb", ".json", ".jsonl", ".log", ".md"),
        *(
            ".mov",
            ".mp4",
            ".ndjson",
            ".npy",
            ".npz",
            ".parquet",
            ".pdf",
            ".pkl",
            ".pt",
            ".py",
            ".rar",
            ".rst",
        ),
        *(".sh", ".svg", ".tar", ".toml", ".tsv", ".txt", ".xls", ".xlsm", ".xlsx", ".xml", ".yaml", ".yml"),
        ".zip",
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
        """Say which files of a folder are photos by their content alone."""
        names = [printable(path.relative_to(folder).as_posix()) for path in self.paths]
        some = f"{'at least ' if self.has_more else ''}{count(len(self.paths), 'file')}"
        return visible(
            f"{some} in {folder} left out that look like photos but have no usual ending: "
            f"{list_some(names, most=3)}; rename them, e.g. to .jpg, and convert raw files of cameras"
        )


def find_misnamed(found: FoundFiles) -> Misnamed:
    """Find the files that are photos by their first bytes and not by their ending."""
    candidates = [path for path in found.others if path.suffix.lower() not in _NO_PHOTO]
    paths = tuple(path for path in candidates[:MOST_OPENED] if _begins_like_photo(path))
    return Misnamed(paths=paths, has_more=len(candidates) > MOST_OPENED)


def describe_misnamed(found: Sequence[tuple[Path, FoundFiles]]) -> list[str]:
    """Say for some folders which of their files are photos by content alone; nothing where there are none."""
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
