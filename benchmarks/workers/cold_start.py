"""Time a command from start to end, in a fresh process each time.

In:  the words of the command, behind two dashes.
Out: milliseconds.
"""

import subprocess

from benchmarks.workers.common import median_milliseconds, worker_parser, write_values


def main() -> None:
    """Measure."""
    parser = worker_parser()
    parser.add_argument("command", nargs="+")
    given = parser.parse_args()

    def run() -> object:
        return subprocess.run(given.command, check=True, stdout=subprocess.DEVNULL)

    write_values(given.out, median_milliseconds(run))


if __name__ == "__main__":
    main()
