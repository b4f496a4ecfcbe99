"""Learn all weights on freshly drawn views of the photos.

In:  a network at its start, photos, targets.
Out: fits: a trained network each.
"""

import copy
import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from manylabel.models.modes import infer
from manylabel.training.batches import PhotoBatches, as_tensor, evaluation_batches
from manylabel.training.defaults import given
from manylabel.training.methods.base import Fit, FitRows, Learner, Lesson
from manylabel.training.methods.head_first import head_first_lesson, start_with_trained_head
from manylabel.training.methods.linear_probe import HeadLearner
from manylabel.types import FloatArray, IntArray


class WholeLearner(Learner):
    """Learn all weights on freshly drawn views of the photos.

    Args:
        lesson: What to learn.
        train_rows: Photos that any fit may learn from; a head that learns first needs their features.
        other_rows: All other photos; their features are there for comparison, where the head learns first.
    """

    inner_folds = None

    def __init__(self, lesson: Lesson, *, train_rows: IntArray, other_rows: IntArray) -> None:
        """Prepare what the head learns from first, where it does."""
        super().__init__(lesson)
        self._head_learner: HeadLearner | None = None
        if given(lesson.training.head_first):
            self._head_learner = HeadLearner(
                head_first_lesson(lesson), train_rows=train_rows, other_rows=other_rows
            )
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
            start_with_trained_head(classifier, self._head_learner, rows)
        else:
            classifier.start_at_prior(lesson.targets[rows.train], pos_weight=self.pos_weight(rows))
        head_seconds = time.perf_counter() - started
        fit = self.train(classifier, classifier, batches, rows)
        return replace(fit, seconds=fit.seconds + head_seconds)

    def backbone_features(self, rows: IntArray) -> FloatArray | None:
        """Return the features of photos before anything learned [n_rows, n_features], if they are known."""
        return None if self._head_learner is None else self._head_learner.backbone_features(rows)

    def outputs(self, module: nn.Module, rows: IntArray, *, n_views: int) -> Iterator[Tensor]:
        """Yield logits [batch, n_labels], averaged over views."""
        preprocessing = replace(self.lesson.start.preprocessing, n_views=n_views)
        for pixels in evaluation_batches(self.lesson.store, rows, preprocessing):
            outputs = infer(module, pixels, device=self.device, precision=self.precision)
            logits = outputs.float()  # [batch * n_views, n_labels]
            yield logits.reshape(-1, n_views, logits.shape[1]).mean(dim=1)
