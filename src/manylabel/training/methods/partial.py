"""Learn the head and the last stages of the backbone on cached activations.

In:  a network at its start, photos, targets.
Out: fits: a trained network each; what lies below the cut is shared by all of them and by the start.
"""

import copy
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, nn

from manylabel.models.classifier import Classifier
from manylabel.models.modes import infer
from manylabel.models.split_layer import split_backbone
from manylabel.models.trace import UpperPart
from manylabel.training.batches import FeatureBatches, as_tensor, shared_tensor
from manylabel.training.defaults import given
from manylabel.training.features.extract import FrozenPart
from manylabel.training.methods.base import NO_ROWS, SLOW_FOLDS, Fit, FitRows, Learner, Lesson
from manylabel.training.methods.head_first import (
    HEAD_FIRST_VIEWS,
    head_first_lesson,
    start_with_trained_head,
)
from manylabel.training.methods.linear_probe import HeadLearner
from manylabel.types import FloatArray, IntArray

_SCORING_BATCH_SIZE = 64
_HEAD_FIRST_DECAY = 3.0


class Top(nn.Module):
    """Turn activations at a cut into logits.

    Attributes:
        backbone: What lies above the cut; the loop gives parameters of this name the rate of the body.
        head: Turns features into logits.
    """

    def __init__(self, backbone: UpperPart, head: nn.Sequential) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head

    def forward(self, activations: Tensor) -> Tensor:
        """Return logits [n, n_labels] of activations [n, ...] at the cut, 16-bit or 32-bit."""
        activations = activations.float()
        if activations.ndim == 4:
            activations = activations.contiguous(memory_format=torch.channels_last)
        logits: Tensor = self.head(self.backbone(activations))
        return logits


class TopLearner(Learner):
    """Learn what lies above a cut of the backbone.

    Args:
        lesson: What to learn.
        train_rows: Photos that any fit may learn from; their activations are computed in all views.
        other_rows: All other photos that will be scored.
    """

    inner_folds = SLOW_FOLDS

    def __init__(self, lesson: Lesson, *, train_rows: IntArray, other_rows: IntArray) -> None:
        """Compute the activations of all photos."""
        super().__init__(lesson)
        start = lesson.start.to(self.device).to(memory_format=torch.channels_last).eval()
        self._split = split_backbone(start.backbone, lesson.training.cut)
        part = FrozenPart(start, self.engine_plan(), split=self._split)
        n_views, n_augmented = lesson.start.preprocessing.n_views, given(lesson.training.n_views) - 1
        # More than one view of a photo that never leaves training would be computed for nothing.
        n_plain = n_views if lesson.is_cross_validated else 1
        train = self.frozen_features(
            part, train_rows, "activations", n_plain=n_plain, n_augmented=n_augmented
        )
        others = self.frozen_features(
            part, other_rows, "activations of other photos", n_plain=n_views, n_augmented=0
        )
        self.prepared_seconds = train.seconds
        # [n_rows, n_views, ...] each; of a training photo n_plain views are there to be scored
        self._n_plain = n_plain
        self._values = (shared_tensor(train.values), shared_tensor(others.values))
        self._places = np.full(len(lesson.store), -1)
        self._places[train_rows] = np.arange(len(train_rows))
        self._places[other_rows] = len(train_rows) + np.arange(len(other_rows))
        # No fit learns from views that are there for scores: how many there are depends on the split.
        self._learned_views = np.r_[0, n_plain : train.values.shape[1]]
        self._head_learner: HeadLearner | None = None
        if given(lesson.training.head_first):
            started = time.perf_counter()
            self._head_learner = HeadLearner(
                head_first_lesson(lesson),
                train_rows=train_rows,
                other_rows=NO_ROWS,
                features=self._features(train_rows, views=self._learned_views[:HEAD_FIRST_VIEWS]),
                decay=_HEAD_FIRST_DECAY,
            )
            self.prepared_seconds += time.perf_counter() - started

    def fit(self, rows: FitRows) -> Fit:
        """Train a copy of what lies above the cut."""
        lesson = self.lesson
        started = time.perf_counter()
        classifier, top = self._copy()
        if self._head_learner is not None:
            start_with_trained_head(classifier, self._head_learner, rows)
        else:
            classifier.standardise_features(
                self._features(rows.train, views=self._learned_views[:1]).flatten(end_dim=1)
            )
            classifier.start_at_prior(lesson.targets[rows.train], pos_weight=self.pos_weight(rows))
        head_seconds = time.perf_counter() - started
        batches = FeatureBatches(
            features=self._values[0],
            views=self._learned_views,
            rows=self._places[rows.train],
            targets=as_tensor(lesson.targets[rows.train]),
            batch_size=given(lesson.training.batch_size),
            rng=np.random.default_rng(self.seeds(rows)),
        )
        fit = self.train(classifier, top, batches, rows)
        return replace(fit, seconds=fit.seconds + head_seconds)

    def _copy(self) -> tuple[Classifier, Top]:
        """Return a copy of the network, and of its part above the cut; what lies below is not copied."""
        start = self.lesson.start
        below = [*self._split.below.parameters(), *self._split.below.buffers()]
        # In one call, so that both copies are made of the same modules.
        backbone, above = copy.deepcopy(
            (start.backbone, self._split.above), {id(tensor): tensor for tensor in below}
        )
        classifier = Classifier(backbone=backbone, head=copy.deepcopy(start.head), labels=start.labels)
        return classifier.to(self.device), Top(above, classifier.head)

    @torch.no_grad()
    def _features(self, train_rows: IntArray, *, views: IntArray) -> Tensor:
        """Return features of training photos before anything learned [n_rows, n_views, n_features]."""
        self._split.above.eval()
        # A head without layers gives what the backbone gives.
        start = Top(self._split.above, nn.Sequential())
        features = []
        for places in np.array_split(self._places[train_rows], -(-len(train_rows) // _SCORING_BATCH_SIZE)):
            features.append(self._run(start, self._values[0][places[:, None], views]))
        return torch.cat(features)

    def outputs(self, module: nn.Module, rows: IntArray, *, n_views: int) -> Iterator[Tensor]:
        """Yield logits [batch, n_labels], averaged over views."""
        for start in range(0, len(rows), _SCORING_BATCH_SIZE):
            values = self._plain(rows[start : start + _SCORING_BATCH_SIZE], n_views)
            yield self._run(module, values).mean(dim=1)

    def backbone_features(self, rows: IntArray) -> FloatArray:
        """Return the features of the photos before anything learned [n_rows, n_features]."""
        found: FloatArray = self._backbone_features[self._places[rows]]
        return found

    @cached_property
    @torch.no_grad()
    def _backbone_features(self) -> FloatArray:
        """Compute the features of all photos, in the order of their places; they are asked for twice."""
        self._split.above.eval()
        start = Top(self._split.above, nn.Sequential())
        rows = np.argsort(self._places)[(self._places < 0).sum() :]
        features = [outputs.cpu().double().numpy() for outputs in self.outputs(start, rows, n_views=1)]
        return np.concatenate(features)

    def _run(self, module: nn.Module, activations: Tensor) -> Tensor:
        """Return what a module makes of activations [n_rows, n_views, ...]: [n_rows, n_views, n_outputs]."""
        rows = activations.flatten(end_dim=1)
        outputs = infer(module, rows, device=self.device, precision=self.precision).float()
        return outputs.reshape(*activations.shape[:2], -1)

    def _plain(self, rows: IntArray, n_views: int) -> Tensor:
        """Return the activations of views that scores may be averaged over [n_rows, n_views, ...]."""
        train, others = self._values
        is_scored = n_views <= self._n_plain or (self._places[rows] >= len(train)).all()
        assert is_scored, "these photos learn in every fit"
        return torch.stack(
            [
                train[place, :n_views] if place < len(train) else others[place - len(train), :n_views]
                for place in self._places[rows]
            ]
        )
