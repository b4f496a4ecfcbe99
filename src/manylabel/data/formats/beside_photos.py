"""Name annotation files that lie beside photos and are not read.

In:  what lies in a folder.
Out: a sentence per kind of file.
"""

from collections import defaultdict
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from manylabel.data.find import FoundFiles, find_files
from manylabel.data.formats.folder_levels import is_general
from manylabel.data.formats.parsing.grid import TABLE_EXTENSIONS
from manylabel.data.formats.parsing.wording import count
from manylabel.io.files import printable

YOLO = "YOLO boxes"
_KINDS = {".xml": "XML annotations", ".json": "JSON annotations", ".txt": "text files"}
_MOST_OPENED = 20
_MOST_LINES = 5
_N_BOX_NUMBERS = 5


def describe_annotations(found: FoundFiles, *, root: Path) -> list[str]:
    """Say which annotations lie in a folder: files that are named like its photos, and tables in subfolders.

    Args:
        found: What lies in the folder.
        root: The folder; the annotations of one called ``images/`` may lie in ``labels/`` beside it.
    """
    stems = {photo.stem for photo in found.photos}
    others = [*found.others, *_list_beside(root)]
    kinds: dict[str, list[Path]] = defaultdict(list)
    for path in others:
        ending = path.suffix.lower()
        if ending in _KINDS and path.stem in stems:
            kinds[_KINDS[ending]].append(path)
        elif path.name.lower().endswith(TABLE_EXTENSIONS) and ending != ".txt" and path.parent != root:
            kinds["tables"].append(path)
    texts = kinds.pop(_KINDS[".txt"], [])
    if texts:
        kinds[YOLO if any(map(is_yolo, texts[:_MOST_OPENED])) else _KINDS[".txt"]] = texts
    return [_describe(kind, paths, root=root) for kind, paths in kinds.items()]


def _list_beside(root: Path) -> Sequence[Path]:
    beside = root.parent / "labels"
    return find_files(beside).others if is_general(root.name) and beside.is_dir() else ()


def _describe(kind: str, paths: Sequence[Path], *, root: Path) -> str:
    first = printable(paths[0].relative_to(root if root in paths[0].parents else root.parent).as_posix())
    start = f"{count(len(paths), 'file')} of {kind}, e.g. '{first}', " + ("is" if len(paths) == 1 else "are")
    if kind == YOLO:
        return f"{start} not read; convert to COCO or CVAT and name that file"
    return f"{start} not read; name their folder, or the file, as the labels if they tell them"


def is_yolo(path: Path) -> bool:
    r"""Tell whether a text file holds YOLO boxes: a whole number and four or more numbers from 0 to 1 a line.

    Examples:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as name:
        ...     file = Path(name) / "a.txt"
        ...     _ = file.write_text("0 0.5 0.5 0.25 0.25\n")
        ...     is_yolo(file)
        True
    """
    try:
        with path.open(encoding="utf-8") as file:
            lines = [line.split() for line in islice(file, _MOST_LINES) if line.strip()]
    except (OSError, UnicodeDecodeError):
        return False
    return bool(lines) and all(map(_is_box, lines))


def _is_box(words: Sequence[str]) -> bool:
    if len(words) < _N_BOX_NUMBERS or not words[0].isdigit():
        return False
    try:
        return all(0 <= float(word) <= 1 for word in words[1:])
    except ValueError:
        return False
