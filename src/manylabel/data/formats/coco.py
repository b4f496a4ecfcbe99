"""Read COCO's object annotations.

In:  JSON with ``images``, ``annotations`` and ``categories``; or a folder of such files, one per part.
Out: RawTable; labels in the order of the categories. An image without annotations carries none.
"""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

from manylabel.data.formats.base import (
    LabelFormat,
    LabelSource,
    PartFile,
    RawRow,
    RawTable,
    join_tables,
    list_part_files,
    require_part_files,
)
from manylabel.data.formats.contents import clean_label, list_records, read_json, read_name, read_part
from manylabel.data.wording import count, list_some
from manylabel.errors import TableError
from manylabel.types import Part

Record = tuple[str, dict[str, Any]]

KEYS = ("images", "annotations", "categories")


def read_coco(source: LabelSource) -> RawTable:
    """Read COCO annotations; the categories of the objects in an image are its labels.

    Raises:
        TableError: There is no COCO file, or one lacks its lists.
    """
    root = source.path
    files = _list_files(root)
    folder = root if root.is_dir() else root.parent
    return join_tables([(file, _read_file(file, folder)) for file in files], root=root, format_name="COCO")


def _list_files(root: Path) -> list[PartFile]:
    inner = root / "annotations"
    if root.is_dir() and inner.is_dir() and not list_part_files(root, _is_json):
        root = inner
    files = require_part_files(root, _is_json, expected="COCO file (.json)")
    # COCO's own folder also holds captions and key points of the same photos.
    instances = [file for file in files if file.path.name.startswith("instances_")]
    return _name_parts(instances or files)


def _is_json(name: str) -> bool:
    return name.endswith(".json")


def _name_parts(files: list[PartFile]) -> list[PartFile]:
    """Take the parts from the names of several files in one folder, e.g. ``instances_train2017.json``."""
    parts = [_find_part(file.path.stem) for file in files]
    is_named = len(files) > 1 and None not in parts and len(set(parts)) == len(parts)
    if not is_named or any(file.part for file in files):
        return files
    return [
        PartFile(path=file.path, title=file.title, part=part) for file, part in zip(files, parts, strict=True)
    ]


def _find_part(stem: str) -> Part | None:
    named = {read_part(word) for word in re.split(r"[^A-Za-z]+", stem)} - {None}
    return named.pop() if len(named) == 1 else None


def _read_file(file: PartFile, folder: Path) -> RawTable:
    document = read_json(file.path, title=file.title)
    missing = [key for key in KEYS if not isinstance(document, dict) or key not in document]
    if missing:
        raise TableError([f"{file.title}: is not COCO JSON; it lacks the lists {', '.join(missing)}"])
    problems: list[str] = []
    categories, notes = _read_categories(document["categories"], title=file.title, problems=problems)
    images = _read_images(document["images"], title=file.title, problems=problems)
    annotations = list_records(document["annotations"], where=f"{file.title}, annotations", problems=problems)
    shown = _read_annotations(annotations, images=images, categories=categories, problems=problems)
    rows = [
        RawRow(names=(name,), folder=folder, where=where, present=frozenset(shown[image]))
        for image, (where, name) in images.items()
    ]
    return RawTable(
        rows=tuple(rows),
        labels=tuple(dict.fromkeys(categories.values())),
        title=file.title,
        kind="COCO",
        where=f"{file.title}, categories",
        is_declared=True,
        is_catalogue=True,
        repair="give the photo one image with all its annotations",
        notes=(*notes, *_describe_scores(document["annotations"], title=file.title)),
        problems=tuple(problems),
    )


def _read_annotations(
    annotations: Iterable[Record], *, images: Collection[str], categories: dict[str, str], problems: list[str]
) -> dict[str, set[str]]:
    """Return the labels of each image by its id."""
    shown: dict[str, set[str]] = defaultdict(set)
    for where, annotation in annotations:
        image, category = str(annotation.get("image_id")), str(annotation.get("category_id"))
        if image not in images:
            problems.append(f"{where}: image_id {image} is not the id of any image")
        elif category not in categories:
            problems.append(f"{where}: category_id {category} is not the id of any category")
        else:
            shown[image].add(categories[category])
    return shown


def _describe_scores(annotations: Sequence[object], *, title: str) -> list[str]:
    """Describe predictions, which are written in the same format as annotations."""
    n_scored = sum(isinstance(annotation, dict) and "score" in annotation for annotation in annotations)
    if not n_scored:
        return []
    return [f"{title}: {count(n_scored, 'annotation')} with a score, as predictions have; read as labels"]


def _read_categories(
    values: object, *, title: str, problems: list[str]
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return the name of each category by its id, and the notes."""
    listed = list(list_records(values, where=f"{title}, categories", problems=problems))
    groups = {clean_label(category.get("supercategory")) for _, category in listed}
    names: dict[str, str] = {}
    notes: list[str] = []
    for where, category in listed:
        name = read_name(category.get("name"))
        if _is_group(category, name, groups=groups):
            notes.append(f"{where}: '{name}' is the group of the other categories, not a label")
        elif not name:
            problems.append(f"{where}: the category has no name")
        else:
            _add_category(names, category, name, where=where, problems=problems)
    return names, tuple(notes)


def _add_category(
    names: dict[str, str], category: dict[str, Any], name: str, *, where: str, problems: list[str]
) -> None:
    identity = str(category.get("id"))
    if category.get("id") is None:
        problems.append(f"{where}: category '{name}' has no id")
    elif identity in names and names[identity] != name:
        problems.append(
            f"{where}: id {identity} is that of both '{names[identity]}' and '{name}', so nothing tells "
            "which of them an annotation means; give each category an id of its own"
        )
    elif identity not in names and name in names.values():
        problems.append(f"{where}: label '{name}' is named twice")
    else:
        names[identity] = name


def _is_group(category: dict[str, Any], name: str, *, groups: set[str]) -> bool:
    """Tell whether an entry is the heading that Roboflow puts before the categories of an export."""
    return category.get("id") == 0 and category.get("supercategory") == "none" and name in groups


def _read_images(values: object, *, title: str, problems: list[str]) -> dict[str, tuple[str, str]]:
    """Return the location and file name of each image by its id."""
    images: dict[str, tuple[str, str]] = {}
    names: dict[str, list[str]] = defaultdict(list)
    for where, image in list_records(values, where=f"{title}, images", problems=problems):
        name, identity = image.get("file_name"), image.get("id")
        if not isinstance(name, str) or not name:
            problems.append(f"{where}: the image has no file_name")
        elif identity is None:
            problems.append(f"{where}: image '{name}' has no id")
        else:
            images.setdefault(str(identity), (where, name))
            names[str(identity)].append(name)
    problems.extend(
        f"{images[identity][0]}: id {identity} is that of several images: {list_some(same, most=3)}; "
        "give each image an id of its own"
        for identity, same in names.items()
        if len(set(same)) > 1
    )
    return images


def _has_lists(document: Any) -> bool:
    return isinstance(document, dict) and all(key in document for key in KEYS)


COCO = LabelFormat(
    name="coco",
    title="COCO",
    description="COCO JSON: the categories of a photo's objects are its labels",
    read=read_coco,
    has_document=_has_lists,
    document="an object with images, annotations and categories",
)
