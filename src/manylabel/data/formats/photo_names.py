"""Find the photos that a table names, and describe the names that fit none or several.

In:  RawTable, and the photos of a folder.
Out: Named: one photo per row. Names without a photo or with several are problems; photos without a row are
     a note.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from manylabel.config import MissingPhotos
from manylabel.data.find import is_photo_name
from manylabel.data.formats.base import RawRow, RawTable
from manylabel.data.formats.matching import Match, PhotoIndex, Rule, is_number
from manylabel.data.wording import MOST_PROBLEMS, count, list_some
from manylabel.errors import did_you_mean
from manylabel.io.files import printable

_FEW_MISSING = 0.5
"""Share of missing photos up to which their rows are left out; above it, the folder may be the wrong one."""
_HOW_MATCHED: dict[Rule, str] = {
    "name": "matched ignoring folder, extension or case",
    "address": "matched after decoding the address",
    "upload": "matched as Label Studio renames uploads",
    "number": "matched by their number, as spreadsheets drop leading zeros",
}


@dataclass(frozen=True)
class PhotoFolder:
    """The photos that a table may name.

    Attributes:
        path: The folder.
        photos: The files in it and in its subfolders.
    """

    path: Path
    photos: tuple[Path, ...]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Return the names of the photos: their paths below the folder, with forward slashes."""
        return tuple(printable(photo.relative_to(self.path).as_posix()) for photo in self.photos)

    @cached_property
    def index(self) -> PhotoIndex:
        """Return what finds the photos by their names."""
        return PhotoIndex(self.names, folder=self.path)


@dataclass(frozen=True, kw_only=True)
class Named:
    """The photo of each row.

    Attributes:
        photos: Number of the photo per row of the table; None where there is not exactly one.
        notes: Notes for the user about names, one sentence each.
        unnamed: A note about photos without a row, if there are any.
        problems: Reasons to stop the run, one sentence each.
    """

    photos: tuple[int | None, ...]
    notes: tuple[str, ...]
    unnamed: tuple[str, ...]
    problems: tuple[str, ...]


def find_named_photos(
    raw: RawTable, folder: PhotoFolder, *, on_missing: MissingPhotos | None = None
) -> Named:
    """Find the photo of each row.

    Args:
        raw: The rows.
        folder: The photos.
        on_missing: Whether rows whose photo is not there are left out with a note, or are a problem. Not
            given: left out where most photos are there.
    """
    matches = _match_numbers(raw, [_match_row(row, folder.index) for row in raw.rows], folder.index)
    photos = tuple(match.rows[0] if len(match.rows) == 1 else None for match in matches)
    missing = [row for row, match in zip(raw.rows, matches, strict=True) if not match.rows and row.names[0]]
    ambiguous = [
        _explain_ambiguous(row, [folder.names[photo] for photo in match.rows])
        for row, match in zip(raw.rows, matches, strict=True)
        if len(match.rows) > 1
    ]
    n_rows = len(raw.rows)
    most_are_there = len(missing) <= _FEW_MISSING * n_rows
    is_skipped = len(missing) < n_rows and (on_missing == "skip" or (on_missing is None and most_are_there))
    skipped = _describe_skipped(missing, folder, n_rows) if missing and is_skipped else []
    refused = [] if is_skipped else _describe_missing(missing, folder, is_all=len(missing) == n_rows)
    return Named(
        photos=photos,
        notes=(*skipped, *_describe_loose(raw, matches, folder)),
        unnamed=tuple(_describe_unnamed(raw, photos, folder)),
        problems=(*refused, *ambiguous),
    )


def _describe_skipped(missing: Sequence[RawRow], folder: PhotoFolder, n_rows: int) -> list[str]:
    listed = list_some([row.names[0] for row in missing], most=3)
    named = f"{len(missing)} of {count(n_rows, 'photo')} in the table"
    why = _explain_missing(missing[0], folder)
    return [f"{named} not found and left out: {listed}; {why}; to stop instead, use --missing error"]


def _match_row(row: RawRow, index: PhotoIndex) -> Match:
    matches = (index.find(name, near=row.folder) for name in row.names)
    return next((match for match in matches if match.rows), Match())


def _match_numbers(raw: RawTable, matches: Sequence[Match], index: PhotoIndex) -> list[Match]:
    """Match photos that are called by numbers, where every number that a row has instead of a name is one.

    Where a single number has no photo, they may count lines, and match the neighbor of the right photo.
    """
    numbered = [
        index.find_number(row.names[0]) if not match.rows and is_number(row.names[0]) else match
        for row, match in zip(raw.rows, matches, strict=True)
    ]
    is_certain = all(match.rows for match in numbered if match.rule == "number")
    return numbered if is_certain else [*matches]


def _explain_ambiguous(row: RawRow, photos: Sequence[str]) -> str:
    paths = [PurePosixPath(photo) for photo in photos]
    if len(set(photos)) < len(photos):
        advice = "give them names in UTF-8"
    elif len({path.parent for path in paths}) == len(paths):
        advice = "write its folder too"
    elif len({path.with_suffix("") for path in paths}) == 1:
        advice = "write its own extension" if is_photo_name(row.names[0]) else "write its extension too"
    else:
        advice = "write its path as it is there"
    return f"{row.where}: '{row.names[0]}' may be {list_some(photos)}; {advice}"


def _describe_loose(raw: RawTable, matches: Sequence[Match], folder: PhotoFolder) -> list[str]:
    loose: dict[Rule, list[str]] = {rule: [] for rule in _HOW_MATCHED}
    for row, match in zip(raw.rows, matches, strict=True):
        if len(match.rows) == 1 and not match.is_exact:
            loose[match.rule].append(f"{row.names[0]}' as '{folder.names[match.rows[0]]}")
    return [
        f"{count(len(names), 'name')} {_HOW_MATCHED[rule]}: {list_some(names, most=2)}"
        for rule, names in loose.items()
        if names
    ]


def _describe_unnamed(raw: RawTable, photos: Sequence[int | None], folder: PhotoFolder) -> list[str]:
    duplicates = {name for row in raw.rows for name in row.duplicates}
    named = set(photos)
    unnamed = [
        name for photo, name in enumerate(folder.names) if photo not in named and name not in duplicates
    ]
    if not unnamed:
        return []
    left_out = f"{len(unnamed)} of {count(len(folder.names), 'photo')} in {folder.path} have no labels"
    return [f"{left_out} and are left out: {list_some(unnamed)}"]


def _describe_missing(missing: Sequence[RawRow], folder: PhotoFolder, *, is_all: bool) -> list[str]:
    if is_all and len(missing) > 1:
        first = missing[0]
        names = list_some([row.names[0] for row in missing], most=2)
        there = list_some(folder.names, most=2)
        return [
            f"{first.where}: none of the photos named here is in {folder.path} ({names}); "
            f"it holds {there}; is this the right folder, and the right column of photo names?"
        ]
    # Only what will be shown is explained: the search for similar names is slow.
    explained = [_explain_missing(row, folder) for row in missing[:MOST_PROBLEMS]]
    return explained + [f"{row.where}: no photo '{row.names[0]}'" for row in missing[MOST_PROBLEMS:]]


def _explain_missing(row: RawRow, folder: PhotoFolder) -> str:
    name = row.names[0]
    start = f"{row.where}: no photo '{name}' in {folder.path}"
    if _exists(folder.path / name):
        return f"{start}: the file is there, but its extension is not that of a photo"
    if _exists(row.folder / name):
        return f"{start}: there is {row.folder / name}, outside of that folder"
    # Among numbered photos the nearest name is nearly always another photo, not the same one misspelt.
    digits = _keep_digits(name)
    return start + did_you_mean(name, [other for other in folder.names if _keep_digits(other) == digits])


def _keep_digits(name: str) -> str:
    return "".join(filter(str.isdigit, name))


def _exists(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # A name that is too long for the disk names no file.
        return False
