"""Curves and losses are those of scikit-learn and of their papers, on known cells, in any order of photos.

In:  small random tables with ties and unknown cells, and simulated scores whose truth is known.
Out: failed tests where a measure differs from a reference or depends on what it must not see.
"""

from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn import metrics as sklearn_metrics

from manylabel.metrics.curves import (
    brier_score,
    expected_calibration_error,
    log_loss,
    precision_recall_curve,
    reliability,
)
from manylabel.metrics.registry import measure_labels
from manylabel.types import FloatArray

NAN = float("nan")
ANY_SCORES = st.one_of(st.sampled_from((0.0, 0.2, 0.5, 1.0)), st.floats(0, 1))
few_examples = settings(max_examples=40, deadline=None)
bins = st.integers(1, 6)


class Case(NamedTuple):
    targets: FloatArray
    scores: FloatArray


@st.composite
def cases(draw: st.DrawFn, *, min_photos: int = 0) -> Case:
    shape = (draw(st.integers(min_photos, 12)), draw(st.integers(1, 3)))
    targets = draw(arrays(np.float64, shape, elements=st.sampled_from((0.0, 1.0, NAN))))
    return Case(targets, draw(arrays(np.float64, shape, elements=ANY_SCORES)))


def binned_by_hand(targets: FloatArray, scores: FloatArray, n_bins: int) -> list[Case]:
    """Cut known cells of one label into bins: by the share of cells below, half of the equal ones too."""
    known = ~np.isnan(targets)
    truth, score = targets[known], scores[known]
    below = np.array([np.sum(score < one) + np.sum(score == one) / 2 for one in score])
    number = np.floor(np.round(below * n_bins / max(len(score), 1), 9))
    return [Case(truth[number == n], score[number == n]) for n in range(n_bins) if (number == n).any()]


@few_examples
@given(cases(min_photos=1))
def test_precision_recall_curve_equals_scikit_learn(case: Case) -> None:
    truth, score = case.targets[:, 0], case.scores[:, 0]
    known = ~np.isnan(truth)
    curve = precision_recall_curve(truth, score)
    if (truth == 1).any():
        for ours, theirs in zip(
            curve, sklearn_metrics.precision_recall_curve(truth[known], score[known]), strict=True
        ):
            np.testing.assert_allclose(ours, theirs)
    else:
        assert np.isnan(curve[1]).all()
        assert len(curve[0]) == len(curve[1]) == len(curve[2]) + 1 == len(np.unique(score[known])) + 1


@few_examples
@given(cases(min_photos=1))
def test_area_under_the_steps_of_the_curve_is_the_average_precision(case: Case) -> None:
    precision, recall, _ = precision_recall_curve(case.targets[:, 0], case.scores[:, 0])
    area = -(np.diff(recall) * precision[:-1]).sum() if len(recall) > 1 else NAN
    assert measure_labels(*case, case.scores >= 0.5)["average_precision"][0] == pytest.approx(
        area, nan_ok=True
    )


def test_a_curve_of_several_labels_is_refused() -> None:
    with pytest.raises(ValueError, match="one label at a time"):
        precision_recall_curve(np.zeros((3, 2)), np.zeros((3, 2)))


@few_examples
@given(cases())
def test_log_loss_is_that_of_scikit_learn(case: Case) -> None:
    known = ~np.isnan(case.targets)
    assume(known.any())
    expected = sklearn_metrics.log_loss(case.targets[known], case.scores[known], labels=[0, 1])
    assert log_loss(*case) == pytest.approx(expected, rel=1e-9, abs=1e-12)


@few_examples
@given(cases())
def test_brier_score_is_that_of_scikit_learn(case: Case) -> None:
    for label, value in enumerate(brier_score(*case)):
        known = ~np.isnan(case.targets[:, label])
        if not known.any():
            assert np.isnan(value)
            continue
        truth, score = case.targets[known, label], case.scores[known, label]
        expected = sklearn_metrics.brier_score_loss(truth, score, pos_label=1)
        assert value == pytest.approx(expected, abs=1e-12)


@few_examples
@given(cases(), bins)
def test_calibration_error_is_the_weighted_gap_of_the_bins(case: Case, n_bins: int) -> None:
    for label, value in enumerate(expected_calibration_error(*case, n_bins=n_bins)):
        parts = binned_by_hand(case.targets[:, label], case.scores[:, label], n_bins)
        gaps = [len(part.targets) * abs(part.targets.mean() - part.scores.mean()) for part in parts]
        n_known = sum(len(part.targets) for part in parts)
        assert value == pytest.approx(sum(gaps) / n_known if n_known else NAN, abs=1e-12, nan_ok=True)


@few_examples
@given(cases(), bins)
def test_points_of_the_diagram_are_means_over_the_bins(case: Case, n_bins: int) -> None:
    points = reliability(*case, n_bins=n_bins)
    parts = binned_by_hand(case.targets.ravel(), case.scores.ravel(), n_bins)
    np.testing.assert_allclose(points.mean_score, [part.scores.mean() for part in parts], atol=1e-12)
    np.testing.assert_allclose(points.share_present, [part.targets.mean() for part in parts], atol=1e-12)
    np.testing.assert_array_equal(points.n_cells, [len(part.targets) for part in parts])
    assert ((points.low <= points.share_present) & (points.share_present <= points.high)).all()
    assert ((points.low >= 0) & (points.high <= 1) & (points.low < points.high)).all()


def test_bins_hold_equally_many_photos() -> None:
    scores = np.random.default_rng(0).random(103) ** 4
    points = reliability(np.zeros(103), scores, n_bins=10)
    assert set(points.n_cells) == {10, 11}
    assert (np.diff(points.mean_score) > 0).all()


@few_examples
@given(cases(), bins, st.data())
def test_scores_under_unknown_cells_change_nothing(case: Case, n_bins: int, data: st.DataObject) -> None:
    other = data.draw(arrays(np.float64, case.scores.shape, elements=st.one_of(ANY_SCORES, st.just(NAN))))
    changed = np.where(np.isnan(case.targets), other, case.scores)
    assert all_measures(case.targets, changed, n_bins) == all_measures(*case, n_bins)


@few_examples
@given(cases(), bins, st.randoms(use_true_random=False))
def test_order_of_photos_changes_nothing(case: Case, n_bins: int, random: np.random.Generator) -> None:
    rows = list(range(len(case.targets)))
    random.shuffle(rows)
    shuffled = all_measures(case.targets[rows], case.scores[rows], n_bins)
    for one, other in zip(shuffled, all_measures(*case, n_bins), strict=True):
        np.testing.assert_allclose(np.array(one, dtype=float), np.array(other, dtype=float), atol=1e-12)


def all_measures(targets: FloatArray, scores: FloatArray, n_bins: int) -> list[list[str]]:
    """Return every measure as text, in which NaN equals NaN."""
    points = reliability(targets, scores, n_bins=n_bins)
    measures = (
        np.array([log_loss(targets, scores)]),
        brier_score(targets, scores),
        expected_calibration_error(targets, scores, n_bins=n_bins),
        points.mean_score,
        points.low,
        points.high,
    )
    return [[repr(float(value)) for value in measure] for measure in measures]


def test_honest_scores_have_no_error_in_the_limit_and_distorted_ones_have() -> None:
    generator = np.random.default_rng(0)
    scores = generator.random((50_000, 2)) ** 2
    targets = (generator.random(scores.shape) < scores).astype(np.float64)
    assert expected_calibration_error(targets, scores, n_bins=10).max() < 0.01
    assert expected_calibration_error(targets, np.sqrt(scores), n_bins=10).min() > 0.1


def test_the_band_holds_the_truth_of_honest_scores_in_95_of_100_bins() -> None:
    generator = np.random.default_rng(1)
    is_inside: list[bool] = []
    for _ in range(200):
        scores = generator.random(160)
        points = reliability((generator.random(160) < scores).astype(np.float64), scores, n_bins=5)
        is_inside.extend((points.low <= points.mean_score) & (points.mean_score <= points.high))
    # 1,000 bins; scores differ within each, so its share varies a little less than a binomial one.
    assert 0.94 < np.mean(is_inside) < 0.98


def test_the_band_is_the_one_that_is_printed_in_the_literature() -> None:
    """Newcombe 1998, "Two-sided confidence intervals for the single proportion", table I, method 3."""
    points = reliability(np.repeat([1.0, 0.0], [81, 182]), np.full(263, 0.5), n_bins=1)
    assert (points.low[0], points.high[0]) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    points = reliability(np.zeros(20), np.full(20, 0.5), n_bins=1)
    assert (points.low[0], points.high[0]) == pytest.approx((0.0, 0.1611), abs=5e-5)


def test_being_surely_wrong_costs_much_but_not_infinitely_much() -> None:
    assert log_loss(np.array([[1.0]]), np.array([[0.0]])) == pytest.approx(36.04, abs=0.01)
    assert log_loss(np.array([[1.0, 0.0]]), np.array([[1.0, 0.0]])) < 1e-15


@pytest.mark.parametrize("n_photos", [0, 3])
def test_where_nothing_is_known_measures_are_undefined(n_photos: int) -> None:
    case = Case(np.full((n_photos, 2), NAN), np.full((n_photos, 2), 0.9))
    assert np.isnan(log_loss(*case))
    np.testing.assert_array_equal(brier_score(*case), [NAN, NAN])
    np.testing.assert_array_equal(expected_calibration_error(*case, n_bins=3), [NAN, NAN])
    assert len(reliability(*case, n_bins=3).n_cells) == 0


@pytest.mark.parametrize("n_bins", [0, -2])
def test_at_least_one_bin_is_needed(n_bins: int) -> None:
    case = Case(np.array([[1.0]]), np.array([[0.5]]))
    with pytest.raises(ValueError, match=f"n_bins is {n_bins}; expected at least 1"):
        expected_calibration_error(*case, n_bins=n_bins)
    with pytest.raises(ValueError, match="expected at least 1"):
        reliability(*case, n_bins=n_bins)


@pytest.mark.parametrize("bad", [-0.1, 3.2, NAN])
def test_scores_that_are_no_probabilities_are_refused(bad: float) -> None:
    case = Case(np.array([[1.0], [0.0]]), np.array([[bad], [0.1]]))
    with pytest.raises(ValueError, match="must be probabilities between 0 and 1"):
        log_loss(*case)
    with pytest.raises(ValueError, match="must be probabilities between 0 and 1"):
        brier_score(*case)


def test_scores_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match="targets have shape"):
        reliability(np.zeros((2, 3)), np.zeros((3, 2)), n_bins=2)
