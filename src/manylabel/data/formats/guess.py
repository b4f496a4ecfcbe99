"""Guess the format of labels.

In:  a file or folder.
Out: the name of its format and the path to read; TableError that says what was seen where nothing fits.
"""

from collections.abc import Mapping
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any, get_args

from manylabel.config import FormatName
from manylabel.data.find import find_files, find_photos, list_visible
from manylabel.data.formats.beside_photos import describe_annotations
from manylabel.data.formats.coco import KEYS as COCO_KEYS
from manylabel.data.formats.create_ml import IMAGE_KEYS, LABEL_KEYS
from manylabel.data.formats.hf import FILE_NAMES, JSON_LINES_EXTENSIONS, is_records
from manylabel.data.formats.labelme import is_labelme
from manylabel.data.formats.parsing.columns import find_columns
from manylabel.data.formats.parsing.contents import missing_file, read_json
from manylabel.data.formats.parsing.grid import TABLE_EXTENSIONS
from manylabel.data.formats.parsing.parts import PartFile, list_part_files, list_wanted_files
from manylabel.data.formats.parsing.raw import LabelSource
from manylabel.data.formats.parsing.safe_xml import read_xml
from manylabel.data.formats.parsing.sheet import read_sheet
from manylabel.data.formats.parsing.wording import count, folder_title, list_some
from manylabel.data.formats.roboflow import FILE_NAME
from manylabel.data.formats.voc import list_annotations
from manylabel.errors import TableError

MOST_PEEKED = 50
"""Items of a JSON list that are looked at."""

Guess = tuple[FormatName, Path]


def list_formats() -> str:
    """Name the formats that can be asked for, in one line."""
    return ", ".join(name for name in get_args(FormatName) if name != "auto")


def guess_format(source: LabelSource) -> Guess:
    """Guess the format of labels by file names, endings and content.

    Args:
        source: A file, or a folder: of annotations, of the parts of a data set, with one table in it, or with
            a subfolder of photos per label; and what the user said about it.

    Returns:
        Name of the format, and what to read: the path itself, or the only table of the folder.

    Raises:
        TableError: The path does not exist, or nothing is known that looks like this.
    """
    path = source.path
    if path.is_dir():
        return _guess_folder(source)
    if not path.exists():
        raise TableError([missing_file(path)])
    return _guess_file(path, source), path


def _guess_folder(source: LabelSource) -> Guess:
    folder = source.path
    if list_part_files(folder, lambda name: name == FILE_NAME):
        return "roboflow", folder
    if list_part_files(folder, FILE_NAMES.__contains__):
        return "hf", folder
    refused: list[str] = []
    for file in _list_annotations(folder):
        try:
            return _guess_file(file.path, source), folder
        except TableError as error:  # Settings and notes may lie beside the annotations.
            refused.extend(error.problems)
    tables = list_wanted_files(folder, lambda name: name.endswith(TABLE_EXTENSIONS))
    if len(tables) == 1:
        return _guess_file(tables[0], source), tables[0]
    if tables:
        names = list_some([table.name for table in tables])
        raise TableError([f"{folder}: holds several tables: {names}; name the one with the labels"])
    n_labelme = _count_labelme(folder)
    if n_labelme:
        return _choose_labelme(folder, n_labelme), folder
    if any(photo.parent != folder for photo in find_photos(folder)):
        return "folders", folder
    beside = describe_annotations(find_files(folder), root=folder)
    named = [f"{folder_title(folder)}: {note}" for note in beside]
    raise TableError([_describe_unknown(folder), *named, *refused[:1]])


def _count_labelme(folder: Path) -> int:
    """Count the JSON files in the subfolders of a folder where some are labelme's."""
    paths = [path for path in find_files(folder).others if _is_json(path.name.lower())]
    for path in paths[:MOST_PEEKED]:
        with suppress(TableError):
            if is_labelme(read_json(path)):
                return len(paths)
    return 0


def _choose_labelme(folder: Path, n_labelme: int) -> FormatName:
    """Take labelme where most photos have a file of it; else nothing tells whether folders are labels."""
    n_photos = len(find_photos(folder))
    if 2 * n_labelme >= n_photos:
        return "labelme"
    raise TableError(
        [
            f"{folder}: its subfolders hold {count(n_labelme, 'file')} of labelme (.json) for "
            f"{count(n_photos, 'photo')}; name the format: labelme, or folders if their names are the labels"
        ]
    )


def _describe_unknown(folder: Path) -> str:
    seen = [entry.name for entry in list_visible(folder)]
    return (
        f"{folder}: no labels found; this folder holds {list_some(seen) or 'nothing'}, but no table "
        "(labels.csv), no annotations of a known format (.json, .xml) and no subfolder of photos per label; "
        f"name the file of labels, and its format if need be: {list_formats()}"
    )


def _list_annotations(folder: Path) -> list[PartFile]:
    inner = folder / "annotations"
    texts = list_part_files(folder, _is_json) or (list_part_files(inner, _is_json) if inner.is_dir() else [])
    return [*texts[:MOST_PEEKED], *list_annotations(folder)[:MOST_PEEKED]]


def _is_json(name: str) -> bool:
    return name.endswith(".json")


def _guess_file(path: Path, source: LabelSource) -> FormatName:
    name, extension = path.name.lower(), path.suffix.lower()
    if name in FILE_NAMES or extension in JSON_LINES_EXTENSIONS:
        return "hf"
    if name == FILE_NAME:
        return "roboflow"
    match extension:
        case ".json":
            return _guess_json(path)
        case ".xml":
            return _guess_xml(path)
        case ".csv" | ".tsv" | ".tab" | ".txt" | ".xlsx" | ".xlsm":
            layout = find_columns(read_sheet(path, source=source), source).layout
            return "one-hot" if layout == "one-hot" else "delimited"
        case _:
            raise TableError(
                [
                    f"{path}: files ending in '{extension}' are not known as labels; save a table as .csv or "
                    f".xlsx, or name the format: {list_formats()}"
                ]
            )


def _guess_json(path: Path) -> FormatName:
    document = read_json(path)
    if is_labelme(document):
        return "labelme"
    if isinstance(document, dict):
        if all(key in document for key in COCO_KEYS):
            return "coco"
        if is_records(document):
            return "hf"
        seen = f"an object with the keys {list_some(list(document))}" if document else "an empty object"
    elif isinstance(document, list):
        items = [item for item in islice(document, MOST_PEEKED) if isinstance(item, dict)]
        if any(map(_is_label_studio, items)):
            return "label-studio"
        if any(map(_is_create_ml, items)):
            return "create-ml"
        if is_records(document):
            return "hf"
        seen = f"a list of objects with the keys {list_some(list(items[0]))}" if items else "a list"
    else:
        seen = f"a single {type(document).__name__}"
    raise TableError(
        [
            f"{path.name}: holds {seen}, which is none of COCO (an object with images, annotations, "
            "categories), labelme (an object with shapes, imagePath), Label Studio and Create ML (lists of "
            "objects); name the format if it is one: "
            f"{list_formats()}"
        ]
    )


def _is_label_studio(item: Mapping[str, Any]) -> bool:
    is_task = isinstance(item.get("data"), dict) and not item.keys().isdisjoint(
        {"annotations", "completions", "predictions"}
    )
    is_flat = "annotation_id" in item or "lead_time" in item
    has_choices = any(isinstance(value, dict) and "choices" in value for value in item.values())
    return is_task or is_flat or has_choices


def _is_create_ml(item: Mapping[str, Any]) -> bool:
    return not item.keys().isdisjoint(IMAGE_KEYS) and not item.keys().isdisjoint(LABEL_KEYS)


def _guess_xml(path: Path) -> FormatName:
    tag = read_xml(path, title=path.name).tag
    match tag:
        case "annotation":
            return "voc"
        case "annotations":
            return "cvat"
        case _:
            raise TableError(
                [f"{path.name}: its root is <{tag}>, expected <annotation> (VOC) or <annotations> (CVAT)"]
            )
