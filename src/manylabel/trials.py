"""What training and evaluating one model gave.

In:  predictions, thresholds, times.
Out: ``Trial`` and its parts, from which the results of a run are collected.
"""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from manylabel.types import FloatArray, IntArray, Thresholds, WeightsSource


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
        alpha: Alpha of the interpolation between the weights before and after fine-tuning, in [0, 1].
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
    alpha: float = 1.0
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
