"""Find the photo that a name means.

In:  the photos of a folder, and a name as somebody wrote it: a path, an address, the name of an upload.
Out: the photos that the name may mean: one is a match, none is missing, several are ambiguous.
"""

import base64
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal
from urllib.parse import parse_qs, unquote

from manylabel.data.find import is_photo_name

Parts = tuple[str, ...]
Rule = Literal["name", "address", "upload", "number"]

_MOST_DIGITS = 18


@dataclass(frozen=True, kw_only=True)
class Match:
    """The photos that a name may mean.

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
    """Photos by name.

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
        """Find the photos that a name may mean; ``below`` is where it leads from the table's folder."""
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
    """Cut the ending of a photo, and nothing else behind a dot."""
    return name.rpartition(".")[0] if is_photo_name(name) else name


def _count_common_end(first: Parts, second: Parts) -> int:
    common = 0
    for one, other in zip(reversed(first), reversed(second), strict=False):
        if one != other:
            break
        common += 1
    return common


_SCHEME = re.compile(r"((?:[^:]*/)?)([A-Za-z][A-Za-z0-9+.-]+):/+")
"""Of two letters or more, as "C:/" is a drive; the name of a part's folder may come before it."""

_UPLOAD_PREFIX = re.compile(r"(?:^|(?<=[/\\]))[0-9a-f]{8}-(?=[^/\\]+$)")
_DATE_PREFIX = re.compile(r"(?:19|20)\d\d(?:0\d|1[0-2])[0-3]\d-")
_LOST_IN_UPLOADS = re.compile(r"[^-\w.]")


def list_addressed_names(address: str) -> tuple[str, ...]:
    """List the file names that an address may mean, the likeliest first.

    A name that is no address comes first as it is written.

    Args:
        address: A URL, whose query is no part of the file's name; ``s3://`` and its like; the addresses
            under which Label Studio serves files: ``?d=FILE``, ``?fileuri=`` with an address in base64.

    Examples:
        >>> list_addressed_names("https://example.org/lake/a%20b.jpg?size=2")
        ('example.org/lake/a%20b.jpg', 'example.org/lake/a b.jpg')
        >>> list_addressed_names("/data/local-files/?d=lake/a%20b.jpg")
        ('lake/a b.jpg',)
        >>> list_addressed_names("/tasks/0/resolve/?fileuri=czM6Ly9iL2EuanBn")
        ('b/a.jpg',)
        >>> list_addressed_names("a.jpg")
        ('a.jpg',)
    """
    inner = _find_inner(address)
    return _list_names(address) if inner is None else _list_names(inner)


def _find_inner(address: str) -> str | None:
    """Return the address inside of an address: what Label Studio serves is named in the query."""
    path, _, query = address.partition("?")
    if not query or is_photo_name(path):
        return None
    fields = parse_qs(query)
    if "fileuri" in fields:
        return _decode_base64(fields["fileuri"][0])
    return fields["d"][0] if "d" in fields else None


def _decode_base64(text: str) -> str:
    """Decode an address; one that is written as it is stays so."""
    coded = text.replace(" ", "+").replace("-", "+").replace("_", "/").rstrip("=")
    try:
        return base64.b64decode(coded + "=" * (-len(coded) % 4), validate=True).decode()
    except ValueError:
        return text


def _list_names(address: str) -> tuple[str, ...]:
    scheme = _SCHEME.match(address)
    path = address[scheme.end() :] if scheme else address
    is_web = scheme is not None and scheme[2].lower() in ("http", "https")
    bare = _cut_query(path, is_web=is_web)
    # Names on a disk and in cloud storage may hold any sign, those of the web are coded.
    names = [bare] if is_web else [path, bare]
    if scheme and scheme[1]:
        names = [f"{scheme[1]}{name.rpartition('/')[2]}" for name in names] + names
    return tuple(dict.fromkeys([*names, *(unquote(name) for name in names)]))


def _cut_query(path: str, *, is_web: bool) -> str:
    before = re.split(r"[?#]", path, maxsplit=1)[0]
    return before if is_web or is_photo_name(before) else path


def cut_upload_prefix(name: str) -> str:
    """Cut the eight digits that Label Studio puts before the name of an upload; a date stays.

    Examples:
        >>> cut_upload_prefix("data/upload/1/0a1b2c3d-boat.jpg"), cut_upload_prefix("20240131-boat.jpg")
        ('data/upload/1/boat.jpg', '20240131-boat.jpg')
    """
    prefix = _UPLOAD_PREFIX.search(name)
    if prefix is None or _DATE_PREFIX.match(prefix[0]):
        return name
    return name[: prefix.start()] + name[prefix.end() :]


def name_as_upload(name: str) -> str:
    """Write a file name as Label Studio and other servers do for an upload.

    Examples:
        >>> name_as_upload("my photo (1).jpg")
        'my_photo_1.jpg'
    """
    return _LOST_IN_UPLOADS.sub("", name.strip().replace(" ", "_"))
