"""Reading CSV, TSV and XLSX files as sheets of text."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import pytest
from openpyxl import Workbook

from manylabel.config import DataConfig
from manylabel.data.formats import read_table
from manylabel.data.formats.base import LabelSource
from manylabel.data.formats.tables.sheet import Sheet, read_sheet
from manylabel.errors import ConfigError, TableError


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


@pytest.mark.parametrize(
    "swallowed",
    [
        '"a.jpg,x\nb.jpg",y',
        '"a.jpg,x\n"b.jpg",y',
        'a.jpg,"x\nb.jpg",y',
        '"a.jpg\nb.jpg",y',
        '"lake/a.jpg\nwas sea/b.jpg",y',
        '"lake/a.jpg\nsea/b.jpg",y',
    ],
)
def test_a_quote_that_ends_too_late_is_told(tmp_path: Path, swallowed: str) -> None:
    sheet = sheet_of(tmp_path, f"image,labels\n{swallowed}\nc.jpg,z\n")
    assert "labels.csv, line 2: a cell runs over several lines; is a quote missing?" in sheet.problems


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_a_name_of_two_lines_is_one_cell(tmp_path: Path, line_end: str) -> None:
    sheet = sheet_of(tmp_path, f'image,labels{line_end}"two\nlines.jpg",x{line_end}c.jpg,z{line_end}')
    assert cells(sheet) == [("two\nlines.jpg", "x"), ("c.jpg", "z")]
    assert sheet.problems == ()


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
    assert sheet.notes == ("labels.csv, line 1: column 3 has no name and is left out",)
    assert sheet.problems == ("labels.csv, line 1: two columns are named 'a' (columns 2 and 4)",)


def test_empty_columns_without_name_are_left_out(tmp_path: Path) -> None:
    sheet = sheet_of(tmp_path, "image,,a,,\nx.jpg,,1,,\n")
    assert (sheet.header, sheet.problems) == (("image", "a"), ())


@pytest.mark.parametrize("content", ["", "\n\n", " , \n"])
def test_an_empty_file_is_an_error(tmp_path: Path, content: str) -> None:
    with pytest.raises(TableError, match=r"labels\.csv: is empty"):
        sheet_of(tmp_path, content)


def test_a_list_of_photos_and_labels_needs_no_line_of_names(tmp_path: Path) -> None:
    sheet = sheet_of(tmp_path, "a.jpg,beach\nb.jpg,boat\n")
    assert (sheet.header, cells(sheet)) == (("photo", "labels"), [("a.jpg", "beach"), ("b.jpg", "boat")])
    assert sheet.notes == ("labels.csv: no line names the columns; they are read as photo, labels",)


def test_a_table_of_several_columns_without_names_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"line 1: 'a\.jpg' is a photo, not the name of a column"):
        sheet_of(tmp_path, "a.jpg,1,0\nb.jpg,0,1\n")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("sep=;\nimage;labels\na.jpg;x,y\nb.jpg;x\n", "CSV with semicolons"),
        ("image|labels\na.jpg|x,y\nb.jpg|x\n", "CSV with bars"),
        ("image labels\na.jpg x,y\nb.jpg x\n", "text with blanks between columns"),
        ("a.jpg\tx,y\nb.jpg\tx\n", "TSV"),
        ('# written by hand\n# image,labels\na.jpg,"x,y"\nb.jpg,x\n', "CSV"),
        ('Our photos; spring\n\nimage,labels\na.jpg,"x,y"\nb.jpg,x\n', "CSV"),
    ],
)
def test_lists_are_read_whatever_parts_their_cells(tmp_path: Path, text: str, kind: str) -> None:
    sheet = sheet_of(tmp_path, text)
    assert (sheet.kind, cells(sheet)) == (kind, [("a.jpg", "x,y"), ("b.jpg", "x")])


def test_a_photo_without_labels_in_a_list_with_blanks_has_none(tmp_path: Path) -> None:
    assert cells(sheet_of(tmp_path, "a.jpg 3 7\nb.jpg\n")) == [("a.jpg", "3 7"), ("b.jpg", "")]


def test_a_cell_in_quotes_may_run_over_several_lines(tmp_path: Path) -> None:
    sheet = sheet_of(tmp_path, 'image,labels\na.jpg,"old\n town"\nb.jpg,x\n')
    assert (cells(sheet), sheet.problems) == ([("a.jpg", "old\n town"), ("b.jpg", "x")], ())


@pytest.mark.parametrize(
    "above", [["Our labels"], ["Museum", None, "2026"], ["Museum", "2026"], ["", "made by us", ""]]
)
def test_titles_above_the_column_names_are_left_out_with_a_note(tmp_path: Path, above: list[object]) -> None:
    rows: list[list[object]] = [above, [], ["image", "a", "b"], ["x.jpg", 1, 0], ["y.jpg", 0, 1]]
    sheet = read_sheet(write_workbook(tmp_path / "labels.xlsx", rows))
    assert (sheet.where, sheet.header) == ("labels.xlsx, row 3", ("image", "a", "b"))
    assert sheet.notes[0].startswith("labels.xlsx: row 3 names the columns; lines above are left out")


def test_the_line_of_column_names_can_be_said(tmp_path: Path) -> None:
    rows: list[list[object]] = [["a", "b"], ["image", "c"], ["x.jpg", 1]]
    path = write_workbook(tmp_path / "labels.xlsx", rows)
    source = LabelSource(path=path, config=DataConfig(header_row=2))
    assert read_sheet(path, source=source).header == ("image", "c")
    with pytest.raises(ConfigError, match=r"header_row: labels\.xlsx has nothing in row 9"):
        read_sheet(path, source=LabelSource(path=path, config=DataConfig(header_row=9)))


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


def write_sheets(path: Path) -> Path:
    book = Workbook()
    first = book.active
    assert first is not None
    first.append(["Notes of our project"])
    for name in ("spring", "autumn"):
        sheet = book.create_sheet(name)
        sheet.append(["image", name])
        sheet.append(["x.jpg", 1])
    book.save(path)
    return path


def test_the_first_sheet_that_names_photos_is_read_with_a_note(tmp_path: Path) -> None:
    sheet = read_sheet(write_sheets(tmp_path / "labels.xlsx"))
    assert sheet.header == ("image", "spring")
    assert sheet.notes == ("labels.xlsx: of 3 sheets, 'spring' is read; --sheet NAME reads another",)


def test_the_sheet_can_be_said(tmp_path: Path) -> None:
    path = write_sheets(tmp_path / "labels.xlsx")
    said = LabelSource(path=path, config=DataConfig(sheet="autumn"))
    assert read_sheet(path, source=said).header == ("image", "autumn")
    with pytest.raises(ConfigError, match=r"no sheet 'autum'; it has .*; did you mean 'autumn'"):
        read_sheet(path, source=LabelSource(path=path, config=DataConfig(sheet="autum")))


def test_a_merged_area_holds_its_value_everywhere(tmp_path: Path) -> None:
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    for row in (["image", "labels"], ["a.jpg", "beach"], ["b.jpg"], ["c.jpg"], ["d.jpg", "boat"]):
        sheet.append(row)
    sheet.merge_cells("B2:B4")
    book.save(tmp_path / "labels.xlsx")
    assert read_sheet(tmp_path / "labels.xlsx").column(1) == ("beach", "beach", "beach", "boat")


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("=1+0", "its formula was never computed"),
        ("#REF!", "it holds the error #REF!"),
        (datetime(2026, 3, 1), r"it holds a date \(2026-03-01\)"),
    ],
)
def test_a_cell_that_cannot_be_known_stops_only_where_it_is_a_label(
    tmp_path: Path, value: object, reason: str
) -> None:
    for name in "xyz":
        (tmp_path / f"{name}.jpg").touch()
    rows: list[list[object]] = [["image", "a", "b"], ["x.jpg", 1, value], ["y.jpg", 0, 1], ["z.jpg", 1, 0]]
    path = write_workbook(tmp_path / "labels.xlsx", rows)
    with pytest.raises(TableError, match=rf"labels\.xlsx, cell C2: {reason}"):
        read_table(path, photos=tmp_path)
    assert read_table(path, photos=tmp_path, ignore=["b"]).labels == ("a",)


def test_a_bad_cell_in_the_first_line_of_a_list_without_column_names_is_told(tmp_path: Path) -> None:
    (tmp_path / "x.jpg").touch()
    (tmp_path / "y.jpg").touch()
    path = write_workbook(tmp_path / "labels.xlsx", [["x.jpg", "#REF!"], ["y.jpg", "sea"]])
    with pytest.raises(TableError, match=r"labels\.xlsx, cell B1: it holds the error #REF!"):
        read_table(path, photos=tmp_path)


def test_a_hashtag_is_no_error(tmp_path: Path) -> None:
    path = write_workbook(tmp_path / "labels.xlsx", [["image", "labels"], ["x.jpg", "#USA"]])
    assert cells(read_sheet(path)) == [("x.jpg", "#USA")]


@pytest.mark.parametrize("content", [b"", b"image,a\nx.jpg,1\n", b"PK\x03\x04 broken"])
def test_a_damaged_workbook_is_an_error(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(TableError, match=r"labels\.xlsx: cannot be read as an Excel workbook"):
        sheet_of(tmp_path, content, name="labels.xlsx")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"\xd0\xcf\x11\xe0\xa1\xb1", r"is an old workbook \(\.xls\) with a wrong extension"),
        (b"PK\x03\x04\x14", r"is a zip archive with a wrong extension; .* to \.xlsx"),
    ],
)
def test_a_workbook_that_is_called_csv_is_told(tmp_path: Path, content: bytes, problem: str) -> None:
    with pytest.raises(TableError, match=problem):
        sheet_of(tmp_path, content, name="labels.csv")


def test_a_missing_file_names_the_one_that_may_be_meant(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").touch()
    with pytest.raises(
        TableError, match=r"lables\.csv: no such file or folder; did you mean 'labels\.csv'\?"
    ):
        read_sheet(tmp_path / "lables.csv")


def test_a_cell_without_end_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"labels\.csv, line 2: cannot be read as CSV: field larger"):
        sheet_of(tmp_path, f"image,labels\na.jpg,{'x' * (2**24 + 1)}\n")


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_long_line_of_column_names_is_read(tmp_path: Path, separator: str) -> None:
    names = [f"label {number}" for number in range(13_000)]
    sheet = sheet_of(tmp_path, f"{separator.join(['image', *names])}\n")
    assert len(sheet.header) == len(names) + 1
    long = sheet_of(tmp_path, f"image{separator}{'x' * 140_000}\na.jpg{separator}1\n")
    assert len(long.header[1]) == 140_000


def test_a_long_list_of_labels_is_read(tmp_path: Path) -> None:
    labels = [f"label {number}" for number in range(13_000)]
    for name in "ab":
        (tmp_path / f"{name}.jpg").touch()
    quoted = ";".join(f'""{label}""' for label in labels)
    text = f'image,labels\na.jpg,{";".join(labels)}\nb.jpg,"{quoted}"\n'
    (tmp_path / "labels.csv").write_text(text, encoding="utf-8")
    table = read_table(tmp_path / "labels.csv", photos=tmp_path)
    assert len(table.labels) == len(labels)
    assert table.targets.all()


def test_dates_in_a_column_that_is_no_label_do_not_matter(tmp_path: Path) -> None:
    for name in "xyz":
        (tmp_path / f"{name}.jpg").touch()
    rows: list[list[object]] = [["Datei", "Datum", "See"]]
    rows += [
        [f"{name}.jpg", datetime(1903, 5, day), "x" if day > 1 else None] for day, name in enumerate("xyz", 1)
    ]
    table = read_table(write_workbook(tmp_path / "labels.xlsx", rows), photos=tmp_path)
    assert table.labels == ("See",)
    assert "left out: 'Datum'" in table.notes[-1]


def problems_of(
    folder: Path, rows: Sequence[Sequence[object]], *, photos: tuple[str, ...] = ("a.jpg", "b.jpg", "c.jpg")
) -> tuple[str, ...]:
    for photo in photos:
        (folder / photo).touch()
    workbook = Workbook()
    assert workbook.active is not None
    for row in rows:
        workbook.active.append(row)
    workbook.save(folder / "labels.xlsx")
    with pytest.raises(TableError) as caught:
        read_table(folder / "labels.xlsx", photos=folder)
    return caught.value.problems


def test_a_list_of_numbers_that_became_a_decimal_is_an_error(tmp_path: Path) -> None:
    rows: list[list[object]] = [["image", "labels"], ["a.jpg", 1.3], ["b.jpg", "1,2"], ["c.jpg", 2]]
    problems = problems_of(tmp_path, rows)
    assert (
        "holds the number 1.3; if it lists 1 and 3, the spreadsheet has made a decimal of it" in problems[0]
    )


def test_two_columns_of_numbers_that_may_be_photos_are_asked_about(tmp_path: Path) -> None:
    rows: list[list[object]] = [["no", "number", "sea"], [1, 3, "x"], [2, 1, ""], [3, 2, "x"]]
    problems = problems_of(tmp_path, rows, photos=("001.jpg", "002.jpg", "003.jpg"))
    assert "'no', 'number' may all name the photos; choose one: --photo-column NAME" in problems[0]
