"""Photos of many requests, scored together."""

import gc
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from manylabel.constraints import LabelConstraints, parse_constraints
from manylabel.engines.base import Finish
from manylabel.errors import PhotoError
from manylabel.preprocess import PixelArray, Preprocessing
from manylabel.serving.served import Answer, Batcher
from manylabel.types import FloatArray, Thresholds


class FakePredictor:
    """Score photos by their first pixel; wait where told."""

    labels = ("sea",)
    engine = "fake"
    preprocessing = Preprocessing(side_px=1)
    thresholds = Thresholds(values=np.array([0.5]), origin="drawn")

    def __init__(self, *, batch_size: int = 4, n_parallel: int = 2, is_free: bool = True) -> None:
        self.batch_size = batch_size
        self.n_parallel = n_parallel
        self.batches: list[int] = []
        self.free = threading.Event()
        if is_free:
            self.free.set()

    @property
    def constraints(self) -> LabelConstraints:
        return parse_constraints(labels=self.labels)

    def predict_proba(self, photos: object) -> FloatArray:
        raise NotImplementedError

    def start(self, pixels: PixelArray) -> Finish:
        if pixels[0, 0, 0, 0] == 255:
            raise RuntimeError("the engine fell over")
        self.batches.append(len(pixels))

        def finish() -> FloatArray:
            self.free.wait(5)
            return pixels[:, 0, 0, :1] / 100

        return finish


def _wait_until(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + 5
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.001)


def wait_for_batches(predictor: FakePredictor, n_batches: int) -> None:
    """Wait until the engine has begun so many."""
    _wait_until(lambda: len(predictor.batches) >= n_batches)


def photo(value: int) -> PixelArray:
    return np.full((1, 1, 1, 3), value, dtype=np.uint8)


def submit(batcher: Batcher, views: PixelArray) -> Answer:
    return batcher.submit(lambda: views)


def values(answers: list[Answer]) -> list[float]:
    return [float(answer.result(5)[0]) for answer in answers]


def test_everybody_gets_the_scores_of_their_own_photo() -> None:
    batcher = Batcher(FakePredictor())
    answers = [submit(batcher, photo(number)) for number in range(50)]
    assert values(answers) == [number / 100 for number in range(50)]
    batcher.close()


def wait_until_read(batcher: Batcher, n_photos: int) -> None:
    """Wait until so many photos wait for the engine."""
    _wait_until(lambda: len(batcher._waiting) >= n_photos)


def test_photos_gather_while_the_engine_is_busy() -> None:
    predictor = FakePredictor(n_parallel=1, is_free=False)
    batcher = Batcher(predictor)
    first = submit(batcher, photo(1))
    wait_for_batches(predictor, 1)
    others = [submit(batcher, photo(number)) for number in range(2, 8)]
    wait_until_read(batcher, 6)
    predictor.free.set()
    assert values([first, *others]) == [number / 100 for number in range(1, 8)]
    assert predictor.batches == [1, 4, 2]
    batcher.close()


def test_photos_that_wait_are_shared_out_among_the_batches_that_can_run() -> None:
    predictor = FakePredictor(n_parallel=2, is_free=False)
    batcher = Batcher(predictor)
    running = [submit(batcher, photo(number)) for number in (1, 2)]
    wait_for_batches(predictor, 2)
    others = [submit(batcher, photo(number)) for number in range(3, 9)]
    wait_until_read(batcher, 6)
    predictor.free.set()
    assert values([*running, *others]) == [number / 100 for number in range(1, 9)]
    assert sorted(predictor.batches[2:]) == [1, 2, 3]  # though a batch may hold four
    batcher.close()


def test_what_cannot_be_read_is_told_to_whoever_waits_for_it() -> None:
    batcher = Batcher(FakePredictor())

    def fail() -> PixelArray:
        raise RuntimeError("no decoder")

    with pytest.raises(PhotoError, match="cut off"):
        batcher.submit(lambda: PhotoError(Path("a.jpg"), "it is cut off")).result(5)
    with pytest.raises(RuntimeError, match="no decoder"):
        batcher.submit(fail).result(5)
    assert values([submit(batcher, photo(3))]) == [0.03]
    batcher.close()


class Upload:
    """Stand for a photo that takes memory."""

    def __init__(self, *, is_bad: bool) -> None:
        self.is_bad = is_bad

    def read(self) -> PixelArray | PhotoError:
        return PhotoError(Path("a.jpg"), "it is cut off") if self.is_bad else photo(7)


@pytest.mark.parametrize("is_bad", [True, False])
def test_what_was_answered_is_not_kept(is_bad: bool) -> None:
    batcher = Batcher(FakePredictor())
    upload = Upload(is_bad=is_bad)
    is_alive = weakref.ref(upload)
    gc.disable()  # a ring of references would be found now and then, and not at once
    try:
        answer = batcher.submit(upload.read)
        del upload
        assert (answer.exception(5) is not None) == is_bad
        _wait_until(lambda: is_alive() is None)
    finally:
        gc.enable()
        batcher.close()


def test_a_photo_that_comes_late_takes_the_free_place_beside_a_batch_that_runs() -> None:
    predictor = FakePredictor(n_parallel=2, is_free=False)
    batcher = Batcher(predictor)
    answers = [submit(batcher, photo(1))]
    wait_for_batches(predictor, 1)
    answers.append(submit(batcher, photo(2)))
    wait_for_batches(predictor, 2)  # it has begun, though the first has not ended
    predictor.free.set()
    assert values(answers) == [0.01, 0.02]
    batcher.close()


def test_a_failure_is_told_to_those_who_wait_and_to_no_one_else(caplog: pytest.LogCaptureFixture) -> None:
    batcher = Batcher(FakePredictor(batch_size=1, n_parallel=1))
    bad, good = submit(batcher, photo(255)), submit(batcher, photo(3))
    with pytest.raises(RuntimeError, match="fell over"):
        bad.result(5)
    assert values([good]) == [0.03]
    assert "could not be scored" in caplog.text
    batcher.close()


def test_an_engine_that_answers_for_too_few_is_a_failure_and_no_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    predictor = FakePredictor(batch_size=1, n_parallel=1)
    batcher = Batcher(predictor)
    with monkeypatch.context() as patch:
        patch.setattr(predictor, "start", lambda _: lambda: np.zeros((0, 1)))
        with pytest.raises(ValueError, match="zip"):
            submit(batcher, photo(3)).result(5)
    assert values([submit(batcher, photo(3))]) == [0.03]
    batcher.close()


def test_what_nobody_waits_for_is_not_scored() -> None:
    predictor = FakePredictor(n_parallel=1, is_free=False)
    batcher = Batcher(predictor)
    first = submit(batcher, photo(1))
    wait_for_batches(predictor, 1)
    assert submit(batcher, photo(2)).cancel()
    predictor.free.set()
    last = submit(batcher, photo(3))
    assert values([first, last]) == [0.01, 0.03]
    assert sum(predictor.batches) == 2
    batcher.close()


def test_what_was_accepted_is_answered_at_the_end() -> None:
    batcher = Batcher(FakePredictor(batch_size=1, n_parallel=1))
    answers = [submit(batcher, photo(number)) for number in range(20)]
    batcher.close()
    assert all(answer.done() for answer in answers)
    with pytest.raises(RuntimeError, match="closed"):
        submit(batcher, photo(1))


def test_many_threads_may_ask_at_once() -> None:
    batcher = Batcher(FakePredictor())
    found: dict[int, float] = {}

    def ask(number: int) -> None:
        found[number] = values([submit(batcher, photo(number))])[0]

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {number: number / 100 for number in range(40)}
    batcher.close()
