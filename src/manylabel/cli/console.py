"""The two streams of the terminal, and what is printed the same way everywhere.

In:  text, rows of cells, log records.
Out: lines and tables: results on stdout, messages on stderr. Names of files and labels are shown and never
     obeyed: whatever is printed passes here.
"""

import io
import logging
import sys
from collections.abc import Sequence
from typing import Any

from rich.cells import cell_len
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


# A name such as ":x:.jpg" is shown as it is, not as a picture.
stdout = VisibleConsole(emoji=False)
stderr = VisibleConsole(stderr=True, emoji=False)


def allow_any_text() -> None:
    """Let both streams write letters that their encoding lacks as numbers, so that none ends a command.

    Where the output goes into a file or a pipe, Python encodes it as the system says, which on some is ASCII
    or Windows-1252.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def mute() -> None:
    """Print no more: another process that trains with this one says the same."""
    stdout.quiet = stderr.quiet = True


def unmute_errors() -> None:
    """Print errors again: this process alone has one."""
    stderr.quiet = False


class VisibleFormatter(logging.Formatter):
    """A format of log lines: a message is one line, whatever is in it."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        """Return the line of a record, without its trace."""
        record.message = visible(record.message)
        return super().formatMessage(record)

    def formatException(self, ei: Any) -> str:
        """Return the trace of an error, whose words may hold names, in its lines."""
        return "\n".join(map(visible, super().formatException(ei).split("\n")))


def show_error(text: str) -> None:
    """Print an error to stderr; every problem that it tells has its own line.

    What was given on the command line is in one line, also where it holds a line break.
    """
    for word in sys.argv[1:]:
        for given in (word, word.partition("=")[2]):
            if "\n" in given and given.strip():
                text = text.replace(given, visible(given))
    for line in f"error: {text}".split("\n"):
        _write(stderr, line, style="red")


def show_warning(text: str) -> None:
    """Print a warning to stderr."""
    _write(stderr, text, style="yellow")


def show_log(text: str) -> None:
    """Print what the library logs to stderr."""
    _write(stderr, text)


def show_line(text: str, *, style: str = "") -> None:
    """Print a line of results to stdout."""
    _write(stdout, text, style=style)


def show_whole_line(text: str) -> None:
    """Print a line to stdout that people and programs copy: no line break is put into it."""
    stdout.print(visible(text), markup=False, highlight=False, soft_wrap=True)


def _write(screen: Console, text: str, *, style: str = "") -> None:
    """Print one line, above the bar where one is drawn.

    A terminal gets several where it is too narrow, each ending between words; a file gets one, as it is.
    """
    shown = visible(text)
    if screen.is_terminal:
        shown = "\n".join(wrap_words(shown, width=screen.width))
    screen.print(shown, style=style, markup=False, highlight=False, soft_wrap=True)


def wrap_words(text: str, *, width: int) -> list[str]:
    """Cut a text between words, so that each line fits; a word that is longer, such as a path, stays whole.

    Args:
        text: One line, of any length.
        width: Columns of a line; letters of some scripts take two.

    Examples:
        >>> wrap_words("left out: runs/first/report.html and more", width=12)
        ['left out:', 'runs/first/report.html', 'and more']
    """
    first, *others = text.split(" ")
    lines = [first]
    for word in others:
        longer = f"{lines[-1]} {word}"
        if cell_len(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


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
