"""Write the table of results, for machines and for people.

In:  facts.
Out: rows for the terminal, table.csv (fractions between 0 and 1), table.md (percent, rounded); the main
     metrics with their 95 % intervals.
"""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from manylabel.io.csv_text import CsvWriter
from manylabel.io.files import write_atomically
from manylabel.metrics.registry import METRICS, list_metrics
from manylabel.report.markdown import as_markdown
from manylabel.report.trust_words import comparison_sentence
from manylabel.report.words import known_note, not_ranked_note, untrained_note

_FROM_TRIALS = ("training_seconds", "inference_seconds", "parameters", "init")

UNDEFINED = "\N{EN DASH}"
"""What stands in place of a metric that is undefined."""

UNDEFINED_NOTE = (
    f"{UNDEFINED} means undefined: the evaluated photos know too little of it; average precision, for one,"
    f" needs a photo that carries the label."
)

SHORT_NAMES_NOTE = (
    "CP, CR and CF1 are precision, recall and F1 per class (mean over the labels); OP, OR and OF1 are those"
    " of all cells together."
)
"""What the short names of metrics mean."""

MAP_NOTE = f"{METRICS['mAP'].heading}: {METRICS['mAP'].description}."
"""What the first number of most tables means, in a line of a terminal."""

AP_NOTE = f"{METRICS['average_precision'].heading}: {METRICS['average_precision'].description}."
"""What the number of one label means."""

INIT_WORDS = {
    "package": "from a package",
    "official": "official",
    "file": "from a file",
    "random": "random (not pre-trained)",
    "missing": "random (not pre-trained)",
}
"""What people are told about where a network's weights came from."""


def main_metrics() -> list[str]:
    """Return the metrics that people are shown first, with their intervals."""
    return [metric.name for metric in list_metrics() if metric.is_main]


def main_columns() -> dict[str, str]:
    """Return the columns that people are shown first, with their headings."""
    return {
        "model": "Model",
        **{name: METRICS[name].heading for name in main_metrics()},
        "training_seconds": "Training time",
        "inference_seconds": "Inference time",
        "parameters": "Parameters",
        "init": "Weights",
    }


def table_rows(facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the table of results: the ranked networks, the baselines, then the networks that are not ranked.

    Args:
        facts: What ``collect_facts`` returned.

    Returns:
        One dict per row with the same keys in the same order: model, binary_accuracy, exact_match, mAP,
        f1_macro, the other metrics, training_seconds, inference_seconds, parameters, init, and the ends of
        the 95 % intervals of the main metrics (binary_accuracy_low, binary_accuracy_high, ...). Metrics are
        fractions; None stands where nothing applies.
    """
    return [
        {
            "model": entry["model"],
            **entry["metrics"],
            **{name: entry.get(name) for name in _FROM_TRIALS},
            **_interval_columns(entry["intervals"]),
        }
        for entry in (*facts["models"], *facts["baselines"], *facts["not_ranked"])
    ]


def n_ranked_rows(facts: Mapping[str, Any]) -> int:
    """Return how many rows of ``table_rows`` stand above the networks that are not ranked."""
    return len(facts["models"]) + len(facts["baselines"])


def _interval_columns(intervals: Mapping[str, Sequence[float | None]]) -> dict[str, float | None]:
    return {
        f"{name}_{end}": value
        for name in main_metrics()
        for end, value in zip(("low", "high"), intervals[name], strict=True)
    }


def write_table(facts: Mapping[str, Any], folder: Path) -> None:
    """Write table.csv and table.md.

    Args:
        facts: What ``collect_facts`` returned.
        folder: Where to write; it exists.
    """
    rows = table_rows(facts)
    write_atomically(folder / "table.csv", _to_csv(rows).encode())
    write_atomically(folder / "table.md", _to_markdown(facts, rows).encode())


def has_undefined(rows: Sequence[Mapping[str, Any]]) -> bool:
    """Say whether a metric of some rows of the table is undefined."""
    metrics = [name for name in rows[0] if name not in _FROM_TRIALS and not name.endswith(("_low", "_high"))]
    return any(row[name] is None for row in rows for name in metrics)


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
            return "" if column in _FROM_TRIALS else UNDEFINED
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


def _to_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    file = io.StringIO()
    CsvWriter(file, line_end="\n").write_rows([rows[0], *(map(_csv_cell, row.values()) for row in rows)])
    return file.getvalue()


def _csv_cell(value: object) -> object:
    """Write fractions and seconds with six significant digits."""
    return f"{value:.6g}" if isinstance(value, float) else value


def _to_markdown(facts: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> str:
    """Lay out the main columns as one table, the other metrics (one per line) as a second one."""
    columns = main_columns()
    lines = [[_with_interval(column, row) for column in columns] for row in rows]
    n_ranked = n_ranked_rows(facts)
    headings = list(columns.values())
    not_ranked = [_markdown_table([headings, *lines[n_ranked:]])] if lines[n_ranked:] else []
    others = [name for name in facts["models"][0]["metrics"] if name not in columns]
    rest = [
        ["Metric", *(row["model"] for row in rows[:n_ranked])],
        *(
            [METRICS[name].heading, *(format_cell(name, row[name]) for row in rows[:n_ranked])]
            for name in others
        ),
    ]
    notes = [
        as_markdown(note)
        for note in (untrained_note(facts), known_note(facts), not_ranked_note(facts))
        if note
    ]
    compared = "\n".join(f"* {as_markdown(comparison_sentence(pair))}" for pair in facts["comparisons"])
    about = "In brackets: 95 % intervals, by resampling the evaluated photos."
    undefined = [UNDEFINED_NOTE] if has_undefined(rows) else []
    extra = [*undefined, *notes, *not_ranked, *([compared] if compared else [])]
    parts = [_markdown_table([headings, *lines[:n_ranked]]), about, *extra, _markdown_table(rest)]
    return "\n\n".join(parts) + "\n"


def _with_interval(column: str, row: Mapping[str, Any]) -> str:
    """Write one value, and its interval in brackets where it has one."""
    value = format_cell(column, row[column])
    interval = format_interval(row.get(f"{column}_low"), row.get(f"{column}_high"))
    return f"{value} [{interval}]" if interval else value


def _markdown_table(lines: Sequence[Sequence[str]]) -> str:
    """Align the first column left, the others right."""
    rule = ["---", *["---:"] * (len(lines[0]) - 1)]
    cells = [[as_markdown(cell) for cell in line] for line in lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in [cells[0], rule, *cells[1:]])
