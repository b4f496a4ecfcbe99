"""Write predictions for the tools that people label photos with.

In:  predictions, part by part.
Out: Label Studio tasks with predictions, or a COCO file; photos that could not be read are left out.
"""

import json
from typing import Any, BinaryIO

from manylabel.engines.stream import Predictions
from manylabel.errors import PhotoError

_DIGITS = 6


class LabelStudioRows:
    """Write a list of tasks, each with the labels given as a prediction of a choice.

    They are imported into a project whose labelling interface has
    ``<Image name="image" value="$image"/>`` and ``<Choices name="labels" toName="image" choice="multiple">``.
    The score of a prediction is the mean probability of the labels that it gives; without any, one less the
    highest probability.
    """

    def __init__(self, file: BinaryIO) -> None:
        """Begin the list."""
        self._file = file
        self._n_tasks = 0
        file.write(b"[")

    def write(self, predictions: Predictions) -> None:
        """Write the next tasks."""
        for answer in predictions.in_order():
            if isinstance(answer, PhotoError):
                continue
            self._file.write(b",\n" if self._n_tasks else b"\n")
            self._file.write(_to_json(_as_task(predictions, answer)))
            self._n_tasks += 1

    def close(self) -> None:
        """End the list."""
        self._file.write(b"\n]\n")


def _as_task(predictions: Predictions, row: int) -> dict[str, Any]:
    scores, given = predictions.scores, predictions.labels_of(row)
    values = dict(zip(scores.labels, scores.values[row].tolist(), strict=True))
    sure = sum(values[label] for label in given) / len(given) if given else 1 - max(values.values())
    choices = {
        "from_name": "labels",
        "to_name": "image",
        "type": "choices",
        "value": {"choices": given},
    }
    prediction = {"model_version": "manylabel", "score": round(sure, _DIGITS), "result": [choices]}
    return {
        "data": {"image": scores.names[row]},
        "predictions": [prediction],
        "meta": {"scores": {label: round(value, _DIGITS) for label, value in values.items()}},
    }


class CocoRows:
    """Write a COCO file: images, categories, and an annotation with its score per label that is given."""

    def __init__(self, file: BinaryIO) -> None:
        """Begin the images; annotations wait for the end."""
        self._file = file
        self._n_images = 0
        self._labels: tuple[str, ...] = ()
        self._annotations: list[tuple[int, int, float]] = []
        file.write(b'{\n"images": [')

    def write(self, predictions: Predictions) -> None:
        """Write the next images."""
        scores = predictions.scores
        self._labels = scores.labels
        for answer in predictions.in_order():
            if isinstance(answer, PhotoError):
                continue
            self._file.write(b",\n" if self._n_images else b"\n")
            self._n_images += 1
            self._file.write(_to_json({"id": self._n_images, "file_name": scores.names[answer]}))
            for label in predictions.labels_of(answer):
                column = scores.labels.index(label)
                self._annotations.append((self._n_images, column, float(scores.values[answer, column])))

    def close(self) -> None:
        """Write categories and annotations."""
        categories = [{"id": number, "name": label} for number, label in enumerate(self._labels, start=1)]
        self._file.write(b'\n],\n"categories": ' + _to_json(categories) + b',\n"annotations": [')
        for number, (image, column, score) in enumerate(self._annotations, start=1):
            annotation = {
                "id": number,
                "image_id": image,
                "category_id": column + 1,
                "score": round(score, _DIGITS),
            }
            self._file.write((b"\n" if number == 1 else b",\n") + _to_json(annotation))
        self._file.write(b"\n]\n}\n")


def _to_json(values: object) -> bytes:
    return json.dumps(values, ensure_ascii=False).encode()
