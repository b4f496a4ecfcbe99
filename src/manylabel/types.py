"""The values that travel between the stages, each checked where it is born.

In:  photos, labels, targets, scores as plain paths, strings and numpy arrays.
Out: frozen dataclasses that cannot be inconsistent. Photos come first, labels second, always.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Part = Literal["train", "val", "test"]
WeightsSource = Literal["package", "official", "file", "random", "missing"]
"""Where weights came from; they are random where that was asked for, and where official ones are missing."""

PRETRAINED = frozenset({"package", "official", "file"})  # sources of weights that learned something


@dataclass(frozen=True, eq=False, kw_only=True)
class LabelTable:
    """Photos and the labels that they carry.

    Attributes:
        photos: The files, one per photo.
        names: What the photos are called in outputs: the path below the photo folder, with forward slashes.
        labels: The label names.
        targets: Float array [n_photos, n_labels]: 1 present, 0 absent, NaN unknown.
        parts: The given split: "train", "val" or "test" per photo, None where nothing was given.
        source: How the table was read, e.g. ``"labels.csv as delimited CSV, joined by ';'"``.
        notes: Warnings about the labels, one sentence each.

    Raises:
        ValueError: The sizes do not fit together, or targets hold something else than 0, 1 and NaN.
    """

    photos: tuple[Path, ...]
    names: tuple[str, ...]
    labels: tuple[str, ...]
    targets: FloatArray
    parts: tuple[Part | None, ...]
    source: str
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check that sizes and values fit together."""
        shape = (len(self.photos), len(self.labels))
        if self.targets.shape != shape:
            raise ValueError(f"targets have shape {self.targets.shape}, expected {shape} (photos x labels)")
        if not len(self.names) == len(self.parts) == len(self.photos):
            raise ValueError(f"{len(self.photos)} photos, {len(self.names)} names, {len(self.parts)} parts")
        known = self.targets[~np.isnan(self.targets)]
        if not np.isin(known, (0.0, 1.0)).all():
            raise ValueError("targets hold 0 (absent), 1 (present) or NaN (unknown), nothing else")
        # A copy, so that the caller's array stays writeable.
        object.__setattr__(self, "targets", self.targets.copy())
        self.targets.flags.writeable = False

    @property
    def n_photos(self) -> int:
        """Count the photos."""
        return len(self.photos)

    @property
    def n_labels(self) -> int:
        """Count the labels."""
        return len(self.labels)

    def labels_of(self, row: int) -> tuple[str, ...]:
        """Return the labels that a photo is known to carry."""
        return tuple(self.labels[column] for column in np.flatnonzero(self.targets[row] == 1))

    def name_labels(self, row: int) -> str:
        """Return the labels of a photo in words, or that it has none, or that they are unknown."""
        names = ", ".join(self.labels_of(row))
        return names or ("labels unknown" if np.isnan(self.targets[row]).any() else "no label")

    def take(self, rows: IntArray) -> "LabelTable":
        """Return the table of some photos, in the given order.

        Args:
            rows: Row numbers [n], each in [0, n_photos).
        """
        return LabelTable(
            photos=tuple(self.photos[row] for row in rows),
            names=tuple(self.names[row] for row in rows),
            labels=self.labels,
            targets=self.targets[rows],
            parts=tuple(self.parts[row] for row in rows),
            source=self.source,
            notes=self.notes,
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class Split:
    """The parts of a dataset.

    Attributes:
        train: Rows of the training set.
        val: Rows of the validation set, which early stopping, interpolation, calibration and thresholds use;
            may be empty.
        test: Rows of the test set; empty in a cross-validation without one.
        folds: Held-out rows of each fold, a partition of ``train``; empty without cross-validation.
        groups: The group of each photo [n_photos]: near-duplicates share one; None without groups.
        origin: Where the split comes from, e.g. ``"given in labels.csv"``.

    Raises:
        ValueError: A photo lies in two parts, or the folds are not a partition of ``train``.
    """

    train: IntArray
    val: IntArray
    test: IntArray
    folds: tuple[IntArray, ...] = ()
    groups: IntArray | None = None
    origin: str = ""

    def __post_init__(self) -> None:
        """Check that no photo is used twice."""
        rows = np.concatenate([self.train, self.val, self.test])
        if len(np.unique(rows)) != len(rows):
            raise ValueError("a photo lies in two parts of the split")
        if self.folds and not np.array_equal(np.sort(np.concatenate(self.folds)), np.sort(self.train)):
            raise ValueError("the folds are not a partition of the training photos")


@dataclass(frozen=True, eq=False, kw_only=True)
class Scores:
    """Probabilities of some photos.

    Attributes:
        names: Photo names, one per row.
        labels: Label names, one per column.
        values: Probabilities [n_photos, n_labels] in [0, 1].

    Raises:
        ValueError: The sizes do not fit together, or a value is no probability.
    """

    names: tuple[str, ...]
    labels: tuple[str, ...]
    values: FloatArray

    def __post_init__(self) -> None:
        """Check that sizes and values fit together."""
        if self.values.shape != (len(self.names), len(self.labels)):
            raise ValueError(
                f"scores have shape {self.values.shape}, not {(len(self.names), len(self.labels))}"
            )
        if not ((self.values >= 0) & (self.values <= 1)).all():
            raise ValueError("scores are probabilities between 0 and 1, without NaN")


@dataclass(frozen=True, eq=False, kw_only=True)
class Thresholds:
    """Decision thresholds: a label is present where its probability reaches its threshold.

    Attributes:
        values: One threshold per label [n_labels] in [0, 1].
        origin: How they were chosen.
        changes: What was changed since, one sentence each.
    """

    values: FloatArray
    origin: str
    changes: tuple[str, ...] = ()

    def decide(self, scores: FloatArray) -> NDArray[np.bool_]:
        """Decide per photo and label: a label is present where its score reaches its threshold.

        Args:
            scores: Probabilities [n_photos, n_labels].

        Returns:
            Decisions [n_photos, n_labels].

        Examples:
            >>> Thresholds(values=np.array([0.5, 0.2]), origin="by hand").decide(np.array([[0.5, 0.1]]))
            array([[ True, False]])
        """
        return np.asarray(scores >= self.values)


class Predictor(Protocol):
    """What turns photos into probabilities; one per engine."""

    @property
    def labels(self) -> tuple[str, ...]:
        """The label names, in the order of the columns."""

    @property
    def thresholds(self) -> Thresholds:
        """The thresholds that came with the model."""

    def predict_proba(self, photos: Sequence[Image.Image]) -> FloatArray:
        """Return probabilities [n_photos, n_labels] for upright RGB photos of any size."""


@dataclass(frozen=True)
class Progress:
    """How far a stage of one model is, or the whole command.

    Attributes:
        subject: What is worked on, e.g. ``"resnet50"``.
        stage: The stage, e.g. ``"features"``.
        done, total: Steps done, steps in all.
        is_of_all: Whether the steps make up the whole command; the stages of such a step follow it.
    """

    subject: str
    stage: str
    done: int
    total: int
    is_of_all: bool = False


ProgressCallback = Callable[[Progress], None]
"""Called with the progress; the command line draws bars with it."""


def ignore_progress(progress: Progress) -> None:
    """Do nothing."""
