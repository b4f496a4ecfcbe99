"""Commands that are stopped: what they leave behind, and what the next run does about it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals are sent in the manner of POSIX")

PREDICT = """
import signal, sys, time
from types import SimpleNamespace
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have had it ignored
def score(*args, **options):
    time.sleep(seconds)
    return []
seconds = float(sys.argv.pop())
sys.modules["manylabel.apply"] = SimpleNamespace(predict_batches=score)
from manylabel.cli.main import main
main()
"""


def start(out: Path, *, seconds: int) -> subprocess.Popen[str]:
    """Begin to write predictions, in a process that needs some time for the first one."""
    words = ["predict", str(out.parent), str(out.parent), "--out", str(out), str(seconds)]
    return subprocess.Popen(
        [sys.executable, "-c", PREDICT, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def stop(out: Path, number: signal.Signals) -> subprocess.Popen[str]:
    """Stop a process once it writes to a temporary file."""
    process = start(out, seconds=60)
    deadline = time.monotonic() + 60
    while not list(out.parent.glob(".*.tmp")):
        assert time.monotonic() < deadline
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.02)
    process.send_signal(number)
    return process


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_command_that_is_told_to_stop_cleans_up(number: signal.Signals, code: int, tmp_path: Path) -> None:
    process = stop(tmp_path / "said.csv", number)
    _, said = process.communicate(timeout=60)

    assert process.returncode == code
    assert said.startswith("error: stopped; no half-written output is left")
    assert "Traceback" not in said
    assert not list(tmp_path.iterdir())


def test_what_a_killed_command_left_is_removed_by_the_next(tmp_path: Path) -> None:
    out = tmp_path / "said.csv"
    killed = stop(out, signal.SIGKILL)
    killed.communicate(timeout=60)
    (left,) = tmp_path.iterdir()
    assert left.match(f".said.csv.{killed.pid}-*.tmp")

    _, said = start(out, seconds=0).communicate(timeout=60)

    assert [path.name for path in tmp_path.iterdir()] == ["said.csv"]
    assert said == f"removed {left}, which a killed run had left behind\n"
