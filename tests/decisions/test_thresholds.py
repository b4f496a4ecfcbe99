"""Thresholds aim at what they are told to, on known cells only, and never see the photos they decide on.

In:  small random tables with ties and unknown cells.
Out: failed tests where a threshold is worse than another, or depends on what it must not see.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from manylabel.config import ThresholdName
from manylabel.decisions.policy import ThresholdGain, measure_threshold_gain
from manylabel.decisions.thresholds import (
    ChosenThresholds,
    ThresholdObjective,
    choose_thresholds,
    cross_fit_thresholds,
    guarantee,
)
from manylabel.metrics import metrics
from manylabel.metrics.registry import measure
from manylabel.metrics.resamples import BoolArray, Resamples
from manylabel.trials import MissedGuarantee
from manylabel.types import FloatArray, IntArray

NAN = float("nan")
FITTED: tuple[ThresholdName, ...] = ("f1", "accuracy")
ANY_SCORES = st.one_of(st.sampled_from((0.0, 0.2, 0.5, 1.0)), st.floats(0, 1))
methods = st.sampled_from(("f1", "accuracy", "half"))
fitted = st.sampled_from(FITTED)
few_examples = settings(max_examples=40)
F1, ACCURACY = ThresholdObjective(method="f1"), ThresholdObjective(method="accuracy")
RECALL = ThresholdObjective(method="recall", target=0.8)
PRECISION = ThresholdObjective(method="precision", target=0.6)
COSTLY_MISSES = ThresholdObjective(method="cost", cost_missed=4, cost_false=1)
OBJECTIVES = (
    ThresholdObjective(method="f1"),
    ThresholdObjective(method="f1", beta=2),
    ThresholdObjective(method="f1", beta=0.5),
    ThresholdObjective(method="accuracy"),
    ThresholdObjective(method="half"),
    COSTLY_MISSES,
    ThresholdObjective(method="cost", cost_missed=0.5, cost_false=3),
    PRECISION,
    RECALL,
)
objectives = st.sampled_from(OBJECTIVES)


class Case(NamedTuple):
    targets: FloatArray
    scores: FloatArray


@st.composite
def cases(draw: st.DrawFn, *, max_labels: int = 4) -> Case:
    shape = (draw(st.integers(0, 12)), draw(st.integers(1, max_labels)))
    targets = draw(arrays(np.float64, shape, elements=st.sampled_from((0.0, 1.0, NAN))))
    return Case(targets, draw(arrays(np.float64, shape, elements=ANY_SCORES)))


def gain_of(
    targets: FloatArray, scores: FloatArray, folds: Sequence[IntArray], *, objective: ThresholdObjective
) -> ThresholdGain:
    """Compare with what thresholds of the other folds decide."""
    decisions = cross_fit_thresholds(targets, scores, folds, objective=objective)
    return measure_threshold_gain(targets, scores, decisions=decisions, objective=objective)


def share_of(metric: Callable[[Resamples], FloatArray], case: Case, decisions: BoolArray) -> float:
    """Return the precision or the recall of the only label."""
    return float(metric(Resamples(case.targets, decisions=decisions))[0, 0])


def choose(case: Case, method: ThresholdName) -> FloatArray:
    return choose_by(case, ThresholdObjective(method=method)).values


def choose_by(case: Case, objective: ThresholdObjective) -> ChosenThresholds:
    return choose_thresholds(case.targets, case.scores, objective=objective)


def drawn(n_photos: int, n_labels: int, *, seed: int = 0) -> Case:
    """Draw honest scores: the chance of a label is its score."""
    generator = np.random.default_rng(seed)
    scores = generator.random((n_photos, n_labels))
    return Case((generator.random(scores.shape) < scores).astype(np.float64), scores)


def common_threshold(case: Case, method: ThresholdName) -> float:
    """Return the threshold of all cells, as those of one label: there is nothing to be pulled towards."""
    return float(choose(Case(case.targets.reshape(-1, 1), case.scores.reshape(-1, 1)), method)[0])


def column(case: Case, label: int) -> Case:
    return Case(case.targets[:, [label]], case.scores[:, [label]])


@few_examples
@given(cases(max_labels=1), fitted, st.lists(st.floats(0, 1)))
def test_no_threshold_is_better_for_a_single_label(
    case: Case, method: ThresholdName, others: list[float]
) -> None:
    name = {"f1": "f1_micro", "accuracy": "binary_accuracy"}[method]

    def merit(threshold: FloatArray | float) -> float:
        return measure(case.targets, case.scores, np.asarray(case.scores >= threshold))[name]

    known_scores = case.scores[~np.isnan(case.targets)]
    assume(len(known_scores) > 0)
    value = merit(choose(case, method))
    for other in [0.0, 0.5, 1.0, *others, *known_scores]:
        assert value >= merit(other) - 1e-12


@few_examples
@given(cases(), objectives)
def test_thresholds_are_probabilities(case: Case, objective: ThresholdObjective) -> None:
    values = choose_by(case, objective).values
    assert values.shape == (case.targets.shape[1],)
    assert ((values >= 0) & (values <= 1)).all()


@few_examples
@given(cases(), objectives, st.randoms(use_true_random=False))
def test_order_of_photos_changes_nothing(
    case: Case, objective: ThresholdObjective, random: np.random.Generator
) -> None:
    rows = list(range(len(case.targets)))
    random.shuffle(rows)
    shuffled = Case(case.targets[rows], case.scores[rows])
    np.testing.assert_array_equal(choose_by(shuffled, objective).values, choose_by(case, objective).values)


@few_examples
@given(cases(), objectives, st.randoms(use_true_random=False), st.integers(1, 4))
def test_order_of_copies_changes_nothing(
    case: Case, objective: ThresholdObjective, random: np.random.Generator, n_groups: int
) -> None:
    rows, groups = list(range(len(case.targets))), np.arange(len(case.targets)) % n_groups
    random.shuffle(rows)
    kept = choose_thresholds(case.targets, case.scores, objective=objective, groups=groups)
    shuffled = choose_thresholds(
        case.targets[rows], case.scores[rows], objective=objective, groups=groups[rows]
    )
    np.testing.assert_allclose(shuffled.values, kept.values, atol=1e-12)
    np.testing.assert_array_equal(shuffled.is_guaranteed, kept.is_guaranteed)


def test_a_promise_rests_on_what_is_known_of_any_copy() -> None:
    targets, scores = np.repeat([[1.0]], 20, axis=0), np.linspace(0.4, 0.9, 20)[:, None]
    unknown = np.full((20, 1), NAN)
    groups = np.tile(np.arange(20), 2)
    objective = ThresholdObjective(method="recall", target=0.8)
    alone = choose_thresholds(targets, scores, objective=objective)
    copied = choose_thresholds(
        np.vstack([unknown, targets]), np.vstack([1 - scores, scores]), objective=objective, groups=groups
    )
    assert alone.is_guaranteed.all()
    np.testing.assert_allclose(copied.values, alone.values)
    torn = choose_thresholds(
        np.vstack([1 - targets, targets]), np.vstack([scores, scores]), objective=objective, groups=groups
    )
    assert not torn.is_guaranteed.any()


@few_examples
@given(cases(), objectives, st.data())
def test_scores_under_unknown_cells_change_nothing(
    case: Case, objective: ThresholdObjective, data: st.DataObject
) -> None:
    other = data.draw(arrays(np.float64, case.scores.shape, elements=st.one_of(ANY_SCORES, st.just(NAN))))
    changed = choose_by(Case(case.targets, np.where(np.isnan(case.targets), other, case.scores)), objective)
    np.testing.assert_array_equal(changed.values, choose_by(case, objective).values)
    assert changed.missed == choose_by(case, objective).missed


@pytest.mark.parametrize("beta", [0.25, 0.5, 1.0, 3.0])
@pytest.mark.parametrize("n_photos", [3, 30, 300])
def test_no_threshold_has_a_better_f_beta_for_a_single_label(n_photos: int, beta: float) -> None:
    case = drawn(n_photos, 1)

    def f_beta(threshold: float) -> float:
        decisions = case.scores >= threshold
        hits = ((case.targets == 1) & decisions).sum()
        missed, false = ((case.targets == 1) & ~decisions).sum(), ((case.targets == 0) & decisions).sum()
        return float((1 + beta**2) * hits / max((1 + beta**2) * hits + beta**2 * missed + false, 1e-9))

    value = f_beta(float(choose_by(case, ThresholdObjective(method="f1", beta=beta)).values[0]))
    assert value >= max(f_beta(other) for other in case.scores.ravel()) - 1e-12


@few_examples
@given(cases(max_labels=1), st.sampled_from((0.5, 0.8, 0.95)))
def test_recall_that_is_not_promised_is_reached_on_these_photos_with_as_few_decisions_as_can_be(
    case: Case, target: float
) -> None:
    chosen = choose_by(case, ThresholdObjective(method="recall", target=target))
    assume((case.targets == 1).any() and not chosen.is_guaranteed[0])
    known = ~np.isnan(case.targets)
    decisions = chosen.decide(case.scores)
    assert share_of(metrics.recall, case, decisions) >= target
    for other in case.scores[known]:
        if share_of(metrics.recall, case, case.scores >= other) >= target:
            assert (known & decisions).sum() <= (known & (case.scores >= other)).sum()


@few_examples
@given(cases(max_labels=1), st.sampled_from((0.3, 0.6, 0.9)))
def test_precision_that_is_not_promised_is_reached_on_these_photos_with_most_hits_or_is_the_highest(
    case: Case, target: float
) -> None:
    chosen = choose_by(case, ThresholdObjective(method="precision", target=target))
    assume((case.targets == 1).any() and not chosen.is_guaranteed[0])
    reached = {
        (share_of(metrics.precision, case, decisions), share_of(metrics.recall, case, decisions))
        for decisions in (case.scores >= other for other in case.scores[~np.isnan(case.targets)])
    }
    decisions = chosen.decide(case.scores)
    value = (share_of(metrics.precision, case, decisions), share_of(metrics.recall, case, decisions))
    enough = [(hits, right) for right, hits in reached if right >= target]
    assert value[::-1] == max(enough) if enough else value[0] == max(reached)[0]


def test_a_precision_that_is_reached_anyway_is_no_reason_for_errors_without_hits() -> None:
    case = Case(np.array([[1.0], [1.0], [0.0]]), np.array([[0.9], [0.8], [0.6]]))
    assert choose_by(case, PRECISION).values[0] == pytest.approx(0.7)


@few_examples
@given(cases(), st.sampled_from((PRECISION, RECALL)))
def test_promised_thresholds_stand_and_the_others_are_pulled_to_the_safe_side_only(
    case: Case, objective: ThresholdObjective
) -> None:
    chosen, kept = choose_by(case, objective), guarantee(*case, objective=objective)
    np.testing.assert_array_equal(chosen.is_guaranteed, kept.is_guaranteed)
    np.testing.assert_array_equal(chosen.values[kept.is_guaranteed], kept.values[kept.is_guaranteed])
    assert len(chosen.missed) == (~kept.is_guaranteed).sum()
    for label in np.flatnonzero(~kept.is_guaranteed & (kept.n_positive > 0)):
        own = choose_by(column(case, int(label)), objective).values[0]
        sign = 1 if objective is PRECISION else -1
        assert sign * chosen.values[label] >= sign * own


def test_more_recall_needs_lower_thresholds_promised_or_not() -> None:
    case = drawn(40, 6)
    case.targets[:, :2] *= case.scores[:, :2] > 0.8
    values = [
        choose_by(case, ThresholdObjective(method="recall", target=target))
        for target in np.linspace(0.05, 0.99, 40)
    ]
    assert all((more.values <= few.values).all() for few, more in pairwise(values))
    assert {flag for chosen in values for flag in chosen.is_guaranteed.tolist()} == {True, False}


@pytest.mark.parametrize("case", [drawn(20_000, 3), drawn(2000, 100)])
@pytest.mark.parametrize(("missed", "false"), [(1.0, 1.0), (4.0, 1.0), (0.5, 2.0)])
def test_with_many_honest_scores_cost_thresholds_are_those_of_theory(
    case: Case, missed: float, false: float
) -> None:
    objective = ThresholdObjective(method="cost", cost_missed=missed, cost_false=false)
    assert choose_by(case, objective).values.mean() == pytest.approx(false / (missed + false), abs=0.04)


@pytest.mark.parametrize("constant", [0.0, 1.0, NAN])
def test_where_nothing_can_be_learned_cost_thresholds_are_those_of_theory(constant: float) -> None:
    case = Case(np.full((30, 2), constant), np.random.default_rng(0).random((30, 2)))
    np.testing.assert_allclose(choose_by(case, COSTLY_MISSES).values, 0.2)


def test_only_the_ratio_of_costs_counts() -> None:
    case = drawn(60, 3)
    tenfold = ThresholdObjective(method="cost", cost_missed=40, cost_false=10)
    np.testing.assert_array_equal(choose_by(case, tenfold).values, choose_by(case, COSTLY_MISSES).values)


@few_examples
@given(cases(), st.sampled_from((0.0, 1.0, NAN)), objectives)
def test_a_label_of_one_kind_leaves_the_thresholds_finite(
    case: Case, constant: float, objective: ThresholdObjective
) -> None:
    case.targets[:, 0] = constant
    assert np.isfinite(choose_by(case, objective).values).all()


@few_examples
@given(cases(), fitted)
def test_thresholds_without_a_target_promise_nothing(case: Case, method: ThresholdName) -> None:
    chosen = choose_by(case, ThresholdObjective(method=method))
    assert not chosen.is_guaranteed.any()
    assert chosen.missed == ()


def test_missed_guarantees_name_the_labels() -> None:
    case = Case(np.array([[1.0, 0.0]] * 7 + [[0.0, 1.0]] * 9), np.full((16, 2), 0.5))
    objective = ThresholdObjective(method="recall", target=0.9)
    chosen = choose_thresholds(*case, objective=objective, labels=["boat", "sea"])
    assert chosen.is_guaranteed.tolist() == [False, True]
    missed = MissedGuarantee(label="boat", metric="recall", target=0.9, n_positive=7, n_needed=9, reached=1.0)
    assert chosen.missed == (missed,)
    assert chosen.origin == "90 % recall on 16 photos, guaranteed for 1 of 2 labels"
    assert choose_by(case, objective).missed == (replace(missed, label="1"),)


@pytest.mark.parametrize("shape", [(1, 1), (1, 3), (200, 1), (5, 1000)])
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_one_photo_one_label_and_a_thousand_labels_are_no_special_cases(
    objective: ThresholdObjective, shape: tuple[int, int]
) -> None:
    case = drawn(*shape)
    folds = np.array_split(np.arange(shape[0]), 3)
    assert np.isfinite(gain_of(*case, folds, objective=objective).cross_fitted.binary_accuracy)


@few_examples
@given(cases(), fitted)
def test_each_threshold_lies_between_the_labels_own_and_the_common_one(
    case: Case, method: ThresholdName
) -> None:
    common = common_threshold(case, method)
    for label, value in enumerate(choose(case, method)):
        own = choose(column(case, label), method)[0]
        assert min(own, common) - 1e-9 <= value <= max(own, common) + 1e-9


@few_examples
@given(cases(), fitted)
def test_a_label_without_positives_or_negatives_takes_the_common_threshold(
    case: Case, method: ThresholdName
) -> None:
    for constant in (0.0, 1.0, NAN):
        targets = case.targets.copy()
        targets[:, 0] = constant
        changed = Case(targets, case.scores)
        assert choose(changed, method)[0] == pytest.approx(common_threshold(changed, method), abs=1e-9)


@pytest.mark.parametrize("method", FITTED)
def test_the_more_photos_the_more_a_label_decides_for_itself(method: ThresholdName) -> None:
    targets = np.array([[1.0], [1.0], [0.0], [0.0]]) * np.ones(4)
    scores = np.array([[0.9], [0.8], [0.7], [0.6]]) - [0.6, 0.0, 0.0, 0.0]
    own = choose(column(Case(targets, scores), 0), method)[0]
    distances = [
        abs(choose(Case(np.tile(targets, (n, 1)), np.tile(scores, (n, 1))), method)[0] - own)
        for n in (1, 2, 5, 50, 5000)
    ]
    assert distances == sorted(distances, reverse=True)
    assert distances[0] > 0.1
    assert distances[-1] < 1e-3


def test_three_positives_do_not_decide_a_threshold() -> None:
    common = np.concatenate([np.ones(30), np.zeros(30)])
    rare = np.concatenate([np.ones(3), np.zeros(57)])
    scores = np.stack([np.linspace(0.9, 0.1, 60), np.linspace(0.1, 0.0, 60)], axis=1)
    case = Case(np.stack([common, rare], axis=1), scores)
    assert choose(column(case, 1), "f1")[0] < 0.1
    assert choose(case, "f1")[1] > 0.2
    assert choose(case, "f1")[0] == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("method", FITTED)
def test_a_clean_gap_is_cut_in_the_middle(method: ThresholdName) -> None:
    case = Case(np.array([[1.0], [1.0], [0.0], [NAN]]), np.array([[0.8], [0.6], [0.2], [0.5]]))
    assert choose(case, method)[0] == pytest.approx(0.4)


def test_of_equally_good_ranges_the_widest_is_cut() -> None:
    # Two right of three, either way: above 0.9 or in (0.3, 0.8] or up to 0.1.
    case = Case(np.array([[0.0], [1.0], [0.0], [1.0]]), np.array([[0.9], [0.8], [0.3], [0.1]]))
    assert choose(case, "accuracy")[0] == pytest.approx(0.55)


def test_a_range_of_equal_gaps_is_cut_as_one() -> None:
    # Each step from 0.7 down to 0.3 wins one photo and loses none, then loses one: F1 is best in (0.1, 0.3].
    case = Case(np.array([[1.0], [0.0], [1.0], [0.0]]), np.array([[0.7], [0.5], [0.3], [0.1]]))
    assert choose(case, "f1")[0] == pytest.approx(0.2)
    # Right answers: 3 in (0.5, 0.7], 2 in (0.3, 0.5], 3 in (0.1, 0.3]; the first of equally wide ones.
    assert choose(case, "accuracy")[0] == pytest.approx(0.2)


def test_neighboring_floats_are_told_apart() -> None:
    low = 0.5
    high = float(np.nextafter(low, 1.0))
    case = Case(np.array([[0.0], [1.0]]), np.array([[low], [high]]))
    np.testing.assert_array_equal(case.scores >= choose(case, "f1"), [[False], [True]])


def test_a_score_of_one_is_always_present_so_the_rest_is_decided_as_well_as_can_be() -> None:
    # "None present" would be right four times, but no threshold keeps a score of 1 out.
    case = Case(np.array([[0.0], [0.0], [0.0], [1.0], [0.0]]), np.array([[1.0], [1.0], [1.0], [0.9], [0.4]]))
    np.testing.assert_array_equal(case.scores >= choose(case, "accuracy"), [[True]] * 4 + [[False]])


@pytest.mark.parametrize("method", [*FITTED, "half"])
@pytest.mark.parametrize("n_photos", [0, 3])
def test_where_nothing_is_known_thresholds_are_one_half(method: ThresholdName, n_photos: int) -> None:
    case = Case(np.full((n_photos, 2), NAN), np.full((n_photos, 2), 0.9))
    np.testing.assert_array_equal(choose(case, method), [0.5, 0.5])


def test_half_is_one_half_whatever_the_scores() -> None:
    case = Case(np.array([[1.0], [0.0]]), np.array([[0.2], [0.1]]))
    assert choose(case, "half")[0] == 0.5


@pytest.mark.parametrize(
    ("method", "words"),
    [("half", "0.5 for every label"), ("f1", "best F1 on 2 photos"), ("accuracy", "best accuracy on 2")],
)
def test_origin_says_how_thresholds_were_chosen(method: ThresholdName, words: str) -> None:
    targets, scores = np.array([[1.0], [0.0]]), np.array([[0.2], [0.1]])
    assert choose_thresholds(targets, scores, objective=ThresholdObjective(method=method)).origin.startswith(
        words
    )


@pytest.mark.parametrize("bad", [-0.1, 3.2, NAN])
@pytest.mark.parametrize("method", [*FITTED, "half"])
def test_scores_that_are_no_probabilities_are_refused(method: ThresholdName, bad: float) -> None:
    with pytest.raises(ValueError, match="must be probabilities between 0 and 1"):
        choose(Case(np.array([[1.0], [0.0]]), np.array([[bad], [0.1]])), method)


def test_scores_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match="targets have shape"):
        choose(Case(np.zeros((3, 2)), np.zeros((3, 1))), "half")


@few_examples
@given(cases(), methods, st.integers(2, 4), st.data())
def test_cross_fitted_decisions_ignore_the_targets_of_their_own_fold(
    case: Case, method: ThresholdName, n_folds: int, data: st.DataObject
) -> None:
    folds = [np.arange(first, len(case.targets), n_folds) for first in range(n_folds)]
    objective = ThresholdObjective(method=method)
    decisions = cross_fit_thresholds(*case, folds, objective=objective)
    for fold in folds:
        targets = case.targets.copy()
        cells = st.sampled_from((0.0, 1.0, NAN))
        targets[fold] = data.draw(arrays(np.float64, targets[fold].shape, elements=cells))
        changed = cross_fit_thresholds(
            targets, case.scores, folds, objective=ThresholdObjective(method=method)
        )
        np.testing.assert_array_equal(changed[fold], decisions[fold])


def test_cross_fitted_decisions_use_the_thresholds_of_the_other_folds() -> None:
    generator = np.random.default_rng(0)
    targets = (generator.random((40, 3)) < 0.4).astype(np.float64)
    case = Case(targets, 0.3 * targets + 0.5 * generator.random(targets.shape))
    folds = np.split(generator.permutation(40), 4)
    decisions = cross_fit_thresholds(*case, folds, objective=F1)
    for fold in folds:
        others = np.setdiff1d(np.arange(40), fold)
        thresholds = choose_thresholds(targets[others], case.scores[others], objective=F1)
        np.testing.assert_array_equal(decisions[fold], thresholds.decide(case.scores[fold]))


def test_cross_fitting_is_not_optimistic_on_noise() -> None:
    generator = np.random.default_rng(1)
    folds = np.split(np.arange(30), 5)
    seen, unseen = [], []
    for _ in range(40):
        targets, scores = np.tile([[0.0], [1.0]], (15, 1)), generator.random((30, 1))
        chosen = choose_thresholds(targets, scores, objective=ACCURACY)
        cross_fitted = cross_fit_thresholds(targets, scores, folds, objective=ACCURACY)
        seen.append(measure(targets, scores, chosen.decide(scores))["binary_accuracy"])
        unseen.append(measure(targets, scores, cross_fitted)["binary_accuracy"])
    assert np.mean(seen) > 0.58
    assert np.mean(unseen) < 0.52


@pytest.mark.parametrize("folds", [[[0, 1]], [[0, 1], [1, 2]], [[0, 1], [2, 3]], []])
def test_folds_that_are_no_partition_are_refused(folds: list[list[int]]) -> None:
    rows = [np.array(fold, dtype=np.int64) for fold in folds]
    with pytest.raises(ValueError, match="not a partition of the 3 photos"):
        cross_fit_thresholds(np.zeros((3, 1)), np.zeros((3, 1)), rows, objective=F1)


def test_gain_measures_the_decisions_that_it_names() -> None:
    case, folds = drawn(60, 4), np.array_split(np.arange(60), 5)
    gain = gain_of(*case, folds, objective=COSTLY_MISSES)
    decisions = {
        "half": case.scores >= 0.5,
        "optimistic": choose_by(case, COSTLY_MISSES).decide(case.scores),
        "cross_fitted": cross_fit_thresholds(*case, folds, objective=COSTLY_MISSES),
    }
    for name, decided in decisions.items():
        quality, measured = getattr(gain, name), measure(case.targets, case.scores, decided)
        assert quality.f_beta_macro == pytest.approx(measured["f1_macro"])
        assert quality.exact_match == measured["exact_match"]
        assert quality.binary_accuracy == measured["binary_accuracy"]
        assert quality.precision_macro == measured["CP"]
        assert quality.recall_macro == measured["CR"]
        missed, false = (case.targets > decided).sum(), (case.targets < decided).sum()
        assert quality.cost == pytest.approx((4 * missed + false) / 60)
    assert gain.cross_fitted.cost < gain.half.cost


def test_gain_on_noise_is_seen_on_the_own_photos_only() -> None:
    generator = np.random.default_rng(3)
    targets, scores = (generator.random((60, 30)) < 0.5).astype(np.float64), generator.random((60, 30))
    folds = np.array_split(np.arange(60), 5)
    gain = gain_of(targets, scores, folds, objective=ThresholdObjective(method="accuracy"))
    assert gain.optimistic.binary_accuracy > 0.52
    assert gain.cross_fitted.binary_accuracy < 0.51


@few_examples
@given(cases(), objectives, st.data())
def test_scores_under_unknown_cells_do_not_change_the_gain(
    case: Case, objective: ThresholdObjective, data: st.DataObject
) -> None:
    folds = np.array_split(np.arange(len(case.targets)), 3)
    other = data.draw(arrays(np.float64, case.scores.shape, elements=st.one_of(ANY_SCORES, st.just(NAN))))
    changed = np.where(np.isnan(case.targets), other, case.scores)
    before, after = (gain_of(case.targets, s, folds, objective=objective) for s in (case.scores, changed))
    for name in ("half", "optimistic", "cross_fitted"):
        np.testing.assert_equal(vars(getattr(after, name)), vars(getattr(before, name)))
    assert after.objective == before.objective == objective


def test_the_gain_of_an_f_score_has_its_beta() -> None:
    targets = np.array([[1.0], [1.0], [0.0], [0.0]])
    scores = np.array([[0.9], [0.4], [0.3], [0.1]])
    decisions = scores >= 0.2  # precision 2/3, recall 1
    objective = ThresholdObjective(method="f1", beta=3.0)

    gain = measure_threshold_gain(targets, scores, decisions=decisions, objective=objective)

    assert gain.cross_fitted.f_beta_macro == pytest.approx(10 * (2 / 3) / (9 * 2 / 3 + 1))
    assert gain.half.f_beta_macro == pytest.approx(10 * 0.5 / (9 + 0.5))
    assert gain.cross_fitted.f_beta_macro >= gain.half.f_beta_macro
