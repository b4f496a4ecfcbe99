"""The values that travel between the stages, each checked where it is born.

In:  photos, labels, targets, scores as plain paths, strings and numpy arrays.
Out: frozen dataclasses that cannot be inconsistent. Photos come first, labels second, always.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
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


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """Losses of one pass over the training photos.

    Attributes:
        fold: Number of the fold from 0; None for the fit on all training photos.
        epoch: Number of the pass from 1.
        train_loss: Mean loss over the training photos in this pass.
        held_out_loss: Mean loss over the held-out photos after it; None without any.
        learning_rate: Learning rate of the head at the end of the pass; None where a solver chose its steps.
    """

    fold: int | None
    epoch: int
    train_loss: float
    held_out_loss: float | None
    learning_rate: float | None


@dataclass(frozen=True, eq=False, kw_only=True)
class EvaluatedPhotos:
    """Probabilities and decisions of photos that the model was not trained on.

    Attributes:
        rows: Row numbers in the table [n_rows].
        scores: Probabilities [n_rows, n_labels].
        decisions: Labels that are given [n_rows, n_labels], by thresholds chosen on other photos.
    """

    rows: IntArray
    scores: FloatArray
    decisions: NDArray[np.bool_]


@dataclass(frozen=True, eq=False, kw_only=True)
class NeighborPredictions(EvaluatedPhotos):
    """Predictions from the nearest training photos, and which these are.

    Attributes:
        similar: Rows of the nearest training photos, the nearest first [n_rows, n_similar].
    """

    similar: IntArray


@dataclass(frozen=True, eq=False, kw_only=True)
class CalibrationSet:
    """Predictions for the photos that calibration and thresholds were chosen on.

    Attributes:
        evaluated: Probabilities and decisions, those of each fold by what was chosen on the others.
        raw_scores: Probabilities before calibration [n_rows, n_labels].
        threshold_scores: Those that thresholds were chosen on, calibrated by other photos [n_rows, n_labels].
        free_decisions: Decisions by thresholds alone, without constraints [n_rows, n_labels].
        folds: Positions in these rows of each fold.
        origin: Which photos these are.
    """

    evaluated: EvaluatedPhotos
    raw_scores: FloatArray
    threshold_scores: FloatArray
    free_decisions: NDArray[np.bool_]
    folds: tuple[IntArray, ...]
    origin: str


CalibrationOutcome = Literal[
    "used", "off", "unknown", "no_change", "too_few_photos", "within_chance", "worse"
]
"""What became of a calibration: used, not asked for, or why it was left out."""


@dataclass(frozen=True, kw_only=True)
class CalibrationGain:
    """What a calibration does to the log loss of photos that it was not fitted to.

    Attributes:
        outcome: Whether it is used, or why not.
        log_loss_before: Log loss without it; NaN where nothing is known.
        log_loss_after: Log loss with it.
    """

    outcome: CalibrationOutcome
    log_loss_before: float
    log_loss_after: float


@dataclass(frozen=True, kw_only=True)
class MissedGuarantee:
    """A precision or recall that was asked for and cannot be promised.

    Attributes:
        label: The label; None where no label is promised anything, as no photos were kept from training.
        metric: What was asked for.
        target: How much of it, in (0, 1).
        n_positive: Photos with the label among those that thresholds were chosen on.
        n_needed: Fewest photos with a label that can carry the promise.
        reached: How much the threshold reaches on these photos; None without a photo with the label.
    """

    label: str | None
    metric: Literal["recall", "precision"]
    target: float
    n_positive: int = 0
    n_needed: int = 0
    reached: float | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class LearningCurve:
    """How well linear heads rank held-out photos, by the number of training photos.

    Attributes:
        n_photos: Training photos, rising [n_sizes].
        values: mAP of held-out photos [n_sizes].
        bands: Its 95 % intervals [n_sizes, 2].
        label_values: Average precision of each label [n_sizes, n_labels].
        label_bands: Its 95 % intervals [n_sizes, n_labels, 2].
        gain: What the last doubling of the photos added to the mAP.
        gain_band: Its 95 % interval [2].
        label_gain_bands: The same of each label [n_labels, 2].
    """

    n_photos: IntArray
    values: FloatArray
    bands: FloatArray
    label_values: FloatArray
    label_bands: FloatArray
    gain: float
    gain_band: FloatArray
    label_gain_bands: FloatArray


@dataclass(frozen=True, eq=False, kw_only=True)
class Trial:
    """Everything that training gave, apart from the model itself.

    Attributes:
        model: Name of the backbone.
        init: Where its weights came from.
        init_note: The same in words, e.g. ``"official weights resnet50-0676ba61.pth"``.
        head: Name of the head.
        tune: What was trained: "head", "top" or "full".
        parameters: Number of parameters of the whole classifier.
        labels: The label names.
        thresholds: Thresholds of the final model.
        pos_weight: Weight of a positive per label [n_labels].
        weight_decay: Weight decay of the final fit, given or chosen.
        fold_weight_decays: The same of the fit of each fold; empty without folds.
        test: Predictions for the test photos; None where the split has none.
        out_of_fold: Predictions for training photos by models that did not see them: for all of them where
            the split has folds, else for those that inner folds held out; None without any.
        history: Loss per epoch.
        training_seconds: Wall time of one fit from photos on, median over the fits.
        inference_seconds: Shortest wall time of one photo, pixels to probabilities.
        stage_seconds: Wall time of each stage of this trial.
        step_seconds: Where the time of all training steps went; empty where none were taken.
        logit_scale: Factor of the logits after the fit.
        learned_share: Alpha of the interpolation between the weights before and after fine-tuning, in [0, 1].
        calibration_set: Predictions for the photos that calibration and thresholds were chosen on; None
            without such photos.
        is_calibrated: Whether the probabilities were calibrated after training.
        calibration: Why, or why not; None where no photos were kept from training to calibrate on.
        missed_guarantees: What thresholds were asked to guarantee and cannot.
        neighbors: Predictions for the evaluated photos from their nearest neighbors on the features of the
            frozen backbone; None where these were not computed.
        neighbors_out_of_fold: The same for the out-of-fold photos, where there is a test set.
        folds: Rows that each fit of the cross-validation held out; empty without any.
        learning_curve: Whether more photos would help; None where it was not measured.
    """

    model: str
    init: WeightsSource
    init_note: str
    head: str
    tune: str
    parameters: int
    labels: tuple[str, ...]
    thresholds: Thresholds
    pos_weight: FloatArray
    weight_decay: float
    fold_weight_decays: tuple[float, ...]
    test: EvaluatedPhotos | None
    out_of_fold: EvaluatedPhotos | None
    history: tuple[Epoch, ...]
    training_seconds: float
    inference_seconds: float
    stage_seconds: dict[str, float]
    step_seconds: dict[str, float] = field(default_factory=dict)
    logit_scale: float = 1.0
    learned_share: float = 1.0
    calibration_set: CalibrationSet | None = None
    is_calibrated: bool = False
    calibration: CalibrationGain | None = None
    missed_guarantees: tuple[MissedGuarantee, ...] = ()
    neighbors: NeighborPredictions | None = None
    neighbors_out_of_fold: NeighborPredictions | None = None
    folds: tuple[IntArray, ...] = ()
    learning_curve: LearningCurve | None = None

    @property
    def evaluated(self) -> EvaluatedPhotos:
        """The predictions that metrics are computed on: for the test photos, else the out-of-fold ones."""
        evaluated = self.test if self.test is not None else self.out_of_fold
        if evaluated is None:
            raise ValueError(f"{self.model}: no photo was held out, so nothing can be evaluated")
        return evaluated


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
