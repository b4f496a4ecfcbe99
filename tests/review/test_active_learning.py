"""Photos that are suggested are uncertain, stand for many, and are no copies.

In:  features drawn around a few centres, with scores that are sure of some of them.
Out: failed tests where other photos are chosen.
"""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from manylabel.review import active_learning as suggestions
from manylabel.review.active_learning import choose_to_label
from manylabel.types import FloatArray, IntArray

few_examples = settings(max_examples=60)


def clusters(sizes: tuple[int, ...], *, seed: int = 0, spread: float = 0.6) -> tuple[FloatArray, IntArray]:
    """Draw features [n_photos, 64] around centres, and which centre each belongs to [n_photos]."""
    rng = np.random.default_rng(seed)
    centres = 3 + rng.normal(0, 1, (len(sizes), 64))
    cluster = np.repeat(np.arange(len(sizes)), sizes)
    return centres[cluster] + rng.normal(0, spread, (len(cluster), 64)), cluster


@few_examples
@given(st.integers(0, 12), st.integers(0, 15), st.integers(0, 3), st.data())
def test_as_many_rows_as_asked_for_none_twice(
    n_photos: int, n: int, n_labeled: int, data: st.DataObject
) -> None:
    scores = data.draw(arrays(np.float64, (n_photos, 2), elements=st.floats(0, 1)))
    values = st.sampled_from((0.0, 1.0, -2.0))
    features = data.draw(arrays(np.float64, (n_photos, 3), elements=values))
    labeled = data.draw(arrays(np.float64, (n_labeled, 3), elements=values))
    chosen = choose_to_label(scores, features, n=n, labeled_features=labeled)
    assert len(chosen) == min(n, n_photos)
    assert len(set(chosen)) == len(chosen)
    assert set(chosen) <= set(range(n_photos))


@pytest.mark.parametrize("seed", range(5))
def test_more_is_fewer_and_then_others(seed: int) -> None:
    features, _ = clusters((5, 9, 3, 7), seed=seed)
    scores = np.random.default_rng(seed).random((len(features), 3))
    few, many = (choose_to_label(scores, features, n=n) for n in (4, 11))
    np.testing.assert_array_equal(many[:4], few)


def test_every_cluster_is_met_before_one_is_met_twice() -> None:
    features, cluster = clusters((40, 10, 20, 30))
    scores = np.full((len(features), 3), 0.5)
    chosen = choose_to_label(scores, features, n=4)
    assert sorted(cluster[chosen]) == [0, 1, 2, 3]
    assert cluster[chosen[0]] == 0


def test_what_the_model_is_sure_of_is_not_suggested() -> None:
    features, cluster = clusters((20, 20, 20))
    scores = np.where(cluster == 1, 0.5, 0.001)[:, None]
    assert (cluster[choose_to_label(scores, features, n=5)] == 1).all()


def test_the_uncertain_photo_of_a_pair_comes_first() -> None:
    features, _ = clusters((1, 1, 1, 1))
    scores = np.array([[0.01], [0.5], [0.01], [0.9]])
    assert choose_to_label(scores, features, n=2).tolist() == [1, 3]


def test_what_is_labeled_already_is_not_suggested() -> None:
    features, cluster = clusters((30, 30, 30))
    labeled = features[cluster == 0][:10]
    scores = np.full((len(features), 2), 0.5)
    chosen = choose_to_label(scores, features, n=2, labeled_features=labeled)
    assert sorted(cluster[chosen]) == [1, 2]


def test_copies_wait_until_nothing_else_is_left() -> None:
    features, cluster = clusters((12, 12), spread=1.5)
    originals = len(features)
    copies = np.concatenate([features, features[:6] + 0.01, features[:6]])
    scores = np.full((len(copies), 1), 0.02)
    scores[:6] = scores[originals:] = 0.5  # the copies are what the model knows least
    chosen = choose_to_label(scores, copies, n=len(copies))
    source = np.concatenate([np.arange(originals), np.arange(6), np.arange(6)])[chosen]
    assert len(set(source[:originals])) == originals
    assert len(cluster) == originals


def test_copies_of_labeled_photos_wait_too() -> None:
    features, _ = clusters((10, 10), spread=1.5)
    scores = np.full((len(features), 1), 0.02)
    scores[:3] = 0.5
    chosen = choose_to_label(scores, features, n=len(features), labeled_features=features[:3])
    assert set(chosen[-3:]) == {0, 1, 2}


def test_a_lonely_odd_photo_does_not_come_before_what_stands_for_many() -> None:
    features, cluster = clusters((1, 40))
    scores = np.full((len(features), 1), 0.5)
    assert cluster[choose_to_label(scores, features, n=1)[0]] == 1


def test_features_may_be_scaled_and_labels_swapped() -> None:
    features, _ = clusters((8, 8, 8))
    scores = np.random.default_rng(1).random((len(features), 3))
    chosen = choose_to_label(scores, features, n=6)
    np.testing.assert_array_equal(choose_to_label(scores, 7 * features, n=6), chosen)
    np.testing.assert_array_equal(choose_to_label(1 - scores[:, ::-1], features, n=6), chosen)


def test_more_photos_than_can_be_compared_at_a_time_are_chosen_in_rounds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    features, _ = clusters((20, 20, 20))
    scores = np.random.default_rng(1).random((len(features), 2))
    whole = choose_to_label(scores, features, n=20)
    monkeypatch.setattr(suggestions, "_CHOSEN_AT_ONCE", 3)
    np.testing.assert_array_equal(choose_to_label(scores, features, n=20), whole)
    monkeypatch.setattr(suggestions, "_SHORTLIST", 7)
    assert len(set(choose_to_label(scores, features, n=60))) == 60


def test_identical_photos_and_scores_of_0_and_1_are_no_problem() -> None:
    chosen = choose_to_label(np.array([[0.0], [1.0], [1.0]]), np.ones((3, 4)), n=3)
    assert sorted(chosen) == [0, 1, 2]
    assert choose_to_label(np.array([[0.3]]), np.array([[2.0, 1.0]]), n=1).tolist() == [0]


def test_twenty_thousand_photos_take_seconds() -> None:
    rng = np.random.default_rng(0)
    features = rng.random((20_000, 64), dtype=np.float32)
    started = time.perf_counter()
    chosen = choose_to_label(rng.random((20_000, 10)), features, n=20)
    assert time.perf_counter() - started < 20
    assert len(set(chosen)) == 20


def test_what_does_not_fit_together_is_refused() -> None:
    scores, features = np.full((2, 1), 0.5), np.ones((2, 3))
    with pytest.raises(ValueError, match="2 photos have scores, 3 have features"):
        choose_to_label(scores, np.ones((3, 3)), n=1)
    with pytest.raises(ValueError, match="labeled photos have 4 features, the others 3"):
        choose_to_label(scores, features, n=1, labeled_features=np.ones((1, 4)))
    with pytest.raises(ValueError, match="without NaN"):
        choose_to_label(np.array([[np.nan], [0.5]]), features, n=1)
