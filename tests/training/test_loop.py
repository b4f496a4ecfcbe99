"""The one training loop, on models of a few numbers."""

import copy
import gc
import math
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from manylabel.config import ScheduleName
from manylabel.models.device import open_accelerator
from manylabel.training.loop import LoopSettings, Watch, learning_rate_factor, parameter_groups, train_loop
from manylabel.training.losses import binary_cross_entropy
from manylabel.trials import Epoch

SETTINGS = LoopSettings(
    epochs=4,
    learning_rate=0.1,
    body_learning_rate=0.1,
    weight_decay=0.0,
    schedule="constant",
    warmup_fraction=0.0,
    ema_decay=0.0,
    patience=None,
    freezes_batch_norm=False,
    precision=torch.float32,
)
Weights = dict[str, Tensor]


class TinyNet(nn.Module):
    """Have a body with batch normalisation and a head, as a classifier has."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.ReLU())
        self.head = nn.Linear(4, 2)

    def forward(self, inputs: Tensor) -> Tensor:
        logits: Tensor = self.head(self.backbone(inputs))
        return logits


@dataclass
class FixedBatches:
    """Give the same two batches in every epoch: the label is the sign of the input.

    Whenever a batch is asked for, ``on_batch`` is called; the steps before it are done by then.
    """

    on_batch: Callable[[], None] = lambda: None
    inputs: Tensor = field(
        default_factory=lambda: torch.randn(16, 2, generator=torch.Generator().manual_seed(1))
    )

    @property
    def n_batches(self) -> int:
        """Count the batches."""
        return 2

    def epoch(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the halves of the inputs."""
        for half in self.inputs.chunk(2):
            self.on_batch()
            yield half, (half > 0).float()


@pytest.fixture
def tiny_net() -> TinyNet:
    """Return a model with weights that are always the same."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return TinyNet()


def train(
    module: nn.Module, settings: LoopSettings, batches: FixedBatches | None = None, watch: Watch | None = None
) -> tuple[Epoch, ...]:
    """Train a module on the CPU."""
    return train_loop(
        module,
        FixedBatches() if batches is None else batches,
        loss=binary_cross_entropy(torch.ones(2)),
        settings=settings,
        accelerator=open_accelerator("cpu"),
        watch=Watch() if watch is None else watch,
    )


def weights_of(module: nn.Module) -> Weights:
    """Copy the weights and buffers of a module."""
    return {name: value.clone() for name, value in module.state_dict().items()}


def test_the_loss_falls(tiny_net: TinyNet) -> None:
    history = train(tiny_net, replace(SETTINGS, epochs=20))

    losses = [epoch.train_loss for epoch in history]
    assert losses[-1] < 0.3 * losses[0]
    assert [epoch.epoch for epoch in history] == list(range(1, 21))
    assert {epoch.held_out_loss for epoch in history} == {None}


def test_the_train_loss_is_the_mean_over_the_batches(tiny_net: TinyNet) -> None:
    settings = replace(SETTINGS, epochs=1, learning_rate=1e-9, body_learning_rate=0.0)
    batches = FixedBatches()
    with torch.no_grad():
        expected = [
            binary_cross_entropy(torch.ones(2))(copy.deepcopy(tiny_net)(inputs), targets).item()
            for inputs, targets in batches.epoch()
        ]

    (epoch,) = train(tiny_net, settings, batches)

    assert epoch.train_loss == pytest.approx(sum(expected) / 2, rel=1e-5)


def test_the_trained_module_is_ready_for_use(tiny_net: TinyNet) -> None:
    train(tiny_net, SETTINGS)

    assert not any(module.training for module in tiny_net.modules())


def test_training_twice_gives_the_same_weights(tiny_net: TinyNet) -> None:
    again = copy.deepcopy(tiny_net)
    settings = replace(SETTINGS, ema_decay=0.9, schedule="one_cycle")
    train(tiny_net, settings)
    train(again, settings)

    assert all(torch.equal(value, again.state_dict()[name]) for name, value in tiny_net.state_dict().items())


def test_a_body_without_a_rate_stays_as_it_was(tiny_net: TinyNet) -> None:
    before = weights_of(tiny_net)
    train(tiny_net, replace(SETTINGS, body_learning_rate=0.0, weight_decay=0.5, freezes_batch_norm=True))
    after = weights_of(tiny_net)

    for name, value in before.items():
        assert torch.equal(value, after[name]) == name.startswith("backbone.")


def test_frozen_batch_norm_keeps_its_statistics_while_its_scale_learns(tiny_net: TinyNet) -> None:
    before = weights_of(tiny_net)
    train(tiny_net, replace(SETTINGS, freezes_batch_norm=True, ema_decay=0.9))
    after = weights_of(tiny_net)

    for name in ("running_mean", "running_var", "num_batches_tracked"):
        assert torch.equal(before[f"backbone.1.{name}"], after[f"backbone.1.{name}"])
    assert not torch.equal(before["backbone.1.weight"], after["backbone.1.weight"])


def test_free_batch_norm_follows_the_photos(tiny_net: TinyNet) -> None:
    before = weights_of(tiny_net)
    train(tiny_net, SETTINGS)
    after = weights_of(tiny_net)

    assert not torch.equal(before["backbone.1.running_mean"], after["backbone.1.running_mean"])
    assert after["backbone.1.num_batches_tracked"] == 2 * SETTINGS.epochs


def test_frozen_batch_norm_leaves_dropout_at_work() -> None:
    modes = set[tuple[bool, bool]]()
    module = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.Dropout(0.5))
    module.register_forward_hook(lambda *_: modes.add((module[1].training, module[2].training)))

    with torch.random.fork_rng():
        train(module, replace(SETTINGS, freezes_batch_norm=True))

    assert modes == {(False, True)}


def test_the_last_weights_are_kept_without_averaging(tiny_net: TinyNet) -> None:
    seen: list[Weights] = []
    watch = Watch(on_epoch=lambda n_done: seen.append(weights_of(tiny_net)))
    train(tiny_net, SETTINGS, watch=watch)

    assert all(torch.equal(value, tiny_net.state_dict()[name]) for name, value in seen[-1].items())


def test_the_average_moves_as_in_its_formula(tiny_net: TinyNet) -> None:
    seen: list[Weights] = []
    watch = Watch(on_epoch=lambda n_done: seen.append(weights_of(tiny_net)))
    batches = FixedBatches(on_batch=lambda: seen.append(weights_of(tiny_net)))
    train(tiny_net, replace(SETTINGS, epochs=1, ema_decay=0.15), batches, watch)
    start, after_first, after_second = seen

    kept = tiny_net.state_dict()
    # At the first step (1 + 1) / (10 + 1) is above 0.15, so the decay is 0.15 from the start.
    for name in ("head.weight", "backbone.1.running_mean"):
        average = 0.15 * (0.15 * start[name] + 0.85 * after_first[name]) + 0.85 * after_second[name]
        torch.testing.assert_close(kept[name], average)
    assert kept["backbone.1.num_batches_tracked"] == 2


def test_the_average_forgets_its_start_quickly(tiny_net: TinyNet) -> None:
    seen: list[Weights] = []
    watch = Watch(on_epoch=lambda n_done: seen.append(weights_of(tiny_net)))
    batches = FixedBatches(on_batch=lambda: seen.append(weights_of(tiny_net)))
    train(tiny_net, replace(SETTINGS, epochs=1, ema_decay=0.999), batches, watch)
    start, after_first, after_second = (weights["head.weight"] for weights in seen)

    average = (3 / 12) * ((2 / 11) * start + (9 / 11) * after_first) + (9 / 12) * after_second
    torch.testing.assert_close(tiny_net.head.weight.detach(), average)


@dataclass
class ScriptedLoss:
    """Pretend that the loss of the validation photos is what a list says; remember the weights."""

    losses: list[float]
    seen: list[Weights] = field(default_factory=list)

    def __call__(self, module: nn.Module) -> float:
        self.seen.append(weights_of(module))
        return self.losses[len(self.seen) - 1]


def test_early_stopping_stops_when_patience_ends_and_keeps_the_best_weights(tiny_net: TinyNet) -> None:
    validation = ScriptedLoss([3.0, 2.0, 2.5, 1.0, 1.5, 1.0, 0.1])
    history = train(tiny_net, replace(SETTINGS, epochs=7, patience=2), watch=Watch(validation=validation))

    assert len(history) == 6
    best = validation.seen[3]
    assert all(torch.equal(value, best[name]) for name, value in tiny_net.state_dict().items())
    assert not torch.equal(validation.seen[5]["head.weight"], best["head.weight"])


def test_early_stopping_looks_at_the_average_and_keeps_it(tiny_net: TinyNet) -> None:
    validation = ScriptedLoss([1.0, 0.5, 2.0, 2.0])
    trained: list[Weights] = []
    watch = Watch(validation=validation, on_epoch=lambda n_done: trained.append(weights_of(tiny_net)))
    train(tiny_net, replace(SETTINGS, patience=9, ema_decay=0.9), watch=watch)

    assert not torch.equal(validation.seen[1]["head.weight"], trained[1]["head.weight"])
    assert torch.equal(tiny_net.head.weight, validation.seen[1]["head.weight"])


def test_validation_without_patience_keeps_the_best_weights_of_all_epochs(tiny_net: TinyNet) -> None:
    validation = ScriptedLoss([1.0, 2.0, 2.0, 2.0])
    history = train(tiny_net, SETTINGS, watch=Watch(validation=validation))

    assert len(history) == SETTINGS.epochs
    assert torch.equal(tiny_net.head.weight, validation.seen[0]["head.weight"])


def test_a_validation_loss_that_is_no_number_keeps_the_last_weights(tiny_net: TinyNet) -> None:
    validation = ScriptedLoss([math.nan] * 4)
    train(tiny_net, SETTINGS, watch=Watch(validation=validation))

    assert torch.equal(tiny_net.head.weight, validation.seen[-1]["head.weight"])


def test_held_out_photos_are_measured_and_decide_nothing(tiny_net: TinyNet) -> None:
    unwatched = copy.deepcopy(tiny_net)
    held_out = ScriptedLoss([4.0, 1.0, 2.0, 3.0])
    settings = replace(SETTINGS, patience=1)
    history = train(tiny_net, settings, watch=Watch(held_out=held_out))
    train(unwatched, settings)

    assert [epoch.held_out_loss for epoch in history] == [4.0, 1.0, 2.0, 3.0]
    assert torch.equal(tiny_net.head.weight, unwatched.head.weight)


def test_held_out_photos_are_measured_with_the_averaged_weights(tiny_net: TinyNet) -> None:
    held_out = ScriptedLoss([1.0] * 4)
    train(tiny_net, replace(SETTINGS, ema_decay=0.9), watch=Watch(held_out=held_out))

    assert torch.equal(held_out.seen[-1]["head.weight"], tiny_net.head.weight)


def test_every_epoch_is_heard_of(tiny_net: TinyNet) -> None:
    heard: list[int] = []
    train(tiny_net, SETTINGS, watch=Watch(on_epoch=heard.append))

    assert heard == [1, 2, 3, 4]


def test_bf16_learns_nearly_the_same(tiny_net: TinyNet) -> None:
    in_half = copy.deepcopy(tiny_net)
    losses = [epoch.train_loss for epoch in train(tiny_net, SETTINGS)]
    in_half_losses = [
        epoch.train_loss for epoch in train(in_half, replace(SETTINGS, precision=torch.bfloat16))
    ]

    assert in_half.head.weight.dtype == torch.float32
    assert in_half_losses != losses
    assert in_half_losses == pytest.approx(losses, rel=0.05)


def test_a_trained_network_that_nobody_needs_is_let_go(tiny_net: TinyNet) -> None:
    lone = copy.deepcopy(tiny_net)
    train(lone, replace(SETTINGS, ema_decay=0.9))
    weights = weakref.ref(lone.head.weight)
    del lone
    gc.collect()

    assert weights() is None


def test_the_rate_at_the_end_of_an_epoch_is_kept(tiny_net: TinyNet) -> None:
    history = train(tiny_net, replace(SETTINGS, schedule="cosine", body_learning_rate=0.3))

    assert [epoch.learning_rate for epoch in history] == pytest.approx(
        [0.1 * (1 + math.cos(math.pi * share)) / 2 for share in (0.25, 0.5, 0.75, 1.0)]
    )


def test_head_and_body_learn_at_their_own_rates_and_only_matrices_decay(tiny_net: TinyNet) -> None:
    tiny_net.backbone[0].bias.requires_grad_(False)
    settings = replace(SETTINGS, learning_rate=0.5, body_learning_rate=0.01, weight_decay=0.2)
    names = {id(parameter): name for name, parameter in tiny_net.named_parameters()}

    groups = {
        (group["lr"], group["weight_decay"]): [names[id(parameter)] for parameter in group["params"]]
        for group in parameter_groups(tiny_net, settings)
    }

    assert groups == {
        (0.5, 0.0): ["head.bias"],
        (0.5, 0.2): ["head.weight"],
        (0.01, 0.0): ["backbone.1.weight", "backbone.1.bias"],
        (0.01, 0.2): ["backbone.0.weight"],
    }
    assert next(iter(groups))[0] == 0.5


@given(
    schedule=st.sampled_from(["one_cycle", "cosine", "constant"]),
    n_steps=st.integers(1, 300),
    warmup_fraction=st.floats(0, 0.99),
)
def test_rates_rise_to_the_peak_and_never_above(
    schedule: ScheduleName, n_steps: int, warmup_fraction: float
) -> None:
    settings = replace(SETTINGS, schedule=schedule, warmup_fraction=warmup_fraction)
    factor = learning_rate_factor(settings, n_steps=n_steps)
    factors = [factor(step) for step in range(n_steps + 1)]
    n_warmup = round(warmup_fraction * n_steps)

    assert all(0 <= value <= 1 for value in factors)
    assert factors[n_warmup] == pytest.approx(1)
    rising, falling = factors[: n_warmup + 1], factors[n_warmup:]
    assert rising == sorted(rising)
    assert falling == sorted(falling, reverse=True)


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("one_cycle", [0.04, 0.52, 1.0, 0.85, 0.5, 0.146, 1e-4]),
        ("cosine", [0.5, 1.0, 1.0, 0.854, 0.5, 0.146, 0.0]),
        ("constant", [0.5, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]),
    ],
)
def test_rates_have_the_shape_of_their_schedule(schedule: ScheduleName, expected: list[float]) -> None:
    settings = replace(SETTINGS, schedule=schedule, warmup_fraction=1 / 3)
    factor = learning_rate_factor(settings, n_steps=6)

    assert [factor(step) for step in range(7)] == pytest.approx(expected, abs=5e-3)
    assert factor(6) == pytest.approx(expected[-1], abs=1e-6)
