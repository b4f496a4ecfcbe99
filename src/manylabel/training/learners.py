"""The two ways to learn, behind one shape: the head on cached features, or the whole network on photos.

In:  a network at its start, photos, targets.
Out: fits: a trained module each, with its losses; scores of any photo.
"""

import copy
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

from manylabel.config import AugmentationConfig, TrainingConfig, TuneName
from manylabel.models.classifier import Classifier
from manylabel.predictors.device import choose_device, choose_precision, open_accelerator
from manylabel.predictors.torch_predictor import autocast
from manylabel.training.batches import FeatureBatches, PhotoBatches, as_tensor, evaluation_batches
from manylabel.training.defaults import fill_defaults, fill_for_start, given, loop_settings
from manylabel.training.features import FeatureSettings, frozen_features
from manylabel.training.loop import Batches, HeldOutLoss, Watch, train_loop
from manylabel.training.losses import Loss, binary_cross_entropy, label_weights
from manylabel.training.photo_store import PhotoStore
from manylabel.types import Epoch, FloatArray, IntArray

_MAX_WATCHED = 256
_HEAD_FIRST_VIEWS = 2
_SMALL_HEAD = 1_000_000
_NO_ROWS: IntArray = np.empty(0, dtype=np.int64)

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
        cache: Folder of the feature cache; None for no cache.
        on_step: Hears of progress.
    """

    start: Classifier
    store: PhotoStore
    targets: FloatArray
    training: TrainingConfig
    augmentation: AugmentationConfig
    seed: int
    cache: Path | None
    on_step: OnStep


@dataclass(frozen=True, eq=False, kw_only=True)
class FitRows:
    """Say which photos play which part in one fit.

    Attributes:
        train: Learned from.
        watched: Their loss is measured after every epoch for its curve; it decides nothing.
        val: A part of the training photos kept for early stopping; may be empty.
        fold: Number of the fold; None for the fit that is kept.
    """

    train: IntArray
    watched: IntArray
    val: IntArray
    fold: int | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class Fit:
    """Hold one trained network.

    Attributes:
        classifier: The network, its loss weights undone; it shares a frozen backbone with the start.
        pos_weight: Weight of a positive per label [n_labels] that the loss used.
        history: Loss per epoch.
        seconds: Wall time of the fit.
    """

    classifier: Classifier
    pos_weight: FloatArray
    history: tuple[Epoch, ...]
    seconds: float


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
        is_cheap: Whether a fit costs so little that a few more for the sake of thresholds do not matter.
        prepared_seconds: Wall time of what all fits share, e.g. computing features.
    """

    is_cheap: bool
    prepared_seconds = 0.0

    def __init__(self, lesson: Lesson) -> None:
        """Keep the lesson."""
        self.lesson = lesson
        self.device = choose_device(lesson.training.device)
        self.precision = choose_precision(lesson.training.precision, self.device)

    @abstractmethod
    def fit(self, rows: FitRows) -> Fit:
        """Train a fresh network."""

    @abstractmethod
    def outputs(self, module: nn.Module, rows: IntArray) -> Iterator[Tensor]:
        """Yield logits [batch, n_labels] of what ``fit`` trained: a classifier, or its head."""

    def seeds(self, rows: FitRows) -> list[int]:
        """Return what the order, the views and the dropout of a fit are drawn from."""
        return [self.lesson.seed, 0 if rows.fold is None else 1 + rows.fold]

    def pos_weight(self, rows: FitRows) -> FloatArray:
        """Return the weight of a positive per label [n_labels] in the loss of a fit."""
        training = self.lesson.training
        return label_weights(self.lesson.targets[rows.train], name=training.loss, cap=training.pos_weight_cap)

    @torch.no_grad()
    def mean_loss(self, module: nn.Module, rows: IntArray, *, loss: Loss) -> float:
        """Measure the mean loss over the known cells of some photos."""
        module.eval()
        logits = torch.cat([*self.outputs(module, rows)])
        return float(loss(logits, as_tensor(self.lesson.targets[rows]).to(logits.device)))

    @torch.inference_mode()
    def probabilities(self, module: nn.Module, rows: IntArray) -> FloatArray:
        """Return probabilities [n_rows, n_labels] of photos that need not have been seen."""
        if len(rows) == 0:
            return np.empty((0, self.lesson.targets.shape[1]))
        module.eval()
        logits = torch.cat([*self.outputs(module, rows)])
        return logits.cpu().double().sigmoid().numpy()

    def train(self, classifier: Classifier, module: nn.Module, batches: Batches, rows: FitRows) -> Fit:
        """Train ``module``, the classifier or its head, and undo the weights of the loss."""
        started = time.perf_counter()
        lesson = self.lesson
        settings = loop_settings(lesson.training, precision=self.precision)
        pos_weight = self.pos_weight(rows)
        loss = binary_cross_entropy(torch.tensor(pos_weight, dtype=torch.float32, device=self.device))
        stage = "training" if rows.fold is None else f"fold {rows.fold + 1}"
        # Evenly from all of them: in file order the first ones may be of one kind.
        n_watched = min(len(rows.watched), _MAX_WATCHED)
        watched = rows.watched[np.linspace(0, len(rows.watched) - 1, n_watched).astype(np.int64)]
        watching = Stopwatch()
        watch = Watch(
            held_out=watching.around(partial(self.mean_loss, rows=watched, loss=loss)) if n_watched else None,
            validation=partial(self.mean_loss, rows=rows.val, loss=loss) if len(rows.val) else None,
            on_epoch=lambda n_done: lesson.on_step(stage, n_done, settings.epochs),
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
        classifier.undo_loss_weight(pos_weight)
        return Fit(
            classifier=classifier,
            pos_weight=pos_weight,
            history=tuple(replace(epoch, fold=rows.fold) for epoch in history),
            # The curve of the held-out photos is for the report: training would do without it.
            seconds=time.perf_counter() - started - watching.seconds,
        )


class HeadLearner(Learner):
    """Learn the head on cached features of the frozen backbone.

    Args:
        lesson: What to learn.
        train_rows: Photos that any fit may learn from; their features are computed in all views.
        other_rows: All other photos that will be scored; their features are computed once.
    """

    def __init__(self, lesson: Lesson, *, train_rows: IntArray, other_rows: IntArray) -> None:
        """Compute the features of all photos."""
        super().__init__(lesson)
        # Heads of the study have up to 25 million parameters: a few more fits of those do matter.
        self.is_cheap = sum(parameter.numel() for parameter in lesson.start.head.parameters()) < _SMALL_HEAD
        # Features are a few numbers per photo: in bf16 the loop would lose digits and gain no time.
        self.precision = torch.float32
        lesson.start.to(self.device).to(memory_format=torch.channels_last)
        n_augmented = given(lesson.training.n_views) - 1
        self._views, self.prepared_seconds = self._features(train_rows, "features", n_augmented=n_augmented)
        others, _ = self._features(other_rows, "features of other photos", n_augmented=0)
        n_views = lesson.start.preprocessing.n_views
        self._plain = torch.cat([self._views[:, :n_views], others])  # [n_photos, n_views, n_features]
        self._places = np.full(len(lesson.store), -1)
        self._places[np.concatenate([train_rows, other_rows])] = np.arange(len(self._plain))

    def _features(self, rows: IntArray, stage: str, *, n_augmented: int) -> tuple[Tensor, float]:
        """Return features [n_rows, n_views + n_augmented, n_features], and the seconds that they took."""
        lesson = self.lesson
        settings = FeatureSettings(
            n_augmented=n_augmented,
            augmentation=lesson.augmentation,
            seed=lesson.seed,
            precision=choose_precision(lesson.training.precision, self.device),
            cache=lesson.cache,
        )
        features = frozen_features(
            lesson.start,
            lesson.store,
            rows,
            settings=settings,
            on_photo=lambda n_done: lesson.on_step(stage, n_done, len(rows)),
        )
        return torch.tensor(features.values, device=self.device), features.seconds

    def fit(self, rows: FitRows) -> Fit:
        """Train a fresh head."""
        start, places = self.lesson.start, self._places[rows.train]
        classifier = Classifier(backbone=start.backbone, head=copy.deepcopy(start.head), labels=start.labels)
        classifier.to(self.device)
        classifier.standardise_features(self._views[places].flatten(end_dim=1))
        classifier.start_at_prior(self.lesson.targets[rows.train], pos_weight=self.pos_weight(rows))
        batches = FeatureBatches(
            features=self._views[places],
            targets=as_tensor(self.lesson.targets[rows.train]),
            batch_size=given(self.lesson.training.batch_size),
            rng=np.random.default_rng(self.seeds(rows)),
        )
        with threads(1 if self.is_cheap else torch.get_num_threads()):
            return self.train(classifier, classifier.head, batches, rows)

    def outputs(self, module: nn.Module, rows: IntArray) -> Iterator[Tensor]:
        """Yield logits [batch, n_labels]."""
        views = self._plain[self._places[rows]]  # [n_rows, n_views, n_features]
        yield module(views.flatten(end_dim=1)).unflatten(0, views.shape[:2]).mean(dim=1)

    def scores(self, fit: Fit, rows: IntArray) -> FloatArray:
        """Return probabilities [n_rows, n_labels]."""
        return self.probabilities(fit.classifier.head, rows)


class WholeLearner(Learner):
    """Learn all weights on freshly drawn views of the photos.

    Args:
        lesson: What to learn.
        train_rows: Photos that any fit may learn from; a head that learns first needs their features.
        other_rows: Unused, photos are scored as they are.
    """

    is_cheap = False

    def __init__(self, lesson: Lesson, *, train_rows: IntArray, other_rows: IntArray) -> None:
        """Prepare what the head learns from first, where it does."""
        del other_rows
        super().__init__(lesson)
        self._head_learner: HeadLearner | None = None
        if given(lesson.training.head_first):
            training = lesson.training
            head_settings = TrainingConfig(
                n_views=_HEAD_FIRST_VIEWS,
                loss=training.loss,
                pos_weight_cap=training.pos_weight_cap,
                precision=training.precision,
                device=training.device,
            )
            filled = fill_for_start(fill_defaults(head_settings), is_pretrained=True)
            head_lesson = replace(lesson, training=filled)
            self._head_learner = HeadLearner(head_lesson, train_rows=train_rows, other_rows=_NO_ROWS)
            self.prepared_seconds = self._head_learner.prepared_seconds

    def fit(self, rows: FitRows) -> Fit:
        """Train a copy of the whole network."""
        lesson = self.lesson
        classifier = copy.deepcopy(lesson.start).to(self.device).to(memory_format=torch.channels_last)
        batches = PhotoBatches(
            store=lesson.store,
            rows=rows.train,
            targets=as_tensor(lesson.targets[rows.train]),
            preprocessing=classifier.preprocessing,
            augmentation=lesson.augmentation,
            batch_size=given(lesson.training.batch_size),
            rng=np.random.default_rng(self.seeds(rows)),
        )
        started = time.perf_counter()
        if self._head_learner is not None:
            self._start_with_trained_head(classifier, self._head_learner, rows)
        else:
            classifier.start_at_prior(lesson.targets[rows.train], pos_weight=self.pos_weight(rows))
        head_seconds = time.perf_counter() - started
        fit = self.train(classifier, classifier, batches, rows)
        return replace(fit, seconds=fit.seconds + head_seconds)

    def _start_with_trained_head(
        self, classifier: Classifier, head_learner: HeadLearner, rows: FitRows
    ) -> None:
        """Let the head learn on the frozen backbone first.

        The gradients of a random head would distort the features that the backbone came with (Kumar et al.
        2022, "Fine-tuning can distort pretrained features and underperform out-of-distribution",
        arXiv:2202.10054).
        """
        fit = head_learner.fit(replace(rows, watched=_NO_ROWS, val=_NO_ROWS))
        classifier.head.load_state_dict(fit.classifier.head.state_dict())
        # The whole network goes on under the same loss, so its weights, just undone, are put back.
        classifier.undo_loss_weight(1 / self.pos_weight(rows))

    def outputs(self, module: nn.Module, rows: IntArray) -> Iterator[Tensor]:
        """Yield logits [batch, n_labels]."""
        for pixels in evaluation_batches(self.lesson.store, rows, self.lesson.start.preprocessing):
            with autocast(self.device, self.precision):
                logits = module(pixels.to(self.device)).float()  # [batch * n_views, n_labels]
            yield logits.unflatten(0, (-1, self.lesson.start.preprocessing.n_views)).mean(dim=1)

    def scores(self, fit: Fit, rows: IntArray) -> FloatArray:
        """Return probabilities [n_rows, n_labels]."""
        return self.probabilities(fit.classifier, rows)


LEARNERS: dict[TuneName, type[HeadLearner] | type[WholeLearner]] = {"head": HeadLearner, "full": WholeLearner}
