"""What all training methods share: their input, the photos of a fit, its result, their defaults.

In:  an initial model, photos, targets, settings.
Out: ``TrainingMethod``, whose subclasses decide what is trained and on what.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import ClassVar, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from manylabel.config import AugmentationConfig, HeadName, LossName, TrainingConfig
from manylabel.engines.frozen import EnginePlan, plan_engine
from manylabel.models.classifier import Classifier
from manylabel.models.device import choose_device, choose_precision, open_accelerator
from manylabel.training.batches import as_tensor
from manylabel.training.distributed import own_seed
from manylabel.training.feature_store import FrozenFeatures
from manylabel.training.features import FeatureSettings, FrozenPart, frozen_features
from manylabel.training.loop import Batches, HeldOutLoss, LoopSettings, Watch, train_loop
from manylabel.training.losses import LOSSES, Loss, label_weights
from manylabel.training.methods.interpolation import DEFAULT_ALPHA, Interpolation
from manylabel.training.photo_store import PhotoStore
from manylabel.trials import Epoch
from manylabel.types import FloatArray, IntArray

Value = TypeVar("Value")

_MIN_WATCHED, _MAX_WATCHED = 40, 256
NO_ROWS: IntArray = np.empty(0, dtype=np.int64)

OnStep = Callable[[str, int, int], None]
"""Called with the stage, the steps done and the steps in all."""


@dataclass(frozen=True, eq=False, kw_only=True)
class TrainingTask:
    """The input of a training method.

    Attributes:
        initial: The model before training; moved to the device, its weights never changed.
        store: All photos.
        targets: [n_photos, n_labels], NaN unknown.
        training: The settings, all filled in.
        augmentation: How views vary.
        seed: Seed of all random draws.
        is_cross_validated: Whether photos that one fit is trained on are scored by another.
        cache: Folder of the feature cache; None for no cache.
        on_step: Called with the progress.
        groups: Number of the group of near-duplicates of each photo; None without near-duplicates.
    """

    initial: Classifier
    store: PhotoStore
    targets: FloatArray
    training: TrainingConfig
    augmentation: AugmentationConfig
    seed: int
    is_cross_validated: bool
    cache: Path | None
    on_step: OnStep
    groups: IntArray | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class FitRows:
    """The photos of one fit.

    Attributes:
        train: Trained on.
        watched: Their loss is measured after every epoch for its curve; it decides nothing.
        val: Not trained on: early stopping uses their loss; may be empty.
        fold: Number of the fold; None for the fit that is kept.
    """

    train: IntArray
    watched: IntArray
    val: IntArray
    fold: int | None = None

    @property
    def stage(self) -> str:
        """Return the name of the fit for progress."""
        return "training" if self.fold is None else f"fold {self.fold + 1}"

    def thin_watched(self) -> IntArray:
        """Return so few of the watched photos that scoring them costs less than training."""
        n_watched = min(len(self.watched), _MAX_WATCHED, max(_MIN_WATCHED, len(self.train) // 4))
        # Evenly from all of them: in file order the first ones may be of one kind.
        return self.watched[np.linspace(0, len(self.watched) - 1, n_watched).astype(np.int64)]


@dataclass(frozen=True, eq=False, kw_only=True)
class Fit:
    """One trained model.

    Attributes:
        classifier: The model, its loss weights undone; it shares the frozen part with the initial model.
        module: The part that was trained: the classifier or a part of it.
        pos_weight: Weight of a positive per label [n_labels] that the loss used.
        weight_decay: Weight decay that the fit used.
        history: Loss per epoch.
        seconds: Wall time of the fit.
        logit_scale: Factor that the logits were multiplied by afterwards.
        alpha: Share of the change by training that was kept, in [0, 1].
        interpolation: Weights before and after training if validation photos may choose alpha, else None.
    """

    classifier: Classifier
    module: nn.Module
    pos_weight: FloatArray
    weight_decay: float
    history: tuple[Epoch, ...]
    seconds: float
    logit_scale: float = 1.0
    alpha: float = 1.0
    interpolation: Interpolation | None = None


@dataclass(frozen=True, kw_only=True)
class InnerFolds:
    """How training photos get out-of-fold scores.

    Attributes:
        n_folds: Number of folds.
        n_photos: Number of scored photos that suffice: no more folds are held out then.
    """

    n_folds: int
    n_photos: int


QUICK_FOLDS = InnerFolds(n_folds=5, n_photos=2000)
SLOW_FOLDS = InnerFolds(n_folds=3, n_photos=300)
"""For slow fits: three fits of 2/3 of the photos cost half as much as five of 4/5."""


@dataclass(frozen=True, kw_only=True)
class TrainingDefaults:
    """Settings where the user gave none; None where a method does not use the setting."""

    loss: LossName
    n_views: int
    epochs: int | None = None
    batch_size: int | None = None
    learning_rate: float | None = None
    body_learning_rate: float | None = None
    weight_decay: float | None = None
    ema_decay: float | None = None

    def fill(self, training: TrainingConfig) -> TrainingConfig:
        """Fill in the settings that were not given."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return replace(
            training, **{name: value for name, value in values.items() if getattr(training, name) is None}
        )


def fill_for_initial(training: TrainingConfig, *, is_pretrained: bool) -> TrainingConfig:
    """Fill in the settings that depend on the initial weights.

    Args:
        training: The settings.
        is_pretrained: Whether the backbone is pre-trained. Only then does training keep its batch norm
            statistics, train a head first and interpolate back towards the initial weights.

    Examples:
        >>> fill_for_initial(TrainingConfig(head_first=False), is_pretrained=True).freeze_batch_norm
        True
    """
    freeze, head_first = training.freeze_batch_norm, training.head_first
    head_first = is_pretrained if head_first is None else head_first
    alpha = training.alpha if head_first else 1.0
    return replace(
        training,
        freeze_batch_norm=is_pretrained if freeze is None else freeze,
        head_first=head_first,
        alpha=1.0 if alpha is None and training.tune != "top" else alpha,
    )


def given(value: Value | None) -> Value:
    """Return a setting that has been filled in."""
    assert value is not None, "settings are filled in before training starts"
    return value


def loop_settings(training: TrainingConfig, *, precision: torch.dtype) -> LoopSettings:
    """Return the settings of the loop from filled-in settings."""
    return LoopSettings(
        epochs=given(training.epochs),
        learning_rate=given(training.learning_rate),
        body_learning_rate=given(training.body_learning_rate),
        weight_decay=given(training.weight_decay),
        schedule=training.schedule,
        warmup_fraction=training.warmup_fraction,
        ema_decay=given(training.ema_decay),
        patience=training.patience,
        freezes_batch_norm=given(training.freeze_batch_norm),
        precision=precision,
    )


class Stopwatch:
    """The total wall time of calls."""

    def __init__(self) -> None:
        """Start at 0."""
        self.seconds = 0.0

    def around(self, measure: HeldOutLoss) -> HeldOutLoss:
        """Return the same function, its time counted."""

        def timed(module: nn.Module) -> float:
            started = time.perf_counter()
            loss = measure(module)
            self.seconds += time.perf_counter() - started
            return loss

        return timed


class TrainingMethod(ABC):
    """A way to train models: fits them and scores photos.

    Attributes:
        name: Value of ``--tune``.
        title: The method in words.
        help: What is trained, and on what, in one sentence.
        defaults: Its default settings.
        prepared_seconds: Wall time of what all fits share, e.g. computing features.
        step_seconds: Wall time of all steps of all fits by kind; empty where no step was taken.

    Args:
        task: What to train on.
        train_rows: Photos that any fit may be trained on.
        other_rows: All other photos that will be scored.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    help: ClassVar[str]
    defaults: ClassVar[TrainingDefaults]
    prepared_seconds = 0.0

    def __init__(self, task: TrainingTask, *, train_rows: IntArray, other_rows: IntArray) -> None:
        """Choose where to compute; subclasses compute features here."""
        self.task = task
        self.device = choose_device(task.training.device)
        self.precision = choose_precision(task.training.precision, self.device)
        self.step_seconds: dict[str, float] = {}

    @classmethod
    def fill_defaults(cls, training: TrainingConfig, *, head: HeadName) -> TrainingConfig:
        """Fill in the settings that were not given for this method and a head."""
        return cls.defaults.fill(training)

    @classmethod
    @abstractmethod
    def inner_folds(cls, initial: Classifier) -> InnerFolds | None:
        """Return the folds to use if the user asked for neither folds nor validation photos, or None."""

    @abstractmethod
    def fit(self, rows: FitRows) -> Fit:
        """Train a fresh model."""

    @abstractmethod
    def untrained(self) -> tuple[Classifier, nn.Module]:
        """Return a fresh model and the part of it that ``fit`` trains."""

    @abstractmethod
    def outputs(self, module: nn.Module, rows: IntArray, *, n_views: int) -> Iterator[Tensor]:
        """Yield logits [batch, n_labels] of a trained module, averaged over the views of a photo."""

    def backbone_features(self, rows: IntArray) -> FloatArray | None:
        """Return features of photos [n_rows, n_features] before training; None where they are not known."""
        return None

    def add_seconds(self, what: str, seconds: float) -> None:
        """Add to the wall time of one kind of step."""
        self.step_seconds[what] = self.step_seconds.get(what, 0.0) + seconds

    def scores(self, fit: Fit, rows: IntArray) -> FloatArray:
        """Return probabilities [n_rows, n_labels] of any photos."""
        return self.probabilities(fit.module, rows)

    def seeds(self, rows: FitRows) -> list[int]:
        """Return the seed of the order, the views and the dropout of a fit."""
        return [self.task.seed, 0 if rows.fold is None else 1 + rows.fold]

    def pos_weight(self, rows: FitRows) -> FloatArray:
        """Return the weight of a positive per label [n_labels] in the loss of a fit."""
        return self.weigh(self.task.targets[rows.train])

    def weigh(self, targets: FloatArray) -> FloatArray:
        """Return the weight of a positive per label [n_labels] in a loss on these targets."""
        training = self.task.training
        return label_weights(targets, name=given(training.loss), cap=training.pos_weight_cap)

    def loss(self, pos_weight: FloatArray) -> Loss:
        """Return the loss of a fit, for weights of positives [n_labels]."""
        weight = torch.tensor(pos_weight, dtype=torch.float32, device=self.device)
        return LOSSES[given(self.task.training.loss)].build(weight)

    @torch.no_grad()
    def mean_loss(self, module: nn.Module, rows: IntArray, *, loss: Loss) -> float:
        """Measure the mean loss over the known cells of some photos, one view of each."""
        module.eval()
        logits = torch.cat([*self.outputs(module, rows, n_views=1)])
        return float(loss(logits, as_tensor(self.task.targets[rows]).to(logits.device)))

    @torch.inference_mode()
    def probabilities(self, module: nn.Module, rows: IntArray) -> FloatArray:
        """Return probabilities [n_rows, n_labels]."""
        if len(rows) == 0:
            return np.empty((0, self.task.targets.shape[1]))
        module.eval()
        n_views = self.task.initial.preprocessing.n_views
        logits = torch.cat([*self.outputs(module, rows, n_views=n_views)])
        return logits.cpu().double().sigmoid().numpy()

    def engine_plan(self) -> EnginePlan:
        """Choose the engine that runs the frozen part of the model."""
        training = self.task.training
        precision = choose_precision(training.precision, self.device)
        return plan_engine(training.engine, device=self.device, precision=precision)

    def frozen_features(
        self, part: FrozenPart, rows: IntArray, stage: str, *, n_plain: int, n_augmented: int
    ) -> FrozenFeatures:
        """Return the outputs of the frozen part for some photos [n_rows, n_plain + n_augmented, ...]."""
        task = self.task
        settings = FeatureSettings(
            n_plain=n_plain,
            n_augmented=n_augmented,
            augmentation=task.augmentation,
            seed=task.seed,
            cache=task.cache,
        )
        return frozen_features(
            part,
            task.store,
            rows,
            settings=settings,
            on_photo=lambda n_done: task.on_step(stage, n_done, len(rows)),
        )

    def train(self, classifier: Classifier, module: nn.Module, batches: Batches, rows: FitRows) -> Fit:
        """Train ``module``, the classifier or a part of it, and undo the weights of the loss."""
        started = time.perf_counter()
        task = self.task
        alpha = task.training.alpha
        interpolation = None if alpha == 1 else Interpolation(module)
        settings = loop_settings(task.training, precision=self.precision)
        pos_weight = self.pos_weight(rows)
        loss = self.loss(pos_weight)
        watched = rows.thin_watched()
        validation = partial(self.mean_loss, rows=rows.val, loss=loss) if len(rows.val) else None
        watching = Stopwatch()
        measure = watching.around(partial(self.mean_loss, rows=watched, loss=loss))
        watch = Watch(
            held_out=measure if len(watched) else None,
            validation=None if task.training.patience is None else validation,
            on_epoch=lambda n_done: task.on_step(rows.stage, n_done, settings.epochs),
            on_time=self.add_seconds,
        )
        with torch.random.fork_rng():
            torch.manual_seed(own_seed(self.seeds(rows)))
            history = train_loop(
                module,
                batches,
                loss=loss,
                settings=settings,
                accelerator=open_accelerator(task.training.device),
                watch=watch,
            )
        kept = DEFAULT_ALPHA if alpha is None else alpha
        if interpolation is None:
            classifier.undo_loss_weight(pos_weight)
        else:
            interpolation.finish(lambda: classifier.undo_loss_weight(pos_weight))
            interpolation.set_alpha(kept)
        return Fit(
            classifier=classifier,
            module=module,
            pos_weight=pos_weight,
            weight_decay=settings.weight_decay,
            alpha=kept,
            interpolation=interpolation if alpha is None else None,
            history=tuple(replace(epoch, fold=rows.fold) for epoch in history),
            # The curve of the held-out photos is for the report: training would do without it.
            seconds=time.perf_counter() - started - watching.seconds,
        )
