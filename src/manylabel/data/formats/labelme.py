"""Read labelme's annotations: a JSON file per photo.

In:  the folder of the files, with its subfolders; or one file. They lie beside their photos or elsewhere.
Out: RawTable; flags of the image and labels of its shapes are labels. A flag that a file does not list is
     unknown there. Folders called train, val and test are the split.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from manylabel.data.find import find_files, find_photos
from manylabel.data.formats.base import (
    LabelFormat,
    LabelSource,
    RawRow,
    RawTable,
    describe_contradictions,
    order_names,
)
from manylabel.data.formats.contents import clean_label, read_json, read_name, read_part
from manylabel.data.wording import count, folder_title, list_some
from manylabel.errors import TableError
from manylabel.io.files import printable
from manylabel.types import Part

_MOST_PEEKED = 50


@dataclass(frozen=True, kw_only=True)
class _Annotation:
    """One file: its photo, the flags that are known in it, the labels of its shapes."""

    path: Path
    where: str
    names: tuple[str, ...]
    part: Part | None
    flags: Mapping[str, bool]
    shapes: frozenset[str]


def read_labelme(source: LabelSource) -> RawTable:
    """Read labelme's files; a photo whose file has no shapes and no true flag carries no label.

    Raises:
        TableError: There is no such file.
    """
    root = source.path
    problems: list[str] = []
    annotations, others = _read_files(root, problems=problems)
    if not annotations and not problems:
        raise TableError([f"{root}: no files of labelme (.json) in this folder or below it"])
    flags = Counter(flag for annotation in annotations for flag in annotation.flags)
    rows = [_make_row(annotation, flags=frozenset(flags)) for annotation in annotations]
    where = folder_title(root) if root.is_dir() else printable(root.name)
    return RawTable(
        rows=tuple(rows),
        labels=tuple(sorted({*flags, *(label for row in rows for label in row.present)})),
        title=f"{where} ({count(len(annotations), 'file')})" if root.is_dir() else where,
        kind="labelme",
        where=where,
        is_catalogue=True,
        repair="keep one file with all flags and shapes of the photo",
        notes=(
            *describe_contradictions(rows, where=where, written_in="imagePath"),
            *_describe_flags(flags, len(annotations), where=where),
            *_describe_folders(annotations, root, where=where),
            *_describe_others(others, root, where=where),
        ),
        problems=tuple(problems),
    )


def is_labelme(document: object) -> bool:
    """Tell whether the content of a JSON file is that of a file of labelme."""
    return isinstance(document, dict) and isinstance(document.get("shapes"), list) and "imagePath" in document


def _read_files(root: Path, *, problems: list[str]) -> tuple[list[_Annotation], list[Path]]:
    """Read the files of labelme one by one, as each may hold its photo too, and name other JSON files."""
    paths = (
        [path for path in find_files(root).others if path.suffix.lower() == ".json"]
        if root.is_dir()
        else [root]
    )
    annotations: list[_Annotation] = []
    others: list[Path] = []
    for path in paths:
        try:
            document = read_json(path, title=_title(path, root))
        except TableError as error:
            problems.extend(error.problems)
            continue
        if is_labelme(document):
            annotations.append(_read_annotation(path, document, root, problems=problems))
        else:
            others.append(path)
    return annotations, others


def _title(path: Path, root: Path) -> str:
    return printable(path.relative_to(root).as_posix() if root.is_dir() else path.name)


def _read_annotation(path: Path, document: dict[str, Any], root: Path, *, problems: list[str]) -> _Annotation:
    where = _title(path, root)
    written = document.get("imagePath")
    flags = dict(_read_flags(document.get("flags"), where=where, problems=problems))
    shapes = _read_shapes(document["shapes"], where=where, problems=problems)
    for label in sorted(shapes):
        if flags.get(label) is False:
            problems.append(
                f"{where}: flag '{label}' is false, but a shape is called '{label}'; correct one of them"
            )
    folders = path.relative_to(root).parent.parts if root.is_dir() else ()
    return _Annotation(
        path=path,
        where=where,
        names=order_names(printable(path.stem), written.strip() if isinstance(written, str) else ""),
        part=next((part for part in map(read_part, folders) if part), None),
        flags=flags,
        shapes=shapes,
    )


def _read_flags(flags: object, *, where: str, problems: list[str]) -> Iterator[tuple[str, bool]]:
    """Go through the flags of an image; one that is null is as unknown as one that is not listed."""
    if flags and not isinstance(flags, dict):
        problems.append(f"{where}: flags is a {type(flags).__name__}, expected an object of true and false")
        return
    for name, value in flags.items() if isinstance(flags, dict) else ():
        label = clean_label(name)
        if isinstance(value, bool) and label:
            yield label, value
        elif value is not None or not label:
            problems.append(f"{where}: flag '{label}' is {value!r}, expected true or false")


def _read_shapes(shapes: Sequence[object], *, where: str, problems: list[str]) -> frozenset[str]:
    names = [read_name(shape.get("label")) if isinstance(shape, dict) else "" for shape in shapes]
    if "" in names:
        problems.append(f"{where}: a shape has no label")
    return frozenset(name for name in names if name)


def _make_row(annotation: _Annotation, *, flags: frozenset[str]) -> RawRow:
    present = {flag for flag, is_set in annotation.flags.items() if is_set} | annotation.shapes
    return RawRow(
        names=annotation.names,
        folder=annotation.path.parent,
        where=annotation.where,
        present=frozenset(present),
        unknown=flags - annotation.flags.keys() - present,
        part=annotation.part,
    )


def _describe_flags(flags: Counter[str], n_files: int, *, where: str) -> list[str]:
    partial = sorted(flag for flag, n_listed in flags.items() if n_listed < n_files)
    return (
        [f"{where}: flags that some files do not list are unknown there: {list_some(partial)}"]
        if partial
        else []
    )


def _describe_folders(annotations: Sequence[_Annotation], root: Path, *, where: str) -> list[str]:
    """Describe folders of photos that could be taken for labels."""
    paths = {annotation.path.parent for annotation in annotations if annotation.part is None}
    if len(paths) < 2:
        return []
    folders = sorted(_title(path, root) for path in paths - {root})
    return [f"{where}: the names of the folders are not labels: {list_some(folders)}"]


def _describe_others(others: Sequence[Path], root: Path, *, where: str) -> list[str]:
    if not others:
        return []
    names = list_some([_title(path, root) for path in others])
    return [f"{where}: {count(len(others), 'JSON file')} of another kind left out: {names}"]


def _fills_subfolders(folder: Path) -> bool:
    """Tell whether most photos have a file of labelme.

    Raises:
        TableError: Only some have one, so the names of the folders may be the labels.
    """
    n_files = _count_files(folder)
    n_photos = len(find_photos(folder)) if n_files else 0
    if n_files and 2 * n_files < n_photos:
        raise TableError(
            [
                f"{folder}: its subfolders hold {count(n_files, 'labelme file')} (.json) for "
                f"{count(n_photos, 'photo')}; choose the format: labelme, or folders if their names are the "
                "labels"
            ]
        )
    return n_files > 0


def _count_files(folder: Path) -> int:
    """Count the JSON files below a folder if some of the first are labelme's."""
    paths = [path for path in find_files(folder).others if path.suffix.lower() == ".json"]
    for path in paths[:_MOST_PEEKED]:
        with suppress(TableError):
            if is_labelme(read_json(path)):
                return len(paths)
    return 0


LABELME = LabelFormat(
    name="labelme",
    title="labelme",
    description="labelme JSON, a file per photo: flags, and labels of shapes",
    read=read_labelme,
    has_document=is_labelme,
    document="an object with shapes and imagePath",
    fits_folder=_fills_subfolders,
)
