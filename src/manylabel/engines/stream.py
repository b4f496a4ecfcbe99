"""Score many photo files.

In:  a predictor and photo files, any number of them.
Out: scores and decisions of the photos that can be read, and an error for each other one, in the order of the
     files; part by part, or all at once.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from html import escape
from itertools import islice
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from manylabel.constraints import decide_with_constraints
from manylabel.data.photos import convert_photos
from manylabel.data.remote import Photo
from manylabel.data.wording import count
from manylabel.engines.base import Finish, PixelPredictor, run_batches
from manylabel.errors import PhotoError
from manylabel.preprocess import PixelArray, Preprocessing, resize_views
from manylabel.types import FloatArray, IntArray, Progress, ProgressCallback, Scores, ignore_progress

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Predictions:
    """The predictions of a model for some photos.

    Attributes:
        scores: Probabilities [n_photos, n_labels] of the photos that could be read.
        decisions: Which labels the model gives [n_photos, n_labels].
        thresholds: The score from which on a label counts as present [n_labels].
        rows: Which of the given files these photos are [n_photos].
        failures: An error for each file that could not be read.
        failure_rows: Which of the given files these are [n_failures].
    """

    scores: Scores
    decisions: NDArray[np.bool_]
    thresholds: NDArray[np.float64]
    rows: IntArray
    failures: tuple[PhotoError, ...]
    failure_rows: IntArray

    @property
    def names(self) -> tuple[str, ...]:
        """The photo names, one per row."""
        return self.scores.names

    @property
    def labels(self) -> tuple[str, ...]:
        """The label names, one per column."""
        return self.scores.labels

    def __len__(self) -> int:
        """Return the number of photos that could be read."""
        return len(self.rows)

    def __repr__(self) -> str:
        """Describe the predictions in one line."""
        lost = f", {len(self.failures):,} unreadable" if self.failures else ""
        return f"Predictions({count(len(self), 'photo')}, {count(len(self.labels), 'label')}{lost})"

    def labels_of(self, row: int) -> list[str]:
        """Return the labels that the model gives to one photo, the most probable first."""
        order = np.argsort(-self.scores.values[row])
        return [self.scores.labels[column] for column in order if self.decisions[row, column]]

    def to_frame(self, values: Literal["probabilities", "decisions"] = "probabilities") -> "pd.DataFrame":
        """Return a row per photo by name and a column per label.

        Args:
            values: The probabilities, or the decisions: True where the model gives the label.
        """
        import pandas as pd

        index = pd.Index(self.names, name="photo")
        cells = self.decisions if values == "decisions" else self.scores.values
        return pd.DataFrame(cells.copy(), index=index, columns=list(self.labels))

    def _repr_html_(self) -> str:
        """Show probabilities in a notebook, those of given labels in bold."""
        cells = [[f"{value:.2f}" for value in row] for row in self.scores.values]
        rows = "".join(
            f"<tr><th>{escape(name)}</th>"
            + "".join(
                f"<td>{f'<b>{cell}</b>' if given else cell}</td>"
                for cell, given in zip(row, decided, strict=True)
            )
            + "</tr>"
            for name, row, decided in zip(self.scores.names, cells, self.decisions, strict=True)
        )
        head = "".join(f"<th>{escape(label)}</th>" for label in self.scores.labels)
        return f"<table><thead><tr><th>photo</th>{head}</tr></thead><tbody>{rows}</tbody></table>"

    def in_order(self) -> Iterator[int | PhotoError]:
        """Yield, file by file, the row of a photo that was scored, or the error of one that was not."""
        answers: list[int | PhotoError] = [*range(len(self.rows)), *self.failures]
        files = np.concatenate([self.rows, self.failure_rows])
        return (answers[number] for number in np.argsort(files, kind="stable"))


def predict_files(
    predictor: PixelPredictor,
    paths: Sequence[Photo],
    *,
    names: Sequence[str],
    on_progress: ProgressCallback = ignore_progress,
) -> Predictions:
    """Score photo files; arguments as for ``stream_files``, all scores at once."""
    parts = stream_files(predictor, paths, names=names, on_progress=on_progress)
    nothing = np.empty((0, len(predictor.labels)))
    return join_predictions([_decide(FilePart(), predictor, names, scores=nothing), *parts])


def join_predictions(parts: Sequence[Predictions]) -> Predictions:
    """Join the parts of a stream, at least one."""
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
    paths: Sequence[Photo],
    *,
    names: Sequence[str],
    on_progress: ProgressCallback = ignore_progress,
) -> Generator[Predictions, None, None]:
    """Score photo files part by part; memory holds a few parts, however many files there are.

    Threads read, decode and resize ahead while the engine computes the parts before.

    Args:
        predictor: The model.
        paths: The files.
        names: What to call them.
        on_progress: Called after every part.

    Yields:
        Predictions for the next files, in their order; ``rows`` counts from the first of all files.
    """

    def start(part: FilePart) -> Callable[[], tuple[FilePart, FloatArray]]:
        finish = _start(part, predictor)
        return lambda: (part, finish())

    n_done = 0
    # As many parts as run wait complete, so that the engine never waits.
    n_ahead = predictor.batch_size * max(2, predictor.n_parallel)
    parts = read_parts(paths, predictor.preprocessing, size=predictor.batch_size, n_ahead=n_ahead)
    with closing(parts):
        for part, scores in run_batches(start, parts, n_parallel=predictor.n_parallel):
            predictions = _decide(part, predictor, names, scores=scores)
            n_done += part.n_files
            on_progress(Progress(subject="photos", stage="scoring", done=n_done, total=len(paths)))
            yield predictions


@dataclass(kw_only=True)
class FilePart:
    """Some files that follow each other.

    Attributes:
        rows: Which of all files could be read.
        failure_rows: Which could not.
        failures: An error for each of these.
    """

    rows: list[int] = field(default_factory=list)
    failure_rows: list[int] = field(default_factory=list)
    failures: list[PhotoError] = field(default_factory=list)
    _views: list[PixelArray] = field(default_factory=list)

    @property
    def n_files(self) -> int:
        """Count the files."""
        return len(self.rows) + len(self.failure_rows)

    def add(self, row: int, read: PixelArray | PhotoError) -> None:
        """Add the views of a file, or its error."""
        if isinstance(read, PhotoError):
            self.failure_rows.append(row)
            self.failures.append(read)
        else:
            self.rows.append(row)
            self._views.append(read)

    def take_pixels(self) -> PixelArray:
        """Return the views [n_photos * n_views, side_px, side_px, 3] of at least one photo, and free them."""
        pixels = np.concatenate(self._views)
        self._views.clear()
        return pixels

    def named_failures(self, names: Sequence[str]) -> tuple[PhotoError, ...]:
        """Return the errors with the names that the user knows the files by."""
        return tuple(
            PhotoError(names[row], error.reason)
            for row, error in zip(self.failure_rows, self.failures, strict=True)
        )


def read_parts(
    paths: Sequence[Photo], preprocessing: Preprocessing, *, size: int, n_ahead: int
) -> Generator[FilePart, None, None]:
    """Yield the files in parts of ``size``; ``n_ahead`` photos are read ahead, in threads."""
    read = convert_photos(
        paths,
        partial(resize_views, preprocessing=preprocessing),
        side_px=preprocessing.side_px,
        n_ahead=n_ahead,
    )
    with closing(read):
        numbered = enumerate(read)
        while files := list(islice(numbered, size)):
            part = FilePart()
            for row, photo in files:
                part.add(row, photo)
            del files, photo  # their pixels are freed with the part's
            yield part


def _start(part: FilePart, predictor: PixelPredictor) -> Finish:
    """Start to score what could be read."""
    if not part.rows:
        return partial(np.empty, (0, len(predictor.labels)))
    return predictor.start(part.take_pixels())


def _decide(
    part: FilePart, predictor: PixelPredictor, names: Sequence[str], *, scores: FloatArray
) -> Predictions:
    return Predictions(
        scores=Scores(names=tuple(names[row] for row in part.rows), labels=predictor.labels, values=scores),
        decisions=decide_with_constraints(predictor.constraints, scores, predictor.thresholds),
        thresholds=predictor.thresholds.values,
        rows=np.array(part.rows, dtype=np.int64),
        failures=part.named_failures(names),
        failure_rows=np.array(part.failure_rows, dtype=np.int64),
    )
