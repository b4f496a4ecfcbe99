"""Score parts on the nodes of a Ray cluster.

In:  a scoring job; perhaps the address of a cluster.
Out: workers for ``predict_parts``: every node reads photos and writes parts itself.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

from manylabel.bundle.folder import read_bundle
from manylabel.bundle.tables import change_thresholds
from manylabel.cluster.manifest import RECORDS_FOLDER, Manifest, PartRecord
from manylabel.cluster.parts import Part, PartScorer, ScoringJob
from manylabel.cluster.ray import RayWorkers, joined_cluster
from manylabel.engines.registry import find_engine
from manylabel.errors import InputError
from manylabel.io.files import writing
from manylabel.types import ProgressCallback


@contextmanager
def ray_workers(
    job: ScoringJob, *, address: str | None = None, on_progress: ProgressCallback
) -> Iterator["RayScoring"]:
    """Open a worker on every node, or on every GPU of a node that has some.

    Args:
        job: What to score and how.
        address: As for ``joined_cluster``.
        on_progress: Called with the number of parts done.

    Raises:
        ConfigError: The address cannot be used.
        InputError: A node cannot open the job.
    """
    with joined_cluster(address), _new_token(job.out) as token:
        shared = SharedScoring(job=_make_portable(job), token=token)
        yield RayScoring(RayWorkers(shared, what="parts", on_progress=on_progress))


@contextmanager
def _new_token(out: Path) -> Iterator[str]:
    """Create a file by which nodes recognize a shared folder; yield its name."""
    token = out / RECORDS_FOLDER / f".{uuid4().hex}"
    try:
        with writing(out):
            token.touch()
        yield token.name
    finally:
        token.unlink(missing_ok=True)


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


@dataclass(frozen=True, kw_only=True)
class SharedScoring:
    """A scoring job for nodes that share the folder of the parts.

    Attributes:
        job: The job.
        token: Name of a file that only nodes sharing the folder can see.
    """

    job: ScoringJob
    token: str

    @property
    def uses_gpus(self) -> bool:
        """Tell whether it computes on GPUs where a node has some."""
        return self.job.device != "cpu" and not find_engine(self.job.engine).is_cpu_only

    def open(self) -> "OpenScoring":
        """Open the model on a node."""
        if not (self.job.out / RECORDS_FOLDER / self.token).exists():
            raise InputError(f"{self.job.out} is not shared with it")
        return OpenScoring(PartScorer(self.job))


class OpenScoring:
    """An open model of a node."""

    def __init__(self, scorer: PartScorer) -> None:
        self._scorer = scorer

    def describe(self) -> Manifest:
        """Return what decides the bytes of the parts."""
        return self._scorer.describe()

    def run(self, part: Part) -> PartRecord | str | None:
        """Write a part and its record."""
        return self._scorer.score(part)


class RayScoring:
    """The workers of a cluster, as ``predict_parts`` uses them."""

    def __init__(self, workers: RayWorkers[Part, PartRecord | None]) -> None:
        self._workers = workers

    def describe(self) -> Manifest:
        """Return what decides the bytes of the parts, which is the same on every node."""
        described = self._workers.describe()
        assert isinstance(described, Manifest)
        return described

    def score(self, parts: Iterator[Part]) -> Iterator[tuple[Part, PartRecord | str | None]]:
        """Yield the outcome of each part, in the order in which they end."""
        return self._workers.run(lambda _: next(parts, None))
