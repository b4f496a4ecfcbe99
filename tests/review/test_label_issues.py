"""Wrong labels are found where they were planted, and unknown cells take no part.

In:  tables with planted errors, and small random ones with ties and unknown cells.
Out: failed tests where planted errors are missed, miscounted, or where something else decides.
"""

from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from manylabel.metrics.resamples import BoolArray
from manylabel.review.label_issues import LabelIssues, find_label_issues
from manylabel.types import FloatArray

NAN = float("nan")
few_examples = settings(max_examples=60)


class Case(NamedTuple):
    targets: FloatArray
    scores: FloatArray


@st.composite
def cases(draw: st.DrawFn) -> Case:
    shape = (draw(st.integers(0, 8)), draw(st.integers(1, 4)))
    targets = draw(arrays(np.float64, shape, elements=st.sampled_from((0.0, 1.0, NAN))))
    # 1 minus one of these is exact.
    scores = draw(arrays(np.int64, shape, elements=st.integers(0, 64))) / 64
    return Case(targets, scores)


class Planted(NamedTuple):
    targets: FloatArray
    scores: FloatArray
    is_wrong: BoolArray


def plant(*, omission: float, commission: float, n_photos: int = 1000, seed: int = 0) -> Planted:
    """Draw labels, wrong ones among them, and the scores of a model that learned from the wrong ones too."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(-2.0, 4.0, (n_photos, 10))
    present = 1 / (1 + np.exp(-logits))
    truth = rng.random(logits.shape) < present
    is_wrong = rng.random(logits.shape) < np.where(truth, omission, commission)
    scores = commission + (1 - commission - omission) * present
    return Planted((truth != is_wrong).astype(float), scores, is_wrong)


def precision_at_the_number_planted(errors: LabelIssues, is_wrong: BoolArray) -> float:
    n = int(is_wrong.sum())
    return float(is_wrong[errors.rows[:n], errors.columns[:n]].mean())


@few_examples
@given(cases())
def test_every_known_cell_is_ranked_once_with_its_label_and_score(case: Case) -> None:
    errors = find_label_issues(case.targets, case.scores)
    known = set(zip(*np.nonzero(~np.isnan(case.targets)), strict=True))
    assert set(zip(errors.rows, errors.columns, strict=True)) == known
    assert len(errors.rows) == len(known)
    np.testing.assert_array_equal(errors.given, case.targets[errors.rows, errors.columns])
    np.testing.assert_array_equal(errors.score, case.scores[errors.rows, errors.columns])


@few_examples
@given(cases())
def test_quality_is_a_probability_and_ascends_and_adds_up(case: Case) -> None:
    errors = find_label_issues(case.targets, case.scores)
    assert ((errors.quality >= 0) & (errors.quality <= 1)).all()
    assert (np.diff(errors.quality) >= 0).all()
    assert errors.n_expected == pytest.approx((1 - errors.quality).sum())


@few_examples
@given(cases())
def test_of_cells_given_alike_the_one_that_the_model_doubts_more_comes_first(case: Case) -> None:
    errors = find_label_issues(case.targets, case.scores)
    assert (np.diff(errors.score[errors.given == 1]) >= 0).all()
    assert (np.diff(errors.score[errors.given == 0]) <= 0).all()


@few_examples
@given(cases(), st.data())
def test_scores_under_unknown_cells_change_nothing(case: Case, data: st.DataObject) -> None:
    anything = st.one_of(st.floats(0, 1), st.sampled_from((NAN, 7.0, -np.inf)))
    other = data.draw(arrays(np.float64, case.scores.shape, elements=anything))
    changed = np.where(np.isnan(case.targets), other, case.scores)
    before, after = find_label_issues(*case), find_label_issues(case.targets, changed)
    np.testing.assert_array_equal(after.rows, before.rows)
    np.testing.assert_array_equal(after.columns, before.columns)
    np.testing.assert_array_equal(after.quality, before.quality)


@few_examples
@given(cases(), st.randoms(use_true_random=False))
def test_the_order_of_photos_changes_no_quality(case: Case, random: np.random.Generator) -> None:
    rows = list(range(len(case.targets)))
    random.shuffle(rows)
    shuffled = find_label_issues(case.targets[rows], case.scores[rows])
    np.testing.assert_array_equal(shuffled.quality, find_label_issues(*case).quality)


@few_examples
@given(cases())
def test_present_and_absent_mirror_each_other(case: Case) -> None:
    errors, mirrored = find_label_issues(*case), find_label_issues(1 - case.targets, 1 - case.scores)
    np.testing.assert_allclose(mirrored.quality, errors.quality, atol=1e-9)
    assert (mirrored.omission_rate, mirrored.commission_rate) == (
        errors.commission_rate,
        errors.omission_rate,
    )


@pytest.mark.parametrize(("omission", "commission"), [(0.05, 0.05), (0.3, 0.0), (0.0, 0.1), (0.2, 0.02)])
def test_rates_and_number_of_planted_errors_are_estimated(omission: float, commission: float) -> None:
    planted = plant(omission=omission, commission=commission)
    errors = find_label_issues(planted.targets, planted.scores)
    assert errors.omission_rate == pytest.approx(omission, abs=0.03)
    assert errors.commission_rate == pytest.approx(commission, abs=0.03)
    assert errors.n_expected == pytest.approx(planted.is_wrong.sum(), rel=0.25)


def test_quality_is_the_share_of_right_labels() -> None:
    planted = plant(omission=0.2, commission=0.05, n_photos=5000)
    errors = find_label_issues(planted.targets, planted.scores)
    is_right = ~planted.is_wrong[errors.rows, errors.columns]
    for part in np.array_split(np.arange(len(is_right)), 40)[:20]:
        assert errors.quality[part].mean() == pytest.approx(is_right[part].mean(), abs=0.05)


@pytest.mark.parametrize(("omission", "commission"), [(0.05, 0.05), (0.3, 0.01), (0.01, 0.1)])
def test_few_rankings_find_more_than_the_one_that_knows_the_rates(omission: float, commission: float) -> None:
    planted = plant(omission=omission, commission=commission)
    found = precision_at_the_number_planted(
        find_label_issues(planted.targets, planted.scores), planted.is_wrong
    )
    present = (planted.scores - commission) / (1 - commission - omission)
    invented = commission * (1 - present) / ((1 - omission) * present)
    forgotten = omission * present / ((1 - commission) * (1 - present))
    suspicion = np.where(planted.targets == 1, invented, forgotten)
    n = int(planted.is_wrong.sum())
    best = planted.is_wrong.ravel()[np.argsort(-suspicion.ravel())[:n]].mean()
    assert found >= best - 0.03


def test_forgotten_labels_come_first_where_labels_are_mostly_forgotten() -> None:
    planted = plant(omission=0.3, commission=0.0)
    errors = find_label_issues(planted.targets, planted.scores)
    self_confidence = np.where(planted.targets == 1, planted.scores, 1 - planted.scores)
    n = int(planted.is_wrong.sum())
    by_self_confidence = planted.is_wrong.ravel()[np.argsort(self_confidence.ravel())[:n]].mean()
    assert precision_at_the_number_planted(errors, planted.is_wrong) >= by_self_confidence + 0.1
    assert errors.given[: n // 2].mean() < 0.05


def test_a_right_table_is_hardly_doubted() -> None:
    planted = plant(omission=0.0, commission=0.0)
    errors = find_label_issues(planted.targets, planted.scores)
    assert errors.n_expected < 0.01 * planted.targets.size


@pytest.mark.parametrize(
    "targets",
    [
        np.full((3, 2), NAN),
        np.array([[1.0]]),
        np.array([[0.0], [0.0], [0.0]]),
        np.array([[1.0, NAN], [1.0, 0.0]]),
        np.empty((0, 2)),
        np.empty((2, 0)),
    ],
)
@pytest.mark.parametrize("score", [0.0, 0.5, 1.0])
def test_nothing_to_learn_rates_from_gives_numbers_all_the_same(targets: FloatArray, score: float) -> None:
    errors = find_label_issues(targets, np.full(targets.shape, score))
    assert len(errors.quality) == (~np.isnan(targets)).sum()
    assert 0 <= errors.n_expected <= max(1, targets.size)
    assert np.isfinite([errors.omission_rate, errors.commission_rate]).all()


def test_what_is_no_probability_is_refused() -> None:
    with pytest.raises(ValueError, match="must be probabilities"):
        find_label_issues(np.array([[1.0]]), np.array([[1.5]]))
    with pytest.raises(ValueError, match="must be probabilities"):
        find_label_issues(np.array([[1.0]]), np.array([[NAN]]))
    with pytest.raises(ValueError, match="expected the same"):
        find_label_issues(np.ones((2, 1)), np.ones((1, 2)))
