"""Score any number of photos in parts, and go on where an earlier call was stopped.

In:  a bundle, a folder or list of photos, the folder to write to; perhaps which share of the parts to make.
Out: a file per part, a record of each, a manifest. What was complete before is left as it is.
"""

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol

from manylabel.bundle.tables import ThresholdSource
from manylabel.cluster.manifest import RECORDS_FOLDER, Manifest, PartRecord, keep_manifest
from manylabel.cluster.parts import Part, PartScorer, ScoringJob, Shard, check_no_more, find_complete
from manylabel.config import DeviceName, EngineName, PrecisionName
from manylabel.errors import ConfigError, InputError, OutputError, needs_extra
from manylabel.exporters.predictions.registry import PART_ENDINGS, PART_SIZE
from manylabel.io.files import is_being_written, try_to_lock, writing
from manylabel.types import ProgressCallback, ignore_progress

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class PartsSummary:
    """What scoring in parts has done.

    Attributes:
        folder: Folder of the parts.
        n_parts: Parts of the whole list.
        n_complete: Those that are complete, whoever made them.
        n_elsewhere: Those that another process is making.
        n_new: Those that were made this time.
        n_photos: Photos that were scored this time.
        n_unreadable: How many of them could not be read.
        failures: Why a part was not made, by its file.
    """

    folder: Path
    n_parts: int
    n_complete: int
    n_elsewhere: int
    n_new: int
    n_photos: int
    n_unreadable: int
    failures: dict[str, str]

    def check(self) -> None:
        """Raise an InputError where parts were not made."""
        if self.failures:
            reasons = "\n".join(f"{file}: {reason}" for file, reason in self.failures.items())
            raise InputError(
                f"{self.folder}: {len(self.failures)} of {self.n_parts} parts were not written; the same "
                f"command writes them once their photos can be read\n{reasons}"
            )


def predict_parts(  # noqa: PLR0913 - a wish of the user each
    bundle: Path | str,
    photos: Path | str,
    out: Path | str,
    *,
    ending: str = PART_ENDINGS[0],
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
        ending: What the parts are: one of ``PART_ENDINGS``.
        part_size: Photos per part.
        shard: Which share of the parts to make, e.g. ``"3/16"``; calls for other shares may run at the same
            time, on any machine that shares the folder.
        max_unreadable: Share of the photos of a part, 0 to 1, that may be unreadable; a part with more is not
            written, nor is one without a photo that can be read.
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
        OutputError: The folder was begun with something else, another process is making the same parts, or a
            part cannot be written.
        MissingExtraError: The engine, or a library for a list or a format, is not installed.
    """
    job = ScoringJob(
        bundle=Path(bundle),
        photos=Path(photos),
        out=Path(out),
        ending=ending,
        part_size=part_size,
        max_unreadable=max_unreadable,
        photo_column=photo_column,
        engine=engine,
        device=device,
        precision=precision,
        thresholds=thresholds,
    )
    job.check()
    share = Shard.parse(shard) if isinstance(shard, str) else shard
    opening = _open_workers(job, on=on, ray_address=ray_address, on_progress=on_progress)
    with opening as workers, hold_shard(job.out, share):
        keep_manifest(job.out, workers.describe())
        tally = _Tally(job.out)
        for part, outcome in workers.score(tally.find_missing(job, share)):
            tally.add(part, outcome)
        check_no_more(job.out, n_parts=tally.n_parts, ending=ending)
    return tally.summary()


class Workers(Protocol):
    """What scores parts, here or elsewhere."""

    def describe(self) -> Manifest:
        """Return what decides the bytes of the parts."""

    def score(self, parts: Iterator[Part]) -> Iterator[tuple[Part, PartRecord | str]]:
        """Yield what became of each part: its record, or why it was not written; parts are read as needed."""


class _Here:
    """Scoring in this process."""

    def __init__(self, scorer: PartScorer) -> None:
        self._scorer = scorer

    def describe(self) -> Manifest:
        """Return what decides the bytes of the parts."""
        return self._scorer.describe()

    def score(self, parts: Iterator[Part]) -> Iterator[tuple[Part, PartRecord | str]]:
        """Score part after part."""
        for part in parts:
            yield part, self._scorer.score(part)


def _open_workers(
    job: ScoringJob, *, on: str, ray_address: str | None, on_progress: ProgressCallback
) -> AbstractContextManager[Workers]:
    match on:
        case "here":
            return nullcontext(_Here(PartScorer(job, on_progress=on_progress)))
        case "ray":
            with needs_extra("Scoring on Ray", "ray"):
                from manylabel.cluster.ray import ray_workers
            return ray_workers(job, address=ray_address, on_progress=on_progress)
        case _:
            raise ConfigError(f"on: given '{on}', expected 'here' or 'ray'")


@dataclass
class _Tally:
    """What was done so far; attributes as in ``PartsSummary``."""

    folder: Path
    n_parts: int = 0
    n_complete: int = 0
    n_elsewhere: int = 0
    n_new: int = 0
    n_photos: int = 0
    n_unreadable: int = 0
    failures: dict[str, str] = field(default_factory=dict)

    def find_missing(self, job: ScoringJob, share: Shard) -> Iterator[Part]:
        """Count all parts, and yield those of a share that nobody has made or is making."""
        for part in job.split():
            self.n_parts += 1
            if find_complete(job.out, part) is not None:
                self.n_complete += 1
            elif is_being_written(job.out / part.file):
                self.n_elsewhere += 1
            elif share.has(part.number):
                yield part

    def add(self, part: Part, outcome: PartRecord | str) -> None:
        """Count a part that was made, or note why it was not."""
        if isinstance(outcome, str):
            self.failures[part.file] = outcome
            _logger.warning("%s: not written: %s", part.file, outcome)
        else:
            self.n_complete += 1
            self.n_new += 1
            self.n_photos += outcome.n_photos
            self.n_unreadable += outcome.n_unreadable

    def summary(self) -> PartsSummary:
        """Return what was done."""
        return PartsSummary(**vars(self))


@contextmanager
def hold_shard(out: Path, shard: Shard) -> Iterator[None]:
    """Keep other processes from making the same share of the parts.

    Where the disk has no locks that end with a process, nothing is locked: two processes then do the same
    work twice, and write the same parts.

    Raises:
        OutputError: Another process has it.
    """
    lock = out / RECORDS_FOLDER / f".{shard.number}-of-{shard.n}.lock"
    with writing(out):
        lock.parent.mkdir(parents=True, exist_ok=True)
        file = lock.open("a+b")
    with file:
        try:
            is_ours = try_to_lock(file)
        except NotImplementedError:
            is_ours = True
        if not is_ours:
            file.seek(0)
            raise OutputError(
                f"{out}: {file.read().decode(errors='replace') or 'another process'} is making these parts; "
                "wait for it, or join it with a share of the parts, e.g. --shard 2/2"
            )
        file.truncate(0)
        file.write(f"process {os.getpid()}, which began on {datetime.now():%Y-%m-%d at %H:%M:%S},".encode())
        file.flush()
        yield
