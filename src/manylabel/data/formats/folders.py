"""Read a folder per label.

In:  ``beach/a.jpg``, ``boat/a.jpg``: the name of a folder is a label of every photo in it, and so is that of
     a folder around it. A level of folders called ``train/``, ``valid/``, ``test/`` gives the split.
Out: RawTable; labels sorted by name. The same photo in several folders is one photo with several labels.
     Annotation files that lie beside the photos and are not read are named in notes.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from pathlib import Path, PurePosixPath

from manylabel.data.find import FoundFiles, find_files, find_photos
from manylabel.data.formats.base import (
    LabelFormat,
    LabelSource,
    RawRow,
    RawTable,
    collect_labels,
    read_folder_part,
)
from manylabel.data.formats.folder_levels import FolderLevels, is_general, read_levels
from manylabel.data.formats.tables.grid import TABLE_EXTENSIONS
from manylabel.data.wording import count, folder_title, list_some
from manylabel.errors import PhotoError, TableError
from manylabel.io.files import printable
from manylabel.types import Part


@dataclass(frozen=True, kw_only=True)
class _FolderPhoto:
    """A photo and what its folder gives: its labels, those that stay unknown, and its part of the split."""

    path: Path
    name: str
    labels: tuple[str, ...]
    finer: frozenset[str]
    part: Part | None


def read_folders(source: LabelSource) -> RawTable:
    """Read a folder per label.

    Duplicates are known by their content. Photos outside of any label folder are left out, as nothing says
    that no label applies to them.

    Raises:
        TableError: It is a file, or no photo lies in a folder that can be a label.
        PhotoError: A photo cannot be read to compare it with one of the same size.
    """
    root = source.path
    if not root.is_dir():
        raise TableError([f"{root}: is a file, expected a folder with a subfolder per label"])
    found = find_files(root)
    names = [printable(photo.relative_to(root).as_posix()) for photo in found.photos]
    folders = [PurePosixPath(name).parts[:-1] for name in names]
    levels = read_levels(folders)
    refusal = _explain_refusal(levels, folders, root=root)
    beside = [f"{folder_title(root)}: {note}" for note in describe_annotations(found, root=root)]
    if refusal:
        raise TableError([refusal, *beside])
    placed = [
        _FolderPhoto(path=path, name=name, labels=labels, finer=finer, part=part)
        for path, name, labels, finer, part in zip(
            found.photos, names, levels.labels, levels.finer, levels.parts, strict=True
        )
        if labels
    ]
    groups = _group_duplicates(placed)
    rows = [_make_row(group, root=root) for group in groups]
    labels = collect_labels(rows)
    title = folder_title(root)
    return RawTable(
        rows=tuple(rows),
        labels=labels,
        title=title,
        kind=f"a folder per label ({count(len(labels), 'label')})",
        where=title,
        noted_joined=frozenset(levels.perhaps_joined),
        notes=(*_write_notes(levels, groups), *beside, *_describe_empty(found, root=root)),
        problems=tuple(_find_problems(groups, title=title)),
    )


def _explain_refusal(levels: FolderLevels, folders: Sequence[tuple[str, ...]], *, root: Path) -> str:
    """Explain why folders are not labels: they are parts of a split, or all photos are in one; else ""."""
    title = folder_title(root)
    labels = {label for some in levels.labels for label in some}
    if levels.part_folders and all(map(is_general, labels)):
        return (
            f"{title}: {list_some(levels.part_folders)} are parts of a split, and there is no folder per "
            "label in them; where are the labels? Name the table, or the file or folder of annotations"
        )
    if not labels:
        return f"{root}: no photo lies in a subfolder, expected a subfolder per label"
    inner = [folder[len(levels.around) :] for folder in folders]
    tops = {folder[0] for folder in inner if folder}
    divided = {folder[0] for folder in inner if len(folder) > 1}
    parts = {top for top in tops if read_folder_part(top)}
    has_several = len(set(map(read_folder_part, parts))) > 1
    if not levels.part_folders and (has_several or (parts and parts == divided)):
        return (
            f"{title}: {list_some(sorted(parts))} may be parts of a split, but not "
            f"{list_some(sorted(tops - parts))}; move the latter away, or rename the former if they are "
            "labels"
        )
    if all(map(is_general, labels)) and len(labels) > 1:
        return (
            f"{title}: the folders {list_some(sorted(labels))} name no labels; where are the labels? Name "
            "the table, or the file or folder of annotations"
        )
    if len(labels) == 1:
        only = next(iter(labels))
        return f"{title}: all photos lie in one subfolder, '{only}'; expected a subfolder per label"
    return ""


def _write_notes(levels: FolderLevels, groups: Sequence[Sequence[_FolderPhoto]]) -> Iterator[str]:
    several = [group[0].name for group in groups if len({photo.labels for photo in group}) > 1]
    if several:
        yield f"{count(len(several), 'photo')} in several label folders: {list_some(several)}"
    if levels.around:
        yield f"all photos lie in '{'/'.join(levels.around)}/', so it is not taken for a label"
    if levels.nested:
        yield (
            f"nested folders add a label to that of the outer folder: {list_some(levels.nested)}; "
            f"move their photos up to give them the outer label alone"
        )
    if levels.passed:
        yield (
            "folders that are not labels, because their name is general or has a digit, or because they hold "
            f"one photo: {list_some(levels.passed)}; rename them if they are labels"
        )
    for name, labels in sorted(levels.joined.items()):
        yield f"folder '{name}' is read as the labels {list_some(labels)}; rename it if it is one label"
    for name, labels in sorted(levels.perhaps_joined.items()):
        yield (
            f"folder '{name}' is taken for a label of its own; call it '{' & '.join(labels)}' if its photos "
            f"carry {list_some(labels)}"
        )
    if len(levels.odd) == 1:
        yield f"{list_some(levels.odd)} is taken for a label, like those beside it; move it if it is not one"
    elif levels.odd:
        yield f"{list_some(levels.odd)} are taken for labels; move them away if they are not"


def _describe_empty(found: FoundFiles, *, root: Path) -> Iterator[str]:
    parents = {path.parent for path in (*found.photos, *found.others)}
    used = {folder for parent in parents for folder in (parent, *parent.parents)}
    empty = [folder for folder in found.folders if folder not in used and folder.parent in {root, *used}]
    if empty:
        names = [printable(folder.relative_to(root).as_posix()) + "/" for folder in empty]
        yield f"{count(len(empty), 'folder')} without photos make no label: {list_some(names)}"


def _find_problems(groups: Sequence[Sequence[_FolderPhoto]], *, title: str) -> Iterator[str]:
    for group in groups:
        if len({photo.part for photo in group}) > 1:
            names = " and ".join(photo.name for photo in group)
            yield f"{title}: the same photo lies in two parts of the split: {names}"


def _group_duplicates(photos: Sequence[_FolderPhoto]) -> list[list[_FolderPhoto]]:
    """Group the files that are one photo; only files of the same size are opened.

    Duplicates under other names are grouped where their labels differ: elsewhere they say nothing new, and a
    check tells of them.
    """
    sizes: dict[int, list[_FolderPhoto]] = defaultdict(list)
    for photo in photos:
        sizes[photo.path.stat().st_size].append(photo)
    groups: list[list[_FolderPhoto]] = []
    for size, same in sizes.items():
        contents: dict[bytes, list[_FolderPhoto]] = defaultdict(list)
        for photo in same:
            contents[_hash_content(photo.path) if size and len(same) > 1 else photo.name.encode()].append(
                photo
            )
        for duplicates in contents.values():
            groups.extend(_split_duplicates(duplicates))
    return sorted(groups, key=lambda group: group[0].name)


def _split_duplicates(duplicates: Sequence[_FolderPhoto]) -> list[list[_FolderPhoto]]:
    """Split files of the same content into photos."""
    by_name: dict[str, list[_FolderPhoto]] = defaultdict(list)
    for photo in duplicates:
        by_name[photo.path.name].append(photo)
    merged: dict[object, list[_FolderPhoto]] = defaultdict(list)
    n_labels = len({photo.labels for photo in duplicates})
    for name, group in by_name.items():
        merged[group[0].part if n_labels > 1 else name].extend(group)
    return list(merged.values())


def _hash_content(path: Path) -> bytes:
    try:
        return sha256(path.read_bytes()).digest()
    except OSError as error:
        raise PhotoError(path, f"cannot be read: {error.strerror}") from error


def _make_row(group: Sequence[_FolderPhoto], *, root: Path) -> RawRow:
    first, *duplicates = group
    present = frozenset(label for photo in group for label in photo.labels)
    return RawRow(
        names=(first.name,),
        folder=root,
        where=f"{folder_title(root)}{first.name}",
        present=present,
        unknown=frozenset(label for photo in group for label in photo.finer) - present,
        part=first.part,
        duplicates=tuple(photo.name for photo in duplicates),
    )


def _has_subfolders(folder: Path) -> bool:
    return any(photo.parent != folder for photo in find_photos(folder))


FOLDERS = LabelFormat(
    name="folders",
    title="a folder per label",
    description="a folder per label, where a photo in several folders has several labels",
    read=read_folders,
    fits_folder=_has_subfolders,
)


YOLO = "YOLO boxes"
_KINDS = {".xml": "XML annotations", ".json": "JSON annotations", ".txt": "text files"}
_MOST_OPENED = 20
_MOST_LINES = 5
_N_BOX_NUMBERS = 5


def describe_annotations(found: FoundFiles, *, root: Path) -> list[str]:
    """Describe annotations in a folder: files that are named like its photos, and tables in subfolders.

    Args:
        found: What lies in the folder.
        root: The folder; the annotations of one called ``images/`` may lie in ``labels/`` beside it.
    """
    stems = {photo.stem for photo in found.photos}
    others = [*found.others, *_list_beside(root)]
    kinds: dict[str, list[Path]] = defaultdict(list)
    for path in others:
        ending = path.suffix.lower()
        if ending in _KINDS and path.stem in stems:
            kinds[_KINDS[ending]].append(path)
        elif path.name.lower().endswith(TABLE_EXTENSIONS) and ending != ".txt" and path.parent != root:
            kinds["tables"].append(path)
    texts = kinds.pop(_KINDS[".txt"], [])
    if texts:
        kinds[YOLO if any(map(is_yolo, texts[:_MOST_OPENED])) else _KINDS[".txt"]] = texts
    return [_describe_kind(kind, paths, root=root) for kind, paths in kinds.items()]


def _list_beside(root: Path) -> Sequence[Path]:
    beside = root.parent / "labels"
    return find_files(beside).others if is_general(root.name) and beside.is_dir() else ()


def _describe_kind(kind: str, paths: Sequence[Path], *, root: Path) -> str:
    first = printable(paths[0].relative_to(root if root in paths[0].parents else root.parent).as_posix())
    start = f"{count(len(paths), 'file')} of {kind}, e.g. '{first}', " + ("is" if len(paths) == 1 else "are")
    if kind == YOLO:
        return f"{start} not read; convert to COCO or CVAT and name that file"
    return f"{start} not read; if they are the labels, give their folder, or the file, as LABELS"


def is_yolo(path: Path) -> bool:
    r"""Tell whether a text file holds YOLO boxes: a whole number and four or more numbers from 0 to 1 a line.

    Examples:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as name:
        ...     file = Path(name) / "a.txt"
        ...     _ = file.write_text("0 0.5 0.5 0.25 0.25\n")
        ...     is_yolo(file)
        True
    """
    try:
        with path.open(encoding="utf-8") as file:
            lines = [line.split() for line in islice(file, _MOST_LINES) if line.strip()]
    except (OSError, UnicodeDecodeError):
        return False
    return bool(lines) and all(map(_is_box, lines))


def _is_box(words: Sequence[str]) -> bool:
    if len(words) < _N_BOX_NUMBERS or not words[0].isdigit():
        return False
    try:
        return all(0 <= float(word) <= 1 for word in words[1:])
    except ValueError:
        return False
