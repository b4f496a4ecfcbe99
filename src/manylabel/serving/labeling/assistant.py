"""What helps people label: a model that learns from their answers, and queues of what to look at next.

In:  the labels of a folder of photos; every change of them.
Out: probabilities of all photos, lists of photos by queue. The answers are only read.
"""

import threading
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np

from manylabel.annotation.label_store import LabelStore
from manylabel.config import ConstraintsConfig
from manylabel.live_model.client import COMMAND, Answers, Learned, LiveModel, probabilities_of
from manylabel.serving.labeling.queues import QueueFinder, Queues

_MOST = 65_534
_NOT_KNOWN = 65_535


class Probabilities(msgspec.Struct, frozen=True, kw_only=True):
    """The probabilities of all photos.

    Attributes:
        version: What they are known by.
        labels: The labels.
        values: uint16 [n_photos, n_labels] as bytes, little-endian: 65534 times the probability, 65535 where
            it is not known.
    """

    version: int
    labels: list[str]
    values: bytes


@dataclass(frozen=True, kw_only=True)
class Assistance:
    """How a model helps people label.

    Attributes:
        cache: Folder of the feature cache.
        model: Folder of a trained model, whose features and probabilities are used.
        constraints: Constraints among labels.
        command: What runs the process that learns.
    """

    cache: Path
    model: Path | None = None
    constraints: ConstraintsConfig = field(default_factory=ConstraintsConfig)
    command: tuple[str, ...] = COMMAND


class Assistant:
    """What helps people label.

    Attributes:
        constraints: Constraints among labels.

    Args:
        store: The labels.
        assistance: How it helps.
    """

    def __init__(self, store: LabelStore, assistance: Assistance) -> None:
        self._store = store
        self.constraints = assistance.constraints
        self._finder = QueueFinder(assistance.constraints)
        self._live = LiveModel(
            self._read_answers,
            cache=assistance.cache,
            model=assistance.model,
            command=assistance.command,
        )
        self._opening = threading.Lock()
        self.notice()

    @property
    def learned(self) -> Learned:
        """Return what is known by now."""
        return self._live.learned

    def notice(self) -> None:
        """Learn from changed answers, or from other photos if their list has changed."""
        with self._opening:
            with self._store.locked():
                photos, revision = tuple(self._store.photos), self._store.names_revision
            if revision != self.learned.photos_revision:
                self._live.open(photos, revision=revision)
            else:
                self._live.notice_answers()

    def find_similar(self, row: int) -> list[int]:
        """Return the numbers of all photos, the most similar to one first; none if it was not read."""
        return self._live.find_similar(row)

    def probabilities(self) -> Probabilities:
        """Return the probabilities of all photos."""
        learned = self.learned
        if learned.scores is None or learned.photos_revision != self._store.names_revision:
            return Probabilities(version=learned.version, labels=[], values=b"")
        values = probabilities_of(learned.scores)
        scaled = np.where(np.isnan(values), _NOT_KNOWN, np.rint(np.nan_to_num(values) * _MOST))
        return Probabilities(
            version=learned.version, labels=learned.scores.labels, values=scaled.astype("<u2").tobytes()
        )

    def queues(self) -> Queues:
        """Return what to look at next."""
        with self._store.locked():
            learned = self.learned
            if learned.photos_revision != self._store.names_revision:
                learned = Learned()  # that was about photos listed before
            return self._finder.find(
                self._store.answers, self._store.entries, learned, disputed=self._store.disputed
            )

    def close(self) -> None:
        """End the process that learns."""
        self._live.close()

    def _read_answers(self) -> Answers:
        with self._store.locked():
            answers = self._store.answers
            return Answers(
                revision=answers.revision,
                photos_revision=self._store.names_revision,
                labels=list(answers.labels),
                targets=answers.targets.copy(),
            )
