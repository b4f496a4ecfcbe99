"""Read and write text in the encodings that spreadsheets use.

In:  a file, which anybody may have written.
Out: its text and its encoding; TableError with the file's name if it is no text.
"""

import codecs
from pathlib import Path

from manylabel.data.find import missing_file
from manylabel.errors import TableError

OLD_EXCEL, ZIP = b"\xd0\xcf\x11\xe0", b"PK\x03\x04"
"""How old workbooks and zip archives, among them .xlsx files, begin."""

_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
_MARK_OF = {
    name: mark for mark, name in _MARKS.items() if name != "utf-8-sig"
}  # whose codec writes it itself
"""Byte order marks, at the beginning of a text."""


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
    text, encoding = decode_text(read_bytes(path, title=title), title=title)
    if encoding != "cp1252":
        return text, ()
    return text, (f"{title}: not UTF-8, read as Windows-1252; save it as UTF-8 if letters look wrong",)


def decode_text(content: bytes, *, title: str) -> tuple[str, str]:
    """Decode a text file.

    Args:
        content: Its bytes.
        title: What errors call it.

    Returns:
        The text, and the name of the encoding, as ``encode_text`` takes it.

    Raises:
        TableError: It is no text, or in an encoding that is not read.
    """
    if content.startswith(OLD_EXCEL):
        raise TableError(
            [f"{title}: is an old workbook (.xls) with a wrong extension; save it as .xlsx or CSV"]
        )
    if content.startswith(ZIP):
        raise TableError(
            [f"{title}: is a zip archive with a wrong extension; rename an Excel workbook to .xlsx"]
        )
    encoding = next((name for mark, name in _MARKS.items() if content.startswith(mark)), "utf-8")
    try:
        text = content.removeprefix(_MARK_OF.get(encoding, b"")).decode(encoding)
    except UnicodeDecodeError:
        encoding = "cp1252"
        text = _decode_windows(content, title=title)
    if "\0" in text:
        raise TableError([f"{title}: is not a text file"])
    return text, encoding


def encode_text(text: str, encoding: str) -> bytes:
    r"""Encode a text as ``decode_text`` found it.

    Raises:
        UnicodeEncodeError: The encoding lacks a character.

    Examples:
        >>> encode_text("a", "utf-16-be"), decode_text(b"caf\xe9", title="x")
        (b'\xfe\xff\x00a', ('café', 'cp1252'))
    """
    return _MARK_OF.get(encoding, b"") + text.encode(encoding)


def _decode_windows(content: bytes, *, title: str) -> str:
    try:
        return content.decode("cp1252")
    except UnicodeDecodeError as error:
        raise TableError(
            [f"{title}: is not a text file, or in an encoding that is not read; save it as 'CSV UTF-8'"]
        ) from error
