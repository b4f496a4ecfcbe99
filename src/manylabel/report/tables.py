"""Write the table of results, for machines and for people.

In:  results.
Out: rows for the terminal, table.csv (fractions between 0 and 1), table.md (percent, rounded); the main
     metrics with their 95 % intervals.
"""

import io
from collections.abc import Sequence
from pathlib import Path

from manylabel.io.csv_text import CsvWriter
from manylabel.io.files import write_atomically
from manylabel.metrics.registry import METRICS
from manylabel.report.markdown import as_markdown
from manylabel.report.text.comparison import comparison_sentence
from manylabel.report.text.glossary import INIT_WORDS, UNDEFINED, UNDEFINED_NOTE, heading
from manylabel.report.text.summary import known_note, not_ranked_note, untrained_note
from manylabel.results import RunResults
from manylabel.results.table import (
    COSTS,
    TableRow,
    has_undefined,
    main_columns,
    n_ranked_rows,
    table_rows,
)


def write_table(results: RunResults, folder: Path) -> None:
    """Write table.csv and table.md.

    Args:
        results: What a run measured.
        folder: Where to write; it exists.
    """
    rows = table_rows(results)
    write_atomically(folder / "table.csv", _to_csv(rows).encode())
    write_atomically(folder / "table.md", _to_markdown(results, rows).encode())


def format_cell(column: str, value: float | str | None) -> str:
    """Write one value of the table for people.

    Args:
        column: Name of the column.
        value: As in ``table_rows``; for None a dash comes back where it is a metric, else an empty string.

    Examples:
        >>> format_cell("exact_match", 0.8251), format_cell("parameters", 134301514)
        ('82.5 %', '134,301,514')
        >>> format_cell("training_seconds", 485.7), format_cell("inference_seconds", 0.017)
        ('485.7 s', '17.0 ms')
        >>> format_cell("mAP", None) == UNDEFINED, format_cell("coverage_error", 2.5)
        (True, '2.50')
    """
    match column, value:
        case _, None:
            return "" if column in (*COSTS, "init") else UNDEFINED
        case "init", str():
            return INIT_WORDS[value]
        case _, str():
            return value
        case "parameters", _:
            return f"{value:,}"
        case "training_seconds", _:
            return f"{value:.1f} s"
        case "inference_seconds", _:
            return f"{value * 1000:.1f} ms"
        case _ if METRICS[column].unit == "number":
            return f"{value:.2f}"
        case _:
            return f"{value:.1%}".replace("%", " %")


def format_interval(low: float | None, high: float | None) -> str:
    r"""Write the ends of an interval of a share in percent; an empty string where they are undefined.

    Examples:
        >>> format_interval(0.7225, 0.8066), format_interval(None, None)
        ('72.2\u201380.7', '')
    """
    return "" if low is None or high is None else f"{100 * low:.1f}\N{EN DASH}{100 * high:.1f}"


def _to_csv(rows: Sequence[TableRow]) -> str:
    file = io.StringIO()
    CsvWriter(file, line_end="\n").write_rows(
        [rows[0].cells, *(map(_csv_cell, row.cells.values()) for row in rows)]
    )
    return file.getvalue()


def _csv_cell(value: object) -> object:
    """Write fractions and seconds with six significant digits."""
    return f"{value:.6g}" if isinstance(value, float) else value


def _to_markdown(results: RunResults, rows: Sequence[TableRow]) -> str:
    """Lay out the main columns as one table, the other metrics (one per line) as a second one."""
    columns = main_columns()
    lines = [[_with_interval(column, row) for column in columns] for row in rows]
    n_ranked = n_ranked_rows(results)
    headings = [heading(name) for name in columns]
    not_ranked = [_markdown_table([headings, *lines[n_ranked:]])] if lines[n_ranked:] else []
    others = [name for name in rows[0].metrics if name not in columns]
    rest = [
        ["Metric", *(row.model for row in rows[:n_ranked])],
        *(
            [heading(name), *(format_cell(name, row.metrics[name]) for row in rows[:n_ranked])]
            for name in others
        ),
    ]
    notes = [
        as_markdown(note)
        for note in (untrained_note(results), known_note(results), not_ranked_note(results))
        if note
    ]
    compared = "\n".join(f"* {as_markdown(comparison_sentence(pair))}" for pair in results.comparisons)
    about = "In brackets: 95 % intervals, by resampling the evaluated photos."
    undefined = [UNDEFINED_NOTE] if has_undefined(rows) else []
    extra = [*undefined, *notes, *not_ranked, *([compared] if compared else [])]
    parts = [_markdown_table([headings, *lines[:n_ranked]]), about, *extra, _markdown_table(rest)]
    return "\n\n".join(parts) + "\n"


def _with_interval(column: str, row: TableRow) -> str:
    """Write one value, and its interval in brackets where it has one."""
    value = format_cell(column, row.cells[column])
    interval = format_interval(row.intervals.get(f"{column}_low"), row.intervals.get(f"{column}_high"))
    return f"{value} [{interval}]" if interval else value


def _markdown_table(lines: Sequence[Sequence[str]]) -> str:
    """Align the first column left, the others right."""
    rule = ["---", *["---:"] * (len(lines[0]) - 1)]
    cells = [[as_markdown(cell) for cell in line] for line in lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in [cells[0], rule, *cells[1:]])
