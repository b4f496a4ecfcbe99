"""The whole flow: photos and labels in, trained, compared and evaluated models out.

In:  the settings of a run.
Out: a run directory, or one bundle.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from manylabel.config import RunConfig
from manylabel.errors import ConfigError, OutputError
from manylabel.io.files import write_atomically
from manylabel.preparation import PreparedRun, RunClock
from manylabel.recipes import config_to_toml
from manylabel.report.html import write_report
from manylabel.report.trial_files import file_name, write_label_issues, write_trial
from manylabel.results import RunResults
from manylabel.run_folder import (
    begin_run,
    best_trial,
    draw_heat_maps,
    write_model_bundle,
)
from manylabel.training.finished_fits import FinishedFits
from manylabel.training.trial import run_trial
from manylabel.types import LabelTable, Progress, ProgressCallback, ignore_progress


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """Where a run was written, and what it measured.

    Attributes:
        out: The run directory or, after ``train``, the bundle.
        results: What it measured.
    """

    out: Path
    results: RunResults


def compare(  # noqa: PLR0913 - independent settings
    config: RunConfig,
    *,
    table: LabelTable | None = None,
    command: Sequence[str] = (),
    recipe: str = "",
    on_progress: ProgressCallback = ignore_progress,
    is_temporary: bool = False,
    train_elsewhere: Callable[[PreparedRun, Path], None] | None = None,
) -> RunResult:
    """Train models on the same photos, evaluate them on the same photos, write a report.

    Args:
        config: The settings; ``data.photos`` must be given, unless ``table`` is.
        table: Photos and labels that were read already.
        command: The words of the command, for the report.
        recipe: Name of the recipe that the settings started from, for the report.
        on_progress: Called with the progress.
        is_temporary: Whether the output folder is temporary, so that the run cannot be resumed. Otherwise
            finished fits are kept until the run is complete; after an interruption, the next run uses them.
        train_elsewhere: Trains fits before the first model is trained here, and puts them into the folder of
            finished fits.

    Returns:
        Where the run directory lies, and its results.

    Raises:
        InputError: Something in the settings, the table, the photos or the weights cannot be used.
            The run directory is as it was. Models that were already finished are kept beside it, in
            ``NAME-unfinished``, or where the disk is full, on another one that has room.
    """
    clock = RunClock(command=command, recipe=recipe)
    begun = begin_run(config, table=table, clock=clock, on_progress=on_progress, is_temporary=is_temporary)
    with begun as (folder, run, finished):
        if train_elsewhere is not None:
            if finished is None:
                raise OutputError("fits from other machines need the cache; set MANYLABEL_CACHE to a folder")
            train_elsewhere(run, finished)
        trials = []
        for n_done, (start, provenance) in enumerate(run.starts):
            on_progress(Progress("model", "trial", n_done, len(run.starts), is_of_all=True))
            experiment = run.experiment(
                start, provenance, fits=FinishedFits(finished), on_progress=on_progress
            )
            trained = run_trial(start, provenance, experiment)
            write_model_bundle(folder / "models" / file_name(trained.trial.model), trained, run, clock=clock)
            write_trial(folder, trained.trial, run.table)
            trials.append(trained.trial)
        on_progress(Progress("model", "trial", len(trials), len(run.starts), is_of_all=True))
        results = run.results(trials, clock)
        write_report(
            results,
            run.table,
            out=folder,
            draw_heat_maps=partial(draw_heat_maps, results, run.table, folder=folder),
        )
        write_label_issues(folder, best_trial(trials, results), run.table)
        # A later run with these settings must ask again to replace or discard earlier work.
        settings = config_to_toml(replace(run.config, overwrite=False, fresh=False))
        write_atomically(folder / "config.toml", settings.encode())
    return RunResult(out=Path(config.out), results=results)


def train(
    config: RunConfig,
    *,
    table: LabelTable | None = None,
    command: Sequence[str] = (),
    recipe: str = "",
    on_progress: ProgressCallback = ignore_progress,
    is_temporary: bool = False,
) -> RunResult:
    """Train one model, evaluate it, write it as a bundle.

    Args:
        config: The settings, with one name in ``model.names``.
        table: Photos and labels that were read already.
        command: The words of the command, for the bundle's results.
        recipe: Name of the recipe that the settings started from.
        on_progress: Called with the progress.
        is_temporary: As for ``compare``.

    Returns:
        Where the bundle lies, and its results.

    Raises:
        InputError: As for ``compare``.
    """
    if len(config.model.names) != 1:
        raise ConfigError(f"model.names: train takes one model, not {len(config.model.names)}; see compare")
    clock = RunClock(command=command, recipe=recipe)
    begun = begin_run(config, table=table, clock=clock, on_progress=on_progress, is_temporary=is_temporary)
    with begun as (folder, run, finished):
        start, provenance = run.starts[0]
        experiment = run.experiment(start, provenance, fits=FinishedFits(finished), on_progress=on_progress)
        trained = run_trial(start, provenance, experiment)
        results = write_model_bundle(folder, trained, run, clock=clock)
    return RunResult(out=Path(config.out), results=results)
