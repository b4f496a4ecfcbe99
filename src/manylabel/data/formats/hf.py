"""Read JSON lines: the metadata of a Hugging Face image folder, or an augmented manifest of SageMaker.

In:  the folder with ``train/``, ``validation/``, ``test/``, or one file: ``metadata.csv``,
     ``metadata.jsonl``, ``output.manifest``.
Out: RawTable; labels from a column of lists (``labels``), or from a column per label.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from manylabel.data.find import is_photo_name
from manylabel.data.formats.base import (
    LabelFormat,
    LabelSource,
    PartFile,
    RawTable,
    join_tables,
    require_part_files,
)
from manylabel.data.formats.contents import LABELS_NAMES, PHOTO_NAMES, parse_json, plain_name
from manylabel.data.formats.delimited import read_delimited_sheet
from manylabel.data.formats.one_hot import read_one_hot_sheet
from manylabel.data.formats.tables.columns import find_columns
from manylabel.data.formats.tables.sheet import Line, Sheet, read_sheet
from manylabel.data.formats.text_files import read_text
from manylabel.errors import TableError

JSON_LINES_EXTENSIONS = frozenset({".jsonl", ".ndjson", ".manifest"})
FILE_NAMES = frozenset({"metadata.csv", "metadata.jsonl"})
_PHOTO_COLUMN = "file_name"
_METADATA = "-metadata"
"""End of the name of the metadata that SageMaker writes about a column of labels."""


def read_hf(source: LabelSource) -> RawTable:
    """Read a Hugging Face image folder with metadata.

    The column ``file_name`` names the photos, as the format says.

    Raises:
        TableError: There is no metadata file, or one that is no table, or that lacks labels.
    """
    files = require_part_files(
        source.path, FILE_NAMES.__contains__, expected="metadata.csv or metadata.jsonl"
    )
    tables = [(file, _read_file(file, source=source)) for file in files]
    is_image_folder = all(file.path.name.lower() in FILE_NAMES for file in files)
    name = "Hugging Face metadata" if is_image_folder else "lines of JSON"
    return join_tables(tables, root=source.path, format_name=name)


def _read_file(file: PartFile, *, source: LabelSource) -> RawTable:
    is_json = file.path.suffix.lower() in {*JSON_LINES_EXTENSIONS, ".json"}
    sheet = _read_json_lines(file) if is_json else read_sheet(file.path, title=file.title, source=source)
    if _PHOTO_COLUMN in map(plain_name, sheet.header) and source.config.photo_column is None:
        source = replace(source, config=replace(source.config, photo_column=_PHOTO_COLUMN))
    is_one_hot = find_columns(sheet, source).layout == "one-hot"
    return (
        read_one_hot_sheet(sheet, source=source) if is_one_hot else read_delimited_sheet(sheet, source=source)
    )


def _read_json_lines(file: PartFile) -> Sheet:
    text, notes = read_text(file.path, title=file.title)
    problems: list[str] = []
    if file.path.suffix.lower() == ".json":
        records = _list_records(parse_json(text, where=file.title), title=file.title)
    else:
        records = _parse_lines(text, title=file.title, problems=problems)
    if not records:
        raise TableError([*problems, f"{file.title}: is empty; expected one JSON object per line"])
    records = [(where, _name_classes(record)) for where, record in records]
    header = tuple(dict.fromkeys(key for _, record in records for key in record if key.strip()))
    lines = [
        Line(
            where=where,
            number=number,
            cells=_write_cells(record, header, where=where, problems=problems),
        )
        for number, (where, record) in enumerate(records, start=1)
    ]
    return Sheet(
        title=file.title,
        kind="JSON lines",
        where=records[0][0],
        header=header,
        lines=tuple(lines),
        notes=notes,
        problems=tuple(problems),
    )


def is_records(document: object) -> bool:
    """Tell whether a JSON file is a table: a list of flat objects, or labels by the names of photos.

    Examples:
        >>> is_records([{"file": "a.jpg", "tags": ["sea"]}]), is_records({"a.jpg": ["sea"], "b.jpg": []})
        (True, True)
        >>> is_records({"images": [{}]}), is_records([1, 2])
        (False, False)
    """
    if _is_by_column(document):
        return True
    if isinstance(document, dict):
        is_named = any(is_photo_name(str(name)) for name in document)
        return is_named and all(isinstance(labels, str | list) for labels in document.values())
    if not isinstance(document, list) or not all(isinstance(record, dict) for record in document):
        return False
    are_flat = not any(_is_deep(value) for record in document for value in record.values())
    return are_flat and any(map(_names_photo, document))


def _is_by_column(document: object) -> bool:
    """Tell whether a JSON file is a table as pandas writes it: by column, and in it by line."""
    if not isinstance(document, dict) or not document:
        return False
    columns = list(document.values())
    lines = list(columns[0]) if isinstance(columns[0], dict) else []
    are_columns = all(isinstance(column, dict) and list(column) == lines for column in columns)
    return bool(lines) and are_columns and _names_photo(dict(_list_lines(document)[0]))


def _list_lines(document: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    lines = next(iter(document.values()))
    return [{name: column[line] for name, column in document.items()} for line in lines]


def _names_photo(record: Mapping[str, Any]) -> bool:
    return any(
        plain_name(key) in PHOTO_NAMES or (isinstance(value, str) and is_photo_name(value))
        for key, value in record.items()
    )


def _is_deep(value: object) -> bool:
    """Tell whether a value is more than a text, a number, or a list of them."""
    return isinstance(value, dict) or (
        isinstance(value, list) and any(isinstance(item, dict | list) for item in value)
    )


def _list_records(document: Any, *, title: str) -> list[tuple[str, dict[str, Any]]]:
    if not is_records(document):
        raise TableError([f"{title}: expected a list of objects, or lists of labels by the names of photos"])
    if _is_by_column(document):
        document = _list_lines(document)
    if isinstance(document, dict):
        document = [{_PHOTO_COLUMN: name, "labels": labels} for name, labels in document.items()]
    return [(f"{title}, item {number}", record) for number, record in enumerate(document, start=1)]


def _parse_lines(text: str, *, title: str, problems: list[str]) -> list[tuple[str, dict[str, Any]]]:
    records = []
    # Not splitlines: it would also split at characters that may occur inside JSON texts.
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        where = f"{title}, line {number}"
        try:
            record = parse_json(line, where=where)
        except TableError as error:
            problems.extend(error.problems)
            continue
        if isinstance(record, dict):
            records.append((where, record))
        else:
            problems.append(f"{where}: expected a JSON object, found {type(record).__name__}")
    return records


def _name_classes(record: Mapping[str, Any]) -> dict[str, Any]:
    """Replace the numbers of classes by their names if a manifest of SageMaker gives them."""
    named = {key: value for key, value in record.items() if not _is_metadata(key, record)}
    for key in named:
        metadata = record.get(f"{key}{_METADATA}")
        classes = metadata.get("class-map") if isinstance(metadata, dict) else None
        if isinstance(classes, dict):
            numbers = record[key] if isinstance(record[key], list) else [record[key]]
            named[key] = [classes.get(str(number), number) for number in numbers]
        elif isinstance(metadata, dict) and isinstance(metadata.get("class-name"), str):
            named[key] = [metadata["class-name"]]
    return named


def _is_metadata(key: str, record: Mapping[str, Any]) -> bool:
    return key.endswith(_METADATA) and key.removesuffix(_METADATA) in record


def _write_cells(
    record: Mapping[str, Any], header: Sequence[str], *, where: str, problems: list[str]
) -> tuple[str, ...]:
    problems.extend(
        f"{where}: '{key}' is missing; write [] where no label applies"
        for key in header
        if key.lower() in LABELS_NAMES and record.get(key) is None
    )
    return tuple(_write_value(record.get(key)) for key in header)


def _write_value(value: object) -> str:
    """Write a JSON value as the cell of a table."""
    match value:
        case None:
            return ""
        case str():
            return value.strip()
        case {"categories": list(names)} | {"category": list(names)}:
            # Boxes around objects: a photo carries what it shows, however often.
            return json.dumps(sorted({str(name) for name in names}))
        case _:
            return json.dumps(value)


HF = LabelFormat(
    name="hf",
    title="JSON records",
    description="Hugging Face image folder (`metadata.csv` or `metadata.jsonl`), any file of JSON lines, "
    "augmented manifest of SageMaker",
    read=read_hf,
    takes_delimiter=True,
    file_names=FILE_NAMES,
    extensions=JSON_LINES_EXTENSIONS,
    has_document=is_records,
    document="a list of flat objects that name photos",
)
