"""Train the head and the last stages of the backbone on cached activations (partial fine-tuning).

In:  an initial model, photos, targets.
Out: fits: a trained model each; all of them share what lies below the split layer with the initial model.
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
from manylabel.models.device import infer
from manylabel.models.splitting import split_backbone
from manylabel.training.batches import FeatureBatches, as_tensor, shared_tensor
from manylabel.training.features import FrozenPart
from manylabel.training.methods.base import (
    NO_ROWS,
    SLOW_FOLDS,
    Fit,
    FitRows,
    InnerFolds,
    TrainingDefaults,
    TrainingMethod,
    TrainingTask,
    given,
)
from manylabel.training.methods.linear_probe import (
    HEAD_FIRST_VIEWS,
    LinearProbe,
    head_first_task,
    train_head_first,
)
from manylabel.types import FloatArray, IntArray

_SCORING_BATCH_SIZE = 64
_HEAD_FIRST_DECAY = 3.0


class Top(nn.Module):
    """The part of a model above the split layer: activations in, logits out.

    Attributes:
        backbone: The backbone above the split layer; the loop gives parameters of this name the rate of the
            body.
        head: Turns features into logits.
    """

    def __init__(self, backbone: nn.Module, head: nn.Sequential) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head

    def forward(self, activations: Tensor) -> Tensor:
        """Return logits [n, n_labels] of activations [n, ...] at the split layer, 16-bit or 32-bit."""
        activations = activations.float()
        if activations.ndim == 4:
            activations = activations.contiguous(memory_format=torch.channels_last)
        logits: Tensor = self.head(self.backbone(activations))
        return logits


class PartialFineTuning(TrainingMethod):
    """Partial fine-tuning: trains the head and the backbone above the split layer.

    Args:
        task: What to train on.
        train_rows: Photos that any fit may be trained on; their activations are computed in all views.
        other_rows: All other photos that will be scored.
    """

    name = "top"
    title = "partial fine-tuning"
    help = "Trains the head and the last stages of the backbone on cached activations."
    defaults = TrainingDefaults(
        epochs=10,
        batch_size=32,
        learning_rate=3e-4,
        body_learning_rate=1e-3,
        weight_decay=0.05,
        ema_decay=0.98,
        n_views=8,
        loss="bce",
    )

    def __init__(self, task: TrainingTask, *, train_rows: IntArray, other_rows: IntArray) -> None:
        """Compute the activations of all photos."""
        super().__init__(task, train_rows=train_rows, other_rows=other_rows)
        initial = task.initial.to(self.device).to(memory_format=torch.channels_last).eval()
        self._split = split_backbone(initial.backbone, task.training.split_layer)
        part = FrozenPart(initial, self.engine_plan(), split=self._split)
        n_views, n_augmented = initial.preprocessing.n_views, given(task.training.n_views) - 1
        # A photo that is in the training photos of every fit is never scored in more than one view.
        n_plain = n_views if task.is_cross_validated else 1
        train = self.frozen_features(
            part, train_rows, "activations", n_plain=n_plain, n_augmented=n_augmented
        )
        others = self.frozen_features(
            part, other_rows, "activations of other photos", n_plain=n_views, n_augmented=0
        )
        self.prepared_seconds = train.seconds
        # [n_rows, n_views, ...] each; the first n_plain views of a training photo may be scored
        self._n_plain = n_plain
        self._values = (shared_tensor(train.values), shared_tensor(others.values))
        self._row_of_photo = np.full(len(task.store), -1)
        self._row_of_photo[train_rows] = np.arange(len(train_rows))
        self._row_of_photo[other_rows] = len(train_rows) + np.arange(len(other_rows))
        # No fit is trained on the other views to be scored: how many there are depends on the split.
        self._trained_views = np.r_[0, n_plain : train.values.shape[1]]
        self._linear_probe: LinearProbe | None = None
        if given(task.training.head_first):
            started = time.perf_counter()
            self._linear_probe = LinearProbe(
                head_first_task(task),
                train_rows=train_rows,
                other_rows=NO_ROWS,
                features=self._features(train_rows, views=self._trained_views[:HEAD_FIRST_VIEWS]),
                decay=_HEAD_FIRST_DECAY,
            )
            self.prepared_seconds += time.perf_counter() - started

    @classmethod
    def inner_folds(cls, initial: Classifier) -> InnerFolds:
        """Return few folds: a fit is slow."""
        return SLOW_FOLDS

    def fit(self, rows: FitRows) -> Fit:
        """Train a copy of the part above the split layer."""
        task = self.task
        started = time.perf_counter()
        classifier, top = self.untrained()
        if self._linear_probe is not None:
            train_head_first(classifier, self._linear_probe, rows)
        else:
            classifier.standardize_features(
                self._features(rows.train, views=self._trained_views[:1]).flatten(end_dim=1)
            )
            classifier.set_prior_bias(task.targets[rows.train], pos_weight=self.pos_weight(rows))
        head_seconds = time.perf_counter() - started
        batches = FeatureBatches(
            features=self._values[0],
            views=self._trained_views,
            rows=self._row_of_photo[rows.train],
            targets=as_tensor(task.targets[rows.train]),
            batch_size=given(task.training.batch_size),
            rng=np.random.default_rng(self.seeds(rows)),
        )
        fit = self.train(classifier, top, batches, rows)
        return replace(fit, seconds=fit.seconds + head_seconds)

    def untrained(self) -> tuple[Classifier, Top]:
        """Return a copy of the model, and its part above the split layer; the part below is not copied."""
        initial = self.task.initial
        below = [*self._split.below.parameters(), *self._split.below.buffers()]
        # In one call, so that both copies share their modules.
        backbone, above = copy.deepcopy(
            (initial.backbone, self._split.above), {id(tensor): tensor for tensor in below}
        )
        classifier = Classifier(backbone=backbone, head=copy.deepcopy(initial.head), labels=initial.labels)
        return classifier.to(self.device), Top(above, classifier.head)

    @torch.no_grad()
    def _features(self, train_rows: IntArray, *, views: IntArray) -> Tensor:
        """Return features of training photos before training [n_rows, n_views, n_features]."""
        self._split.above.eval()
        # A head without layers returns the features.
        top = Top(self._split.above, nn.Sequential())
        n_batches = -(-len(train_rows) // _SCORING_BATCH_SIZE)
        return torch.cat(
            [
                self._run(top, self._values[0][cached[:, None], views])
                for cached in np.array_split(self._row_of_photo[train_rows], n_batches)
            ]
        )

    def outputs(self, module: nn.Module, rows: IntArray, *, n_views: int) -> Iterator[Tensor]:
        """Yield logits [batch, n_labels], averaged over views."""
        for start in range(0, len(rows), _SCORING_BATCH_SIZE):
            values = self._plain(rows[start : start + _SCORING_BATCH_SIZE], n_views)
            yield self._run(module, values).mean(dim=1)

    def backbone_features(self, rows: IntArray) -> FloatArray:
        """Return the features of the photos before training [n_rows, n_features]."""
        found: FloatArray = self._backbone_features[self._row_of_photo[rows]]
        return found

    @cached_property
    @torch.no_grad()
    def _backbone_features(self) -> FloatArray:
        """Compute the features of all photos, in cached order; they are needed twice."""
        self._split.above.eval()
        top = Top(self._split.above, nn.Sequential())
        rows = np.argsort(self._row_of_photo)[(self._row_of_photo < 0).sum() :]
        features = [outputs.cpu().double().numpy() for outputs in self.outputs(top, rows, n_views=1)]
        return np.concatenate(features)

    def _run(self, module: nn.Module, activations: Tensor) -> Tensor:
        """Return outputs [n_rows, n_views, n_outputs] for activations [n_rows, n_views, ...]."""
        rows = activations.flatten(end_dim=1)
        outputs = infer(module, rows, device=self.device, precision=self.precision).float()
        return outputs.reshape(*activations.shape[:2], -1)

    def _plain(self, rows: IntArray, n_views: int) -> Tensor:
        """Return the activations of views that scores may be averaged over [n_rows, n_views, ...]."""
        train, others = self._values
        is_scored = n_views <= self._n_plain or (self._row_of_photo[rows] >= len(train)).all()
        assert is_scored, "these photos are trained on in every fit"
        return torch.stack(
            [
                train[cached, :n_views] if cached < len(train) else others[cached - len(train), :n_views]
                for cached in self._row_of_photo[rows]
            ]
        )
