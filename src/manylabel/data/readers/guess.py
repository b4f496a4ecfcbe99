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
from manylabel.data.parsing.columns import find_columns, find_labels_column
from manylabel.data.parsing.contents import missing_file, read_json
from manylabel.data.parsing.grid import TABLE_EXTENSIONS
from manylabel.data.parsing.parts import PartFile, list_part_files, list_wanted_files
from manylabel.data.parsing.safe_xml import read_xml
from manylabel.data.parsing.sheet import Sheet, read_sheet
from manylabel.data.parsing.values import read_target
from manylabel.data.parsing.wording import folder_title, list_some
from manylabel.data.readers.beside_photos import describe_annotations
from manylabel.data.readers.coco import KEYS as COCO_KEYS
from manylabel.data.readers.create_ml import IMAGE_KEYS, LABEL_KEYS
from manylabel.data.readers.hf import FILE_NAMES, JSON_LINES_EXTENSIONS
from manylabel.data.readers.roboflow import FILE_NAME
from manylabel.data.readers.voc import list_annotations
from manylabel.errors import TableError

MOST_PEEKED = 50
"""Items of a JSON list that are looked at."""

NUMBER_WORDS = frozenset({"0", "1", "0.0", "1.0", "-1", "-1.0", "true", "false", "nan"})
"""Cells of a one-hot column that would be odd names for a label."""

Guess = tuple[FormatName, Path]


def list_formats() -> str:
    """Name the formats that can be asked for, in one line."""
    return ", ".join(name for name in get_args(FormatName) if name != "auto")


def guess_format(path: Path, *, delimiter: str | None = None) -> Guess:
    """Guess the format of labels by file names, endings and content.

    Args:
        path: A file, or a folder: of annotations, of the parts of a data set, with one table in it, or with
            a subfolder of photos per label.
        delimiter: Where it is given, a table is a delimited one.

    Returns:
        Name of the format, and what to read: the path itself, or the only table of the folder.

    Raises:
        TableError: The path does not exist, or nothing is known that looks like this.
    """
    if path.is_dir():
        return _guess_folder(path, delimiter=delimiter)
    if not path.exists():
        raise TableError([missing_file(path)])
    return _guess_file(path, delimiter=delimiter), path


def _guess_folder(folder: Path, *, delimiter: str | None) -> Guess:
    if list_part_files(folder, lambda name: name == FILE_NAME):
        return "roboflow", folder
    if list_part_files(folder, FILE_NAMES.__contains__):
        return "hf", folder
    for file in _list_annotations(folder):
        with suppress(TableError):  # Settings and notes may lie beside the annotations.
            return _guess_file(file.path, delimiter=None), folder
    tables = list_wanted_files(folder, lambda name: name.endswith(TABLE_EXTENSIONS))
    if len(tables) == 1:
        return _guess_file(tables[0], delimiter=delimiter), tables[0]
    if tables:
        names = list_some([table.name for table in tables])
        raise TableError([f"{folder}: holds several tables: {names}; name the one with the labels"])
    if any(photo.parent != folder for photo in find_photos(folder)):
        return "folders", folder
    beside = describe_annotations(find_files(folder), root=folder)
    raise TableError([_describe_unknown(folder), *(f"{folder_title(folder)}: {note}" for note in beside)])


def _describe_unknown(folder: Path) -> str:
    seen = [entry.name for entry in list_visible(folder)]
    return (
        f"{folder}: no labels found; this folder holds {list_some(seen) or 'nothing'}, but no table "
        "(labels.csv), no annotations (.json, .xml) and no subfolder of photos per label; "
        f"name the file of labels, and its format if need be: {list_formats()}"
    )


def _list_annotations(folder: Path) -> list[PartFile]:
    inner = folder / "annotations"
    texts = list_part_files(folder, _is_json) or (list_part_files(inner, _is_json) if inner.is_dir() else [])
    return [*texts, *list_annotations(folder)[:MOST_PEEKED]]


def _is_json(name: str) -> bool:
    return name.endswith(".json")


def _guess_file(path: Path, *, delimiter: str | None) -> FormatName:
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
            return "delimited" if delimiter is not None else _guess_sheet(read_sheet(path))
        case _:
            raise TableError(
                [
                    f"{path}: files ending in '{extension}' are not known as labels; save a table as .csv or "
                    f".xlsx, or name the format: {list_formats()}"
                ]
            )


def _guess_sheet(sheet: Sheet) -> FormatName:
    columns = find_columns(sheet)
    named = find_labels_column(sheet, columns)
    if named is not None:
        # In a column that is called "labels", x, yes and no are labels; only numbers must be one-hot values.
        cells = [cell for cell in sheet.column(named) if cell]
        is_one_hot = bool(cells) and all(cell.lower() in NUMBER_WORDS for cell in cells)
    else:
        # Where everything is blank, several columns can only be labels that nobody has looked for yet.
        is_blank = len(columns.others) > 1 and not any(map(any, map(sheet.column, columns.others)))
        is_one_hot = is_blank or any(_is_mostly_one_hot(sheet.column(number)) for number in columns.others)
    return "one-hot" if is_one_hot else "delimited"


def _is_mostly_one_hot(cells: tuple[str, ...]) -> bool:
    """Tell whether most cells are one-hot values, so that the others are mistakes to be told."""
    filled = [cell for cell in cells if cell]
    return 2 * sum(read_target(cell) is not None for cell in filled) > len(filled)


def _guess_json(path: Path) -> FormatName:
    document = read_json(path)
    if isinstance(document, dict):
        if all(key in document for key in COCO_KEYS):
            return "coco"
        seen = f"an object with the keys {list_some(list(document))}" if document else "an empty object"
    elif isinstance(document, list):
        items = [item for item in islice(document, MOST_PEEKED) if isinstance(item, dict)]
        if any(map(_is_label_studio, items)):
            return "label-studio"
        if any(map(_is_create_ml, items)):
            return "create-ml"
        seen = f"a list of objects with the keys {list_some(list(items[0]))}" if items else "a list"
    else:
        seen = f"a single {type(document).__name__}"
    raise TableError(
        [
            f"{path.name}: holds {seen}, which is none of COCO (an object with images, annotations, "
            "categories), Label Studio and Create ML (lists of objects); name the format if it is one: "
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
