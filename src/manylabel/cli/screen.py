"""What commands show of their results.

In:  results, predictions, suggestions, what the cache holds.
Out: lines and tables that fit a terminal of 80 columns.
"""

import math
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from rich.measure import Measurement
from rich.table import Table

from manylabel.cli.console import (
    VisibleConsole,
    as_cell,
    show_line,
    show_table,
    show_warning,
    stdout,
)
from manylabel.data.wording import count
from manylabel.errors import PhotoError

if TYPE_CHECKING:
    from manylabel.apply import Evaluation
    from manylabel.cluster.scoring import PartsSummary
    from manylabel.engines.stream import Predictions
    from manylabel.exporters.parity import Comparison, Exported
    from manylabel.io.cache import CacheContents
    from manylabel.io.unfinished import UnfinishedRun
    from manylabel.labeling import Suggestions
    from manylabel.metrics.bootstrap import Interval
    from manylabel.models.catalog import ModelInfo
    from manylabel.results import RunResults

MAX_PHOTOS_SHOWN = 50


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


_COST_COLUMNS: dict[str, tuple[str, Callable[[Any], str]]] = {
    "Training\ns": ("training_seconds", "{:.1f}".format),
    "One photo\nms": ("inference_seconds", lambda seconds: f"{1000 * seconds:.1f}"),
    "Params\nM": ("parameters", lambda number: f"{number / 1e6:.1f}"),
    "Weights": ("init", lambda init: "random" if init == "missing" else init),
}
"""The columns of the table of results beside the metrics: by heading, the column and how it is written."""

_OF_A_LABEL = ("average_precision", "precision", "recall", "f1")
_WIDEST = 500
_FEW_TO_CALIBRATE = 50
_SHORT_NAMES = {"nearest-neighbors": "neighbors"}


def show_results(results: "RunResults") -> None:
    """Print the table of results, and what the user should know about it."""
    from manylabel.report.tables import format_cell
    from manylabel.report.text.glossary import MAP_NOTE, UNDEFINED_NOTE
    from manylabel.report.text.summary import NOT_RANKED_SHORT_HEADING, not_ranked_note, untrained_note
    from manylabel.report.text.terminal import terminal_lines
    from manylabel.results.table import has_undefined, main_metrics, n_ranked_rows, table_rows

    if note := untrained_note(results):
        show_line(note, style="yellow")
    rows = table_rows(results)
    columns: dict[str, tuple[str, Callable[[Any], str]]] = {
        **{_narrow_heading(name): (name, _percent) for name in main_metrics()},
        **_COST_COLUMNS,
    }
    shown = [
        [
            _SHORT_NAMES.get(row.model, row.model),
            *(
                format_cell(key, None) if row.cells[key] is None else write(row.cells[key])
                for key, write in columns.values()
            ),
        ]
        for row in rows
    ]
    n_ranked = n_ranked_rows(results)
    group = [[""], [NOT_RANKED_SHORT_HEADING]] if results.not_ranked else []
    show_table(["Model", *columns], [*shown[:n_ranked], *group, *shown[n_ranked:]])
    show_line(MAP_NOTE)
    if has_undefined(rows):
        show_line(UNDEFINED_NOTE)
    for line in terminal_lines(results):
        show_line(line)
    if note := not_ranked_note(results):
        show_line(note)


def _narrow_heading(name: str) -> str:
    """Return the heading of a metric in two lines, with its unit."""
    from manylabel.metrics.registry import METRICS

    metric = METRICS[name]
    words = f"{metric.short_heading or metric.heading} %" if metric.unit == "percent" else metric.heading
    return words.replace(" ", "\n", 1)


def show_evaluation(evaluation: "Evaluation") -> None:
    """Print the metrics of all labels together, then of each one."""
    from manylabel.report.tables import format_cell
    from manylabel.report.text.glossary import MAP_NOTE, SHORT_NAMES_NOTE, UNDEFINED_NOTE, heading
    from manylabel.report.text.summary import describe_baselines
    from manylabel.report.text.wording import n_things

    show_line(f"Evaluated on {n_things(evaluation.n_photos, 'photo')} ({evaluation.engine}).")
    # Before the numbers: some of these say that the numbers flatter.
    for note in evaluation.notes:
        show_line(f"Note: {note}")
    show_table(
        ["Metric", "Value", "95 % interval", *(name.replace("-", "-\n") for name in evaluation.baselines)],
        [
            [
                heading(name),
                format_cell(name, _or_none(value)),
                " to ".join(
                    format_cell(name, _or_none(end))
                    for end in (evaluation.intervals[name].low, evaluation.intervals[name].high)
                    if not math.isnan(end)
                ),
                *(format_cell(name, _or_none(metrics[name])) for metrics in evaluation.baselines.values()),
            ]
            for name, value in evaluation.metrics.items()
        ],
    )
    show_line(MAP_NOTE)
    show_line(SHORT_NAMES_NOTE)
    _show_labels(evaluation)
    per_label = [float(value) for name in _OF_A_LABEL for value in evaluation.per_label[name]]
    if any(math.isnan(value) for value in (*evaluation.metrics.values(), *per_label)):
        show_line(UNDEFINED_NOTE)
    show_line(describe_baselines(list(evaluation.baselines)))
    show_failures(evaluation.failures)


def _show_labels(evaluation: "Evaluation") -> None:
    """Print the metrics of each label."""
    from manylabel.metrics.registry import METRICS
    from manylabel.report.tables import format_cell
    from manylabel.report.text.glossary import AP_NOTE

    shown = [METRICS[name] for name in _OF_A_LABEL]
    show_table(
        ["Label", "Photos\nwith it", *(metric.short_heading or metric.heading for metric in shown)],
        [
            [
                label,
                f"{evaluation.per_label['n_positive'][column]:.0f}",
                *(format_cell(name, _or_none(evaluation.per_label[name][column])) for name in _OF_A_LABEL),
            ]
            for column, label in enumerate(evaluation.labels)
        ],
    )
    show_line(AP_NOTE)


def show_suggestions(suggestions: "Suggestions") -> None:
    """Print the photos that are most worth labeling next."""
    scores = suggestions.scores
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("Photo", overflow="fold")
    table.add_column("Uncertainty", justify="right")
    table.add_column("Unsure about", overflow="fold")
    for row, name in enumerate(scores.names):
        unsure = [
            f"{label} {scores.values[row, scores.labels.index(label)]:.0%}"
            for label in suggestions.unsure_labels(row)
        ]
        said = as_cell(", ".join(unsure)) or "(none between 10 and 90 %)"
        table.add_row(as_cell(name), f"{suggestions.uncertainty[row]:.2f}", said)
    stdout.print(table)
    show_line(f"Chosen from {suggestions.n_unlabeled} unlabeled photos, the most useful first.")
    for note in suggestions.notes:
        show_line(f"Note: {note}")
    show_failures(suggestions.failures)


def show_exported(exported: "Exported") -> None:
    """Print how an exported form compares with the model as it was."""
    from manylabel.metrics.bootstrap import wilson_interval
    from manylabel.report.text.wording import n_things

    parity = exported.parity
    show_table(
        ["Engine", "Mean\ndifference", "Largest\ndifference", "Decisions\nchanged", "95 %\ninterval"],
        [
            [
                row.engine,
                *(f"{difference:.2g}" for difference in (row.mean_difference, row.max_difference)),
                f"{row.n_changed} of {parity.n_decisions}",
                _percents(wilson_interval(row.n_changed, parity.n_decisions)),
            ]
            for row in parity.rows
        ],
    )
    show_line(f"Probabilities compared with torch in fp32, on {parity.evaluated_on}.")
    if exported.comparison is not None:
        _show_comparison(exported.comparison)
    if exported.n_calibration is not None:
        few = "; about 100 are a good start" if exported.n_calibration < _FEW_TO_CALIBRATE else ""
        show_line(f"Calibrated on {n_things(exported.n_calibration, 'photo')}{few}.")
    show_failures(exported.failures)
    show_line(f"Written: {exported.path}")


def _show_comparison(comparison: "Comparison") -> None:
    from manylabel.report.text.glossary import MAP_NOTE, UNDEFINED, UNDEFINED_NOTE

    rows = [
        [
            name,
            *(UNDEFINED if share is None else _percent(share) for share in (row.mAP, row.exact_match)),
            f"{row.ms_per_photo:.1f}",
        ]
        for name, row in comparison.engines.items()
    ]
    headings = map(_narrow_heading, ("mAP", "exact_match"))
    show_table(["Engine", *headings, "ms per\nphoto"], rows)
    show_line(MAP_NOTE)
    if any(None in (row.mAP, row.exact_match) for row in comparison.engines.values()):
        show_line(UNDEFINED_NOTE)
    if comparison.loss is not None:
        loss = comparison.loss
        low, high = (f"{100 * end:z.1f}" for end in (loss.low, loss.high))
        show_line(f"mAP lost to 8 bits: {100 * loss.mAP:z.1f} points (95 % interval {low} to {high}).")
    show_line(f"Evaluated on {comparison.n_photos} photos: {comparison.evaluated_on}.")
    for note in comparison.notes:
        show_line(f"Note: {note}")


def _percents(interval: "Interval") -> str:
    return f"{100 * interval.low:.1f} to {100 * interval.high:.1f} %"


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else value


class Said:
    """Keep the first of many predictions, to be shown once all are there."""

    def __init__(self) -> None:
        self._rows: list[tuple[str, str]] = []
        self._failures: list[PhotoError] = []
        self._n_photos = 0
        self._n_failures = 0

    def add(self, predictions: "Predictions") -> None:
        """Take in the next predictions."""
        scores = predictions.scores
        n_wanted = MAX_PHOTOS_SHOWN - len(self._rows)
        for row, name in enumerate(scores.names[:n_wanted]):
            said = [
                f"{label} {scores.values[row, scores.labels.index(label)]:.0%}"
                for label in predictions.labels_of(row)
            ]
            self._rows.append((name, ", ".join(said) or "(none)"))
        self._failures += predictions.failures[: MAX_PHOTOS_SHOWN - len(self._failures)]
        self._n_photos += len(scores.names)
        self._n_failures += len(predictions.failures)

    def show(self, *, is_written: bool) -> None:
        """Print the labels of each photo with their probabilities, and the photos that could not be read.

        Args:
            is_written: Whether a file has all of them.
        """
        hint = "" if is_written else "; --out FILE writes all of them"
        table = Table(box=None, pad_edge=False, header_style="bold")
        table.add_column("Photo", overflow="fold")
        table.add_column("Labels", overflow="fold")
        for cells in self._rows:
            table.add_row(*(as_cell(cell) for cell in cells))
        stdout.print(table)
        if self._n_photos > len(self._rows):
            n_more = self._n_photos - len(self._rows)
            show_line(f"and {n_more} more photos{hint}")
        show_failures(self._failures)
        if self._n_failures > len(self._failures):
            n_more = self._n_failures - len(self._failures)
            show_warning(f"and {n_more} more that cannot be read{hint}")


def show_parts(summary: "PartsSummary") -> None:
    """Print what scoring in parts has done.

    Raises:
        InputError: Parts were not written.
    """
    from manylabel.report.text.wording import n_things

    show_line(f"Written by this run: {n_things(summary.n_new, 'part')}")
    if summary.n_elsewhere:
        show_line(f"In progress in other processes: {n_things(summary.n_elsewhere, 'part')}")
    unreadable = f", {summary.n_unreadable:,} of them unreadable" if summary.n_unreadable else ""
    show_line(
        f"Complete: {summary.n_complete:,} of {n_things(summary.n_parts, 'part')} in {summary.folder}, with "
        f"{n_things(summary.n_photos, 'photo')}{unreadable}"
    )
    summary.check()


def show_failures(failures: Sequence[PhotoError]) -> None:
    """List the photos that could not be read, on stderr."""
    for failure in failures:
        show_warning(f"not read: {failure}")


def show_models(models: Sequence["ModelInfo"]) -> None:
    """Print what models can be used; a line may be longer than the terminal, for names are copied."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("Name", "Parameters", "Features", "Side", "License", "Weights"):
        is_number = heading in ("Parameters", "Features", "Side")
        table.add_column(heading, justify="right" if is_number else "left", no_wrap=True)
    for model in models:
        table.add_row(
            as_cell(model.name),
            f"{model.parameters:,}",
            str(model.n_features),
            f"{model.side_px} px",
            as_cell(model.license),
            model.weights or "not here",
        )
    needed = Measurement.get(stdout, stdout.options.update(max_width=_WIDEST), table).maximum
    VisibleConsole(file=stdout.file, emoji=False, width=max(stdout.width, needed)).print(table)


def show_cache(contents: "CacheContents") -> None:
    """Print where the cache lies, how full it is, and what it holds."""
    show_line(f"Folder: {contents.folder}")
    show_line(f"Limit:  {format_bytes(contents.limit_bytes)}")
    n_entries = len(contents.entries) + len(contents.unfinished)
    show_line(f"Used:   {format_bytes(contents.n_bytes)}, {format_entries(n_entries)}")
    _show_unfinished(contents.unfinished)
    if not contents.entries:
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("Model", overflow="fold")
    table.add_column("Photos", justify="right", no_wrap=True)
    table.add_column("Views", justify="right", no_wrap=True)
    table.add_column("What", overflow="fold")
    table.add_column("Size", justify="right", no_wrap=True)
    table.add_column("Last used", no_wrap=True)
    for entry in contents.entries:
        is_set = entry.what not in ("converted model", "small pictures")
        table.add_row(
            as_cell("" if entry.what == "small pictures" else _or_unknown(entry.model)),
            *(_or_unknown(number) if is_set else "" for number in (entry.n_photos, entry.n_views)),
            as_cell(_or_unknown(entry.what)),
            format_bytes(entry.n_bytes),
            f"{datetime.fromtimestamp(entry.last_used):%Y-%m-%d %H:%M}",
        )
    stdout.print(table)


def _show_unfinished(runs: "Sequence[UnfinishedRun]") -> None:
    """Print which runs are unfinished, and what can be done about them."""
    for run in runs:
        interrupted = "interrupted more than a week ago" if run.is_old else "interrupted"
        state = "running" if run.is_running else interrupted
        size = f"{count(run.n_fits, 'finished fit')}, {format_bytes(run.n_bytes + run.n_bytes_left)}"
        show_line(f"Unfinished run: {_or_unknown(run.out)} ({state}; {size})")
    if any(not run.is_running for run in runs):
        show_line("Repeat the command of an interrupted run to resume it; --clear removes all of them.")


def _or_unknown(value: object) -> str:
    return "?" if value is None else str(value)


def format_entries(number: int) -> str:
    """Count what the cache holds.

    Examples:
        >>> format_entries(1), format_entries(2)
        ('1 entry', '2 entries')
    """
    return "1 entry" if number == 1 else f"{number} entries"


def format_bytes(n_bytes: int) -> str:
    """Write a size with the unit that fits, in powers of 1000.

    Examples:
        >>> format_bytes(999), format_bytes(1_500_000), format_bytes(20_000_000_000)
        ('999 B', '1.5 MB', '20.0 GB')
    """
    size, units = float(n_bytes), ["B", "kB", "MB", "GB", "TB"]
    while size >= 999.95 and len(units) > 1:
        size, units = size / 1000, units[1:]
    return f"{n_bytes} B" if units[0] == "B" else f"{size:.1f} {units[0]}"
