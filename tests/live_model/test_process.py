"""The process that learns from answers, as the page starts it."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from manylabel.live_model.client import Answers, LiveModel
from manylabel.types import LabelTable
from tests.live_model.conftest import Page


@pytest.fixture
def page(shapes_table: LabelTable, tmp_path: Path) -> Iterator[Page]:
    answers: dict[str, Answers | None] = {"now": None}
    with LiveModel(lambda: answers["now"], cache=tmp_path / "cache") as live:
        live.open(shapes_table.photos)
        yield Page(live, answers)


def test_the_default_backbone_learns_from_32_photos(page: Page, shapes_table: LabelTable) -> None:
    page.learn(
        Answers(revision=1, photos_revision=0, labels=list(shapes_table.labels), targets=shapes_table.targets)
    )

    learned = page.wait(lambda learned: learned.scores is not None, seconds=120)

    assert learned.problem is None
    assert learned.scores is not None
    assert learned.scores.estimate is not None
    assert learned.scores.estimate.mean_average_precision > learned.scores.estimate.label_prior
    assert learned.first == learned.scores.estimate


def test_a_model_that_cannot_be_used_is_told_in_its_words(tmp_path: Path) -> None:
    with LiveModel(lambda: None, cache=tmp_path, model=tmp_path / "none") as live:
        live.open([tmp_path / "a.jpg"])
        learned = Page(live, {}).wait(lambda learned: learned.problem is not None, seconds=60)

    assert learned.problem is not None
    assert "none" in learned.problem
    assert "exit code" not in learned.problem


def test_the_process_ends_with_whoever_started_it(shapes_table: LabelTable, tmp_path: Path) -> None:
    script = f"""
import time
from pathlib import Path
from manylabel.live_model.client import LiveModel
live = LiveModel(lambda: None, cache=Path({str(tmp_path)!r}))
live.open([Path(path) for path in {[str(path) for path in shapes_table.photos]!r}])
print("started", flush=True)
time.sleep(600)
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        parent.stdout.readline()
        [child] = psutil.Process(parent.pid).children()
        parent.kill()

    child.wait(timeout=120)
