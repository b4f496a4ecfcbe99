"""Score a list of photos: in one file or in parts, here or on nodes of a Ray cluster on this machine.

In:  a bundle, a list of photos; how many nodes, and how many of them are lost on the way.
Out: photos per second once everything runs, early and late; memory at 20 moments; a digest of all rows.
"""

import hashlib
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.runner import tree_mib
from benchmarks.workers.common import worker_parser, write_values

N_MOMENTS = 20
_SECONDS_BETWEEN_LOOKS = 1.0
_BEGUN, _EARLY, _LATE = 0.1, 0.3, 0.8
"""Shares of the photos: before the first, processes start; the others bound the first and the last rate."""


def main() -> None:
    """Measure."""
    parser = worker_parser()
    parser.add_argument("--way", choices=["file", "parts"], required=True)
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--part-size", type=int, required=True)
    parser.add_argument("--nodes", type=int, default=0)
    parser.add_argument("--lose", type=int, default=0)
    given = parser.parse_args()
    timeline = Timeline()
    scores = given.out / "scores"
    if given.way == "file":
        scores.mkdir()
        score_to_file(given.bundle, given.photos, scores / "part.csv", timeline)
    else:
        with started_nodes(given.nodes) as cluster:
            watch = threading.Thread(
                target=watch_parts, args=(scores, given.part_size, timeline, cluster, given.lose), daemon=True
            )
            watch.start()
            score_in_parts(given, scores)
            timeline.is_over.set()
            watch.join()
    write_values(given.out, {**timeline.values(), **sizes(given, scores), "digest": digest(scores)})


class Timeline:
    """How many photos were done, and how much memory was held, at which time."""

    def __init__(self) -> None:
        self.is_over = threading.Event()
        self._points: list[tuple[float, int, float]] = []

    def add(self, n_done: int) -> None:
        """Note the present state."""
        self._points.append((time.perf_counter(), n_done, tree_mib(os.getpid())))

    def values(self) -> dict[str, float]:
        """Return rates and memory."""
        seconds, done, mib = np.array(self._points, dtype=float).T
        n = done[-1]

        def rate(first: float, last: float) -> float:
            """Return photos per second between two shares of all photos."""
            begin, end = np.searchsorted(done, [first * n, last * n])
            return float((done[end] - done[begin]) / (seconds[end] - seconds[begin]))

        moments = np.linspace(seconds[np.searchsorted(done, _BEGUN * n)], seconds[-2], N_MOMENTS)
        return {
            "photos_per_second": rate(_BEGUN, 1.0),
            "early_per_second": rate(_BEGUN, _EARLY),
            "late_per_second": rate(_LATE, 1.0),
            "scoring_seconds": float(seconds[-1] - seconds[0]),
            **{f"mib_{number:02d}": float(np.interp(at, seconds, mib)) for number, at in enumerate(moments)},
        }


def score_to_file(bundle: Path, photos: Path, out: Path, timeline: Timeline) -> None:
    """Write all predictions to one file."""
    from manylabel.apply import predict_batches
    from manylabel.exporters.predictions.registry import open_prediction_files

    n_done, looked = 0, 0.0
    with open_prediction_files([out]) as write:
        for predictions in predict_batches(bundle, [photos], precision="fp32", device="cpu"):
            write(predictions)
            n_done += len(predictions.scores.names)
            if time.perf_counter() - looked > _SECONDS_BETWEEN_LOOKS:
                timeline.add(n_done)
                looked = time.perf_counter()
    timeline.add(n_done)


def score_in_parts(given: Any, scores: Path) -> None:
    """Write the predictions in parts."""
    from manylabel.cluster.scoring import predict_parts

    predict_parts(
        given.bundle,
        given.photos,
        scores,
        part_format=".csv",
        part_size=given.part_size,
        precision="fp32",
        device="cpu",
        on="ray" if given.nodes else "here",
    ).check()


def watch_parts(scores: Path, part_size: int, timeline: Timeline, cluster: Any, n_to_lose: int) -> None:
    """Note how many parts are complete; lose nodes meanwhile."""
    n_lost, losing = 0, list[threading.Thread]()
    while not timeline.is_over.wait(_SECONDS_BETWEEN_LOOKS):
        n_parts = count_parts(scores)
        timeline.add(n_parts * part_size)
        if n_lost < n_to_lose and n_parts >= 3 * (n_lost + 1):
            losing.append(threading.Thread(target=cluster.lose, daemon=True))  # takes a while
            losing[-1].start()
            n_lost += 1
    timeline.add(count_parts(scores) * part_size)
    for thread in losing:
        thread.join()


def count_parts(scores: Path) -> int:
    """Count the parts that are complete."""
    return sum(1 for _ in scores.glob("part-*.csv"))


class Nodes:
    """The nodes of a cluster on this machine, of one processor each."""

    def __init__(self, n: int) -> None:
        from ray.cluster_utils import Cluster

        self.cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
        self._others = [self.cluster.add_node(num_cpus=1) for _ in range(n - 1)]

    def lose(self) -> None:
        """Kill a node without warning, and start another one."""
        self.cluster.remove_node(self._others.pop(0), allow_graceful=False)
        self._others.append(self.cluster.add_node(num_cpus=1))


@contextmanager
def started_nodes(n: int) -> Iterator[Nodes | None]:
    """Start a cluster and join it; none for no nodes."""
    if n == 0:
        yield None
        return
    import ray

    nodes = Nodes(n)
    ray.init(address=nodes.cluster.address, log_to_driver=False)
    try:
        yield nodes
    finally:
        ray.shutdown()
        nodes.cluster.shutdown()


def sizes(given: Any, scores: Path) -> dict[str, float]:
    """Return the bytes of a row and of a record, and the seconds of a run that finds all parts complete."""
    parts, records = [*scores.glob("part*.csv")], [*scores.glob("_parts/*.json")]
    n_rows = sum(1 for path in parts for _ in path.open("rb")) - len(parts)
    values = {
        "bytes_per_row": sum(path.stat().st_size for path in parts) / n_rows,
        "list_bytes_per_row": given.photos.stat().st_size / n_rows,
    }
    if records and not given.nodes:
        began = time.perf_counter()
        score_in_parts(given, scores)
        values["again_seconds"] = time.perf_counter() - began
        values["n_parts"] = len(records)
        values["bytes_per_record"] = sum(path.stat().st_size for path in records) / len(records)
    return values


def digest(scores: Path) -> int:
    """Return a number that differs where any prediction does: all rows, whatever file they are in."""
    found = hashlib.sha256()
    for path in sorted(scores.glob("part*.csv")):
        with path.open("rb") as rows:
            next(rows)
            for row in rows:
                found.update(row)
    return int(found.hexdigest()[:8], 16)


if __name__ == "__main__":
    main()
