"""Score many photos.

In:  a predictor and photo files, any number of them.
Out: scores and decisions of the photos that can be read, and an error for each other one, in the order of the
     files; part by part, or all at once.
"""

from collections import deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from manylabel.constraints import decide_with_rules
from manylabel.data.photos import convert_photos
from manylabel.engines.base import Finish, PixelPredictor
from manylabel.errors import PhotoError
from manylabel.preprocess import PixelArray, resize_views
from manylabel.types import IntArray, Progress, ProgressCallback, Scores, ignore_progress


@dataclass(frozen=True, eq=False, kw_only=True)
class Predictions:
    """Hold what a model says about some photos.

    Attributes:
        scores: Probabilities [n_photos, n_labels] of the photos that could be read.
        decisions: Which labels the model gives [n_photos, n_labels].
        thresholds: The score from which on a label counts as present [n_labels].
        rows: Places of those photos among the files that were given [n_photos].
        failures: An error for each file that could not be read.
        failure_rows: Places of those files among the files that were given [n_failures].
    """

    scores: Scores
    decisions: NDArray[np.bool_]
    thresholds: NDArray[np.float64]
    rows: IntArray
    failures: tuple[PhotoError, ...]
    failure_rows: IntArray

    def labels_of(self, row: int) -> list[str]:
        """Return the labels that the model gives to one photo, the most probable first."""
        order = np.argsort(-self.scores.values[row])
        return [self.scores.labels[column] for column in order if self.decisions[row, column]]

    def in_order(self) -> Iterator[int | PhotoError]:
        """Yield, file by file, the row of a photo that was scored, or the error of one that was not."""
        answers: list[int | PhotoError] = [*range(len(self.rows)), *self.failures]
        places = np.concatenate([self.rows, self.failure_rows])
        return (answers[number] for number in np.argsort(places, kind="stable"))


def predict_files(
    predictor: PixelPredictor,
    paths: Sequence[Path],
    *,
    names: Sequence[str],
    on_progress: ProgressCallback = ignore_progress,
) -> Predictions:
    """Score photo files; arguments as for ``stream_files``, all scores at once."""
    parts = stream_files(predictor, paths, names=names, on_progress=on_progress)
    return join_predictions([_Part().judge(predictor, names), *parts])


def join_predictions(parts: Sequence[Predictions]) -> Predictions:
    """Put the parts of a stream together, at least one."""
    first = parts[0]
    return Predictions(
        scores=Scores(
            names=tuple(name for part in parts for name in part.scores.names),
            labels=first.scores.labels,
            values=np.concatenate([part.scores.values for part in parts]),
        ),
        decisions=np.concatenate([part.decisions for part in parts]),
        thresholds=first.thresholds,
        rows=np.concatenate([part.rows for part in parts]),
        failures=tuple(failure for part in parts for failure in part.failures),
        failure_rows=np.concatenate([part.failure_rows for part in parts]),
    )


def stream_files(
    predictor: PixelPredictor,
    paths: Sequence[Path],
    *,
    names: Sequence[str],
    on_progress: ProgressCallback = ignore_progress,
) -> Generator[Predictions, None, None]:
    """Score photo files part by part; memory holds a few parts, however many files there are.

    Threads read, decode and resize ahead while the engine computes the parts before.

    Args:
        predictor: What scores.
        paths: The files.
        names: What to call them.
        on_progress: Hears of progress.

    Yields:
        What is said about the next files, in their order; ``rows`` counts from the first of all files.
    """
    started: deque[tuple[_Part, Finish]] = deque()
    n_done = 0

    def finish_first() -> Predictions:
        nonlocal n_done
        part, finish = started.popleft()
        said = part.judge(predictor, names, finish)
        n_done += len(part.rows) + len(part.failures)
        on_progress(Progress(subject="photos", stage="scoring", done=n_done, total=len(paths)))
        return said

    with closing(_read_views(predictor, paths)) as views:
        for part in _parts(views, size=predictor.batch_size):
            if len(started) == predictor.n_parallel:
                yield finish_first()
            started.append((part, part.start(predictor)))
        while started:
            yield finish_first()


class _Part:
    """Hold some files that follow each other: views of those that can be read, errors of the others."""

    def __init__(self) -> None:
        self.rows: list[int] = []
        self.views: list[PixelArray] = []
        self.failure_rows: list[int] = []
        self.failures: list[PhotoError] = []

    def add(self, row: int, read: PixelArray | PhotoError) -> None:
        """Take in what became of a file."""
        if isinstance(read, PhotoError):
            self.failure_rows.append(row)
            self.failures.append(read)
        else:
            self.rows.append(row)
            self.views.append(read)

    def start(self, predictor: PixelPredictor) -> Finish:
        """Begin to score what could be read; the pixels are given away."""
        if not self.views:
            return partial(np.empty, (0, len(predictor.labels)))
        pixels = np.concatenate(self.views)  # [n_photos * n_views, side_px, side_px, 3]
        self.views.clear()
        return predictor.start(pixels)

    def judge(
        self, predictor: PixelPredictor, names: Sequence[str], finish: Finish | None = None
    ) -> Predictions:
        """Wait for the scores and decide; without files there is nothing to wait for."""
        values = np.empty((0, len(predictor.labels))) if finish is None else finish()
        return Predictions(
            scores=Scores(
                names=tuple(names[row] for row in self.rows), labels=predictor.labels, values=values
            ),
            decisions=decide_with_rules(predictor.rules, values, predictor.thresholds),
            thresholds=predictor.thresholds.values,
            rows=np.array(self.rows, dtype=np.int64),
            failures=tuple(
                PhotoError(Path(names[row]), error.reason)
                for row, error in zip(self.failure_rows, self.failures, strict=True)
            ),
            failure_rows=np.array(self.failure_rows, dtype=np.int64),
        )


def _read_views(
    predictor: PixelPredictor, paths: Sequence[Path]
) -> Generator[PixelArray | PhotoError, None, None]:
    """Yield the views [n_views, side_px, side_px, 3] of each photo, or its error."""
    preprocessing = predictor.preprocessing
    return convert_photos(
        paths,
        partial(resize_views, preprocessing=preprocessing),
        side_px=preprocessing.side_px,
        # As many parts as run wait complete, so that the engine never waits.
        n_ahead=predictor.batch_size * max(2, predictor.n_parallel),
    )


def _parts(views: Iterator[PixelArray | PhotoError], *, size: int) -> Iterator[_Part]:
    numbered = enumerate(views)
    while files := list(islice(numbered, size)):
        part = _Part()
        for row, read in files:
            part.add(row, read)
        yield part
