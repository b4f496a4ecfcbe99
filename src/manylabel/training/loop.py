"""Train a model: the one loop for heads on cached features and for whole models on photos.

In:  a module, batches of inputs and targets, a loss, the settings.
Out: the module with the best or averaged weights, and the loss of every epoch.
"""

import copy
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, assert_never

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm as BatchNorm
from torch.optim.lr_scheduler import LambdaLR

from manylabel.config import ScheduleName
from manylabel.errors import ConfigError
from manylabel.models.device import autocast
from manylabel.training.distributed import copy_from_first, sum_all
from manylabel.training.losses import Loss
from manylabel.trials import Epoch


class Batches(Protocol):
    """The batches of one epoch after another."""

    @property
    def n_batches(self) -> int:
        """Count the batches of an epoch."""

    def epoch(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield inputs [batch, ...] and targets [batch, n_labels], every photo once, in random order."""


HeldOutLoss = Callable[[nn.Module], float]
"""Measures the mean loss of a module on photos that it is not trained on."""


@dataclass(frozen=True, kw_only=True)
class LoopSettings:
    """The settings of the loop, as in ``TrainingConfig``."""

    epochs: int
    learning_rate: float
    body_learning_rate: float
    weight_decay: float
    schedule: ScheduleName
    warmup_fraction: float
    ema_decay: float
    patience: int | None
    freezes_batch_norm: bool
    precision: torch.dtype


@dataclass(frozen=True, kw_only=True)
class Watch:
    """What is measured after every epoch.

    Attributes:
        held_out: Loss of the photos whose curve is plotted; it decides nothing.
        validation: Loss for early stopping.
        on_epoch: Called with the number of epochs done.
        on_time: Called with a kind of work and its seconds: waiting for photos, forward and backward pass.
    """

    held_out: HeldOutLoss | None = None
    validation: HeldOutLoss | None = None
    on_epoch: Callable[[int], None] = lambda n_done: None
    on_time: Callable[[str, float], None] = lambda what, seconds: None


def train_loop(
    module: nn.Module,
    batches: Batches,
    *,
    loss: Loss,
    settings: LoopSettings,
    accelerator: Accelerator,
    watch: Watch,
) -> tuple[Epoch, ...]:
    """Train a module in place.

    Args:
        module: Returns logits; parameters under its attribute ``backbone`` get the rate of the body.
        batches: The training photos.
        loss: What to minimize.
        settings: Rates, schedule, decay.
        accelerator: Where; it moves the module, the inputs and the targets. It keeps what it was given for as
            long as it lives: take a fresh one for every fit.
        watch: What to measure after every epoch.

    Raises:
        ConfigError: The loss became infinite.

    Returns:
        The loss of every epoch. The module holds the averaged weights, with early stopping those of the
        best epoch.
    """
    state = _State(
        module,
        loss=loss,
        settings=settings,
        accelerator=accelerator,
        n_batches=batches.n_batches,
        on_time=watch.on_time,
    )
    best = _Best(module)
    history: list[Epoch] = []
    for number in range(1, settings.epochs + 1):
        losses = [state.step(inputs, targets) for inputs, targets in state.timed(batches.epoch())]
        if not np.isfinite(losses).all():
            raise ConfigError(
                f"the loss became infinite in epoch {number}: the learning rates are too high; try a tenth "
                f"of training.learning_rate={settings.learning_rate:g} and of "
                f"training.body_learning_rate={settings.body_learning_rate:g}"
            )
        history.append(
            Epoch(
                fold=None,
                epoch=number,
                train_loss=float(np.mean(losses)),
                held_out_loss=None if watch.held_out is None else watch.held_out(state.average),
                learning_rate=state.learning_rate,
            )
        )
        watch.on_epoch(number)
        if watch.validation is not None and best.is_over(state.average, watch.validation, settings.patience):
            break
    module.load_state_dict(state.average.state_dict() if watch.validation is None else best.weights)
    copy_from_first(module)  # batch norm statistics are those of the photos of each process
    module.eval()
    return tuple(history)


class _State:
    """The state that changes from step to step: weights, their moving average, optimizer, learning rate."""

    def __init__(
        self,
        module: nn.Module,
        *,
        loss: Loss,
        settings: LoopSettings,
        accelerator: Accelerator,
        n_batches: int,
        on_time: Callable[[str, float], None],
    ) -> None:
        groups = parameter_groups(module, settings)
        optimizer = torch.optim.AdamW(groups, fused=accelerator.device.type in ("cpu", "cuda"))
        factor = learning_rate_factor(settings, n_steps=settings.epochs * n_batches)
        self.module = module
        self.forward, self.optimizer = accelerator.prepare(module, optimizer)
        self.schedule = LambdaLR(optimizer, factor)
        # Without averaging, the average is the module itself: nothing is copied.
        self.average = copy.deepcopy(module) if settings.ema_decay > 0 else module
        self.loss, self.settings, self.accelerator = loss, settings, accelerator
        self.on_time = on_time
        self.n_steps = 0

    @property
    def learning_rate(self) -> float:
        """Return the rate of the head after the last step."""
        return float(self.schedule.get_last_lr()[0])

    def timed(self, batches: Iterator[tuple[Tensor, Tensor]]) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield batches, and report how long they were waited for."""
        started = time.perf_counter()
        for batch in batches:
            self.on_time("waiting for photos", time.perf_counter() - started)
            yield batch
            started = time.perf_counter()

    def step(self, inputs: Tensor, targets: Tensor) -> float:
        """Train on one batch; return its loss."""
        device = self.accelerator.device
        self.module.train()
        if self.settings.freezes_batch_norm:
            for layer in self.module.modules():
                if isinstance(layer, BatchNorm):
                    layer.eval()
        started = time.perf_counter()
        with autocast(device, self.settings.precision):
            logits = self.forward(inputs.to(device))
        targets = targets.to(device)
        loss, share = self._of_all(self.loss(logits, targets), targets)
        half_way = time.perf_counter()
        self.on_time("forward pass", half_way - started)
        self.accelerator.backward(share)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.schedule.step()
        self.n_steps += 1
        self._move_average()
        value = float(loss)
        # An accelerator computes while Python continues; this line waits for it.
        self.on_time("backward pass", time.perf_counter() - half_way)
        return value

    def _of_all(self, own: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Return the mean loss of the known cells of all processes, and the part of it to differentiate here.

        Gradients are averaged over the processes, so the mean of the parts is the mean loss.

        Args:
            own: Mean loss of the known cells of this process.
            targets: Targets of this process [batch, n_labels].
        """
        n_processes = self.accelerator.num_processes
        if n_processes == 1:
            return own.detach(), own
        n_known = (~targets.isnan()).sum().to(own.dtype)
        total, n_all = sum_all(torch.stack([own.detach() * n_known, n_known])).unbind()
        return total / n_all.clamp(min=1), own * (n_known * n_processes / n_all.clamp(min=1))

    @torch.no_grad()
    def _move_average(self) -> None:
        if self.average is self.module:
            return
        # Early steps weigh more, as in TensorFlow's ExponentialMovingAverage: initial weights fade quickly.
        decay = min(self.settings.ema_decay, (1 + self.n_steps) / (10 + self.n_steps))
        averages, currents = self.average.state_dict(), self.module.state_dict()
        floats = [name for name, value in averages.items() if value.is_floating_point()]
        torch._foreach_lerp_([averages[n] for n in floats], [currents[n] for n in floats], 1 - decay)
        for name in averages.keys() - set(floats):
            averages[name].copy_(currents[name])


class _Best:
    """The weights with the lowest validation loss, and the epochs since."""

    def __init__(self, module: nn.Module) -> None:
        self.weights = module.state_dict()
        self.loss = math.inf
        self.n_epochs_since = 0

    def is_over(self, module: nn.Module, validation: HeldOutLoss, patience: int | None) -> bool:
        """Measure the validation loss; tell whether to stop."""
        loss = validation(module)
        self.n_epochs_since += 1
        if loss < self.loss:
            self.loss, self.n_epochs_since = loss, 0
            self.weights = {name: value.clone() for name, value in module.state_dict().items()}
        return patience is not None and self.n_epochs_since >= patience


def parameter_groups(module: nn.Module, settings: LoopSettings) -> list[dict[str, Any]]:
    """Sort parameters into groups with a learning rate and a weight decay each.

    Biases and the scales of normalization layers (all parameters with one dimension) do not decay.

    Args:
        module: Parameters whose names start with ``backbone.`` are the body's, the others the head's.
        settings: The rates and the decay.
    """
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, parameter in module.named_parameters():
        if parameter.requires_grad:
            is_body, is_decayed = name.startswith("backbone."), parameter.ndim > 1
            groups.setdefault((is_body, is_decayed), []).append(parameter)
    return [
        {
            "params": groups[is_body, is_decayed],
            "lr": settings.body_learning_rate if is_body else settings.learning_rate,
            "weight_decay": settings.weight_decay if is_decayed else 0.0,
        }
        for is_body, is_decayed in sorted(groups)  # the head's come first
    ]


def learning_rate_factor(settings: LoopSettings, *, n_steps: int) -> Callable[[int], float]:
    """Return the share of the peak learning rate at each step from 0.

    "one_cycle" rises along half a cosine wave from 1/25 and falls to 1e-4 (Smith and Topin 2018,
    "Super-Convergence",
    arXiv:1708.07120); "cosine" rises linearly and falls to 0
    (Loshchilov and Hutter 2017, "SGDR", arXiv:1608.03983); "constant" rises linearly and stays.

    Examples:
        >>> settings = LoopSettings(epochs=1, learning_rate=1.0, body_learning_rate=1.0, weight_decay=0.0,
        ...     schedule="cosine", warmup_fraction=0.5, ema_decay=0.0, patience=None,
        ...     freezes_batch_norm=False, precision=torch.float32)
        >>> [round(learning_rate_factor(settings, n_steps=4)(step), 2) for step in range(5)]
        [0.5, 1.0, 1.0, 0.5, 0.0]
    """
    n_warmup = round(settings.warmup_fraction * n_steps)

    def factor(step: int) -> float:
        progress = min(1.0, max(0.0, (step - n_warmup) / max(1, n_steps - n_warmup)))
        rise = (step + 1) / max(1, n_warmup)
        match settings.schedule:
            case "one_cycle":
                if step < n_warmup:
                    return _half_wave(1 / 25, 1.0, step / n_warmup)
                return _half_wave(1.0, 1e-4, progress)
            case "cosine":
                return rise if step < n_warmup else _half_wave(1.0, 0.0, progress)
            case "constant":
                return min(1.0, rise)
            case _:
                assert_never(settings.schedule)

    return factor


def _half_wave(start: float, end: float, progress: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * progress)) / 2
