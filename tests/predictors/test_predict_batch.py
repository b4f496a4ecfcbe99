"""Many photo files, scored with the ones that cannot be read set aside."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from manylabel.predictors.batch import Predictions, predict_files
from manylabel.types import FloatArray, Progress, Thresholds


class ColourPredictor:
    """Say how red and how blue photos are."""

    labels = ("red", "blue")
    thresholds = Thresholds(values=np.array([0.5, 0.25]), origin="by hand")

    def __init__(self) -> None:
        self.batch_sizes: list[int] = []

    def predict_proba(self, photos: Sequence[Image.Image]) -> FloatArray:
        """Return the mean of the red and of the blue channel."""
        self.batch_sizes.append(len(photos))
        means = [np.asarray(photo, dtype=np.float64).mean(axis=(0, 1)) for photo in photos]
        return np.stack(means)[:, [0, 2]] / 255


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    """Save 40 photos that get redder and redder; numbers 3 and 33 cannot be read."""
    saved = [tmp_path / f"{number:02}.png" for number in range(40)]
    for number, path in enumerate(saved):
        Image.new("RGB", (20, 16), (6 * number, 0, 100)).save(path)
    saved[3].write_bytes(b"no photo")
    saved[33].unlink()
    return saved


def predict(paths: Sequence[Path], predictor: ColourPredictor | None = None) -> Predictions:
    """Score photos that are called by their file names."""
    return predict_files(
        ColourPredictor() if predictor is None else predictor,
        paths,
        names=[path.name for path in paths],
        side_px=16,
    )


def test_scores_belong_to_their_photos_and_unreadable_ones_are_listed(paths: list[Path]) -> None:
    predictor = ColourPredictor()
    predictions = predict(paths, predictor)

    readable = [number for number in range(40) if number not in (3, 33)]
    assert predictions.rows.tolist() == readable
    assert predictions.scores.names == tuple(f"{number:02}.png" for number in readable)
    np.testing.assert_allclose(predictions.scores.values[:, 0], 6 * np.array(readable) / 255, atol=1e-9)
    assert [failure.path for failure in predictions.failures] == [Path("03.png"), Path("33.png")]
    assert predictor.batch_sizes == [32, 6]


def test_each_label_is_decided_by_its_own_threshold(paths: list[Path]) -> None:
    predictions = predict(paths)

    np.testing.assert_array_equal(predictions.decisions[:, 0], predictions.scores.values[:, 0] >= 0.5)
    assert predictions.decisions[:, 1].all()
    np.testing.assert_array_equal(predictions.thresholds, [0.5, 0.25])


def test_labels_are_named_the_most_probable_first(paths: list[Path]) -> None:
    predictions = predict([paths[0], paths[39]])

    assert predictions.labels_of(0) == ["blue"]
    assert predictions.labels_of(1) == ["red", "blue"]


def test_photos_none_of_which_can_be_read_give_no_scores(paths: list[Path]) -> None:
    predictor = ColourPredictor()
    predictions = predict([paths[3], paths[33]], predictor)

    assert predictions.scores.values.shape == predictions.decisions.shape == (0, 2)
    assert len(predictions.failures) == 2
    assert not predictor.batch_sizes


def test_every_photo_is_heard_of(paths: list[Path]) -> None:
    heard: list[Progress] = []
    predict_files(ColourPredictor(), paths[:4], names=list("abcd"), side_px=16, listener=heard.append)

    assert [(progress.done, progress.total) for progress in heard] == [(number, 4) for number in range(1, 5)]
