"""A decision policy learned from held-out photos: the variant, the calibration, the thresholds."""

from dataclasses import replace

import numpy as np
import pytest

from manylabel.constraints import parse_constraints
from manylabel.decisions.calibration import choose_calibration
from manylabel.decisions.policy import (
    PolicyData,
    cross_fit_policy,
    gains_more_than_chance,
    learn_policy,
)
from manylabel.decisions.thresholds import ThresholdObjective, choose_thresholds
from manylabel.metrics.curves import log_loss
from manylabel.metrics.resamples import BoolArray
from manylabel.types import FloatArray, IntArray

F1, ACCURACY = ThresholdObjective(method="f1"), ThresholdObjective(method="accuracy")
COST = ThresholdObjective(method="cost", cost_missed=2.0, cost_false=1.0)
N_PHOTOS, N_LABELS = 200, 4


def calibrated_scores(rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """Return targets, and scores that are their probabilities."""
    scores = rng.beta(0.6, 1.4, (N_PHOTOS, N_LABELS))
    return (rng.random(scores.shape) < scores).astype(np.float64), scores


def held_out(targets: FloatArray, *variants: FloatArray) -> PolicyData:
    folds = tuple(np.arange(fold, len(targets), 5) for fold in range(5))
    return PolicyData(targets=targets, scores=np.stack(variants), folds=folds)


def sharpened(scores: FloatArray, slope: float) -> FloatArray:
    odds = (scores / (1 - scores)) ** slope
    return np.asarray(odds / (1 + odds))


def test_the_variant_with_the_lowest_loss_is_taken() -> None:
    targets, scores = calibrated_scores(np.random.default_rng(0))
    noise = np.random.default_rng(1).random(scores.shape)

    policy = learn_policy(held_out(targets, noise, scores, sharpened(scores, 4)), objective=F1)

    assert policy.variant == 1


def test_scores_that_say_too_much_are_calibrated_and_thresholds_follow() -> None:
    targets, scores = calibrated_scores(np.random.default_rng(0))
    loud = sharpened(scores, 4)

    policy = learn_policy(held_out(targets, loud), objective=F1)
    left = learn_policy(held_out(targets, loud), objective=F1, calibrate="never")

    assert policy.calibration.is_used
    assert log_loss(targets, policy.score(loud[None])) < log_loss(targets, loud) - 0.1
    np.testing.assert_array_equal(left.score(loud[None]), loud)
    assert np.abs(policy.thresholds.values - left.thresholds.values).max() > 0.01


def test_what_is_said_of_a_fold_comes_from_the_others() -> None:
    targets, scores = calibrated_scores(np.random.default_rng(0))
    loud = sharpened(scores, 4)
    turned = targets.copy()
    turned[::5] = 1 - turned[::5]

    honest, turned_around = (
        cross_fit_policy(held_out(given, loud), objective=F1, calibrate="always")
        for given in (targets, turned)
    )

    for said, from_turned in (
        (honest.scores, turned_around.scores),
        (honest.decisions, turned_around.decisions),
    ):
        np.testing.assert_array_equal(said[::5], from_turned[::5])
        assert not np.array_equal(said, from_turned)


def test_scores_under_unknown_cells_change_nothing() -> None:
    targets, scores = calibrated_scores(np.random.default_rng(0))
    is_hidden = np.random.default_rng(2).random(targets.shape) < 0.3
    targets[is_hidden] = np.nan
    others = np.where(is_hidden, 0.999, scores)

    constraints = [learn_policy(held_out(targets, given), objective=F1) for given in (scores, others)]

    np.testing.assert_array_equal(constraints[0].thresholds.values, constraints[1].thresholds.values)
    np.testing.assert_array_equal(
        constraints[0].calibration.calibration.slopes, constraints[1].calibration.calibration.slopes
    )


def test_thresholds_that_do_worse_than_half_on_other_photos_are_half() -> None:
    worthwhile = []
    for seed in range(10):
        targets, scores = calibrated_scores(np.random.default_rng(seed))
        policy = learn_policy(
            held_out(targets[:30], scores[:30]), objective=ThresholdObjective(method="accuracy")
        )
        assert policy.are_worthwhile or (policy.thresholds.values == 0.5).all()
        worthwhile.append(policy.are_worthwhile)
    rare = np.where(targets == 1, 0.3, 0.1)

    # Honest scores leave nothing to gain over 0.5; scores that never reach it leave everything.
    assert not all(worthwhile)
    assert learn_policy(held_out(targets, rare), objective=F1, calibrate="never").are_worthwhile


def test_a_gain_that_chance_explains_is_none() -> None:
    targets, scores = calibrated_scores(np.random.default_rng(0))
    half = scores >= 0.5
    hardly_better, is_right = half.copy(), half == (targets == 1)
    for cells in (np.argwhere(~is_right)[::8][:7], np.argwhere(is_right)[::30][:6]):  # 7 mended, 6 spoilt
        hardly_better[tuple(cells.T)] ^= True
    many_better = np.where(np.arange(len(targets))[:, None] % 2, half, targets == 1)

    def gains(decisions: BoolArray, objective: ThresholdObjective, groups: IntArray) -> bool:
        return gains_more_than_chance(
            targets, scores, decisions=decisions, objective=objective, groups=groups
        )

    apart, one_photo = np.arange(len(targets)), np.zeros(len(targets), dtype=np.int64)
    for objective in (F1, ThresholdObjective(method="accuracy"), COST):
        assert not gains(half, objective, apart)
        assert not gains(hardly_better, objective, apart)
        assert gains(many_better, objective, apart)
        assert not gains(many_better, objective, one_photo)


def test_a_target_is_aimed_at_whatever_half_does() -> None:
    targets, scores = calibrated_scores(np.random.default_rng(0))

    policy = learn_policy(
        held_out(targets, scores), objective=ThresholdObjective(method="recall", target=0.9)
    )

    assert policy.are_worthwhile
    assert (policy.thresholds.values < 0.5).all()


@pytest.mark.parametrize("value", [0.0, 1.0, np.nan])
def test_labels_that_say_nothing_are_borne(value: float) -> None:
    targets, scores = np.full((10, 2), value), np.full((10, 2), 0.3)

    policy = learn_policy(held_out(targets, scores, scores), objective=F1)
    said = cross_fit_policy(held_out(targets, scores, scores), objective=F1, calibrate="never")

    assert np.isfinite(policy.thresholds.values).all()
    assert np.isfinite(said.scores).all()
    assert said.decisions.shape == targets.shape


@pytest.mark.parametrize(
    ("n_photos", "is_hidden", "variant"), [(60, False, 0), (39, False, 1), (60, True, 1)]
)
def test_where_too_few_photos_can_tell_the_usual_variant_is_taken(
    n_photos: int, is_hidden: bool, variant: int
) -> None:
    targets, scores = (values[:n_photos] for values in calibrated_scores(np.random.default_rng(0)))
    if is_hidden:
        targets[20:] = np.nan
    given = replace(held_out(targets, scores, sharpened(scores, 6)), default_variant=1)

    assert learn_policy(given, objective=F1).variant == variant


def test_thresholds_for_a_high_recall_are_judged_by_what_they_aim_at() -> None:
    targets, scores = calibrated_scores(np.random.default_rng(0))
    objective = ThresholdObjective(method="f1", beta=3.0)

    policy = learn_policy(held_out(targets, scores), objective=objective)

    assert policy.are_worthwhile
    assert policy.thresholds.values.mean() < 0.3


def test_of_two_folds_the_other_one_is_divided_to_learn_from() -> None:
    targets, scores = calibrated_scores(np.random.default_rng(0))
    halves = (np.arange(0, N_PHOTOS, 2), np.arange(1, N_PHOTOS, 2))
    two = PolicyData(targets=targets, scores=scores[None], folds=halves)

    rest = two.without(0)

    np.testing.assert_array_equal(rest.targets, targets[1::2])
    assert [len(fold) for fold in rest.folds] == [50, 50]
    assert np.isfinite(cross_fit_policy(two, objective=F1, calibrate="always").scores).all()


def test_sizes_and_folds_that_do_not_fit_are_refused() -> None:
    targets, scores = calibrated_scores(np.random.default_rng(0))

    with pytest.raises(ValueError, match="1 folds are no partition of 200 photos"):
        PolicyData(targets=targets, scores=scores[None], folds=(np.arange(200),))
    with pytest.raises(ValueError, match=r"scores have shape \(200, 4\), targets \(200, 4\)"):
        PolicyData(targets=targets, scores=scores, folds=(np.arange(100), np.arange(100, 200)))


def test_all_folds_are_calibrated_or_none() -> None:
    generator = np.random.default_rng(0)
    for seed in range(6):
        targets = (np.random.default_rng(seed).random((120, 4)) < 0.3).astype(float)
        scores = sharpened(generator.uniform(0.2, 0.6, targets.shape) + 0.2 * targets, 2)
        given = held_out(targets, scores)
        always = cross_fit_policy(given, objective=F1, calibrate="always")
        never = cross_fit_policy(given, objective=F1, calibrate="never")
        for fold in given.folds:
            assert not np.array_equal(always.scores[fold], always.raw_scores[fold])
            np.testing.assert_array_equal(never.scores[fold], never.raw_scores[fold])


def test_copies_do_not_make_a_promise_possible() -> None:
    targets, scores = np.zeros((60, 1)), np.linspace(0.0, 0.5, 60)[:, None]
    targets[:5], scores[:5] = 1, 0.9
    twice, groups = np.arange(60).repeat(2), np.arange(60).repeat(2)
    objective = ThresholdObjective(method="recall", target=0.9)
    without = choose_thresholds(targets[twice], scores[twice], objective=objective)
    known = choose_thresholds(targets[twice], scores[twice], objective=objective, groups=groups)
    assert without.is_guaranteed.all()  # ten photos, if nobody knows that they are five
    assert not known.is_guaranteed.any()
    assert (known.missed[0].n_positive, known.missed[0].n_needed) == (5, 9)


def test_a_gain_on_copies_counts_once() -> None:
    many = np.arange(40).repeat(8)
    folds = tuple(np.flatnonzero(many % 5 == fold) for fold in range(5))
    n_alone = n_together = 0
    for seed in range(40):
        targets, scores = calibrated_scores(np.random.default_rng(seed))
        targets, scores = targets[many], sharpened(scores[many], 1.5)
        alone = choose_calibration(targets, scores, folds)
        together = choose_calibration(targets, scores, folds, groups=many)
        assert alone.is_used or not together.is_used
        n_alone += alone.is_used
        n_together += together.is_used
    # Scores are a little too sure: what 40 photos cannot tell for certain, eight copies of each seem to.
    assert n_together < n_alone


def test_two_folds_leave_copies_together() -> None:
    targets = np.array([[1.0], [0.0]] * 6)
    groups = np.arange(6).repeat(2)
    whole = PolicyData(
        targets=targets,
        scores=targets[None],
        folds=(np.arange(4), np.arange(4, 12)),
        groups=groups,
    )
    rest = whole.without(0)
    assert rest.groups is not None
    first, second = (set(rest.groups[fold].tolist()) for fold in rest.folds)
    assert first
    assert second
    assert not first & second


def test_what_thresholds_alone_decide_is_kept_beside_what_rules_allow() -> None:
    targets, scores = calibrated_scores(np.random.default_rng(5))
    constraints = parse_constraints(at_least_one=("1 | 2 | 3 | 4",), labels=("1", "2", "3", "4"))
    ruled, free = (
        cross_fit_policy(held_out(targets, scores), objective=F1, calibrate="never", constraints=given)
        for given in (constraints, None)
    )
    assert ruled.decisions.any(axis=1).all()
    assert not ruled.free_decisions.any(axis=1).all()
    np.testing.assert_array_equal(ruled.free_decisions, free.decisions)
