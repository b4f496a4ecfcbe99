"""Show how far a command is.

In:  progress, and what the library logs.
Out: on stderr, the bar of the stage at work below a line about the whole command; where stderr is no
     terminal, one plain line every ten seconds at most.
"""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars
from rich.table import Column, Table
from rich.text import Text

from manylabel.cli import console
from manylabel.types import Progress, ProgressCallback

Clock = Callable[[], float]

_SECONDS_BETWEEN_LINES = 10.0


class _ScreenHandler(logging.Handler):
    """A way for what the library logs to stderr, above the bar."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print one message as it is."""
        console.show_log(record.getMessage())


class _PhotosPerSecond(ProgressColumn):
    """The speed at which photos go through; other steps are too few for a rate."""

    def render(self, task: Task) -> Text:
        """Return the rate over the last half minute."""
        speed = task.finished_speed or task.speed
        if not speed or not task.fields["counts_photos"]:
            return Text("")
        return Text(f"{speed:.0f}/s" if speed >= 10 else f"{speed:.1f}/s")


class _Whole:
    """How far the whole command is: which of its parts is at work, and how long the others will take.

    Args:
        clock: Tells the time in seconds.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._began = self._part_began = 0.0
        self._n_before = 0  # done at the first update
        self._progress: Progress | None = None

    def update(self, progress: Progress) -> None:
        """Begin the next part."""
        self._part_began = self._clock()
        if self._progress is None:
            self._began, self._n_before = self._part_began, progress.done
        self._progress = progress

    def line(self) -> str:
        """Name the part at work; empty where there are no parts."""
        progress = self._progress
        if progress is None:
            return ""
        if progress.done >= progress.total:
            return f"{progress.done} of {progress.total} {progress.subject}s done"
        part = f"{progress.subject} {progress.done + 1} of {progress.total}"
        if progress.done == self._n_before:
            return part
        return f"{part}, {rough_time(self._seconds_left(progress))} left"

    def _seconds_left(self, progress: Progress) -> float:
        """Expect of every part what the finished ones took on average."""
        of_one = (self._part_began - self._began) / (progress.done - self._n_before)
        of_this = max(0.0, of_one - (self._clock() - self._part_began))
        return of_this + of_one * (progress.total - progress.done - 1)


def rough_time(seconds: float) -> str:
    """Write a time that nobody knows exactly.

    Examples:
        >>> rough_time(12), rough_time(100), rough_time(4000)
        ('less than 1 min', 'about 2 min', 'about 1 h 10 min')
    """
    if seconds < 45:
        return "less than 1 min"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"about {minutes} min"
    hours, minutes = divmod(10 * round(minutes / 10), 60)
    return f"about {hours} h {minutes} min" if minutes else f"about {hours} h"


class _Screen(Bars):
    """The bar of the stage at work, below the line about the whole command."""

    def __init__(self, whole: _Whole) -> None:
        self._whole = whole
        self._stage: tuple[tuple[str, str], TaskID] | None = None
        name = Column(no_wrap=True, overflow="ellipsis", max_width=41)
        super().__init__(
            TextColumn("{task.description}", table_column=name),
            BarColumn(bar_width=12),
            MofNCompleteColumn(table_column=Column(no_wrap=True, min_width=9)),
            _PhotosPerSecond(table_column=Column(no_wrap=True, min_width=6)),
            TimeRemainingColumn(compact=True, table_column=Column(no_wrap=True, min_width=5)),
            console=console.stderr,
            transient=True,
        )

    def get_renderables(self) -> Iterator[Text | Table]:
        """Lay out what is drawn."""
        if line := self._whole.line():
            yield Text(line)
        yield self.make_tasks_table(self.tasks)

    def show(self, progress: Progress) -> None:
        """Move the bar; that of another stage, or of a finished one, gives way."""
        stage = (progress.subject, progress.stage)
        if self._stage is None or self._stage[0] != stage:
            self.clear()
            name = console.as_cell(f"{progress.subject}: {progress.stage}")
            is_photos = progress.subject == "photos"
            self._stage = (stage, self.add_task(name, total=progress.total, counts_photos=is_photos))
        self.update(self._stage[1], completed=progress.done, total=progress.total)
        if progress.done >= progress.total:
            self.clear()

    def clear(self) -> None:
        """Take the bar away."""
        if self._stage is not None:
            self.remove_task(self._stage[1])
        self._stage = None


class _Log:
    """Lines about progress for a file, with time between them.

    Args:
        whole: How far the whole command is.
        clock: Tells the time in seconds.
    """

    def __init__(self, whole: _Whole, clock: Clock) -> None:
        self._whole, self._clock = whole, clock
        self._last = clock()

    def show(self, progress: Progress) -> None:
        """Print a line, unless the last one is not yet ten seconds old."""
        if self._clock() - self._last < _SECONDS_BETWEEN_LINES:
            return
        self._last = self._clock()
        stage = f"{progress.subject}: {progress.stage} {progress.done}/{progress.total}"
        console.show_log("; ".join(filter(None, (self._whole.line(), stage))))


@contextmanager
def show_progress(clock: Clock = time.monotonic) -> Iterator[ProgressCallback]:
    """Draw the bar of the stage at work and what is left of the whole command, or print lines about them.

    What the library logs is shown above the bar.

    Args:
        clock: Tells the time in seconds.
    """
    whole = _Whole(clock)
    with _shown_log():
        if not console.stderr.is_terminal:
            yield _listen(whole, _Log(whole, clock).show)
            return
        with _Screen(whole) as screen:
            yield _listen(whole, screen.show)


def _listen(whole: _Whole, show: ProgressCallback) -> ProgressCallback:
    def listen(progress: Progress) -> None:
        if progress.is_of_all:
            whole.update(progress)
        else:
            show(progress)

    return listen


@contextmanager
def _shown_log() -> Iterator[None]:
    """Show what the library logs."""
    handler, logger = _ScreenHandler(), logging.getLogger("manylabel")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
