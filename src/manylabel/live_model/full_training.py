"""The process that trains models in full: ``python -m manylabel.live_model.full_training``.

In:  one message at standard input: photos, answers, backbones.
Out: a run folder, as ``manylabel compare`` writes it; messages at standard output: stages, then the end.
"""

import os
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import IO

import numpy as np

from manylabel.config import ConstraintsConfig, RunConfig
from manylabel.errors import ManylabelError, needs_extra
from manylabel.live_model.messages import TO_TRAINER, Failed, Stage, Train, Trained
from manylabel.live_model.pipes import receive, send, take_pipes
from manylabel.recipes import load_recipe
from manylabel.types import LabelTable, Progress

_NICE = 10
_SECONDS_BETWEEN_REPORTS = 0.2
_SOURCE = "the answers given in manylabel app"


def main() -> None:
    """Train what the message asks for."""
    source, sink = take_pipes()
    if hasattr(os, "nice"):  # not on Windows
        os.nice(_NICE)  # the page comes first
    with suppress(OSError, KeyboardInterrupt):  # the page is gone, or whoever waits has cancelled
        order = receive(source, TO_TRAINER)
        if order is None:
            return
        try:
            train(order, sink)
        except (ManylabelError, OSError) as error:
            send(sink, Failed(problem=str(error)))  # for nobody, if the page is gone
        else:
            send(sink, Trained())


def train(order: Train, sink: IO[bytes]) -> None:
    """Train, and write the run folder.

    Raises:
        ManylabelError: As ``pipeline.compare`` does.
        OSError: The other end is gone.
    """
    with needs_extra("Training", "train"):
        from manylabel.pipeline import compare  # not at the top: an extra, slow
    reporter = _Reporter(sink)
    table = table_of(order)
    compare(config_of(order), table=table, recipe=order.recipe, on_progress=reporter.report)


def config_of(order: Train) -> RunConfig:
    """Return the settings of the run."""
    config = load_recipe(order.recipe)
    constraints = ConstraintsConfig(
        exclusive=order.exclusive, implies=order.implies, at_least_one=order.at_least_one
    )
    return replace(
        config,
        out=order.out,
        model=replace(config.model, names=tuple(order.backbones)),
        constraints=constraints,
    )


def table_of(order: Train) -> LabelTable:
    """Return the photos that have any answer, ordered by name, with their answers."""
    shape = (len(order.names), len(order.labels))
    targets = np.frombuffer(order.targets, dtype="<f4").reshape(shape).astype(np.float64)
    rows = [row for row in range(len(order.names)) if not np.isnan(targets[row]).all()]
    rows.sort(key=order.names.__getitem__)
    return LabelTable(
        photos=tuple(Path(order.photos[row]) for row in rows),
        names=tuple(order.names[row] for row in rows),
        labels=tuple(order.labels),
        targets=targets[rows],
        parts=(None,) * len(rows),
        source=_SOURCE,
    )


class _Reporter:
    """Sends how far the training is, a few times a second."""

    def __init__(self, sink: IO[bytes]) -> None:
        self._sink = sink
        self._last = ("", "")
        self._reported = 0.0

    def report(self, progress: Progress) -> None:
        """Send a stage when it begins, ends, or some time has passed."""
        if progress.is_of_all:
            return
        now, about = time.perf_counter(), (progress.subject, progress.stage)
        is_end = progress.done >= progress.total
        if about == self._last and not is_end and now - self._reported < _SECONDS_BETWEEN_REPORTS:
            return
        self._last, self._reported = about, now
        stage = Stage(
            subject=progress.subject, stage=progress.stage, done=progress.done, total=progress.total
        )
        send(self._sink, stage)


if __name__ == "__main__":
    main()
