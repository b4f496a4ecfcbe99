"""Parts of a list of photos, and the scoring of one.

In:  a list of photos, an open engine.
Out: parts, which a share may be taken of; the file and the record of each, complete or absent.
"""

import hashlib
import logging
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from manylabel.cluster.manifest import (
    PartRecord,
    read_record,
    write_record,
)
from manylabel.data.photo_list import PhotoList
from manylabel.engines.base import PixelPredictor
from manylabel.engines.stream import stream_files
from manylabel.errors import ConfigError, OutputError, PhotoError, nothing_read
from manylabel.exporters.predictions.registry import (
    open_prediction_files,
)
from manylabel.io.files import file_sha256, printable, writing
from manylabel.types import Progress, ProgressCallback, ignore_progress

_PROBLEMS_SHOWN = 3
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Shard:
    """A share of the parts: of every ``n`` parts, one.

    Attributes:
        number: Which share, from 1.
        n: How many shares there are.
    """

    number: int = 1
    n: int = 1

    def __post_init__(self) -> None:
        """Check the numbers."""
        if not 1 <= self.number <= self.n:
            raise ConfigError(f"shard: given {self}, expected 1/{self.n} to {self.n}/{self.n}")

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """Read a share from text.

        Raises:
            ConfigError: The text is no share.

        Examples:
            >>> Shard.parse("3/16").has(2), Shard.parse("3/16").has(3)
            (True, False)
        """
        found = re.fullmatch(r"\s*(\d+)\s*/\s*(\d+)\s*", text)
        if found is None:
            raise ConfigError(f"shard: given '{text}', expected a number of a total, e.g. 3/16")
        return cls(number=int(found[1]), n=int(found[2]))

    def has(self, part: int) -> bool:
        """Tell whether a part, counted from 0, belongs to this share."""
        return part % self.n == self.number - 1

    def __str__(self) -> str:
        """Return the share as it is given."""
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

    @property
    def photos_sha256(self) -> str:
        """Return the SHA-256 of the names."""
        return hashlib.sha256(b"\0".join(map(os.fsencode, self.names))).hexdigest()


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
            f"{out / part.file}: was made from other photos: the list has changed since ({record.n_photos} "
            f"photos then, {len(part.names)} now, from {printable(part.names[0])} to "
            f"{printable(part.names[-1])}); choose another folder"
        )
    return record


def check_no_more(out: Path, *, n_parts: int, ending: str) -> None:
    """Check that no part of a longer list is left.

    Raises:
        OutputError: There is one.
    """
    following = name_part(n_parts, ending)
    if read_record(out, following) is not None:
        raise OutputError(
            f"{out / following}: was made from a longer list: this one has {n_parts} parts; choose another "
            "folder"
        )


class PartScorer:
    """What scores one part after another with an open engine.

    Args:
        predictor: The model.
        photos: Where the photos are.
        out: Folder of the parts.
        max_unreadable: Share of the photos of a part that may be unreadable.
        on_progress: Called with the progress of each part.
    """

    def __init__(
        self,
        predictor: PixelPredictor,
        photos: PhotoList,
        out: Path,
        *,
        max_unreadable: float,
        on_progress: ProgressCallback = ignore_progress,
    ) -> None:
        self._predictor = predictor
        self._photos = photos
        self._out = out
        self._max_unreadable = max_unreadable
        self._on_progress = on_progress

    def score(self, part: Part) -> PartRecord | str:
        """Write a part and its record.

        Returns:
            The record; or why the part was not written.

        Raises:
            OutputError: It cannot be written.
        """
        failures = _Failures()
        try:
            with open_prediction_files([self._out / part.file]) as write:
                for predictions in stream_files(
                    self._predictor,
                    [self._photos.find(name) for name in part.names],
                    names=[printable(name) for name in part.names],
                    on_progress=lambda progress: self._on_progress(_of_part(part, progress)),
                ):
                    write(predictions)
                    failures.add(predictions.failures)
                failures.check(len(part.names), max_unreadable=self._max_unreadable)
        except _TooManyUnreadable as error:
            return str(error)
        path = self._out / part.file
        with writing(path):
            record = PartRecord(
                file=part.file,
                n_bytes=path.stat().st_size,
                n_photos=len(part.names),
                n_unreadable=failures.n,
                photos_sha256=part.photos_sha256,
                sha256=file_sha256(path),
            )
        write_record(self._out, record)
        return record


def _of_part(part: Part, progress: Progress) -> Progress:
    return Progress(
        subject="photos", stage=f"part {part.number:05d}", done=progress.done, total=progress.total
    )


class _TooManyUnreadable(Exception):
    """More photos of a part are unreadable than may be."""


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
        if self.n == n_photos:
            raise _TooManyUnreadable(nothing_read(self.first))
        if self.n > max_unreadable * n_photos:
            shown = "\n".join(map(str, self.first))
            raise _TooManyUnreadable(
                f"{self.n} of {n_photos} photos cannot be read, the limit is {100 * max_unreadable:g} %; "
                f"the first problems:\n{shown}"
            )
