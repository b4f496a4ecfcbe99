"""Score parts on the nodes of a Ray cluster.

In:  what to score and how, parts; perhaps the address of a cluster.
Out: what became of each part. The names of photos travel, photos never do: every node reads them, and
     writes the parts, itself.

A part whose node or process was lost is done again elsewhere; one that fails three times is reported.
"""

import logging
import os
import socket
import time
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

import ray
from ray.exceptions import RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from manylabel.bundle.folder import read_bundle
from manylabel.bundle.tables import change_thresholds
from manylabel.cluster.manifest import RECORDS_FOLDER, Manifest, PartRecord, list_differences
from manylabel.cluster.parts import Part, PartScorer, ScoringJob, first_problem
from manylabel.engines.registry import find_engine
from manylabel.errors import ConfigError, InputError, ManylabelError, OutputError
from manylabel.io.files import writing
from manylabel.types import Progress, ProgressCallback

_MOST_ATTEMPTS = 3
_SECONDS_BETWEEN_LOOKS = 10.0
_SECONDS_TO_OPEN = 60.0
_SECONDS_TO_ANSWER = 10.0
_logger = logging.getLogger(__name__)


@contextmanager
def ray_workers(
    job: ScoringJob, *, address: str | None = None, on_progress: ProgressCallback
) -> Iterator["RayWorkers"]:
    """Open a worker on every node, or on every GPU of a node that has some.

    Args:
        job: What to score and how.
        address: "auto", HOST:PORT, or None for RAY_ADDRESS, else for a cluster of this machine alone.
        on_progress: Called with the number of parts done.

    Raises:
        ConfigError: The address cannot be used.
        InputError: A node cannot open the job.
    """
    chosen = address or os.environ.get("RAY_ADDRESS") or "local"
    _check_address(chosen)
    is_ours = not ray.is_initialized()
    if is_ours:
        _connect(chosen)
    token = job.out / RECORDS_FOLDER / f".{uuid4().hex}"
    try:
        with writing(job.out):
            token.touch()
        yield RayWorkers(_make_portable(job), token=token.name, on_progress=on_progress)
    finally:
        token.unlink(missing_ok=True)
        if is_ours:
            ray.shutdown()


def _check_address(address: str) -> None:
    """Check that an address is one of a cluster that answers; Ray itself would try for minutes.

    Raises:
        ConfigError: It is not.
    """
    if address.startswith("ray://"):
        raise ConfigError(
            f"ray_address: '{address}' is a Ray Client address. Ray Client cannot retry lost parts; run this "
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


def _make_portable(job: ScoringJob) -> ScoringJob:
    """Return a job that does not depend on the working folder or on files of this machine alone."""
    thresholds = job.thresholds
    if thresholds is not None:
        bundle = read_bundle(job.bundle)
        labels = bundle.config.labels
        changed = change_thresholds(bundle.thresholds, labels, thresholds).values.tolist()
        thresholds = dict(zip(labels, changed, strict=True))
    return replace(
        job,
        bundle=job.bundle.absolute(),
        photos=job.photos.absolute(),
        out=job.out.absolute(),
        thresholds=thresholds,
    )


class _Worker:
    """A process of a node that scores parts; it opens the model once."""

    def __init__(self, job: ScoringJob, token: str) -> None:
        self._job = job
        self._token = token
        self._scorer: PartScorer | None = None

    def open(self) -> Manifest | str:
        """Open the job once; return what its parts are made from, or what hinders it."""
        if not (self._job.out / RECORDS_FOLDER / self._token).exists():
            return f"{self._job.out} is not shared with it"
        try:
            self._scorer = self._scorer or PartScorer(self._job)
            return self._scorer.describe()
        except ManylabelError as error:
            return str(error)

    def score(self, part: Part) -> PartRecord | str | None:
        """Write a part and its record."""
        if self._scorer is None:
            raise RuntimeError("open() comes first")
        return self._scorer.score(part)


@dataclass(frozen=True)
class _Handle:
    """A worker as the driver knows it."""

    node_id: str
    node: str
    actor: Any


class RayWorkers:
    """Workers on all nodes; nodes that come later get theirs, those that go are left out.

    Args:
        job: What to score and how; see ``_make_portable``.
        token: A file in the folder of the parts that nodes which share it can see.
        on_progress: Called with the number of parts done.

    Raises:
        InputError: A node cannot open the job, or would score differently.
    """

    def __init__(self, job: ScoringJob, *, token: str, on_progress: ProgressCallback) -> None:
        self._job = job
        self._token = token
        self._on_progress = on_progress
        self._manifest: tuple[str, Manifest] | None = None
        self._n_workers = Counter[str]()  # by node
        self._n_lost = Counter[str]()  # by node: ended before they had opened the job
        self._last_loss = ""  # why the last worker ended before it had opened the job
        self._n_strikes = Counter[str]()  # by node: failures since its last success
        self._opening = dict[Any, _Handle]()
        self._idle = deque[_Handle]()
        self._running = dict[Any, tuple[_Handle, Part]]()
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
                _logger.info("Ray: waiting for %d workers to start", len(self._opening))
        if problems or not self._idle:
            raise InputError(
                "\n".join(problems) or self._last_loss or "Ray: no node of the cluster offers a CPU or GPU"
            )

    def describe(self) -> Manifest:
        """Return what decides the bytes of the parts, which is the same on every node."""
        assert self._manifest is not None
        return self._manifest[1]

    def score(self, parts: Iterator[Part]) -> Iterator[tuple[Part, PartRecord | str | None]]:
        """Yield the outcome of each part, in the order in which they end."""
        again, n_failures, n_done, is_listed = deque[Part](), Counter[int](), 0, False
        while True:
            while self._idle and (again or not is_listed):
                part = again.popleft() if again else next(parts, None)
                if part is None:
                    is_listed = True
                else:
                    handle = self._idle.popleft()
                    self._running[handle.actor.score.remote(part)] = handle, part
            if is_listed and not self._running and not again:
                return
            for part, outcome in self._wait():
                if isinstance(outcome, _Failure):
                    n_failures[part.number] += 1
                    if n_failures[part.number] < _MOST_ATTEMPTS:
                        _logger.warning("%s: retrying: %s", part.file, first_problem(outcome.reason))
                        again.append(part)
                        continue
                n_done += 1
                total = n_done + len(again) + len(self._running)
                self._on_progress(Progress(subject="parts", stage="scoring", done=n_done, total=total))
                yield part, outcome.describe() if isinstance(outcome, _Failure) else outcome

    def _wait(self) -> Iterator[tuple[Part, "PartRecord | _Failure | None"]]:
        """Wait for parts to end and for workers to open; look for nodes that came or went."""
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
                handle, part = self._running.pop(reference)
                yield part, self._outcome(reference, handle)

    def _outcome(self, reference: Any, handle: _Handle) -> "PartRecord | _Failure | None":
        try:
            outcome: PartRecord | str | None = ray.get(reference)
        except RayTaskError as error:
            self._release(handle, is_well=False)
            return _Failure(_last_line(error))
        except RayError:
            self._forget(handle)
            return _Failure("its process or node was lost")
        self._release(handle, is_well=not isinstance(outcome, str))
        return _Failure(outcome) if isinstance(outcome, str) else outcome

    def _release(self, handle: _Handle, *, is_well: bool) -> None:
        """Give a worker its next part; leave out a node that fails again and again while others do not."""
        self._n_strikes[handle.node_id] = 0 if is_well else self._n_strikes[handle.node_id] + 1
        has_others = any(n > 0 for node, n in self._n_workers.items() if node != handle.node_id)
        if self._n_strikes[handle.node_id] < _MOST_ATTEMPTS or not has_others:
            self._idle.append(handle)
        else:
            self._n_lost[handle.node_id] = _MOST_ATTEMPTS
            self._n_workers[handle.node_id] -= 1
            _logger.warning("skipping node %s: it failed %d parts in a row", handle.node, _MOST_ATTEMPTS)

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
            n_wanted, options = _plan_workers(node, self._job)
            for _ in range(n_wanted - self._n_workers[node_id]):
                actor: Any = ray.remote(_Worker).options(**options).remote(self._job, self._token)
                self._opening[actor.open.remote()] = _Handle(node_id, name, actor)
                self._n_workers[node_id] += 1

    def _finish_opening(self, reference: Any) -> str | None:
        """Take a worker in; or return why it cannot be used, and leave it out."""
        handle = self._opening.pop(reference)
        try:
            manifest: Manifest | str = ray.get(reference)
        except RayError as error:
            self._n_workers[handle.node_id] -= 1
            self._n_lost[handle.node_id] += 1
            self._last_loss = f"node {handle.node}: could not start: {_last_line(error)}"
            _logger.warning("%s", self._last_loss)
            return None
        if isinstance(manifest, str):
            return f"node {handle.node}: {manifest}"
        self._manifest = self._manifest or (handle.node, manifest)
        texts = f"on {self._manifest[0]}", f"on {handle.node}"
        if differences := list_differences(self._manifest[1], manifest, texts=texts):
            shown = "".join(f"\n  {difference}" for difference in differences)
            return f"node {handle.node}: would score differently:{shown}"
        self._idle.append(handle)
        return None


@dataclass(frozen=True)
class _Failure:
    """The reason why a part must be scored again."""

    reason: str

    def describe(self) -> str:
        """Describe the last of all attempts."""
        return f"failed {_MOST_ATTEMPTS} times: {self.reason}"


def _last_line(error: RayError) -> str:
    text = str(error.__cause__ or error).strip()
    return text.splitlines()[-1] if text else type(error).__name__


def _plan_workers(node: Mapping[str, Any], job: ScoringJob) -> tuple[int, dict[str, Any]]:
    """Return how many workers a node gets, and what each takes: all processors, or a share per GPU."""
    n_cpus, n_gpus = (int(node["Resources"].get(name, 0)) for name in ("CPU", "GPU"))
    has_gpus = n_gpus > 0 and job.device != "cpu" and not find_engine(job.engine).is_cpu_only
    n_workers = n_gpus if has_gpus else min(1, n_cpus)
    return n_workers, {
        "num_cpus": n_cpus // max(1, n_workers),
        "num_gpus": int(has_gpus),
        "scheduling_strategy": NodeAffinitySchedulingStrategy(node_id=str(node["NodeID"]), soft=False),
    }
