"""Read labels of any known format.

In:  a folder of photos, and the file or folder that tells their labels.
Out: LabelTable; or one error with every problem found.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import get_args

from manylabel.config import BlankMeaning, DataConfig, MissingPhotos
from manylabel.data.find import PHOTO_EXTENSIONS, find_files
from manylabel.data.formats.assembly.assemble import assemble_table
from manylabel.data.formats.assembly.label_check import Purpose
from manylabel.data.formats.assembly.name_check import PhotoFolder
from manylabel.data.formats.base import LabelSource, RawTable
from manylabel.data.formats.registry import find_format, guess_format
from manylabel.data.misnamed import describe_misnamed
from manylabel.errors import ConfigError, InputError
from manylabel.types import LabelTable


def read_table(  # noqa: PLR0913 - one argument per setting of the table
    labels: Path | str | None,
    *,
    photos: Path | str,
    format: str = "auto",  # noqa: A002 - the name of the option and of the key in a recipe
    delimiter: str | None = None,
    photo_column: str | None = None,
    label_columns: Sequence[str] = (),
    ignore: Sequence[str] = (),
    sheet: str | None = None,
    header_row: int | None = None,
    blank: BlankMeaning | None = None,
    missing: MissingPhotos | None = None,
    min_photos: int = 1,
    purpose: Purpose = "training",
) -> LabelTable:
    r"""Read which photo carries which label.

    Args:
        labels: A file, or a folder of annotation files; None asks the photo folder itself.
        photos: Folder of the photos, searched with its subfolders.
        format: Name of the format, as in docs/formats.md; "auto" guesses it, and ``source`` of the table
            tells what was guessed.
        delimiter: Text between two labels of one cell; None guesses it, and ``source`` says that too.
        photo_column: Column of a table that names the photos. Not given: the one whose cells are photos.
        label_columns: Columns of a table that are labels, or list them. Not given: guessed.
        ignore: Columns of a table to leave out.
        sheet: Sheet of a workbook. Not given: the first with a table that names photos.
        header_row: Line of a table that names the columns, from 1. Not given: found.
        blank: What a blank cell of a one-hot table means. Not given: "absent" where the table only marks what
            is present, else "unknown".
        missing: "skip" leaves out lines whose photo is not there, "error" refuses them. Not given: they are
            left out where most photos are there.
        min_photos: Labels on fewer photos are left out.
        purpose: "training" refuses a table of which nothing could be learned: labels that no photo carries,
            no cell that says "absent". "checking" leaves that to ``check``; "judging" is content with a note.

    Returns:
        The photos that the labels name, in their order, with notes on whatever was left out or assumed.

    Raises:
        TableError: Every problem of the labels, about twenty of them in words, the rest counted.
        ConfigError: There is no such format, column, sheet or line, or a delimiter is given that nothing
            would use.
        InputError: The photo folder does not exist, or holds no photos.

    Examples:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as name:
        ...     folder = Path(name)
        ...     for photo in ("a.jpg", "b.jpg"):
        ...         (folder / photo).touch()
        ...     _ = (folder / "labels.csv").write_text("image,labels\na.jpg,beach;boat\nb.jpg,\n")
        ...     table = read_table(folder / "labels.csv", photos=folder)
        >>> table.labels, table.targets.tolist()
        (('beach', 'boat'), [[1.0, 1.0], [0.0, 0.0]])
        >>> table.source
        "labels.csv, read as delimited CSV (image, labels), labels joined by ';'"
    """
    form = DataConfig(
        format=format,
        delimiter=delimiter,
        photo_column=photo_column,
        label_columns=tuple(label_columns),
        ignore=tuple(ignore),
        sheet=sheet,
        header_row=header_row,
        blank=blank,
        missing=missing,
        min_photos=min_photos,
    )
    return read_table_as(form, labels, photos=photos, purpose=purpose)


def read_table_as(
    form: DataConfig, labels: Path | str | None, *, photos: Path | str, purpose: Purpose = "training"
) -> LabelTable:
    """Read a table as ``read_table`` does.

    Args:
        form: How it is read; its paths are not used.
        labels: A file, or a folder of annotation files; None asks the photo folder itself.
        photos: Folder of the photos.
        purpose: As ``read_table`` takes it.
    """
    _check_options(form)
    photos = Path(photos)
    found = find_files(photos)
    folder, misnamed = PhotoFolder(photos, found.photos), describe_misnamed([(photos, found)])
    if not folder.photos:
        endings = ", ".join(sorted(PHOTO_EXTENSIONS))
        raise InputError(
            "; ".join(
                [
                    f"{photos}: no photos in this folder or below it",
                    *misnamed,
                    f"expected files ending in {endings}",
                ]
            )
        )
    path = photos if labels is None else Path(labels)
    near = path if path.is_dir() else path.parent
    find = cache(lambda name: folder.index.find(name, near=near).rows)  # asked for most cells, several times
    find_number = cache(lambda name: folder.index.find_number(name).rows)
    source = LabelSource(path=path, form=form, find=find, find_number=find_number)
    table = assemble_table(_read_raw(source, form.format), folder=folder, purpose=purpose, form=form)
    return replace(table, notes=(*table.notes, *misnamed))


def _read_raw(source: LabelSource, name: str) -> RawTable:
    if name == "auto":
        label_format, path = guess_format(source)
        source = replace(source, path=path)
    else:
        label_format = find_format(name)
    delimiter = source.form.delimiter
    if delimiter is not None and not label_format.takes_delimiter:
        raise ConfigError(
            f"delimiter: '{delimiter}' was given, but {source.path} is read as {label_format.name}, which "
            "has none; leave it out, or choose the format delimited"
        )
    return label_format.read(source)


def _check_options(form: DataConfig) -> None:
    if form.format != "auto":
        find_format(form.format)
    for option, value, meanings in (
        ("blank", form.blank, get_args(BlankMeaning)),
        ("missing", form.missing, get_args(MissingPhotos)),
    ):
        if value is not None and value not in meanings:
            raise ConfigError(f"{option}: '{value}' was given, expected {' or '.join(meanings)}")
    if form.delimiter == "":
        raise ConfigError("delimiter: an empty text separates nothing; leave it out to have it guessed")
