"""Commands that are killed without warning, at any moment: nothing is half there, and the next run ends well.

In:  a command, moments of its run drawn from a seed. SIGKILL: no code of ours runs after it.
Out: after each kill, the result is absent or complete; after the last, a run to the end gives the same files
     as a run that nobody disturbed, with the cache that the killed ones left, and nothing of theirs remains.
"""

import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet

from manylabel import verify
from manylabel.bundle.folder import read_bundle
from manylabel.bundle.onnx_file import read_onnx
from tests.writing import untimed_contents

pytestmark = pytest.mark.skipif(os.name != "posix", reason="processes are forked in the manner of POSIX")

# Loaded once, so that the killed processes spend their time on what the command does.
_LOADED = ["manylabel.pipeline", "manylabel.apply", "manylabel.exporters.registry", "manylabel.cli.main"]

FEW, MANY = 2, 30
N_CLUSTER_KILLS = 20


def cases(*names: str) -> list[ParameterSet]:
    """Return each name with many kills, which takes minutes, and the first one with few."""
    many = [pytest.param(name, MANY, marks=pytest.mark.slow) for name in names]
    return [pytest.param(names[0], FEW), *many]


@dataclass(frozen=True, kw_only=True)
class Command:
    """What is killed.

    Attributes:
        words: The command, without its first word.
        out: What it makes.
        check: Raises where the result is neither absent nor complete.
    """

    words: tuple[str, ...]
    out: Path
    check: Callable[[], None]


def run_command(words: tuple[str, ...], cache: str) -> None:
    """Run a command in this process."""
    os.environ["MANYLABEL_CACHE"] = cache
    os.environ["MANYLABEL_OFFLINE"] = "1"
    from manylabel.cli.main import app  # not at the top: the parent needs none of it

    app(list(words), standalone_mode=False)


@contextmanager
def started(words: tuple[str, ...], cache: Path) -> Iterator[ForkServerProcess]:
    """Start a command in a process that has the libraries already."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_LOADED)
    process = context.Process(target=run_command, args=(words, str(cache)))
    process.start()
    yield process
    process.join(timeout=300)
    assert process.exitcode is not None
    process.close()


def run_to_the_end(words: tuple[str, ...], cache: Path) -> float:
    """Run a command; return the seconds that it took."""
    began = time.monotonic()
    with started(words, cache) as process:
        process.join(timeout=300)
        assert process.exitcode == 0
    return time.monotonic() - began


def kill_often(command: Command, cache: Path, *, n_kills: int, seconds: float) -> None:
    """Kill a command at moments of its run, most of them before it had come to its end."""
    moments = random.Random(1)
    n_ended = 0
    for number in range(n_kills):
        with started(command.words, cache) as process:
            process.join(timeout=seconds * (number + moments.random()) / n_kills)
            n_ended += process.exitcode is not None
            process.kill()
        command.check()
    assert n_ended <= n_kills / 2


def hidden(folder: Path) -> list[Path]:
    """Return what no run may leave: temporary files and folders."""
    return [*folder.rglob(".*"), *folder.rglob("*.partial")]


@pytest.mark.parametrize(("name", "n_kills"), cases("train", "compare"))
def test_training_that_is_killed_leaves_the_run_before_or_none(
    name: str, n_kills: int, shapes_folder: Path, tmp_path: Path
) -> None:
    def words(out: Path) -> tuple[str, ...]:
        settings = ("model.init=random", "model.side_px=64", "training.epochs=2", "training.n_views=2")
        networks = (
            ("--models", "squeezenet1_1,squeezenet1_0") if name == "compare" else ("--model", "squeezenet1_1")
        )
        return (
            *(name, str(shapes_folder / "images"), str(shapes_folder / "labels.csv"), *networks),
            *(word for setting in settings for word in ("--set", setting)),
            *("--out", str(out), "--overwrite"),
        )

    run_to_the_end(words(tmp_path / "expected"), tmp_path / "quiet cache")
    seconds = run_to_the_end(words(tmp_path / "expected"), tmp_path / "quiet cache")
    expected = untimed_contents(tmp_path / "expected")
    out = tmp_path / "runs" / "run"

    def check() -> None:
        if out.exists():
            assert untimed_contents(out) == expected
            for bundle in [out] if name == "train" else (out / "models").iterdir():
                verify(bundle)

    command = Command(words=words(out), out=out, check=check)
    kill_often(command, tmp_path / "cache", n_kills=n_kills, seconds=seconds)
    run_to_the_end(command.words, tmp_path / "cache")
    check()
    kill_often(command, tmp_path / "cache", n_kills=n_kills, seconds=seconds)

    assert untimed_contents(out) == expected  # the old run or the new one, never none
    run_to_the_end(command.words, tmp_path / "cache")
    assert untimed_contents(out) == expected
    assert hidden(tmp_path) == []


@pytest.mark.parametrize(("ending", "n_kills"), cases("csv", "jsonl", "parquet"))
def test_predictions_that_are_killed_are_whole_or_absent(
    ending: str, n_kills: int, shapes_bundle: Path, shapes_folder: Path, tmp_path: Path
) -> None:
    def words(out: Path) -> tuple[str, ...]:
        return ("predict", str(shapes_bundle), str(shapes_folder / "images"), "--out", str(out))

    run_to_the_end(words(tmp_path / f"expected.{ending}"), tmp_path / "quiet cache")
    seconds = run_to_the_end(words(tmp_path / f"again.{ending}"), tmp_path / "quiet cache")
    expected = (tmp_path / f"expected.{ending}").read_bytes()
    out = tmp_path / "runs" / f"scores.{ending}"

    def check() -> None:
        if out.exists():
            assert out.read_bytes() == expected
            out.unlink()

    command = Command(words=words(out), out=out, check=check)
    kill_often(command, tmp_path / "cache", n_kills=n_kills, seconds=seconds)
    run_to_the_end(command.words, tmp_path / "cache")

    assert out.read_bytes() == expected
    assert hidden(tmp_path) == []


@pytest.mark.parametrize(("form", "n_kills"), cases("openvino", "onnx"))
def test_an_export_that_is_killed_leaves_a_bundle_that_works(
    form: str, n_kills: int, shapes_bundle: Path, tmp_path: Path
) -> None:
    pytest.importorskip("onnxscript")
    bundle = Path(shutil.copytree(shapes_bundle, tmp_path / "bundle"))

    def words(folder: Path) -> tuple[str, ...]:
        return ("export", str(folder), "--to", form)

    quiet = words(Path(shutil.copytree(bundle, tmp_path / "quiet")))
    run_to_the_end(quiet, tmp_path / "quiet cache")
    seconds = run_to_the_end(quiet, tmp_path / "quiet cache")
    made = bundle / ("model.onnx" if form == "onnx" else "openvino")
    expects = {"made": False}

    def check() -> None:
        assert made.exists() or not expects["made"]
        verify(bundle)
        assert read_onnx(read_bundle(bundle)) is not None or form != "onnx" or not made.exists()

    command = Command(words=words(bundle), out=bundle, check=check)
    for round_number in range(2):  # the first export of a bundle, then one that replaces it
        expects["made"] = round_number == 1
        kill_often(command, tmp_path / "cache", n_kills=n_kills, seconds=seconds)
        run_to_the_end(command.words, tmp_path / "cache")
        states = {file.name: file.state for file in verify(bundle).files}
        assert {states[name] for name in states if name.startswith((form, "model"))} <= {
            "as written",
            "holds the hashes",
        }
    assert hidden(tmp_path) == []


def find_family(pid: int) -> list[int]:
    """Return a process and all that it has started, directly or not."""
    parents = dict[int, int]()
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            fields = (
                (folder / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
            )
            parents[int(folder.name)] = int(fields[1])
    family = [pid]
    for member in family:  # it grows meanwhile
        family += [child for child, parent in parents.items() if parent == member]
    return family


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks for the processes of Ray in /proc")
def test_any_process_of_a_cluster_may_be_killed(
    shapes_bundle: Path, shapes_folder: Path, tmp_path: Path
) -> None:
    pytest.importorskip("ray")
    chance, out, photos = random.Random(1), tmp_path / "scores", tmp_path / "photos.txt"
    names = [f"{path}\n" for path in sorted((shapes_folder / "images").iterdir())]
    photos.write_text("".join(names) * N_CLUSTER_KILLS, encoding="utf-8")

    def start(folder: Path, *words: str) -> subprocess.Popen[bytes]:
        options = ("--part-size", "2", "--part-format", "csv", "--precision", "fp32", *words)
        return subprocess.Popen(
            [
                *(sys.executable, "-m", "manylabel", "predict", str(shapes_bundle)),
                *(str(photos), "--out", str(folder), *options),
            ],
            env={**os.environ, "MANYLABEL_CACHE": str(tmp_path / "cache")},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def read_parts(folder: Path) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in folder.glob("part-*")}

    assert start(tmp_path / "expected").wait(timeout=300) == 0
    expected = read_parts(tmp_path / "expected")
    began = time.monotonic()
    assert start(tmp_path / "quiet", "--on", "ray").wait(timeout=300) == 0
    seconds = time.monotonic() - began
    assert read_parts(tmp_path / "quiet") == expected

    n_kept = 0
    for _ in range(N_CLUSTER_KILLS):
        n_before = len(read_parts(out))
        n_kept += n_before
        driver = start(out, "--on", "ray")
        with suppress(subprocess.TimeoutExpired):
            driver.wait(timeout=seconds * chance.uniform(0.3, 1))  # before, no worker is there yet
        with suppress(ProcessLookupError):
            os.kill(chance.choice(find_family(driver.pid)), signal.SIGKILL)
        try:
            driver.wait(timeout=120)
        except subprocess.TimeoutExpired:  # Ray itself waits for minutes where its own processes are gone
            driver.kill()
            driver.wait(timeout=60)
        parts = read_parts(out)
        assert len(parts) >= n_before
        assert parts.items() <= expected.items()
        if len(parts) == len(expected):
            shutil.rmtree(out)
    assert n_kept > 0
    assert start(out).wait(timeout=300) == 0
    assert read_parts(out) == expected
    assert [path for path in out.rglob("*.tmp") if path.is_file()] == []
