"""Calibration makes scores honest where photos allow it, changes nothing where they do not, and never harms.

In:  simulated scores whose true probabilities are known, and small random tables with unknown cells.
Out: failed tests where calibrated scores are less honest, or depend on what they must not see.
"""

from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from manylabel.decisions.calibration import (
    Calibration,
    choose_calibration,
    cross_fit_calibration,
    fit_calibration,
)
from manylabel.metrics.curves import expected_calibration_error, log_loss
from manylabel.metrics.metrics import average_precision
from manylabel.metrics.resamples import Resamples
from manylabel.types import FloatArray, IntArray

NAN = float("nan")
ANY_SCORES = st.one_of(st.sampled_from((0.0, 0.2, 0.5, 1.0)), st.floats(0, 1))
few_examples = settings(max_examples=30, deadline=None)


class Case(NamedTuple):
    targets: FloatArray
    scores: FloatArray


@st.composite
def cases(draw: st.DrawFn, *, max_labels: int = 4) -> Case:
    shape = (draw(st.integers(0, 12)), draw(st.integers(1, max_labels)))
    targets = draw(arrays(np.float64, shape, elements=st.sampled_from((0.0, 1.0, NAN))))
    return Case(targets, draw(arrays(np.float64, shape, elements=ANY_SCORES)))


@st.composite
def calibrations(draw: st.DrawFn, *, n_labels: int) -> Calibration:
    slopes = draw(arrays(np.float64, n_labels, elements=st.floats(0.05, 20)))
    offsets = draw(arrays(np.float64, n_labels, elements=st.floats(-10, 10)))
    return Calibration(slopes=slopes, offsets=offsets)


def sigmoid(logits: FloatArray) -> FloatArray:
    return np.asarray(1 / (1 + np.exp(-logits)))


def simulate(
    n_photos: int, slopes: FloatArray, offsets: FloatArray, *, means: FloatArray, seed: int = 0
) -> Case:
    """Draw targets, and scores that the calibration with these slopes and offsets makes honest."""
    generator = np.random.default_rng(seed)
    honest = means + 2.5 * generator.normal(size=(n_photos, len(means)))
    targets = (generator.random(honest.shape) < sigmoid(honest)).astype(np.float64)
    return Case(targets, sigmoid((honest - offsets) / slopes))


def honest_scores(n_photos: int, *, seed: int) -> Case:
    """Draw 10 labels, present on about 3 to 40 % of the photos, whose scores are true probabilities."""
    return simulate(n_photos, np.ones(10), np.zeros(10), means=np.linspace(-6.5, -0.7, 10), seed=seed)


def folds_of(n_photos: int, n_folds: int = 4) -> list[IntArray]:
    return [np.arange(first, n_photos, n_folds) for first in range(n_folds)]


def photo_losses(targets: FloatArray, scores: FloatArray) -> FloatArray:
    """Return the cross-entropy of each photo with a known label, summed over its known labels."""
    tiny = np.finfo(np.float64).eps  # where scikit-learn's log loss, and ours, clip
    honest = np.clip(scores, tiny, 1 - tiny)
    losses = np.where(targets == 1, -np.log(honest), -np.log1p(-honest))
    known = ~np.isnan(targets)
    return np.asarray(np.where(known, losses, 0.0).sum(axis=1)[known.any(axis=1)])


def test_with_many_photos_the_distortion_is_found_and_undone() -> None:
    slopes, offsets, means = (
        np.array([0.4, 1.0, 2.0]),
        np.array([0.5, -1.5, 0.0]),
        np.array([-3.0, 0.0, -1.0]),
    )
    case = simulate(20_000, slopes, offsets, means=means)
    fitted = fit_calibration(*case)
    np.testing.assert_allclose(fitted.slopes, slopes, rtol=0.05)
    np.testing.assert_allclose(fitted.offsets, offsets, atol=0.1)
    fresh = simulate(20_000, slopes, offsets, means=means, seed=1)
    honest = Calibration(slopes=slopes, offsets=offsets)
    before, after, at_best = (
        expected_calibration_error(fresh.targets, scores, n_bins=10)
        for scores in (fresh.scores, fitted.apply(fresh.scores), honest.apply(fresh.scores))
    )
    assert before.min() > 0.03
    assert after.max() < 0.015
    assert (after - at_best).max() < 0.005


def test_fitted_values_are_the_most_probable_ones() -> None:
    """The log of prior times likelihood, written out anew, falls in every direction."""
    case = simulate(60, np.array([0.5, 0.9]), np.array([1.0, -1.0]), means=np.array([-1.0, 0.5]))
    fitted = fit_calibration(*case)
    logits = np.log(case.scores / (1 - case.scores))
    own = np.stack([np.log(fitted.slopes), fitted.offsets], axis=1)

    def loss(common: FloatArray, values: FloatArray) -> float:
        probability = sigmoid(np.exp(values[:, 0]) * logits + values[:, 1])
        misfit = -np.log(np.where(case.targets == 1, probability, 1 - probability)).sum()
        pull = ((values - common) / [0.2, 0.4]) ** 2
        return float(misfit + pull.sum() / 2 + ((common / [0.7, 1.0]) ** 2).sum() / 2)

    # Given the labels' values, the best common ones are a weighted mean of them and (0, 0).
    pull = 1 / np.array([0.2, 0.4]) ** 2
    common = pull * own.sum(axis=0) / (2 * pull + 1 / np.array([0.7, 1.0]) ** 2)
    best = loss(common, own)
    for label in range(2):
        for direction in np.eye(2):
            moved = own.copy()
            moved[label] += 1e-3 * direction
            assert loss(common, moved) > best
            assert loss(common, 2 * own - moved) > best


def test_few_photos_pull_a_rare_label_towards_the_others() -> None:
    means, offsets = np.array([0.0, 0.0, 0.0, -4.0]), np.array([1.0, 1.0, 1.0, -1.0])
    fitted = [fit_calibration(*simulate(n, np.ones(4), offsets, means=means)) for n in (200, 20_000)]
    assert fitted[0].offsets[3] > -0.6
    assert fitted[1].offsets[3] < -0.8
    assert fitted[0].offsets[0] == pytest.approx(1.0, abs=0.4)


@pytest.mark.parametrize("constant", [0.0, 1.0, NAN])
def test_a_label_without_positives_or_negatives_takes_the_common_values_and_has_no_say(
    constant: float,
) -> None:
    case = simulate(100, np.full(3, 0.5), np.zeros(3), means=np.full(3, -1.0))
    case.targets[:, 2] = constant
    fitted, without = fit_calibration(*case), fit_calibration(case.targets[:, :2], case.scores[:, :2])
    np.testing.assert_allclose(fitted.slopes[:2], without.slopes, atol=1e-6)
    np.testing.assert_allclose(fitted.offsets[:2], without.offsets, atol=1e-6)
    slopes = sorted([*fitted.slopes[:2], 1.0])
    assert slopes[0] < fitted.slopes[2] < slopes[2]
    alike = Case(case.targets[:, [0, 0, 2]], case.scores[:, [0, 0, 2]])
    assert fit_calibration(*alike).slopes[2] == pytest.approx(fit_calibration(*alike).slopes[0], rel=0.1)


def test_one_positive_moves_a_label_only_a_little() -> None:
    targets = np.zeros((100, 2))
    targets[:40, 0], targets[99, 1] = 1, 1
    scores = np.stack([np.linspace(0.99, 0.01, 100), np.linspace(0.3, 0.01, 100)], axis=1)
    fitted = fit_calibration(targets, scores)
    assert np.abs(np.log(fitted.slopes[1] / fitted.slopes[0])) < 0.7
    assert fitted.apply(scores)[:, 1].max() < 0.5


def test_common_overconfidence_is_undone_on_few_photos() -> None:
    gains = []
    for seed in range(10):
        means = np.linspace(-6.5, -0.7, 10)
        seen, fresh = (
            simulate(n, np.full(10, 0.5), np.zeros(10), means=means, seed=seed + offset)
            for n, offset in ((160, 0), (2000, 100))
        )
        calibrated = log_loss(fresh.targets, fit_calibration(*seen).apply(fresh.scores))
        gains.append(log_loss(*fresh) / calibrated - 1)
    assert np.mean(gains) > 0.15
    assert np.min(gains) > 0.05


def test_honest_scores_of_160_photos_lose_next_to_nothing() -> None:
    fitted: list[float] = []
    chosen: list[float] = []
    for seed in range(15):
        seen, fresh = honest_scores(160, seed=seed), honest_scores(2000, seed=seed + 100)
        for changes, calibration in (
            (fitted, fit_calibration(*seen)),
            (chosen, choose_calibration(*seen, folds_of(160, 5)).calibration),
        ):
            changes.append(log_loss(fresh.targets, calibration.apply(fresh.scores)) / log_loss(*fresh) - 1)
    assert 0 < np.mean(fitted) < 0.02
    assert np.mean(np.abs(chosen)) < 0.01


def test_a_handful_of_photos_calibrates_nothing() -> None:
    targets, too_high = np.array([[1.0], [0.0], [0.0], [0.0]] * 5), np.full((20, 1), 0.6)
    few, enough = (choose_calibration(targets[:n], too_high[:n], folds_of(n, 2)) for n in (16, 20))
    assert not few.is_used
    assert few.gain.outcome == "too_few_photos"
    assert enough.is_used


@few_examples
@given(cases(), st.integers(2, 4))
def test_cross_fitted_log_loss_never_gets_worse(case: Case, n_folds: int) -> None:
    choice = choose_calibration(*case, folds_of(len(case.targets), n_folds))
    if np.isnan(case.targets).all():
        assert np.isnan(choice.gain.log_loss_before)
        assert not choice.is_used
        return
    assert choice.gain.log_loss_before == log_loss(*case)
    assert log_loss(case.targets, choice.scores) <= choice.gain.log_loss_before
    crossed = cross_fit_calibration(*case, folds_of(len(case.targets), n_folds))
    gains = photo_losses(case.targets, case.scores) - photo_losses(case.targets, crossed)
    error = gains.std() * np.sqrt(len(gains))
    if not np.isclose(gains.sum(), error, rtol=1e-9, atol=1e-9):
        assert choice.is_used == (gains.sum() > error and len(gains) >= 20)
    assert choice.gain.log_loss_after < choice.gain.log_loss_before or not choice.is_used
    if not choice.is_used:
        np.testing.assert_array_equal(choice.scores, case.scores)
        np.testing.assert_array_equal(choice.calibration.apply(case.scores), case.scores)


def test_a_calibration_that_helps_is_used_and_says_so() -> None:
    case = simulate(200, np.full(4, 0.3), np.zeros(4), means=np.full(4, -1.0))
    folds = folds_of(200)
    choice = choose_calibration(*case, folds)
    assert choice.is_used
    np.testing.assert_array_equal(choice.scores, cross_fit_calibration(*case, folds))
    np.testing.assert_array_equal(choice.calibration.slopes, fit_calibration(*case).slopes)
    assert choice.gain.outcome == "used"
    assert choice.gain.log_loss_after == log_loss(case.targets, choice.scores)


def test_a_calibration_that_harms_is_left_out_and_says_so() -> None:
    # Each fold by itself has scores that are all too low or all too high: what the other teaches is wrong.
    targets = np.concatenate([np.tile([1.0, 1.0, 0.0], 10), np.tile([0.0, 0.0, 1.0], 10)])[:, None]
    choice = choose_calibration(targets, np.full((60, 1), 0.5), [np.arange(30), np.arange(30, 60)])
    assert not choice.is_used
    assert choice.gain.outcome == "worse"
    assert choice.gain.log_loss_before == pytest.approx(0.693, abs=1e-3)
    assert choice.gain.log_loss_before < choice.gain.log_loss_after < 1
    np.testing.assert_array_equal(choice.calibration.slopes, [1.0])
    np.testing.assert_array_equal(choice.calibration.offsets, [0.0])


@pytest.mark.parametrize(("target", "outcome", "loss"), [(NAN, "unknown", NAN), (1.0, "no_change", 0.693)])
def test_where_nothing_can_be_learned_the_scores_stay(target: float, outcome: str, loss: float) -> None:
    scores = np.full((6, 2), 0.5)
    choice = choose_calibration(np.full((6, 2), target), scores, folds_of(6))
    assert choice.gain.outcome == outcome
    assert choice.gain.log_loss_before == pytest.approx(loss, abs=1e-3, nan_ok=True)
    np.testing.assert_array_equal(choice.scores, scores)


def test_a_small_gain_is_within_chance() -> None:
    case = simulate(1000, np.full(2, 0.99), np.zeros(2), means=np.zeros(2), seed=1)
    choice = choose_calibration(*case, folds_of(1000))
    assert f"{choice.gain.log_loss_before:.3f}" == f"{choice.gain.log_loss_after:.3f}"
    assert choice.gain.log_loss_after < choice.gain.log_loss_before
    assert choice.gain.outcome == "within_chance"
    assert not choice.is_used


@few_examples
@given(st.data())
def test_order_of_scores_is_kept(data: st.DataObject) -> None:
    calibration = data.draw(calibrations(n_labels=2))
    scores = np.sort(data.draw(arrays(np.float64, (20, 2), elements=ANY_SCORES)), axis=0)
    calibrated = calibration.apply(scores)
    assert ((calibrated >= 0) & (calibrated <= 1)).all()
    # Neighboring floats may change places in the last digit.
    assert (np.diff(calibrated, axis=0) >= -1e-13 * calibrated[1:]).all()


def test_scores_that_differ_stay_apart_so_average_precision_stays() -> None:
    case = honest_scores(200, seed=3)
    calibrated = fit_calibration(*case).apply(case.scores)
    assert len(np.unique(calibrated)) == len(np.unique(case.scores))
    before, after = (
        average_precision(Resamples(case.targets, scores=scores)) for scores in (case.scores, calibrated)
    )
    np.testing.assert_array_equal(before, after)


@given(arrays(np.float64, (5, 2), elements=ANY_SCORES))
def test_slope_one_and_offset_zero_change_no_bit(scores: FloatArray) -> None:
    unchanged = Calibration(slopes=np.array([1.0, 1.0]), offsets=np.array([0.0, 0.0]))
    np.testing.assert_array_equal(unchanged.apply(scores), scores)


def test_calibrating_follows_the_formula() -> None:
    calibration = Calibration(slopes=np.array([0.5, 2.0]), offsets=np.array([1.0, -0.3]))
    scores = np.array([[0.1, 0.1], [0.5, 0.8], [0.999, 1e-9]])
    expected = sigmoid(np.array([0.5, 2.0]) * np.log(scores / (1 - scores)) + np.array([1.0, -0.3]))
    np.testing.assert_allclose(calibration.apply(scores), expected, rtol=1e-12)


@few_examples
@given(cases(), st.data())
def test_what_stands_behind_unknown_cells_changes_nothing(case: Case, data: st.DataObject) -> None:
    other = data.draw(arrays(np.float64, case.scores.shape, elements=st.one_of(ANY_SCORES, st.just(NAN))))
    unknown = np.isnan(case.targets)
    changed = Case(case.targets, np.where(unknown, other, case.scores))
    folds = folds_of(len(case.targets))
    np.testing.assert_array_equal(fit_calibration(*changed).slopes, fit_calibration(*case).slopes)
    np.testing.assert_array_equal(fit_calibration(*changed).offsets, fit_calibration(*case).offsets)
    scores, expected = (cross_fit_calibration(*each, folds)[~unknown] for each in (changed, case))
    np.testing.assert_array_equal(scores, expected)


@few_examples
@given(st.integers(0, 1000), st.permutations(range(6)))
def test_order_of_photos_and_of_labels_changes_nothing(seed: int, labels: list[int]) -> None:
    case = simulate(40, np.full(6, 0.7), np.zeros(6), means=np.linspace(-4, 1, 6), seed=seed)
    rows = np.random.default_rng(seed).permutation(40)
    fitted = fit_calibration(*case)
    shuffled = fit_calibration(case.targets[rows][:, labels], case.scores[rows][:, labels])
    np.testing.assert_allclose(shuffled.slopes, fitted.slopes[labels], atol=1e-6)
    np.testing.assert_allclose(shuffled.offsets, fitted.offsets[labels], atol=1e-6)


@few_examples
@given(cases())
def test_any_table_gives_a_calibration(case: Case) -> None:
    fitted = fit_calibration(*case)
    assert fitted.slopes.shape == fitted.offsets.shape == (case.targets.shape[1],)
    assert not np.isnan(fitted.apply(case.scores)).any()


@pytest.mark.parametrize("n_wrong", [1, 50])
def test_scores_of_0_and_1_that_are_wrong_do_not_run_away(n_wrong: int) -> None:
    targets = np.tile([[1.0], [0.0]], (50, 1))
    scores = targets.copy()
    scores[: 2 * n_wrong] = 1 - scores[: 2 * n_wrong]
    fitted = fit_calibration(targets, scores)
    assert 0 < fitted.slopes[0] < 1
    assert np.isfinite(log_loss(targets, fitted.apply(scores)))
    assert log_loss(targets, fitted.apply(scores)) < log_loss(targets, scores)


def test_one_score_of_0_that_is_wrong_does_not_outweigh_the_other_photos() -> None:
    case = honest_scores(300, seed=2)
    label = 9
    case.scores[np.flatnonzero(case.targets[:, label])[0], label] = 0.0
    assert fit_calibration(*case).slopes[label] > 0.6


def test_where_no_label_has_both_answers_nothing_changes() -> None:
    scores = np.random.default_rng(0).random((30, 3))
    targets = np.tile([1.0, 0.0, NAN], (30, 1))
    np.testing.assert_array_equal(fit_calibration(targets, scores).apply(scores), scores)


def test_a_thousand_labels_are_fitted_at_once() -> None:
    case = simulate(50, np.full(1000, 0.5), np.zeros(1000), means=np.full(1000, -2.0))
    slopes = fit_calibration(*case).slopes
    assert np.mean(slopes) == pytest.approx(0.5, abs=0.05)
    assert np.std(slopes) < 0.1


@few_examples
@given(cases(), st.integers(2, 4), st.data())
def test_cross_fitted_scores_ignore_the_targets_of_their_own_fold(
    case: Case, n_folds: int, data: st.DataObject
) -> None:
    folds = folds_of(len(case.targets), n_folds)
    scores = cross_fit_calibration(*case, folds)
    for fold in folds:
        targets = case.targets.copy()
        cells = st.sampled_from((0.0, 1.0, NAN))
        targets[fold] = data.draw(arrays(np.float64, targets[fold].shape, elements=cells))
        np.testing.assert_array_equal(cross_fit_calibration(targets, case.scores, folds)[fold], scores[fold])


def test_cross_fitted_scores_use_the_calibration_of_the_other_folds() -> None:
    case, folds = honest_scores(40, seed=0), folds_of(40)
    scores = cross_fit_calibration(*case, folds)
    for fold in folds:
        others = np.setdiff1d(np.arange(40), fold)
        expected = fit_calibration(case.targets[others], case.scores[others]).apply(case.scores[fold])
        np.testing.assert_array_equal(scores[fold], expected)


@pytest.mark.parametrize("folds", [[[0, 1]], [[0, 1], [1, 2]], [[0, 1], [2, 3]], []])
def test_folds_that_are_no_partition_are_refused(folds: list[list[int]]) -> None:
    rows = [np.array(fold, dtype=np.int64) for fold in folds]
    with pytest.raises(ValueError, match="not a partition of the 3 photos"):
        choose_calibration(np.zeros((3, 1)), np.zeros((3, 1)), rows)


@pytest.mark.parametrize("bad", [-0.1, 3.2, NAN])
def test_scores_that_are_no_probabilities_are_refused(bad: float) -> None:
    with pytest.raises(ValueError, match="must be probabilities between 0 and 1"):
        fit_calibration(np.array([[1.0], [0.0]]), np.array([[bad], [0.1]]))


def test_scores_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match="targets have shape"):
        fit_calibration(np.zeros((3, 2)), np.zeros((3, 1)))
    with pytest.raises(ValueError, match="expected 2 labels at the end"):
        Calibration(slopes=np.ones(2), offsets=np.zeros(2)).apply(np.zeros((3, 1)))


@pytest.mark.parametrize(
    ("slope", "offset"), [(0.0, 0.0), (-1.0, 0.0), (NAN, 0.0), (1.0, NAN), (np.inf, 0.0)]
)
def test_slopes_and_offsets_that_break_the_order_are_refused(slope: float, offset: float) -> None:
    with pytest.raises(ValueError, match="slopes must be above 0"):
        Calibration(slopes=np.array([slope]), offsets=np.array([offset]))


def test_as_many_slopes_as_offsets_are_expected() -> None:
    with pytest.raises(ValueError, match=r"slopes have shape \(2,\), offsets \(1,\)"):
        Calibration(slopes=np.ones(2), offsets=np.zeros(1))
