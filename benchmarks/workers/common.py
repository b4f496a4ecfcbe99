"""What every worker shares.

In:  what to time.
Out: values.json in the folder of the run.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

VALUES_FILE = "values.json"

_LEAST_ROUNDS, _MOST_ROUNDS, _MOST_SECONDS = 5, 100, 20.0


def worker_parser() -> argparse.ArgumentParser:
    """Return a parser with the option that every worker has."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, required=True)
    return parser


def write_values(out: Path, values: Mapping[str, float]) -> None:
    """Write what a worker measured."""
    (out / VALUES_FILE).write_text(json.dumps(dict(values)), encoding="utf-8")


def read_values(out: Path) -> dict[str, float]:
    """Read what a worker measured."""
    values: dict[str, float] = json.loads((out / VALUES_FILE).read_text(encoding="utf-8"))
    return values


def marginal_rate(
    score: Callable[[Sequence[Path]], object], photos: Sequence[Path], *, n_few: int
) -> dict[str, float]:
    """Return photos per second once everything runs, and the seconds before that.

    Few photos are scored, then all of them; the difference leaves out whatever is paid once: loading a
    network, compiling it, starting processes. It is taken off everyone alike.

    Args:
        score: Scores photo files.
        photos: The files.
        n_few: How many of them are few.

    Raises:
        ValueError: All photos took no longer than few of them: the machine is busy with something else.
    """
    score(photos[:n_few])  # whatever is made once and kept, e.g. a converted network, is made now
    seconds_few = _seconds(lambda: score(photos[:n_few]))
    seconds_all = _seconds(lambda: score(photos))
    if seconds_all <= seconds_few:
        raise ValueError(
            f"{len(photos)} photos took {seconds_all:.1f} s, {n_few} of them {seconds_few:.1f} s"
        )
    rate = (len(photos) - n_few) / (seconds_all - seconds_few)
    return {
        "photos_per_second": rate,
        "start_seconds": max(0.0, seconds_few - n_few / rate),
        "n_photos": len(photos),
    }


def median_milliseconds(call: Callable[[], object]) -> dict[str, float]:
    """Time a call again and again: at least 5 times, at most 100 times or 20 seconds.

    Returns:
        ``median_ms`` and ``fastest_ms``.
    """
    for _ in range(3):
        call()
    rounds: list[float] = []
    while len(rounds) < _LEAST_ROUNDS or (len(rounds) < _MOST_ROUNDS and sum(rounds) < _MOST_SECONDS):
        rounds.append(_seconds(call))
    return {"median_ms": 1000 * statistics.median(rounds), "fastest_ms": 1000 * min(rounds)}


def _seconds(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started
