"""The options that commands share; the options of settings take type and help from ``config.py``.

In:  what the user typed.
Out: the settings of a run, how a table of labels is read, thresholds.
"""

import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol, get_args, get_origin

import typer
from typer.core import TyperCommand, TyperOption

from manylabel.config import DeviceName, HeadName, PrecisionName, RunConfig
from manylabel.data.find import check_folder, missing_file
from manylabel.engines.registry import ENGINES
from manylabel.errors import ConfigError, InputError, OutputError, did_you_mean
from manylabel.io.folders import check_free
from manylabel.recipes import all_settings, apply_settings, load_recipe, replace_settings, without_none

if TYPE_CHECKING:
    from manylabel.bundle.tables import ThresholdSource


class Entry(Protocol):
    """An entry of a registry."""

    @property
    def help(self) -> str:
        """Describe it to the user."""


DEFAULT_RECIPE = "standard"


def _help(key: str) -> str:
    return all_settings()[key].help


def of_registry(entries: Mapping[str, Entry], *flags: str, help: str) -> Any:  # noqa: A002 - as typer calls it
    """Make an option whose values are the names of a registry, each with its own help."""
    each = "; ".join(f"{name}: {entry.help}" for name, entry in entries.items())
    return one_of(tuple(entries), *flags, help=f"{help}. {each}.")


def one_of(names: Sequence[str], *flags: str, help: str) -> Any:  # noqa: A002 - as typer calls it
    """Make an option whose values are some names."""

    def parse(value: str) -> str:
        if value not in names:
            known = ", ".join(names)
            raise typer.BadParameter(f"'{value}' is not one of {known}{did_you_mean(value, names) or '.'}")
        return value

    return typer.Option(*flags, help=help, metavar=f"<{'|'.join(names)}>", parser=parse, show_default=False)


Photos = Annotated[Path, typer.Argument(help=_help("data.photos"), metavar="PHOTOS", show_default=False)]
Labels = Annotated[
    Path | None, typer.Argument(help=_help("data.labels"), metavar="LABELS", show_default=False)
]
Bundle = Annotated[
    Path, typer.Argument(help="Folder of a trained model.", metavar="BUNDLE", show_default=False)
]


class TableCommand(TyperCommand):
    """A command whose help describes the formats of labels, if it reads any."""

    def get_help(self, ctx: Any) -> str:
        """Return the help text; the formats are loaded here only, as nothing else of a command needs them."""
        for option in self.params:
            if option.name == "format" and isinstance(option, TyperOption):
                from manylabel.data.formats.registry import describe_formats

                option.help = f"{_help('data.format')} {describe_formats()}."
        return super().get_help(ctx)


Head = Annotated[HeadName | None, one_of(get_args(HeadName), "--head", help=_help("model.head"))]
Device = Annotated[DeviceName | None, one_of(get_args(DeviceName), "--device", help=_help("training.device"))]
Engine = Annotated[str | None, of_registry(ENGINES, "--engine", help="Engine that runs the model")]
Precision = Annotated[
    PrecisionName | None,
    one_of(
        get_args(PrecisionName),
        "--precision",
        help="Precision of the computation. auto: bf16 if the processor supports it, which is faster; "
        "probabilities typically change by 0.01, rarely by 0.1.",
    ),
]
Threshold = Annotated[
    list[str] | None,
    typer.Option(
        "--threshold",
        help="Threshold of a label, in place of the model's; may be repeated.",
        metavar="LABEL=VALUE",
        show_default=False,
    ),
]
ThresholdsFile = Annotated[
    Path | None,
    typer.Option(
        "--thresholds",
        help="CSV file with the columns label and threshold, in place of the model's thresholds; `manylabel "
        "thresholds --out` writes one. --threshold overrides it.",
        metavar="FILE",
        show_default=False,
    ),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the file of --out if it exists.")]
RayAddress = Annotated[
    str | None,
    typer.Option(
        "--ray-address",
        help="Address of the cluster: HOST:PORT, or auto on one of its nodes. Default: RAY_ADDRESS, or this "
        "machine alone.",
        metavar="ADDRESS",
    ),
]


def _parameter(key: str, metavar: str | None = None) -> inspect.Parameter:
    """Make the option of a setting; not given, it is None."""
    setting, name = all_settings()[key], key.rpartition(".")[2]
    kind = without_none(setting.kind)
    kind = getattr(kind, "__origin__", kind) if get_origin(kind) is Annotated else kind
    kind = list[str] if get_origin(kind) is tuple else kind
    flag = f"--{name.replace('_', '-')}"
    if get_origin(kind) is Literal:
        option = one_of(get_args(kind), flag, help=setting.help)
    else:
        option = typer.Option(flag, help=setting.help, metavar=metavar, show_default=False)
    return _keyword(name, Annotated[kind | None, option])


def _keyword(name: str, kind: object, default: object = None) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)


_TABLE_OPTIONS = {
    "data.format": "NAME",
    "data.delimiter": "TEXT",
    "data.photo_column": "NAME",
    "data.label_columns": "NAME,...",
    "data.ignore": "NAME,...",
    "data.sheet": "NAME",
    "data.header_row": "N",
    "data.blank": None,
    "data.missing": None,
    "data.min_photos": "N",
}
"""The settings that are options of every command that reads labels, and what stands for their value."""

_TRAINING_OPTIONS = {
    "training.tune": None,
    "model.head": None,
    "model.init": None,
    "model.weights": "[NAME=]FILE",
    "split.folds": "K",
    "training.epochs": "N",
    "training.device": None,
    "seed": "N",
    "overwrite": None,
    "fresh": None,
}
"""The settings that are options of the commands that train."""

_RECIPE = typer.Option(
    "--recipe",
    help="Settings to start from: standard, quick, study, demo, or a .toml file, such as the config.toml of "
    "a run.",
    metavar="NAME|FILE",
)
_SET = typer.Option(
    "--set", help="Any other setting, e.g. training.batch_size=16; may be repeated.", metavar="KEY=VALUE"
)


@dataclass(frozen=True)
class TrainingOptions:
    """The options of a command that trains.

    Attributes:
        recipe: Name or file of the recipe.
        values: Settings by key, None where an option is not given.
        changes: Texts of the form ``KEY=VALUE``.
    """

    recipe: str
    values: Mapping[str, object]
    changes: Sequence[str]

    def configure(
        self, photos: Path, labels: Path | None, *, models: str | None, out: Path | None
    ) -> RunConfig:
        """Return the settings of the run.

        Args:
            photos: Folder of the photos.
            labels: Table of labels, if given.
            models: Names of backbones, joined by commas, if given.
            out: Folder to write to, if given.

        Raises:
            ConfigError: A recipe, key or value is wrong.
        """
        own = {
            "data.photos": str(photos),
            "data.labels": None if labels is None else str(labels),
            "model.names": None if models is None else _split_names([models]),
            "out": None if out is None else str(out),
        }
        return apply_settings(
            replace_settings(load_recipe(self.recipe), {**own, **self.values}), self.changes
        )


def reads_table(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options for reading a table of labels; the command gets a ``DataConfig`` as ``form``."""
    return _add_options(
        command,
        {key: _parameter(key, metavar) for key, metavar in _TABLE_OPTIONS.items()},
        form=lambda values: replace_settings(RunConfig(), values).data,
    )


def trains(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options for training; the command gets ``TrainingOptions`` as ``options``."""
    training, table = (
        {key: _parameter(key, metavar) for key, metavar in group.items()}
        for group in (_TRAINING_OPTIONS, _TABLE_OPTIONS)
    )
    return _add_options(
        command,
        {
            "recipe": _keyword("recipe", Annotated[str, _RECIPE], DEFAULT_RECIPE),
            **training,
            "changes": _keyword("set_", Annotated[list[str] | None, _SET]),
            **table,
        },
        options=lambda values: TrainingOptions(
            recipe=str(values["recipe"]),
            changes=tuple(values["changes"] or ()),
            values={key: values[key] for key in (*training, *table)},
        ),
    )


def _add_options(
    command: Callable[..., None],
    added: Mapping[str, inspect.Parameter],
    **collect: Callable[[Mapping[str, Any]], object],
) -> Callable[..., None]:
    """Give a command options of which it gets one value.

    Args:
        command: Has a parameter for that value, in whose place the options come.
        added: The options by key.
        collect: By the name of that parameter, what makes the value of the values of the options.
    """
    ((argument, make),) = collect.items()
    signature = inspect.signature(command)
    own = [parameter for parameter in signature.parameters.values() if parameter.name != argument]

    @wraps(command)
    def run(**given: Any) -> None:
        values = {key: _plain(key, given.pop(parameter.name)) for key, parameter in added.items()}
        command(**given, **{argument: make(values)})

    parameters = [*own, *added.values()]
    run.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


def _plain(key: str, value: Any) -> object:
    """Turn repeated options, and columns joined by commas, into tuples; None where nothing is given."""
    if not isinstance(value, list):
        return value
    return (_split_names(value) if key in ("data.label_columns", "data.ignore") else tuple(value)) or None


def _split_names(texts: Sequence[str]) -> tuple[str, ...]:
    return tuple(name.strip() for text in texts for name in text.split(",") if name.strip())


def check_ray_address(address: str | None, *, on: str) -> None:
    """Check that an address of a cluster is given only where one is used.

    Raises:
        ConfigError: It is given without --on ray.
    """
    if address is not None and on != "ray":
        raise ConfigError("--ray-address needs --on ray")


def check_run(config: RunConfig) -> None:
    """Check the paths of a run before torch is loaded, which takes seconds.

    Raises:
        InputError: The photos or the table do not exist.
        OutputError: The output folder exists and may not be replaced.
    """
    check_folder(Path(config.data.photos))
    check_exist([Path(config.data.labels)] if config.data.labels else [])
    if not config.overwrite:
        check_free(Path(config.out), replaces=None)


def check_exist(paths: Sequence[Path]) -> None:
    """Check that everything named on the command line exists, before any work.

    Raises:
        InputError: Something is missing; one line each.
    """
    if missing := [path for path in paths if not os.path.lexists(path)]:
        raise InputError("\n".join(map(missing_file, missing)))


def check_file(
    out: Path | None,
    *,
    ending: str,
    overwrite: bool,
    inputs: Sequence[Path | None] = (),
    bundle: Path | None = None,
) -> None:
    """Check a file to write, if one is given, before any work.

    Args:
        out: The file.
        ending: Its extension.
        overwrite: Whether it may replace another one.
        inputs: As for ``check_replaceable``.
        bundle: As for ``check_replaceable``.

    Raises:
        OutputError: It has another extension, or as ``check_replaceable``.
    """
    if out is None:
        return
    if out.suffix.lower() != ending:
        raise OutputError(f"{out}: unknown file extension '{out.suffix}'; known: {ending}")
    check_replaceable(out, overwrite=overwrite, inputs=inputs, bundle=bundle)


def check_replaceable(
    out: Path, *, overwrite: bool, inputs: Sequence[Path | None] = (), bundle: Path | None = None
) -> None:
    """Check that writing a file replaces nothing against the user's will.

    Args:
        out: The file.
        overwrite: Whether it may replace another one.
        inputs: Files that the command reads.
        bundle: The model that it uses.

    Raises:
        OutputError: It exists and may not be replaced, is an input, or lies in the bundle.
    """
    if not out.is_file():
        return
    if any(given is not None and out.resolve() == given.resolve() for given in inputs):
        raise OutputError(f"{out}: is read by this command; choose another file")
    if bundle is not None and out.resolve().is_relative_to(bundle.resolve()):
        raise OutputError(f"{out}: is in the folder of the model; choose another file")
    if not overwrite:
        raise OutputError(f"{out}: already exists; choose another file, or replace it with --overwrite")


def read_threshold_options(
    file: Path | None, singles: Sequence[str] | None
) -> "list[ThresholdSource] | None":
    """Return the thresholds that replace those of the bundle; None if there are none.

    Raises:
        ConfigError: One is not LABEL=VALUE.
    """
    given = dict[str, float | str]()
    for text in singles or ():
        label, mark, value = text.rpartition("=")  # a label may contain an equals sign
        if not mark:
            raise ConfigError(f"--threshold {text}: expected LABEL=VALUE, e.g. --threshold beach=0.7")
        given[label] = value
    sources: list[ThresholdSource] = []
    if file is not None:
        sources.append(file)
    if given:
        sources.append(given)
    return sources or None
