"""Unpack the parts of an Excel workbook, and no more than a spreadsheet program would have packed.

In:  the bytes of an XLSX file, which is a zip archive of XML files.
Out: the XML of one part, told to a reader piece by piece; TableError where a part unpacks to too much,
     declares a document type, or is written to exhaust whoever reads it.
"""

import io
import posixpath
from collections.abc import Iterator
from xml.parsers import expat
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from manylabel.errors import TableError

_PIECE_BYTES = 1 << 16
_MEGA = 1 << 20
_FREE_BYTES = 4 * _MEGA
"""What any workbook may unpack to, however well it was packed."""

_MOST_TIMES = 100
"""How many times its own size a workbook may unpack to; a table of ones and zeros reaches 15."""

_MOST_PART_BYTES = 1024 * _MEGA
_MOST_BYTES = 2 * _MOST_PART_BYTES
_MOST_TAG_BYTES = _MEGA
_MOST_NAMES = 10_000
"""Different names of tags and attributes in one part; the standard has a few hundred."""

_DEEPEST = 64
_OLD_EXCEL = b"\xd0\xcf\x11\xe0"


class PartReader:
    """What is told the content of a part, in its order.

    Args:
        title: What errors call the part.
    """

    def __init__(self, title: str) -> None:
        self.title = title
        self._depth = 0
        self._names: dict[str, str] = {}

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """Note that an element begins, under the name of its tag in the file."""
        self._depth += 1
        if self._depth > _DEEPEST:
            raise self.badly_written()
        name = self._names.get(tag)
        if name is None:  # some programs write x:row for row
            name = self._names[tag] = tag.rpartition(":")[2]
        self.begin(name, attributes)

    def end(self, tag: str) -> None:
        """Note that an element ends."""
        self._depth -= 1
        self.finish(self._names.get(tag, tag))

    def text(self, text: str) -> None:
        """Note text of the element that began last; a long one comes in pieces."""

    def begin(self, name: str, attributes: dict[str, str]) -> None:
        """Note that an element begins; its name has no prefix."""

    def finish(self, name: str) -> None:
        """Note that an element ends."""

    def badly_written(self) -> TableError:
        """Return the error of a part that no spreadsheet program wrote."""
        return TableError(
            [
                f"{self.title}: is not written as a spreadsheet program does; open it in one and save it "
                "anew as .xlsx or CSV"
            ]
        )


class Package:
    """The parts of a workbook.

    Args:
        content: The bytes of the file.
        title: What errors call it.

    Raises:
        TableError: It is a workbook of an old form, or protected with a password.
        BadZipFile: It is no zip archive.
    """

    def __init__(self, content: bytes, *, title: str) -> None:
        if content.startswith(_OLD_EXCEL):
            raise TableError(
                [
                    f"{title}: is an old workbook (.xls) under another name, or protected with a password; "
                    "save it as .xlsx without a password"
                ]
            )
        self.title = title
        self._archive = ZipFile(io.BytesIO(content))
        # The names of parts are the same in capitals; some programs write the other slash.
        self._parts = {_plain_path(info.filename): info for info in self._archive.infolist()}
        self._left_bytes = min(_MOST_BYTES, max(_FREE_BYTES, _MOST_TIMES * len(content)))

    def __contains__(self, name: str) -> bool:
        """Tell whether there is a part of this name."""
        return _plain_path(name) in self._parts

    def read(self, name: str, reader: PartReader) -> None:
        """Parse a part.

        Args:
            name: Its path in the archive.
            reader: Is told what the part holds.

        Raises:
            TableError: The part is made to exhaust whoever reads it, or declares a document type.
            ExpatError: It is no XML.
            BadZipFile, zlib.error, OSError, EOFError, ValueError, NotImplementedError: It is damaged.
        """
        parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartElementHandler = reader.start
        parser.EndElementHandler = reader.end
        parser.CharacterDataHandler = reader.text
        parser.StartDoctypeDeclHandler = self._refuse_doctype
        n_fed = 0
        for piece in self._unpack(self._parts[_plain_path(name)]):
            parser.Parse(piece, False)
            n_fed += len(piece)
            if n_fed - parser.CurrentByteIndex > _MOST_TAG_BYTES or len(parser.intern) > _MOST_NAMES:
                raise reader.badly_written()
        parser.Parse(b"", True)

    def _unpack(self, part: ZipInfo) -> Iterator[bytes]:
        """Unpack a part, and stop where it, or all parts together, come to too much."""
        if part.flag_bits & 1:
            raise TableError([f"{self.title}: is protected with a password; save it without one"])
        if part.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
            raise NotImplementedError(f"{part.filename} is packed in a way that no spreadsheet program uses")
        most = min(_MOST_PART_BYTES, self._left_bytes)
        if part.file_size > most:  # as the archive says; what it does not say is counted below
            raise self._too_large()
        with self._archive.open(part) as file:
            while piece := file.read(_PIECE_BYTES):
                most -= len(piece)
                self._left_bytes -= len(piece)
                if most < 0:
                    raise self._too_large()
                yield piece

    def _too_large(self) -> TableError:
        return TableError(
            [
                f"{self.title}: unpacks to more than {_FREE_BYTES // _MEGA} MB, over {_MOST_TIMES} times its "
                f"size, or to more than {_MOST_PART_BYTES // _MEGA} MB a sheet, as no table of labels does; "
                "save it anew in a spreadsheet program, or as CSV"
            ]
        )

    def _refuse_doctype(self, *_: object) -> None:
        raise TableError([f"{self.title}: declares a document type (DOCTYPE), which is refused; remove it"])


def _plain_path(name: str) -> str:
    return posixpath.normpath(name.replace("\\", "/")).lstrip("/").casefold()
