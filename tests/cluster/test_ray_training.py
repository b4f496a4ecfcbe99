"""A comparison on a cluster gives what one machine gives, whatever is lost on the way."""

import os
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from manylabel import pipeline
from manylabel.config import DataConfig, ModelConfig, RunConfig, SplitConfig, TrainingConfig
from manylabel.pipeline import compare
from manylabel.preparation import PreparedRun, RunClock, prepare
from manylabel.training.finished_fits import describe_task
from manylabel.types import ignore_progress
from tests.cluster.conftest import find_workers
from tests.writing import untimed_contents

ray = pytest.importorskip("ray")
pool = pytest.importorskip("manylabel.cluster.ray")
training = pytest.importorskip("manylabel.cluster.ray_training")
pytestmark = pytest.mark.filterwarnings("ignore")  # those of Ray itself

NAMES = ("squeezenet1_1", "squeezenet1_0")


@pytest.fixture
def config(shapes_folder: Path, tmp_path: Path) -> RunConfig:
    """Return settings of a comparison of two models on two folds."""
    return RunConfig(
        out=str(tmp_path / "run"),
        data=DataConfig(photos=str(shapes_folder / "images"), labels=str(shapes_folder / "labels.csv")),
        model=ModelConfig(names=NAMES, init="random", side_px=64),
        split=SplitConfig(folds=2),
        training=TrainingConfig(tune="head", n_views=2, precision="fp32", device="cpu", engine="torch"),
    )


@pytest.fixture(autouse=True)
def no_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the report out, which takes longer than all the rest."""
    monkeypatch.setattr(pipeline, "write_report", lambda results, table, **_: None)


@pytest.fixture
def run(config: RunConfig) -> PreparedRun:
    """Return the run, before its first model is trained."""
    return prepare(config, clock=RunClock(command=(), recipe=""), on_progress=ignore_progress)


def test_a_node_trains_what_one_machine_trains(config: RunConfig, run: PreparedRun, tmp_path: Path) -> None:
    node, trained = training.TrainingJob.of(run).open(), list[Any]()

    def train(run: PreparedRun, folder: Path) -> None:
        for number in range(len(NAMES)):
            model = training.PlannedModel.plan(run, number, folder=folder)
            assert node.describe()[model.name] == describe_task(model.task)
            for task in model.missing():
                found = node.run(task)
                assert found.file == model.path(task.fold).name
                model.path(task.fold).write_bytes(found.content)
                trained.append(task)
            assert model.missing() == []

    there = compare(config, train_elsewhere=train).out
    here = compare(replace(config, out=str(tmp_path / "here"))).out

    assert trained == [training.FitTask(name, fold) for name in NAMES for fold in (0, 1, None)]
    assert len(untimed_contents(here)) > 10
    assert untimed_contents(there) == untimed_contents(here)


def test_a_node_without_the_photos_says_so(run: PreparedRun) -> None:
    job = training.TrainingJob.of(run)
    photos = tuple(Path("/not/here") / path.name for path in job.table.photos)

    failure = pool._Worker(replace(job, table=replace(job.table, photos=photos))).open()

    assert failure.reason.startswith("no photo can be read; the first problems:\n/not/here/")
    assert failure.reason.endswith("\nAll nodes must see the photos under the same path.")


def test_a_different_library_version_on_a_node_is_named(
    run: PreparedRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = training.TrainingJob.of(run).open().describe()
    monkeypatch.setattr("timm.__version__", "0.1")
    there = training.TrainingJob.of(run).open().describe()

    differences = pool.list_differences(here, there, texts=("on this machine", "on a"))

    assert [line.partition(":")[0] for line in differences] == [f"{name}.versions.timm" for name in NAMES]
    assert differences[0].endswith("on a '0.1'")


def test_a_job_for_other_machines_has_whole_paths(
    config: RunConfig, run: PreparedRun, monkeypatch: pytest.MonkeyPatch, shapes_folder: Path
) -> None:
    monkeypatch.chdir(shapes_folder)
    relative = replace(
        run,
        config=replace(
            config,
            data=replace(config.data, photos="images"),
            model=replace(config.model, weights=("squeezenet1_1=run=3/w.pth", "squeezenet1_0=v.pth")),
        ),
        table=replace(run.table, photos=tuple(path.relative_to(shapes_folder) for path in run.table.photos)),
    )

    job = training.TrainingJob.of(relative)

    assert job.table.photos == run.table.photos
    assert job.config.data.photos == str(shapes_folder / "images")
    assert job.config.model.weights == (
        f"squeezenet1_1={shapes_folder / 'run=3/w.pth'}",
        f"squeezenet1_0={shapes_folder / 'v.pth'}",
    )


def test_a_node_stays_with_its_model() -> None:
    tasks = {name: [training.FitTask(name, fold) for fold in (0, 1)] for name in ("a", "b")}
    queue = training._Queue(tasks)

    order = [str(queue.take(node)) for node in ("first", "second", "first", "second")]

    assert order == ["a, fold 1", "b, fold 1", "a, fold 2", "b, fold 2"]
    assert queue.take("first") is None


def test_an_idle_node_helps_with_the_model_that_has_most_left() -> None:
    tasks = {name: [training.FitTask(name, fold) for fold in range(n)] for name, n in (("a", 1), ("b", 4))}
    queue = training._Queue(tasks)

    assert str(queue.take("first")) == "b, fold 1"
    assert str(queue.take("second")) == "a, fold 1"
    assert str(queue.take("second")) == "b, fold 2"


@pytest.mark.slow
@pytest.mark.parametrize("is_disturbed", [False, True])
def test_three_nodes_give_the_results_of_one_machine(
    is_disturbed: bool, cluster: Any, config: RunConfig, tmp_path: Path, feature_cache: Path
) -> None:
    here = compare(replace(config, out=str(tmp_path / "here"))).out
    victim = cluster.add_node(num_cpus=1) if is_disturbed else None

    def lose_some() -> None:
        wait_for_a_fit(feature_cache)
        cluster.remove_node(victim, allow_graceful=False)
        for process in find_workers()[:1]:
            os.kill(process, signal.SIGKILL)

    losing = threading.Thread(target=lose_some if is_disturbed else int)
    losing.start()
    there = training.compare_on_ray(config).out
    losing.join()

    assert untimed_contents(there) == untimed_contents(here)


@pytest.mark.slow
def test_fits_that_fail_on_nodes_are_trained_on_this_machine(
    cluster: Any, config: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    class Failing(training.TrainingJob):  # type: ignore[misc, name-defined]
        def open(self) -> Any:
            opened = super().open()
            opened.run = lambda task: "no room"
            return opened

    monkeypatch.setattr(training, "TrainingJob", Failing)
    here = compare(replace(config, out=str(tmp_path / "here"))).out

    there = training.compare_on_ray(config).out

    assert "squeezenet1_1, fold 1: failed 3 times: no room; this machine will train it" in caplog.text
    assert untimed_contents(there) == untimed_contents(here)


def wait_for_a_fit(cache: Path) -> None:
    """Wait until a fit is finished."""
    end = time.monotonic() + 120
    while not [*cache.glob("unfinished/*/*.fit")] and time.monotonic() < end:
        time.sleep(0.005)
