"""Prepare the next batches in threads while one is used.

In:  batches of jobs, and a function that turns one into an item.
Out: lists of items in the order of the jobs.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Job = TypeVar("Job")
Item = TypeVar("Item")

_BATCHES_AHEAD = 2


def prefetch(batches: Iterable[Sequence[Job]], *, render: Callable[[Job], Item]) -> Iterator[list[Item]]:
    """Yield batches of rendered jobs.

    Args:
        batches: What to do, in order.
        render: Turns a job into an item; runs in several threads, so Pillow and numpy work in parallel.

    Raises:
        Exception: Whatever ``render`` raises, at the batch of the job that raised it.

    Examples:
        >>> list(prefetch([[1, 2], [3]], render=lambda number: number * 10))
        [[10, 20], [30]]
    """
    threads = ThreadPoolExecutor(max_workers=os.cpu_count() or 1)
    waiting: deque[list[Future[Item]]] = deque()
    try:
        for batch in batches:
            waiting.append([threads.submit(render, job) for job in batch])
            if len(waiting) > _BATCHES_AHEAD:
                yield [item.result() for item in waiting.popleft()]
        while waiting:
            yield [item.result() for item in waiting.popleft()]
    finally:
        threads.shutdown(wait=False, cancel_futures=True)
