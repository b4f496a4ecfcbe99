"""The folder that a run fills.

In:  the settings, trained models.
Out: bundles in it; on a failure, what was finished beside it.
"""

import logging
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from manylabel.bundle.folder import BundleConfig, read_bundle, write_bundle
from manylabel.bundle.tables import gather_out_of_fold
from manylabel.config import RunConfig
from manylabel.data.split import SPLIT_FILE, write_split
from manylabel.engines.model_files import BUNDLE_FILES
from manylabel.engines.torch import TorchSplitModel, load_classifier, save_weights
from manylabel.explanation.occlusion import explain_mistakes
from manylabel.io.cache import default_cache
from manylabel.io.files import check_room, writing
from manylabel.io.folders import check_apart, keep_unfinished, new_folder
from manylabel.io.unfinished import FinishedWork
from manylabel.models.classifier import weights_files
from manylabel.models.split_model import locate
from manylabel.preparation import PreparedRun, RunClock, prepare
from manylabel.processes import process_number
from manylabel.report.card import model_card
from manylabel.report.trial_files import LABEL_ISSUES_FILE, file_name
from manylabel.results import RESULTS_FILE, RunResults
from manylabel.training.distributed import wait_for_all
from manylabel.training.trial import TrainedModel
from manylabel.trials import Trial
from manylabel.types import LabelTable, ProgressCallback, ignore_progress

_logger = logging.getLogger(__name__)

_BUNDLE_FILES = "|".join(map(re.escape, (*BUNDLE_FILES, SPLIT_FILE)))
_OWN_FILES = re.compile(
    rf"{_BUNDLE_FILES}|{re.escape(LABEL_ISSUES_FILE)}|{re.escape(RESULTS_FILE)}|config\.toml|report\.html|table\.(csv|md)|plots/[^/]+\.png"
    rf"|(predictions|history)/[^/]+\.csv|models/[^/]+/({_BUNDLE_FILES})"
)
"""Matches what runs and bundles consist of: nothing else is ever replaced."""


@contextmanager
def begin_run(
    config: RunConfig,
    *,
    table: LabelTable | None,
    clock: RunClock,
    on_progress: ProgressCallback,
    is_temporary: bool,
) -> Iterator[tuple[Path, PreparedRun, Path | None]]:
    """Take the output folder, prepare everything, and complete the folder at the end.

    If several processes train together, only the first writes the output folder; the others fill a temporary
    one, and wait until it is complete.

    Args:
        config: The settings.
        table: Photos and labels that were read already.
        clock: Times the stages.
        on_progress: Called with the progress.
        is_temporary: Whether the output folder is temporary, so that the run cannot be resumed.

    Yields:
        The folder to fill; the run; the folder of finished fits, None if none can be kept.

    Raises:
        InputError: Something in the settings, the table, the photos or the weights cannot be used.
    """
    if process_number() > 0:
        with tempfile.TemporaryDirectory() as temporary:
            run = prepare(config, table=table, clock=clock, on_progress=ignore_progress)
            yield Path(temporary), run, None
        wait_for_all()
        return
    out = Path(config.out)
    work = FinishedWork(out, cache=None if is_temporary else default_cache())
    with work, open_output(config) as folder, keep_finished_models(folder, out):
        run = prepare(config, table=table, clock=clock, on_progress=on_progress)
        check_room_for_models(folder, run, out=out)
        write_split(folder / SPLIT_FILE, run.table, run.split)
        yield folder, run, work.open(is_fresh=config.fresh)
    wait_for_all()


def open_output(config: RunConfig) -> AbstractContextManager[Path]:
    """Return the folder to fill, refused where replacing it would remove what the run reads.

    Raises:
        OutputError: The place is taken, cannot be written to, or holds an input or files of others.
    """
    inputs = [config.data.photos, config.data.labels, *weights_files(config.model).values()]
    if config.overwrite:
        check_apart(Path(config.out), [Path(given) for given in inputs if given])
    return new_folder(Path(config.out), replaces=_OWN_FILES if config.overwrite else None)


@contextmanager
def keep_finished_models(folder: Path, out: Path) -> Iterator[None]:
    """Keep the bundles that are complete where a run fails: training them took long.

    Args:
        folder: The temporary folder that the run fills.
        out: What it was to become.
    """
    try:
        yield
    except Exception:
        try:
            _keep_finished(folder, out)
        except OSError as error:
            _logger.warning("the models that were finished cannot be kept: %s", error)
        raise


def _keep_finished(folder: Path, out: Path) -> None:
    """Rename the folder of a run that failed, and remove models from it that are not complete."""
    bundles = [folder, *folder.glob("models/*")]
    finished = [bundle.name for bundle in bundles if (bundle / RESULTS_FILE).is_file()]
    if not finished:
        return
    kept = keep_unfinished(folder, out)
    for bundle in kept.glob("models/*"):
        if bundle.name not in finished:
            shutil.rmtree(bundle, ignore_errors=True)
    what = ", ".join(finished) if (kept / "models").exists() else "the trained model"
    _logger.warning("the run failed; what was finished is kept in %s: %s", kept, what)


def check_room_for_models(folder: Path, run: PreparedRun, *, out: Path) -> None:
    """Refuse to train what the disk has no room for.

    Raises:
        OutputError: Less is free than the weights of all models take.
    """
    weights = [tensor.nbytes for start, _ in run.starts for tensor in start.state_dict().values()]
    with writing(out):
        check_room(folder, sum(weights))


def write_model_bundle(
    folder: Path, trained: TrainedModel, run: PreparedRun, *, clock: RunClock
) -> RunResults:
    """Write a trained model as a bundle; return the results that go with it."""
    results = run.results([trained.trial], clock)
    classifier = trained.classifier
    write_bundle(
        folder,
        config=BundleConfig(
            backbone=classifier.backbone.name,
            head=run.config.model.head,
            labels=classifier.labels,
            preprocessing=classifier.preprocessing,
            constraints=run.constraints,
        ),
        thresholds=trained.trial.thresholds,
        facts=results.to_mapping(),
        card=model_card(results),
        write_weights=lambda path: save_weights(classifier, path),
        out_of_fold=gather_out_of_fold(trained.trial, run.table, groups=run.split.groups),
    )
    return results


def best_trial(trials: Sequence[Trial], results: RunResults) -> Trial:
    """Return the trial of the best model."""
    return next(trial for trial in trials if trial.model == results.best.model)


def draw_heat_maps(results: RunResults, table: LabelTable, *, folder: Path) -> dict[int, tuple[str, bytes]]:
    """Draw what the best model of a run directory sees on the photos that show its mistakes.

    A model may be too large to be run like this; a report without heat maps is better than none.
    """
    bundle = read_bundle(folder / "models" / file_name(results.best.model))
    split = locate(load_classifier(bundle))
    if split is None:
        return {}
    try:
        return explain_mistakes(TorchSplitModel(split), bundle.config.preprocessing, results.gallery, table)
    except RuntimeError as error:
        _logger.warning("no heat maps in the report: %s", str(error).strip().partition("\n")[0])
        return {}
