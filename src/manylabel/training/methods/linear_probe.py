"""Train the head on cached features of the frozen backbone (linear probing).

In:  an initial model, photos, targets.
Out: fits: a trained head each, on the backbone that all of them share.

A linear head is solved: its loss has one minimum, which is found in seconds. The loop trains any other head,
and takes over where a setting of the loop or another loss than cross-entropy is asked for, and where the
features do not fit into memory.
"""

import copy
import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from manylabel.config import HeadName, TrainingConfig
from manylabel.models.classifier import Classifier
from manylabel.training.batches import FeatureBatches, as_tensor, shared_tensor
from manylabel.training.features import FrozenPart
from manylabel.training.linear_solver import (
    MAX_STEPS,
    LinearHead,
    feature_spread,
    is_small_product,
    one_thread,
    solve_linear_head,
)
from manylabel.training.losses import LOSSES
from manylabel.training.methods.base import (
    NO_ROWS,
    QUICK_FOLDS,
    SLOW_FOLDS,
    Fit,
    FitRows,
    InnerFolds,
    TrainingDefaults,
    TrainingMethod,
    TrainingTask,
    fill_for_initial,
    given,
)
from manylabel.training.weight_decay import Choice, choose_decay
from manylabel.trials import Epoch
from manylabel.types import FloatArray, IntArray

HEAD_FIRST_VIEWS = 2

_LOOP_ONLY = ("epochs", "batch_size", "learning_rate", "ema_decay", "patience", "schedule", "warmup_fraction")
_NOT_GIVEN = TrainingConfig()
_SMALL_HEAD = 1_000_000
_MOST_VALUES = 2**26  # 256 MiB: 4096 photos in 8 views of 2048 features

_SOLVED_DEFAULTS = TrainingDefaults(n_views=8, loss="bce")
"""For solved heads. Weighted positives made their probabilities worse and their ranking no better; the weight
decay is chosen."""


def needs_loop(training: TrainingConfig) -> bool:
    """Tell whether a setting was given that only the loop can follow.

    Examples:
        >>> needs_loop(TrainingConfig(weight_decay=0.1)), needs_loop(TrainingConfig(epochs=60))
        (False, True)
        >>> needs_loop(TrainingConfig(loss="focal"))
        True
    """
    has_other_loss = training.loss is not None and not LOSSES[training.loss].is_solvable
    return has_other_loss or any(getattr(training, name) != getattr(_NOT_GIVEN, name) for name in _LOOP_ONLY)


class LinearProbe(TrainingMethod):
    """Linear probing: trains the head on cached features of the frozen backbone.

    Args:
        task: What to train on.
        train_rows: Photos that any fit may be trained on; their features are computed in all views.
        other_rows: All other photos that will be scored; their features are computed once.
        features: Of the training photos, where they are known and no others will be scored
            [n_train, n_views, n_features].
        decay: Weight decay of a solved head where the settings give none; not given: chosen on the training
            photos of each fit.
    """

    name = "head"
    title = "linear probing"
    help = "Trains the head on cached features of the frozen backbone."
    defaults = TrainingDefaults(
        epochs=60,
        batch_size=32,
        learning_rate=3e-4,
        body_learning_rate=0.0,
        weight_decay=0.01,
        ema_decay=0.0,
        n_views=8,
        loss="weighted_bce",
    )

    def __init__(
        self,
        task: TrainingTask,
        *,
        train_rows: IntArray,
        other_rows: IntArray,
        features: Tensor | None = None,
        decay: float | None = None,
    ) -> None:
        """Compute the features of all photos, unless they are known."""
        super().__init__(task, train_rows=train_rows, other_rows=other_rows)
        self._decay = decay if task.training.weight_decay is None else task.training.weight_decay
        self._is_small = _is_small(task.initial)
        # Features are a few numbers per photo: bf16 would lose digits and gain no time.
        self.precision = torch.float32
        if features is None:
            # [n_train, n_views + ..., n_features], [n_photos, n_views, n_features]
            self._views, self._plain = self._compute(train_rows, other_rows)
        else:
            self._views, self._plain = features, features[:, :1]
        self._row_of_photo = np.full(len(task.store), -1)
        self._row_of_photo[np.concatenate([train_rows, other_rows])] = np.arange(len(self._plain))
        is_linear = len(task.initial.head) == 2
        self._is_solved = is_linear and not needs_loop(task.training) and self._views.numel() <= _MOST_VALUES
        if not self._is_solved:
            self.task = replace(task, training=self.defaults.fill(task.training))

    @classmethod
    def fill_defaults(cls, training: TrainingConfig, *, head: HeadName) -> TrainingConfig:
        """Fill in the settings that were not given; a solved head has no settings of the loop."""
        is_solved = head == "linear" and not needs_loop(training)
        return (_SOLVED_DEFAULTS if is_solved else cls.defaults).fill(training)

    @classmethod
    def inner_folds(cls, initial: Classifier) -> InnerFolds:
        """Return fewer folds for large heads, whose fits are slow."""
        return QUICK_FOLDS if _is_small(initial) else SLOW_FOLDS

    def _compute(self, train_rows: IntArray, other_rows: IntArray) -> tuple[Tensor, Tensor]:
        """Return all views of the training photos, and the evaluation views of all photos."""
        initial = self.task.initial
        initial.to(self.device).to(memory_format=torch.channels_last)
        n_views, n_augmented = initial.preprocessing.n_views, given(self.task.training.n_views) - 1
        part = FrozenPart(initial.eval(), self.engine_plan())
        train = self.frozen_features(part, train_rows, "features", n_plain=n_views, n_augmented=n_augmented)
        others = self.frozen_features(
            part, other_rows, "features of other photos", n_plain=n_views, n_augmented=0
        )
        self.prepared_seconds = train.seconds
        views, others_plain = (shared_tensor(found.values).to(self.device) for found in (train, others))
        return views, torch.cat([views[:, :n_views], others_plain])

    def fit(self, rows: FitRows) -> Fit:
        """Train a fresh head."""
        views = self._views[self._row_of_photo[rows.train]]
        classifier, _ = self.untrained()
        classifier.standardize_features(views.flatten(end_dim=1))
        return self._solve(classifier, views, rows) if self._is_solved else self._loop(classifier, rows)

    def untrained(self) -> tuple[Classifier, nn.Module]:
        """Return a model with a fresh head, and that head."""
        initial = self.task.initial
        classifier = Classifier(
            backbone=initial.backbone, head=copy.deepcopy(initial.head), labels=initial.labels
        ).to(self.device)
        return classifier, classifier.head

    def _loop(self, classifier: Classifier, rows: FitRows) -> Fit:
        """Train a head in the loop."""
        classifier.set_prior_bias(self.task.targets[rows.train], pos_weight=self.pos_weight(rows))
        batches = FeatureBatches(
            features=self._views,
            views=np.arange(self._views.shape[1]),
            rows=self._row_of_photo[rows.train],
            targets=as_tensor(self.task.targets[rows.train]),
            batch_size=given(self.task.training.batch_size),
            rng=np.random.default_rng(self.seeds(rows)),
        )
        with one_thread(when=self._is_small):
            return self.train(classifier, classifier.head, batches, rows)

    def _solve(self, classifier: Classifier, views: Tensor, rows: FitRows) -> Fit:
        """Solve a linear head on views [n_photos, n_views, n_features]."""
        started = time.perf_counter()
        targets, pos_weight = self.task.targets[rows.train], self.pos_weight(rows)
        with one_thread(when=is_small_product(views)), torch.no_grad():
            standardised = classifier.head[0](views)
            spread = feature_spread(standardised)
            scaled = standardised / spread
            if self._decay is not None:
                choice = Choice(decay=self._decay)
            else:
                rng = np.random.default_rng([*self.seeds(rows), 3])
                scored = scaled[:, : self._plain.shape[1]].mean(dim=1)
                groups = None if self.task.groups is None else self.task.groups[rows.train]
                choice = choose_decay(
                    scaled.mean(dim=1), scored, targets, weigh=self.weigh, rng=rng, groups=groups
                )
            recorder = _Recorder(self, classifier, rows, pos_weight=pos_weight)
            solve_linear_head(
                scaled,
                targets,
                spread=spread,
                pos_weight=pos_weight,
                decay=choice.decay,
                on_step=recorder.record,
            )
        self.task.on_step(rows.stage, MAX_STEPS, MAX_STEPS)
        classifier.undo_loss_weight(pos_weight)
        classifier.scale_output(choice.scale)
        return Fit(
            classifier=classifier,
            module=classifier.head,
            pos_weight=pos_weight,
            weight_decay=choice.decay,
            logit_scale=choice.scale,
            history=tuple(recorder.history),
            seconds=time.perf_counter() - started - recorder.watching_seconds,
        )

    def backbone_features(self, rows: IntArray) -> FloatArray:
        """Return the features of the photos without augmentation [n_rows, n_features]."""
        return self._plain[self._row_of_photo[rows], 0].cpu().double().numpy()

    def outputs(self, module: nn.Module, rows: IntArray, *, n_views: int) -> Iterator[Tensor]:
        """Yield logits [batch, n_labels], averaged over views."""
        views = self._plain[self._row_of_photo[rows], :n_views]  # [n_rows, n_views, n_features]
        yield module(views.flatten(end_dim=1)).unflatten(0, views.shape[:2]).mean(dim=1)


def _is_small(initial: Classifier) -> bool:
    """Tell whether a head is small: the largest have 25 million parameters."""
    return sum(parameter.numel() for parameter in initial.head.parameters()) < _SMALL_HEAD


class _Recorder:
    """The losses of a solver, step by step; each step is a pass over all photos."""

    def __init__(
        self, method: LinearProbe, classifier: Classifier, rows: FitRows, *, pos_weight: FloatArray
    ) -> None:
        self.method, self.classifier, self.rows = method, classifier, rows
        self.watched = rows.thin_watched()
        self.loss = method.loss(pos_weight)
        self.history: list[Epoch] = []
        self.watching_seconds = 0.0

    def record(self, head: LinearHead) -> None:
        """Put the head into the classifier, and measure its losses."""
        started = time.perf_counter()
        self.classifier.set_output(weights=head.weights, bias=head.bias)
        held_out = None
        if len(self.watched):
            held_out = self.method.mean_loss(self.classifier.head, self.watched, loss=self.loss)
        epoch = Epoch(
            fold=self.rows.fold,
            epoch=len(self.history) + 1,
            train_loss=head.loss,
            held_out_loss=held_out,
            learning_rate=None,
        )
        self.history.append(epoch)
        # How many steps there are is known at the end only.
        self.method.task.on_step(self.rows.stage, min(len(self.history), MAX_STEPS - 1), MAX_STEPS)
        self.watching_seconds += time.perf_counter() - started


def head_first_task(task: TrainingTask) -> TrainingTask:
    """Return the task of training the head before more than the head is trained.

    The gradients of a random head would distort the features of the backbone (Kumar et al. 2022, "Fine-tuning
    can distort pretrained features and underperform out-of-distribution", arXiv:2202.10054).
    """
    training = task.training
    settings = TrainingConfig(
        tune="head",
        n_views=HEAD_FIRST_VIEWS,
        loss=training.loss,
        pos_weight_cap=training.pos_weight_cap,
        precision=training.precision,
        device=training.device,
        engine=training.engine,
    )
    filled = LinearProbe.fill_defaults(settings, head="linear")
    return replace(
        task,
        training=fill_for_initial(filled, is_pretrained=True),
        on_step=lambda stage, done, total: task.on_step(f"head first: {stage}", done, total),
    )


def train_head_first(classifier: Classifier, linear_probe: LinearProbe, rows: FitRows) -> None:
    """Train the head of a model on the photos of a fit.

    Args:
        classifier: Its head is replaced in place, and trained further under the loss of the task.
        linear_probe: Trains heads on the same photos.
        rows: The photos of the fit.
    """
    fit = linear_probe.fit(replace(rows, watched=NO_ROWS, val=NO_ROWS))
    classifier.head.load_state_dict(fit.classifier.head.state_dict())
    # Training continues under the same loss, so its weights, just undone, are put back.
    classifier.undo_loss_weight(1 / fit.pos_weight)
