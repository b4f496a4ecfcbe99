"""Results are merged case by case and run by run."""

from dataclasses import replace
from functools import partial
from pathlib import Path

from benchmarks.__main__ import tidy
from benchmarks.cases import Case
from benchmarks.results import add_run, find_record, read_records, runs_done, write_records
from tests.benchmarks.conftest import SETUP, case, records_of

FASTAI, PLAIN = {"tool": "fastai"}, {"tool": "torchvision"}


def test_runs_of_a_case_add_up_and_leave_other_cases_alone() -> None:
    records = records_of((FASTAI, {"seconds": 1.0}), (PLAIN, {"seconds": 7.0}), (FASTAI, {"seconds": 3.0}))

    fastai, plain = find_record(records, FASTAI), find_record(records, PLAIN)
    assert fastai is not None
    assert fastai["medians"] == {"seconds": 2.0}
    assert plain is not None
    assert plain["medians"] == {"seconds": 7.0}


def test_another_version_starts_a_case_anew() -> None:
    records = records_of((FASTAI, {"seconds": 1.0}))
    newer = replace(SETUP, versions={"torch": "10.0"})

    assert runs_done(records, case(**FASTAI), SETUP) == 1
    assert runs_done(records, case(**FASTAI), newer) == 0
    assert add_run(records, case(**FASTAI), newer, {"seconds": 5.0})[0]["runs"] == [{"seconds": 5.0}]


def test_a_failure_is_kept_until_a_run_goes_well() -> None:
    failed = records_of((FASTAI, "it broke"))
    mended = add_run(failed, case(**FASTAI), SETUP, {"seconds": 1.0})

    assert failed[0]["failure"] == "it broke"
    assert runs_done(failed, case(**FASTAI), SETUP) == 0
    assert mended[0]["failure"] is None


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    records = records_of((FASTAI, {"seconds": 1.0}))
    path = tmp_path / "results" / "training.json"

    assert read_records(path) == []
    write_records(path, records)
    assert read_records(path) == records


def test_again_forgets_the_runs_of_the_chosen_cases_alone(tmp_path: Path) -> None:
    path = tmp_path / "growth.json"
    write_records(path, records_of(({"size": "1"}, {"seconds": 1.0}), ({"size": "2"}, {"seconds": 2.0})))

    def listed() -> list[Case]:
        """Return new cases, as the parts list them."""
        return [replace(case(size=size), prepare=partial(print, size)) for size in ("1", "2")]

    tidy(path, listed(), again=listed()[:1])

    assert [record["key"] for record in read_records(path)] == [{"size": "2"}]
