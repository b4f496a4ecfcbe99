"""Take the split that the folders of the photos name, where a table gives none.

In:  the paths of the photos below their folder, and the parts that the table gives.
Out: the parts, and notes.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath

from manylabel.data.formats.parsing.parts import find_part_level, read_folder_part
from manylabel.data.formats.parsing.wording import list_some
from manylabel.types import Part

Parts = tuple[Part | None, ...]


def take_split_of_folders(names: Sequence[str], parts: Parts, *, where: str) -> tuple[Parts, tuple[str, ...]]:
    """Return the parts of photos: those that were given, else those that all of their folders name.

    Args:
        names: Paths of the photos below their folder, with forward slashes.
        parts: The part of each photo that the table gives.
        where: Name of the table, for the notes.

    Returns:
        The parts, and a note where they come from the folders, or where only some folders name one.
    """
    if any(part is not None for part in parts):
        return parts, ()
    folders = [PurePosixPath(name).parts[:-1] for name in names]
    level = find_part_level(folders)
    if level is None:
        return parts, _describe_some(names, folders, where=where)
    found = tuple(read_folder_part(folder[level]) for folder in folders)
    counted = Counter(found)
    told = ", ".join(f"{number} {part}" for part, number in counted.items())
    note = (
        f"{where}: no part of the split is given, so the folders of the photos tell it ({told}); "
        "name a part for every photo to have another split"
    )
    return found, (note,)


def _describe_some(
    names: Sequence[str], folders: Sequence[tuple[str, ...]], *, where: str
) -> tuple[str, ...]:
    """Tell of photos in folders that name parts, where the folders of the others name none."""
    has_part = [any(map(read_folder_part, folder[:2])) for folder in folders]
    named = {folder[:2] for folder, is_named in zip(folders, has_part, strict=True) if is_named}
    others = [name for name, is_named in zip(names, has_part, strict=True) if not is_named]
    if len({read_folder_part(name) for folder in named for name in folder} - {None}) < 2 or not others:
        return ()
    return (
        f"{where}: some photos lie in folders that name parts of a split "
        f"({list_some(sorted('/'.join(folder) + '/' for folder in named))}), others do not "
        f"({list_some(others, most=2)}); so these folders are not taken for the split",
    )
