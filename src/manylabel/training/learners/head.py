"""Learn the head on cached features of the frozen backbone.

In:  a network at its start, photos, targets.
Out: fits: a trained head each, on the backbone that all of them share.
"""

import copy
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from manylabel.models.classifier import Classifier
from manylabel.training.batches import FeatureBatches, as_tensor
from manylabel.training.defaults import given
from manylabel.training.features import FrozenPart
from manylabel.training.learners.base import Fit, FitRows, Learner, Lesson, threads
from manylabel.types import IntArray

_SMALL_HEAD = 1_000_000


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
        part = FrozenPart(lesson.start.eval(), self.engine_plan())
        views = self.frozen_features(part, train_rows, "features", n_augmented=n_augmented)
        others = self.frozen_features(part, other_rows, "features of other photos", n_augmented=0)
        self.prepared_seconds = views.seconds
        n_views = lesson.start.preprocessing.n_views
        self._views = torch.tensor(views.values, device=self.device)  # [n_train, n_views + ..., n_features]
        others_plain = torch.tensor(others.values, device=self.device)
        self._plain = torch.cat([self._views[:, :n_views], others_plain])  # [n_photos, n_views, n_features]
        self._places = np.full(len(lesson.store), -1)
        self._places[np.concatenate([train_rows, other_rows])] = np.arange(len(self._plain))

    def fit(self, rows: FitRows) -> Fit:
        """Train a fresh head."""
        start, places = self.lesson.start, self._places[rows.train]
        classifier = Classifier(backbone=start.backbone, head=copy.deepcopy(start.head), labels=start.labels)
        classifier.to(self.device)
        classifier.standardise_features(self._views[places].flatten(end_dim=1))
        classifier.start_at_prior(self.lesson.targets[rows.train], pos_weight=self.pos_weight(rows))
        batches = FeatureBatches(
            features=self._views,
            rows=places,
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
