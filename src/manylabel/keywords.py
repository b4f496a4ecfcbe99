"""Settings as keyword arguments, which editors complete.

In:  keywords of a call.
Out: the settings of a run.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, TypedDict

import numpy as np

from manylabel.config import (
    DeviceName,
    FitName,
    HeadName,
    InitName,
    LossName,
    OrientationName,
    PrecisionName,
    RunConfig,
    ScheduleName,
    ThresholdName,
    TrainingEngineName,
    TuneName,
)
from manylabel.errors import ConfigError, did_you_mean
from manylabel.recipes import all_settings, get_setting, replace_settings


class RunSettings(TypedDict, total=False):
    """The settings of a run by name, without section: ``epochs`` is ``training.epochs`` in a recipe.

    What each means is told by ``manylabel train --help``, the comments of a ``config.toml`` and
    ``manylabel.config``.
    """

    seed: int
    overwrite: bool
    fresh: bool
    test_fraction: float
    folds: int
    val_fraction: float
    head: HeadName
    init: InitName
    fallback: Literal["error", "random"]
    weights: Sequence[str | Path] | str | Path
    side_px: int
    fit: FitName
    orientation: OrientationName
    tune: TuneName
    split_layer: str
    epochs: int
    batch_size: int
    learning_rate: float
    body_learning_rate: float
    weight_decay: float
    schedule: ScheduleName
    warmup_fraction: float
    ema_decay: float
    patience: int
    freeze_batch_norm: bool
    head_first: bool
    alpha: float
    n_views: int
    loss: LossName
    pos_weight_cap: float
    precision: PrecisionName
    device: DeviceName
    engine: TrainingEngineName
    horizontal_flip: float
    brightness: float
    contrast: float
    saturation: float
    crop_scale: float
    thresholds: ThresholdName
    beta: float
    target: float
    cost_missed: float
    cost_false: float
    calibrate: bool
    inner_folds: bool
    learning_curve: bool
    tta: int
    exclusive: Sequence[str] | str
    implies: Sequence[str] | str
    at_least_one: Sequence[str] | str


def settings_from_keywords(config: RunConfig, keywords: Mapping[str, object]) -> RunConfig:
    """Change settings by keywords.

    Args:
        config: The settings to change.
        keywords: Values by name, as in ``RunSettings``; a list of one text may be given as the text.

    Raises:
        ConfigError: A keyword or a value is wrong; every problem.

    Examples:
        >>> changed = settings_from_keywords(RunConfig(), {"epochs": 5, "exclusive": "day|night"})
        >>> changed.training.epochs, changed.constraints.exclusive
        (5, ('day|night',))
    """
    keys = {key.rpartition(".")[2]: key for key in all_settings()}
    known = sorted(RunSettings.__annotations__)
    problems = []
    for name in keywords:
        if name not in known and keys.get(name, "").startswith("data."):
            problems.append(f"'{name}' is an option of Dataset.read, not of training")
        elif name not in known:
            hint = did_you_mean(name, known) or f"; settings: {', '.join(known)}"
            problems.append(f"no setting '{name}'{hint}")
    if problems:
        raise ConfigError("\n".join(problems))
    values = {keys[name]: _plain(value) for name, value in keywords.items()}
    lists = {key for key in values if isinstance(get_setting(RunConfig(), key), tuple)}
    return replace_settings(
        config,
        {
            key: (value,) if key in lists and isinstance(value, str) else value
            for key, value in values.items()
        },
    )


def _plain(value: object) -> object:
    """Return numbers of numpy as those of Python, and paths as text."""
    match value:
        case np.generic():
            return value.item()
        case Path():
            return str(value)
        case list() | tuple():
            return [*map(_plain, value)]
    return value
