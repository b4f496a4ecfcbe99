"""Score any number of photos in parts, and go on where an earlier call was stopped.

In:  a bundle, a folder or list of photos, the folder to write to; perhaps which shard of the parts.
Out: a file per part, a record of each, a manifest. What was complete before is left as it is.
"""

import logging
import os
import socket
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from threading import Thread
from typing import Protocol, Self

from manylabel.bundle.tables import ThresholdSource
from manylabel.cluster.manifest import (
    MANIFEST_FILE,
    RECORDS_FOLDER,
    Manifest,
    PartRecord,
    check_own,
    keep_manifest,
    keep_n_parts,
    list_records,
    other_number_of_parts,
    read_n_parts,
    read_record,
)
from manylabel.cluster.parts import (
    Part,
    PartScorer,
    ScoringJob,
    Shard,
    check_no_more,
    find_complete,
    first_problem,
    is_undamaged,
    name_part,
)
from manylabel.config import DeviceName, EngineName, PrecisionName
from manylabel.data.wording import count
from manylabel.errors import ConfigError, InputError, ManylabelError, OutputError, needs_extra
from manylabel.exporters.predictions.registry import PART_ENDINGS, PART_SIZE
from manylabel.io.files import (
    is_being_written,
    list_being_written,
    lock_if_possible,
    printable,
    remove_empty,
    writing,
)
from manylabel.types import Progress, ProgressCallback, ignore_progress

_REASONS_SHOWN = 10
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class PartsSummary:
    """The outcome of scoring in parts.

    Attributes:
        folder: Folder of the parts.
        n_parts: Parts of the whole list.
        n_complete: Those that are complete, whoever wrote them.
        n_elsewhere: Those that another process is writing.
        n_new: Those that were written by this call.
        n_photos: Photos in the complete parts.
        n_unreadable: How many of them could not be read.
        failures: Why a part was not written, by its file.
    """

    folder: Path
    n_parts: int
    n_complete: int
    n_elsewhere: int
    n_new: int
    n_photos: int
    n_unreadable: int
    failures: Mapping[str, str]

    def check(self) -> None:
        """Raise an InputError if parts were not written."""
        if self.failures:
            reasons = [f"{file}: {reason}" for file, reason in self.failures.items()]
            n_more = len(reasons) - _REASONS_SHOWN
            more = [f"and {n_more} more"] if n_more > 0 else []
            raise InputError(
                f"{self.folder}: {len(reasons)} of {self.n_parts} parts not written; run the same command to "
                "try again\n" + "\n".join([*reasons[:_REASONS_SHOWN], *more])
            )


def predict_parts(  # noqa: PLR0913 - a wish of the user each
    bundle: Path | str,
    photos: Path | str,
    out: Path | str,
    *,
    part_format: str = PART_ENDINGS[0],
    part_size: int = PART_SIZE,
    shard: Shard | str = "1/1",
    max_unreadable: float = 1.0,
    photo_column: str | None = None,
    engine: EngineName = "auto",
    device: DeviceName = "auto",
    precision: PrecisionName = "auto",
    thresholds: ThresholdSource | Sequence[ThresholdSource] | None = None,
    on: str = "here",
    ray_address: str | None = None,
    on_progress: ProgressCallback = ignore_progress,
) -> PartsSummary:
    """Score photos in parts, and go on where an earlier call was stopped.

    Args:
        bundle: Folder that training wrote.
        photos: A folder, or a list of photos: a text file with a line per photo, or a CSV or Parquet file.
        out: Folder of the parts; one that was begun is completed.
        part_format: The ending of a part's file: ``".parquet"``, ``".csv"`` or ``".jsonl"``.
        part_size: Photos per part.
        shard: Which of the parts to write, e.g. ``"3/16"``; calls for other shards may run at the same time,
            on any machine that shares the folder.
        max_unreadable: Fraction of the photos of a part, 0 to 1, that may be unreadable; a part with more is
            not written, nor is one of 100 photos or more of which none can be read.
        photo_column: Column of a CSV or Parquet list; not given: it is found by its name.
        engine: What computes: "auto" takes OpenVINO on a CPU, else torch.
        device: Where to compute.
        precision: What to compute in.
        thresholds: As for ``predict_batches``.
        on: "here" for this process; "ray" for every node of a Ray cluster.
        ray_address: "auto" for the cluster that this machine belongs to, or HOST:PORT of one; not given: the
            environment variable RAY_ADDRESS, else a cluster that is started on this machine and ended again.
        on_progress: Called with the progress of each part.

    Raises:
        InputError: The bundle, the list or a setting cannot be used.
        OutputError: The folder holds predictions made with other inputs or settings, another process is
            scoring the same shard, or a part cannot be written.
        MissingExtraError: The engine, or a library for a list or a format, is not installed.
    """
    job = ScoringJob(
        bundle=Path(bundle),
        photos=Path(photos),
        out=Path(out),
        part_format=part_format,
        part_size=part_size,
        max_unreadable=max_unreadable,
        photo_column=photo_column,
        engine=engine,
        device=device,
        precision=precision,
        thresholds=thresholds,
    )
    job.check()
    wanted = Shard.parse(shard) if isinstance(shard, str) else shard
    check_own(job.out)
    with hold_shard(job.out, wanted), _open_workers(job, on, ray_address, on_progress) as workers:
        keep_manifest(job.out, workers.describe())
        tally, complete = _Tally(), list_records(job.out, ending=job.part_format)
        with _log_resuming(job, n_before=len(complete)), _CountedParts(job, wanted, complete) as missing:
            for part, outcome in workers.score(tally.find_missing(job, wanted)):
                tally.add(part, outcome)
                missing.report(tally, on_progress)
        check_no_more(job.out, n_parts=tally.n_parts)
        keep_n_parts(job.out, tally.n_parts)
    return tally.summarize(job)


@contextmanager
def _log_resuming(job: ScoringJob, *, n_before: int) -> Iterator[None]:
    """Log how many parts are complete, before scoring and where it is interrupted."""
    if n_before:
        _logger.info(
            "%s in the folder already; complete ones are not scored again",
            count(n_before, "part"),
        )
    try:
        yield
    except KeyboardInterrupt:
        n_now = count(len(list_records(job.out, ending=job.part_format)), "part")
        _logger.info("%s in the folder complete; run the same command again to resume", n_now)
        raise


class _CountedParts:
    """The number of missing parts of a shard, counted in the background: millions of files take a while.

    A context manager, which ends the counting.

    Args:
        job: What to score.
        shard: The parts to count.
        complete: The files of the parts that are not missing.
    """

    def __init__(self, job: ScoringJob, shard: Shard, complete: Set[str]) -> None:
        self._job, self._shard, self._complete = job, shard, complete
        self._n: int | None = None
        self._is_ended = False
        self._thread = Thread(target=self._count, daemon=True)

    def __enter__(self) -> Self:
        """Begin to count."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop counting."""
        self._is_ended = True
        self._thread.join()

    def _count(self) -> None:
        n = 0
        with suppress(ManylabelError):  # who scores the parts raises it
            for part in self._job.split():
                if self._is_ended:
                    return
                n += self._shard.has(part.number) and part.file not in self._complete
            self._n = n

    def report(self, tally: "_Tally", on_progress: ProgressCallback) -> None:
        """Report how many of the parts are done, once all are counted."""
        if self._n is not None:
            done = min(tally.n_done, self._n)
            on_progress(Progress(subject="part", stage="", done=done, total=self._n, is_of_all=True))


class Workers(Protocol):
    """A pool of workers that score parts."""

    def describe(self) -> Manifest:
        """Return what decides the bytes of the parts."""

    def score(self, parts: Iterator[Part]) -> Iterator[tuple[Part, PartRecord | str | None]]:
        """Yield the outcome of each part, as ``PartScorer.score``; parts are taken as needed."""


class _Here:
    """A single worker: this process."""

    def __init__(self, scorer: PartScorer) -> None:
        self._scorer = scorer

    def describe(self) -> Manifest:
        """Return what decides the bytes of the parts."""
        return self._scorer.describe()

    def score(self, parts: Iterator[Part]) -> Iterator[tuple[Part, PartRecord | str | None]]:
        """Score part after part."""
        for part in parts:
            yield part, self._scorer.score(part)


def _open_workers(
    job: ScoringJob, on: str, ray_address: str | None, on_progress: ProgressCallback
) -> AbstractContextManager[Workers]:
    match on:
        case "here":
            return nullcontext(_Here(PartScorer(job, on_progress=on_progress)))
        case "ray":
            with needs_extra("Scoring on Ray", "ray"):
                from manylabel.cluster.ray_scoring import ray_workers
            return ray_workers(job, address=ray_address, on_progress=on_progress)
        case _:
            raise ConfigError(f"on: given '{on}', expected 'here' or 'ray'")


@dataclass
class _Tally:
    """Running counts for the summary; attributes as in ``PartsSummary``, and the parts that were tried."""

    n_parts: int = 0
    n_new: int = 0
    n_done: int = 0
    failures: dict[str, str] = field(default_factory=dict)

    def find_missing(self, job: ScoringJob, shard: Shard) -> Iterator[Part]:
        """Count all parts, and yield those of a shard that no process has written or is writing.

        Raises:
            OutputError: A part has other photos than before, or there are more parts than before.
        """
        known = read_n_parts(job.out)
        for part in job.split():
            self.n_parts += 1
            if known is not None and self.n_parts > known:
                raise other_number_of_parts(job.out, known, f"{printable(part.names[0])} begins another one")
            before = find_complete(job.out, part)
            if not shard.has(part.number) or is_undamaged(job.out, before):
                continue
            # Once more at the end: another process may have written it meanwhile.
            if is_being_written(job.out / part.file) or find_complete(job.out, part) != before:
                continue
            if before is not None:
                _logger.warning("%s: is damaged or cannot be read, so it is scored again", part.file)
            yield part

    def add(self, part: Part, outcome: PartRecord | str | None) -> None:
        """Count a part that was written, or note why it was not."""
        self.n_done += 1
        match outcome:
            case str():
                self.failures[part.file] = outcome
                _logger.warning("%s: not written: %s", part.file, first_problem(outcome))
            case PartRecord():
                self.n_new += 1

    def summarize(self, job: ScoringJob) -> PartsSummary:
        """Count what is there now: other processes may have written parts meanwhile."""
        files = [name_part(number, job.part_format) for number in range(self.n_parts)]
        records = {file: read_record(job.out, file) for file in files}
        complete = [record for record in records.values() if record is not None]
        missing = [file for file, record in records.items() if record is None]
        return PartsSummary(
            folder=job.out,
            n_parts=self.n_parts,
            n_complete=len(complete),
            n_elsewhere=len(list_being_written(job.out).intersection(missing)),
            n_new=self.n_new,
            n_photos=sum(record.n_photos for record in complete),
            n_unreadable=sum(record.n_unreadable for record in complete),
            failures=self.failures,
        )


@contextmanager
def hold_shard(out: Path, shard: Shard) -> Iterator[None]:
    """Keep other processes from scoring the same shard.

    If the disk has no locks that end with a process, nothing is locked: two processes then do the same work
    twice, and write the same parts. If nothing was begun in the block, no folder is left.

    Raises:
        OutputError: Another process has it.
    """
    lock = out / RECORDS_FOLDER / f".{shard.number}-of-{shard.n}.lock"
    new_folders = [folder for folder in lock.parents if not folder.exists()]
    with writing(out):
        lock.parent.mkdir(parents=True, exist_ok=True)
        file = lock.open("a+b")
    with file:
        if not lock_if_possible(file):
            file.seek(0)
            who = file.read().decode(errors="replace") or "another process"
            join = ", or help: --shard 2/2" if shard.n == 1 else ""
            raise OutputError(f"{out}: {who} is scoring this shard. Wait until it ends{join}")
        process, begun = f"process {os.getpid()} on {socket.gethostname()}", datetime.now()
        file.truncate(0)
        file.write(f"{process}, which began on {begun:%Y-%m-%d at %H:%M:%S},".encode())
        file.flush()
        try:
            yield
        finally:
            if not (out / MANIFEST_FILE).exists():
                lock.unlink(missing_ok=True)
                remove_empty(new_folders)
