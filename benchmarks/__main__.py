"""``python -m benchmarks``: run a part, or all of them, and write the page.

In:  the words of the command line.
Out: benchmarks/results/<part>.json, docs/benchmarks.md, docs/images/benchmarks.png.
"""

import argparse
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import (
    busy,
    growth,
    labeling,
    latency,
    page,
    scale,
    serving,
    start,
    study,
    throughput,
    training,
)
from benchmarks.cases import ROOT, Case, Settings, select, shown
from benchmarks.machine import describe_machine, gather_versions
from benchmarks.results import Setup, add_run, read_records, runs_done, write_records
from benchmarks.runner import run_case
from manylabel.report.run_info import hide_folders_in_sentence

PARTS: dict[str, Callable[[Settings], list[Case]]] = {
    "training": training.list_cases,
    "throughput": throughput.list_cases,
    "latency": latency.list_cases,
    "study": study.list_cases,
    "growth": growth.list_cases,
    "serving": serving.list_cases,
    "start": start.list_cases,
    "busy": busy.list_cases,
    "scale": scale.list_cases,
    "labeling": labeling.list_cases,
}

FILTERS = {
    "tools": "tool",
    "sets": "set",
    "networks": "network",
    "engines": "engine",
    "photos": "photos",
    "sizes": "size",
    "works": "work",
    "waits": "waits",
    "neighbors": "neighbors",
}
"""Options that choose cases, and the field of a case's key that each looks at."""

_HERE = Path(__file__).parent


def main() -> None:
    """Run what was asked for."""
    # Ends as Ctrl-C does: the process that is being measured ends too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    given = read_arguments()
    settings = Settings(
        data=given.data.resolve(),
        weights=given.weights.resolve(),
        work=given.work.resolve(),
        results=given.results.resolve(),
        python=Path(sys.executable),
        # Not resolved: the link is what tells Python its environment.
        peers_python=Path(os.path.abspath(given.peers_python)),  # noqa: PTH100
    )
    wanted = {field: getattr(given, option) for option, field in FILTERS.items()}
    for part in PARTS if given.part == "all" else [given.part]:
        if part != "page":
            cases = select(PARTS[part](settings), wanted)
            if not given.list:
                tidy(
                    settings.results / f"{part}.json",
                    PARTS[part](settings),
                    again=cases if given.again else [],
                )
            run_part(part, cases, settings, repeats=given.repeats, is_dry=given.list)
    if not given.list:
        page.write_page(settings.results, page=given.page)
        page.write_scale_page(settings.results, page=given.page.with_name("scale.md"))
        page.write_labeling_page(settings.results, page=given.page.with_name("labeling.md"))
        say(f"{given.page}")


def read_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Run a part, or all of them, and write the page."
    )
    parser.add_argument("part", choices=[*PARTS, "all", "page"])
    parser.add_argument("--tools", "--peers", nargs="+", metavar="TOOL", help="e.g. fastai 'manylabel top'")
    for option in list(FILTERS)[1:]:
        parser.add_argument(f"--{option}", nargs="+", metavar="NAME")
    parser.add_argument(
        "--repeats", type=int, default=3, help="runs per case; those on file count (default 3)"
    )
    parser.add_argument("--again", action="store_true", help="forget the runs on file of the chosen cases")
    parser.add_argument("--list", action="store_true", help="list the cases and what is on file; run nothing")
    folders = {
        "data": Path(os.environ.get("MANYLABEL_TEST_DATA", "../shared/data")),
        "weights": Path(os.environ.get("MANYLABEL_TEST_WEIGHTS", "../shared/weights")),
        "work": _HERE / ".work",
        "results": _HERE / "results",
        "page": page.PAGE,
        "peers-python": Path(os.environ.get("BENCH_VENV", _HERE / ".venv")) / "bin" / "python",
    }
    for option, place in folders.items():
        parser.add_argument(f"--{option}", type=Path, default=place, metavar="PATH")
    return parser.parse_args()


def run_part(part: str, cases: list[Case], settings: Settings, *, repeats: int, is_dry: bool) -> None:
    """Run the cases of a part until each has its number of runs; results are saved after every run.

    The cases take turns, so that a slow hour of the machine falls on all of them.
    """
    path, failed = settings.results / f"{part}.json", list[Case]()
    for turn in range(repeats):
        for case in cases:
            setup = describe_setup(case, settings)
            done = runs_done(read_records(path), case, setup)
            if is_dry and turn == 0:
                say(f"{part}: {name_of(case)}: {done} of {repeats} on file: {setup.command}")
            if not is_dry and done <= turn and case not in failed and not run_once(case, setup, path):
                failed.append(case)


def tidy(path: Path, known: list[Case], *, again: list[Case]) -> None:
    """Take off the file what is no case any more, and the cases that are to be run again."""
    forgotten = [dict(case.key) for case in again]
    kept = [key for case in known if (key := dict(case.key)) not in forgotten]
    write_records(path, [record for record in read_records(path) if record["key"] in kept])


def run_once(case: Case, setup: Setup, path: Path) -> bool:
    """Run a case once and save what it gave; return whether it went well."""
    say(f"{path.stem}: {name_of(case)} ...")
    log = ROOT / "runs" / "benchmarks" / f"{path.stem} {name_of(case)}.log".replace(" ", "-")
    try:
        case.prepare()
        run = run_case(case, log=log)
    except (OSError, subprocess.CalledProcessError) as error:
        run = hide_folders_in_sentence(f"could not be prepared: {error}")
    write_records(path, add_run(read_records(path), case, setup, run))
    if isinstance(run, str):
        say(f"  failed: {run.splitlines()[-1]}")
        return False
    say("  " + ", ".join(f"{name} {value:.4g}" for name, value in run.items()))
    return True


def describe_setup(case: Case, settings: Settings) -> Setup:
    """Say what a case is run with, now."""
    is_peer = case.command[0] == str(settings.peers_python)
    python = settings.peers_python if is_peer else settings.python
    return Setup(
        machine=describe_machine(),
        versions=gather_versions(python, tuple(case.packages)),
        command=shown(case.command, settings),
        date=datetime.now(UTC).date().isoformat(),
    )


def name_of(case: Case) -> str:
    """Name a case in one word per field."""
    return " ".join(case.key.values())


def say(line: str) -> None:
    """Tell the user what goes on."""
    print(line, flush=True)


if __name__ == "__main__":
    main()
