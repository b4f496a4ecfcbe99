"""Time a command while other processes compute on the same cores.

In:  how many such processes; the words of the command, behind two dashes.
Out: seconds of the command.
"""

import multiprocessing
import subprocess
import time

from benchmarks.workers.common import worker_parser, write_values


def compute_without_pause() -> None:
    """Keep one core busy for ever."""
    while True:
        sum(range(1000))


def main() -> None:
    """Measure."""
    parser = worker_parser()
    parser.add_argument("--neighbors", type=int, required=True)
    parser.add_argument("command", nargs="+")
    given = parser.parse_args()

    neighbors = [
        multiprocessing.Process(target=compute_without_pause, daemon=True) for _ in range(given.neighbors)
    ]
    for neighbor in neighbors:
        neighbor.start()
    started = time.perf_counter()
    try:
        subprocess.run(given.command, check=True)
        seconds = time.perf_counter() - started
    finally:
        for neighbor in neighbors:
            neighbor.kill()
    write_values(given.out, {"command_seconds": seconds})


if __name__ == "__main__":
    main()
