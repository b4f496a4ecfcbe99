"""Neighbors answer with what is known about them, and with nothing else.

In:  small features and targets with unknown cells.
Out: failed tests where an answer is not the weighted share of the nearest photos.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from manylabel.metrics.comparison import label_prior
from manylabel.review import neighbors as neighbors
from manylabel.review.neighbors import find_neighbors, nearest_neighbors
from manylabel.types import FloatArray

NAN = float("nan")
NORTH, EAST, SOUTH = [0.0, 1.0], [1.0, 0.0], [0.0, -1.0]


def drawn(n_train: int, n_photos: int, n_labels: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    generator = np.random.default_rng(0)
    targets = generator.choice([0.0, 1.0, NAN], size=(n_train, n_labels), p=[0.6, 0.3, 0.1])
    return generator.normal(size=(n_train, 5)), targets, generator.normal(size=(n_photos, 5))


def slow_score(
    train_features: FloatArray, train_targets: FloatArray, feature: FloatArray, n_neighbors: int
) -> FloatArray:
    lengths = np.linalg.norm(train_features, axis=1) * np.linalg.norm(feature)
    similarity: FloatArray = train_features @ feature / lengths
    nearest = np.argsort(-similarity)[:n_neighbors]
    scores: FloatArray = label_prior(train_targets, n_photos=1).scores[0]
    for label in range(len(scores)):
        rows = [row for row in nearest if not np.isnan(train_targets[row, label]) and similarity[row] > 0]
        if rows:
            scores[label] = np.average(train_targets[rows, label], weights=similarity[rows])
    return scores


@pytest.mark.parametrize("n_neighbors", [1, 4, 30])
def test_scores_are_the_weighted_share_among_the_nearest(n_neighbors: int) -> None:
    case = drawn(30, 12, 4)
    expected = [slow_score(case[0], case[1], feature, n_neighbors) for feature in case[2]]
    baseline = nearest_neighbors(*case, n_neighbors=n_neighbors)
    assert baseline.name == "nearest-neighbors"
    np.testing.assert_allclose(baseline.scores, expected, atol=1e-6)
    np.testing.assert_array_equal(baseline.decisions, baseline.scores >= 0.5)


@pytest.mark.parametrize(("n_train", "default"), [(1, 1), (10, 3), (160, 13), (4000, 50)])
def test_by_default_the_square_root_of_the_training_photos_answers(n_train: int, default: int) -> None:
    case = drawn(n_train, 5, 2)
    chosen = nearest_neighbors(*case)
    np.testing.assert_array_equal(chosen.scores, nearest_neighbors(*case, n_neighbors=default).scores)


def test_a_photo_gets_the_labels_of_its_copy() -> None:
    train_features, train_targets, _ = drawn(20, 1, 3)
    train_targets = np.nan_to_num(train_targets)
    scores = nearest_neighbors(train_features, train_targets, train_features * 3, n_neighbors=1).scores
    np.testing.assert_allclose(scores, train_targets)


def test_a_neighbor_in_the_opposite_direction_says_nothing() -> None:
    train_targets = np.array([[1.0], [0.0], [0.0]])
    baseline = nearest_neighbors(
        np.array([NORTH, SOUTH, EAST]), train_targets, np.array([NORTH]), n_neighbors=3
    )
    np.testing.assert_allclose(baseline.scores, [[1.0]])


def test_a_label_unknown_to_all_neighbors_gets_its_prevalence() -> None:
    train_targets = np.array([[NAN, 1.0], [1.0, 0.0], [0.0, 0.0], [0.0, 0.0]])
    features = np.array([NORTH, EAST, EAST, EAST])
    baseline = nearest_neighbors(features, train_targets, np.array([NORTH]), n_neighbors=1)
    np.testing.assert_allclose(baseline.scores, [[1 / 3, 1.0]])


@pytest.mark.parametrize("feature", [[0.0, 0.0], SOUTH])
def test_a_photo_like_no_other_gets_the_prevalence(feature: list[float]) -> None:
    baseline = nearest_neighbors(
        np.array([NORTH, NORTH]), np.array([[1.0], [0.0]]), np.array([feature]), n_neighbors=2
    )
    np.testing.assert_allclose(baseline.scores, [[0.5]])


def test_the_most_similar_come_first_and_equal_ones_in_their_order() -> None:
    among = np.array([SOUTH, [1.0, 1.0], NORTH, [0.0, 5.0]])
    found = find_neighbors(np.array([NORTH, SOUTH]), among, n_neighbors=3)
    assert found.rows.tolist() == [[2, 3, 1], [0, 1, 2]]
    np.testing.assert_allclose(found.similarities, [[1, 1, 0.5**0.5], [1, -(0.5**0.5), -1]], atol=1e-6)
    answers = nearest_neighbors(among, np.zeros((4, 1)), np.array([NORTH, SOUTH]), n_neighbors=3)
    np.testing.assert_array_equal(answers.neighbors.rows, found.rows)


def test_among_no_photos_none_is_similar() -> None:
    assert find_neighbors(np.ones((2, 3)), np.ones((0, 3)), n_neighbors=3).rows.shape == (2, 0)


@settings(max_examples=40)
@given(st.data())
def test_scores_lie_between_0_and_1_and_unknown_targets_never_count(data: st.DataObject) -> None:
    n_train, n_labels = data.draw(st.integers(0, 6)), data.draw(st.integers(1, 3))
    numbers = st.one_of(st.sampled_from((0.0, 1.0, 1e-300, 1e300)), st.floats(-1e6, 1e6))
    train_features = data.draw(arrays(np.float64, (n_train, 2), elements=numbers))
    features = data.draw(arrays(np.float64, (3, 2), elements=numbers))
    targets = data.draw(arrays(np.float64, (n_train, n_labels), elements=st.sampled_from((0.0, 1.0, NAN))))
    scores = nearest_neighbors(train_features, targets, features).scores
    assert scores.shape == (3, n_labels)
    assert ((scores >= 0) & (scores <= 1)).all()
    is_unknown = np.isnan(targets).all(axis=0)
    prior = label_prior(targets, n_photos=3).scores
    np.testing.assert_array_equal(scores[:, is_unknown], prior[:, is_unknown])


def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    case = drawn(40, 25, 3)
    whole = nearest_neighbors(*case).scores
    monkeypatch.setattr(neighbors, "_CHUNK_BYTES", 8 * 40 * 7)
    np.testing.assert_allclose(nearest_neighbors(*case).scores, whole, atol=1e-6)


def test_half_precision_features_are_taken() -> None:
    train_features, train_targets, features = drawn(30, 10, 2)
    half = nearest_neighbors(train_features.astype(np.float16), train_targets, features.astype(np.float16))
    np.testing.assert_allclose(
        half.scores, nearest_neighbors(train_features, train_targets, features).scores, atol=0.01
    )


@pytest.mark.parametrize(
    ("train_features", "features", "n_neighbors", "message"),
    [
        (np.ones((2, 2)), np.ones((1, 2)), 1, "2 training photos have features, 3 targets"),
        (np.ones((3, 2)), np.ones((1, 4)), 1, r"shapes \(3, 2\) and \(1, 4\)"),
        (np.ones((3, 2)), np.array([[1.0, NAN]]), 1, "NaN or infinity"),
        (np.ones((3, 2)), np.ones((1, 2)), 0, "n_neighbors is 0, expected at least 1"),
    ],
)
def test_what_does_not_fit_is_refused(
    train_features: FloatArray, features: FloatArray, n_neighbors: int, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        nearest_neighbors(train_features, np.zeros((3, 1)), features, n_neighbors=n_neighbors)
