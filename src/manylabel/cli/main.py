"""The program ``manylabel``.

In:  the words of the command line.
Out: exit code 0; 2 with one message where the input cannot be used; 130 where it was stopped.
"""

import os
import sys
from collections.abc import Callable
from functools import wraps
from typing import Any

import typer

from manylabel import __version__
from manylabel.cli.cache import cache
from manylabel.cli.check import check
from manylabel.cli.compare import compare
from manylabel.cli.console import show_error
from manylabel.cli.evaluate import evaluate
from manylabel.cli.explain import explain
from manylabel.cli.export import export
from manylabel.cli.models import models
from manylabel.cli.predict import predict
from manylabel.cli.sample import sample
from manylabel.cli.serve import serve
from manylabel.cli.suggest import suggest
from manylabel.cli.thresholds import thresholds
from manylabel.cli.train import train
from manylabel.errors import ManylabelError, visible

app = typer.Typer(
    help="From a folder of photos and a table of labels to a compared multi-label image classifier.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class Stopped(Exception):
    """Say that the user pressed Ctrl-C."""


def stoppable(command: Callable[..., None]) -> Callable[..., None]:
    """Let Ctrl-C reach ``main``; typer would end the program without a word, older versions of it with 1."""

    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except KeyboardInterrupt as error:
            raise Stopped from error

    return run


for command in (
    check,
    compare,
    train,
    evaluate,
    predict,
    explain,
    suggest,
    thresholds,
    export,
    serve,
    models,
    sample,
    cache,
):
    app.command()(stoppable(command))


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
    """From a folder of photos and a table of labels to a compared multi-label image classifier."""


def rest_soon() -> None:
    """Let threads that wait for each other go to sleep after microseconds, unless the user says otherwise.

    Usually they spin for milliseconds, which with one busy core beside them makes training 3 to 6 times as
    slow. Called before torch is loaded, whose OpenMP (GNU's) reads this then. On an idle machine it costs
    4 %.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")


def main() -> None:
    """Run the command line."""
    rest_soon()
    try:
        app()
    except ManylabelError as error:
        show_error(str(error))
        sys.exit(2)
    except OSError as error:
        # What the library foresees is a ManylabelError; this is a full disk, or one that went away.
        show_error(visible(f"{error.filename or 'the disk'}: {error.strerror or error}"))
        sys.exit(2)
    except (KeyboardInterrupt, Stopped):
        show_error("stopped; no half-written output was left, and what lay there before is still there")
        sys.exit(130)
