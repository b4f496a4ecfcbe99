"""Find the photo that a table means.

In:  the photos of a folder, and a name as somebody wrote it.
Out: the photos that the name may stand for: one is a match, none is missing, several are ambiguous.
"""

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

from manylabel.data.find import is_photo_name
from manylabel.data.formats.parsing.addresses import cut_upload_prefix, list_addressed_names, name_as_upload

Parts = tuple[str, ...]
Rule = Literal["name", "address", "upload", "number"]

_MOST_DIGITS = 18


@dataclass(frozen=True, kw_only=True)
class Match:
    """Hold the photos that a name may stand for.

    Attributes:
        rows: Their numbers.
        is_exact: The name is the path of the photo, rather than fitting without folder, ending or case.
        rule: The name was taken as it is written, as an address, as what an upload was renamed to, or as a
            number that lost its leading zeros.
    """

    rows: tuple[int, ...] = ()
    is_exact: bool = False
    rule: Rule = "name"


class PhotoIndex:
    """Look photos up by name.

    A name is tried as a path below the photo folder, then relative to the folder of the table, then as a
    file name in any folder, then without its ending; all of that again without regard to case. Of several
    photos with the same file name, those whose folders fit the written ones best are kept. Where nothing
    fits, the name is taken for an address, then for the name of an upload to Label Studio.

    Args:
        names: Paths of the photos below the folder, with forward slashes.
        folder: The folder.

    Examples:
        >>> index = PhotoIndex(["lake/a.jpg", "sea/a.jpg", "sea/b.jpg"], folder=Path("photos"))
        >>> index.find("b", near=Path()).rows, index.find("old/sea/A.JPG", near=Path()).rows
        ((2,), (1,))
        >>> index.find("a.jpg", near=Path()).rows
        (0, 1)
    """

    def __init__(self, names: Sequence[str], *, folder: Path) -> None:
        """Prepare the look-up."""
        self._names = tuple(names)
        # Names that are not UTF-8 may look the same.
        counts = Counter(names)
        self._rows = {name: row for row, name in enumerate(names) if counts[name] == 1}
        self._roots = [_split(str(folder.resolve())), _split(str(folder.absolute()))]
        self._nears: dict[Path, Parts] = {}

    @cached_property
    def _exact(self) -> "_Lookup":
        return _Lookup(self._names, fold=str)

    @cached_property
    def _caseless(self) -> "_Lookup":
        return _Lookup(self._names, fold=str.casefold)

    @cached_property
    def _uploads(self) -> dict[str, tuple[int, ...]]:
        """Photos by the file names that they get when they are uploaded, with and without ending."""
        uploads: dict[str, list[int]] = defaultdict(list)
        for row, name in enumerate(self._names):
            uploaded = name_as_upload(_split(name)[-1])
            for key in {uploaded, _stem(uploaded)}:
                uploads[key].append(row)
        return {name: tuple(rows) for name, rows in uploads.items()}

    def find(self, name: str, *, near: Path) -> Match:
        """Look a name up.

        Args:
            name: The name as written; folders may be parted by backslashes.
            near: Folder that the name may be relative to.
        """
        if name in self._rows:
            return Match(rows=(self._rows[name],), is_exact=True)
        addressed = list_addressed_names(name)
        found = [self._find_name(written, near=near) for written in addressed]
        best = next((match for match in found if len(match.rows) == 1), None)
        match = best or next((match for match in found if match.rows), None)
        if match is None:
            return self._find_upload(addressed, near=near)
        return match if match is found[0] and addressed[0] == name else replace(match, rule="address")

    def find_number(self, name: str) -> Match:
        """Look up photos that are called by a number, written with other leading zeros.

        Spreadsheets make 7 of 007.

        Examples:
            >>> PhotoIndex(["006.jpg", "sea/007.jpg"], folder=Path("photos")).find_number("7").rows
            (1,)
        """
        return Match(rows=self._numbers.get(int(name), ()) if is_number(name) else (), rule="number")

    @cached_property
    def _numbers(self) -> dict[int, tuple[int, ...]]:
        numbers: dict[int, list[int]] = defaultdict(list)
        for row, name in enumerate(self._names):
            stem = _stem(_split(name)[-1])
            if is_number(stem):
                numbers[int(stem)].append(row)
        return {number: tuple(rows) for number, rows in numbers.items()}

    def _find_upload(self, names: Sequence[str], *, near: Path) -> Match:
        """Look up what a server that photos were uploaded to may have made of their names."""
        before = dict.fromkeys(map(cut_upload_prefix, names))
        found = (self._find_name(name, near=near) for name in before if name not in names)
        match = next((match for match in found if match.rows), None)
        if match is None:
            last = [parts[-1] for parts in map(_split, before) if parts]
            match = next((Match(rows=self._uploads[name]) for name in last if name in self._uploads), Match())
        return replace(match, is_exact=False, rule="upload")

    def _find_name(self, name: str, *, near: Path) -> Match:
        written = _split(name)
        if not written:
            return Match()
        below = self._find_below(name, written, near=near)
        match = self._exact.find(written, below=below)
        if match.rows:
            return match
        return Match(rows=self._caseless.find(written, below=below).rows)

    def _find_below(self, name: str, written: Parts, *, near: Path) -> Parts:
        """Return where a name leads below the photo folder, from the folder of the table; else nothing."""
        if near not in self._nears:
            # Asking the disk once per folder, not once per photo, is what keeps large tables fast.
            self._nears[near] = _split(str(near.resolve()))
        is_absolute = name[0] in "/\\" or name[1:2] == ":"
        full = _climb(written if is_absolute else self._nears[near] + written)
        inside = (full[len(root) :] for root in self._roots if full[: len(root)] == root)
        return next(inside, ())


class _Lookup:
    """Find photos by path, file name and file name without ending, in one way of writing letters."""

    def __init__(self, names: Sequence[str], *, fold: Callable[[str], str]) -> None:
        self._fold = fold
        self._folders: list[Parts] = []
        self._by_path: dict[Parts, list[int]] = defaultdict(list)
        self._by_name: dict[str, list[int]] = defaultdict(list)
        self._by_stem: dict[str, list[int]] = defaultdict(list)
        for row, name in enumerate(names):
            parts = self._fold_all(_split(name))
            self._folders.append(parts[:-1])
            self._by_path[parts].append(row)
            self._by_name[parts[-1]].append(row)
            self._by_stem[_stem(parts[-1])].append(row)

    def find(self, written: Parts, *, below: Parts) -> Match:
        """Find the photos that a name may stand for; ``below`` is where it leads from the table's folder."""
        *folders, name = self._fold_all(written)
        for path in ((*folders, name), self._fold_all(below)):
            if path in self._by_path:
                return Match(rows=tuple(self._by_path[path]), is_exact=True)
        rows = self._by_name.get(name) or self._by_stem.get(_stem(name)) or []
        return Match(rows=self._keep_best(rows, tuple(folders), near=self._fold_all(below[:-1])))

    def _fold_all(self, parts: Parts) -> Parts:
        return tuple(self._fold(part) for part in parts)

    def _keep_best(self, rows: Sequence[int], folders: Parts, *, near: Parts) -> tuple[int, ...]:
        same = tuple(row for row in rows if self._folders[row] == folders)
        beside = tuple(row for row in rows if near and self._folders[row] == near)
        if same or beside:
            return same or beside
        fits = [_count_common_end(self._folders[row], folders) for row in rows]
        best = max(fits, default=0)
        return tuple(row for row, fit in zip(rows, fits, strict=True) if fit == best)


def is_number(name: str) -> bool:
    """Tell whether a name is nothing but digits, few enough to count with."""
    return name.isascii() and name.isdigit() and len(name) <= _MOST_DIGITS


def _split(path: str) -> Parts:
    """Split a path at both kinds of slashes; letters with marks become one character each."""
    plain = unicodedata.normalize("NFC", path).replace("\\", "/")
    return tuple(part for part in plain.split("/") if part not in ("", "."))


def _climb(parts: Parts) -> Parts:
    """Resolve ``..`` by the text alone."""
    climbed: list[str] = []
    for part in parts:
        if part == ".." and climbed:
            climbed.pop()
        else:
            climbed.append(part)
    return tuple(climbed)


def _stem(name: str) -> str:
    """Cut the ending of a photo, and nothing else that stands behind a dot."""
    return name.rpartition(".")[0] if is_photo_name(name) else name


def _count_common_end(first: Parts, second: Parts) -> int:
    common = 0
    for one, other in zip(reversed(first), reversed(second), strict=False):
        if one != other:
            break
        common += 1
    return common
