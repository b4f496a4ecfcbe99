"""A spreadsheet as a museum keeps it: a title, marks and blanks, remarks, a second sheet, HEIC photos."""

from pathlib import Path

import numpy as np
from openpyxl import Workbook
from PIL import Image
from pillow_heif import register_heif_opener

from manylabel.data.formats import read_table
from manylabel.data.photos import open_photo

MARKED = {"IMG_0001.HEIC": "See Boot", "IMG_0002.jpg": "Berge", "IMG_0003.HEIC": "", "IMG_0004.jpg": "See"}
LABELS = ("See", "Berge", "Boot")


def put_museum(folder: Path) -> Path:
    """Write four photos, and the spreadsheet about them."""
    register_heif_opener()
    (folder / "photos").mkdir()
    for number, name in enumerate(MARKED):
        kind = "HEIF" if name.endswith("HEIC") else "JPEG"
        Image.new("RGB", (64, 48), (60 * number, 90, 120)).save(folder / "photos" / name, kind)
    book = Workbook()
    notes = book.active
    assert notes is not None
    notes.title = "Notizen"
    notes.append(["Angefangen im März"])
    sheet = book.create_sheet("Fotos")
    sheet.append(["Heimatmuseum, Postkarten"])
    sheet.append([])
    sheet.append(["Inventar", "Datei", "Aufnahme", *LABELS, "Bemerkung"])
    for number, (name, marks) in enumerate(MARKED.items(), start=1871):
        stem = name.partition(".")[0]
        cells = ["x" if label in marks.split() else None for label in LABELS]
        sheet.append([number, stem, f"{number}-05-01", *cells, "unscharf" if number == 1872 else None])
    book.save(folder / "table.xlsx")
    return folder / "table.xlsx"


def test_a_spreadsheet_of_a_museum_is_read_without_any_option(tmp_path: Path) -> None:
    table = read_table(put_museum(tmp_path), photos=tmp_path / "photos")
    assert table.names == tuple(MARKED)
    assert table.labels == LABELS
    np.testing.assert_array_equal(table.targets, [[1, 0, 1], [0, 1, 0], [0, 0, 0], [1, 0, 0]])
    assert open_photo(table.photos[0]).size == (64, 48)
    told = "\n".join(table.notes)
    for part in (
        "no cell marks a label as absent (marks found: 'x'), so 8 blank cells are read as absent",
        "of 2 sheets, 'Fotos' is read; --sheet NAME reads another",
        "row 3 names the columns; what stands above is left out: 'Heimatmuseum, Postkarten'",
        "columns that hold no labels are left out: 'Inventar', 'Aufnahme', 'Bemerkung'",
    ):
        assert part in told
