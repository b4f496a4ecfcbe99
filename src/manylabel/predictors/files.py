"""Write predictions to files.

In:  predictions.
Out: a CSV or JSON file, chosen by its ending.
"""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

from manylabel.errors import OutputError
from manylabel.files import write_atomically
from manylabel.predictors.batch import Predictions


def write_predictions(path: Path, predictions: Predictions) -> None:
    """Write predictions in the form that the file's ending names.

    Args:
        path: Ends in .csv or .json.
        predictions: What to write.

    Raises:
        OutputError: The ending is unknown, or the file cannot be written.
    """
    check_form(path)
    try:
        write_atomically(path, FORMS[path.suffix.lower()](predictions).encode())
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror}") from error


def check_form(path: Path) -> None:
    """Check that a file's ending is known; call it before long work.

    Raises:
        OutputError: It is not.
    """
    if path.suffix.lower() not in FORMS:
        raise OutputError(f"{path}: unknown ending '{path.suffix}'; known: {', '.join(FORMS)}")


def to_csv(predictions: Predictions) -> str:
    """Return columns image, labels (joined by ``;``, most probable first), error, then the probabilities.

    A photo that could not be read has its reason under error and no probabilities.
    """
    scores = predictions.scores
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(["image", "labels", "error", *scores.labels])
    for row, name in enumerate(scores.names):
        values = (f"{score:.6f}" for score in scores.values[row])
        writer.writerow([name, ";".join(predictions.labels_of(row)), "", *values])
    for failure in predictions.failures:
        writer.writerow([str(failure.path), "", failure.reason, *[""] * len(scores.labels)])
    return text.getvalue()


def to_json(predictions: Predictions) -> str:
    """Return an object with thresholds, photos (image, labels, scores) and unreadable ones (image, error)."""
    scores = predictions.scores
    photos = [
        {
            "image": name,
            "labels": predictions.labels_of(row),
            "scores": {
                label: round(float(score), 6)
                for label, score in zip(scores.labels, scores.values[row], strict=True)
            },
        }
        for row, name in enumerate(scores.names)
    ]
    whole = {
        "thresholds": dict(zip(scores.labels, predictions.thresholds.tolist(), strict=True)),
        "photos": photos,
        "unreadable": [
            {"image": str(failure.path), "error": failure.reason} for failure in predictions.failures
        ],
    }
    return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"


FORMS: dict[str, Callable[[Predictions], str]] = {".csv": to_csv, ".json": to_json}
"""What writes predictions, by the ending of the file."""
