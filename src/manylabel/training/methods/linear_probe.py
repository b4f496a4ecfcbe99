"""Learn the head on cached features of the frozen backbone.

In:  a network at its start, photos, targets.
Out: fits: a trained head each, on the backbone that all of them share.

A linear head is solved: its loss has one minimum, which is found in seconds. Any other head, a setting that
only means something to the loop, and photos too many to hold at once take the loop.
"""

import copy
import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from manylabel.models.classifier import Classifier
from manylabel.training.batches import FeatureBatches, as_tensor, shared_tensor
from manylabel.training.defaults import asks_for_loop, fill_for_loop, given
from manylabel.training.features.extract import FrozenPart
from manylabel.training.linear.linear_head import LinearHead, feature_spread, solve_linear_head
from manylabel.training.linear.penalty import Choice, choose_decay
from manylabel.training.linear.solver import MAX_STEPS
from manylabel.training.losses import binary_cross_entropy
from manylabel.training.methods.base import (
    QUICK_FOLDS,
    SLOW_FOLDS,
    SMALL_PRODUCT,
    Fit,
    FitRows,
    Learner,
    Lesson,
    threads,
)
from manylabel.types import Epoch, FloatArray, IntArray

_SMALL_HEAD = 1_000_000
_MOST_VALUES = 2**26  # 256 MiB: 4096 photos in 8 views of 2048 features


class HeadLearner(Learner):
    """Learn the head on cached features of the frozen backbone.

    Args:
        lesson: What to learn.
        train_rows: Photos that any fit may learn from; their features are computed in all views.
        other_rows: All other photos that will be scored; their features are computed once.
        features: Of the photos to learn from, where they are known and no others will be scored
            [n_train, n_views, n_features].
        decay: Weight decay of a solved head where the settings give none; not given: chosen on the training
            photos of each fit.
    """

    def __init__(
        self,
        lesson: Lesson,
        *,
        train_rows: IntArray,
        other_rows: IntArray,
        features: Tensor | None = None,
        decay: float | None = None,
    ) -> None:
        """Compute the features of all photos, unless they are known."""
        super().__init__(lesson)
        self._decay = decay if lesson.training.weight_decay is None else lesson.training.weight_decay
        # Heads of the study have up to 25 million parameters: a few more fits of those do matter.
        self._is_small = sum(parameter.numel() for parameter in lesson.start.head.parameters()) < _SMALL_HEAD
        self.inner_folds = QUICK_FOLDS if self._is_small else SLOW_FOLDS
        # Features are a few numbers per photo: in bf16 the loop would lose digits and gain no time.
        self.precision = torch.float32
        if features is None:
            # [n_train, n_views + ..., n_features], [n_photos, n_views, n_features]
            self._views, self._plain = self._compute(train_rows, other_rows)
        else:
            self._views, self._plain = features, features[:, :1]
        self._places = np.full(len(lesson.store), -1)
        self._places[np.concatenate([train_rows, other_rows])] = np.arange(len(self._plain))
        is_linear = len(lesson.start.head) == 2
        self._is_solved = (
            is_linear and not asks_for_loop(lesson.training) and self._views.numel() <= _MOST_VALUES
        )
        if not self._is_solved:
            self.lesson = replace(lesson, training=fill_for_loop(lesson.training))

    def _compute(self, train_rows: IntArray, other_rows: IntArray) -> tuple[Tensor, Tensor]:
        """Return all views of the photos to learn from, and of all photos those that scores come from."""
        start, training = self.lesson.start, self.lesson.training
        start.to(self.device).to(memory_format=torch.channels_last)
        n_views, n_augmented = start.preprocessing.n_views, given(training.n_views) - 1
        part = FrozenPart(start.eval(), self.engine_plan())
        train = self.frozen_features(part, train_rows, "features", n_plain=n_views, n_augmented=n_augmented)
        others = self.frozen_features(
            part, other_rows, "features of other photos", n_plain=n_views, n_augmented=0
        )
        self.prepared_seconds = train.seconds
        views, others_plain = (shared_tensor(found.values).to(self.device) for found in (train, others))
        return views, torch.cat([views[:, :n_views], others_plain])

    def fit(self, rows: FitRows) -> Fit:
        """Train a fresh head."""
        start, views = self.lesson.start, self._views[self._places[rows.train]]
        classifier = Classifier(backbone=start.backbone, head=copy.deepcopy(start.head), labels=start.labels)
        classifier.to(self.device)
        classifier.standardise_features(views.flatten(end_dim=1))
        return self._solve(classifier, views, rows) if self._is_solved else self._loop(classifier, rows)

    def _loop(self, classifier: Classifier, rows: FitRows) -> Fit:
        """Let the loop train a head."""
        classifier.start_at_prior(self.lesson.targets[rows.train], pos_weight=self.pos_weight(rows))
        batches = FeatureBatches(
            features=self._views,
            views=np.arange(self._views.shape[1]),
            rows=self._places[rows.train],
            targets=as_tensor(self.lesson.targets[rows.train]),
            batch_size=given(self.lesson.training.batch_size),
            rng=np.random.default_rng(self.seeds(rows)),
        )
        with threads(1 if self._is_small else torch.get_num_threads()):
            return self.train(classifier, classifier.head, batches, rows)

    def _solve(self, classifier: Classifier, views: Tensor, rows: FitRows) -> Fit:
        """Solve a linear head on views [n_photos, n_views, n_features]."""
        started = time.perf_counter()
        targets, pos_weight = self.lesson.targets[rows.train], self.pos_weight(rows)
        with threads(1 if views.numel() <= SMALL_PRODUCT else torch.get_num_threads()), torch.no_grad():
            standardised = classifier.head[0](views)
            spread = feature_spread(standardised)
            scaled = standardised / spread
            if self._decay is not None:
                choice = Choice(decay=self._decay)
            else:
                rng = np.random.default_rng([*self.seeds(rows), 3])
                scored = scaled[:, : self._plain.shape[1]].mean(dim=1)
                groups = None if self.lesson.groups is None else self.lesson.groups[rows.train]
                choice = choose_decay(
                    scaled.mean(dim=1), scored, targets, weigh=self.weigh, rng=rng, groups=groups
                )
            course = _Course(self, classifier, rows, pos_weight=pos_weight)
            solve_linear_head(
                scaled,
                targets,
                spread=spread,
                pos_weight=pos_weight,
                decay=choice.decay,
                on_step=course.hear,
            )
        self.lesson.on_step(rows.stage, MAX_STEPS, MAX_STEPS)
        classifier.undo_loss_weight(pos_weight)
        classifier.scale_output(choice.scale)
        return Fit(
            classifier=classifier,
            module=classifier.head,
            pos_weight=pos_weight,
            weight_decay=choice.decay,
            logit_scale=choice.scale,
            history=tuple(course.history),
            seconds=time.perf_counter() - started - course.watching_seconds,
        )

    def backbone_features(self, rows: IntArray) -> FloatArray:
        """Return the features of the photos as they are [n_rows, n_features]."""
        return self._plain[self._places[rows], 0].cpu().double().numpy()

    def outputs(self, module: nn.Module, rows: IntArray, *, n_views: int) -> Iterator[Tensor]:
        """Yield logits [batch, n_labels], averaged over views."""
        views = self._plain[self._places[rows], :n_views]  # [n_rows, n_views, n_features]
        yield module(views.flatten(end_dim=1)).unflatten(0, views.shape[:2]).mean(dim=1)


class _Course:
    """Write down the losses of a solver, step by step; each is a pass over all photos."""

    def __init__(
        self, learner: HeadLearner, classifier: Classifier, rows: FitRows, *, pos_weight: FloatArray
    ) -> None:
        self.learner, self.classifier, self.rows = learner, classifier, rows
        self.watched = rows.thin_watched()
        self.loss = binary_cross_entropy(torch.tensor(pos_weight, dtype=torch.float32, device=learner.device))
        self.history: list[Epoch] = []
        self.watching_seconds = 0.0

    def hear(self, head: LinearHead) -> None:
        """Put the head into the classifier, and measure it."""
        started = time.perf_counter()
        self.classifier.set_output(weights=head.weights, bias=head.bias)
        held_out = None
        if len(self.watched):
            held_out = self.learner.mean_loss(self.classifier.head, self.watched, loss=self.loss)
        epoch = Epoch(
            fold=self.rows.fold,
            epoch=len(self.history) + 1,
            train_loss=head.loss,
            held_out_loss=held_out,
            learning_rate=None,
        )
        self.history.append(epoch)
        # The last step is told at the end: nobody knows before how many there are.
        self.learner.lesson.on_step(self.rows.stage, min(len(self.history), MAX_STEPS - 1), MAX_STEPS)
        self.watching_seconds += time.perf_counter() - started
