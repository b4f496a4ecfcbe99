"""Reading CSV, TSV and XLSX files as sheets of text."""

from pathlib import Path

import pytest
from openpyxl import Workbook

from manylabel.data.parsing.sheet import Sheet, read_sheet
from manylabel.errors import TableError


def sheet_of(folder: Path, content: str | bytes, *, name: str = "labels.csv") -> Sheet:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_sheet(path)


def cells(sheet: Sheet) -> list[tuple[str, ...]]:
    return [line.cells for line in sheet.lines]


@pytest.mark.parametrize(("separator", "kind"), [(",", "CSV"), (";", "CSV with semicolons"), ("\t", "TSV")])
def test_the_separator_is_found(tmp_path: Path, separator: str, kind: str) -> None:
    sheet = sheet_of(tmp_path, separator.join(["image", "a"]) + "\n" + separator.join(["x.jpg", "1"]))
    assert (sheet.header, cells(sheet), sheet.kind) == (("image", "a"), [("x.jpg", "1")], kind)


def test_the_line_of_column_names_tells_the_separator_not_the_labels_below(tmp_path: Path) -> None:
    sheet = sheet_of(tmp_path, "image,labels\na.jpg,x;y;z\nb.jpg,x;y;z\n")
    assert cells(sheet) == [("a.jpg", "x;y;z"), ("b.jpg", "x;y;z")]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_unicode_is_read_with_and_without_byte_order_mark(tmp_path: Path, encoding: str) -> None:
    sheet = sheet_of(tmp_path, "image,hồ\na.jpg,1\n".encode(encoding))
    assert (sheet.header, sheet.notes) == (("image", "hồ"), ())


def test_windows_1252_is_read_with_a_note(tmp_path: Path) -> None:
    sheet = sheet_of(tmp_path, "image,café\na.jpg,1\n".encode("cp1252"))
    assert sheet.header == ("image", "café")
    assert "labels.csv: not UTF-8, read as Windows-1252" in sheet.notes[0]


@pytest.mark.parametrize("content", [b"image,a\n\x00\x01,1", b"\xff\xd8\xff\xe0\x81\x8d" * 9])
def test_a_file_that_is_no_text_is_an_error(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(TableError, match=r"labels\.csv: is not a text file"):
        sheet_of(tmp_path, content)


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_line_numbers_count_blank_lines_and_every_line_end(tmp_path: Path, line_end: str) -> None:
    sheet = sheet_of(tmp_path, line_end.join(["", "image,a", "", "x.jpg,1", ",", "y.jpg,0"]))
    assert sheet.where == "labels.csv, line 2"
    assert [line.where for line in sheet.lines] == ["labels.csv, line 4", "labels.csv, line 6"]


def test_quotes_and_outer_spaces_go(tmp_path: Path) -> None:
    sheet = sheet_of(tmp_path, 'image, labels \n"a, 1.jpg", "beach, boat"\n b.jpg , x \n')
    assert sheet.header == ("image", "labels")
    assert cells(sheet) == [("a, 1.jpg", "beach, boat"), ("b.jpg", "x")]


def test_a_quote_that_never_ends_is_told_with_its_line(tmp_path: Path) -> None:
    sheet = sheet_of(tmp_path, 'image,labels\na.jpg,x\nb.jpg,"y\nc.jpg,z\n')
    assert sheet.problems == ("labels.csv, line 3: a cell runs over several lines; is a quote missing?",)


def test_lines_with_too_few_or_too_many_cells_are_told(tmp_path: Path) -> None:
    sheet = sheet_of(tmp_path, "image,labels\na.jpg\nb.jpg,x,y\nc.jpg,x,,\n")
    assert cells(sheet) == [("c.jpg", "x")]
    assert sheet.problems == (
        "labels.csv, line 2: 1 cell, but 2 columns named",
        "labels.csv, line 3: 3 cells, but 2 columns named; does a cell need quotes?",
    )


def test_columns_without_name_and_columns_named_twice_are_told(tmp_path: Path) -> None:
    sheet = sheet_of(tmp_path, "image,a,,a,b\nx.jpg,1,0,1,0\n")
    assert sheet.header == ("image", "a", "b")
    assert sheet.problems == (
        "labels.csv, line 1: column 3 has no name",
        "labels.csv, line 1: two columns are named 'a' (columns 2 and 4)",
    )


def test_empty_columns_without_name_are_left_out(tmp_path: Path) -> None:
    sheet = sheet_of(tmp_path, "image,,a,,\nx.jpg,,1,,\n")
    assert (sheet.header, sheet.problems) == (("image", "a"), ())


@pytest.mark.parametrize("content", ["", "\n\n", " , \n"])
def test_an_empty_file_is_an_error(tmp_path: Path, content: str) -> None:
    with pytest.raises(TableError, match=r"labels\.csv: is empty"):
        sheet_of(tmp_path, content)


def test_a_first_line_that_is_a_photo_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"line 1: 'a\.jpg' is a photo, expected the names of columns"):
        sheet_of(tmp_path, "a.jpg,beach\nb.jpg,boat\n")


def write_workbook(path: Path, rows: list[list[object]], *, more_sheets: int = 0) -> Path:
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "Labels"
    for row in rows:
        sheet.append(row)
    for _ in range(more_sheets):
        book.create_sheet()
    book.save(path)
    return path


def test_a_workbook_gives_numbers_truth_values_and_blanks_as_text(tmp_path: Path) -> None:
    rows: list[list[object]] = [["image", "a", "b", "c"], [1, None, True, None], ["x.jpg", 0, 2.5, " y "]]
    sheet = read_sheet(write_workbook(tmp_path / "labels.xlsx", rows))
    assert sheet.kind == "Excel workbook"
    assert cells(sheet) == [("1", "", "True", ""), ("x.jpg", "0", "2.5", "y")]


def test_the_rows_of_a_workbook_are_counted_with_the_blank_ones(tmp_path: Path) -> None:
    path = write_workbook(tmp_path / "labels.xlsx", [["image", "a"], [], ["x.jpg", 1]])
    assert [line.where for line in read_sheet(path).lines] == ["labels.xlsx, row 3"]


def test_only_the_first_sheet_of_a_workbook_is_read_with_a_note(tmp_path: Path) -> None:
    path = write_workbook(tmp_path / "labels.xlsx", [["image", "a"], ["x.jpg", 1]], more_sheets=2)
    assert read_sheet(path).notes == ("labels.xlsx: only the first of 3 sheets is read, 'Labels'",)


@pytest.mark.parametrize("content", [b"", b"image,a\nx.jpg,1\n", b"PK\x03\x04 broken"])
def test_a_damaged_workbook_is_an_error(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(TableError, match=r"labels\.xlsx: cannot be read as an Excel workbook"):
        sheet_of(tmp_path, content, name="labels.xlsx")


def test_a_missing_file_names_the_one_that_may_be_meant(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").touch()
    with pytest.raises(
        TableError, match=r"lables\.csv: no such file or folder; did you mean 'labels\.csv'\?"
    ):
        read_sheet(tmp_path / "lables.csv")


def test_a_cell_without_end_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"labels\.csv, line 2: cannot be read as CSV: field larger"):
        sheet_of(tmp_path, f"image,labels\na.jpg,{'x' * 200_000}\n")
