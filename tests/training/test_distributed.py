"""Several processes train one model: it is the same as that of one process, and written once."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from manylabel.errors import ConfigError
from manylabel.processes import count_processes, process_number
from manylabel.training.distributed import bytes_from_first, check_processes, gather_rows, own_part, own_seed

TRAIN = """
import sys
import torch
from torch import nn
from manylabel import pipeline
from manylabel.config import DataConfig, ModelConfig, RunConfig, SplitConfig, TrainingConfig
from manylabel.models.backbones import register_backbone
from manylabel.preprocess import Preprocessing
from manylabel.training import trial

torch.manual_seed(0)
layers = nn.Sequential(
    nn.Conv2d(3, 8, 3, stride=2), nn.ReLU(), nn.Conv2d(8, 16, 3, stride=2), nn.ReLU(), nn.AdaptiveAvgPool2d(1)
)
register_backbone("tiny", nn.Sequential(layers, nn.Flatten()), preprocessing=Preprocessing(side_px=16))
photos, out, *stops = sys.argv[1:]
if stops:
    def stop(*args, **options):
        raise RuntimeError("stopped after the folds")
    trial.learn_decision_policy = stop
config = RunConfig(
    out=out,
    data=DataConfig(photos=photos + "/images", labels=photos + "/labels.csv"),
    model=ModelConfig(names=("tiny",)),
    split=SplitConfig(folds=2),
    training=TrainingConfig(tune="full", epochs=3, batch_size=7, device="cpu", precision="fp32", alpha=1.0),
)
pipeline.train(config)
"""


def find_port() -> int:
    """Return a free port; older versions of accelerate do not find one themselves."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def start(folder: Path, out: Path, *words: str, n_processes: int = 1) -> subprocess.CompletedProcess[str]:
    """Train in one or several processes."""
    script = folder / "train.py"
    script.write_text(TRAIN, encoding="utf-8")
    launcher = [sys.executable]
    if n_processes > 1:
        launch = ["accelerate.commands.accelerate_cli", "launch", "--multi_gpu"]
        launcher += [
            "-m",
            *launch,
            "--num_processes",
            str(n_processes),
            "--main_process_port",
            str(find_port()),
        ]
    return subprocess.run(
        [*launcher, str(script), str(folder), str(out), *words],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        timeout=300,
    )


@pytest.fixture
def two_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make this process the second of two, which never meet."""
    for name, value in {"WORLD_SIZE": "2", "RANK": "1", "LOCAL_RANK": "1"}.items():
        monkeypatch.setenv(name, value)


def forget_labels(folder: Path) -> None:
    """Make some cells of the table unknown, so that the parts of a batch know different numbers of cells."""
    table = folder / "labels.csv"
    lines = table.read_text(encoding="utf-8").splitlines()
    forgotten = [line[:-1] if number % 3 == 1 else line for number, line in enumerate(lines)]
    table.write_text("\n".join(forgotten), encoding="utf-8")


def test_two_processes_train_the_model_of_one(shapes_folder: Path, tmp_path: Path) -> None:
    forget_labels(shapes_folder)
    one, two = tmp_path / "one", tmp_path / "two"
    alone = start(shapes_folder, one)
    together = start(shapes_folder, two, n_processes=2)

    assert alone.returncode == 0, alone.stderr
    assert together.returncode == 0, together.stderr
    before, after = (load_file(folder / "weights.safetensors") for folder in (one, two))
    assert before.keys() == after.keys()
    for name, weights in before.items():
        np.testing.assert_allclose(after[name], weights, atol=1e-4, err_msg=name)
    assert {path.name for path in two.iterdir()} == {path.name for path in one.iterdir()}
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


@pytest.mark.slow
def test_finished_fits_are_shared_after_an_interruption(shapes_folder: Path, tmp_path: Path) -> None:
    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    assert start(shapes_folder, whole, n_processes=2).returncode == 0
    interrupted = start(shapes_folder, resumed, "stop", n_processes=2)
    assert "stopped after the folds" in interrupted.stderr
    assert not resumed.exists()

    assert start(shapes_folder, resumed, n_processes=2).returncode == 0

    for name in ("weights.safetensors", "out_of_fold.csv", "thresholds.csv"):
        assert (resumed / name).read_bytes() == (whole / name).read_bytes(), name


def test_a_process_of_its_own_takes_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "4")  # set by a scheduler, not by a launcher
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    assert (count_processes(), process_number()) == (1, 0)
    assert own_part(np.arange(5)).tolist() == [0, 1, 2, 3, 4]
    assert gather_rows(torch.ones(2, 3), n_rows=2).tolist() == torch.ones(2, 3).tolist()
    assert bytes_from_first(b"fit") == b"fit"
    check_processes("top")


@pytest.mark.usefixtures("two_processes")
def test_rows_and_chance_are_divided() -> None:
    assert (count_processes(), process_number()) == (2, 1)
    assert own_part(np.arange(5)).tolist() == [3, 4]
    assert own_part(np.arange(1)).tolist() == []
    assert own_seed([1, 0]) != int(np.random.SeedSequence([1, 0]).generate_state(1)[0])


@pytest.mark.usefixtures("two_processes")
@pytest.mark.parametrize("tune", ["head", "top"])
def test_several_processes_are_refused_where_one_trains(tune: str) -> None:
    check_processes("full")
    with pytest.raises(ConfigError, match="trains in one process, but 2 were started"):
        check_processes(tune)
