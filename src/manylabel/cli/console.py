"""The two streams of the terminal, and what is printed the same way everywhere.

In:  text, rows of cells.
Out: lines and tables: results on stdout, messages on stderr.
"""

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

stdout = Console()
stderr = Console(stderr=True)


def show_error(text: str) -> None:
    """Print an error to stderr, as prose."""
    _print_prose(stderr, f"error: {text}", style="red")


def show_line(text: str, *, style: str = "") -> None:
    """Print a line to stdout, as it is."""
    stdout.print(text, style=style, markup=False, highlight=False, soft_wrap=True)


def show_sentence(text: str, *, style: str = "") -> None:
    """Print prose to stdout."""
    _print_prose(stdout, text, style=style)


def _print_prose(screen: Console, text: str, *, style: str) -> None:
    """Print prose: in a terminal, lines end between words; elsewhere it stays one line."""
    screen.print(text, style=style, markup=False, highlight=False, soft_wrap=not screen.is_terminal)


def show_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table; the first column is text, the others are numbers."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1, 0, 0))
    for number, heading in enumerate(headings):
        table.add_column(
            heading, justify="left" if number == 0 else "right", overflow="fold", vertical="bottom"
        )
    for row in rows:
        table.add_row(*(escape(cell) for cell in row))
    stdout.print(table)
