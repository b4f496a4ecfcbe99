"""Predictions for the tools that people label photos with."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from manylabel.data.formats import read_table
from manylabel.engines.stream import Predictions
from manylabel.errors import PhotoError
from manylabel.exporters.predictions.registry import open_prediction_files, write_predictions
from manylabel.types import Scores

LABELS = ("sea", "sky")


def said(values: list[list[float]], *, first: int = 0, failed: tuple[int, ...] = ()) -> Predictions:
    """Return what a model says about some photos."""
    scores = np.array(values).reshape(-1, 2)
    rows = [row for row in range(len(scores) + len(failed)) if row not in failed]
    return Predictions(
        scores=Scores(names=tuple(f"{first + row}.png" for row in rows), labels=LABELS, values=scores),
        decisions=scores >= 0.5,
        thresholds=np.full(2, 0.5),
        rows=np.array(rows, dtype=np.int64),
        failures=tuple(PhotoError(Path(f"{first + row}.png"), "it is cut off") for row in failed),
        failure_rows=np.array(failed, dtype=np.int64),
    )


@pytest.mark.parametrize("name", ["said.coco.json", "said.labelstudio.json"])
def test_what_is_written_is_read_back_as_labels(name: str, tmp_path: Path) -> None:
    for number in range(5):
        Image.new("RGB", (8, 8)).save(tmp_path / f"{number}.png")
    with open_prediction_files([tmp_path / name]) as write:
        write(said([[0.9, 0.1], [0.6, 0.8]], failed=(1,)))
        write(said([[0.2, 0.3], [0.1, 0.7]], first=3))
    content = json.loads((tmp_path / name).read_text(encoding="utf-8"))
    if name == "said.labelstudio.json":
        # A person accepts every prediction: it becomes the annotation of its task.
        content = [{**task, "annotations": task["predictions"]} for task in content]
        (tmp_path / name).write_text(json.dumps(content), encoding="utf-8")
    table = read_table(tmp_path / name, photos=tmp_path, purpose="evaluation")
    found = dict(zip(table.names, table.targets.tolist(), strict=True))
    assert table.labels == LABELS
    assert {photo: row for photo, row in found.items() if any(row)} == {
        "0.png": [1, 0],
        "2.png": [1, 1],
        "4.png": [0, 1],
    }


def test_scores_stand_beside_the_labels(tmp_path: Path) -> None:
    write_predictions(tmp_path / "a.coco.json", said([[0.9, 0.75]]))
    annotations = json.loads((tmp_path / "a.coco.json").read_text(encoding="utf-8"))["annotations"]
    assert [(entry["category_id"], entry["score"]) for entry in annotations] == [(1, 0.9), (2, 0.75)]
    write_predictions(tmp_path / "a.labelstudio.json", said([[0.9, 0.7], [0.1, 0.2]]))
    tasks = json.loads((tmp_path / "a.labelstudio.json").read_text(encoding="utf-8"))
    assert [task["predictions"][0]["score"] for task in tasks] == [pytest.approx(0.8), 0.8]
    assert tasks[0]["meta"]["scores"] == {"sea": 0.9, "sky": 0.7}


@pytest.mark.parametrize("name", ["empty.coco.json", "empty.labelstudio.json"])
def test_no_photo_gives_a_file_all_the_same(name: str, tmp_path: Path) -> None:
    with open_prediction_files([tmp_path / name]):
        pass
    json.loads((tmp_path / name).read_text(encoding="utf-8"))
