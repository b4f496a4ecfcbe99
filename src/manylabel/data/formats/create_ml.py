"""Read Create ML's annotations.

In:  a JSON list of ``{"image": ..., "annotations": [{"label": ..., "coordinates": ...}]}``, or with plain
     label names instead of boxes; or a folder of such files, one per part.
Out: RawTable; labels sorted by name. An empty list means that no label applies.
"""

from pathlib import Path
from typing import Any

from manylabel.data.formats.base import (
    LabelFormat,
    LabelSource,
    PartFile,
    RawRow,
    RawTable,
    collect_labels,
    join_tables,
    require_part_files,
)
from manylabel.data.formats.contents import first_objects, list_records, read_json, read_name

IMAGE_KEYS = ("image", "imagefilename", "imageFilename", "filename")
LABEL_KEYS = ("annotations", "annotation", "labels", "label")


def read_create_ml(source: LabelSource) -> RawTable:
    """Read Create ML annotations of objects or of whole images.

    Raises:
        TableError: There is no such file, or one is no JSON list.
    """
    root = source.path
    files = require_part_files(root, lambda name: name.endswith(".json"), expected="Create ML file (.json)")
    folder = root if root.is_dir() else root.parent
    tables = [(file, _read_file(file, folder)) for file in files]
    return join_tables(tables, root=root, format_name="Create ML JSON")


def _read_file(file: PartFile, folder: Path) -> RawTable:
    problems: list[str] = []
    rows = []
    for where, item in list_records(
        read_json(file.path, title=file.title), where=file.title, problems=problems
    ):
        name = next((item[key] for key in IMAGE_KEYS if isinstance(item.get(key), str)), "")
        if not name:
            problems.append(f"{where}: no image is named; expected one of the keys {', '.join(IMAGE_KEYS)}")
            continue
        present = _read_labels(item, where=where, problems=problems)
        rows.append(RawRow(names=(name,), folder=folder, where=where, present=present))
    return RawTable(
        rows=tuple(rows),
        labels=collect_labels(rows),
        title=file.title,
        kind="Create ML JSON",
        where=file.title,
        repair="give the photo one entry with all its annotations",
        problems=tuple(problems),
    )


def _read_labels(item: dict[str, Any], *, where: str, problems: list[str]) -> frozenset[str]:
    value = next((item[key] for key in LABEL_KEYS if item.get(key) is not None), None)
    if value is None:
        problems.append(f"{where}: no annotations; write [] where no label applies")
        return frozenset()
    entries = value if isinstance(value, list) else [value]
    names = [read_name(entry.get("label") if isinstance(entry, dict) else entry) for entry in entries]
    if "" in names:
        problems.append(f"{where}: an annotation has no label")
    return frozenset(name for name in names if name)


def _lists_images(document: Any) -> bool:
    return any(
        not item.keys().isdisjoint(IMAGE_KEYS) and not item.keys().isdisjoint(LABEL_KEYS)
        for item in first_objects(document)
    )


CREATE_ML = LabelFormat(
    name="create-ml",
    title="Create ML",
    description="Create ML JSON",
    read=read_create_ml,
    has_document=_lists_images,
    document="a list of objects with image and annotations",
)
