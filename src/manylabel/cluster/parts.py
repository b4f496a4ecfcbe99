"""Parts of a list of photos, and the scoring of one.

In:  a list of photos, an open engine.
Out: parts, which shards may be taken of; the file and the record of each, complete or absent.
"""

import hashlib
import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from manylabel.bundle.tables import ThresholdSource
from manylabel.cluster.manifest import (
    RECORDS_FOLDER,
    Manifest,
    PartRecord,
    make_manifest,
    read_record,
    write_record,
)
from manylabel.config import DeviceName, EngineName, PrecisionName
from manylabel.data.photo_list import PhotoList, open_photo_list
from manylabel.data.wording import count
from manylabel.engines.openvino import workload_of
from manylabel.engines.registry import open_predictor
from manylabel.engines.stream import stream_files
from manylabel.errors import ConfigError, OutputError, PhotoError, nothing_read
from manylabel.exporters.predictions.registry import (
    PART_ENDINGS,
    PART_SIZE,
    find_format,
    open_prediction_files,
)
from manylabel.io.files import file_sha256, is_being_written, printable, writing
from manylabel.types import Progress, ProgressCallback, ignore_progress

_PROBLEMS_SHOWN = 3
_FEWEST_WITHOUT_ANY = 100
"""Photos of a part that cannot all be unreadable by chance: their disk is gone."""

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Shard:
    """One of every ``n`` parts.

    Attributes:
        number: Which one, from 1.
        n: How many shards there are.
    """

    number: int = 1
    n: int = 1

    def __post_init__(self) -> None:
        """Check the numbers."""
        if not 1 <= self.number <= self.n:
            raise ConfigError(f"shard: given '{self}', expected K/N, K from 1 to N, e.g. 3/16")

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """Read a shard from text.

        Raises:
            ConfigError: The text is not K/N.

        Examples:
            >>> Shard.parse("3/16").has(2), Shard.parse("3/16").has(3)
            (True, False)
        """
        found = re.fullmatch(r"\s*(\d+)\s*/\s*(\d+)\s*", text)
        if found is None:
            raise ConfigError(f"shard: given '{text}', expected K/N, e.g. 3/16")
        return cls(number=int(found[1]), n=int(found[2]))

    def has(self, part: int) -> bool:
        """Tell whether a part, counted from 0, belongs to this shard."""
        return part % self.n == self.number - 1

    def __str__(self) -> str:
        """Return the shard as it is given."""
        return f"{self.number}/{self.n}"


@dataclass(frozen=True, kw_only=True)
class Part:
    """Photos that follow each other.

    Attributes:
        number: Which part, from 0.
        file: The file of its predictions.
        names: What to call its photos.
    """

    number: int
    file: str
    names: tuple[str, ...]

    def __str__(self) -> str:
        """Return the name of the file."""
        return self.file

    @property
    def photos_sha256(self) -> str:
        """Return the SHA-256 of the names."""
        return hashlib.sha256("\0".join(self.names).encode("utf-8", "surrogatepass")).hexdigest()


def split_into_parts(photos: PhotoList, *, part_size: int, ending: str) -> Iterator[Part]:
    """Yield the parts of a list; only the names of one are in memory."""
    names, number = photos.names(), 0
    while chosen := tuple(islice(names, part_size)):
        yield Part(number=number, file=name_part(number, ending), names=chosen)
        number += 1


def name_part(number: int, ending: str) -> str:
    """Name the file of a part.

    Examples:
        >>> name_part(17, ".csv")
        'part-00017.csv'
    """
    return f"part-{number:05d}{ending}"


def find_complete(out: Path, part: Part) -> PartRecord | None:
    """Return the record of a part that is complete, else None.

    Raises:
        OutputError: It was made from other photos.
    """
    record = read_record(out, part.file)
    if record is not None and record.photos_sha256 != part.photos_sha256:
        raise OutputError(
            f"{out / part.file}: the photos have changed since this part was written: it had "
            f"{record.n_photos} photos, and now has {len(part.names)}, from {printable(part.names[0])} to "
            f"{printable(part.names[-1])}. Restore the photos, or choose another output folder"
        )
    return record


def is_undamaged(out: Path, record: PartRecord | None) -> bool:
    """Tell whether there is the file of a part, and the same one as when it was written."""
    try:
        return record is not None and file_sha256(out / record.file) == record.sha256
    except OSError:
        return False


def check_no_more(out: Path, *, n_parts: int) -> None:
    """Check that no part of a longer list is left.

    Raises:
        OutputError: There is one.
    """
    last = name_part(n_parts - 1, "")
    for record in sorted((out / RECORDS_FOLDER).glob("part-*.json")):
        if (len(record.stem), record.stem) > (len(last), last):
            raise OutputError(
                f"{out}: contains {record.stem}, but the photos now fill only {n_parts} parts; photos were "
                "removed. Restore them, or choose another output folder"
            )


@dataclass(frozen=True, kw_only=True)
class ScoringJob:
    """The settings of a scoring job; it travels between processes.

    Attributes:
        bundle: Folder of the model.
        photos: The folder or list of photos.
        out: Folder of the parts.
        part_format: The ending of a part's file, one of ``PART_ENDINGS``.
        part_size: Photos per part.
        max_unreadable: Fraction of the photos of a part, 0 to 1, that may be unreadable.
        photo_column: Column of a CSV or Parquet list; None: it is found by its name.
        engine: What computes.
        device: Where to compute.
        precision: What to compute in.
        thresholds: Thresholds of some labels in place of those of the bundle.
    """

    bundle: Path
    photos: Path
    out: Path
    part_format: str = PART_ENDINGS[0]
    part_size: int = PART_SIZE
    max_unreadable: float = 1.0
    photo_column: str | None = None
    engine: EngineName = "auto"
    device: DeviceName = "auto"
    precision: PrecisionName = "auto"
    thresholds: ThresholdSource | Sequence[ThresholdSource] | None = None

    def check(self) -> None:
        """Check what can be checked without opening anything.

        Raises:
            ConfigError: A setting is out of its range.
            MissingExtraError: A library that the format needs is not installed.
        """
        if self.part_format not in PART_ENDINGS:
            given, known = self.part_format, ", ".join(PART_ENDINGS)
            raise ConfigError(f"part_format: given '{given}', expected one of {known}")
        if self.part_size < 1:
            raise ConfigError(f"part_size: given {self.part_size}, expected at least 1")
        if not 0 <= self.max_unreadable <= 1:
            raise ConfigError(f"max_unreadable: given {self.max_unreadable}, expected a fraction from 0 to 1")
        find_format(Path(f"part{self.part_format}"))

    def split(self) -> Iterator[Part]:
        """Yield all parts; only the names of one are in memory."""
        photos = open_photo_list(self.photos, column=self.photo_column)
        return split_into_parts(photos, part_size=self.part_size, ending=self.part_format)


class PartScorer:
    """An open model that scores one part after another.

    Args:
        job: What to score and how.
        on_progress: Called with the progress of each part.

    Raises:
        InputError: The model, the list or a setting cannot be used.
        MissingExtraError: A library is not installed.
    """

    def __init__(self, job: ScoringJob, *, on_progress: ProgressCallback = ignore_progress) -> None:
        self._job = job
        self._on_progress = on_progress
        self._photos = open_photo_list(job.photos, column=job.photo_column)
        self._predictor = open_predictor(
            job.bundle,
            engine=job.engine,
            device=job.device,
            precision=job.precision,
            workload=workload_of(job.part_size),
            thresholds=job.thresholds,
        )
        for change in self._predictor.thresholds.changes:
            _logger.info("%s", change)

    def describe(self) -> Manifest:
        """Return what decides the bytes of the parts."""
        return make_manifest(
            self._job.bundle,
            self._predictor,
            self._photos,
            part_size=self._job.part_size,
            part_format=self._job.part_format,
            device=self._job.device,
        )

    def score(self, part: Part) -> PartRecord | str | None:
        """Write a part and its record.

        Returns:
            The record; or why the part was not written; or None if another process is writing it.

        Raises:
            OutputError: It cannot be written.
        """
        path, failures = self._job.out / part.file, _Failures()
        try:
            with open_prediction_files([path]) as write:
                for predictions in stream_files(
                    self._predictor,
                    [self._photos.find(name) for name in part.names],
                    names=[printable(name) for name in part.names],
                    on_progress=lambda progress: self._on_progress(_of_part(part, progress)),
                ):
                    write(predictions)
                    failures.add(predictions.failures)
                failures.check(len(part.names), max_unreadable=self._job.max_unreadable)
        except _TooManyUnreadable as error:
            return str(error)
        except OutputError:
            if is_being_written(path):
                return None
            raise
        with writing(path):
            record = PartRecord(
                file=part.file,
                n_bytes=path.stat().st_size,
                n_photos=len(part.names),
                n_unreadable=failures.n,
                photos_sha256=part.photos_sha256,
                sha256=file_sha256(path),
            )
        write_record(self._job.out, record)
        n_photos = count(record.n_photos, "photo")
        _logger.info("%s: %s, %d unreadable", part.file, n_photos, record.n_unreadable)
        return record


def _of_part(part: Part, progress: Progress) -> Progress:
    return Progress(
        subject="photos", stage=f"part {part.number:05d}", done=progress.done, total=progress.total
    )


class _TooManyUnreadable(Exception):
    """Too many unreadable photos in a part."""


def first_problem(reason: str) -> str:
    """Return the first line of the reason why a part was not written, for the log."""
    return reason.splitlines()[0].removesuffix("; the first problems:")


@dataclass
class _Failures:
    """The photos of a part that cannot be read.

    Attributes:
        n: How many.
        first: The first of them.
    """

    n: int = 0
    first: list[PhotoError] = field(default_factory=list)

    def add(self, failures: Sequence[PhotoError]) -> None:
        """Add some."""
        self.n += len(failures)
        self.first += failures[: _PROBLEMS_SHOWN - len(self.first)]

    def check(self, n_photos: int, *, max_unreadable: float) -> None:
        """Raise ``_TooManyUnreadable`` where they are too many."""
        if self.n == n_photos >= _FEWEST_WITHOUT_ANY:
            raise _TooManyUnreadable(nothing_read(self.first))
        if self.n / n_photos > max_unreadable:
            shown = "\n".join(map(str, self.first))
            raise _TooManyUnreadable(
                f"{self.n} of {n_photos} photos are unreadable, more than the allowed "
                f"{100 * max_unreadable:g} %\n{shown}"
            )
