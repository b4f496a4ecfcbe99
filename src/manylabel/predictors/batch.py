"""Score many photos.

In:  a predictor and photo files, any number of them.
Out: scores and decisions of the photos that can be read, and an error for each other one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from manylabel.data.photos import read_photos
from manylabel.errors import PhotoError
from manylabel.types import Listener, Predictor, Progress, Scores, ignore_progress

_BATCH_SIZE = 32


@dataclass(frozen=True, eq=False, kw_only=True)
class Predictions:
    """Hold what a model says about some photos.

    Attributes:
        scores: Probabilities [n_photos, n_labels] of the photos that could be read.
        decisions: Which labels the model gives [n_photos, n_labels].
        thresholds: The score from which on a label counts as present [n_labels].
        rows: Places of those photos among the files that were given [n_photos].
        failures: An error for each file that could not be read.
    """

    scores: Scores
    decisions: NDArray[np.bool_]
    thresholds: NDArray[np.float64]
    rows: NDArray[np.int64]
    failures: tuple[PhotoError, ...]

    def labels_of(self, row: int) -> list[str]:
        """Return the labels that the model gives to one photo, the most probable first."""
        order = np.argsort(-self.scores.values[row])
        return [self.scores.labels[column] for column in order if self.decisions[row, column]]


def predict_files(
    predictor: Predictor,
    paths: Sequence[Path],
    *,
    names: Sequence[str],
    side_px: int,
    listener: Listener = ignore_progress,
) -> Predictions:
    """Score photo files; reading runs ahead in threads, memory holds a few batches at a time.

    Args:
        predictor: What scores.
        paths: The files.
        names: What to call them.
        side_px: Side of the square picture that the network sees.
        listener: Hears of progress.
    """
    scores, rows, failures = [np.empty((0, len(predictor.labels)))], list[int](), list[PhotoError]()
    batch: list[Image.Image] = []
    for place, photo in enumerate(read_photos(paths, side_px=side_px)):
        if isinstance(photo, PhotoError):
            failures.append(PhotoError(Path(names[place]), photo.reason))
        else:
            batch.append(photo)
            rows.append(place)
        if len(batch) == _BATCH_SIZE:
            scores.append(predictor.predict_proba(batch))
            batch = []
        listener(Progress(subject="photos", stage="scoring", done=place + 1, total=len(paths)))
    if batch:
        scores.append(predictor.predict_proba(batch))
    values = np.concatenate(scores)
    return Predictions(
        scores=Scores(names=tuple(names[row] for row in rows), labels=predictor.labels, values=values),
        decisions=predictor.thresholds.decide(values),
        thresholds=predictor.thresholds.values,
        rows=np.array(rows, dtype=np.int64),
        failures=tuple(failures),
    )
