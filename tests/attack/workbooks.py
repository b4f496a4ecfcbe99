"""Write Excel workbooks by hand, as no spreadsheet program would.

In:  the XML of a sheet, and of other parts where they matter.
Out: an XLSX file.
"""

from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"

SHEET = "xl/worksheets/sheet1.xml"
STRINGS = "xl/sharedStrings.xml"
STYLES = "xl/styles.xml"


def sheet_xml(rows: str, *, after: str = "") -> str:
    """Return a sheet of some rows, and what follows them."""
    return f'<worksheet xmlns="{_MAIN}"><sheetData>{rows}</sheetData>{after}</worksheet>'


def strings_xml(items: str) -> str:
    """Return the texts that cells refer to."""
    return f'<sst xmlns="{_MAIN}">{items}</sst>'


def row_xml(number: int, *texts: str) -> str:
    """Return a row of texts."""
    cells = (f'<c t="inlineStr"><is><t>{text}</t></is></c>' for text in texts)
    return f'<row r="{number}">{"".join(cells)}</row>'


def parts_of(sheet: str, **others: str) -> dict[str, str]:
    """Return the parts of a workbook with one sheet.

    Args:
        sheet: XML of the sheet.
        others: Parts to add or to replace: "strings", "styles", "workbook", "relations".
    """
    relations = "".join(
        f'<Relationship Id="{name}" Type="{_OFFICE}/{kind}" Target="{target}"/>'
        for name, kind, target in (
            ("rId1", "worksheet", "worksheets/sheet1.xml"),
            ("rId2", "sharedStrings", "sharedStrings.xml"),
            ("rId3", "styles", "styles.xml"),
        )
    )
    types = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types">'
        '<Default Extension="xml" ContentType="application/xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{types}.sheet.main+xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{_PACKAGE}/relationships">'
        f'<Relationship Id="rId1" Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>'
        '<sheet name="Labels" sheetId="1" r:id="rId1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_PACKAGE}/relationships">{relations}'
        "</Relationships>",
        SHEET: sheet,
    }
    names = {
        "strings": STRINGS,
        "styles": STYLES,
        "workbook": "xl/workbook.xml",
        "relations": "xl/_rels/workbook.xml.rels",
    }
    return parts | {names[kind]: text for kind, text in others.items()}


def write_parts(path: Path, parts: dict[str, str]) -> Path:
    """Write the parts of a workbook as a zip archive."""
    with ZipFile(path, "w", ZIP_DEFLATED, compresslevel=9) as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
    return path
