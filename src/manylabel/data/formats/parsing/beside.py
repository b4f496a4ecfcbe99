"""Name the photo of an annotation file that is called as its photo is.

In:  the name of the file without its ending, and the name of the photo that is written in it.
Out: the names to try in turn; a note where the two contradict each other.
"""

import unicodedata
from collections.abc import Sequence

from manylabel.data.find import is_photo_name
from manylabel.data.formats.base import RawRow
from manylabel.data.formats.parsing.wording import count


def order_names(stem: str, written: str) -> tuple[str, ...]:
    """Put the names of a photo into the order in which they are tried.

    The name of the file itself counts: what is written in it may be older, as in files that were renamed
    together with their photos. Where both say the same, what is written has an ending, so it goes first.

    Examples:
        >>> order_names("001", "001.jpg"), order_names("001", "old.jpg"), order_names("001", "")
        (('001.jpg', '001'), ('001', 'old.jpg'), ('001',))
    """
    if not written:
        return (stem,)
    names = (stem, written) if _contradicts(stem, written) else (written, stem)
    return tuple(dict.fromkeys(names))


def describe_contradictions(rows: Sequence[RawRow], *, where: str, written_in: str) -> tuple[str, ...]:
    """Say which files are called after one photo and name another one.

    Args:
        rows: A row per file, with the names of ``order_names``.
        where: Name of what was read.
        written_in: Key or element that holds the name of the photo.
    """
    odd = [row for row in rows if len(row.names) > 1 and _contradicts(*row.names)]
    if not odd:
        return ()
    files = count(len(odd), "file")
    return (
        f"{where}: {files} whose {written_in} is not the name of the file, e.g. '{odd[0].names[1]}' in "
        f"{odd[0].where}; the name of the file counts where there is such a photo",
    )


def find_stem(name: str) -> str:
    r"""Cut folders and the ending of a photo.

    Examples:
        >>> find_stem(r"..\images\a.1.jpg"), find_stem("a.1")
        ('a.1', 'a.1')
    """
    last = name.replace("\\", "/").rpartition("/")[2]
    return last.rpartition(".")[0] if is_photo_name(last) else last


def _contradicts(stem: str, written: str) -> bool:
    first, second = (unicodedata.normalize("NFC", find_stem(name)).casefold() for name in (stem, written))
    return first != second
