"""What a training setting is where the user gave none; it depends on what learns.

In:  the training settings of a run, some not given.
Out: the same, all given but those that have a meaning when absent: early stopping, a share that validation
     photos choose and, where a linear head is solved, what only the loop asks for.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar

import torch

from manylabel.config import HeadName, TrainingConfig, TuneName
from manylabel.training.loop import LoopSettings

Value = TypeVar("Value")

TUNE_DEFAULTS: dict[TuneName, dict[str, Any]] = {
    "head": {
        "epochs": 60,
        "batch_size": 32,
        "learning_rate": 3e-4,
        "body_learning_rate": 0.0,
        "weight_decay": 0.01,
        "ema_decay": 0.0,
        "n_views": 8,
        "loss": "weighted_bce",
    },
    "top": {
        "epochs": 10,
        "batch_size": 32,
        "learning_rate": 3e-4,
        "body_learning_rate": 1e-3,
        "weight_decay": 0.05,
        "ema_decay": 0.98,
        "n_views": 8,
        "loss": "bce",
    },
    "full": {
        "epochs": 10,
        "batch_size": 32,
        "learning_rate": 3e-4,
        "body_learning_rate": 2e-4,
        "weight_decay": 0.05,
        "ema_decay": 0.98,
        "n_views": 1,
        "loss": "weighted_bce",
    },
}

SOLVED_DEFAULTS: dict[str, Any] = {"n_views": 8, "loss": "bce"}
"""Where a linear head is solved. There, weights of positives made probabilities worse and the order of photos
no better; the weight decay is chosen."""

_LOOP_ONLY = ("epochs", "batch_size", "learning_rate", "ema_decay", "patience", "schedule", "warmup_fraction")
_NOT_GIVEN = TrainingConfig()


def asks_for_loop(training: TrainingConfig) -> bool:
    """Say whether a setting was given that means nothing to the solver of linear heads.

    Examples:
        >>> asks_for_loop(TrainingConfig(weight_decay=0.1)), asks_for_loop(TrainingConfig(epochs=60))
        (False, True)
    """
    return any(getattr(training, name) != getattr(_NOT_GIVEN, name) for name in _LOOP_ONLY)


def fill_defaults(training: TrainingConfig, *, head: HeadName = "linear") -> TrainingConfig:
    """Give every setting that was not given its default for what learns.

    Args:
        training: The settings.
        head: What stands on the backbone: a linear head alone is solved, unless a setting asks for the loop.

    Examples:
        >>> filled = fill_defaults(TrainingConfig(tune="head", epochs=5))
        >>> filled.epochs, filled.batch_size
        (5, 32)
        >>> fill_defaults(TrainingConfig(tune="head")).epochs is None
        True
    """
    if training.tune == "head" and head == "linear" and not asks_for_loop(training):
        return _fill(training, SOLVED_DEFAULTS)
    return fill_for_loop(training)


def fill_for_loop(training: TrainingConfig) -> TrainingConfig:
    """Give every setting of the loop that was not given its default."""
    return _fill(training, TUNE_DEFAULTS[training.tune])


def _fill(training: TrainingConfig, defaults: Mapping[str, Any]) -> TrainingConfig:
    return replace(
        training, **{key: value for key, value in defaults.items() if getattr(training, key) is None}
    )


def fill_for_start(training: TrainingConfig, *, is_pretrained: bool) -> TrainingConfig:
    """Give the settings that depend on where a network starts their values, where none were given.

    Args:
        training: The settings.
        is_pretrained: Whether the backbone starts from pre-trained weights: only then are its statistics
            worth keeping, its features worth a trained head before they change, and the way back to both.

    Examples:
        >>> fill_for_start(TrainingConfig(head_first=False), is_pretrained=True).freeze_batch_norm
        True
    """
    freeze, head_first = training.freeze_batch_norm, training.head_first
    head_first = is_pretrained if head_first is None else head_first
    learned_share = training.learned_share if head_first else 1.0
    return replace(
        training,
        freeze_batch_norm=is_pretrained if freeze is None else freeze,
        head_first=head_first,
        learned_share=1.0 if learned_share is None and training.tune != "top" else learned_share,
    )


def given(value: Value | None) -> Value:
    """Return a setting that ``fill_defaults`` has filled in."""
    assert value is not None, "settings are filled in before training starts"
    return value


def loop_settings(training: TrainingConfig, *, precision: torch.dtype) -> LoopSettings:
    """Return what the loop needs of filled-in settings."""
    return LoopSettings(
        epochs=given(training.epochs),
        learning_rate=given(training.learning_rate),
        body_learning_rate=given(training.body_learning_rate),
        weight_decay=given(training.weight_decay),
        schedule=training.schedule,
        warmup_fraction=training.warmup_fraction,
        ema_decay=given(training.ema_decay),
        patience=training.patience,
        freezes_batch_norm=given(training.freeze_batch_norm),
        precision=precision,
    )
