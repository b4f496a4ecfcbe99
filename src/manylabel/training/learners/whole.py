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

from manylabel.config import TrainingConfig
from manylabel.models.classifier import Classifier
from manylabel.models.modes import autocast
from manylabel.training.batches import PhotoBatches, as_tensor, evaluation_batches
from manylabel.training.defaults import fill_defaults, fill_for_start, given
from manylabel.training.learners.base import NO_ROWS, Fit, FitRows, Learner, Lesson
from manylabel.training.learners.head import HeadLearner
from manylabel.types import IntArray

_HEAD_FIRST_VIEWS = 2


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
                engine=training.engine,
            )
            filled = fill_for_start(fill_defaults(head_settings), is_pretrained=True)
            head_lesson = replace(lesson, training=filled)
            self._head_learner = HeadLearner(head_lesson, train_rows=train_rows, other_rows=NO_ROWS)
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
        fit = head_learner.fit(replace(rows, watched=NO_ROWS, val=NO_ROWS))
        classifier.head.load_state_dict(fit.classifier.head.state_dict())
        # The whole network goes on under the same loss, so its weights, just undone, are put back.
        classifier.undo_loss_weight(1 / self.pos_weight(rows))

    def outputs(self, module: nn.Module, rows: IntArray, *, n_views: int) -> Iterator[Tensor]:
        """Yield logits [batch, n_labels], averaged over views."""
        preprocessing = replace(self.lesson.start.preprocessing, n_views=n_views)
        for pixels in evaluation_batches(self.lesson.store, rows, preprocessing):
            with autocast(self.device, self.precision):
                logits = module(pixels.to(self.device)).float()  # [batch * n_views, n_labels]
            yield logits.unflatten(0, (-1, n_views)).mean(dim=1)
