"""Give tests of the benchmarks results to work with.

In:  nothing.
Out: a folder of result files, as a run of every part would leave it.
"""

from pathlib import Path

import pytest

from benchmarks.cases import Case, Values
from benchmarks.results import Record, Setup, add_run, write_records
from benchmarks.start import HELP, PREDICT
from benchmarks.study import JUDGED_VARIANT

SETUP = Setup(
    machine={"processor": "Test 9000", "cores": "2"},
    versions={"torch": "9.9"},
    command="manylabel compare $DATA/scenes",
    date="2026-01-01",
)


def case(**key: str) -> Case:
    """Return a case of which only the key matters."""
    return Case(key=key, command=[], read=lambda out: {})


def trained(seconds: float, points: float) -> Values:
    """Return what a run of the part "training" gives."""
    return {
        "seconds": seconds,
        "peak_mib": 2048.0,
        "training_seconds": seconds / 2,
        "mAP": points / 100,
        "exact_match": 0.5,
        "exact_match_at_half": 0.4,
    }


def records_of(*runs: tuple[dict[str, str], Values | str]) -> list[Record]:
    """Return records of runs, each a key and what it gave."""
    records: list[Record] = []
    for key, run in runs:
        records = add_run(records, case(**key), SETUP, run)
    return records


TRAINING = {"set": "ucmerced", "network": "mobilenet_v2"}
SCORED = {"network": "mobilenet_v2"}

PARTS = {
    "training": records_of(
        ({**TRAINING, "tool": "manylabel top"}, trained(100.0, 97.2)),
        ({**TRAINING, "tool": "manylabel quick"}, trained(40.0, 94.0)),
        ({**TRAINING, "tool": "fastai"}, trained(600.0, 92.0)),
        ({**TRAINING, "tool": "fastai"}, trained(620.0, 93.0)),
        ({**TRAINING, "tool": "hf_trainer"}, "Traceback\nValueError: no such thing"),
    ),
    "throughput": records_of(
        (
            {**SCORED, "photos": "ready pixels", "tool": "bare engine"},
            {"photos_per_second": 100.0, "peak_mib": 1.0},
        ),
        (
            {**SCORED, "photos": "256 px", "tool": "DataLoader loop"},
            {"photos_per_second": 20.0, "start_seconds": 3.0, "peak_mib": 1.0},
        ),
        (
            {**SCORED, "photos": "256 px", "tool": "manylabel"},
            {"photos_per_second": 90.0, "start_seconds": 1.0, "peak_mib": 1.0},
        ),
    ),
    "latency": records_of(
        ({"network": "resnet50", "engine": "torch fp32"}, {"median_ms": 90.0}),
        ({"network": "resnet50", "engine": "OpenVINO int8"}, {"median_ms": 10.0}),
    ),
    "study": records_of(
        (
            {"variant": JUDGED_VARIANT},
            {"seconds": 160.0, "peak_mib": 1024.0, "vgg16: features": 100.0, "best_mAP": 0.5},
        )
    ),
    "start": records_of(
        ({"command": HELP}, {"median_ms": 200.0}),
        ({"command": PREDICT}, {"median_ms": 1600.0}),
    ),
    "busy": records_of(
        *(
            ({"work": "top", "waits": waits, "neighbors": neighbors}, {"command_seconds": seconds})
            for waits, times in (("rest", (20.0, 36.0, 90.0)), ("spin", (19.0, 95.0)))
            for neighbors, seconds in zip("012", times, strict=False)
        )
    ),
    "growth": records_of(
        ({"size": "2000"}, {"seconds": 60.0, "peak_mib": 2048.0}),
        ({"size": "200"}, {"seconds": 20.0, "peak_mib": 1024.0}),
    ),
}


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Return a folder with a result file per part."""
    for part, records in PARTS.items():
        write_records(tmp_path / "results" / f"{part}.json", records)
    return tmp_path / "results"
