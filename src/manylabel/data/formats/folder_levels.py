"""Decide which levels of folders are labels, and which are parts of a split.

In:  the folders that each photo lies in.
Out: the part and the labels of each photo, and what of that was assumed.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from manylabel.data.formats.base import find_part_level, read_folder_part
from manylabel.data.formats.contents import clean_label, read_part
from manylabel.types import Part

Folders = tuple[str, ...]

GENERAL_NAMES = frozenset(
    {
        *("annotations", "data", "dataset", "image", "images", "img", "imgs", "jpeg", "jpegimages", "jpg"),
        *("labels", "masks", "original", "originals", "photo", "photos", "pic", "pics", "picture"),
        *("pictures", "png", "raw"),
    }
)
"""Names of folders that say nothing of what is in them, in lower case."""

FEWEST_PHOTOS = 2
"""A folder in a folder with fewer photos is taken for order, not for a label."""

# A year, a date, a day that is counted; a folder of a camera (100CANON), as its standard (DCF) has them.
_ORDER = re.compile(
    r"(?:19|20)\d\d(?:[-_. ]?\d\d){0,2}|(?:day|week|batch|part|roll|fold|session)[-_ ]?\d+|[1-9]\d\d\w{5}",
    re.IGNORECASE,
)
_TOGETHER = re.compile(r"\s*[&+,;|]\s*|[\s_-]+and[\s_-]+", re.IGNORECASE)
_PERHAPS_TOGETHER = re.compile(r"[_-]")
_BOTH = re.compile(r"^both[\s_-]+", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class FolderLevels:
    """What the folders of some photos mean.

    Attributes:
        parts: Part of the split per photo [n_photos], None where no folder names one.
        labels: Labels per photo [n_photos], the outermost first; empty where it lies in no label folder.
        finer: Labels per photo [n_photos] that its folder is divided into further, so that they are unknown.
        part_folders: The folders that name parts.
        around: Folders that hold all photos, so that none is a label.
        nested: Folders whose own name is a label in addition to the outer ones.
        passed: Folders in or around label folders that are not labels.
        odd: Labels with the name of a part of a split, of a date or a camera's folder, or a general one.
        joined: Folders that are named after several other labels, with these.
        perhaps_joined: Labels that may be named after several others, with these.
    """

    parts: tuple[Part | None, ...]
    labels: tuple[tuple[str, ...], ...]
    finer: tuple[frozenset[str], ...]
    part_folders: tuple[str, ...]
    around: tuple[str, ...] = ()
    nested: tuple[str, ...] = ()
    passed: tuple[str, ...] = ()
    odd: tuple[str, ...] = ()
    joined: dict[str, tuple[str, ...]] = field(default_factory=dict)
    perhaps_joined: dict[str, tuple[str, ...]] = field(default_factory=dict)


def read_levels(folders: Sequence[Folders]) -> FolderLevels:
    """Decide what folders mean.

    Where all folders of one level name parts of a split, they are the split. What holds all photos is no
    label, and dates around label folders are none. Of what is left, the outermost folder is a label. A folder
    in it is one too, unless its name has a digit or is a general one, or it holds a single photo: that is how
    dates, cameras and deliveries look.

    Args:
        folders: The folders that each photo lies in, the outermost first [n_photos].
    """
    level = _find_part_level(folders)
    parts = [None if level is None or len(one) <= level else read_folder_part(one[level]) for one in folders]
    below = [one if level is None else (*one[:level], *one[level + 1 :]) for one in folders]
    around = _find_around(below)
    paths = [one[len(around) :] for one in below]
    ordered = _find_ordered(paths)
    paths = [path[1:] if ordered else path for path in paths]
    deeper = _find_deeper_labels(paths)
    labels = [tuple(dict.fromkeys(_list_labels(path, deeper))) for path in paths]
    known = {label for some in labels for label in some}
    joined = {name: found for name in known if (found := _split_name(name, _TOGETHER, known))}
    perhaps = {
        name: found
        for name in known - joined.keys()
        if (found := _split_name(name, _PERHAPS_TOGETHER, known))
    }
    inside = [(path, name) for path in set(paths) for path, name in _list_inner(path)]
    return FolderLevels(
        parts=tuple(parts),
        labels=tuple(tuple(dict.fromkeys(_resolve(some, joined))) for some in labels),
        finer=tuple(frozenset(_resolve(some, joined)) for some in _find_finer(paths, deeper)),
        part_folders=()
        if level is None
        else _name({one[: level + 1] for one in folders if len(one) > level}),
        around=around,
        nested=_name({path for path, name in inside if name in deeper}),
        passed=_name({path for path, name in inside if name not in deeper} | ordered),
        odd=tuple(sorted(filter(_is_odd, known))),
        joined=joined,
        perhaps_joined=perhaps,
    )


def is_general(name: str) -> bool:
    """Tell whether the name of a folder says nothing of what is in it.

    Examples:
        >>> is_general("Images"), is_general("cat")
        (True, False)
    """
    return name.strip().lower() in GENERAL_NAMES


def _is_odd(label: str) -> bool:
    is_order = _ORDER.fullmatch(label) is not None
    return is_order or is_general(label) or read_part(label) is not None


def _find_part_level(folders: Sequence[Folders]) -> int | None:
    placed = [one for one in folders if one]
    level = find_part_level(placed)
    if level is not None:
        return level
    is_one_part = (
        bool(placed) and all(read_part(one[0]) for one in placed) and any(len(one) > 1 for one in placed)
    )
    return 0 if is_one_part else None


def _find_around(folders: Sequence[Folders]) -> Folders:
    """Return the outermost folders that hold all photos, as far as there are folders in them."""
    placed = {one for one in folders if one}
    around: Folders = ()
    while placed and len({one[0] for one in placed}) == 1 and any(len(one) > 1 for one in placed):
        around = (*around, next(iter(placed))[0])
        placed = {one[1:] for one in placed if len(one) > 1}
    return around


def _find_ordered(paths: Sequence[Folders]) -> set[Folders]:
    """Return the outermost folders where all are dates or the like with folders in them; else none."""
    placed = [path for path in paths if path]
    is_order = all(len(path) > 1 and _ORDER.fullmatch(path[0]) for path in placed)
    return {path[:1] for path in placed} if is_order else set()


def _find_deeper_labels(paths: Sequence[Folders]) -> set[str]:
    counted = Counter(name for path in paths for name in {clean_label(name) for name in path[1:]})
    return {name for name, number in counted.items() if number >= FEWEST_PHOTOS and _may_be_label(name)}


def _may_be_label(name: str) -> bool:
    return not any(map(str.isdigit, name)) and not is_general(name) and read_folder_part(name) is None


def _list_labels(path: Folders, deeper: set[str]) -> Iterable[str]:
    if not path:
        return []
    return [clean_label(path[0]), *(name for name in map(clean_label, path[1:]) if name in deeper)]


def _list_inner(path: Folders) -> list[tuple[Folders, str]]:
    return [(path[: depth + 1], clean_label(path[depth])) for depth in range(1, len(path))]


def _find_finer(paths: Sequence[Folders], deeper: set[str]) -> tuple[frozenset[str], ...]:
    """Return what is unknown of each photo: the labels of the folders in its own folder."""
    below: dict[Folders, set[str]] = defaultdict(set)
    for path in set(paths):
        labels = tuple(_list_labels(path, deeper))
        for depth in range(1, len(labels)):
            below[labels[:depth]].update(labels[depth:])
    return tuple(frozenset(below.get(tuple(_list_labels(path, deeper)), ())) for path in paths)


def _split_name(name: str, separator: re.Pattern[str], known: set[str]) -> tuple[str, ...]:
    """Return the other labels that a name consists of, at least two; else nothing.

    Examples:
        >>> _split_name("both cat & dog", _TOGETHER, {"cat", "dog", "both cat & dog"})
        ('cat', 'dog')
    """
    others = {label.casefold(): label for label in known if label != name}
    pieces = [piece.strip() for piece in separator.split(_BOTH.sub("", name))]
    found = [piece if piece in known else others.get(piece.casefold()) for piece in pieces]
    labels = [label for label in found if label]
    return tuple(labels) if len(labels) == len(pieces) > 1 else ()


def _resolve(labels: Iterable[str], joined: dict[str, tuple[str, ...]]) -> Iterable[str]:
    return (one for label in labels for one in joined.get(label, (label,)))


def _name(folders: Iterable[Folders]) -> tuple[str, ...]:
    return tuple(sorted("/".join(folder) + "/" for folder in folders))
