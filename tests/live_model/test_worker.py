"""What the process that learns answers, in this process: with two pipes and a small model."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TypeVar

import numpy as np

from manylabel.live_model.messages import (
    FROM_WORKER,
    Duplicates,
    FindSimilar,
    FromWorker,
    Learn,
    Open,
    Scores,
    Seen,
    Similar,
)
from manylabel.live_model.pipes import receive, send
from manylabel.live_model.worker import work
from manylabel.types import FloatArray, LabelTable


@contextmanager
def working() -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    """Run a worker; yield the pipe to it and the pipe from it."""
    (source, to_worker), (from_worker, sink) = os.pipe(), os.pipe()

    def run() -> None:
        with os.fdopen(source, "rb") as read, os.fdopen(sink, "wb") as write:
            work(read, write)

    thread = threading.Thread(target=run)
    thread.start()
    with os.fdopen(to_worker, "wb") as write, os.fdopen(from_worker, "rb") as read:
        yield write, read
        write.close()
        while receive(read, FROM_WORKER) is not None:
            pass
        thread.join()


def learn(revision: int, targets: FloatArray) -> Learn:
    labels = ["red circle", "green square", "blue triangle"]
    return Learn(revision=revision, labels=labels, targets=targets.astype("<f4").tobytes())


Message = TypeVar("Message", bound=FromWorker)


def wait_for(read: IO[bytes], kind: type[Message]) -> Message:
    while (message := receive(read, FROM_WORKER)) is not None:
        if isinstance(message, kind):
            return message
    raise AssertionError(f"no {kind.__name__}")


def test_photos_are_read_answers_are_learned_and_questions_answered(
    shapes_table: LabelTable, shapes_bundle: Path, tmp_path: Path
) -> None:
    targets = shapes_table.targets.copy()
    targets[24:] = np.nan
    with working() as (write, read):
        photos = [str(path) for path in shapes_table.photos]
        send(write, Open(photos=photos, model=str(shapes_bundle), cache=str(tmp_path / "cache")))
        assert wait_for(read, Seen).n_photos == 32
        assert len(wait_for(read, Duplicates).groups) == 32

        send(write, learn(4, targets))
        scores = wait_for(read, Scores)
        assert scores.revision == 4
        assert scores.estimate is not None
        assert scores.estimate.n_photos == 24
        assert sorted(scores.suggested) == list(range(24, 32))

        send(write, FindSimilar(row=3))
        similar = wait_for(read, Similar)
        assert similar.rows[0] == 3
        assert len(similar.rows) == 32


def test_answers_that_came_while_photos_were_read_are_learned_of_all(
    shapes_table: LabelTable, shapes_bundle: Path, tmp_path: Path
) -> None:
    with working() as (write, read):
        photos = [str(path) for path in shapes_table.photos]
        send(write, Open(photos=photos, model=str(shapes_bundle), cache=str(tmp_path / "cache")))
        send(write, learn(1, shapes_table.targets))
        wait_for(read, Duplicates)

        scores = wait_for(read, Scores)

        assert scores.estimate is not None
        assert scores.estimate.n_photos == 32
