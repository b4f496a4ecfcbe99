"""Read the contents of a file of labels: text, JSON or XML.

In:  a file, which anybody may have written.
Out: its text, the values of its JSON, the elements of its XML; TableError with the file's name where it holds
     none of these, or XML that declares a document type.
"""

import codecs
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

from defusedxml.common import DTDForbidden
from defusedxml.ElementTree import ParseError, fromstring

from manylabel.data.find import list_visible
from manylabel.data.formats.values import clean_label
from manylabel.errors import TableError, did_you_mean
from manylabel.io.files import printable

_HALF_CHARACTER = re.compile(r"\\u[dD][89a-fA-F]")
_SURROGATE = re.compile("[\ud800-\udfff]")


def read_bytes(path: Path, *, title: str | None = None) -> bytes:
    """Read a file.

    Args:
        path: The file.
        title: What errors call it; not given: its path.

    Raises:
        TableError: It does not exist (a file with a similar name is suggested), is a folder, or may not be
            read.
    """
    if path.is_dir():
        raise TableError([f"{path}: is a folder, expected a file of labels"])
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise TableError([missing_file(path)]) from error
    except OSError as error:
        raise TableError([f"{title or path}: cannot be read: {error.strerror}"]) from error


def missing_file(path: Path) -> str:
    """Say that a file or folder does not exist, and which one may have been meant."""
    neighbors = [entry.name for entry in list_visible(path.parent)] if path.parent.is_dir() else []
    return f"{path}: no such file or folder{did_you_mean(path.name, neighbors)}"


def read_text(path: Path, *, title: str | None = None) -> tuple[str, tuple[str, ...]]:
    """Read a text file in the encodings that spreadsheets write.

    Args:
        path: The file.
        title: What errors and notes call it; not given: its path.

    Returns:
        The text, and a note where it is not UTF-8.

    Raises:
        TableError: The file cannot be read, or is no text.
    """
    title = title or str(path)
    content = read_bytes(path, title=title)
    notes: tuple[str, ...] = ()
    try:
        if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            text = content.decode("utf-16")
        else:
            text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        notes = (f"{title}: not UTF-8, read as Windows-1252; save it as UTF-8 if letters look wrong",)
        text = _decode_windows(content, title=title)
    if "\0" in text:
        raise TableError([f"{title}: is not a text file"])
    return text, notes


def _decode_windows(content: bytes, *, title: str) -> str:
    try:
        return content.decode("cp1252")
    except UnicodeDecodeError as error:
        raise TableError(
            [f"{title}: is not a text file, or in an encoding that is not read; save it as 'CSV UTF-8'"]
        ) from error


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
        The place of an item, e.g. ``"labels.json, images[3]"``, and the item.

    Raises:
        TableError: It is no list.
    """
    if not isinstance(values, list):
        found = "nothing" if values is None else type(values).__name__
        raise TableError([f"{where}: expected a list of objects, found {found}"])
    for number, value in enumerate(values):
        place = f"{where}[{number}]"
        if isinstance(value, dict):
            yield place, value
        else:
            problems.append(f"{place}: expected an object, found {type(value).__name__}")


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
