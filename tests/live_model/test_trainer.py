"""The process that trains, as the labeling page sees it: a short stand-in takes its place."""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from manylabel.errors import InputError
from manylabel.live_model.messages import Train
from manylabel.live_model.trainer import Trainer, Training

SECONDS = 20

BEGIN = """
import sys, time
from manylabel.live_model.messages import *
from manylabel.live_model.pipes import *
order = receive(sys.stdin.buffer, TO_TRAINER)
send(sys.stdout.buffer, Stage(subject="photos", stage="reading", done=1, total=4))
"""

ORDER = Train(out="run", photos=[], names=[], labels=[], targets=b"", backbones=[])


@contextmanager
def training(script: str) -> Iterator[Trainer]:
    trainer = Trainer(command=(sys.executable, "-c", BEGIN + script))
    yield trainer
    trainer.close()


def wait(trainer: Trainer, until: Callable[[Training], object]) -> Training:
    end = time.monotonic() + SECONDS
    while not until(trainer.training):
        assert time.monotonic() < end, trainer.training
        time.sleep(0.02)
    return trainer.training


def test_a_training_tells_its_stage_and_its_end() -> None:
    with training("time.sleep(0.3)\nsend(sys.stdout.buffer, Trained())") as trainer:
        assert trainer.training.state == "none"
        trainer.start("first", ORDER)

        running = wait(trainer, lambda training: training.stage is not None)
        assert (running.state, running.name) == ("running", "first")
        assert running.stage is not None
        assert (running.stage.done, running.stage.total) == (1, 4)

        done = wait(trainer, lambda training: training.state != "running")
        assert done.state == "done"
        assert done.seconds > 0.2
        assert trainer.training.seconds == done.seconds


def test_a_second_training_is_refused_until_the_first_has_ended() -> None:
    with training("time.sleep(60)") as trainer:
        trainer.start("first", ORDER)
        with pytest.raises(InputError, match="'first' is being trained"):
            trainer.start("second", ORDER)

        trainer.cancel()

        assert trainer.training.state == "cancelled"


def test_a_training_that_is_still_ending_is_waited_for_and_writes_nothing_into_the_next() -> None:
    script = "import signal\nsignal.signal(signal.SIGINT, lambda *_: (time.sleep(1), sys.exit(5)))\n"
    script += 'send(sys.stdout.buffer, Stage(subject="set", stage="up", done=1, total=1))\ntime.sleep(60)'
    with training(script) as trainer:
        trainer.start("first", ORDER)
        wait(trainer, lambda training: training.stage is not None and training.stage.subject == "set")
        cancelling = threading.Thread(target=trainer.cancel)
        cancelling.start()
        wait(trainer, lambda training: training.state == "cancelled")
        assert trainer.training.is_ending
        with pytest.raises(InputError, match="still ending"):
            trainer.start("second", ORDER)
        cancelling.join()
        end = time.monotonic() + SECONDS
        while True:
            try:
                trainer.start("second", ORDER)
            except InputError:
                assert time.monotonic() < end
                time.sleep(0.05)
            else:
                break
        assert wait(trainer, lambda training: training.stage is not None).state == "running"


def test_a_problem_is_told_in_its_words() -> None:
    with training('send(sys.stdout.buffer, Failed(problem="too few photos"))') as trainer:
        trainer.start("first", ORDER)

        assert wait(trainer, lambda training: training.state == "failed").problem == "too few photos"


def test_a_process_that_dies_is_told() -> None:
    with training("sys.exit(7)") as trainer:
        trainer.start("first", ORDER)

        failed = wait(trainer, lambda training: training.state == "failed")
        assert failed.problem == "the process that trains ended (exit code 7)"


def test_nothing_can_be_cancelled_that_does_not_run() -> None:
    with training("") as trainer, pytest.raises(InputError, match="nothing is being trained"):
        trainer.cancel()


def test_a_process_that_ignores_the_wish_to_end_is_killed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("manylabel.live_model.pipes._SECONDS_TO_END", 0.5)
    ready = tmp_path / "ready"
    script = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"
    script += f"open({str(ready)!r}, 'w').close()\ntime.sleep(60)"
    with training(script) as trainer:
        trainer.start("first", ORDER)
        wait(trainer, lambda training: ready.exists())
        began = time.monotonic()
        trainer.cancel()
        assert time.monotonic() - began < SECONDS
        assert trainer.training.state == "cancelled"
