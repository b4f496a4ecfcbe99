"""The process that learns, as the labeling page sees it: a short stand-in takes its place."""

import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import psutil
import pytest

from manylabel.live_model.client import Answers, LiveModel, probabilities_of
from tests.live_model.conftest import Page

BEGIN = """
import sys
from manylabel.live_model.messages import *
from manylabel.live_model.pipes import *
source, sink = sys.stdin.buffer, sys.stdout.buffer
opened = receive(source, TO_WORKER)
n_photos = len(opened.photos)
send(sink, Seen(n_done=n_photos, n_photos=n_photos))
"""

LEARN = """
while (message := receive(source, TO_WORKER)) is not None:
    if isinstance(message, Learn):
        send(sink, Scores(revision=message.revision, labels=message.labels, probabilities=message.targets,
                          estimate=None, issues=[], suggested=[0], seconds=0.1))
    else:
        send(sink, Similar(row=message.row, rows=[message.row, 1]))
"""


OpenPage = Callable[[str], AbstractContextManager[Page]]


@pytest.fixture
def opened(tmp_path: Path) -> OpenPage:
    """Return what opens two photos with a stand-in for the process."""

    @contextmanager
    def run(script: str) -> Iterator[Page]:
        answers: dict[str, Answers | None] = {"now": None}
        command = (sys.executable, "-c", BEGIN + textwrap.dedent(script))
        with LiveModel(lambda: answers["now"], cache=tmp_path, command=command) as live:
            live.open([tmp_path / "a.jpg", tmp_path / "b.jpg"])
            yield Page(live, answers)

    return run


def test_answers_come_back_as_scores(opened: OpenPage) -> None:
    with opened(LEARN) as page:
        assert page.wait(lambda learned: learned.n_done == 2).scores is None

        page.answer(5)

        learned = page.wait(lambda learned: learned.scores is not None)
        assert learned.scores is not None
        assert (learned.scores.revision, learned.is_learning) == (5, False)
        assert probabilities_of(learned.scores).tolist() == [[0.5], [0.5]]


def test_the_last_answers_are_learned_whatever_came_between(
    opened: OpenPage,
) -> None:
    with opened("import time\ntime.sleep(0.3)\n" + LEARN) as page:
        for revision in range(1, 30):
            page.answer(revision)

        page.wait(lambda learned: learned.scores is not None and learned.scores.revision == 29)


def test_similar_photos_are_found(opened: OpenPage) -> None:
    with opened(LEARN) as page:
        assert page.live.find_similar(0) == [0, 1]


def test_a_process_that_dies_is_told_and_started_again_three_times_in_all(
    opened: OpenPage,
) -> None:
    with opened("receive(source, TO_WORKER)\nsys.exit(3)") as page:
        page.answer(1)
        page.wait(lambda learned: page.live.n_starts == 3)
        learned = page.wait(lambda learned: learned.problem is not None)
        time.sleep(0.3)
        page.answer(2)
        time.sleep(0.3)

        assert page.live.n_starts == 3
        assert learned.problem == "the process that learns from answers ended (exit code 3)"
        assert not learned.is_learning


def test_a_problem_that_trying_again_does_not_mend_is_told_once(
    opened: OpenPage,
) -> None:
    with opened('send(sink, Failed(problem="no weights"))') as page:
        page.answer(1)
        page.wait(lambda learned: learned.problem == "no weights")
        page.answer(2)
        time.sleep(0.3)
        assert page.live.learned.problem == "no weights"


def test_other_photos_begin_anew(opened: OpenPage, tmp_path: Path) -> None:
    with opened(LEARN) as page:
        page.answer(1)
        before = page.wait(lambda learned: learned.scores is not None)

        page.live.open([tmp_path / "c.jpg"], revision=1)

        assert page.live.learned.scores is None
        assert page.live.learned.version > before.version
        page.answer(2, n_photos=1, photos_revision=1)
        page.wait(lambda learned: learned.scores is not None and learned.scores.revision == 2)


def test_answers_for_other_photos_are_not_learned(
    opened: OpenPage,
) -> None:
    with opened(LEARN) as page:
        page.answer(1, n_photos=3, photos_revision=1)
        page.answer(2)
        learned = page.wait(lambda learned: learned.scores is not None)
        assert learned.scores is not None
        assert learned.scores.revision == 2


def test_nothing_is_left_once_it_is_closed(opened: OpenPage) -> None:
    before = set(psutil.Process().children())
    with opened("import time\ntime.sleep(60)") as page:
        page.wait(lambda learned: learned.n_done == 2)
        assert set(psutil.Process().children()) > before
    assert set(psutil.Process().children()) <= before
