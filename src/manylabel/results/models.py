"""What was measured of models and baselines.

In:  numbers, as plain Python values.
Out: frozen results. None stands where a number is undefined, e.g. the average precision of a label that no
     photo carries. Shares are in [0, 1], times in seconds. Lists of labels keep the order of the table.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from manylabel.trials import CalibrationOutcome, MissedGuarantee
from manylabel.types import PRETRAINED, WeightsSource

Number = float | None
"""A number that may be undefined."""

Metrics = Mapping[str, Number]
"""Metrics by name."""


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A 95 % confidence interval from the bootstrap.

    Attributes:
        low, high: Its ends; None where the metric is undefined.
    """

    low: Number
    high: Number

    @property
    def is_defined(self) -> bool:
        """Whether both ends are known."""
        return self.low is not None and self.high is not None


@dataclass(frozen=True, kw_only=True)
class History:
    """Losses, a row per epoch of every fit.

    Attributes:
        fold: Number of the fold from 0; None for the fit whose model is kept.
        epoch: Number of the epoch from 1.
        train_loss, held_out_loss: Mean losses; the latter None without held-out photos.
        learning_rate: None where a solver chose its steps.
    """

    fold: tuple[int | None, ...] = ()
    epoch: tuple[int, ...] = ()
    train_loss: tuple[float, ...] = ()
    held_out_loss: tuple[Number, ...] = ()
    learning_rate: tuple[Number, ...] = ()


@dataclass(frozen=True, kw_only=True)
class PrecisionRecall:
    """A precision-recall curve, from the lowest threshold to the first hit [n_points]."""

    precision: tuple[float, ...]
    recall: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Reliability:
    """A reliability diagram: photos and labels of similar probability, group by group [n_groups].

    Attributes:
        mean_score: Mean probability.
        share_present: Share of them that is present.
        n_cells: Their number.
        low, high: Wilson's 95 % interval of the share.
    """

    mean_score: tuple[float, ...]
    share_present: tuple[float, ...]
    n_cells: tuple[int, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]

    @property
    def n_calibrated(self) -> int:
        """Groups whose mean probability lies in the interval of the share that is present."""
        groups = zip(self.low, self.mean_score, self.high, strict=True)
        return sum(1 for low, mean, high in groups if low <= mean <= high)


@dataclass(frozen=True, kw_only=True)
class ProbabilityQuality:
    """How well probabilities agree with the truth.

    Attributes:
        log_loss: Mean over all known cells.
        brier: Brier score per label.
        calibration_error: Expected calibration error per label.
        reliability: The diagram of all labels together.
        label_reliability: The diagram of each label.
    """

    log_loss: Number
    brier: tuple[Number, ...]
    calibration_error: tuple[Number, ...]
    reliability: Reliability
    label_reliability: tuple[Reliability, ...]


@dataclass(frozen=True, kw_only=True)
class CalibrationResult:
    """What calibration did to the probabilities of a model.

    Attributes:
        outcome: Whether a calibration is used, or why not.
        log_loss_before, log_loss_after: Log loss of photos that the calibration was not fitted to.
        is_used: Whether the model has it.
        origin: Which photos it was measured on; each was calibrated by the others.
        n_photos: Their number.
        before, after: The probabilities before and after it.
    """

    outcome: CalibrationOutcome
    log_loss_before: Number
    log_loss_after: Number
    is_used: bool
    origin: str
    n_photos: int
    before: ProbabilityQuality
    after: ProbabilityQuality

    @property
    def kept(self) -> ProbabilityQuality:
        """The probabilities of the model that is kept."""
        return self.after if self.is_used else self.before


@dataclass(frozen=True, kw_only=True)
class ThresholdGain:
    """What thresholds gain over 0.5 for every label: metrics of decisions by name.

    Attributes:
        half: With 0.5 for every label.
        optimistic: With thresholds chosen on the photos that are evaluated.
        cross_fitted: With thresholds chosen on other photos, as new photos will see them.
        method: What the thresholds were chosen for, as ``evaluation.thresholds``.
        beta: Weight of recall in F-beta.
    """

    half: Metrics
    optimistic: Metrics
    cross_fitted: Metrics
    method: str
    beta: float


@dataclass(frozen=True, kw_only=True)
class LearningCurveResult:
    """How well linear heads rank held-out photos, by the number of photos that they learned from.

    Attributes:
        n_photos: Training photos, rising [n_sizes].
        values: mAP [n_sizes].
        bands: Its 95 % intervals [n_sizes].
        label_values: Average precision [n_sizes, n_labels].
        label_bands: Its 95 % intervals [n_sizes, n_labels].
        gain: What the last doubling of the photos added to the mAP.
        gain_band: Its 95 % interval.
        label_gain_bands: The same per label [n_labels].
    """

    n_photos: tuple[int, ...]
    values: tuple[Number, ...]
    bands: tuple[Interval, ...]
    label_values: tuple[tuple[Number, ...], ...]
    label_bands: tuple[tuple[Interval, ...], ...]
    gain: Number
    gain_band: Interval
    label_gain_bands: tuple[Interval, ...]

    @property
    def half_index(self) -> int:
        """The position of the size that is nearest to half of the photos."""
        half = self.n_photos[-1] / 2
        return min(range(len(self.n_photos)), key=lambda position: abs(self.n_photos[position] - half))


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Metrics of a model or a baseline on the evaluated photos.

    Attributes:
        model: Name of the backbone or the baseline.
        metrics: Metrics over all labels.
        per_label: Metrics of single labels.
        n_positive, n_known: Evaluated photos with the label, and those on which it is known [n_labels].
        intervals: 95 % intervals of the metrics.
        label_intervals: 95 % intervals of ``average_precision`` and ``f1`` [n_labels].
        out_of_fold: Metrics of training photos by fits that did not see them, where test photos are
            evaluated.
    """

    model: str
    metrics: Metrics
    per_label: Mapping[str, tuple[Number, ...]]
    n_positive: tuple[int, ...]
    n_known: tuple[int, ...]
    intervals: Mapping[str, Interval]
    label_intervals: Mapping[str, tuple[Interval, ...]]
    out_of_fold: Metrics | None


@dataclass(frozen=True, kw_only=True)
class BaselineResults(Measured):
    """A baseline on the same photos: no label at all, the share of each label, or the nearest neighbors."""


@dataclass(frozen=True, kw_only=True)
class ModelResults(Measured):
    """A trained model.

    Attributes:
        init: Where the backbone's weights came from.
        init_note: The same in words, with the name of the file.
        head: Name of the head.
        tune: What learned: "head", "top" or "full".
        parameters: Number of parameters.
        training_seconds: Wall time of one fit from photos on, median over the fits.
        inference_seconds: Shortest wall time of one photo, pixels to probabilities.
        stage_seconds, step_seconds: Where the time of training went.
        thresholds: The decision threshold of each label [n_labels].
        threshold_origin: How they were chosen.
        missed_guarantees: What they were asked to guarantee and cannot.
        pos_weight: Weight of a positive in the loss [n_labels].
        weight_decay: Weight decay of the fit that is kept.
        fold_weight_decays: The same of the fit of each fold.
        logit_scale: Factor of the logits after the fit.
        alpha: Share of the change by fine-tuning that was kept (interpolation), in [0, 1].
        n_out_of_fold: Photos behind ``out_of_fold``.
        history: Losses by epoch.
        curve: Precision-recall curve of all labels together; None without any positive.
        label_curves: The same per label.
        calibration: What calibration did; None where no photos could tell.
        threshold_gain: What thresholds gain; None where every threshold is 0.5.
        learning_curve: Whether more photos would help; None where it was not measured.
    """

    init: WeightsSource
    init_note: str
    head: str
    tune: str
    parameters: int
    training_seconds: float
    inference_seconds: float
    stage_seconds: Mapping[str, float]
    step_seconds: Mapping[str, float]
    thresholds: tuple[float, ...]
    threshold_origin: str
    missed_guarantees: tuple[MissedGuarantee, ...]
    pos_weight: tuple[float, ...]
    weight_decay: float
    fold_weight_decays: tuple[float, ...]
    logit_scale: float
    alpha: float
    n_out_of_fold: int
    history: History
    curve: PrecisionRecall | None
    label_curves: tuple[PrecisionRecall | None, ...]
    calibration: CalibrationResult | None
    threshold_gain: ThresholdGain | None
    learning_curve: LearningCurveResult | None

    @property
    def is_pretrained(self) -> bool:
        """Whether the backbone started from learned weights."""
        return self.init in PRETRAINED
