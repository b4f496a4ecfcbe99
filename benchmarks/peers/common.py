"""What every script of a peer shares: its options, the table, its files.

In:  the words of the command line, a table of labels.
Out: photos by part; scores.csv and seconds.json in the folder of the run.

Only the standard library and numpy at the top: the scripts run where manylabel is not installed.
"""

import argparse
import csv
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

N_WORKERS = 2
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

SCORES_FILE = "scores.csv"
SECONDS_FILE = "seconds.json"


@dataclass(frozen=True, kw_only=True)
class Row:
    """Hold a row of the table.

    Attributes:
        image: Path below the folder of the table.
        labels: The labels that the photo carries.
        part: "train", "val" or "test".
    """

    image: str
    labels: tuple[str, ...]
    part: str


@dataclass(frozen=True, kw_only=True)
class Job:
    """Hold what a peer is asked to do.

    Attributes:
        photos: Folder that ``Row.image`` is relative to.
        rows: The table.
        labels: All label names, sorted.
        network: Name of the network.
        weights: Pre-trained weights for it, in the names of timm.
        epochs: Passes over the training photos.
        learning_rate: Peak learning rate; None leaves it to the peer's own default.
        side_px: Side of the squares that the network sees, in pixels.
        from_above: Whether the photos have no upper side, so that they may be mirrored top to bottom too.
        out: Folder for scores and seconds.
    """

    photos: Path
    rows: tuple[Row, ...]
    labels: tuple[str, ...]
    network: str
    weights: Path
    epochs: int
    learning_rate: float | None
    side_px: int
    from_above: bool
    out: Path

    def part(self, name: str) -> list[Row]:
        """Return the rows of one part."""
        return [row for row in self.rows if row.part == name]

    def targets(self, rows: Sequence[Row]) -> NDArray[np.float32]:
        """Return targets [n_photos, n_labels] of rows, 1 present, 0 absent."""
        return np.array([[name in row.labels for name in self.labels] for row in rows], dtype=np.float32)

    def path(self, row: Row) -> Path:
        """Return the file of a row."""
        return self.photos / row.image

    @property
    def mean_std(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Return mean and standard deviation of the pixels that the weights expect."""
        is_half = self.network.startswith(("vit_", "tf_efficientnet_lite"))
        return ((0.5,) * 3, (0.5,) * 3) if is_half else (IMAGENET_MEAN, IMAGENET_STD)


def read_rows(labels: Path) -> tuple[Row, ...]:
    """Read a table with the columns image, labels (joined by ``;``; empty where none applies) and split."""
    with labels.open(newline="", encoding="utf-8") as file:
        return tuple(
            Row(image=row["image"], labels=tuple(filter(None, row["labels"].split(";"))), part=row["split"])
            for row in csv.DictReader(file)
        )


def read_job(*, epochs: int, learning_rate: float | None) -> Job:
    """Read what to do from the command line.

    Args:
        epochs: Passes that the peer's documentation uses.
        learning_rate: Peak learning rate that it uses; None leaves it to the peer's own default.
    """
    parser = argparse.ArgumentParser()
    for name in ("photos", "labels", "weights", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--network", required=True)
    parser.add_argument("--epochs", type=int, default=epochs)
    parser.add_argument("--learning-rate", type=float, default=learning_rate)
    parser.add_argument("--side-px", type=int, required=True)
    parser.add_argument("--from-above", action="store_true")
    given = vars(parser.parse_args())
    rows = read_rows(given.pop("labels"))
    names = tuple(sorted({name for row in rows for name in row.labels}))
    return Job(rows=rows, labels=names, **given)


class Stopwatch:
    """Time the stages of a script."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, stage: str) -> None:
        """Note how long it took since the last lap, under ``<stage>_seconds``."""
        now = time.perf_counter()
        self.seconds[f"{stage}_seconds"] = now - self._last
        self._last = now


def write_scores(job: Job, scores: Any, watch: Stopwatch) -> None:
    """Write the scores of the test photos and the seconds of the stages.

    Args:
        job: What was asked.
        scores: Probabilities [n_test, n_labels], photos in the order of the table.
        watch: The seconds.
    """
    values = np.asarray(scores, dtype=np.float64)
    rows = job.part("test")
    assert values.shape == (len(rows), len(job.labels)), values.shape
    with (job.out / SCORES_FILE).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["image", *job.labels])
        for row, of_row in zip(rows, values, strict=True):
            writer.writerow([row.image, *(f"{value:.9g}" for value in of_row)])
    (job.out / SECONDS_FILE).write_text(json.dumps(watch.seconds), encoding="utf-8")


def timm_network(job: Job) -> Any:
    """Build the network of a job with its pre-trained weights and a fresh layer for the labels.

    ``pretrained_cfg_overlay`` is timm's documented way to load the weights of a network from a file.
    """
    import timm

    return timm.create_model(
        job.network,
        pretrained=True,
        pretrained_cfg_overlay={"file": str(job.weights)},
        num_classes=len(job.labels),
    )
