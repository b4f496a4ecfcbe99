"""Batches prepared in threads."""

import threading
import time
from collections.abc import Iterator

import pytest

from manylabel.training.prefetch import prefetch


def test_items_come_in_the_order_of_the_jobs_whatever_takes_longest() -> None:
    def render(job: int) -> int:
        time.sleep(0.01 if job % 3 == 0 else 0)
        return 10 * job

    batches = [[0, 1, 2], [3], [], [4, 5], [6, 7, 8, 9]]

    assert list(prefetch(batches, render=render)) == [[10 * job for job in batch] for batch in batches]


def test_an_error_comes_at_the_batch_of_the_job_that_raised_it() -> None:
    def render(job: int) -> int:
        if job == 3:
            raise ValueError("job 3 is damaged")
        return job

    items = prefetch([[0, 1], [2], [3, 4], [5]], render=render)

    assert [next(items), next(items)] == [[0, 1], [2]]
    with pytest.raises(ValueError, match="job 3 is damaged"):
        next(items)


def test_only_a_few_batches_are_prepared_ahead() -> None:
    asked: list[int] = []

    def batches() -> Iterator[list[int]]:
        for number in range(100):
            asked.append(number)
            yield [number]

    items = prefetch(batches(), render=lambda job: job)
    next(items)

    assert len(asked) < 10
    items.close()  # type: ignore[attr-defined]


def test_who_stops_early_leaves_no_thread_at_work() -> None:
    before, rendered = set(threading.enumerate()), list[int]()

    def render(job: int) -> None:
        time.sleep(0.001)
        rendered.append(job)

    items = prefetch([range(5), range(2000)], render=render)
    next(items)
    items.close()  # type: ignore[attr-defined]

    for thread in set(threading.enumerate()) - before:
        thread.join(timeout=5)
        assert not thread.is_alive()
    assert len(rendered) < 1000
