"""A page that gives answers to the process that learns from them."""

import time
from collections.abc import Callable

import numpy as np

from manylabel.live_model.client import Answers, Learned, LiveModel

SECONDS = 20


class Page:
    """Answers that change, and the process that learns from them."""

    def __init__(self, live: LiveModel, answers: dict[str, Answers | None]) -> None:
        self.live = live
        self._answers = answers

    def answer(self, revision: int, n_photos: int = 2, *, photos_revision: int = 0) -> None:
        targets = np.full((n_photos, 1), 0.5)
        self.learn(
            Answers(revision=revision, photos_revision=photos_revision, labels=["beach"], targets=targets)
        )

    def learn(self, answers: Answers) -> None:
        self._answers["now"] = answers
        self.live.notice_answers()

    def wait(self, until: Callable[[Learned], object], *, seconds: float = SECONDS) -> Learned:
        end = time.monotonic() + seconds
        while not until(self.live.learned):
            assert time.monotonic() < end, self.live.learned
            time.sleep(0.01)
        return self.live.learned
