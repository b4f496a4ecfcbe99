"""Read, check and write the settings of a run.

In:  recipes (TOML, by name or path), ``--set KEY=VALUE``, options of the command line, values of Python.
Out: a checked ``RunConfig``, or one ``ConfigError`` with every problem; a config as TOML.
"""

import ast
import inspect
import itertools
import json
import sys
import textwrap
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, cast, get_args, get_origin

from msgspec import Meta, ValidationError, convert

from manylabel import config as settings_module
from manylabel.config import EARLIER_NAMES, RunConfig
from manylabel.errors import ConfigError, did_you_mean

_COMMENT_WIDTH = 100
_EXPECTED = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    tuple: 'a list of text, none empty, e.g. ["a", "b"]',
}


def recipe_names() -> tuple[str, ...]:
    """List the recipes that come with manylabel."""
    return tuple(sorted(path.stem for path in _recipe_folder().glob("*.toml")))


def load_recipe(name_or_path: str, *, base: RunConfig | None = None) -> RunConfig:
    """Read a recipe that comes with manylabel, or any TOML file of settings.

    Args:
        name_or_path: Name of a recipe, e.g. ``"quick"``, or a ``.toml`` file, e.g. ``config.toml`` of a run.
        base: Settings that the recipe changes; the defaults if not given.

    Raises:
        ConfigError: There is no such recipe, it is not TOML, or keys or values are wrong.

    Examples:
        >>> load_recipe("study").model.names
        ('vgg16', 'googlenet', 'resnet50', 'vit_b_16')
    """
    path = _find_recipe(name_or_path)
    where = f"recipe {path.name if path.stem == name_or_path else path}"
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{where}: is not UTF-8 text") from error
    except OSError as error:
        raise ConfigError(f"{where}: cannot be read: {error.strerror}") from error
    return config_from_toml(text, base=base, where=where)


def _recipe_folder() -> Path:
    """Return the folder of the recipes: beside this file once installed, at the top of a checkout."""
    installed = Path(__file__).with_suffix("")
    return installed if installed.is_dir() else Path(__file__).parents[2] / "recipes"


def _find_recipe(name_or_path: str) -> Path:
    names = recipe_names()
    if name_or_path in names:
        return _recipe_folder() / f"{name_or_path}.toml"
    path = Path(name_or_path)
    if path.suffix == ".toml" or len(path.parts) > 1:
        return path
    known = f"{did_you_mean(name_or_path, names) or '.'} Known recipes: {', '.join(names)}"
    raise ConfigError(f"unknown recipe '{name_or_path}'{known}; or give a .toml file.")


def config_from_toml(text: str, *, base: RunConfig | None = None, where: str = "recipe") -> RunConfig:
    r"""Read settings from TOML.

    Args:
        text: What ``config_to_toml`` wrote, or any part of it.
        base: Settings that the text changes; the defaults if not given.
        where: Name of the text in errors.

    Raises:
        ConfigError: The text is not TOML, or keys or values are wrong.

    Examples:
        >>> config_from_toml("[training]\nepochs = 20").training.epochs
        20
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{where}: is not valid TOML: {error}") from error
    values: dict[str, object] = {}
    for key, value in document.items():
        if _today(key) in sections() and isinstance(value, dict):
            values |= {_today(f"{key}.{name}"): inner for name, inner in value.items()}
        else:
            values[key] = value
    return _replace(base if base is not None else RunConfig(), values, where=f"{where}: ")


def _today(key: str) -> str:
    section = key.partition(".")[0]
    return EARLIER_NAMES.get(key) or EARLIER_NAMES.get(section, section) + key.removeprefix(section)


def apply_settings(config: RunConfig, settings: Sequence[str]) -> RunConfig:
    """Change settings by texts of the form ``KEY=VALUE``; a later one wins.

    Args:
        config: The settings to change.
        settings: Each a key, an equals sign and a TOML value. Text needs no quotes, a list of text no
            brackets, and ``none`` removes a value.

    Raises:
        ConfigError: Keys or values are wrong; every problem.

    Examples:
        >>> config = apply_settings(RunConfig(), ["training.tune=full", "model.names=vgg16,resnet50"])
        >>> config.training.tune, config.model.names
        ('full', ('vgg16', 'resnet50'))
    """
    problems = []
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals:
            problems.append(f"--set {setting}: expected KEY=VALUE, e.g. training.epochs=20")
            continue
        try:
            name = _today(key.strip())
            config = _replace(config, {name: _parse(name, text)}, where=f"--set {setting}: ")
        except ConfigError as error:
            problems.append(str(error))
    _raise_all(problems)
    return config


def _parse(key: str, text: str) -> object:
    """Return the first reading of a text that the setting accepts, or the first if there is none."""
    readings: list[object] = []
    with suppress(tomllib.TOMLDecodeError):
        readings.append(tomllib.loads(f"value = {text}")["value"])
    readings += [None] if text.strip() == "none" else []
    readings += [text, text.split(",") if text else []]
    for reading in readings:
        with suppress(KeyError, ValidationError):
            convert(reading, all_settings()[key].kind)
            return reading
    return readings[0]


def replace_settings(config: RunConfig, values: Mapping[str, object]) -> RunConfig:
    """Change settings by their keys.

    Args:
        config: The settings to change.
        values: Values by key; those that are None are not changed.

    Raises:
        ConfigError: Keys or values are wrong; every problem.
    """
    return _replace(config, {key: value for key, value in values.items() if value is not None})


def check_config(config: RunConfig) -> None:
    """Check every setting of a config that was made in Python, and settings that exclude each other.

    Raises:
        ConfigError: Values are wrong; every problem.

    Examples:
        >>> from manylabel.config import SplitConfig
        >>> check_config(RunConfig(split=SplitConfig(folds=1)))
        Traceback (most recent call last):
        ...
        manylabel.errors.ConfigError: split.folds: given 1, expected a whole number, at least 2
    """
    _replace(config, {key: get_setting(config, key) for key in all_settings()})
    training, problems = config.training, []
    if training.split_layer is not None and training.tune != "top":
        problems.append(
            f"training.split_layer: given '{training.split_layer}', but it needs training.tune=top"
        )
    if training.alpha is not None and (training.tune == "head" or training.head_first is False):
        problems.append(
            f"training.alpha: given {training.alpha:g}, but it needs training.tune=top or full, and "
            "training.head_first; leave it out"
        )
    _raise_all(problems)


def config_to_toml(config: RunConfig) -> str:
    r"""Write a config as TOML with a comment for every setting; ``load_recipe`` reads it back.

    Values that are not given become comments, since TOML has no null.

    Examples:
        >>> print("\n".join(config_to_toml(RunConfig()).splitlines()[:4]))
        # Everything that determines a run.
        <BLANKLINE>
        # Folder for the report, the models and all other files of the run.
        out = "runs/latest"
    """
    texts = {"": [_comment(RunConfig.__doc__ or "")]} | {
        name: [f"{_comment(cls.__doc__ or '')}\n[{name}]"] for name, cls in sections().items()
    }
    for key, setting in all_settings().items():
        section, _, name = key.rpartition(".")
        value = get_setting(config, key)
        assignment = f"# {name} = (not given)" if value is None else f"{name} = {_toml(value)}"
        texts[section].append(f"{_comment(setting.help)}\n{assignment}")
    return "\n\n".join(itertools.chain(*texts.values())) + "\n"


def _comment(text: str) -> str:
    lines = textwrap.wrap(" ".join(text.split()), width=_COMMENT_WIDTH - 2, break_on_hyphens=False)
    return "\n".join(f"# {line}" for line in lines)


def _toml(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case str():
            # JSON strings are TOML strings, except that TOML does not allow DEL.
            return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
        case tuple() | list():
            return f"[{', '.join(map(_toml, value))}]"
        case _:
            return str(value)


@dataclass(frozen=True)
class Setting:
    """One setting: its key, its type with its range, its help."""

    key: str
    kind: Any
    help: str

    @property
    def limits(self) -> Meta:
        """The range of a value that is given."""
        return next(iter(getattr(without_none(self.kind), "__metadata__", ())), Meta())

    @property
    def is_unique(self) -> bool:
        """Whether a list must not name anything twice."""
        return self.limits.extra is not None

    def expected(self, value: object) -> str:
        """Describe what would have been right in place of a value."""
        kind = without_none(self.kind)
        if get_origin(kind) is Literal:
            hint = did_you_mean(value, get_args(kind)) if isinstance(value, str) else ""
            return f"one of {', '.join(map(repr, get_args(kind)))}{hint}"
        if self.limits.min_length:
            return (
                f"{_EXPECTED[tuple]}; at least one name, none twice" if self.is_unique else "text, not empty"
            )
        return f"{_EXPECTED[getattr(kind, '__origin__', kind)]}{_range(self.limits)}"


def without_none(kind: Any) -> Any:
    """Return X of ``X | None``."""
    return get_args(kind)[0] if get_origin(kind) in (UnionType, Union) else kind


def _range(limits: Meta) -> str:
    low, high = (
        (limits.gt if limits.ge is None else limits.ge),
        (limits.lt if limits.le is None else limits.le),
    )
    if low is None:
        return ""
    if high in (None, sys.float_info.max):
        return f", above {low}" if limits.ge is None else f", at least {low}"
    return f" in {'(' if limits.ge is None else '['}{low}, {high}{')' if limits.le is None else ']'}"


@cache
def sections() -> dict[str, type]:
    """Return the sections of a config, class by name."""
    return {field.name: cast(type, field.type) for field in fields(RunConfig) if is_dataclass(field.type)}


@cache
def all_settings() -> dict[str, Setting]:
    """Return every setting by its key.

    Examples:
        >>> all_settings()["training.batch_size"].help
        'Photos per step. Range: at least 1.'
    """
    tree = ast.parse(inspect.getsource(settings_module))
    bodies = {node.name: node.body for node in tree.body if isinstance(node, ast.ClassDef)}
    classes = {"": RunConfig, **{f"{name}.": section for name, section in sections().items()}}
    found = (_settings_of(cls, bodies[cls.__name__], prefix) for prefix, cls in classes.items())
    return {setting.key: setting for setting in itertools.chain(*found)}


def _settings_of(cls: type, body: Sequence[ast.stmt], prefix: str) -> Iterator[Setting]:
    """Yield the settings of a class; the text under a field and the field's range are its help."""
    kinds = {field.name: field.type for field in fields(cls)}
    for statement, following in itertools.pairwise(body):
        match statement, following:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                setting = Setting(prefix + name, kinds[name], " ".join(text.split()))
                limits = _range(setting.limits).removeprefix(" in ").removeprefix(", ")
                yield replace(setting, help=f"{setting.help} Range: {limits}.") if limits else setting


def get_setting(config: RunConfig, key: str) -> Any:
    """Return the value of one setting."""
    section, _, name = key.rpartition(".")
    return getattr(getattr(config, section) if section else config, name)


def check_setting(key: str, value: object) -> object:
    """Convert a value to the type of a setting, e.g. a list to a tuple.

    Args:
        key: Name of the setting, e.g. ``"training.epochs"``.
        value: The given value, or None.

    Raises:
        ConfigError: There is no such setting, or the value has the wrong type or is out of range.

    Examples:
        >>> check_setting("model.names", ["vgg16"])
        ('vgg16',)
    """
    if key not in all_settings():
        raise ConfigError(_unknown_key(key))
    setting = all_settings()[key]
    try:
        converted: Any = convert(value, setting.kind)
        if setting.is_unique and len(set(converted)) < len(converted):
            raise ValidationError
    except ValidationError as error:
        raise ConfigError(f"{key}: given {show(value)}, expected {setting.expected(value)}") from error
    return converted


def show(value: object) -> str:
    """Write a value as in TOML: true and none instead of True and None.

    Examples:
        >>> show(True), show("head"), show(None)
        ('true', "'head'", 'none')
    """
    return str(value).lower() if value is None or isinstance(value, bool) else repr(value)


def _unknown_key(key: str) -> str:
    """Name a key, and what was probably meant: the same name elsewhere, or a similar one here."""
    known = list(all_settings())
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


def _replace(config: RunConfig, values: Mapping[str, object], *, where: str = "") -> RunConfig:
    """Change settings by key; raise one error with every problem."""
    changes: dict[str, dict[str, Any]] = {}
    problems = []
    for key, value in values.items():
        section, _, name = key.rpartition(".")
        try:
            changes.setdefault(section, {})[name] = check_setting(key, value)
        except ConfigError as error:
            problems.append(f"{where}{error}")
    _raise_all(problems)
    top = changes.pop("", {})
    top |= {name: replace(getattr(config, name), **inner) for name, inner in changes.items()}
    return replace(config, **top)


def _raise_all(problems: Sequence[str]) -> None:
    if problems:
        raise ConfigError("\n".join(problems))
