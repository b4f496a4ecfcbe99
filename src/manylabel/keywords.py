"""Settings as keyword arguments, which editors complete.

In:  keywords of a call.
Out: the settings of a run.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, TypedDict

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
from manylabel.recipes import all_settings, replace_settings


class RunSettings(TypedDict, total=False):
    """The settings of a run by name, without section: ``epochs`` is ``training.epochs`` in a recipe.

    What each means is told by ``manylabel train --help``, the comments of a ``config.toml`` and
    ``manylabel.config``.
    """

    seed: int
    test_fraction: float
    folds: int
    val_fraction: float
    head: HeadName
    init: InitName
    fallback: Literal["error", "random"]
    weights: Sequence[str]
    side_px: int
    fit: FitName
    orientation: OrientationName
    tune: TuneName
    cut: str
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
    learned_share: float
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
    exclusive: Sequence[str]
    implies: Sequence[str]
    at_least_one: Sequence[str]


def settings_from_keywords(config: RunConfig, keywords: Mapping[str, object]) -> RunConfig:
    """Change settings by keywords.

    Raises:
        ConfigError: A keyword or a value is wrong; every problem.

    Examples:
        >>> settings_from_keywords(RunConfig(), {"epochs": 5, "tta": 4}).training.epochs
        5
    """
    keys = {key.rpartition(".")[2]: key for key in all_settings()}
    unknown = [name for name in keywords if name not in keys]
    if unknown:
        known = sorted(keys)
        raise ConfigError(
            [
                f"no setting '{name}'{did_you_mean(name, known) or '; settings: ' + ', '.join(known)}"
                for name in unknown
            ]
        )
    return replace_settings(config, {keys.get(name, name): value for name, value in keywords.items()})
