"""Train all weights on freshly drawn views of the photos (full fine-tuning).

In:  an initial model, photos, targets.
Out: fits: a trained model each.
"""

import copy
import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from manylabel.errors import ConfigError
from manylabel.models.classifier import Classifier
from manylabel.models.device import infer
from manylabel.processes import count_processes
from manylabel.training.batches import PhotoBatches, as_tensor, evaluation_batches
from manylabel.training.distributed import copy_from_first, gather_rows, own_part
from manylabel.training.methods.base import (
    Fit,
    FitRows,
    TrainingDefaults,
    TrainingMethod,
    TrainingTask,
    given,
)
from manylabel.training.methods.linear_probe import LinearProbe, head_first_task, train_head_first
from manylabel.types import FloatArray, IntArray


class FullFineTuning(TrainingMethod):
    """Full fine-tuning: trains all weights on freshly drawn views of the photos.

    Args:
        task: What to train on.
        train_rows: Photos that any fit may be trained on; a head that is trained first needs their features.
        other_rows: All other photos; their features are computed for comparison where a head is trained
            first.
    """

    name = "full"
    title = "full fine-tuning"
    help = "Trains all weights on freshly drawn views of the photos."
    defaults = TrainingDefaults(
        epochs=10,
        batch_size=32,
        learning_rate=3e-4,
        body_learning_rate=2e-4,
        weight_decay=0.05,
        ema_decay=0.98,
        n_views=1,
        loss="weighted_bce",
    )

    def __init__(self, task: TrainingTask, *, train_rows: IntArray, other_rows: IntArray) -> None:
        """Compute the features of a head that is trained first."""
        super().__init__(task, train_rows=train_rows, other_rows=other_rows)
        self._linear_probe: LinearProbe | None = None
        if given(task.training.head_first):
            self._linear_probe = LinearProbe(
                head_first_task(task), train_rows=train_rows, other_rows=other_rows
            )
            self.prepared_seconds = self._linear_probe.prepared_seconds

    @classmethod
    def inner_folds(cls, initial: Classifier) -> None:
        """Return no folds: each would train the whole model once more."""
        return

    def fit(self, rows: FitRows) -> Fit:
        """Train a copy of the whole model."""
        task = self.task
        classifier, _ = self.untrained()
        batches = PhotoBatches(
            store=task.store,
            rows=rows.train,
            targets=as_tensor(task.targets[rows.train]),
            preprocessing=classifier.preprocessing,
            augmentation=task.augmentation,
            batch_size=given(task.training.batch_size),
            rng=np.random.default_rng(self.seeds(rows)),
        )
        smallest = len(rows.train) // batches.n_batches
        least = 1 if given(task.training.freeze_batch_norm) else 2  # batch norm needs two values
        if count_processes() > 1 and smallest < least * count_processes():
            raise ConfigError(
                f"training.batch_size: batches of {smallest} photos cannot be divided among "
                f"{count_processes()} processes; use larger batches or fewer processes"
            )
        started = time.perf_counter()
        if self._linear_probe is not None:
            train_head_first(classifier, self._linear_probe, rows)
        else:
            classifier.set_prior_bias(task.targets[rows.train], pos_weight=self.pos_weight(rows))
        copy_from_first(classifier)
        head_seconds = time.perf_counter() - started
        fit = self.train(classifier, classifier, batches, rows)
        return replace(fit, seconds=fit.seconds + head_seconds)

    def untrained(self) -> tuple[Classifier, nn.Module]:
        """Return an untrained copy of the model, twice: ``fit`` trains all of it."""
        classifier = copy.deepcopy(self.task.initial).to(self.device).to(memory_format=torch.channels_last)
        return classifier, classifier

    def backbone_features(self, rows: IntArray) -> FloatArray | None:
        """Return features of photos before training [n_rows, n_features], if they are known."""
        return None if self._linear_probe is None else self._linear_probe.backbone_features(rows)

    def outputs(self, module: nn.Module, rows: IntArray, *, n_views: int) -> Iterator[Tensor]:
        """Yield logits [batch, n_labels], averaged over views."""
        if count_processes() == 1:
            yield from self._own_outputs(module, rows, n_views=n_views)
            return
        none = torch.empty((0, self.task.targets.shape[1]), device=self.device)
        own = torch.cat([none, *self._own_outputs(module, own_part(rows), n_views=n_views)])
        yield gather_rows(own, n_rows=len(rows))

    def _own_outputs(self, module: nn.Module, rows: IntArray, *, n_views: int) -> Iterator[Tensor]:
        preprocessing = replace(self.task.initial.preprocessing, n_views=n_views)
        for pixels in evaluation_batches(self.task.store, rows, preprocessing):
            outputs = infer(module, pixels, device=self.device, precision=self.precision)
            logits = outputs.float()  # [batch * n_views, n_labels]
            yield logits.reshape(-1, n_views, logits.shape[1]).mean(dim=1)
