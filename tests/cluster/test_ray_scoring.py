"""Parts are scored on a cluster as in one process, whatever is lost on the way."""

import os
import re
import shutil
import signal
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from manylabel.cluster.parts import ScoringJob
from manylabel.cluster.scoring import predict_parts
from manylabel.engines.registry import ENGINES
from manylabel.errors import ConfigError, MissingExtraError, OutputError
from tests.cluster.conftest import find_workers
from tests.cluster.test_scoring import read_files

ray = pytest.importorskip("ray")
pool = pytest.importorskip("manylabel.cluster.ray")
scoring = pytest.importorskip("manylabel.cluster.ray_scoring")
pytestmark = pytest.mark.filterwarnings("ignore")  # those of Ray itself


@pytest.fixture
def images(shapes_folder: Path) -> Path:
    """Return a folder of 32 photos."""
    return shapes_folder / "images"


def on_ray(bundle: Path, photos: Path, out: Path, **changes: Any) -> Any:
    """Score in parts of four on Ray."""
    settings = {"part_format": ".csv", "part_size": 4, "precision": "fp32", "on": "ray", **changes}
    return predict_parts(bundle, photos, out, **settings)


def open_on_a_node(job: ScoringJob) -> str:
    """Return why a node cannot open a job."""
    failure = pool._Worker(scoring.SharedScoring(job=job, token=".token")).open()
    return str(failure.reason)


def test_the_client_of_ray_is_refused(shapes_bundle: Path, images: Path, tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"'ray://node:10001' is a Ray Client address.*run this command on a node"
    ):
        on_ray(shapes_bundle, images, tmp_path / "scores", ray_address="ray://node:10001")
    assert not (tmp_path / "scores").exists()


def test_another_place_to_score_is_refused(shapes_bundle: Path, images: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="on: given 'spark', expected 'here' or 'ray'"):
        on_ray(shapes_bundle, images, tmp_path / "scores", on="spark")


def test_a_missing_ray_is_told_with_the_command_that_installs_it(
    shapes_bundle: Path, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "manylabel.cluster.ray_scoring")
    monkeypatch.delitem(sys.modules, "manylabel.cluster.ray")
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"Scoring on Ray needs .* pip install '\.\[ray\]'"):
        on_ray(shapes_bundle, images, tmp_path / "scores")


def test_a_node_without_the_folder_says_so(shapes_bundle: Path, images: Path, tmp_path: Path) -> None:
    job = ScoringJob(bundle=shapes_bundle, photos=images, out=tmp_path / "elsewhere")
    opened = open_on_a_node(job)
    assert opened == f"{tmp_path / 'elsewhere'} is not shared with it"


def test_a_node_without_a_library_says_so(
    shapes_bundle: Path, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "scores/_parts").mkdir(parents=True)
    job = ScoringJob(bundle=shapes_bundle, photos=images, out=tmp_path / "scores", engine="openvino")
    entry = replace(ENGINES["openvino"], is_installed=lambda: False)
    monkeypatch.setitem(ENGINES, "openvino", entry)
    (tmp_path / "scores/_parts/.token").touch()
    assert "The engine 'openvino' needs the extra 'openvino'" in open_on_a_node(job)


def test_a_job_for_other_machines_has_whole_paths_and_no_files_of_thresholds(
    shapes_bundle: Path, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.csv").write_text("label,threshold\ncircle,0.25\n", encoding="utf-8")
    job = ScoringJob(bundle=shapes_bundle, photos=images, out=Path("scores"), thresholds=Path("mine.csv"))
    sent = scoring._make_portable(job)
    assert sent.out == tmp_path / "scores"
    assert isinstance(sent.thresholds, dict)
    assert set(sent.thresholds) == {"circle", "square", "triangle"}
    assert sent.thresholds["circle"] == 0.25


@pytest.mark.slow
def test_three_nodes_make_what_one_process_makes(
    cluster: Any, shapes_bundle: Path, images: Path, tmp_path: Path
) -> None:
    on_ray(shapes_bundle, images, tmp_path / "alone", on="here")
    summary = on_ray(shapes_bundle, images, tmp_path / "cluster", thresholds=None)
    assert (summary.n_parts, summary.n_complete, summary.n_new) == (8, 8, 8)
    assert read_files(tmp_path / "cluster") == read_files(tmp_path / "alone")


@pytest.mark.slow
def test_lost_processes_and_nodes_cost_their_parts_alone(
    cluster: Any, shapes_bundle: Path, images: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    on_ray(shapes_bundle, images, tmp_path / "alone", on="here", part_size=1)
    victim = cluster.add_node(num_cpus=1)

    def lose_some() -> None:
        wait_for_parts(tmp_path / "cluster", 1)
        cluster.remove_node(victim, allow_graceful=False)
        wait_for_parts(tmp_path / "cluster", 2)
        for process in find_workers():
            os.kill(process, signal.SIGKILL)
            break

    losing = threading.Thread(target=lose_some)
    losing.start()
    summary = on_ray(shapes_bundle, images, tmp_path / "cluster", part_size=1)
    losing.join()
    assert (summary.n_complete, summary.failures) == (32, {})
    assert "retrying: its process or node was lost" in caplog.text
    assert read_files(tmp_path / "cluster") == read_files(tmp_path / "alone")


@pytest.mark.slow
def test_a_part_that_fails_three_times_is_reported_and_the_others_are_finished(
    cluster: Any, shapes_bundle: Path, images: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "scores/part-00003.csv/in_the_way").mkdir(parents=True)
    (tmp_path / "scores/manifest.json").write_bytes(b"")
    with pytest.raises(OutputError, match=r"manifest\.json: cannot be read"):
        on_ray(shapes_bundle, images, tmp_path / "scores")
    shutil.rmtree(tmp_path / "scores")
    on_ray(shapes_bundle, images, tmp_path / "scores", on="here", shard="1/8")
    (tmp_path / "scores/part-00003.csv/in_the_way").mkdir(parents=True)
    summary = on_ray(shapes_bundle, images, tmp_path / "scores")
    assert (summary.n_complete, list(summary.failures)) == (7, ["part-00003.csv"])
    assert re.match(
        r"failed 3 times: .*part-00003\.csv: cannot be written", summary.failures["part-00003.csv"]
    )
    assert caplog.text.count("part-00003.csv: retrying") == 2


@pytest.mark.parametrize("address", ["127.0.0.1:9", "127.0.0.1:none"])
def test_a_cluster_that_is_not_there_is_told(
    address: str, shapes_bundle: Path, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", address)
    with pytest.raises(ConfigError, match=rf"no cluster answers at '{re.escape(address)}'"):
        on_ray(shapes_bundle, images, tmp_path / "scores")


def wait_for_parts(out: Path, n: int) -> None:
    """Wait until some parts are complete."""
    while len([*out.glob("part-*.csv")]) < n:
        time.sleep(0.005)
