"""The options that commands share; the help of most is the text under the setting in config.py.

In:  what the user typed.
Out: the settings of a run.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol

import typer

from manylabel.config import (
    BlankMeaning,
    DataConfig,
    DeviceName,
    FormatName,
    HeadName,
    InitName,
    MissingPhotos,
    ModelConfig,
    PrecisionName,
    RunConfig,
    SplitConfig,
    TrainingConfig,
    TuneName,
)
from manylabel.engines.registry import ENGINES
from manylabel.errors import ConfigError, OutputError
from manylabel.recipes import apply_settings, field_docs, load_recipe, replace_settings

if TYPE_CHECKING:
    from manylabel.bundle.threshold_files import ThresholdSource


class Entry(Protocol):
    """An entry of a registry."""

    @property
    def help(self) -> str:
        """Describe it to the user."""


DEFAULT_RECIPE = "standard"


def _of(section: type, name: str, *flags: str, metavar: str | None = None) -> Any:
    """Make an option of a setting, with the setting's own text as help."""
    return typer.Option(*flags, help=field_docs(section)[name], metavar=metavar, show_default=False)


def _of_table(name: str, flag: str, metavar: str | None = None) -> Any:
    return _of(DataConfig, name, flag, metavar=metavar)


def of_registry(entries: Mapping[str, Entry], *flags: str, help: str) -> Any:  # noqa: A002 - as typer calls it
    """Make an option whose values are the names of a registry, each with its own help."""

    def check(value: str | None) -> str | None:
        if value is not None and value not in entries:
            raise typer.BadParameter(f"'{value}' is not one of {', '.join(map(repr, entries))}.")
        return value

    each = "; ".join(f"{name}: {entry.help}" for name, entry in entries.items())
    return typer.Option(*flags, help=f"{help}. {each}.", metavar=f"<{'|'.join(entries)}>", callback=check)


Photos = Annotated[
    Path, typer.Argument(help=field_docs(DataConfig)["photos"], metavar="PHOTOS", show_default=False)
]
Labels = Annotated[
    Path | None, typer.Argument(help=field_docs(DataConfig)["labels"], metavar="LABELS", show_default=False)
]
Bundle = Annotated[
    Path, typer.Argument(help="Folder that training wrote.", metavar="BUNDLE", show_default=False)
]
_TABLE_OPTIONS: dict[str, Any] = {
    "format": Annotated[FormatName | None, _of_table("format", "--format", "NAME")],
    "delimiter": Annotated[str | None, _of_table("delimiter", "--delimiter", "TEXT")],
    "photo_column": Annotated[str | None, _of_table("photo_column", "--photo-column", "NAME")],
    "label_columns": Annotated[list[str] | None, _of_table("label_columns", "--label-columns", "NAME,...")],
    "ignore": Annotated[list[str] | None, _of_table("ignore", "--ignore", "NAME,...")],
    "sheet": Annotated[str | None, _of_table("sheet", "--sheet", "NAME")],
    "header_row": Annotated[int | None, _of_table("header_row", "--header-row", "N")],
    "blank": Annotated[BlankMeaning | None, _of_table("blank", "--blank")],
    "missing": Annotated[MissingPhotos | None, _of_table("missing", "--missing")],
    "min_photos": Annotated[int | None, _of_table("min_photos", "--min-photos", "N")],
}
"""The options of every command that reads labels, each a field of ``DataConfig``."""

Head = Annotated[HeadName | None, _of(ModelConfig, "head", "--head")]
Init = Annotated[InitName | None, _of(ModelConfig, "init", "--init")]
Weights = Annotated[list[str] | None, _of(ModelConfig, "weights", "--weights", metavar="[NAME=]FILE")]
Tune = Annotated[TuneName | None, _of(TrainingConfig, "tune", "--tune")]
Epochs = Annotated[int | None, _of(TrainingConfig, "epochs", "--epochs", metavar="N")]
Engine = Annotated[str | None, of_registry(ENGINES, "--engine", help="What computes")]
Precision = Annotated[
    PrecisionName | None,
    typer.Option(
        "--precision",
        help="Numbers to compute in: auto takes bf16 where the processor has it, which is faster and rounds: "
        "a probability moves by 0.01 or so, now and then by 0.1.",
    ),
]
Threshold = Annotated[
    list[str] | None,
    typer.Option(
        "--threshold",
        help="Give a label from this probability on, in place of the bundle's threshold; may be given again.",
        metavar="LABEL=VALUE",
        show_default=False,
    ),
]
ThresholdsFile = Annotated[
    Path | None,
    typer.Option(
        "--thresholds",
        help="Table of thresholds in place of the bundle's: a CSV file with the columns label and threshold, "
        "as `manylabel thresholds --out` writes it; --threshold wins over it.",
        metavar="FILE",
        show_default=False,
    ),
]
Device = Annotated[DeviceName | None, _of(TrainingConfig, "device", "--device")]
Folds = Annotated[int | None, _of(SplitConfig, "folds", "--folds", metavar="K")]
Seed = Annotated[int | None, _of(RunConfig, "seed", "--seed", metavar="N")]
Overwrite = Annotated[bool, _of(RunConfig, "overwrite", "--overwrite")]
Recipe = Annotated[
    str,
    typer.Option(
        "--recipe",
        help="Settings to start from: standard, quick, study, demo, or a .toml file as every run saves one.",
        metavar="NAME|FILE",
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        help="Any other setting, e.g. training.batch_size=16; may be given again.",
        metavar="KEY=VALUE",
    ),
]


KEYS = {
    "photos": "data.photos",
    "labels": "data.labels",
    **{name: f"data.{name}" for name in _TABLE_OPTIONS},
    "models": "model.names",
    "model": "model.names",
    "head": "model.head",
    "init": "model.init",
    "weights": "model.weights",
    "tune": "training.tune",
    "epochs": "training.epochs",
    "device": "training.device",
    "folds": "split.folds",
    "seed": "seed",
    "out": "out",
}
"""The setting behind each option of the commands that train."""


def reads_table(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that say how a table of labels is read.

    Args:
        command: Gets them as the argument ``form``, if it has one.
    """
    signature = inspect.signature(command)
    own = [parameter for parameter in signature.parameters.values() if parameter.name != "form"]
    more = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=kind)
        for name, kind in _TABLE_OPTIONS.items()
    ]

    @wraps(command)
    def run(**given: Any) -> None:
        told = {name: _plain(name, given.pop(name)) for name in _TABLE_OPTIONS}
        given_keys = {f"data.{name}": value for name, value in told.items() if value is not None}
        form = replace_settings(RunConfig(), given_keys).data
        command(**given, **({"form": form} if "form" in signature.parameters else {}))

    parameters = [*own, *more]
    run.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


def check_ending(out: Path | None, ending: str) -> None:
    """Check the ending of a file to write, if one was given.

    Raises:
        OutputError: It is another one.
    """
    if out is not None and out.suffix.lower() != ending:
        raise OutputError(f"{out}: unknown ending '{out.suffix}'; known: {ending}")


def read_threshold_options(
    file: Path | None, singles: Sequence[str] | None
) -> "list[ThresholdSource] | None":
    """Return the thresholds that a user gives in place of the bundle's; None where there are none.

    Raises:
        ConfigError: One is not LABEL=VALUE.
    """
    given = dict[str, float | str]()
    for text in singles or ():
        label, mark, value = text.rpartition("=")  # a label may have an equals sign in it
        if not mark:
            raise ConfigError(f"--threshold {text}: expected LABEL=VALUE, e.g. --threshold beach=0.7")
        given[label] = value
    sources: list[ThresholdSource] = []
    if file is not None:
        sources.append(file)
    if given:
        sources.append(given)
    return sources or None


def configure(given: Mapping[str, Any]) -> RunConfig:
    """Put the options of a command that trains on its recipe.

    Args:
        given: Value of each option by its name; None where it was not given.

    Raises:
        ConfigError: A recipe, key or value is wrong.
    """
    values = {key: _plain(option, given[option]) for option, key in KEYS.items() if option in given}
    values = {key: value for key, value in values.items() if value is not None}
    if given["overwrite"]:
        values["overwrite"] = True
    config = replace_settings(load_recipe(given["recipe"]), values)
    return apply_settings(config, given["set_"] or ())


def _plain(option: str, value: Any) -> object:
    """Turn paths into text, repeated options and names joined by commas into tuples."""
    match option, value:
        case _, Path():
            return str(value)
        case "models" | "model", str():
            return _split_names(value)
        case "label_columns" | "ignore", list():
            return tuple(name for text in value for name in _split_names(text)) or None
        case _, list():
            return tuple(value) if value else None
        case _:
            return value


def _split_names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())
