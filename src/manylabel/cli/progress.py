"""Show how far a command is.

In:  progress, and what the library logs.
Out: bars of 80 columns on stderr; lines where that is a file.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars
from rich.table import Column
from rich.text import Text

from manylabel.cli import console
from manylabel.types import Listener, Progress


class _ScreenHandler(logging.Handler):
    """Print what the library logs to stderr, above the bars."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print one message as it is."""
        console.show_log(record.getMessage())


class _PhotosPerSecond(ProgressColumn):
    """Show how fast photos go through; other steps are too few for a rate."""

    def render(self, task: Task) -> Text:
        """Return the rate over the last half minute, in the end over the whole task."""
        speed = task.finished_speed or task.speed
        if not speed or not task.fields["counts_photos"]:
            return Text("")
        return Text(f"{speed:.0f}/s" if speed >= 10 else f"{speed:.1f}/s")


@contextmanager
def show_progress() -> Iterator[Listener]:
    """Draw a bar per network and stage with the time left, in the end the time spent, in 80 columns.

    Where stderr is a file, lines are printed instead.

    What the library logs is shown above the bars.
    """
    bars = Bars(
        TextColumn(
            "{task.description}", table_column=Column(no_wrap=True, overflow="ellipsis", max_width=41)
        ),
        BarColumn(bar_width=12),
        MofNCompleteColumn(table_column=Column(no_wrap=True, min_width=9)),
        _PhotosPerSecond(table_column=Column(no_wrap=True, min_width=6)),
        TimeRemainingColumn(
            compact=True, elapsed_when_finished=True, table_column=Column(no_wrap=True, min_width=5)
        ),
        console=console.stderr,
        disable=not console.stderr.is_terminal,
    )
    tasks: dict[tuple[str, str], Any] = {}

    def listen(progress: Progress) -> None:
        key = (progress.subject, progress.stage)
        if not console.stderr.is_terminal:
            if progress.done == progress.total and key not in tasks:
                tasks[key] = None
                line = f"{progress.subject}: {progress.stage} {progress.done}/{progress.total}"
                console.show_log(line)
            return
        if key not in tasks or bars.tasks[tasks[key]].finished:
            tasks[key] = bars.add_task(
                console.as_cell(f"{progress.subject}: {progress.stage}"),
                total=progress.total,
                counts_photos=progress.subject == "photos",
            )
        bars.update(tasks[key], completed=progress.done, total=progress.total)

    handler = _ScreenHandler()
    logger = logging.getLogger("manylabel")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        with bars:
            yield listen
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
