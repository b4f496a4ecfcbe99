"""The program ``manylabel``.

In:  the command line.
Out: exit code 0; 2 with one message if the input cannot be used, or memory or a disk is full; 130 if
     stopped by Ctrl-C, 143 if stopped by the system.
"""

import errno
import re
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from importlib import import_module
from typing import Any

import typer

from manylabel import __version__
from manylabel.cli.console import allow_any_text, mute, show_error, unmute_errors
from manylabel.cli.options import TableCommand
from manylabel.errors import ConfigError, ManylabelError, OutputError, visible
from manylabel.processes import count_processes, process_number

COMMANDS = (
    "check",
    "app",
    "labels",
    "compare",
    "train",
    "evaluate",
    "predict",
    "explain",
    "suggest",
    "thresholds",
    "export",
    "verify",
    "serve",
    "models",
    "sample",
    "cache",
)
"""The commands, in the order of ``--help``: each a function in the module of the same name."""

_IN_SEVERAL_PROCESSES = ("compare", "train")

app = typer.Typer(
    help="Train and compare multi-label image classifiers from a folder of photos and a table of labels.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


# The wording of torch on CPUs and GPUs, of OpenVINO, and of C++ itself.
_OUT_OF_MEMORY = re.compile(
    r"out of memory|can(no|')t allocate memory|not enough memory|bad[ _]alloc|failed to allocate",
    re.IGNORECASE,
)


class Stopped(Exception):
    """A stop by the user, by Ctrl-C, or by the system."""


class Terminated(KeyboardInterrupt):
    """A stop by the system, or by a terminal that was closed; it cleans up as Ctrl-C does."""


def check_alone(name: str) -> None:
    """Check that a command that runs in one process was not started in several.

    Raises:
        ConfigError: It was.
    """
    if count_processes() > 1 and name not in _IN_SEVERAL_PROCESSES:
        raise ConfigError(
            f"manylabel {name} runs in one process; start it without accelerate launch or torchrun"
        )


def stoppable(command: Callable[..., None]) -> Callable[..., None]:
    """Make Ctrl-C reach ``main``; typer would end the program silently, older versions with code 1."""

    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        check_alone(command.__name__)
        try:
            command(*args, **kwargs)
        except KeyboardInterrupt as error:
            raise Stopped from error

    return run


for name in COMMANDS:
    app.command(cls=TableCommand)(stoppable(getattr(import_module(f"manylabel.cli.{name}"), name)))


def show_version(wanted: bool) -> None:
    """Print the version and stop."""
    if wanted:
        print(f"manylabel {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: bool = typer.Option(
        False, "--version", callback=show_version, is_eager=True, help="Show the version."
    ),
) -> None:
    """Train and compare multi-label image classifiers from a folder of photos and a table of labels."""


@contextmanager
def terminable() -> Iterator[None]:
    """Raise ``Terminated`` on signals that would end the program at once and leave half-written files."""
    stops = (signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM))
    ours = [stop for stop in {*stops} if signal.getsignal(stop) is signal.SIG_DFL]  # nohup ignores some
    for stop in ours:
        signal.signal(stop, _terminate)
    try:
        yield
    finally:
        for stop in ours:
            signal.signal(stop, signal.SIG_DFL)


def _terminate(number: int, _frame: object) -> None:
    raise Terminated(number)


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error means that memory is full; libraries have no class of their own for it."""
    match error:
        case MemoryError():
            return True
        case OSError():
            return error.errno == errno.ENOMEM
        case _:
            return _OUT_OF_MEMORY.search(str(error)) is not None


def show_out_of_memory(error: BaseException) -> None:
    """Report that memory is full, and what needs less."""
    reason = str(error).strip().partition("\n")[0]
    show_error(
        f"out of memory{f' ({visible(reason)})' if reason else ''}; try a smaller model, smaller images "
        "(--set model.side_px=160), fewer views (--set training.n_views=1, --set "
        "evaluation.tta=1), smaller batches (--set training.batch_size=8), fewer photos at once"
    )


def main() -> None:
    """Run the command line."""
    allow_any_text()
    if process_number() > 0:
        mute()
    try:
        with terminable():
            app()
    except ManylabelError as error:
        if isinstance(error, OutputError):
            unmute_errors()
        show_error(str(error))
        sys.exit(2)
    except (MemoryError, OSError, RuntimeError) as error:
        unmute_errors()
        if is_out_of_memory(error):
            show_out_of_memory(error)
            sys.exit(2)
        if not isinstance(error, OSError):
            raise
        # Expected problems are ManylabelErrors; this is a full disk, or one that went away.
        show_error(visible(f"{error.filename or 'the disk'}: {error.strerror or error}"))
        sys.exit(2)
    except (KeyboardInterrupt, Stopped) as stop:
        show_error("stopped; no half-written output is left, and earlier output is unchanged")
        sys.exit(143 if isinstance(stop, Terminated) or isinstance(stop.__cause__, Terminated) else 130)
