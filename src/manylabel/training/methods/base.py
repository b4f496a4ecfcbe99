"""What every way to learn shares: the lesson, the parts that photos play in a fit, the course of a fit.

In:  a network at its start, photos, targets.
Out: ``Learner``, whose subclasses say what learns and from what.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from manylabel.config import AugmentationConfig, TrainingConfig
from manylabel.engines.frozen import EnginePlan, plan_engine
from manylabel.models.classifier import Classifier
from manylabel.models.device import choose_device, choose_precision, open_accelerator
from manylabel.training.batches import as_tensor
from manylabel.training.defaults import given, loop_settings
from manylabel.training.features.extract import FeatureSettings, FrozenPart, frozen_features
from manylabel.training.features.store import FrozenFeatures
from manylabel.training.loop import Batches, HeldOutLoss, Watch, train_loop
from manylabel.training.losses import Loss, binary_cross_entropy, label_weights
from manylabel.training.methods.interpolation import USUAL_SHARE, Way
from manylabel.training.photo_store import PhotoStore
from manylabel.types import Epoch, FloatArray, IntArray

_MIN_WATCHED, _MAX_WATCHED = 40, 256
NO_ROWS: IntArray = np.empty(0, dtype=np.int64)

SMALL_PRODUCT = 2**22
"""Values of features up to which one thread is as fast as several, and not hurt by other work."""

OnStep = Callable[[str, int, int], None]
"""Hears the stage, the steps done and the steps in all."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Lesson:
    """Hold what a learner is given.

    Attributes:
        start: The network before training; moved to the device, its weights never changed.
        store: All photos.
        targets: [n_photos, n_labels], NaN unknown.
        training: The settings, all filled in.
        augmentation: How views vary.
        seed: Seed of everything that is drawn.
        is_cross_validated: Whether photos that one fit learns from are scored by another.
        cache: Folder of the feature cache; None for no cache.
        on_step: Hears of progress.
        groups: Number of the group of copies that each photo belongs to; None without copies.
    """

    start: Classifier
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
    """Say which photos play which part in one fit.

    Attributes:
        train: Learned from.
        watched: Their loss is measured after every epoch for its curve; it decides nothing.
        val: Not learned from: they choose how much is learned; may be empty.
        fold: Number of the fold; None for the fit that is kept.
    """

    train: IntArray
    watched: IntArray
    val: IntArray
    fold: int | None = None

    @property
    def stage(self) -> str:
        """Name the fit for those who hear of progress."""
        return "training" if self.fold is None else f"fold {self.fold + 1}"

    def thin_watched(self) -> IntArray:
        """Return so many of the watched photos that looking at them costs less than learning."""
        n_watched = min(len(self.watched), _MAX_WATCHED, max(_MIN_WATCHED, len(self.train) // 4))
        # Evenly from all of them: in file order the first ones may be of one kind.
        return self.watched[np.linspace(0, len(self.watched) - 1, n_watched).astype(np.int64)]


@dataclass(frozen=True, eq=False, kw_only=True)
class Fit:
    """Hold one trained network.

    Attributes:
        classifier: The network, its loss weights undone; it shares with the start what was frozen.
        module: What learned: the classifier or a part of it.
        pos_weight: Weight of a positive per label [n_labels] that the loss used.
        weight_decay: Weight decay that the fit used.
        history: Loss per epoch.
        seconds: Wall time of the fit.
        logit_scale: What the logits were multiplied with afterwards.
        learned_share: Share of the way from the start of training that was kept.
        way: The way itself where nothing but habit has chosen the share so far; None where it was given.
    """

    classifier: Classifier
    module: nn.Module
    pos_weight: FloatArray
    weight_decay: float
    history: tuple[Epoch, ...]
    seconds: float
    logit_scale: float = 1.0
    learned_share: float = 1.0
    way: Way | None = None


@dataclass(frozen=True, kw_only=True)
class InnerFolds:
    """Say how a learner gives out-of-fold scores to training photos.

    Attributes:
        n_folds: Folds that these photos are divided into.
        n_photos: Photos with a score that are enough: no more folds are held out then.
    """

    n_folds: int
    n_photos: int


QUICK_FOLDS = InnerFolds(n_folds=5, n_photos=2000)
SLOW_FOLDS = InnerFolds(n_folds=3, n_photos=300)
"""Where a fit takes a while: three fits of two thirds of the photos cost half as much as five of 4/5."""


class Stopwatch:
    """Add up the wall time of calls."""

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


@contextmanager
def threads(number: int) -> Iterator[None]:
    """Let torch compute with so many threads, then with as many as before.

    The products of a small head take microseconds: handing them to several threads takes longer than they do,
    and on a busy machine every one of them waits for the slowest thread.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class Learner(ABC):
    """Fit networks and score photos.

    Attributes:
        inner_folds: Which further fits are made where neither folds nor validation photos were asked for;
            None for none.
        prepared_seconds: Wall time of what all fits share, e.g. computing features.
        step_seconds: Where the time of all steps of all fits went; empty where no step was taken.
    """

    inner_folds: InnerFolds | None
    prepared_seconds = 0.0

    def __init__(self, lesson: Lesson) -> None:
        """Keep the lesson."""
        self.lesson = lesson
        self.device = choose_device(lesson.training.device)
        self.precision = choose_precision(lesson.training.precision, self.device)
        self.step_seconds: dict[str, float] = {}

    def _add_seconds(self, what: str, seconds: float) -> None:
        self.step_seconds[what] = self.step_seconds.get(what, 0.0) + seconds

    @abstractmethod
    def fit(self, rows: FitRows) -> Fit:
        """Train a fresh network."""

    @abstractmethod
    def outputs(self, module: nn.Module, rows: IntArray, *, n_views: int) -> Iterator[Tensor]:
        """Yield logits [batch, n_labels] of what ``fit`` trained, averaged over a photo's views."""

    def backbone_features(self, rows: IntArray) -> FloatArray | None:
        """Return what the frozen backbone says of photos [n_rows, n_features], if that is known."""
        return None

    def scores(self, fit: Fit, rows: IntArray) -> FloatArray:
        """Return probabilities [n_rows, n_labels] of photos that need not have been seen."""
        return self.probabilities(fit.module, rows)

    def seeds(self, rows: FitRows) -> list[int]:
        """Return what the order, the views and the dropout of a fit are drawn from."""
        return [self.lesson.seed, 0 if rows.fold is None else 1 + rows.fold]

    def pos_weight(self, rows: FitRows) -> FloatArray:
        """Return the weight of a positive per label [n_labels] in the loss of a fit."""
        return self.weigh(self.lesson.targets[rows.train])

    def weigh(self, targets: FloatArray) -> FloatArray:
        """Return the weight of a positive per label [n_labels] in a loss on these targets."""
        training = self.lesson.training
        return label_weights(targets, name=given(training.loss), cap=training.pos_weight_cap)

    @torch.no_grad()
    def mean_loss(self, module: nn.Module, rows: IntArray, *, loss: Loss) -> float:
        """Measure the mean loss over the known cells of some photos, each seen once: it is measured often."""
        module.eval()
        logits = torch.cat([*self.outputs(module, rows, n_views=1)])
        return float(loss(logits, as_tensor(self.lesson.targets[rows]).to(logits.device)))

    @torch.inference_mode()
    def probabilities(self, module: nn.Module, rows: IntArray) -> FloatArray:
        """Return probabilities [n_rows, n_labels]."""
        if len(rows) == 0:
            return np.empty((0, self.lesson.targets.shape[1]))
        module.eval()
        n_views = self.lesson.start.preprocessing.n_views
        logits = torch.cat([*self.outputs(module, rows, n_views=n_views)])
        return logits.cpu().double().sigmoid().numpy()

    def engine_plan(self) -> EnginePlan:
        """Say what runs the frozen part of the network."""
        training = self.lesson.training
        return plan_engine(
            training.engine,
            device=self.device,
            precision=choose_precision(training.precision, self.device),
        )

    def frozen_features(
        self, part: FrozenPart, rows: IntArray, stage: str, *, n_plain: int, n_augmented: int
    ) -> FrozenFeatures:
        """Return what the frozen part makes of some photos: [n_rows, n_plain + n_augmented, ...]."""
        lesson = self.lesson
        settings = FeatureSettings(
            n_plain=n_plain,
            n_augmented=n_augmented,
            augmentation=lesson.augmentation,
            seed=lesson.seed,
            cache=lesson.cache,
        )
        return frozen_features(
            part,
            lesson.store,
            rows,
            settings=settings,
            on_photo=lambda n_done: lesson.on_step(stage, n_done, len(rows)),
        )

    def train(self, classifier: Classifier, module: nn.Module, batches: Batches, rows: FitRows) -> Fit:
        """Train ``module``, the classifier or its head, and undo the weights of the loss."""
        started = time.perf_counter()
        lesson = self.lesson
        way = Way(module) if lesson.training.learned_share != 1 else None
        settings = loop_settings(lesson.training, precision=self.precision)
        pos_weight = self.pos_weight(rows)
        loss = binary_cross_entropy(torch.tensor(pos_weight, dtype=torch.float32, device=self.device))
        watched = rows.thin_watched()
        validation = partial(self.mean_loss, rows=rows.val, loss=loss) if len(rows.val) else None
        watching = Stopwatch()
        watch = Watch(
            held_out=watching.around(partial(self.mean_loss, rows=watched, loss=loss))
            if len(watched)
            else None,
            validation=None if lesson.training.patience is None else validation,
            on_epoch=lambda n_done: lesson.on_step(rows.stage, n_done, settings.epochs),
            on_time=self._add_seconds,
        )
        with torch.random.fork_rng():
            torch.manual_seed(int(np.random.SeedSequence(self.seeds(rows)).generate_state(1)[0]))
            history = train_loop(
                module,
                batches,
                loss=loss,
                settings=settings,
                accelerator=open_accelerator(lesson.training.device),
                watch=watch,
            )
        share = lesson.training.learned_share
        if way is None:
            classifier.undo_loss_weight(pos_weight)
        else:
            way.end(lambda: classifier.undo_loss_weight(pos_weight))
            way.stand(USUAL_SHARE if share is None else share)
        return Fit(
            classifier=classifier,
            module=module,
            pos_weight=pos_weight,
            weight_decay=settings.weight_decay,
            learned_share=USUAL_SHARE if share is None else share,
            way=way if share is None else None,
            history=tuple(replace(epoch, fold=rows.fold) for epoch in history),
            # The curve of the held-out photos is for the report: training would do without it.
            seconds=time.perf_counter() - started - watching.seconds,
        )
