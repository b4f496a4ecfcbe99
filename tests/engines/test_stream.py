"""Many photo files, scored with the ones that cannot be read set aside."""

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from manylabel.constraints import parse_constraints
from manylabel.data import photos
from manylabel.engines.base import Finish, score_photos
from manylabel.engines.stream import Predictions, join_predictions, predict_files, stream_files
from manylabel.errors import PhotoError
from manylabel.preprocess import PixelArray, Preprocessing
from manylabel.types import FloatArray, Progress, Thresholds


class ColorPredictor:
    """Say how red and how blue photos are."""

    labels = ("red", "blue")
    thresholds = Thresholds(values=np.array([0.5, 0.25]), origin="by hand")
    constraints = parse_constraints(labels=("red", "blue"))
    preprocessing = Preprocessing(side_px=16)
    engine = "by eye"
    batch_size = 8
    n_parallel = 2

    def __init__(self) -> None:
        self.batch_sizes: list[int] = []
        self.n_waiting = 0
        self.most_waiting = 0

    def predict_proba(self, photos: Sequence[Image.Image]) -> FloatArray:
        """Return the mean of the red and of the blue channel."""
        return score_photos(self, photos)

    def start(self, pixels: PixelArray) -> Finish:
        """Count what waits."""
        self.batch_sizes.append(len(pixels))
        self.n_waiting += 1
        self.most_waiting = max(self.most_waiting, self.n_waiting)

        def finish() -> FloatArray:
            self.n_waiting -= 1
            return np.asarray(pixels.mean(axis=(1, 2))[:, [0, 2]] / 255)

        return finish


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    """Save 40 photos that get redder and redder; numbers 3 and 33 cannot be read."""
    saved = [tmp_path / f"{number:02}.png" for number in range(40)]
    for number, path in enumerate(saved):
        Image.new("RGB", (20, 16), (6 * number, 0, 100)).save(path)
    saved[3].write_bytes(b"no photo")
    saved[33].unlink()
    return saved


def predict(paths: Sequence[Path], predictor: ColorPredictor | None = None) -> Predictions:
    """Score photos that are called by their file names."""
    return predict_files(
        ColorPredictor() if predictor is None else predictor,
        paths,
        names=[path.name for path in paths],
    )


def test_scores_belong_to_their_photos_and_unreadable_ones_are_listed(paths: list[Path]) -> None:
    predictor = ColorPredictor()
    predictions = predict(paths, predictor)

    readable = [number for number in range(40) if number not in (3, 33)]
    assert predictions.rows.tolist() == readable
    assert predictions.scores.names == tuple(f"{number:02}.png" for number in readable)
    np.testing.assert_allclose(predictions.scores.values[:, 0], 6 * np.array(readable) / 255, atol=1e-9)
    assert [failure.path for failure in predictions.failures] == [Path("03.png"), Path("33.png")]
    assert predictor.batch_sizes == [7, 8, 8, 8, 7]


def test_each_label_is_decided_by_its_own_threshold(paths: list[Path]) -> None:
    predictions = predict(paths)

    np.testing.assert_array_equal(predictions.decisions[:, 0], predictions.scores.values[:, 0] >= 0.5)
    assert predictions.decisions[:, 1].all()
    np.testing.assert_array_equal(predictions.thresholds, [0.5, 0.25])


def test_decisions_obey_the_rules_of_the_predictor(paths: list[Path]) -> None:
    predictor = ColorPredictor()
    predictor.constraints = parse_constraints(exclusive=("red | blue",), labels=("red", "blue"))
    free, ruled = predict(paths), predict(paths, predictor)

    assert free.decisions.all(axis=1).any()
    assert not ruled.decisions.all(axis=1).any()
    is_both = free.decisions.all(axis=1)
    np.testing.assert_array_equal(ruled.decisions[~is_both], free.decisions[~is_both])
    assert ruled.decisions[is_both].any(axis=1).all()


def test_labels_are_named_the_most_probable_first(paths: list[Path]) -> None:
    predictions = predict([paths[0], paths[39]])

    assert predictions.labels_of(0) == ["blue"]
    assert predictions.labels_of(1) == ["red", "blue"]


def test_predictions_are_frames_and_one_line(paths: list[Path]) -> None:
    said = predict_files(ColorPredictor(), paths, names=[path.name for path in paths])
    assert repr(said) == "Predictions(38 photos, 2 labels, 2 unreadable)"
    assert said.to_frame().index.tolist() == list(said.names)
    np.testing.assert_array_equal(said.to_frame("decisions"), said.decisions)
    for values in ("probabilities", "decisions"):
        before = said.scores.values.copy(), said.decisions.copy()
        frame = said.to_frame(values)
        frame.iloc[0] = frame.iloc[-1].to_numpy()  # the caller's own, with older versions of pandas too
        np.testing.assert_array_equal(said.scores.values, before[0])
        np.testing.assert_array_equal(said.decisions, before[1])


def test_photos_none_of_which_can_be_read_give_no_scores(paths: list[Path]) -> None:
    predictor = ColorPredictor()
    predictions = predict([paths[3], paths[33]], predictor)

    assert predictions.scores.values.shape == predictions.decisions.shape == (0, 2)
    assert len(predictions.failures) == 2
    assert not predictor.batch_sizes


def test_every_part_is_heard_of(paths: list[Path]) -> None:
    heard: list[Progress] = []
    predict_files(
        ColorPredictor(), paths[:20], names=[path.name for path in paths[:20]], on_progress=heard.append
    )

    assert [(progress.done, progress.total) for progress in heard] == [(8, 20), (16, 20), (20, 20)]


def test_a_stream_says_what_all_at_once_say(paths: list[Path]) -> None:
    names = [path.name for path in paths]
    parts = list(stream_files(ColorPredictor(), paths, names=names))
    whole = predict(paths)

    assert [len(part.rows) + len(part.failures) for part in parts] == [8] * 5
    joined = join_predictions(parts)
    np.testing.assert_array_equal(joined.scores.values, whole.scores.values)
    np.testing.assert_array_equal(joined.rows, whole.rows)
    np.testing.assert_array_equal(joined.failure_rows, [3, 33])
    assert joined.scores.names == whole.scores.names


def test_the_engine_has_several_batches_at_a_time_and_no_more(paths: list[Path]) -> None:
    predictor = ColorPredictor()
    predict(paths, predictor)

    assert predictor.most_waiting == 2
    assert predictor.n_waiting == 0


def test_files_keep_their_order_with_unreadable_ones_between(paths: list[Path]) -> None:
    predictions = predict(paths)

    names = [
        answer.path.name if isinstance(answer, PhotoError) else predictions.scores.names[answer]
        for answer in predictions.in_order()
    ]
    assert names == [path.name for path in paths]


def test_only_a_few_photos_are_read_ahead_of_a_slow_consumer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Path] = []

    def note(path: Path, *, side_px: int | None = None) -> Image.Image:
        opened.append(path)
        return Image.new("RGB", (16, 16))

    monkeypatch.setattr(photos, "open_photo", note)
    paths = [tmp_path / str(number) for number in range(1000)]
    stream = stream_files(ColorPredictor(), paths, names=[path.name for path in paths])
    next(stream)
    time.sleep(0.05)

    assert len(opened) < 100
    stream.close()


def test_no_files_give_no_scores() -> None:
    assert predict([]).scores.values.shape == (0, 2)


def test_several_views_of_a_photo_are_one_row(paths: list[Path]) -> None:
    class Mirrored(ColorPredictor):
        preprocessing = Preprocessing(side_px=16, n_views=2)

        def start(self, pixels: PixelArray) -> Finish:
            return super().start(pixels[::2])

    np.testing.assert_allclose(predict(paths, Mirrored()).scores.values, predict(paths).scores.values)
