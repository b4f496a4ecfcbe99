"""The formats of labels: found by name, or by looking at the labels.

In:  the name of a format, or a file or folder.
Out: the format, and the path to read; an error that says what was seen where no format fits.

A format is one file beside this one, and one entry in ``FORMATS``. A single .txt file is always taken for a
table; a folder of them, or of files with any other ending, is recognized by ``fits_folder`` alone.
"""

from pathlib import Path
from typing import Any

from manylabel.data.find import find_files, list_visible, missing_file
from manylabel.data.formats.base import LabelFormat, LabelSource, PartFile, list_part_files, list_wanted_files
from manylabel.data.formats.coco import COCO
from manylabel.data.formats.contents import first_objects, read_json, read_xml
from manylabel.data.formats.create_ml import CREATE_ML
from manylabel.data.formats.cvat import CVAT
from manylabel.data.formats.delimited import DELIMITED
from manylabel.data.formats.folders import FOLDERS, describe_annotations
from manylabel.data.formats.hf import HF
from manylabel.data.formats.label_studio import LABEL_STUDIO
from manylabel.data.formats.labelme import LABELME
from manylabel.data.formats.one_hot import ONE_HOT, ROBOFLOW
from manylabel.data.formats.tables.columns import find_columns
from manylabel.data.formats.tables.grid import TABLE_EXTENSIONS
from manylabel.data.formats.tables.sheet import read_sheet
from manylabel.data.formats.voc import VOC, list_annotations
from manylabel.data.wording import folder_title, list_some
from manylabel.errors import ConfigError, TableError, did_you_mean

FORMATS: dict[str, LabelFormat] = {
    label_format.name: label_format
    for label_format in (
        ONE_HOT,
        DELIMITED,
        COCO,
        VOC,
        LABEL_STUDIO,
        LABELME,
        CREATE_ML,
        CVAT,
        ROBOFLOW,
        HF,
        FOLDERS,
    )
}
"""Every format by its name. They are asked in this order whether they recognize labels; a folder per label
always comes last, since almost any folder may be one."""

_MOST_PEEKED = 50
_TEXT_TABLES = (".tab", ".txt")
"""Endings of tables that are too common to look for them in a folder."""

Guess = tuple[LabelFormat, Path]


def list_formats() -> str:
    """List the names of the formats, in one line."""
    return ", ".join(FORMATS)


def describe_formats() -> str:
    """Describe every format, for the help of ``--format``."""
    return "; ".join(f"{name}: {one.description}" for name, one in FORMATS.items())


def find_format(name: str) -> LabelFormat:
    """Return the format of a name.

    Raises:
        ConfigError: There is none.
    """
    if name not in FORMATS:
        hint = did_you_mean(name, ("auto", *FORMATS))
        raise ConfigError(f"format: unknown format '{name}'; known: auto, {list_formats()}{hint}")
    return FORMATS[name]


def guess_format(source: LabelSource) -> Guess:
    """Guess the format of labels by file names, endings and content.

    Args:
        source: A file, or a folder: of annotations, of the parts of a data set, with one table in it, or with
            a subfolder of photos per label; and the settings of the user.

    Returns:
        The format, and what to read: the path itself, or the only table of the folder.

    Raises:
        TableError: The path does not exist, or no format fits.
    """
    path = source.path
    if path.is_dir():
        return _guess_folder(source)
    if not path.exists():
        raise TableError([missing_file(path)])
    return _guess_file(path, source), path


def _guess_folder(source: LabelSource) -> Guess:
    folder = source.path
    for label_format in FORMATS.values():
        wanted = label_format.file_names
        if wanted and list_part_files(folder, wanted.__contains__):
            return label_format, folder
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
    for label_format in sorted(FORMATS.values(), key=lambda one: one is FOLDERS):
        if label_format.fits_folder(folder):
            return label_format, folder
    beside = describe_annotations(find_files(folder), root=folder)
    named = [f"{folder_title(folder)}: {note}" for note in beside]
    raise TableError([_describe_unknown(folder), *named, *refused[:1]])


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
    return [*texts[:_MOST_PEEKED], *list_annotations(folder)[:_MOST_PEEKED]]


def _is_json(name: str) -> bool:
    return name.endswith(".json")


def _guess_file(path: Path, source: LabelSource) -> LabelFormat:
    name, extension = path.name.lower(), path.suffix.lower()
    for label_format in FORMATS.values():
        if name in label_format.file_names or extension in label_format.extensions:
            return label_format
    match extension:
        case ".json":
            return _guess_json(path)
        case ".xml":
            return _guess_xml(path)
        case _ if extension in (*TABLE_EXTENSIONS, *_TEXT_TABLES):
            layout = find_columns(read_sheet(path, source=source), source).layout
            return next(one for one in FORMATS.values() if one.layout == layout)
        case _:
            raise TableError(
                [
                    f"{path}: files ending in '{extension}' cannot be read as labels; save a table as .csv "
                    f"or .xlsx, or name the format: {list_formats()}"
                ]
            )


def _guess_json(path: Path) -> LabelFormat:
    document = read_json(path)
    found = next((one for one in FORMATS.values() if one.has_document(document)), None)
    if found is not None:
        return found
    known = ", ".join(f"{one.title} ({one.document})" for one in FORMATS.values() if one.document)
    raise TableError(
        [
            f"{path.name}: holds {_describe_document(document)}, which is none of {known}; "
            f"name the format if it is one: {list_formats()}"
        ]
    )


def _describe_document(document: Any) -> str:
    if isinstance(document, dict):
        return f"an object with the keys {list_some(list(document))}" if document else "an empty object"
    if isinstance(document, list):
        items = first_objects(document)
        return f"a list of objects with the keys {list_some(list(items[0]))}" if items else "a list"
    return f"a single {type(document).__name__}"


def _guess_xml(path: Path) -> LabelFormat:
    tag = read_xml(path, title=path.name).tag
    found = next((one for one in FORMATS.values() if one.root_tag == tag), None)
    if found is not None:
        return found
    known = " or ".join(f"<{one.root_tag}> ({one.title})" for one in FORMATS.values() if one.root_tag)
    raise TableError([f"{path.name}: its root is <{tag}>, expected {known}"])
