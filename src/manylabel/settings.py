"""Know every setting of ``config.py`` by its key, and check values for it.

In:  a key such as ``training.epochs`` (field ``epochs`` of section ``training``) and a value from anywhere.
Out: the value as the field wants it, or a ``ConfigError`` that says what was given and what was expected.
"""

import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from types import UnionType
from typing import Any, Literal, Union, cast, get_args, get_origin

from manylabel.config import RunConfig
from manylabel.errors import ConfigError, did_you_mean


@dataclass(frozen=True)
class _Rule:
    """Say what a value must fulfil beyond its type, in words and as a test."""

    expected: str
    holds: Callable[[Any], bool]


def _at_least(low: int) -> _Rule:
    return _Rule(f"at least {low}", lambda value: low <= value < math.inf)


def _above(low: int) -> _Rule:
    return _Rule(f"above {low}", lambda value: low < value < math.inf)


def _within(interval: str) -> _Rule:
    low, high = (float(end) for end in interval[1:-1].split(","))
    open_low, open_high = interval[0] == "(", interval[-1] == ")"

    def holds(value: float) -> bool:
        return (low < value if open_low else low <= value) and (value < high if open_high else value <= high)

    return _Rule(f"a value in {interval}", holds)


def _are_names(names: Sequence[str]) -> bool:
    return all(names) and 0 < len(names) == len(set(names))


_SOME_TEXT = _Rule("some text", bool)
_NO_EMPTY_TEXT = _Rule("no empty text", all)

_RULES = {
    "out": _SOME_TEXT,
    # numpy, scikit-learn and torch have no seeds in common beyond 32 bits.
    "seed": _within("[0, 4294967295]"),
    "data.labels": _SOME_TEXT,
    "data.delimiter": _SOME_TEXT,
    "data.photo_column": _SOME_TEXT,
    "data.label_columns": _NO_EMPTY_TEXT,
    "data.ignore": _NO_EMPTY_TEXT,
    "data.sheet": _SOME_TEXT,
    "data.header_row": _at_least(1),
    "data.min_photos": _at_least(1),
    "split.test_fraction": _within("(0, 1)"),
    "split.folds": _at_least(2),
    "split.val_fraction": _within("(0, 1)"),
    "model.names": _Rule("at least one name, none twice", _are_names),
    "model.weights": _NO_EMPTY_TEXT,
    # Below this the strides of the usual networks leave no pixel.
    "model.side_px": _within("[32, 4096]"),
    "training.epochs": _at_least(1),
    "training.batch_size": _at_least(1),
    "training.learning_rate": _above(0),
    "training.body_learning_rate": _at_least(0),
    "training.weight_decay": _at_least(0),
    "training.learned_share": _within("(0, 1]"),
    "training.warmup_fraction": _within("[0, 1)"),
    "training.ema_decay": _within("[0, 1)"),
    "training.patience": _at_least(1),
    "training.n_views": _at_least(1),
    "training.pos_weight_cap": _at_least(1),
    "evaluation.beta": _above(0),
    "evaluation.target": _within("(0, 1)"),
    "evaluation.cost_missed": _above(0),
    "evaluation.cost_false": _above(0),
    "evaluation.tta": _within("[1, 8]"),
    "augmentation.horizontal_flip": _within("[0, 1]"),
    "augmentation.brightness": _within("[0, 1)"),
    "augmentation.contrast": _within("[0, 1)"),
    "augmentation.saturation": _within("[0, 1)"),
    "augmentation.crop_scale": _within("(0, 1]"),
    "rules.exclusive": _NO_EMPTY_TEXT,
    "rules.implies": _NO_EMPTY_TEXT,
    "rules.at_least_one": _NO_EMPTY_TEXT,
}

_EXPECTED = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    tuple: 'a list of text, e.g. ["a", "b"]',
}


@cache
def sections() -> dict[str, type]:
    """Return the sections of a config: name and class.

    Examples:
        >>> list(sections())[:3]
        ['data', 'split', 'model']
    """
    return {field.name: cast(type, field.type) for field in fields(RunConfig) if is_dataclass(field.type)}


@cache
def setting_kinds() -> dict[str, Any]:
    """Return the declared type of every setting by its key.

    Examples:
        >>> setting_kinds()["split.folds"]
        int | None
    """
    kinds: dict[str, Any] = {f.name: f.type for f in fields(RunConfig) if f.name not in sections()}
    for name, section in sections().items():
        kinds |= {f"{name}.{field.name}": field.type for field in fields(section)}
    return kinds


def get_setting(config: RunConfig, key: str) -> Any:
    """Return the value of one setting.

    Examples:
        >>> get_setting(RunConfig(), "training.tune")
        'top'
    """
    section, _, name = key.rpartition(".")
    return getattr(getattr(config, section) if section else config, name)


def check_setting(key: str, value: object) -> object:
    """Return a value as its field wants it: a list becomes a tuple, a whole number may stand for any number.

    Args:
        key: Name of the setting, e.g. ``"training.epochs"``.
        value: What was given, None for "nothing".

    Raises:
        ConfigError: There is no such setting, or the value has the wrong type or lies outside its range.

    Examples:
        >>> check_setting("model.names", ["vgg16"])
        ('vgg16',)
    """
    if key not in setting_kinds():
        raise ConfigError(_unknown_key(key))
    kind = setting_kinds()[key]
    try:
        converted = _convert(value, kind)
    except TypeError as error:
        raise ConfigError(f"{key}: given {show(value)}, expected {error}") from error
    rule = _RULES.get(key)
    if rule is not None and converted is not None and not rule.holds(converted):
        raise ConfigError(f"{key}: given {show(value)}, expected {rule.expected}")
    return converted


def has_type(key: str, value: object) -> bool:
    """Tell whether a setting exists and may have values of this type, whatever their range.

    Examples:
        >>> has_type("split.folds", 1), has_type("split.folds", "5")
        (True, False)
    """
    try:
        _convert(value, setting_kinds()[key])
    except (KeyError, TypeError):
        return False
    return True


def show(value: object) -> str:
    """Write a value as a user would: true and none instead of True and None.

    Examples:
        >>> show(True), show("head"), show(None)
        ('true', "'head'", 'none')
    """
    return str(value).lower() if value is None or isinstance(value, bool) else repr(value)


def _convert(value: object, kind: Any) -> object:
    """Return the value as the kind wants it, or raise a TypeError that says what was expected."""
    # X | None is the only union among the settings; of a Literal, Python 3.11 makes it a typing.Union.
    if get_origin(kind) in (UnionType, Union):
        return None if value is None else _convert(value, get_args(kind)[0])
    if get_origin(kind) is Literal:
        return _choose(value, get_args(kind))
    kind = get_origin(kind) or kind
    match value:
        case list() | tuple() if kind is tuple and all(isinstance(item, str) for item in value):
            return tuple(value)
        case bool() if kind is bool:
            return value
        case int() if kind is float and not isinstance(value, bool) and abs(value) < sys.float_info.max:
            return float(value)
        case int() | float() | str() if isinstance(value, kind) and not isinstance(value, bool):
            return value
    raise TypeError(_EXPECTED[kind])


def _choose(value: object, choices: tuple[str, ...]) -> str:
    if isinstance(value, str) and value in choices:
        return value
    hint = did_you_mean(value, choices) if isinstance(value, str) else ""
    raise TypeError(f"one of {', '.join(map(repr, choices))}{hint}")


def _unknown_key(key: str) -> str:
    """Say that a key is unknown, and what may have been meant: the same name elsewhere, or a neighbor."""
    known = list(setting_kinds())
    if key in sections():
        first = next(other for other in known if other.startswith(f"{key}."))
        return f"'{key}' is a section, not a value; give one of its keys, e.g. {first}"
    section, _, name = key.rpartition(".")
    namesakes = [other for other in known if other.rpartition(".")[2] == name]
    if namesakes:
        return f"unknown key '{key}'; did you mean '{namesakes[0]}'?"
    inner = [other.rpartition(".")[2] for other in known if other.rpartition(".")[0] == section != ""]
    hint = did_you_mean(name, inner) if inner else did_you_mean(key, [*sections(), *known])
    listing = f". Known here: {', '.join(inner or sections())}."
    return f"unknown key '{key}'{hint or listing}"
