"""Read COCO's object annotations.

In:  JSON with ``images``, ``annotations`` and ``categories``; or a folder of such files, one per part.
Out: RawTable; labels in the order of the categories. An image without annotations carries none.
"""

import re
from collections import defaultdict
from pathlib import Path
from typing import Any

from manylabel.data.parsing.contents import list_records, read_json
from manylabel.data.parsing.parts import PartFile, join_tables, list_part_files, require_part_files
from manylabel.data.parsing.raw import LabelSource, RawRow, RawTable
from manylabel.data.parsing.values import clean_label, read_part
from manylabel.errors import TableError
from manylabel.types import Part

KEYS = ("images", "annotations", "categories")


def read_coco(source: LabelSource) -> RawTable:
    """Read COCO annotations; every category of which an image shows an object is a label of it.

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
    shown: dict[str, set[str]] = defaultdict(set)
    for where, annotation in list_records(
        document["annotations"], where=f"{file.title}, annotations", problems=problems
    ):
        image, category = str(annotation.get("image_id")), str(annotation.get("category_id"))
        if image not in images:
            problems.append(f"{where}: image_id {image} is not the id of any image")
        elif category not in categories:
            problems.append(f"{where}: category_id {category} is not the id of any category")
        else:
            shown[image].add(categories[category])
    rows = [
        RawRow(names=(name,), folder=folder, where=where, present=frozenset(shown[image]))
        for image, (where, name) in images.items()
    ]
    return RawTable(
        rows=tuple(rows),
        labels=tuple(dict.fromkeys(categories.values())),
        title=file.title,
        form="COCO",
        where=f"{file.title}, categories",
        is_declared=True,
        is_catalogue=True,
        notes=notes,
        problems=tuple(problems),
    )


def _read_categories(
    values: object, *, title: str, problems: list[str]
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return the name of each category by its id, and the notes."""
    listed = list(list_records(values, where=f"{title}, categories", problems=problems))
    groups = {clean_label(category.get("supercategory")) for _, category in listed}
    names: dict[str, str] = {}
    notes: list[str] = []
    for where, category in listed:
        name = clean_label(category.get("name"))
        if _is_group(category, name, groups=groups):
            notes.append(f"{where}: '{name}' is the group of the other categories, not a label")
        elif not name:
            problems.append(f"{where}: the category has no name")
        else:
            if name in names.values():
                problems.append(f"{where}: label '{name}' is named twice")
            names[str(category.get("id"))] = name
    return names, tuple(notes)


def _is_group(category: dict[str, Any], name: str, *, groups: set[str]) -> bool:
    """Tell whether an entry is the heading that Roboflow puts before the categories of an export."""
    return category.get("id") == 0 and category.get("supercategory") == "none" and name in groups


def _read_images(values: object, *, title: str, problems: list[str]) -> dict[str, tuple[str, str]]:
    """Return the place and file name of each image by its id."""
    images: dict[str, tuple[str, str]] = {}
    for where, image in list_records(values, where=f"{title}, images", problems=problems):
        name, identity = image.get("file_name"), str(image.get("id"))
        if not isinstance(name, str) or not name:
            problems.append(f"{where}: the image has no file_name")
        elif identity in images:
            problems.append(f"{where}: id {identity} is also that of '{images[identity][1]}'")
        else:
            images[identity] = (where, name)
    return images
