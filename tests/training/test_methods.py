"""The registry of training methods, and what a training setting is where the user gave none."""

from dataclasses import fields, replace
from typing import Any

import pytest
import torch

from manylabel.config import HeadName, TrainingConfig, TuneName
from manylabel.training.loop import LoopSettings
from manylabel.training.methods import METHODS, fill_defaults
from manylabel.training.methods.base import fill_for_initial, loop_settings

# Their absence has a meaning of its own.
MAY_STAY_OPEN = {"split_layer", "patience", "freeze_batch_norm", "head_first", "alpha"}


LOOP_ONLY = {"epochs", "batch_size", "learning_rate", "body_learning_rate", "ema_decay", "weight_decay"}


@pytest.mark.parametrize(
    ("tune", "head"), [("head", "mlp"), ("head", "study"), ("top", "linear"), ("full", "linear")]
)
def test_everything_is_filled_in_but_what_has_a_meaning_when_absent(tune: TuneName, head: HeadName) -> None:
    filled = fill_defaults(TrainingConfig(tune=tune), head=head)

    assert {f.name for f in fields(filled) if getattr(filled, f.name) is None} == MAY_STAY_OPEN


def test_what_a_solver_has_no_use_for_stays_open() -> None:
    filled = fill_defaults(TrainingConfig(tune="head"))

    assert {f.name for f in fields(filled) if getattr(filled, f.name) is None} == MAY_STAY_OPEN | LOOP_ONLY
    assert filled.loss == "bce"


@pytest.mark.parametrize("name", ["epochs", "batch_size", "learning_rate", "patience"])
def test_a_setting_of_the_loop_fills_in_the_others(name: str) -> None:
    one: dict[str, Any] = {name: 1}
    filled = fill_defaults(replace(TrainingConfig(tune="head"), **one))

    assert None not in (filled.epochs, filled.batch_size, filled.learning_rate, filled.weight_decay)
    assert filled.loss == "weighted_bce"


@pytest.mark.parametrize("tune", METHODS)
def test_what_was_given_stays_also_where_it_is_zero(tune: TuneName) -> None:
    given = TrainingConfig(
        tune=tune, epochs=3, weight_decay=0.0, body_learning_rate=0.0, ema_decay=0.0, n_views=2, patience=4
    )
    filled = fill_defaults(given)

    for name in ("epochs", "weight_decay", "body_learning_rate", "ema_decay", "n_views", "patience"):
        assert getattr(filled, name) == getattr(given, name)
    assert filled.learning_rate == METHODS[tune].defaults.learning_rate


def test_filling_in_twice_changes_nothing() -> None:
    for training in (
        TrainingConfig(tune="full"),
        TrainingConfig(tune="head"),
        TrainingConfig(tune="head", epochs=3),
    ):
        filled = fill_defaults(training)
        assert fill_defaults(filled) == filled


@pytest.mark.parametrize(
    ("training", "is_pretrained", "share"),
    [
        (TrainingConfig(tune="top"), True, None),
        (TrainingConfig(tune="top", head_first=False), True, 1.0),
        (TrainingConfig(tune="top"), False, 1.0),
        (TrainingConfig(tune="full"), True, 1.0),
        (TrainingConfig(tune="full", alpha=0.25), True, 0.25),
        (TrainingConfig(tune="full", alpha=0.25), False, 1.0),
    ],
)
def test_only_pretrained_weights_are_interpolated_back(
    training: TrainingConfig, is_pretrained: bool, share: float | None
) -> None:
    assert fill_for_initial(training, is_pretrained=is_pretrained).alpha == share


def test_the_loop_gets_what_was_set() -> None:
    training = fill_for_initial(
        fill_defaults(
            TrainingConfig(tune="full", schedule="cosine", warmup_fraction=0.3, patience=2, learning_rate=0.5)
        ),
        is_pretrained=True,
    )

    settings = loop_settings(training, precision=torch.bfloat16)

    assert settings == LoopSettings(
        epochs=10,
        learning_rate=0.5,
        body_learning_rate=2e-4,
        weight_decay=0.05,
        schedule="cosine",
        warmup_fraction=0.3,
        ema_decay=0.98,
        patience=2,
        freezes_batch_norm=True,
        precision=torch.bfloat16,
    )
