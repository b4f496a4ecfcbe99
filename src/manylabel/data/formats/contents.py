"""Read the contents of a file of labels: text, JSON, XML, and single words of these.

In:  a file, which anybody may have written; the text of one cell, or one value of a JSON file.
Out: its text, the values of its JSON, the elements of its XML; TableError with the file's name if it has none
     of these, or if XML declares a document type. A target, a part of the split, or a label for a word.
"""

import json
import math
import re
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

from manylabel.data.formats.text_files import read_bytes, read_text
from manylabel.errors import TableError
from manylabel.io.files import printable
from manylabel.types import Part

_ZERO = "\N{IDEOGRAPHIC NUMBER ZERO}"  # written for a circle

PRESENT_WORDS = frozenset(
    {
        *("1", "1.0", "1,0", "true", "t", "yes", "y", "x", "+", "*", "present", "positive", "pos"),
        *("positiv", "vorhanden", "あり", "对", "對", "👍"),
        *("wahr", "ja", "j", "vrai", "oui", "verdadero", "sí", "si", "verdadeiro", "sim", "vero", "sì"),
        *("waar", "prawda", "tak", "pravda", "ano", "igaz", "igen", "doğru", "evet", "sant", "sand", "kyllä"),
        *("истина", "да", "є", "так", "真", "是", "有", "はい", "참", "예", "đúng", "có", "صحيح", "نعم"),
        *("✓", "✔", "☑", "✅", "☒", "🗸", "●", "•", "■", "\N{MULTIPLICATION SIGN}", "○", "◯", "◎", _ZERO),
    }
)
"""What marks a label as present, in lower case: also the truth values and yes of the languages of Excel."""

ABSENT_WORDS = frozenset(
    {
        *("0", "0.0", "0,0", "false", "f", "no", "n", "absent", "negative", "neg", "negativ", "fehlt"),
        *("なし", "错", "錯", "👎", "falsch", "nein", "faux", "non", "falso", "não", "nao", "onwaar", "nee"),
        *("fałsz", "nie", "nepravda", "ne", "hamis", "nem", "falskt", "falsk", "nej", "nei", "epätosi"),
        *("ei", "yanl\N{LATIN SMALL LETTER DOTLESS I}ş", "hay\N{LATIN SMALL LETTER DOTLESS I}r", "ложь"),
        *(
            "нет",
            "ні",
            "假",
            "否",
            "无",
            "無",
            "いいえ",
            "거짓",
            "아니요",
            "sai",
            "không",
            "خطأ",
            "لا",
            "✗",
            "✘",
            "❌",
        ),
        *("☐", "□"),
    }
)
_TICKS = frozenset({"✓", "✔", "☑", "✅", "🗸"})
_CROSSES = frozenset({"x", "☒", "\N{MULTIPLICATION SIGN}"})
_CIRCLES = frozenset({"○", "◯", "◎", _ZERO})
_DOTS = frozenset({"●", "•", "■"})
DASHES = frozenset({"-", "\N{EN DASH}", "\N{EM DASH}", "\N{MINUS SIGN}"})
"""Absent where no other mark says so, else unknown."""

UNKNOWN_WORDS = frozenset(
    {"", "?", "??", "-1", "-1.0", "nan", "na", "n/a", "#n/a", "<na>", "nat", "null", "none", "unknown"}
)
EXPECTED_TARGET = "1, 0, true, false, yes, no, x, ? for unknown, or blank"

TRUTH_NAMES = frozenset(
    {
        *("confidence", "present", "is_present", "value", "answer", "wert", "vorhanden", "antwort"),
        *("valeur", "présent", "réponse", "valor", "presente", "respuesta"),
    }
)
"""Names of a column that says whether the label of a line is present, as ``plain_name`` writes them."""

PHOTO_NAMES = frozenset(
    {
        *("file", "file_name", "file_path", "filename", "filepath", "fname", "image", "image_file"),
        *("image_id", "image_index", "image_name", "image_path", "imageid", "img", "path", "photo"),
        *("photo_name", "picture", "source_ref", "datei", "dateiname", "foto", "bild", "fichier"),
        *("archivo", "arquivo", "imagen"),
    }
)
"""Names of the column that names the photos, as ``plain_name`` writes them."""

LABELS_NAMES = frozenset(
    {
        *("categories", "category", "class", "classes", "class_name", "finding_labels", "label"),
        *("label_name", "labelname", "labels", "objects", "tag", "tags", "target", "targets", "genre"),
        *("genres", "schlagwort", "schlagworte", "schlagwörter", "étiquette", "étiquettes", "etiquetas"),
    }
)
"""Names of a column that lists labels, as ``plain_name`` writes them."""

PART_NAMES = frozenset({"split", "subset", "partition"})
"""Names of the column that tells the split, as ``plain_name`` writes them."""

PART_WORDS: dict[str, Part] = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
}
"""Names of the parts of a split, as columns and folders write them."""


def read_target(text: str) -> float | None:
    """Read one cell of a one-hot table.

    Returns:
        1 present, 0 absent, NaN unknown; None where the text is nothing of the kind. A dash is absent.

    Examples:
        >>> read_target("yes"), read_target("0"), read_target(""), read_target("beach")
        (1.0, 0.0, nan, None)
    """
    word = text.strip().lower()
    if word in DASHES:
        return 0.0
    if word in PRESENT_WORDS:
        return 1.0
    if word in ABSENT_WORDS:
        return 0.0
    return math.nan if word in UNKNOWN_WORDS else None


def find_absent_marks(words: Iterable[str]) -> frozenset[str]:
    """Return the marks that mean absent beside the others of a table, and present elsewhere.

    A cross means yes on a form and no beside a tick or, in Japan, beside a circle; an empty circle means yes
    there, and no beside a filled one.

    Args:
        words: All cells of the label columns.

    Examples:
        >>> sorted(find_absent_marks(["x", "✓", ""])), sorted(find_absent_marks(["○", "x"]))
        (['x'], ['x'])
        >>> sorted(find_absent_marks(["○", "●"])), sorted(find_absent_marks(["x", ""]))
        (['○'], [])
    """
    marks = {word.strip().lower() for word in words}
    if marks & _DOTS and marks & _CIRCLES:
        return frozenset(marks & _CIRCLES)
    return frozenset(marks & _CROSSES) if marks & (_TICKS | _CIRCLES) else frozenset()


def read_part(text: str) -> Part | None:
    """Read the name of a part of the split.

    Returns:
        The part; None where the text names none.

    Examples:
        >>> read_part("Validation"), read_part("holdout")
        ('val', None)
    """
    return PART_WORDS.get(text.strip().lower())


def clean_label(value: object) -> str:
    r"""Write a label's name in one way: outer spaces go, and letters with marks are one character each.

    The second matters because the same word typed on two systems can be two different strings.

    Examples:
        >>> clean_label(" cafe\u0301 ") == "caf\u00e9", clean_label(7), clean_label(None)
        (True, '7', '')
    """
    return "" if value is None else unicodedata.normalize("NFC", str(value)).strip()


def plain_name(name: str) -> str:
    """Write the name of a column as the lists of usual names do.

    Examples:
        >>> plain_name(" File-Name"), plain_name("label2")
        ('file_name', 'label2')
    """
    return name.strip().lower().replace(" ", "_").replace("-", "_")


_HALF_CHARACTER = re.compile(r"\\u[dD][89a-fA-F]")
_SURROGATE = re.compile("[\ud800-\udfff]")


def read_json(path: Path, *, title: str | None = None) -> Any:
    """Read a JSON file.

    Args:
        path: The file.
        title: What errors call it; not given: its path.

    Raises:
        TableError: The file cannot be read, or is no JSON in UTF-8; with the line.
    """
    title = title or str(path)
    text, notes = read_text(path, title=title)
    if notes:  # What other encodings make of names and labels would be a guess.
        line = _find_foreign_line(read_bytes(path, title=title))
        raise TableError([f"{title}, line {line}: is not UTF-8, as JSON has to be; save the file as UTF-8"])
    return parse_json(text, where=title)


def _find_foreign_line(content: bytes) -> int:
    """Return the number of the first line that is not UTF-8."""
    text = content.decode("utf-8", "surrogateescape")
    foreign = _SURROGATE.search(text)
    return text.count("\n", 0, foreign.start() if foreign else 0) + 1


def parse_json(text: str, *, where: str) -> Any:
    """Read JSON text; halves of characters, such as of names that are not UTF-8, become U+FFFD.

    Raises:
        TableError: It is no JSON.
    """
    try:
        values = json.loads(text)
        return _mend_texts(values) if _HALF_CHARACTER.search(text) else values
    except json.JSONDecodeError as error:
        raise TableError([f"{where}: is not valid JSON: line {error.lineno}, {error.msg}"]) from error
    except (ValueError, RecursionError) as error:
        # Numbers of thousands of digits and thousands of nested brackets are valid, and of no use here.
        raise TableError([f"{where}: is JSON that cannot be read: {error}"]) from error


def read_name(value: object) -> str:
    """Read the name of a label in JSON; empty where there is none, or where it is a list or an object.

    Examples:
        >>> read_name(" boat "), read_name(3), read_name(["boat"])
        ('boat', '3', '')
    """
    return "" if isinstance(value, (list, dict)) else clean_label(value)


def _mend_texts(value: Any) -> Any:
    match value:
        case str():
            return _mend_text(value)
        case list():
            return [_mend_texts(item) for item in value]
        case dict():
            return {_mend_text(key): _mend_texts(item) for key, item in value.items()}
        case _:
            return value


def _mend_text(text: str) -> str:
    try:
        return printable(text)  # The names of photos are written so, too.
    except UnicodeEncodeError:
        return _SURROGATE.sub("\ufffd", text)


def list_records(values: object, *, where: str, problems: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Go through a JSON list of objects.

    Args:
        values: What should be a list of objects.
        where: Name of the list, e.g. ``"labels.json, images"``.
        problems: Gets a sentence for each item that is no object.

    Yields:
        The location of an item, e.g. ``"labels.json, images[3]"``, and the item.

    Raises:
        TableError: It is no list.
    """
    if not isinstance(values, list):
        found = "nothing" if values is None else type(values).__name__
        raise TableError([f"{where}: expected a list of objects, found {found}"])
    for number, value in enumerate(values):
        location = f"{where}[{number}]"
        if isinstance(value, dict):
            yield location, value
        else:
            problems.append(f"{location}: expected an object, found {type(value).__name__}")


def first_objects(document: object, *, most: int = 50) -> list[dict[str, Any]]:
    """Return the objects among the first items of a JSON list; none if it is no list."""
    items = document[:most] if isinstance(document, list) else []
    return [item for item in items if isinstance(item, dict)]


def read_xml(path: Path, *, title: str | None = None) -> Element:
    """Read an XML file without expanding anything, and return its root.

    Annotation tools write no document type. One that is there could define entities that grow to gigabytes
    or stand for other files, so it is refused before any of it is used.

    Args:
        path: The file.
        title: What errors call it; not given: its path.

    Raises:
        TableError: The file cannot be read, is no XML, or declares a document type.
    """
    # Not at the top: it takes as long to load as all else here, and few labels are XML.
    from defusedxml.common import DTDForbidden
    from defusedxml.ElementTree import ParseError, fromstring

    title = title or str(path)
    try:
        root: Element = fromstring(read_bytes(path, title=title), forbid_dtd=True)
    except DTDForbidden as error:
        raise TableError(
            [f"{title}: declares a document type (DOCTYPE), which is refused; remove it"]
        ) from error
    except (ParseError, ValueError, LookupError) as error:
        raise TableError([f"{title}: is not valid XML: {error}"]) from error
    return root
