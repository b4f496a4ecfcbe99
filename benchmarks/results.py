"""Results on disk: one JSON per part, merged case by case.

In:  a case and what one run of it gave.
Out: benchmarks/results/<part>.json: a record per case with its runs, their medians, versions and machine.

    part      name of the part
    records   [{key, command, date, machine, versions, runs: [{seconds, peak_mib, ...}], medians, failure}]

A record holds runs of one machine and one set of versions; another machine or version starts it anew.
``failure`` is the end of what a failed run printed, null where none failed.
"""

import json
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.cases import Case, Values

Record = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Setup:
    """Say what a run was made with.

    Attributes:
        machine: Processor, flags, cores, memory, system.
        versions: Version per package; manylabel's with the state of its source.
        command: The words of the command, without this machine's folders.
        date: Day of the run, ISO 8601.
    """

    machine: Mapping[str, str]
    versions: Mapping[str, str]
    command: str
    date: str


def read_records(path: Path) -> list[Record]:
    """Return the records of a file; none where there is no file."""
    if not path.is_file():
        return []
    records: list[Record] = json.loads(path.read_text(encoding="utf-8"))["records"]
    return records


def find_record(records: list[Record], key: Mapping[str, str]) -> Record | None:
    """Return the record of a case, None without one."""
    return next((record for record in records if record["key"] == dict(key)), None)


def runs_done(records: list[Record], case: Case, setup: Setup) -> int:
    """Count the runs of a case that were made with this setup."""
    record = find_record(records, case.key)
    return 0 if record is None or not _is_same(record, setup) else len(record["runs"])


def add_run(records: list[Record], case: Case, setup: Setup, run: Values | str) -> list[Record]:
    """Return the records with one more run of a case.

    Args:
        records: What was measured before.
        case: What was run.
        setup: What it was run with.
        run: What it gave or, where it failed, the end of what it printed.

    Examples:
        >>> case = Case(key={"tool": "a"}, command=[], read=lambda out: {})
        >>> setup = Setup(machine={}, versions={}, command="a", date="2026-01-01")
        >>> records = add_run([], case, setup, {"seconds": 1.0})
        >>> add_run(records, case, setup, {"seconds": 3.0})[0]["medians"]
        {'seconds': 2.0}
    """
    record = find_record(records, case.key)
    runs = list(record["runs"]) if record is not None and _is_same(record, setup) else []
    runs += [] if isinstance(run, str) else [run]
    new: Record = {
        "key": dict(case.key),
        "command": setup.command,
        "date": setup.date,
        "machine": dict(setup.machine),
        "versions": dict(setup.versions),
        "runs": runs,
        "medians": medians(runs),
        "failure": run if isinstance(run, str) else None,
    }
    if record is None:
        return [*records, new]
    return [new if old is record else old for old in records]


def medians(runs: list[Values]) -> Values:
    """Return the median of every number that all runs gave.

    Examples:
        >>> medians([{"seconds": 2.0}, {"seconds": 4.0}, {"seconds": 3.0}])
        {'seconds': 3.0}
    """
    names = [name for name in (runs[0] if runs else {}) if all(name in run for run in runs)]
    return {name: statistics.median(run[name] for run in runs) for name in names}


def write_records(path: Path, records: list[Record]) -> None:
    """Write the records of a part, ordered by key; whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    ordered = sorted(records, key=lambda record: list(record["key"].items()))
    text = json.dumps({"part": path.stem, "records": ordered}, indent=1, ensure_ascii=False) + "\n"
    partial = path.with_suffix(".partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


def _is_same(record: Record, setup: Setup) -> bool:
    now = (dict(setup.machine), dict(setup.versions), setup.command)
    return (record["machine"], record["versions"], record["command"]) == now
