"""Thresholds aim at what they are told to, on known cells only, and never see the photos they decide on.

In:  small random tables with ties and unknown cells.
Out: failed tests where a threshold is worse than another, or depends on what it must not see.
"""

from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from manylabel.config import ThresholdName
from manylabel.evaluation.metrics import binary_accuracy, f1_micro
from manylabel.evaluation.thresholds import choose_thresholds, cross_fit_thresholds
from manylabel.types import FloatArray

NAN = float("nan")
FITTED: tuple[ThresholdName, ...] = ("f1", "accuracy")
ANY_SCORES = st.one_of(st.sampled_from((0.0, 0.2, 0.5, 1.0)), st.floats(0, 1))
methods = st.sampled_from(("f1", "accuracy", "half"))
fitted = st.sampled_from(FITTED)
few_examples = settings(max_examples=40)


class Case(NamedTuple):
    targets: FloatArray
    scores: FloatArray


@st.composite
def cases(draw: st.DrawFn, *, max_labels: int = 4) -> Case:
    shape = (draw(st.integers(0, 12)), draw(st.integers(1, max_labels)))
    targets = draw(arrays(np.float64, shape, elements=st.sampled_from((0.0, 1.0, NAN))))
    return Case(targets, draw(arrays(np.float64, shape, elements=ANY_SCORES)))


def choose(case: Case, method: ThresholdName) -> FloatArray:
    return choose_thresholds(case.targets, case.scores, method=method).values


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
    aim = {"f1": f1_micro, "accuracy": binary_accuracy}[method]
    known_scores = case.scores[~np.isnan(case.targets)]
    assume(len(known_scores) > 0)
    value = aim(case.targets, case.scores >= choose(case, method))
    for other in [0.0, 0.5, 1.0, *others, *known_scores]:
        assert value >= aim(case.targets, case.scores >= other) - 1e-12


@few_examples
@given(cases(), methods)
def test_thresholds_are_probabilities(case: Case, method: ThresholdName) -> None:
    values = choose(case, method)
    assert values.shape == (case.targets.shape[1],)
    assert ((values >= 0) & (values <= 1)).all()


@few_examples
@given(cases(), fitted, st.randoms(use_true_random=False))
def test_order_of_photos_changes_nothing(
    case: Case, method: ThresholdName, random: np.random.Generator
) -> None:
    rows = list(range(len(case.targets)))
    random.shuffle(rows)
    shuffled = Case(case.targets[rows], case.scores[rows])
    np.testing.assert_array_equal(choose(shuffled, method), choose(case, method))


@few_examples
@given(cases(), fitted, st.data())
def test_scores_under_unknown_cells_change_nothing(
    case: Case, method: ThresholdName, data: st.DataObject
) -> None:
    other = data.draw(arrays(np.float64, case.scores.shape, elements=st.one_of(ANY_SCORES, st.just(NAN))))
    changed = Case(case.targets, np.where(np.isnan(case.targets), other, case.scores))
    np.testing.assert_array_equal(choose(changed, method), choose(case, method))


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


def test_neighbouring_floats_are_told_apart() -> None:
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
    [("half", "0.5 for every label"), ("f1", "best F1 on 2 photos"), ("accuracy", "most right answers on 2")],
)
def test_origin_says_how_thresholds_were_chosen(method: ThresholdName, words: str) -> None:
    targets, scores = np.array([[1.0], [0.0]]), np.array([[0.2], [0.1]])
    assert choose_thresholds(targets, scores, method=method).origin.startswith(words)


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
    decisions = cross_fit_thresholds(*case, folds, method=method)
    for fold in folds:
        targets = case.targets.copy()
        cells = st.sampled_from((0.0, 1.0, NAN))
        targets[fold] = data.draw(arrays(np.float64, targets[fold].shape, elements=cells))
        changed = cross_fit_thresholds(targets, case.scores, folds, method=method)
        np.testing.assert_array_equal(changed[fold], decisions[fold])


def test_cross_fitted_decisions_use_the_thresholds_of_the_other_folds() -> None:
    generator = np.random.default_rng(0)
    targets = (generator.random((40, 3)) < 0.4).astype(np.float64)
    case = Case(targets, 0.3 * targets + 0.5 * generator.random(targets.shape))
    folds = np.split(generator.permutation(40), 4)
    decisions = cross_fit_thresholds(*case, folds, method="f1")
    for fold in folds:
        others = np.setdiff1d(np.arange(40), fold)
        thresholds = choose_thresholds(targets[others], case.scores[others], method="f1")
        np.testing.assert_array_equal(decisions[fold], thresholds.decide(case.scores[fold]))


def test_cross_fitting_is_not_optimistic_on_noise() -> None:
    generator = np.random.default_rng(1)
    folds = np.split(np.arange(30), 5)
    seen, unseen = [], []
    for _ in range(40):
        targets, scores = np.tile([[0.0], [1.0]], (15, 1)), generator.random((30, 1))
        chosen = choose_thresholds(targets, scores, method="accuracy")
        cross_fitted = cross_fit_thresholds(targets, scores, folds, method="accuracy")
        seen.append(binary_accuracy(targets, chosen.decide(scores)))
        unseen.append(binary_accuracy(targets, cross_fitted))
    assert np.mean(seen) > 0.58
    assert np.mean(unseen) < 0.52


@pytest.mark.parametrize("folds", [[[0, 1]], [[0, 1], [1, 2]], [[0, 1], [2, 3]], []])
def test_folds_that_are_no_partition_are_refused(folds: list[list[int]]) -> None:
    rows = [np.array(fold, dtype=np.int64) for fold in folds]
    with pytest.raises(ValueError, match="not a partition of the 3 photos"):
        cross_fit_thresholds(np.zeros((3, 1)), np.zeros((3, 1)), rows, method="f1")
