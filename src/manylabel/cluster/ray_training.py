"""Train the fits of a comparison on the nodes of a Ray cluster.

In:  the settings of a comparison; perhaps the address of a cluster.
Out: the run directory that one machine would write. A task is one fit: of a model on a fold, or on all
     training photos.

Every node reads the photos and computes features itself, or finds them in the cache if it is shared. This
machine receives the finished fits, evaluates the models and writes the run as usual. It trains the fits that
failed on the nodes.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from manylabel.cluster.ray import RayWorkers, joined_cluster
from manylabel.config import RunConfig
from manylabel.errors import InputError, OutputError, TableError
from manylabel.io.files import write_atomically
from manylabel.models.classifier import weights_files
from manylabel.pipeline import RunResult, compare
from manylabel.preparation import PreparedRun, RunClock, prepare
from manylabel.training.cross_validation import Experiment, choose_folds, fit_fold
from manylabel.training.finished_fits import FinishedFits
from manylabel.training.methods import FitRows, TrainingMethod, TrainingTask
from manylabel.training.trial import build_method, build_task
from manylabel.types import IntArray, LabelTable, ProgressCallback, ignore_progress

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class FitTask:
    """One fit of a comparison.

    Attributes:
        model: Name of the backbone.
        fold: Number of the fold; None for the fit on all training photos.
    """

    model: str
    fold: int | None

    def __str__(self) -> str:
        """Name the fit."""
        return f"{self.model}, {'final fit' if self.fold is None else f'fold {self.fold + 1}'}"


@dataclass(frozen=True, kw_only=True)
class FinishedFit:
    """A file of ``FinishedFits``.

    Attributes:
        file: Its name.
        content: Its bytes.
    """

    file: str
    content: bytes


def compare_on_ray(
    config: RunConfig,
    *,
    address: str | None = None,
    table: LabelTable | None = None,
    command: Sequence[str] = (),
    recipe: str = "",
    on_progress: ProgressCallback = ignore_progress,
) -> RunResult:
    """Compare models like ``pipeline.compare``, but train each fit on a node of a Ray cluster.

    Args:
        config: The settings; all nodes must see the photos under the same path.
        address: "auto" for the cluster that this machine belongs to, or HOST:PORT of one; None: the
            environment variable RAY_ADDRESS, else a new cluster on this machine, which is stopped at the end.
        table: As for ``compare``.
        command: As for ``compare``.
        recipe: As for ``compare``.
        on_progress: Called with the progress.

    Raises:
        ConfigError: The address cannot be used.
        InputError: As for ``compare``; or a node lacks photos or libraries, or its results would differ.
    """
    with joined_cluster(address):
        return compare(
            config,
            table=table,
            command=command,
            recipe=recipe,
            on_progress=on_progress,
            train_elsewhere=partial(_train_on_nodes, on_progress=on_progress),
        )


def _train_on_nodes(run: PreparedRun, folder: Path, *, on_progress: ProgressCallback) -> None:
    """Train all fits that are not finished yet, and put them into the folder of finished fits."""
    models = plan_models(run, folder=folder)
    missing = {name: tasks for name, model in models.items() if (tasks := model.missing())}
    if not missing:
        return
    job = TrainingJob.of(run)
    described = describe_models(models)
    workers = RayWorkers[FitTask, FinishedFit](job, what="fits", on_progress=on_progress, expected=described)
    n_tasks = sum(map(len, missing.values()))
    for task, outcome in workers.run(_Queue(missing).take, n_tasks=n_tasks):
        if isinstance(outcome, str):
            _logger.warning("%s: %s; this machine will train it", task, outcome)
            continue
        path = models[task.model].path(task.fold)
        if outcome.file != path.name:
            raise InputError(
                f"Ray: {task}: a node trained on different photos than this machine expected; check that all "
                "nodes see the same files"
            )
        write_atomically(path, outcome.content)


def _make_portable(config: RunConfig) -> RunConfig:
    """Return settings that do not depend on the working folder."""

    def absolute(given: str) -> str:
        return str(Path(given).absolute()) if given else given

    weights = tuple(f"{name}={file.absolute()}" for name, file in weights_files(config.model).items())
    data = replace(config.data, photos=absolute(config.data.photos))
    return replace(config, data=data, model=replace(config.model, weights=weights))


@dataclass(frozen=True, eq=False, kw_only=True)
class PlannedModel:
    """The fits of a model.

    Attributes:
        task: The input of its training method.
        experiment: What all models of the run share.
        folds: Rows that each fit of the cross-validation holds out.
    """

    task: TrainingTask
    experiment: Experiment
    folds: tuple[IntArray, ...]

    @classmethod
    def plan(cls, run: PreparedRun, number: int, *, folder: Path) -> "PlannedModel":
        """Plan the fits of one model of a run."""
        start, provenance = run.starts[number]
        fits = FinishedFits(folder)
        experiment = run.experiment(start, provenance, fits=fits, on_progress=ignore_progress)
        task = build_task(start, provenance, experiment)
        return cls(task=task, experiment=experiment, folds=choose_folds(task, experiment))

    @property
    def name(self) -> str:
        """Return the name of the backbone."""
        return self.task.initial.backbone.name

    def rows(self, fold: int | None) -> FitRows:
        """Return the photos of a fit."""
        if fold is None:
            return self.experiment.final_rows()
        return self.experiment.fold_rows(self.folds[fold], fold=fold)

    def path(self, fold: int | None) -> Path:
        """Return the file of a fit, which need not exist."""
        path = self.experiment.fits.path(self.task, self.rows(fold))
        assert path is not None, "fits are kept in a folder"
        return path

    def missing(self) -> list[FitTask]:
        """List the fits that are not finished."""
        folds = [*range(len(self.folds)), None]
        return [FitTask(self.name, fold) for fold in folds if not self.path(fold).exists()]


def plan_models(run: PreparedRun, *, folder: Path) -> dict[str, PlannedModel]:
    """Plan the fits of every model of a run, by the name of its backbone.

    Args:
        run: The run.
        folder: Where finished fits are kept.
    """
    models = [PlannedModel.plan(run, number, folder=folder) for number in range(len(run.starts))]
    return {model.name: model for model in models}


def describe_models(models: Mapping[str, PlannedModel]) -> dict[str, dict[str, object]]:
    """Return what decides the fits of every model, which is the same on every node."""
    return {name: model.experiment.fits.describe(model.task) for name, model in models.items()}


@dataclass
class _Queue:
    """Fits to train, by model: a node stays with its model, whose features it has, while that has fits."""

    left: dict[str, list[FitTask]]
    model_of: dict[str, str] = field(default_factory=dict)  # by node

    def take(self, node: str) -> FitTask | None:
        """Return the next fit for a node."""
        model = self.model_of.get(node, "")
        if not self.left.get(model):
            busy = set(self.model_of.values())
            waiting = {name: len(tasks) for name, tasks in self.left.items() if tasks}
            if not waiting:
                return None
            model = max(waiting, key=lambda name: (name not in busy, waiting[name]))
            self.model_of[node] = model
        return self.left[model].pop(0)


@dataclass(frozen=True, eq=False, kw_only=True)
class TrainingJob:
    """The comparison of a run, as it is sent to the nodes.

    Attributes:
        config: Its settings, with absolute paths.
        table: The photos and their labels.
        n_threads: Threads of the driver: nodes use as many, because the last digits of sums depend on it.
    """

    config: RunConfig
    table: LabelTable
    n_threads: int

    @classmethod
    def of(cls, run: PreparedRun) -> "TrainingJob":
        """Return the comparison of a run in a form that any node with the same photos can open."""
        photos = tuple(path.absolute() for path in run.table.photos)
        return cls(
            config=_make_portable(run.config),
            table=replace(run.table, photos=photos),
            n_threads=torch.get_num_threads(),
        )

    @property
    def uses_gpus(self) -> bool:
        """Tell whether it computes on GPUs where a node has some."""
        return self.config.training.device not in ("cpu", "mps")

    def open(self) -> "OpenTraining":
        """Read the photos and build the models on a node."""
        torch.set_num_threads(self.n_threads)
        clock = RunClock(command=(), recipe="")
        try:
            run = prepare(self.config, table=self.table, clock=clock, on_progress=ignore_progress)
        except TableError as error:
            raise InputError(f"{error}\nAll nodes must see the photos under the same path.") from error
        return OpenTraining(run)


class OpenTraining:
    """The photos and models of a node."""

    def __init__(self, run: PreparedRun) -> None:
        self._folder = TemporaryDirectory(prefix="manylabel-fits-")
        self._models = plan_models(run, folder=Path(self._folder.name))
        self._method: tuple[str, TrainingMethod] | None = None  # of one model at a time: it has the features

    def describe(self) -> dict[str, dict[str, object]]:
        """Return what decides the fits of every model."""
        return describe_models(self._models)

    def run(self, task: FitTask) -> FinishedFit:
        """Train a fit."""
        model = self._models[task.model]
        if self._method is None or self._method[0] != task.model:
            self._method = None
            self._method = task.model, build_method(model.task, model.experiment)
        _, method = self._method
        path = model.path(task.fold)
        if task.fold is None:
            model.experiment.fits.final(method, model.rows(None))
        else:
            fit_fold(method, model.folds[task.fold], model.experiment, fold=task.fold)
        try:
            content = path.read_bytes()
            path.unlink()
        except OSError as error:
            raise OutputError(f"{path.parent}: cannot keep the fit: {error.strerror or error}") from error
        return FinishedFit(file=path.name, content=content)
