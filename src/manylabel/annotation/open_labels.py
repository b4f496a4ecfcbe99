"""Open the labels of a folder of photos, to change them.

In:  a folder of photos, the labels that there are: any format that is read, or none.
Out: the answers for every photo of the folder, and the file that they are written to: that of the user where
     it is a CSV or TSV file with a column per label or a column of lists, else ``labels.csv`` beside it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

import numpy as np

from manylabel.annotation.delimited_file import DelimitedFile, ListColumns
from manylabel.annotation.journal import journal_path
from manylabel.annotation.label_file import LabelFile, TableLines
from manylabel.annotation.one_hot_file import OneHotFile
from manylabel.annotation.separated_text import SeparatedText, TextLine, read_cell
from manylabel.annotation.table_reading import ReadLabels, hash_labels, read_labels
from manylabel.config import DataConfig
from manylabel.data.find import is_photo_name
from manylabel.data.formats.base import LabelFormat, LabelSource
from manylabel.data.formats.label_names import clean_name
from manylabel.data.formats.photo_names import PhotoFolder
from manylabel.data.formats.read import Parts, find_label_format, find_source, take_split_of_folders
from manylabel.data.formats.tables.columns import find_columns
from manylabel.data.formats.tables.grid import BLANKS, WORKBOOK_EXTENSIONS, Grid, read_separated
from manylabel.data.formats.tables.sheet import Sheet, read_sheet
from manylabel.data.formats.text_files import decode_text
from manylabel.errors import InputError
from manylabel.io.files import file_sha256, write_output
from manylabel.types import FloatArray

NEW_NAME = "labels.csv"
_TEXT_ENDINGS = (".csv", ".tsv")
_MOST_LINES = 2  # of a table that has only names: they, and what tells the separator


@dataclass(frozen=True, eq=False, kw_only=True)
class OpenedLabels:
    """The labels of all photos of a folder, and the file that they are written to.

    Attributes:
        folder: The photos.
        given: The file or folder of labels that was asked for; another one than the file to write if it is
            of a format that is not written.
        labels: The labels.
        targets: Float array [n_photos, n_labels]: 1 present, 0 absent, NaN unknown.
        disputed: Photos and labels of which the lines of the table say both; they are unknown.
        file: The file to write.
        sha256: Hash of that file, None if it does not exist.
        source: How the file is read.
        notes: Notes for the user, one sentence each.
        parts: Part of the split per photo, None where none is given.
        made_from: Hash of the labels that were asked for, if the file to write is another one; else empty.
    """

    folder: PhotoFolder
    given: Path
    labels: tuple[str, ...]
    targets: FloatArray
    disputed: tuple[tuple[int, str], ...]
    file: LabelFile
    sha256: str | None
    source: LabelSource
    notes: tuple[str, ...] = ()
    parts: Parts
    made_from: str = ""


def open_labels(photos: Path, labels: Path | None, *, config: DataConfig) -> OpenedLabels:
    """Open labels to change them.

    Args:
        photos: Folder of the photos.
        labels: A file or folder of labels; a CSV file that does not exist is made. None takes
            ``labels.csv`` in the folder of the photos.
        config: How labels are read; its paths are not used.

    Raises:
        TableError: The labels cannot be read.
        InputError: There are no photos, or another file has the name of the file to write.
    """
    path = photos / NEW_NAME if labels is None else labels
    folder, source, misnamed = find_source(config, path, photos=photos)
    is_new = not path.exists() and path.parent.is_dir() and path.suffix.lower() == ".csv"
    if is_new or _is_header_only(path):
        return _open_empty(path, folder, source=source, notes=misnamed)
    label_format, source = find_label_format(source)
    before = None if source.path.is_dir() else file_sha256(source.path)
    read = read_labels(label_format, source, folder)
    file = _open_file(label_format, source, read=read, names=folder.names)
    if file is None:
        return _open_beside(read, source.path, folder, source=source, notes=misnamed)
    if file_sha256(source.path) != before:
        raise InputError(f"{source.path}: was changed while it was read; try again")
    return OpenedLabels(
        folder=folder,
        given=source.path,
        labels=read.labels,
        targets=read.targets,
        disputed=read.disputed,
        file=file,
        sha256=before,
        source=replace(source, memo=None),
        notes=(*read.notes, *misnamed),
        parts=read.parts,
    )


def _is_header_only(path: Path) -> bool:
    """Tell whether a table that was written here has nothing but the names of its columns."""
    if not (path.is_file() and path.suffix.lower() in _TEXT_ENDINGS and journal_path(path).exists()):
        return False
    text, _ = decode_text(path.read_bytes(), title=path.name)
    n_lines = len([line for line in text.splitlines() if line.strip()])
    return 0 < n_lines <= _MOST_LINES and len(_read_header(path).lines) == 1


def _read_header(path: Path) -> Grid:
    return read_separated(path, title=path.name, names_photo=is_photo_name)


def _open_empty(
    path: Path, folder: PhotoFolder, *, source: LabelSource, notes: Sequence[str]
) -> OpenedLabels:
    content = path.read_bytes() if path.exists() else None
    file = _new_file(path, folder) if content is None else _header_file(path, folder, content=content)
    return OpenedLabels(
        folder=folder,
        given=path,
        labels=file.labels,
        targets=np.full((len(folder.photos), len(file.labels)), np.nan),
        disputed=(),
        file=file,
        sha256=None if content is None else sha256(content).hexdigest(),
        source=replace(source, config=DataConfig(), memo=None),
        notes=tuple(notes),
        parts=take_split_of_folders(folder.names, (None,) * len(folder.names), where=path.name)[0],
    )


def _new_file(path: Path, folder: PhotoFolder) -> OneHotFile:
    """Return a table without photos and labels."""
    text = SeparatedText("image\r\n", separator=",")
    return _make_empty(path, folder, text=text, header=text.below(None)[0], encoding="utf-8")


def _header_file(path: Path, folder: PhotoFolder, *, content: bytes) -> OneHotFile:
    """Return a table that has nothing but the names of its columns, in its own form."""
    grid = _read_header(path)
    [(number, names)] = grid.lines
    is_single = len(names) == 1  # nothing tells what parts the cells
    separator = "\t" if is_single and path.suffix.lower() == ".tsv" else grid.separator
    assert separator is not None  # only a workbook has none
    decoded, encoding = decode_text(content, title=path.name)
    text = SeparatedText(decoded, separator=separator, n_above=number - 1)
    return _make_empty(path, folder, text=text, header=text.lines()[number], encoding=encoding)


def _make_empty(
    path: Path, folder: PhotoFolder, *, text: SeparatedText, header: TextLine, encoding: str
) -> OneHotFile:
    lines = TableLines(
        text=text,
        separator=text.separator,
        encoding=encoding,
        header=header,
        body=[],
        photos=[],
        photo_column=0,
        names=folder.names,
    )
    names = [clean_name(read_cell(cell, separator=text.separator)) for cell in header.cells]
    return OneHotFile(path, lines, columns={name: at for at, name in enumerate(names) if at and name})


def _open_beside(
    read: ReadLabels, given: Path, folder: PhotoFolder, *, source: LabelSource, notes: Sequence[str]
) -> OpenedLabels:
    """Open a table of its own for labels of a format that is not written."""
    path = (given if given.is_dir() else given.parent) / NEW_NAME
    made_from = hash_labels(read.raw)
    if path.exists():
        if not journal_path(path).exists():
            raise InputError(
                f"{path}: exists already, so the labels of {given.name} cannot be written there; "
                f"give {path.name} instead, or move it"
            )
        opened = open_labels(folder.path, path, config=DataConfig())
        return replace(opened, given=given, made_from=made_from)
    opened = _open_empty(path, folder, source=source, notes=(*read.notes, *notes))
    _fill(opened.file, read.labels, read.targets)
    return replace(
        opened,
        given=given,
        labels=read.labels,
        targets=read.targets,
        disputed=read.disputed,
        parts=read.parts,
        made_from=made_from,
    )


def write_new_table(path: Path, folder: PhotoFolder, labels: Sequence[str], targets: FloatArray) -> None:
    """Write labels to a table of its own, with a column per label and a line per photo with a known label.

    Args:
        path: The table.
        folder: The photos.
        labels: The labels.
        targets: Float array [n_photos, n_labels]: 1 present, 0 absent, NaN unknown.

    Raises:
        OutputError: It cannot be written.
    """
    file = _new_file(path, folder)
    _fill(file, labels, targets)
    write_output(path, file.content())


def _fill(file: LabelFile, labels: Sequence[str], targets: FloatArray) -> None:
    for label in labels:
        file.add(label)
    for photo, column in np.argwhere(~np.isnan(targets)).tolist():
        file.set(photo, labels[column], float(targets[photo, column]))


def _open_file(
    label_format: LabelFormat,
    source: LabelSource,
    *,
    read: ReadLabels,
    names: tuple[str, ...],
) -> LabelFile | None:
    """Return the file that was read, if it can be changed cell by cell."""
    layout = label_format.layout
    if layout is None or not read.raw.is_line_per_row or source.path.suffix.lower() in WORKBOOK_EXTENSIONS:
        return None
    sheet = read_sheet(source.path, source=source)
    columns = find_columns(sheet, source, layout=layout)
    photo_column = sheet.columns[columns.photo]
    lines = _find_lines(source.path, sheet, photos=read.rows, photo_column=photo_column, names=names)
    if lines is None:
        return None
    if layout == "one-hot":
        places = {clean_name(sheet.header[at]): sheet.columns[at] for at in columns.labels}
        return OneHotFile(source.path, lines, columns=places, blank=source.config.blank)
    return DelimitedFile(
        source.path,
        lines,
        columns=ListColumns(
            present=sheet.columns[columns.labels[0]],
            unknown=None if columns.unknown is None else sheet.columns[columns.unknown],
            delimiter=source.config.delimiter,
        ),
        labels=read.labels,
        lists=[(row.present, row.unknown) for row in read.raw.rows],
    )


def _find_lines(
    path: Path, sheet: Sheet, *, photos: Sequence[int | None], photo_column: int, names: tuple[str, ...]
) -> TableLines | None:
    """Find the lines of a sheet in its text; None where their cells cannot be told apart."""
    if sheet.separator in (None, BLANKS):
        return None
    assert sheet.separator is not None
    decoded, encoding = decode_text(path.read_bytes(), title=path.name)
    used = sheet.lines[: len(photos)]
    first = min([line.number for line in used] + ([sheet.header_number] if sheet.header_number else []))
    try:
        text = SeparatedText(decoded, separator=sheet.separator, n_above=first - 1)
        by_number = text.lines()
        return TableLines(
            text=text,
            separator=sheet.separator,
            encoding=encoding,
            header=None if sheet.header_number is None else by_number[sheet.header_number],
            body=[by_number[line.number] for line in used],
            photos=list(photos),
            photo_column=photo_column,
            names=names,
        )
    except (ValueError, KeyError):
        return None
