"""Texts of cells: unchanged ones stay as they are, changed ones are read as they were meant."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manylabel.annotation.separated_text import SeparatedText, read_cell
from manylabel.io.csv_text import unguard

TEXTS = st.text(alphabet="ab\",;\t \r\n='", max_size=40)
SEPARATORS = st.sampled_from(",;\t|")


def open_text(text: str, separator: str) -> SeparatedText | None:
    """Return the text, None where a quote is missing."""
    try:
        return SeparatedText(text, separator=separator)
    except (ValueError, csv.Error):
        return None


def read(text: str, separator: str) -> list[list[str]]:
    """Return the texts that the cells stand for; a blank line is one blank cell."""
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True)
    return [[unguard(cell.strip()) for cell in row] or [""] for row in rows]


def drop_blank_end(rows: list[list[str]]) -> list[list[str]]:
    """Return rows without blank ones at their end, of which a text may lack the last."""
    while rows and rows[-1] == [""]:
        rows = rows[:-1]
    return rows


@given(TEXTS, SEPARATORS)
def test_a_text_that_nobody_changes_keeps_every_character(text: str, separator: str) -> None:
    opened = open_text(text, separator)

    assert opened is None or opened.text() == text


@given(TEXTS, SEPARATORS)
def test_cells_are_those_that_a_reader_finds(text: str, separator: str) -> None:
    opened = open_text(text, separator)

    if opened is not None:
        cells = [
            [read_cell(cell, separator=separator) for cell in line.cells] for line in opened.lines().values()
        ]
        assert cells == read(text, separator)


@given(TEXTS, SEPARATORS, st.data())
def test_a_changed_cell_changes_no_other(text: str, separator: str, data: st.DataObject) -> None:
    text = text.replace("\r", "\r\n")  # of a blank line between two kinds of line ends, one would be left
    opened = open_text(text, separator)
    if opened is None or not opened.lines():
        return
    value = data.draw(st.text(alphabet="ab\",; \n='", max_size=6)).strip()
    before = read(text, separator)
    place = data.draw(st.integers(0, len(before) - 1))
    column = data.draw(st.integers(0, 3))
    line = list(opened.lines().values())[place]

    line.set(column, value)

    expected = [list(row) for row in before]
    expected[place] += [""] * (column + 1 - len(expected[place]))
    expected[place][column] = value
    assert drop_blank_end(read(opened.text(), separator)) == drop_blank_end(expected)


def test_a_new_line_ends_like_the_others_and_a_last_one_gets_an_end() -> None:
    text = SeparatedText("image;boat\r\na.jpg;1", separator=";")

    text.add(["b.jpg", "0"], after=text.below(None)[-1], is_quoted=False)

    assert text.text() == "image;boat\r\na.jpg;1\r\nb.jpg;0\r\n"


@pytest.mark.parametrize("text", ['a,"b\n', 'a,"b"c,"d\ne\n'])
def test_a_text_without_a_closing_quote_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="a quote is missing"):
        SeparatedText(text, separator=",")
