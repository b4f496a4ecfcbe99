"""Unpack the parts of an Excel workbook, and read what its sheets share.

In:  the bytes of an XLSX file, which is a zip archive of XML files.
Out: the XML of one part, given to a reader piece by piece; the names of the sheets and where they are, the
     texts that cells refer to, which styles show dates. TableError where a part unpacks to too much, declares
     a document type, or is written to exhaust whoever reads it.
"""

import io
import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from xml.parsers import expat
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from manylabel.data.formats.text_files import OLD_EXCEL, ZIP
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


class PartReader:
    """A receiver of the content of a part, in its order.

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
                "again as .xlsx or CSV"
            ]
        )


class Package:
    """The parts of a workbook.

    Args:
        content: The bytes of the file.
        title: What errors call it.

    Raises:
        TableError: It is a workbook of an old format, or protected with a password.
        BadZipFile: It is no zip archive.
    """

    def __init__(self, content: bytes, *, title: str) -> None:
        if content.startswith(OLD_EXCEL):
            raise TableError(
                [
                    f"{title}: is an old workbook (.xls) under another name, or protected with a password; "
                    "save it as .xlsx without a password"
                ]
            )
        if not content.startswith(ZIP):
            raise TableError(
                [
                    f"{title}: cannot be read as an Excel workbook: it does not begin like one; if it is "
                    "CSV, rename it to .csv; if it was a workbook, copy it again"
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
            reader: Gets the content of the part.

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
                "save it again in a spreadsheet program, or as CSV"
            ]
        )

    def _refuse_doctype(self, *_: object) -> None:
        raise TableError([f"{self.title}: declares a document type (DOCTYPE), which is refused; remove it"])


def _plain_path(name: str) -> str:
    return posixpath.normpath(name.replace("\\", "/")).lstrip("/").casefold()


_WORKBOOK = "xl/workbook.xml"
_MOST_STRINGS = 2_500_000
_MOST_CHARACTERS = 1 << 26
_MOST_FORMATS = 1000
_LONGEST_FORMAT = 255
_ESCAPED = re.compile("_x((?!0000)00[01][0-9A-Fa-f]|[fF]{3}[eEfF]|005[fF](?=_x[0-9A-Fa-f]{4}_))_")
"""How a workbook writes a character that XML cannot hold, and the beginning of what looks like one (ECMA-376,
part 1, section 22.4.2.4)."""


@dataclass(frozen=True, kw_only=True)
class SharedParts:
    """What all sheets of a workbook share.

    Attributes:
        sheets: Where the XML of each sheet is, by the sheet's name, in their order.
        strings: The texts that cells refer to by number.
        dates: Of the styles that show dates, by their numbers, whether it is a length of time.
        is_from_1904: Days are counted from 1904, as old programs for the Macintosh did, instead of 1900.
    """

    sheets: Mapping[str, str]
    strings: tuple[str, ...]
    dates: Mapping[str, bool]
    is_from_1904: bool


def read_shared_parts(package: Package) -> SharedParts:
    """Read what the sheets of a workbook share.

    Raises:
        TableError: The workbook has no sheet of cells, two sheets are the same part, or texts without end.
    """
    top = _read_relations(package, "")
    book_path = next((target for kind, target in top.values() if kind == "officeDocument"), _WORKBOOK)
    if book_path not in package:
        raise TableError([f"{package.title}: cannot be read as an Excel workbook: it has no {book_path}"])
    book = _Book(package.title)
    package.read(book_path, book)
    relations = _read_relations(package, book_path)
    paths = {kind: target for kind, target in relations.values() if target in package}
    sheets = {
        name: relations[identifier][1]
        for name, identifier in book.sheets
        if relations.get(identifier, ("", ""))[0] == "worksheet" and relations[identifier][1] in package
    }
    if not sheets:
        raise TableError([f"{package.title}: cannot be read as an Excel workbook: it has no sheet of cells"])
    if len(set(sheets.values())) < len(sheets):
        raise TableError([f"{package.title}: cannot be read as an Excel workbook: two sheets are the same"])
    strings, styles = _Strings(package.title), _Styles(package.title)
    if "sharedStrings" in paths:
        package.read(paths["sharedStrings"], strings)
    if "styles" in paths:
        package.read(paths["styles"], styles)
    return SharedParts(
        sheets=sheets,
        strings=tuple(strings.found),
        dates=_find_dates(styles),
        is_from_1904=book.is_from_1904,
    )


def unescape(text: str) -> str:
    r"""Return text as it was before it was put into a workbook.

    Other characters need no escape and have none from spreadsheet programs: what looks like one is a name.

    Examples:
        >>> unescape("a_x000A_b_x005F_x000A_ my_x0020_file")
        'a\nb_x000A_ my_x0020_file'
    """
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text) if "_x" in text else text


def _read_relations(package: Package, source: str) -> dict[str, tuple[str, str]]:
    """Return kind and path of the parts that a part refers to, by their identifiers."""
    folder, name = posixpath.split(source)
    relations = _Relations(package.title, folder=folder)
    path = posixpath.join(folder, "_rels", f"{name}.rels")
    if path in package:
        package.read(path, relations)
    return relations.found


class _Relations(PartReader):
    """The relations of one part."""

    def __init__(self, title: str, *, folder: str) -> None:
        super().__init__(title)
        self.found: dict[str, tuple[str, str]] = {}
        self._folder = folder

    def begin(self, name: str, attributes: dict[str, str]) -> None:
        if name == "Relationship" and attributes.get("TargetMode") != "External":
            kind = attributes.get("Type", "").rpartition("/")[2]
            target = posixpath.join("/", self._folder, attributes.get("Target", ""))
            self.found[attributes.get("Id", "")] = kind, posixpath.normpath(target).lstrip("/")


class _Book(PartReader):
    """The list of sheets."""

    def __init__(self, title: str) -> None:
        super().__init__(title)
        self.sheets: list[tuple[str, str]] = []
        self.is_from_1904 = False

    def begin(self, name: str, attributes: dict[str, str]) -> None:
        match name:
            case "sheet":
                # The prefix of the identifier is "r" in most files, and may be any.
                identifier = next((value for key, value in attributes.items() if key.endswith(":id")), "")
                self.sheets.append((attributes.get("name", ""), identifier))
            case "workbookPr":
                self.is_from_1904 = attributes.get("date1904") in ("1", "true", "on")


class _Strings(PartReader):
    """The texts that cells refer to; how they are pronounced (rPh) is no part of them."""

    def __init__(self, title: str) -> None:
        super().__init__(title)
        self.found: list[str] = []
        self._pieces: list[str] = []
        self._is_text = self._is_sound = False
        self._n_characters = 0

    def begin(self, name: str, attributes: dict[str, str]) -> None:
        match name:
            case "t":
                self._is_text = not self._is_sound
            case "rPh":
                self._is_sound = True
            case "si":
                self._pieces = []

    def finish(self, name: str) -> None:
        match name:
            case "t":
                self._is_text = False
            case "rPh":
                self._is_sound = False
            case "si":
                self.found.append(unescape("".join(self._pieces)))
                if len(self.found) > _MOST_STRINGS:
                    raise TableError([f"{self.title}: holds more than {_MOST_STRINGS:,} different texts"])

    def text(self, text: str) -> None:
        if self._is_text:
            self._pieces.append(text)
            self._n_characters += len(text)
            if self._n_characters > _MOST_CHARACTERS:
                raise TableError([f"{self.title}: holds more than {_MOST_CHARACTERS:,} characters of text"])


class _Styles(PartReader):
    """The formats of numbers, and which of them each style of a cell uses."""

    def __init__(self, title: str) -> None:
        super().__init__(title)
        self.codes: dict[str, str] = {}
        self.used: list[str] = []
        self._is_of_cells = False

    def begin(self, name: str, attributes: dict[str, str]) -> None:
        match name:
            case "numFmt" if len(self.codes) < _MOST_FORMATS:
                self.codes[attributes.get("numFmtId", "")] = attributes.get("formatCode", "")[
                    :_LONGEST_FORMAT
                ]
            case "cellXfs":
                self._is_of_cells = True
            case "xf" if self._is_of_cells:
                self.used.append(attributes.get("numFmtId", "0"))

    def finish(self, name: str) -> None:
        if name == "cellXfs":
            self._is_of_cells = False


def _find_dates(styles: _Styles) -> dict[str, bool]:
    """Return the numbers of the styles that show dates or times, and whether they show a length of time."""
    if not styles.used:
        return {}
    from openpyxl.styles.numbers import BUILTIN_FORMATS, is_date_format, is_timedelta_format  # slow

    codes = {str(number): code for number, code in BUILTIN_FORMATS.items()} | styles.codes
    kinds = {
        number: is_timedelta_format(codes.get(number))
        for number in {*styles.used}
        if is_date_format(codes.get(number))
    }
    return {str(style): kinds[number] for style, number in enumerate(styles.used) if number in kinds}
