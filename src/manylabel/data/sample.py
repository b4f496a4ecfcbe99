"""The sample set: 200 drawn postcards from a lake city, with their table of labels.

In:  a folder, the number of postcards.
Out: images/0001.jpg ... and labels.csv: columns image and labels, joined by ";", empty where none applies.

The pictures lie beside this file; ``tools/postcards`` of the repository drew them.
"""

import re
import shutil
from pathlib import Path

from manylabel.errors import ConfigError
from manylabel.io.folders import new_folder

N_SAMPLE_PHOTOS = 200

_SET = Path(__file__).parent / "postcards"
_OWN_FILES = re.compile(r"labels\.csv|images/\d{4,}\.jpg")


def sample_photos(n_photos: int) -> list[Path]:
    """Return the paths of the first postcards in the installed package.

    Args:
        n_photos: How many, from 1 to 200.
    """
    return sorted((_SET / "images").glob("*.jpg"))[:n_photos]


def is_sample(folder: Path) -> bool:
    """Tell whether a folder holds postcards and no other photos; its labels may have changed."""
    wanted = {photo.name: photo.stat().st_size for photo in sample_photos(N_SAMPLE_PHOTOS)}
    images = folder / "images"
    found = {photo.name: photo.stat().st_size for photo in images.iterdir()} if images.is_dir() else {}
    return bool(found) and found.items() <= wanted.items()


def write_sample(out: Path | str, *, n_photos: int = N_SAMPLE_PHOTOS, overwrite: bool = False) -> Path:
    """Copy the sample set into a folder.

    Args:
        out: Folder to create.
        n_photos: How many postcards, the first of the set: from 1 to 200.
        overwrite: Replace a sample set in ``out``.

    Returns:
        The table of labels, ``out/labels.csv``; the pictures lie in ``out/images``.

    Raises:
        ConfigError: ``n_photos`` is not from 1 to 200.
        OutputError: The folder is taken, holds other files or cannot be written to.

    Examples:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     table = write_sample(Path(folder) / "postcards", n_photos=2)
        ...     print(table.read_text(encoding="utf-8"), end="")
        image,labels
        images/0001.jpg,lake;bridge;pagoda;lantern;moon
        images/0002.jpg,lake;pagoda;boat;tree;sun
    """
    if not 1 <= n_photos <= N_SAMPLE_PHOTOS:
        raise ConfigError(f"n_photos: given {n_photos}, expected 1 to {N_SAMPLE_PHOTOS}")
    out = Path(out)
    with new_folder(out, replaces=_OWN_FILES if overwrite else None) as folder:
        (folder / "images").mkdir()
        for photo in sample_photos(n_photos):
            shutil.copyfile(photo, folder / "images" / photo.name)
        lines = (_SET / "labels.csv").read_text(encoding="utf-8").splitlines(keepends=True)
        (folder / "labels.csv").write_text("".join(lines[: n_photos + 1]), encoding="utf-8", newline="")
    return out / "labels.csv"
