"""Read a folder per label.

In:  ``beach/a.jpg``, ``boat/a.jpg``: the name of a folder is a label of every photo in it. One more level
     of folders above (``train/``, ``valid/``, ``test/``) tells the split.
Out: RawTable; labels sorted by name. The same photo in several folders is one photo with several labels.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path, PurePosixPath

from manylabel.data.find import find_photos
from manylabel.data.parsing.raw import LabelSource, RawRow, RawTable, collect_labels
from manylabel.data.parsing.values import clean_label, read_part
from manylabel.data.parsing.wording import count, folder_title, list_some
from manylabel.errors import PhotoError, TableError
from manylabel.types import Part


@dataclass(frozen=True, kw_only=True)
class _Placed:
    """A photo and what its place says: its label, and its part of the split."""

    path: Path
    name: str
    label: str
    part: Part | None


def read_folders(source: LabelSource) -> RawTable:
    """Read a folder per label.

    Copies are known by file name and content: two photos may share a name. Photos outside of any label
    folder are left out with a note, as nothing says that no label applies to them.

    Raises:
        TableError: It is a file, or no photo lies in a subfolder.
        PhotoError: A photo cannot be read to compare it with one of the same name.
    """
    root = source.path
    if not root.is_dir():
        raise TableError([f"{root}: is a file, expected a folder with a subfolder per label"])
    names = {path: path.relative_to(root).as_posix() for path in find_photos(root)}
    has_parts = _has_parts(list(names.values()))
    placed = [_place(path, name, has_parts=has_parts) for path, name in names.items()]
    outside = [photo.name for photo in placed if not photo.label]
    groups = _group_copies([photo for photo in placed if photo.label])
    if not groups:
        raise TableError([f"{root}: no photo lies in a subfolder, expected a subfolder per label"])
    rows = [_make_row(group, root=root) for group in groups]
    labels = collect_labels(rows)
    return RawTable(
        rows=tuple(rows),
        labels=labels,
        title=folder_title(root),
        form=f"a folder per label ({count(len(labels), 'label')})",
        where=folder_title(root),
        notes=tuple(_write_notes(rows, outside)),
        problems=tuple(_find_problems(groups, labels, title=folder_title(root))),
    )


def _write_notes(rows: Sequence[RawRow], outside: Sequence[str]) -> Iterator[str]:
    several = [row.names[0] for row in rows if len(row.present) > 1]
    if several:
        yield f"{count(len(several), 'photo')} in several label folders: {list_some(several)}"
    if outside:
        yield f"{count(len(outside), 'photo')} in no label folder left out: {list_some(outside)}"


def _find_problems(
    groups: Sequence[Sequence[_Placed]], labels: Sequence[str], *, title: str
) -> Iterator[str]:
    if len(labels) == 1:
        yield f"{title}: all photos lie in one subfolder, '{labels[0]}'; expected a subfolder per label"
    for group in groups:
        if len({photo.part for photo in group}) > 1:
            names = " and ".join(photo.name for photo in group)
            yield f"{title}: the same photo lies in two parts of the split: {names}"


def _has_parts(names: Sequence[str]) -> bool:
    """Tell whether all folders at the top are parts of a split, with folders of photos in them."""
    folders = [PurePosixPath(name).parts[:-1] for name in names]
    tops = {folder[0] for folder in folders if folder}
    return all(read_part(top) for top in tops) and any(len(folder) > 1 for folder in folders)


def _place(path: Path, name: str, *, has_parts: bool) -> _Placed:
    folders = PurePosixPath(name).parts[:-1]
    part = read_part(folders[0]) if has_parts and folders else None
    below = folders[1:] if has_parts else folders
    return _Placed(path=path, name=name, label=clean_label(below[0]) if below else "", part=part)


def _group_copies(photos: Sequence[_Placed]) -> list[list[_Placed]]:
    """Group the files that are one photo; only files of the same name and size are opened."""
    alike: dict[tuple[str, int], list[_Placed]] = defaultdict(list)
    for photo in photos:
        alike[photo.path.name, photo.path.stat().st_size].append(photo)
    groups: dict[tuple[str, int, bytes], list[_Placed]] = defaultdict(list)
    for (name, size), same in alike.items():
        for photo in same:
            content = _hash_content(photo.path) if len(same) > 1 else b""
            groups[name, size, content].append(photo)
    return sorted(groups.values(), key=lambda group: group[0].name)


def _hash_content(path: Path) -> bytes:
    try:
        return sha256(path.read_bytes()).digest()
    except OSError as error:
        raise PhotoError(path, f"cannot be read: {error.strerror}") from error


def _make_row(group: Sequence[_Placed], *, root: Path) -> RawRow:
    first, *copies = group
    return RawRow(
        names=(first.name,),
        folder=root,
        where=f"{folder_title(root)}{first.name}",
        present=frozenset(photo.label for photo in group),
        part=first.part,
        copies=tuple(photo.name for photo in copies),
    )
