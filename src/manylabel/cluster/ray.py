"""Run tasks on the nodes of a Ray cluster.

In:  a job that every node can open, tasks; perhaps the address of a cluster.
Out: the outcome of each task. The names of photos travel, photos never do: every node reads them itself.

A task whose node or process was lost is run again; one that fails three times is reported.
"""

import logging
import os
import socket
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import ray
from ray.exceptions import RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from manylabel.cluster.manifest import list_differences
from manylabel.cluster.parts import first_problem
from manylabel.data.wording import count
from manylabel.errors import ConfigError, InputError, ManylabelError, OutputError
from manylabel.types import Progress, ProgressCallback

_MOST_ATTEMPTS = 3
_SECONDS_BETWEEN_LOOKS = 10.0
_SECONDS_TO_OPEN = 60.0
_SECONDS_TO_ANSWER = 10.0
_logger = logging.getLogger(__name__)

TaskT = TypeVar("TaskT")
OutcomeT = TypeVar("OutcomeT")
_GivenT = TypeVar("_GivenT", contravariant=True)
_FoundT = TypeVar("_FoundT", covariant=True)


class OpenJob(Protocol[_GivenT, _FoundT]):
    """A job on a node, ready for its tasks."""

    def describe(self) -> object:
        """Return what decides the outcome of every task: a dataclass or a mapping, the same on every node."""

    def run(self, task: _GivenT) -> _FoundT | str:
        """Run a task; return its outcome, or why there is none."""


class Job(Protocol[_GivenT, _FoundT]):
    """Work for the nodes of a cluster, to which it is sent."""

    @property
    def uses_gpus(self) -> bool:
        """Tell whether it computes on GPUs where a node has some."""

    def open(self) -> OpenJob[_GivenT, _FoundT]:
        """Open the job on a node.

        Raises:
            ManylabelError: The node cannot do it.
        """


@contextmanager
def joined_cluster(address: str | None) -> Iterator[None]:
    """Join a Ray cluster, unless this process belongs to one already.

    Args:
        address: "auto", HOST:PORT, or None for RAY_ADDRESS, else for a cluster of this machine alone.

    Raises:
        ConfigError: The address cannot be used.
    """
    chosen = address or os.environ.get("RAY_ADDRESS") or "local"
    _check_address(chosen)
    is_ours = not ray.is_initialized()
    if is_ours:
        _connect(chosen)
    try:
        yield
    finally:
        if is_ours:
            ray.shutdown()


def _check_address(address: str) -> None:
    """Check that an address is one of a cluster that answers; Ray itself would try for minutes.

    Raises:
        ConfigError: It is not.
    """
    if address.startswith("ray://"):
        raise ConfigError(
            f"ray_address: '{address}' is a Ray Client address. Ray Client cannot retry lost tasks; run this "
            "command on a node of the cluster with --ray-address auto"
        )
    host, separator, port = address.rpartition(":")
    if not separator:
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_SECONDS_TO_ANSWER).close()
    except (OSError, OverflowError, ValueError) as error:
        raise ConfigError(f"ray_address: no cluster answers at '{address}': {error}") from error


def _connect(address: str) -> None:
    """Join a cluster, or start one on this machine, which others are not taken for."""
    try:
        ray.init(address=address, logging_level=logging.WARNING, log_to_driver=False)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise ConfigError(f"ray_address: no cluster can be joined at '{address}': {error}") from error


class _Worker:
    """A process of a node that runs tasks; it opens the job once."""

    def __init__(self, job: Job[Any, Any]) -> None:
        self._job = job
        self._opened: OpenJob[Any, Any] | None = None

    def open(self) -> object:
        """Open the job once; return what decides the outcome of its tasks, or ``_Failure``."""
        try:
            self._opened = self._opened or self._job.open()
            return self._opened.describe()
        except ManylabelError as error:
            return _Failure(str(error))

    def run(self, task: Any) -> Any:
        """Run a task."""
        if self._opened is None:
            raise RuntimeError("open() comes first")
        return self._opened.run(task)


@dataclass(frozen=True)
class _Handle:
    """A worker as the driver knows it."""

    node_id: str
    node: str
    actor: Any


@dataclass(frozen=True)
class _Failure:
    """The reason why a task must be run again, or why a node cannot open the job."""

    reason: str


class RayWorkers(Generic[TaskT, OutcomeT]):
    """Workers on all nodes; nodes that come later get theirs, those that go are left out.

    Args:
        job: What to do. Each node gets a worker, or one per GPU if the job uses them.
        what: What its tasks are called in progress, e.g. "parts".
        on_progress: Called with the number of tasks done.
        expected: What decides the outcomes on the driver; None expects what the first node describes.

    Raises:
        InputError: A node cannot open the job, or its outcomes would differ.
    """

    def __init__(
        self,
        job: Job[TaskT, OutcomeT],
        *,
        what: str,
        on_progress: ProgressCallback,
        expected: object = None,
    ) -> None:
        self._job = job
        self._what = what
        self._on_progress = on_progress
        self._described = None if expected is None else ("this machine", expected)
        self._n_workers = Counter[str]()  # by node
        self._n_lost = Counter[str]()  # by node: ended before they had opened the job
        self._last_loss = ""  # why the last worker ended before it had opened the job
        self._n_strikes = Counter[str]()  # by node: failures since its last success
        self._opening = dict[Any, _Handle]()
        self._idle = deque[_Handle]()
        self._running = dict[Any, tuple[_Handle, TaskT]]()
        self._wait_for_first()

    def _wait_for_first(self) -> None:
        """Wait for all workers, or, if some find no free processor, for one."""
        problems = list[str]()
        self._start_workers()
        end = time.monotonic() + _SECONDS_TO_OPEN
        while self._opening and (not self._idle or time.monotonic() < end):
            ended, _ = ray.wait([*self._opening], timeout=_SECONDS_BETWEEN_LOOKS)
            problems += filter(None, map(self._finish_opening, ended))
            self._start_workers()  # again, where one was lost
            if not ended:
                _logger.info("Ray: waiting for %s to start", count(len(self._opening), "worker"))
        if problems or not self._idle:
            raise InputError(
                "\n".join(problems) or self._last_loss or "Ray: no node of the cluster offers a CPU or GPU"
            )

    def describe(self) -> object:
        """Return what decides the outcome of every task, which is the same on every node."""
        assert self._described is not None
        return self._described[1]

    def run(
        self, take: Callable[[str], TaskT | None], *, n_tasks: int | None = None
    ) -> Iterator[tuple[TaskT, OutcomeT | str]]:
        """Yield the outcome of each task, in the order in which they end, or why it failed.

        Args:
            take: Called with the ID of a node; returns its next task, or None if no tasks are left.
            n_tasks: How many tasks there are, for progress; None if that is not known.
        """
        again, n_failures, n_done, is_empty = deque[TaskT](), Counter[str](), 0, False
        while True:
            while self._idle and (again or not is_empty):
                handle = self._idle[0]
                task = again.popleft() if again else take(handle.node_id)
                if task is None:
                    is_empty = True
                else:
                    self._idle.popleft()
                    self._running[handle.actor.run.remote(task)] = handle, task
            if is_empty and not self._running and not again:
                return
            for task, outcome in self._wait():
                if isinstance(outcome, _Failure):
                    n_failures[str(task)] += 1
                    if n_failures[str(task)] < _MOST_ATTEMPTS:
                        _logger.warning("%s: retrying: %s", task, first_problem(outcome.reason))
                        again.append(task)
                        continue
                n_done += 1
                total = n_done + len(again) + len(self._running) if n_tasks is None else n_tasks
                self._on_progress(Progress(subject=self._what, stage="on Ray", done=n_done, total=total))
                yield task, _describe(outcome) if isinstance(outcome, _Failure) else outcome

    def _wait(self) -> Iterator[tuple[TaskT, OutcomeT | _Failure]]:
        """Wait for tasks to end and for workers to open; look for nodes that came or went."""
        self._start_workers()
        waited = [*self._running, *self._opening]
        if not waited:
            raise OutputError("Ray: all nodes of the cluster were lost; run the same command again to resume")
        ended, _ = ray.wait(waited, timeout=_SECONDS_BETWEEN_LOOKS)
        for reference in ended:
            if reference in self._opening:
                if problem := self._finish_opening(reference):
                    _logger.warning("skipping %s", problem)
            else:
                handle, task = self._running.pop(reference)
                yield task, self._outcome(reference, handle)

    def _outcome(self, reference: Any, handle: _Handle) -> OutcomeT | _Failure:
        try:
            outcome: OutcomeT | str = ray.get(reference)
        except RayTaskError as error:
            self._release(handle, is_well=False)
            return _Failure(_last_line(error))
        except RayError:
            self._forget(handle)
            return _Failure("its process or node was lost")
        self._release(handle, is_well=not isinstance(outcome, str))
        return _Failure(outcome) if isinstance(outcome, str) else outcome

    def _release(self, handle: _Handle, *, is_well: bool) -> None:
        """Give a worker its next task; leave out a node that fails again and again while others do not."""
        self._n_strikes[handle.node_id] = 0 if is_well else self._n_strikes[handle.node_id] + 1
        has_others = any(n > 0 for node, n in self._n_workers.items() if node != handle.node_id)
        if self._n_strikes[handle.node_id] < _MOST_ATTEMPTS or not has_others:
            self._idle.append(handle)
        else:
            self._n_lost[handle.node_id] = _MOST_ATTEMPTS
            self._n_workers[handle.node_id] -= 1
            _logger.warning(
                "skipping node %s: %d %s failed on it in a row", handle.node, _MOST_ATTEMPTS, self._what
            )

    def _forget(self, handle: _Handle) -> None:
        """Drop a worker, and ask the idle ones of its node again: they may be lost with it."""
        self._n_workers[handle.node_id] -= 1
        for other in [idle for idle in self._idle if idle.node_id == handle.node_id]:
            self._idle.remove(other)
            self._opening[other.actor.open.remote()] = other

    def _start_workers(self) -> None:
        """Start the workers that nodes lack."""
        for node in ray.nodes():
            node_id, name = str(node["NodeID"]), str(node["NodeManagerHostname"])
            if not node["Alive"]:
                del self._n_workers[node_id]
                continue
            if self._n_lost[node_id] >= _MOST_ATTEMPTS:
                continue
            n_wanted, n_cpus, n_gpus = _plan_workers(node["Resources"], uses_gpus=self._job.uses_gpus)
            create = ray.remote(_Worker).options(
                num_cpus=n_cpus,
                num_gpus=n_gpus,
                scheduling_strategy=NodeAffinitySchedulingStrategy(node_id=node_id, soft=False),
            )
            for _ in range(n_wanted - self._n_workers[node_id]):
                actor: Any = create.remote(self._job)
                self._opening[actor.open.remote()] = _Handle(node_id, name, actor)
                self._n_workers[node_id] += 1

    def _finish_opening(self, reference: Any) -> str | None:
        """Take a worker in; or return why it cannot be used, and leave it out."""
        handle = self._opening.pop(reference)
        try:
            described: object = ray.get(reference)
        except RayError as error:
            self._n_workers[handle.node_id] -= 1
            self._n_lost[handle.node_id] += 1
            self._last_loss = f"node {handle.node}: could not start: {_last_line(error)}"
            _logger.warning("%s", self._last_loss)
            return None
        if isinstance(described, _Failure):
            return f"node {handle.node}: {described.reason}"
        self._described = self._described or (handle.node, described)
        texts = f"on {self._described[0]}", f"on {handle.node}"
        if differences := list_differences(self._described[1], described, texts=texts):
            shown = "".join(f"\n  {difference}" for difference in differences)
            return f"node {handle.node}: would compute different results:{shown}"
        self._idle.append(handle)
        return None


def _describe(failure: _Failure) -> str:
    """Describe the last of all attempts."""
    return f"failed {_MOST_ATTEMPTS} times: {failure.reason}"


def _last_line(error: RayError) -> str:
    text = str(error.__cause__ or error).strip()
    return text.splitlines()[-1] if text else type(error).__name__


def _plan_workers(resources: Mapping[str, float], *, uses_gpus: bool) -> tuple[int, int, int]:
    """Return how many workers a node gets, and how many processors and GPUs each takes.

    One worker gets all processors; if GPUs are used, each gets a worker with its share of the processors.
    """
    n_cpus, n_gpus = (int(resources.get(name, 0)) for name in ("CPU", "GPU"))
    has_gpus = n_gpus > 0 and uses_gpus
    n_workers = n_gpus if has_gpus else min(1, n_cpus)
    return n_workers, n_cpus // max(1, n_workers), int(has_gpus)
