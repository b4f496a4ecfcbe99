"""The two streams of the terminal, and what is printed the same way everywhere.

In:  text, rows of cells, log records.
Out: lines and tables: results on stdout, messages on stderr. Names of files and labels are shown and never
     obeyed: whatever is printed passes here.
"""

import logging
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from manylabel.errors import visible


class VisibleConsole(Console):
    """A console that shows control characters of a text instead of passing them to the terminal."""

    def render_str(self, text: str, **options: Any) -> Text:
        """Turn a text, or a cell of a table, into what is printed; its own line breaks stay."""
        return super().render_str("\n".join(map(visible, text.split("\n"))), **options)


stdout = VisibleConsole()
stderr = VisibleConsole(stderr=True)


class VisibleFormatter(logging.Formatter):
    """A format of log lines: a message is one line, whatever is in it."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        """Return the line of a record, without its trace."""
        record.message = visible(record.message)
        return super().formatMessage(record)


def show_error(text: str) -> None:
    """Print an error to stderr, as prose; every problem that it tells has its own line."""
    _print_prose(stderr, f"error: {text}", style="red")


def show_warning(text: str) -> None:
    """Print a line to stderr, as it is."""
    stderr.print(visible(text), style="yellow", markup=False, highlight=False, soft_wrap=True)


def show_log(text: str) -> None:
    """Print what the library logs to stderr, as it is."""
    stderr.print(visible(text), markup=False, highlight=False, soft_wrap=True)


def show_line(text: str, *, style: str = "") -> None:
    """Print a line to stdout, as it is."""
    stdout.print(visible(text), style=style, markup=False, highlight=False, soft_wrap=True)


def show_sentence(text: str, *, style: str = "") -> None:
    """Print prose to stdout."""
    _print_prose(stdout, visible(text), style=style)


def _print_prose(screen: Console, text: str, *, style: str) -> None:
    """Print prose: in a terminal, lines end between words; elsewhere it stays one line."""
    screen.print(text, style=style, markup=False, highlight=False, soft_wrap=not screen.is_terminal)


def as_cell(text: str) -> str:
    """Return a text as a cell of a table shows it: in one line, and without styles."""
    return escape(visible(text))


def show_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table; the first column is text, the others are numbers."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1, 0, 0))
    for number, heading in enumerate(headings):
        table.add_column(
            heading, justify="left" if number == 0 else "right", overflow="fold", vertical="bottom"
        )
    for row in rows:
        table.add_row(*map(as_cell, row))
    stdout.print(table)
