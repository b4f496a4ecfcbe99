"""Promised thresholds keep their promise on drawn photos, and no promise is made where it could not be kept.

In:  small random tables with ties and unknown cells; thousands of drawn collections whose truth is known.
Out: failed tests where a promise is broken too often, or depends on what it must not see.
"""

from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import binom

from manylabel.decisions.guarantees import Guarantee, guarantee_precision, guarantee_recall
from manylabel.decisions.thresholds import ThresholdObjective, guarantee
from manylabel.trials import MissedGuarantee
from manylabel.types import FloatArray

NAN = float("nan")
N_COLLECTIONS = 2000
ANY_SCORES = st.one_of(st.sampled_from((0.0, 0.2, 0.5, 1.0)), st.floats(0, 1))
OBJECTIVES = (
    ThresholdObjective(method="recall", target=0.5),
    ThresholdObjective(method="recall", target=0.8),
    ThresholdObjective(method="precision", target=0.3, confidence=0.7),
    ThresholdObjective(method="precision", target=0.6),
)
objectives = st.sampled_from(OBJECTIVES)
few_examples = settings(max_examples=40)


class Case(NamedTuple):
    targets: FloatArray
    scores: FloatArray


@st.composite
def cases(draw: st.DrawFn, *, max_photos: int = 20) -> Case:
    shape = (draw(st.integers(0, max_photos)), draw(st.integers(1, 3)))
    targets = draw(arrays(np.float64, shape, elements=st.sampled_from((0.0, 1.0, 1.0, NAN))))
    return Case(targets, draw(arrays(np.float64, shape, elements=ANY_SCORES)))


def standard_error(rate: float) -> float:
    """Say how far a rate among the drawn collections may lie from its chance."""
    return float(np.sqrt(rate * (1 - rate) / N_COLLECTIONS))


def promise(case: Case, objective: ThresholdObjective) -> FloatArray:
    return guarantee(*case, objective=objective).values


@pytest.mark.parametrize(("n_positive", "target"), [(9, 0.9), (12, 0.75), (30, 0.9), (64, 0.95)])
def test_promised_recall_is_kept_on_average_and_not_by_much(n_positive: int, target: float) -> None:
    # Each column is a collection of its own. Scores are uniform, so a threshold misses the share that it is.
    scores = np.random.default_rng(0).random((n_positive, N_COLLECTIONS))
    missed = guarantee_recall(np.ones_like(scores), scores, target=target).values
    error = 3 * missed.std() / np.sqrt(N_COLLECTIONS)
    assert missed.mean() <= 1 - target + error
    assert missed.mean() >= 1 - target - 1 / (n_positive + 1) - error


def test_promised_recall_is_kept_where_scores_tie() -> None:
    scores = np.random.default_rng(0).integers(0, 5, (30, N_COLLECTIONS)) / 5
    missed = guarantee_recall(
        np.ones_like(scores), scores, target=0.8
    ).values  # score k / 5 has k / 5 below it
    assert missed.mean() <= 0.2


@pytest.mark.parametrize(("n_photos", "target"), [(60, 0.8), (160, 0.9), (400, 0.9)])
@pytest.mark.parametrize("confidence", [0.7, 0.9])
def test_promised_precision_is_rarely_broken(n_photos: int, target: float, confidence: float) -> None:
    generator = np.random.default_rng(0)
    # The chance of a label is its score, so the precision of a threshold is half way from it to 1.
    scores = generator.random((n_photos, N_COLLECTIONS))
    targets = (generator.random(scores.shape) < scores).astype(np.float64)
    kept = guarantee_precision(targets, scores, target=target, confidence=confidence)
    rate = ((1 + kept.values) / 2 < target).mean()
    assert rate <= 1 - confidence + 3 * standard_error(1 - confidence)
    assert rate > 0.1 * (1 - confidence)  # thresholds are low enough to be put to the test
    assert kept.is_guaranteed.mean() > 0.1


def test_promised_precision_is_rarely_broken_where_scores_tie() -> None:
    generator = np.random.default_rng(0)
    levels = np.linspace(0.4, 1, 7)
    precision_from_here_up = np.cumsum(levels[::-1])[::-1] / np.arange(7, 0, -1)
    rank = generator.integers(0, 7, (160, N_COLLECTIONS))
    scores = levels[rank]
    targets = (generator.random(scores.shape) < scores).astype(np.float64)
    kept = guarantee_precision(targets, scores, target=0.83)
    chosen = np.searchsorted(levels, kept.values[kept.is_guaranteed])
    rate = (precision_from_here_up[chosen] < 0.83).sum() / N_COLLECTIONS
    assert rate <= 0.1 + 3 * standard_error(0.1)
    assert kept.is_guaranteed.mean() > 0.1


@few_examples
@given(cases(), st.sampled_from((0.5, 0.75, 0.9)))
def test_recall_threshold_is_an_order_statistic_of_the_positives(case: Case, target: float) -> None:
    for label, value in enumerate(guarantee_recall(*case, target=target).values):
        positives = np.sort(case.scores[case.targets[:, label] == 1, label])
        place = round(1e6 * (1 - target) * (len(positives) + 1)) // 10**6
        assert value == positives[place - 1] if place > 0 else np.isnan(value)


def proven_by_scipy(case: Case, objective: ThresholdObjective) -> float:
    """Walk down the distinct scores of one label, with the exact binomial test of SciPy."""
    known = ~np.isnan(case.targets[:, 0])
    truth, score = case.targets[known, 0], case.scores[known, 0]
    proven, error = NAN, 1 - objective.confidence
    assert objective.target is not None
    for threshold in np.unique(score)[::-1]:
        n_decided, hits = (score >= threshold).sum(), truth[score >= threshold].sum()
        if objective.target**n_decided > error:
            continue
        if binom.sf(hits - 1, n_decided, objective.target) > error:
            break
        proven = threshold
    return proven


@few_examples
@given(cases(max_photos=40), st.sampled_from((0.2, 0.45, 0.7)), st.sampled_from((0.6, 0.85)))
def test_precision_threshold_is_that_of_an_exact_test(case: Case, target: float, confidence: float) -> None:
    objective = ThresholdObjective(method="precision", target=target, confidence=confidence)
    for label, value in enumerate(promise(case, objective)):
        column = Case(case.targets[:, [label]], case.scores[:, [label]])
        np.testing.assert_equal(value, proven_by_scipy(column, objective))


def test_what_lies_below_a_threshold_that_is_not_proven_is_not_asked() -> None:
    targets = np.array([[1.0]] * 5 + [[0.0]] * 4 + [[1.0]] * 30)  # 35 of 39 would do
    scores = np.linspace(1, 0.24, 39).reshape(39, 1)
    assert guarantee_precision(targets, scores, target=0.5).values[0] == scores[4, 0]


def test_the_exact_test_holds_for_twenty_thousand_photos() -> None:
    generator = np.random.default_rng(0)
    scores = generator.random((20_000, 1))
    targets = (generator.random(scores.shape) < scores).astype(np.float64)
    kept = guarantee_precision(targets, scores, target=0.9)
    n_decided, hits = (scores >= kept.values).sum(), targets[scores >= kept.values].sum()
    assert binom.sf(hits - 1, n_decided, 0.9) <= 0.1
    assert kept.values[0] == pytest.approx(0.8, abs=0.03)


@few_examples
@given(cases(), objectives, st.randoms(use_true_random=False))
def test_order_of_photos_changes_nothing(
    case: Case, objective: ThresholdObjective, random: np.random.Generator
) -> None:
    rows = list(range(len(case.targets)))
    random.shuffle(rows)
    np.testing.assert_array_equal(
        promise(Case(case.targets[rows], case.scores[rows]), objective), promise(case, objective)
    )


@few_examples
@given(cases(), objectives, st.data())
def test_scores_under_unknown_cells_change_nothing(
    case: Case, objective: ThresholdObjective, data: st.DataObject
) -> None:
    other = data.draw(arrays(np.float64, case.scores.shape, elements=st.one_of(ANY_SCORES, st.just(NAN))))
    changed = Case(case.targets, np.where(np.isnan(case.targets), other, case.scores))
    np.testing.assert_array_equal(promise(changed, objective), promise(case, objective))


@few_examples
@given(cases(), objectives)
def test_photos_without_any_known_label_change_nothing(case: Case, objective: ThresholdObjective) -> None:
    unknown = np.full((3, case.targets.shape[1]), NAN)
    more = Case(np.vstack([case.targets, unknown]), np.vstack([case.scores, np.ones_like(unknown)]))
    np.testing.assert_array_equal(promise(more, objective), promise(case, objective))


@few_examples
@given(cases())
def test_more_recall_needs_lower_thresholds(case: Case) -> None:
    few, more = (guarantee_recall(*case, target=target) for target in (0.6, 0.8))
    assert (few.is_guaranteed >= more.is_guaranteed).all()
    assert (more.values <= few.values)[more.is_guaranteed].all()


@few_examples
@given(st.integers(0, 2**32 - 1), st.integers(1, 60))
def test_more_precision_needs_higher_thresholds(seed: int, n_photos: int) -> None:
    generator = np.random.default_rng(seed)
    scores = generator.random((n_photos, 3))
    targets = (generator.random(scores.shape) < scores**0.3).astype(np.float64)
    few, more = (guarantee_precision(targets, scores, target=target) for target in (0.5, 0.7))
    assert (few.is_guaranteed >= more.is_guaranteed).all()
    assert (more.values >= few.values)[more.is_guaranteed].all()


@few_examples
@given(st.integers(0, 2**32 - 1))
def test_more_confidence_needs_higher_thresholds(seed: int) -> None:
    generator = np.random.default_rng(seed)
    scores = generator.random((60, 3))
    targets = (generator.random(scores.shape) < scores**0.3).astype(np.float64)
    low, high = (guarantee_precision(targets, scores, target=0.6, confidence=c) for c in (0.6, 0.9))
    assert (high.values >= low.values)[high.is_guaranteed].all()


@pytest.mark.parametrize(
    ("objective", "n_needed"),
    [
        (ThresholdObjective(method="recall", target=0.5), 1),
        (ThresholdObjective(method="recall", target=0.8), 4),
        (ThresholdObjective(method="recall", target=0.9), 9),
        (ThresholdObjective(method="recall", target=0.95), 19),
        (ThresholdObjective(method="precision", target=0.5), 4),
        (ThresholdObjective(method="precision", target=0.8), 11),
        (ThresholdObjective(method="precision", target=0.9), 22),
        (ThresholdObjective(method="precision", target=0.9, confidence=0.5), 7),
        (ThresholdObjective(method="precision", target=0.1), 1),
    ],
)
def test_as_many_positives_as_are_said_to_be_needed_are_enough_and_one_less_is_not(
    objective: ThresholdObjective, n_needed: int
) -> None:
    def with_positives(n: int) -> Guarantee:
        return guarantee(np.ones((n, 1)), np.linspace(0.9, 1, n).reshape(n, 1), objective=objective)

    assert with_positives(n_needed).n_needed == n_needed
    assert with_positives(n_needed).is_guaranteed.all()
    assert not with_positives(n_needed - 1).is_guaranteed.any()


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("constant", [0.0, NAN])
@pytest.mark.parametrize("n_photos", [0, 1, 50])
def test_a_label_without_positives_gets_no_promise(
    objective: ThresholdObjective, constant: float, n_photos: int
) -> None:
    kept = guarantee(np.full((n_photos, 2), constant), np.full((n_photos, 2), 0.5), objective=objective)
    assert not kept.is_guaranteed.any()
    assert kept.n_positive.tolist() == [0, 0]


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_a_label_without_negatives_is_promised_down_to_its_low_scores(objective: ThresholdObjective) -> None:
    scores = np.linspace(0, 1, 101).reshape(101, 1)
    expected = {"precision": 0.0, "recall": 1 - (objective.target or 0)}[objective.method]
    assert guarantee(np.ones((101, 1)), scores, objective=objective).values[0] == pytest.approx(
        expected, abs=0.02
    )


@pytest.mark.parametrize("score", [0.0, 1.0])
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_where_all_photos_score_the_same_the_threshold_is_that_score(
    objective: ThresholdObjective, score: float
) -> None:
    assert guarantee(np.ones((20, 1)), np.full((20, 1), score), objective=objective).values[0] == score


def test_missed_guarantees_tell_what_is_missing() -> None:
    recall = guarantee_recall(np.array([[1.0, 1.0, 0.0]] * 7), np.full((7, 3), 0.5), target=0.875)
    (car,) = recall.list_missed(["sea", "boat", "car"], reached=np.array([1.0, 1.0, 0.0]))
    assert car == MissedGuarantee(
        label="car", metric="recall", target=0.875, n_positive=0, n_needed=7, reached=None
    )
    targets = np.array([[1.0, 1.0]] + [[0.0, 1.0]] * 20 + [[0.0, 0.0]] * 20)
    precision = guarantee_precision(targets, np.full((41, 2), 0.5), target=0.8)
    sea, boat = precision.list_missed(["sea", "boat"], reached=np.array([0.024, 0.51]))
    assert sea == MissedGuarantee(
        label="sea", metric="precision", target=0.8, n_positive=1, n_needed=11, reached=0.024
    )
    assert (boat.label, boat.n_positive, boat.n_needed, boat.reached) == ("boat", 21, 11, 0.51)


def test_an_objective_without_a_target_cannot_be_promised() -> None:
    with pytest.raises(ValueError, match="'accuracy' have no target"):
        guarantee(np.ones((3, 1)), np.ones((3, 1)), objective=ThresholdObjective(method="accuracy"))


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_scores_of_another_shape_are_refused(objective: ThresholdObjective) -> None:
    with pytest.raises(ValueError, match="targets have shape"):
        guarantee(np.zeros((3, 2)), np.zeros((3, 1)), objective=objective)


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ({"method": "f2"}, "unknown method 'f2' of thresholds; known: f1, accuracy, half, cost"),
        ({"method": "recall"}, "'recall' need a target between 0 and 1; given: None"),
        ({"method": "recall", "target": 1.0}, "'recall' need a target between 0 and 1; given: 1.0"),
        ({"method": "precision", "target": NAN}, "'precision' need a target between 0 and 1; given: nan"),
        ({"method": "precision", "target": 0.9, "confidence": 1.0}, "need a confidence between 0 and 1"),
        ({"method": "recall", "target": 0.9, "confidence": 0.8}, "'recall' take no confidence; given: 0.8"),
        ({"method": "f1", "target": 0.9}, "'f1' take no target; given: 0.9"),
        ({"method": "f1", "beta": 0.0}, "'f1' need a beta above 0; given: 0.0"),
        ({"method": "half", "beta": 2.0}, "'half' take no beta; given: 2.0"),
        ({"method": "cost", "cost_missed": 5.0}, "'cost' need a cost_false above 0; given: None"),
        (
            {"method": "cost", "cost_missed": -1.0, "cost_false": 1.0},
            "need a cost_missed above 0; given: -1.0",
        ),
        ({"method": "accuracy", "cost_false": 1.0}, "'accuracy' take no cost_false; given: 1.0"),
    ],
)
def test_an_objective_says_which_number_is_missing_wrong_or_out_of_place(
    numbers: dict[str, float | str], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        ThresholdObjective(**numbers)  # type: ignore[arg-type]


def test_half_has_nothing_to_maximize() -> None:
    with pytest.raises(ValueError, match="'half' maximize nothing"):
        ThresholdObjective(method="half").criterion  # noqa: B018
