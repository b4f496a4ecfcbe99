"""``manylabel compare``: train models on the same photos and compare them.

In:  photos, labels, settings.
Out: one table on the screen, a run directory.
"""

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from manylabel.cli.console import show_line
from manylabel.cli.options import (
    Labels,
    Photos,
    RayAddress,
    TrainingOptions,
    check_ray_address,
    check_run,
    trains,
)
from manylabel.cli.progress import show_progress
from manylabel.cli.screen import show_results
from manylabel.errors import ConfigError, needs_extra
from manylabel.processes import count_processes

if TYPE_CHECKING:
    from manylabel.pipeline import RunResult


@trains
def compare(
    photos: Photos,
    labels: Labels = None,
    *,
    models: Annotated[
        str | None,
        typer.Option(
            help="Models to compare, separated by commas; `manylabel models` lists them.", metavar="NAMES"
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for the report, the models and all other files; runs/latest by default.",
            show_default=False,
        ),
    ] = None,
    on: Annotated[
        str,
        typer.Option(
            help="Where to train: on this machine (here), or on the nodes of a Ray cluster (ray), which must "
            "all see the photos under the same path.",
            metavar="here|ray",
        ),
    ] = "here",
    ray_address: RayAddress = None,
    options: TrainingOptions,
) -> None:
    """Train models on the same photos, compare them and write a report.

    Prints one table and writes the run directory: report.html, table.csv, results.json, plots, predictions,
    the loss of every epoch, and each trained model as a bundle.
    """
    check_ray_address(ray_address, on=on)
    config = options.configure(photos, labels, models=models, out=out)
    check_run(config)
    run = _find_comparison(on, ray_address)
    with show_progress() as on_progress:
        result = run(config, command=sys.argv, recipe=options.recipe, on_progress=on_progress)
    show_results(result.results)
    show_line(f"Report: {result.out / 'report.html'}")


def _find_comparison(on: str, ray_address: str | None) -> "Callable[..., RunResult]":
    """Return the function that compares here or on a cluster."""
    with needs_extra("Training", "train"):
        from manylabel.pipeline import compare as here
    match on:
        case "here":
            return here
        case "ray":
            if count_processes() > 1:
                raise ConfigError("--on ray: start manylabel without accelerate launch or torchrun")
            with needs_extra("Training on Ray", "ray"):
                from manylabel.cluster.ray_training import compare_on_ray
            return partial(compare_on_ray, address=ray_address)
        case _:
            raise ConfigError(f"--on: given '{on}', expected 'here' or 'ray'")
