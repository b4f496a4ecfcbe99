"""Workbooks that somebody made to exhaust whoever opens them, or that are damaged: one error each.

In:  XLSX files written by hand.
Out: a TableError that names the file, soon and in little memory.
"""

import time
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from manylabel.data.formats import read_table
from manylabel.data.formats.tables.sheet import read_sheet
from manylabel.errors import TableError
from tests.attack.workbooks import (
    SHEET,
    parts_of,
    row_xml,
    sheet_xml,
    strings_xml,
    write_parts,
)

MEGA = 1 << 20
SOON_SECONDS = 20
"""Far more than any takes here, for a machine that does other things, too."""

MOST_BYTES = 250 * MEGA
TABLE = row_xml(1, "image", "sea") + row_xml(2, "a.jpg", "1") + row_xml(3, "b.jpg", "0")
TEXT_CELL = '<c t="s"><v>0</v></c>'
SHEETS = '<workbook xmlns:r="r"><sheets>{}</sheets></workbook>'

HARMFUL: dict[str, tuple[Callable[[], dict[str, str]], str]] = {
    "a cell in the last corner": (
        lambda: parts_of(sheet_xml(TABLE + '<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>')),
        "row 1048576: 16384 cells, but 2 columns named; delete what is beside the table",
    ),
    "a row beyond the last": (
        lambda: parts_of(sheet_xml(TABLE + '<row r="99999999"><c><v>1</v></c></row>')),
        "has a row 99999999, where a sheet ends with row 1048576",
    ),
    "a row of no number": (
        lambda: parts_of(sheet_xml('<row r="1e999"/>')),
        "cannot be read as an Excel workbook",
    ),
    "a row before the first": (lambda: parts_of(sheet_xml('<row r="-5"/>')), "has a row -5"),
    "a column beyond the last": (
        lambda: parts_of(sheet_xml('<row r="1"><c r="XFE1"><v>1</v></c></row>')),
        "row 1: has a cell in column 16385",
    ),
    "cells without end in a row": (
        lambda: parts_of(sheet_xml(f"<row>{'<c/>' * 20_000}</row>")),
        "row 1: has a cell in column 16385",
    ),
    "a row after the last": (lambda: parts_of(sheet_xml('<row r="1048576"/><row/>')), "has a row 1048577"),
    "a column of no letters": (
        lambda: parts_of(sheet_xml('<row><c r="7"><v>1</v></c></row>')),
        "there is no column ''",
    ),
    "few cells, spread far": (
        lambda: parts_of(
            sheet_xml("".join(f'<row r="{r}"><c r="XFD{r}"><v>1</v></c></row>' for r in range(1, 2000)))
        ),
        "its cells are spread over 916 rows and 16,384 columns",
    ),
    "a bomb of blanks": (lambda: parts_of(sheet_xml(" " * (30 * MEGA))), "unpacks to more than 4 MB"),
    "a bomb of cells": (
        lambda: parts_of(sheet_xml(f"<row>{'<c><v>1</v></c>' * 10_000}</row>" * 1000)),
        "unpacks to more than 4 MB",
    ),
    "a bomb of shared texts": (
        lambda: parts_of(sheet_xml(TABLE), strings=strings_xml("<si><t>abc</t></si>" * (MEGA // 2))),
        "unpacks to more than 4 MB",
    ),
    "one long text in very many cells": (
        lambda: parts_of(
            sheet_xml(f"<row>{TEXT_CELL * 100}</row>" * 1000),
            strings=strings_xml(f"<si><t>{'a' * 32_767}</t></si>"),
        ),
        "more text than can be read",
    ),
    "a text longer than a cell can hold": (
        lambda: parts_of(sheet_xml(row_xml(1, "image", "x" * 40_000))),
        "row 1, column 2: more text than can be read",
    ),
    "a text of megabytes": (
        lambda: parts_of(sheet_xml(row_xml(1, "x" * (3 * MEGA)))),
        "more text than can be read",
    ),
    "merged areas upon each other": (
        lambda: parts_of(
            sheet_xml(
                TABLE,
                after='<mergeCell ref="A1:XFD1048576"/>' * 20_000,
            )
        ),
        "has merged cells that overlap",
    ),
    "elements in elements without end": (
        lambda: parts_of(sheet_xml("<a>" * 100_000)),
        "is not written as a spreadsheet program does",
    ),
    "texts in texts without end": (
        lambda: parts_of(sheet_xml(TABLE), strings=strings_xml("<si>" * 100_000)),
        "is not written as a spreadsheet program does",
    ),
    "names of tags without end": (
        lambda: parts_of(sheet_xml("".join(f"<a{number:x}/>" for number in range(200_000)))),
        "is not written as a spreadsheet program does",
    ),
    "a tag without end": (
        lambda: parts_of(sheet_xml("<a" + "".join(f' b{number:x}=""' for number in range(300_000)) + "/>")),
        "is not written as a spreadsheet program does",
    ),
    "entities that grow": (
        lambda: parts_of(
            '<!DOCTYPE w [<!ENTITY a "xxxxxxxxxx"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
            + sheet_xml(row_xml(1, "&b;"))
        ),
        "declares a document type",
    ),
    "an entity that is a file": (
        lambda: parts_of(
            '<!DOCTYPE w [<!ENTITY a SYSTEM "file:///etc/passwd">]>' + sheet_xml(row_xml(1, "&a;"))
        ),
        "declares a document type",
    ),
    "an encoding that does not exist": (
        lambda: parts_of('<?xml version="1.0" encoding="klingon"?>' + sheet_xml(TABLE)),
        "cannot be read as an Excel workbook: unknown encoding",
    ),
    "a sheet many times": (
        lambda: parts_of(
            sheet_xml(TABLE),
            workbook=SHEETS.format("".join(f'<sheet name="{n}" r:id="rId1"/>' for n in range(9))),
        ),
        "two sheets are the same",
    ),
    "no sheet": (lambda: parts_of(sheet_xml(TABLE), workbook=SHEETS.format("")), "it has no sheet of cells"),
    "relations that lead elsewhere": (
        lambda: parts_of(
            sheet_xml(TABLE), relations='<r><Relationship Id="rId1" Target="../../../etc/passwd"/></r>'
        ),
        "it has no sheet of cells",
    ),
    "formats that are costly to understand": (
        lambda: parts_of(
            sheet_xml(TABLE),
            styles="<s><numFmts>"
            + "".join(f'<numFmt numFmtId="{n}" formatCode="{"[" * 2000}"/>' for n in range(200, 2000))
            + "</numFmts><cellXfs>"
            + "".join(f'<xf numFmtId="{n}"/>' for n in range(200, 2000))
            + "</cellXfs></s><",
        ),
        "cannot be read as an Excel workbook",
    ),
}


@pytest.fixture(scope="module")
def harmful(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Write all of them."""
    folder = tmp_path_factory.mktemp("harmful")
    return {name: write_parts(folder / f"{name}.xlsx", parts()) for name, (parts, _) in HARMFUL.items()}


def problems_of(path: Path) -> tuple[str, ...]:
    """Return what reading finds, and what it stops for."""
    try:
        return read_sheet(path).problems
    except TableError as error:
        return error.problems


@pytest.mark.parametrize("name", HARMFUL)
def test_a_harmful_workbook_is_one_error_soon(name: str, harmful: dict[str, Path]) -> None:
    begun = time.perf_counter()
    [problem] = problems_of(harmful[name])
    assert time.perf_counter() - begun < SOON_SECONDS
    assert problem.startswith(f"{name}.xlsx")
    assert HARMFUL[name][1] in problem


@pytest.mark.parametrize("name", HARMFUL)
def test_a_harmful_workbook_takes_little_memory(name: str, harmful: dict[str, Path]) -> None:
    tracemalloc.start()
    try:
        problems_of(harmful[name])
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert most < MOST_BYTES


def _damage(find: bytes, change: Callable[[bytearray, int], None]) -> Callable[[bytearray], None]:
    def apply(content: bytearray) -> None:
        change(content, content.index(find))

    return apply


def _set(offset: int, *values: int) -> Callable[[bytearray, int], None]:
    def apply(content: bytearray, place: int) -> None:
        content[place + offset : place + offset + len(values)] = bytes(values)

    return apply


def _cut(content: bytearray) -> None:
    del content[len(content) // 2 :]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (_cut, "not a zip file"),
        (_damage(b"PK\x01\x02", _set(10, 99)), "no spreadsheet program uses"),  # the way of packing
        (_damage(b"PK\x01\x02", _set(6, 99)), "zip file version 9.9"),
        (_damage(b"PK\x01\x02", _set(8, 1)), "is protected with a password"),
        (
            _damage(b"PK\x01\x02", _set(24, 255, 255, 255, 127)),
            "unpacks to more than",
        ),  # a size that is a lie
        (_damage(b"PK\x01\x02", _set(42, 255, 255, 255, 0)), "cannot be read as an Excel workbook"),
        (_damage(b"_rels/.rels", _set(12, 255, 255, 255)), "Error -3 while decompressing"),
        (_damage(b"PK\x05\x06", _set(16, 255, 255, 255, 255)), "cannot be read as an Excel workbook"),
    ],
)
def test_a_damaged_archive_is_one_error(
    change: Callable[[bytearray], None], problem: str, tmp_path: Path
) -> None:
    whole = parts_of(sheet_xml(TABLE))
    first = {"_rels/.rels": whole.pop("_rels/.rels")}  # its data are read first
    path = write_parts(tmp_path / "labels.xlsx", first | whole)
    content = bytearray(path.read_bytes())
    change(content)
    path.write_bytes(content)

    with pytest.raises(TableError, match=r"^labels\.xlsx: ") as caught:
        read_sheet(path)
    assert problem in str(caught.value)
    assert len(caught.value.problems) == 1


@pytest.mark.parametrize("content", [b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600)])
def test_an_old_or_protected_workbook_is_told(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "labels.xlsx").write_bytes(content)
    with pytest.raises(TableError, match=r"labels\.xlsx: is an old workbook \(\.xls\) .* or protected with"):
        read_sheet(tmp_path / "labels.xlsx")


def test_a_size_that_is_too_small_by_a_lie_is_one_error(tmp_path: Path) -> None:
    path = write_parts(tmp_path / "labels.xlsx", parts_of(sheet_xml(TABLE + " " * (30 * MEGA))))
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        size = archive.getinfo(SHEET).file_size.to_bytes(4, "little")
    content = content.replace(size, (5000).to_bytes(4, "little"))
    path.write_bytes(content)
    with pytest.raises(TableError, match=r"labels\.xlsx: cannot be read as an Excel workbook: Bad CRC"):
        read_sheet(path)


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ('<c t="s"><v>7</v></c>', "it refers to a text that the workbook does not contain"),
        ('<c t="s"><v>-1</v></c>', "it refers to a text that the workbook does not contain"),
        ("<c><v>1.2.3</v></c>", "it holds '1.2.3' as a number, which it is not"),
        (f"<c><v>{'9' * 5000}</v></c>", "as a number, which it is not"),
        ('<c t="b"><v>2</v></c>', "it holds '2', which is neither true nor false"),
        ('<c s="1"><v>1e300</v></c>', "it holds the error #VALUE!"),
        ('<c s="1"><v>46082</v></c>', r"it holds a date \(2026-03-01\)"),
        ('<c t="d"><v>2026-03-01T00:00:00</v></c>', r"it holds a date \(2026-03-01\)"),
        ("<c><f>1+0</f><v/></c>", "its formula was never computed"),
    ],
)
def test_a_cell_that_no_program_writes_stops_only_its_column(cell: str, reason: str, tmp_path: Path) -> None:
    for name in "abc":
        (tmp_path / f"{name}.jpg").touch()
    rows = row_xml(1, "image", "sea", "odd") + "".join(
        f'<row r="{number}"><c t="inlineStr"><is><t>{name}.jpg</t></is></c><c><v>{number % 2}</v></c>'
        f"{cell if number == 3 else '<c><v>1</v></c>'}</row>"
        for number, name in enumerate("abc", start=2)
    )
    styles = '<s><cellXfs><xf numFmtId="0"/><xf numFmtId="14"/></cellXfs></s>'
    path = write_parts(tmp_path / "labels.xlsx", parts_of(sheet_xml(rows), styles=styles))

    with pytest.raises(TableError, match=rf"labels\.xlsx, cell C3: .*{reason}"):
        read_table(path, photos=tmp_path)
    assert read_table(path, photos=tmp_path, ignore=["odd"]).labels == ("sea",)


def test_a_formula_that_gives_an_empty_text_is_computed(tmp_path: Path) -> None:
    rows = (
        row_xml(1, "image", "labels")
        + '<row><c t="str"><v>a.jpg</v></c><c t="str"><f>""</f><v></v></c></row>'
    )
    sheet = read_sheet(write_parts(tmp_path / "labels.xlsx", parts_of(sheet_xml(rows))))
    assert (sheet.lines[0].cells, sheet.bad) == (("a.jpg", ""), {})


def test_prefixes_escapes_and_pronunciation_are_understood(tmp_path: Path) -> None:
    strings = (
        '<x:sst xmlns:x="m"><x:si><x:t>image</x:t></x:si><x:si><x:r><x:t>la</x:t></x:r>'
        "<x:r><x:t>bels</x:t></x:r><x:rPh><x:t>sound</x:t></x:rPh></x:si><x:si><x:t>a_x005F_x0041__x000A_b.jpg</x:t></x:si></x:sst>"
    )
    rows = (
        '<x:row r="1"><x:c r="A1" t="s"><x:v>0</x:v></x:c><x:c r="C1" t="s"><x:v>1</x:v></x:c></x:row>'
        '<x:row r="4"><x:c r="A4" t="s"><x:v>2</x:v></x:c><x:c r="C4" t="b"><x:v>1</x:v></x:c></x:row>'
    )
    sheet = f'<x:worksheet xmlns:x="m"><x:sheetData>{rows}</x:sheetData></x:worksheet>'
    read = read_sheet(write_parts(tmp_path / "labels.xlsx", parts_of(sheet, strings=strings)))
    assert (read.header, read.lines[0].cells) == (("image", "labels"), ("a_x0041_\nb.jpg", "True"))
    assert read.lines[0].where == "labels.xlsx, row 4"


@pytest.mark.slow
def test_a_table_of_twelve_million_cells_is_read(tmp_path: Path) -> None:
    n_rows, n_columns = 200_000, 60
    cells = "".join(f"<c><v>{column % 2}</v></c>" for column in range(n_columns))
    rows = "".join(
        f'<row r="{row}"><c r="A{row}" t="inlineStr"><is><t>{row}.jpg</t></is></c>{cells}</row>'
        for row in range(2, n_rows + 2)
    )
    header = row_xml(1, "image", *(f"label {column}" for column in range(n_columns)))
    sheet = read_sheet(write_parts(tmp_path / "labels.xlsx", parts_of(sheet_xml(header + rows))))
    assert (len(sheet.lines), len(sheet.header)) == (n_rows, n_columns + 1)
