"""Kill a command at random moments, each time run it again to its end, and see what the first run saved.

In:  the words of a manylabel command that writes below ``{run}``, a folder to begin with.
Out: seconds undisturbed, before the kills, and of the runs that resumed; whether they made the same files.
"""

import hashlib
import os
import random
import shutil
import statistics
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil

from benchmarks.cases import MANYLABEL
from benchmarks.workers.common import worker_parser, write_values

RUN = "{run}"
"""Stands in the command for the folder that it may write to."""

_N_UNDISTURBED = 3
_COMPARED_ENDINGS = {".bin", ".csv", ".safetensors"}
_TIMED_FILE = "table.csv"


def main() -> None:
    """Measure."""
    parser = worker_parser()
    parser.add_argument("--kills", type=int, required=True)
    parser.add_argument("--from", dest="source", type=Path, help="a folder that RUN begins as a copy of")
    parser.add_argument("words", nargs="+", help="behind --: the command")
    given = parser.parse_args()
    run = given.out / "run"
    words = [sys.executable, *MANYLABEL, *(word.replace(RUN, str(run)) for word in given.words)]

    def begin_anew() -> None:
        shutil.rmtree(run, ignore_errors=True)
        if given.source is not None:
            shutil.copytree(given.source, run)

    def run_to_the_end() -> float:
        began = time.perf_counter()
        subprocess.run(words, check=True)
        return time.perf_counter() - began

    undisturbed = []
    for _ in range(1 + _N_UNDISTURBED):  # the first one computes what the cache keeps for all
        begin_anew()
        undisturbed.append(run_to_the_end())
    expected, seconds = digest(run), statistics.median(undisturbed[1:])
    chance, before, resumed, n_same = random.Random(1), [], [], 0
    for _ in range(given.kills):
        begin_anew()
        before.append(run_and_kill(words, after=seconds * chance.random()))
        resumed.append(run_to_the_end())
        n_same += digest(run) == expected
    values = {
        "undisturbed_seconds": seconds,
        "killed_after_seconds": statistics.mean(before),
        "resumed_seconds": statistics.mean(resumed),
        "n_kills": given.kills,
        "n_same": n_same,
    }
    write_values(given.out, values)


def run_and_kill(words: list[str], *, after: float) -> float:
    """Start a command, kill all of its processes after some seconds; return the seconds that it ran."""
    began = time.perf_counter()
    process = subprocess.Popen(words)
    with suppress(subprocess.TimeoutExpired):
        process.wait(timeout=after)
    seconds = time.perf_counter() - began
    family = [process]
    with suppress(psutil.NoSuchProcess):
        family += psutil.Process(process.pid).children(recursive=True)
    for member in family:
        with suppress(psutil.NoSuchProcess, ProcessLookupError):
            member.kill()
    process.wait()
    return seconds


def digest(folder: Path) -> str:
    """Return a hash of all files that hold no times."""
    found = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.suffix in _COMPARED_ENDINGS and path.name != _TIMED_FILE:
            found.update(os.fsencode(path.relative_to(folder)))
            found.update(path.read_bytes())
    return found.hexdigest()


if __name__ == "__main__":
    main()
