"""Read labels of any format.

In:  a folder of photos, and the file or folder that gives their labels.
Out: LabelTable; or one error with every problem found.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path, PurePosixPath
from typing import get_args

import numpy as np

from manylabel.config import BlankMeaning, DataConfig, MissingPhotos
from manylabel.data.find import PHOTO_EXTENSIONS, describe_misnamed, find_files
from manylabel.data.formats.base import (
    LabelFormat,
    LabelSource,
    RawRow,
    RawTable,
    find_part_level,
    read_folder_part,
)
from manylabel.data.formats.label_names import (
    Purpose,
    choose_labels,
    clean_labels,
    describe_odd_labels,
    describe_similar_names,
    find_hopeless_labels,
    find_impossible_labels,
    find_label_problems,
)
from manylabel.data.formats.memo import Memo
from manylabel.data.formats.photo_names import PhotoFolder, find_named_photos
from manylabel.data.formats.registry import find_format, guess_format
from manylabel.data.wording import cap_problems, count, list_some
from manylabel.errors import ConfigError, InputError, TableError, visible
from manylabel.types import FloatArray, LabelTable, Part


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
        purpose: "training" refuses labels that cannot be learned: no photo carries them, or no cell says
            "absent". "checking" leaves that to ``check``; "evaluation" only adds a note.

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
    config = DataConfig(
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
    return read_table_as(config, labels, photos=photos, purpose=purpose)


def read_table_as(
    config: DataConfig, labels: Path | str | None, *, photos: Path | str, purpose: Purpose = "training"
) -> LabelTable:
    """Read a table as ``read_table`` does.

    Args:
        config: How it is read; its paths are not used.
        labels: A file, or a folder of annotation files; None asks the photo folder itself.
        photos: Folder of the photos.
        purpose: As ``read_table`` takes it.
    """
    folder, source, misnamed = find_source(config, labels, photos=Path(photos))
    label_format, source = find_label_format(source)
    table = assemble_table(label_format.read(source), folder=folder, purpose=purpose, config=config)
    return replace(table, notes=(*table.notes, *misnamed))


def find_source(
    config: DataConfig, labels: Path | str | None, *, photos: Path
) -> tuple[PhotoFolder, LabelSource, list[str]]:
    """Find the photos of a folder, and what their labels are read from.

    Args:
        config: How they are read; its paths are not used.
        labels: A file, or a folder of annotation files; None asks the photo folder itself.
        photos: Folder of the photos.

    Returns:
        The photos, the source of the labels, and notes about files that are called like photos.

    Raises:
        ConfigError: A setting is none.
        InputError: The photo folder does not exist, or holds no photos.
    """
    _check_options(config)
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
    source = LabelSource(path=path, config=config, find=find, find_number=find_number, memo=Memo())
    return folder, source, misnamed


def find_label_format(source: LabelSource) -> tuple[LabelFormat, LabelSource]:
    """Return the format of some labels, and the source of the file that has it.

    Raises:
        TableError: The path does not exist, or no format fits.
        ConfigError: A delimiter is given that nothing would use.
    """
    if source.config.format == "auto":
        label_format, path = guess_format(source)
        source = replace(source, path=path)
    else:
        label_format = find_format(source.config.format)
    delimiter = source.config.delimiter
    if delimiter is not None and not label_format.takes_delimiter:
        raise ConfigError(
            f"delimiter: '{delimiter}' was given, but {source.path} is read as {label_format.name}, which "
            "has none; leave it out, or choose the format delimited"
        )
    return label_format, source


def _check_options(config: DataConfig) -> None:
    if config.format != "auto":
        find_format(config.format)
    for option, value, meanings in (
        ("blank", config.blank, get_args(BlankMeaning)),
        ("missing", config.missing, get_args(MissingPhotos)),
    ):
        if value is not None and value not in meanings:
            raise ConfigError(f"{option}: '{value}' was given, expected {' or '.join(meanings)}")
    if config.delimiter == "":
        raise ConfigError("delimiter: an empty text separates nothing; leave it out to detect the delimiter")


def assemble_table(
    raw: RawTable, *, folder: PhotoFolder, purpose: Purpose, config: DataConfig | None = None
) -> LabelTable:
    """Match names to photos, merge rows about the same photo, and check the labels.

    Args:
        raw: What a reader read.
        folder: The photos.
        purpose: For training, labels that no photo carries are a problem. Else they are kept; those of a
            catalogue only for evaluation.
        config: Settings for missing photos and rare labels; its paths are not used.

    Returns:
        The photos that the table names, in its order.

    Raises:
        TableError: Every problem found.
    """
    config = DataConfig() if config is None else config
    raw = clean_labels(raw)
    named = find_named_photos(raw, folder, on_missing=config.missing)
    targets = fill_targets(raw)  # [n_rows, n_labels]
    merged = merge_rows(raw, photos=named.photos, targets=targets)
    odd = [*find_impossible_labels(raw), *find_label_problems(raw, targets)]
    others = [raw.problems, named.problems, merged.problems, odd]
    # A check tells them with everything else that it finds, unless it stops here.
    tells_hopeless = purpose == "training" or (purpose == "checking" and any(others))
    hopeless = (
        find_hopeless_labels(raw, targets if any(others) else merged.targets)
        if tells_hopeless and not others[-1]
        else []
    )
    problems = cap_problems([*others, hopeless])
    if problems:
        raise TableError(problems)
    kept, notes = choose_labels(raw, merged.targets, purpose=purpose, min_photos=config.min_photos)
    names = tuple(folder.names[photo] for photo in merged.photos)
    parts, split_notes = take_split_of_folders(names, merged.parts, where=raw.title)
    notes = [*split_notes, *notes, *describe_similar_names(raw, merged.targets), *describe_odd_labels(raw)]
    return LabelTable(
        photos=tuple(folder.photos[photo] for photo in merged.photos),
        names=names,
        labels=tuple(raw.labels[label] for label in kept),
        targets=merged.targets[:, kept],
        parts=parts,
        source=visible(raw.source),
        notes=tuple(map(visible, (*raw.notes, *named.notes, *named.unnamed, *merged.notes, *notes))),
    )


@dataclass(frozen=True, eq=False, kw_only=True)
class Merged:
    """One row per photo, in the order in which the table first names them.

    Attributes:
        photos: Numbers of the photos [n_photos].
        targets: 1 present, 0 absent, NaN unknown [n_photos, n_labels].
        parts: Part of the split per photo, None where nothing was given.
        notes: Notes for the user, one sentence each.
        problems: Reasons to stop the run, one sentence each.
    """

    photos: tuple[int, ...]
    targets: FloatArray
    parts: tuple[Part | None, ...]
    notes: tuple[str, ...]
    problems: tuple[str, ...]


def fill_targets(raw: RawTable) -> FloatArray:
    """Return the targets of every row of a table [n_rows, n_labels]."""
    column = {label: number for number, label in enumerate(raw.labels)}
    targets = np.zeros((len(raw.rows), len(raw.labels)))
    for number, row in enumerate(raw.rows):
        targets[number, [column[label] for label in row.present]] = 1.0
        targets[number, [column[label] for label in row.unknown]] = np.nan
    return targets


def merge_rows(raw: RawTable, *, photos: Sequence[int | None], targets: FloatArray) -> Merged:
    """Merge the rows about one photo: known labels of one row replace unknown ones of another.

    Args:
        raw: The rows.
        photos: Number of the photo per row; rows without one are left out.
        targets: Targets per row [n_rows, n_labels].
    """
    merged = targets.copy()
    parts = [row.part for row in raw.rows]
    first: dict[int, int] = {}
    repeated: list[str] = []
    problems: list[str] = []
    for row, photo in enumerate(photos):
        if photo is None or first.setdefault(photo, row) == row:
            continue
        earlier = first[photo]
        differs = merged[earlier] + merged[row] == 1  # One says present, the other absent; NaN is neither.
        disputed = [raw.labels[label] for label in np.flatnonzero(differs)]
        if None not in (parts[earlier], parts[row]) and parts[earlier] != parts[row]:
            disputed.append(f"split: {parts[earlier]}, {parts[row]}")
        if disputed:
            problems.append(_contradict(raw.rows[row], raw.rows[earlier], disputed, repair=raw.repair))
        else:
            repeated.append(raw.rows[row].names[0])
        is_unknown = np.isnan(merged[earlier])
        merged[earlier, is_unknown] = merged[row, is_unknown]
        parts[earlier] = parts[earlier] if parts[earlier] is not None else parts[row]
    kept = list(first.values())
    note = f"{count(len(repeated), 'row')} repeated an earlier row: {list_some(repeated)}"
    return Merged(
        photos=tuple(first),
        targets=merged[kept],
        parts=tuple(parts[row] for row in kept),
        notes=(note,) if repeated else (),
        problems=tuple(problems),
    )


def _contradict(row: RawRow, earlier: RawRow, disputed: Sequence[str], *, repair: str) -> str:
    return (
        f"{row.where}: photo '{row.names[0]}' is also in {earlier.where}, "
        f"and they disagree on {list_some(disputed)}; {repair}"
    )


Parts = tuple[Part | None, ...]


def take_split_of_folders(names: Sequence[str], parts: Parts, *, where: str) -> tuple[Parts, tuple[str, ...]]:
    """Return the parts of photos: those that were given, else those that all of their folders name.

    Args:
        names: Paths of the photos below their folder, with forward slashes.
        parts: The part of each photo that the table gives.
        where: Name of the table, for the notes.

    Returns:
        The parts, and a note where they come from the folders, or where only some folders name one.
    """
    if any(part is not None for part in parts):
        return parts, ()
    folders = [PurePosixPath(name).parts[:-1] for name in names]
    level = find_part_level(folders)
    if level is None:
        return parts, _describe_some(names, folders, where=where)
    found = tuple(read_folder_part(folder[level]) for folder in folders)
    counted = Counter(found)
    counts = ", ".join(f"{number} {part}" for part, number in counted.items())
    note = (
        f"{where}: the table gives no split, so it is taken from the folders of the photos ({counts}); "
        "give a part for every photo to change it"
    )
    return found, (note,)


def _describe_some(
    names: Sequence[str], folders: Sequence[tuple[str, ...]], *, where: str
) -> tuple[str, ...]:
    """Describe photos in folders that name parts if the folders of the others name none."""
    has_part = [any(map(read_folder_part, folder[:2])) for folder in folders]
    named = {folder[:2] for folder, is_named in zip(folders, has_part, strict=True) if is_named}
    others = [name for name, is_named in zip(names, has_part, strict=True) if not is_named]
    if len({read_folder_part(name) for folder in named for name in folder} - {None}) < 2 or not others:
        return ()
    return (
        f"{where}: some photos lie in folders that name parts of a split "
        f"({list_some(sorted('/'.join(folder) + '/' for folder in named))}), others do not "
        f"({list_some(others, most=2)}); so these folders are not used as the split",
    )
