"""Read and write the settings of a run.

In:  recipes (TOML, by name or path), ``--set KEY=VALUE`` and the command line's options.
Out: a checked ``RunConfig``, or one ``ConfigError`` with everything that is wrong; a config as TOML.
"""

import ast
import inspect
import itertools
import json
import sys
import textwrap
import tomllib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from manylabel.config import RunConfig
from manylabel.errors import ConfigError, did_you_mean
from manylabel.settings import check_setting, get_setting, has_type, sections, setting_kinds

_COMMENT_WIDTH = 100


def recipe_names() -> tuple[str, ...]:
    """List the recipes that come with manylabel.

    Examples:
        >>> "quick" in recipe_names()
        True
    """
    return tuple(sorted(path.stem for path in _recipe_folder().glob("*.toml")))


def load_recipe(name_or_path: str, *, base: RunConfig | None = None) -> RunConfig:
    """Read a recipe that comes with manylabel, or any TOML file of settings.

    Args:
        name_or_path: Name of a recipe, e.g. ``"quick"``, or a ``.toml`` file, e.g. ``config.toml`` of a run.
        base: What the settings are put on; not given: the defaults.

    Raises:
        ConfigError: There is no such recipe, it is no TOML, or keys or values are wrong; all of them at once.

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


def config_from_toml(text: str, *, base: RunConfig | None = None, where: str = "recipe") -> RunConfig:
    r"""Read settings from TOML.

    Args:
        text: What ``config_to_toml`` wrote, or any part of it.
        base: What the settings are put on; not given: the defaults.
        where: What the text is called in errors.

    Raises:
        ConfigError: The text is no TOML, or its keys or values are wrong; all problems at once.

    Examples:
        >>> config_from_toml("[training]\nepochs = 20").training.epochs
        20
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{where}: is no valid TOML: {error}") from error
    values: dict[str, object] = {}
    for key, value in document.items():
        if key in sections() and isinstance(value, dict):
            values |= {f"{key}.{name}": inner for name, inner in value.items()}
        else:
            values[key] = value
    return _replace(base if base is not None else RunConfig(), values, where=where)


def apply_settings(config: RunConfig, settings: Sequence[str]) -> RunConfig:
    """Put settings of the form ``KEY=VALUE`` on a config; a later one wins.

    Args:
        config: What the settings are put on.
        settings: Each a key, an equals sign and a TOML value. Text needs no quotes, a list of text no
            brackets, and ``none`` takes a value away.

    Raises:
        ConfigError: A key or value is wrong; all problems at once.

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
            config = _replace(config, {key.strip(): _parse(key.strip(), text)}, where=f"--set {setting}")
        except ConfigError as error:
            problems.append(str(error))
    _raise_all(problems)
    return config


def replace_settings(config: RunConfig, values: Mapping[str, object]) -> RunConfig:
    """Put values on a config by their keys, for options of the command line.

    Args:
        config: What the values are put on.
        values: Values by key; None means that an option was not given, and changes nothing.

    Raises:
        ConfigError: A key or value is wrong; all problems at once.

    Examples:
        >>> replace_settings(RunConfig(), {"training.epochs": 20, "seed": None}).training.epochs
        20
    """
    return _replace(config, {key: value for key, value in values.items() if value is not None})


def check_config(config: RunConfig) -> None:
    """Check the type and the range of every setting, for configs that were made in Python.

    Raises:
        ConfigError: All values that are wrong.

    Examples:
        >>> from manylabel.config import SplitConfig
        >>> check_config(RunConfig(split=SplitConfig(folds=1)))
        Traceback (most recent call last):
        ...
        manylabel.errors.ConfigError: split.folds: given 1, expected at least 2
    """
    _replace(config, {key: get_setting(config, key) for key in setting_kinds()})
    training, problems = config.training, []
    if training.cut is not None and training.tune != "top":
        problems.append(
            f"training.cut: given '{training.cut}', but only training.tune=top cuts a backbone, "
            f"not {training.tune}"
        )
    if training.learned_share is not None and (training.tune == "head" or training.head_first is False):
        problems.append(
            f"training.learned_share: given {training.learned_share:g}, but it is for training.tune=top or "
            "full after a head that learned first; leave it out"
        )
    if problems:
        raise ConfigError("\n".join(problems))


def config_to_toml(config: RunConfig) -> str:
    r"""Write a config as TOML that explains itself; ``load_recipe`` reads it back.

    Values that are not given become comments, since TOML has no word for nothing.

    Examples:
        >>> print("\n".join(config_to_toml(RunConfig()).splitlines()[:4]))
        # Everything that decides a run.
        <BLANKLINE>
        # Folder for the report, the models and everything else that a run writes.
        out = "runs/latest"
    """
    blocks = [_comment(RunConfig.__doc__ or "")]
    blocks += _settings_of(config)
    for name, section in sections().items():
        blocks.append(f"{_comment(section.__doc__ or '')}\n[{name}]")
        blocks += _settings_of(getattr(config, name))
    return "\n\n".join(blocks) + "\n"


def field_docs(cls: type) -> dict[str, str]:
    """Read the text under each field of a class: its help, its TOML comment and its reference entry.

    Args:
        cls: One of the classes of ``config.py``.

    Examples:
        >>> field_docs(RunConfig)["overwrite"]
        'Replace an earlier run in `out` once the new one is complete; a folder with other files is refused.'
    """
    body = _class_bodies(cls.__module__)[cls.__name__]
    docs = {}
    for statement, following in itertools.pairwise(body):
        match statement, following:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                docs[name] = " ".join(text.split())
    return docs


@cache
def _class_bodies(module: str) -> dict[str, list[ast.stmt]]:
    tree = ast.parse(inspect.getsource(sys.modules[module]))
    return {node.name: node.body for node in tree.body if isinstance(node, ast.ClassDef)}


def _recipe_folder() -> Path:
    """Return where the recipes lie: beside this file once installed, at the top of a checkout."""
    installed = Path(__file__).with_suffix("")
    return installed if installed.is_dir() else Path(__file__).parents[2] / "recipes"


def _find_recipe(name_or_path: str) -> Path:
    names = recipe_names()
    if name_or_path in names:
        return _recipe_folder() / f"{name_or_path}.toml"
    path = Path(name_or_path)
    if path.suffix == ".toml" or len(path.parts) > 1:
        return path
    hint = did_you_mean(name_or_path, names) or "."
    known = ", ".join(names)
    raise ConfigError(f"unknown recipe '{name_or_path}'{hint} Known recipes: {known}; or give a .toml file.")


def _replace(config: RunConfig, values: Mapping[str, object], *, where: str = "") -> RunConfig:
    """Put checked values on a config by key; raise one error with the problems of all of them."""
    changes: dict[str, dict[str, Any]] = {}
    problems = []
    for key, value in values.items():
        section, _, name = key.rpartition(".")
        try:
            changes.setdefault(section, {})[name] = check_setting(key, value)
        except ConfigError as error:
            problems.append(f"{where}: {error}" if where else str(error))
    _raise_all(problems)
    top = changes.pop("", {})
    top |= {name: replace(getattr(config, name), **inner) for name, inner in changes.items()}
    return replace(config, **top)


def _raise_all(problems: Sequence[str]) -> None:
    if problems:
        raise ConfigError("\n".join(problems))


def _parse(key: str, text: str) -> object:
    """Read the value of ``--set``: the first reading of the text that has the type of the setting.

    Where none has, the first is returned, so that the error shows what TOML made of the text.
    """
    readings: list[object] = []
    with suppress(tomllib.TOMLDecodeError):
        readings.append(tomllib.loads(f"value = {text}")["value"])
    readings += [None] if text.strip() == "none" else []
    readings += [text, text.split(",") if text else []]
    return next((reading for reading in readings if has_type(key, reading)), readings[0])


def _comment(text: str) -> str:
    words = " ".join(text.split())
    return textwrap.fill(words, width=_COMMENT_WIDTH, initial_indent="# ", subsequent_indent="# ")


def _settings_of(section: object) -> list[str]:
    """Write each setting of a section with its text above it."""
    docs = field_docs(type(section))
    return [f"{_comment(text)}\n{_assignment(name, getattr(section, name))}" for name, text in docs.items()]


def _assignment(name: str, value: object) -> str:
    return f"# {name} = (not given)" if value is None else f"{name} = {_toml(value)}"


def _toml(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case str():
            # JSON's strings are TOML's, but for DEL, which JSON lets stand.
            return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
        case tuple() | list():
            return f"[{', '.join(map(_toml, value))}]"
        case _:
            return str(value)
