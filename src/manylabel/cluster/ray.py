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

import ray
from ray.exceptions import RayActorError, RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from manylabel.bundle.folder import read_bundle
from manylabel.bundle.tables import change_thresholds
from manylabel.cluster.manifest import RECORDS_FOLDER, Manifest, PartRecord, list_differences
from manylabel.cluster.parts import Part, PartScorer, ScoringJob
from manylabel.errors import ConfigError, InputError, ManylabelError, OutputError
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
    is_ours = not ray.is_initialized()
    if is_ours:
        _connect(address)
    try:
        (job.out / RECORDS_FOLDER).mkdir(parents=True, exist_ok=True)
        yield RayWorkers(_make_portable(job), on_progress=on_progress)
    finally:
        if is_ours:
            ray.shutdown()


def _connect(address: str | None) -> None:
    """Join the cluster that was asked for, and no other one by accident."""
    chosen = address or os.environ.get("RAY_ADDRESS") or "local"
    if chosen.startswith("ray://"):
        raise ConfigError(
            f"ray address: {chosen} is for Ray Client, through which lost parts could not be done again; run "
            "this command on a node of the cluster with --ray-address auto"
        )
    _check_answers(chosen)
    try:
        ray.init(address=chosen, logging_level=logging.WARNING, log_to_driver=False)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise ConfigError(f"ray address: no cluster can be joined at '{chosen}': {error}") from error


def _check_answers(address: str) -> None:
    """Check that HOST:PORT answers; Ray itself would try for minutes.

    Raises:
        ConfigError: It does not.
    """
    host, separator, port = address.rpartition(":")
    if not separator:
        return
    try:
        socket.create_connection((host, int(port)), timeout=_SECONDS_TO_ANSWER).close()
    except (OSError, OverflowError, ValueError) as error:
        raise ConfigError(f"ray address: no cluster answers at '{address}': {error}") from error


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

    def __init__(self, job: ScoringJob) -> None:
        self._job = job
        self._scorer: PartScorer | None = None

    def open(self) -> tuple[str, Manifest | str]:
        """Open the job; return the name of the node, and what its parts are made from, or what hinders it."""
        node = socket.gethostname()
        if not (self._job.out / RECORDS_FOLDER).is_dir():
            return node, f"{self._job.out} is not on this node"
        try:
            self._scorer = PartScorer(self._job)
            return node, self._scorer.describe()
        except ManylabelError as error:
            return node, str(error)

    def score(self, part: Part) -> PartRecord | str:
        """Write a part and its record."""
        if self._scorer is None:
            raise RuntimeError("open() comes first")
        return self._scorer.score(part)


@dataclass(frozen=True)
class _Handle:
    """A worker as the driver knows it."""

    node_id: str
    actor: Any


class RayWorkers:
    """Workers on all nodes; nodes that come later get theirs, those that go are left out.

    Args:
        job: What to score and how; see ``_make_portable``.
        on_progress: Called with the number of parts done.

    Raises:
        InputError: A node cannot open the job, or would score differently.
    """

    def __init__(self, job: ScoringJob, *, on_progress: ProgressCallback) -> None:
        self._job = job
        self._on_progress = on_progress
        self._manifest: Manifest | None = None
        self._n_workers = Counter[str]()  # by node
        self._opening = dict[Any, _Handle]()
        self._idle = deque[_Handle]()
        self._running = dict[Any, tuple[_Handle, Part]]()
        self._wait_for_first()

    def _wait_for_first(self) -> None:
        """Wait for all workers, or, where some find no free processor, for one."""
        self._start_workers()
        end = time.monotonic() + _SECONDS_TO_OPEN
        while self._opening and (not self._idle or time.monotonic() < end):
            ended, _ = ray.wait([*self._opening], timeout=_SECONDS_BETWEEN_LOOKS)
            if problems := list(filter(None, map(self._finish_opening, ended))):
                raise InputError("\n".join(problems))
            if not ended:
                _logger.info("Ray: %d workers wait for free processors", len(self._opening))
        if not self._idle:
            raise InputError("Ray: no node of the cluster has a processor")

    def describe(self) -> Manifest:
        """Return what decides the bytes of the parts, which is the same on every node."""
        assert self._manifest is not None
        return self._manifest

    def score(self, parts: Iterator[Part]) -> Iterator[tuple[Part, PartRecord | str]]:
        """Yield what became of each part, in the order in which they end."""
        again, n_failures, n_done = deque[Part](), Counter[int](), 0
        while True:
            while self._idle and (part := again.popleft() if again else next(parts, None)) is not None:
                handle = self._idle.popleft()
                self._running[handle.actor.score.remote(part)] = handle, part
            if not self._running and not again:
                return
            for part, outcome in self._wait():
                if isinstance(outcome, _Failure):
                    n_failures[part.number] += 1
                    if n_failures[part.number] < _MOST_ATTEMPTS:
                        _logger.warning("%s: done again: %s", part.file, outcome.reason)
                        again.append(part)
                        continue
                    outcome = f"failed {_MOST_ATTEMPTS} times: {outcome.reason}"
                n_done += 1
                total = n_done + len(again) + len(self._running)
                self._on_progress(Progress(subject="parts", stage="scoring", done=n_done, total=total))
                yield part, outcome

    def _wait(self) -> Iterator[tuple[Part, "PartRecord | str | _Failure"]]:
        """Wait for parts to end and for workers to open; look for nodes that came or went."""
        self._start_workers()
        waited = [*self._running, *self._opening]
        if not waited:
            raise OutputError("Ray: every node of the cluster was lost; the same command goes on")
        ended, _ = ray.wait(waited, timeout=_SECONDS_BETWEEN_LOOKS)
        for reference in ended:
            if reference in self._opening:
                if problem := self._finish_opening(reference):
                    _logger.warning("left out: %s", problem)
            else:
                handle, part = self._running.pop(reference)
                yield part, self._outcome(reference, handle)

    def _outcome(self, reference: Any, handle: _Handle) -> "PartRecord | str | _Failure":
        try:
            outcome: PartRecord | str = ray.get(reference)
        except RayActorError:
            self._n_workers[handle.node_id] -= 1
            return _Failure("its process or node was lost")
        except RayError as error:
            self._idle.append(handle)
            return _Failure(_last_line(error))
        self._idle.append(handle)
        return outcome

    def _start_workers(self) -> None:
        """Start the workers that nodes lack."""
        for node in ray.nodes():
            node_id = str(node["NodeID"])
            if not node["Alive"]:
                del self._n_workers[node_id]
                continue
            n_wanted, options = _plan_workers(node, self._job)
            for _ in range(n_wanted - self._n_workers[node_id]):
                actor: Any = ray.remote(_Worker).options(**options).remote(self._job)
                self._opening[actor.open.remote()] = _Handle(node_id, actor)
                self._n_workers[node_id] += 1

    def _finish_opening(self, reference: Any) -> str | None:
        """Take a worker in; or return why it cannot be used, and leave it out for good."""
        handle = self._opening.pop(reference)
        try:
            node, manifest = ray.get(reference)
        except RayActorError:
            self._n_workers[handle.node_id] -= 1
            return None
        except RayError as error:
            return f"a Ray worker cannot start: {_last_line(error)}"
        if isinstance(manifest, str):
            return f"node {node}: {manifest}"
        self._manifest = self._manifest or manifest
        if differences := list_differences(self._manifest, manifest):
            shown = "".join(f"\n  {difference}" for difference in differences)
            return f"node {node}: differs from another node:{shown}"
        self._idle.append(handle)
        return None


@dataclass(frozen=True)
class _Failure:
    """Why a part has to be done again."""

    reason: str


def _last_line(error: RayError) -> str:
    text = str(error.__cause__ or error).strip()
    return text.splitlines()[-1] if text else type(error).__name__


def _plan_workers(node: Mapping[str, Any], job: ScoringJob) -> tuple[int, dict[str, Any]]:
    """Return how many workers a node gets, and what each takes: all processors, or a share per GPU."""
    n_cpus, n_gpus = (int(node["Resources"].get(name, 0)) for name in ("CPU", "GPU"))
    has_gpus = n_gpus > 0 and job.device != "cpu"
    n_workers = n_gpus if has_gpus else min(1, n_cpus)
    return n_workers, {
        "num_cpus": n_cpus // max(1, n_workers),
        "num_gpus": int(has_gpus),
        "scheduling_strategy": NodeAffinitySchedulingStrategy(node_id=str(node["NodeID"]), soft=False),
    }
