"""Metrics are scikit-learn's where it has them, and see known cells only.

In:  small random tables with ties, all-zero photos, unknown cells, single labels and single photos.
Out: failed tests where a metric differs from its reference.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest
import sklearn.metrics as reference
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from manylabel.metrics import metrics, registry
from manylabel.metrics.resamples import BoolArray, Resamples
from manylabel.types import FloatArray, IntArray

NAN = float("nan")
TIED_SCORES = st.sampled_from((0.0, 0.25, 0.5, 0.75, 1.0))
ANY_SCORES = st.one_of(TIED_SCORES, st.floats(0, 1))
NAMES = [
    *("binary_accuracy", "exact_match", "mAP", "f1_macro", "f1_micro", "f1_samples", "auroc_macro"),
    *("hamming_loss", "CP", "CR", "CF1", "OP", "OR", "OF1", "coverage_error", "ranking_loss"),
]
LABEL_NAMES = ["n_positive", "n_known", "average_precision", "auroc", "precision", "recall", "f1"]

few_examples = settings(max_examples=40)


class Case(NamedTuple):
    targets: FloatArray
    scores: FloatArray
    decisions: BoolArray

    def of(self, cells: BoolArray | tuple[IntArray, ...]) -> "Case":
        """Take some cells, as a single row where they are given by a mask."""
        targets, scores, decisions = self.targets[cells], self.scores[cells], self.decisions[cells]
        return Case(np.atleast_2d(targets), np.atleast_2d(scores), np.atleast_2d(decisions))


@st.composite
def cases(draw: st.DrawFn, *, unknown: bool, min_labels: int = 1) -> Case:
    shape = (draw(st.integers(1, 9)), draw(st.integers(min_labels, 4)))
    cells = st.sampled_from((0.0, 1.0, NAN) if unknown else (0.0, 1.0))
    targets = draw(arrays(np.float64, shape, elements=cells))
    scores = draw(arrays(np.float64, shape, elements=ANY_SCORES))
    return Case(targets, scores, draw(arrays(np.bool_, shape)))


def with_empty_label(cells: FloatArray | BoolArray) -> BoolArray:
    """Add a label that is absent, so that scikit-learn takes even a single label for multi-label."""
    return np.pad(cells.astype(np.bool_), ((0, 0), (0, 1)))


def plain(
    metric: Callable[[Resamples], FloatArray],
    targets: FloatArray,
    *,
    scores: FloatArray | None = None,
    decisions: BoolArray | None = None,
) -> float:
    """Return the value of a metric that counts every photo once."""
    return float(metric(Resamples(targets, scores=scores, decisions=decisions))[0])


def mean_of_defined(values: list[float]) -> float:
    defined = [value for value in values if not np.isnan(value)]
    return float(np.mean(defined)) if defined else NAN


@few_examples
@given(cases(unknown=False))
def test_share_and_f1_metrics_equal_scikit_learn(case: Case) -> None:
    targets, decisions = with_empty_label(case.targets), with_empty_label(case.decisions)
    cells = (case.targets.ravel(), case.decisions.ravel())
    measured = registry.measure(*case)
    expected = {
        "exact_match": reference.accuracy_score(targets, decisions),
        "binary_accuracy": reference.accuracy_score(*cells),
        "hamming_loss": reference.hamming_loss(*cells),
        "f1_micro": reference.f1_score(targets, decisions, average="micro", zero_division=0),
        "f1_samples": reference.f1_score(targets, decisions, average="samples", zero_division=0),
        "OP": reference.precision_score(targets, decisions, average="micro", zero_division=0),
        "OR": reference.recall_score(targets, decisions, average="micro", zero_division=0),
    }
    assert {name: measured[name] for name in expected} == pytest.approx(expected)
    assert measured["OF1"] == pytest.approx(measured["f1_micro"])


@few_examples
@given(cases(unknown=False, min_labels=2))
def test_macro_metrics_equal_scikit_learn(case: Case) -> None:
    measured = registry.measure(*case)
    for name, score in (
        ("f1_macro", reference.f1_score),
        ("CP", reference.precision_score),
        ("CR", reference.recall_score),
    ):
        assert measured[name] == pytest.approx(
            score(case.targets, case.decisions, average="macro", zero_division=0)
        )


@few_examples
@given(cases(unknown=False, min_labels=2))
def test_ranking_of_labels_equals_scikit_learn(case: Case) -> None:
    assert plain(metrics.coverage_error, case.targets, scores=case.scores) == pytest.approx(
        reference.coverage_error(case.targets, case.scores)
    )
    assert plain(metrics.ranking_loss, case.targets, scores=case.scores) == pytest.approx(
        reference.label_ranking_loss(case.targets, case.scores)
    )


@few_examples
@given(cases(unknown=True))
def test_metrics_of_a_label_equal_scikit_learn_on_its_known_photos(case: Case) -> None:
    measured = registry.measure_labels(*case)
    for label, (truth, score, decision) in enumerate(zip(*(cells.T for cells in case), strict=True)):
        known = ~np.isnan(truth)
        n_known, n_positive = int(known.sum()), int((truth == 1).sum())
        pairs, answers = (truth[known], score[known]), (truth[known], decision[known])
        expected = {
            "n_positive": n_positive,
            "n_known": n_known,
            "average_precision": reference.average_precision_score(*pairs) if n_positive else NAN,
            "auroc": reference.roc_auc_score(*pairs) if 0 < n_positive < n_known else NAN,
            "precision": reference.precision_score(*answers, zero_division=0) if n_known else NAN,
            "recall": reference.recall_score(*answers, zero_division=0) if n_known else NAN,
            "f1": reference.f1_score(*answers, zero_division=0) if n_known else NAN,
        }
        actual = {name: values[label] for name, values in measured.items()}
        assert actual == pytest.approx(expected, nan_ok=True)


@few_examples
@given(cases(unknown=True))
def test_means_over_labels_leave_out_what_is_undefined(case: Case) -> None:
    measured, by_label = registry.measure(*case), registry.measure_labels(*case)
    for name, source in {
        "mAP": "average_precision",
        "auroc_macro": "auroc",
        "f1_macro": "f1",
        "CP": "precision",
        "CR": "recall",
    }.items():
        assert measured[name] == pytest.approx(mean_of_defined(list(by_label[source])), nan_ok=True)


@few_examples
@given(cases(unknown=True))
def test_means_over_photos_equal_those_of_each_photo_on_its_known_cells(case: Case) -> None:
    measured = registry.measure(*case)
    by_photo: dict[str, list[float]] = {
        name: [] for name in ("exact_match", "f1_samples", "coverage_error", "ranking_loss")
    }
    known, rows = ~np.isnan(case.targets), np.arange(len(case.targets))[:, None]
    for photo in np.flatnonzero(known.any(axis=1)):
        of_photo = registry.measure(*case.of(known & (rows == photo)))
        for name, values in by_photo.items():
            values.append(of_photo[name])
    expected = {name: mean_of_defined(values) for name, values in by_photo.items()}
    assert {name: measured[name] for name in expected} == pytest.approx(expected, nan_ok=True)


@few_examples
@given(cases(unknown=True))
def test_metrics_over_all_cells_equal_those_of_the_known_cells_alone(case: Case) -> None:
    known = ~np.isnan(case.targets)
    of_known = registry.measure(*case.of(known))
    measured = registry.measure(*case)
    for name in ("binary_accuracy", "hamming_loss", "f1_micro", "OP", "OR", "OF1"):
        assert measured[name] == pytest.approx(of_known[name], nan_ok=True)


@few_examples
@given(cases(unknown=True), st.data())
def test_values_under_unknown_cells_change_nothing(case: Case, data: st.DataObject) -> None:
    hidden = np.isnan(case.targets)
    other = data.draw(arrays(np.float64, case.scores.shape, elements=st.one_of(ANY_SCORES, st.just(NAN))))
    scores = np.where(hidden, other, case.scores)
    decisions = case.decisions ^ hidden
    for function in (registry.measure, registry.measure_labels):
        np.testing.assert_equal(function(case.targets, scores, decisions), function(*case))


@few_examples
@given(cases(unknown=True), st.randoms(use_true_random=False))
def test_order_of_photos_and_labels_changes_nothing(case: Case, random: np.random.Generator) -> None:
    rows, columns = list(range(case.targets.shape[0])), list(range(case.targets.shape[1]))
    random.shuffle(rows)
    random.shuffle(columns)
    shuffled = registry.measure(*case.of(np.ix_(rows, columns)))
    assert shuffled == pytest.approx(registry.measure(*case), nan_ok=True)


def test_many_labels_and_photos_equal_scikit_learn() -> None:
    generator = np.random.default_rng(0)
    targets = (generator.random((300, 20)) < np.linspace(0.02, 0.6, 20)).astype(np.float64)
    scores = np.round(0.3 * targets + 0.7 * generator.random(targets.shape), 2)
    assert plain(metrics.mean_average_precision, targets, scores=scores) == pytest.approx(
        reference.average_precision_score(targets, scores, average="macro")
    )
    assert plain(metrics.auroc_macro, targets, scores=scores) == pytest.approx(
        reference.roc_auc_score(targets, scores, average="macro")
    )


def test_names_stand_in_the_order_of_the_table() -> None:
    case = Case(np.array([[1.0, 0.0]]), np.array([[0.9, 0.1]]), np.array([[True, False]]))
    assert list(registry.measure(*case)) == NAMES
    assert list(registry.measure_labels(*case)) == LABEL_NAMES


def test_perfect_answers_get_perfect_values() -> None:
    targets = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    measured = registry.measure(targets, targets, targets == 1)
    losses = {name: measured.pop(name) for name in ("hamming_loss", "ranking_loss")}
    assert losses == {"hamming_loss": 0.0, "ranking_loss": 0.0}
    assert measured.pop("coverage_error") == pytest.approx(4 / 3)
    assert set(measured.values()) == {1.0}


def test_cf1_is_the_harmonic_mean_of_cp_and_cr_not_the_mean_of_f1() -> None:
    targets = np.array([[1.0, 1.0], [0.0, 1.0], [0.0, 0.0], [0.0, 0.0]])
    decisions = np.array([[True, True], [True, False], [False, False], [False, False]])
    measured = registry.measure(targets, decisions.astype(np.float64), decisions)
    assert (measured["CP"], measured["CR"], measured["CF1"]) == (0.75, 0.75, 0.75)
    assert measured["f1_macro"] == pytest.approx(2 / 3)


def test_a_photo_without_labels_that_gets_none_is_an_exact_match() -> None:
    targets, decisions = np.zeros((1, 3)), np.zeros((1, 3), dtype=np.bool_)
    assert plain(metrics.exact_match, targets, decisions=decisions) == 1.0
    assert plain(metrics.f1_samples, targets, decisions=decisions) == 0.0


def test_exact_match_judges_the_known_cells_and_leaves_out_photos_without_any() -> None:
    targets = np.array([[1.0, NAN], [0.0, 1.0], [NAN, NAN]])
    decisions = np.array([[True, True], [True, True], [False, False]])
    assert plain(metrics.exact_match, targets, decisions=decisions) == 0.5


def test_a_label_without_a_known_positive_is_left_out_of_map() -> None:
    targets = np.array([[1.0, 0.0, NAN], [0.0, 0.0, NAN]])
    scores = np.array([[0.9, 0.3, 0.1], [0.2, 0.6, 0.1]])
    np.testing.assert_equal(metrics.average_precision(Resamples(targets, scores=scores))[0], [1.0, NAN, NAN])
    assert plain(metrics.mean_average_precision, targets, scores=scores) == 1.0


@pytest.mark.parametrize("shape", [(0, 3), (2, 0), (2, 3)])
def test_where_nothing_is_known_everything_is_nan(shape: tuple[int, int]) -> None:
    measured = registry.measure(np.full(shape, NAN), np.zeros(shape), np.zeros(shape, dtype=np.bool_))
    assert list(measured) == NAMES
    assert np.isnan(list(measured.values())).all()


def test_measured_values_are_plain_floats() -> None:
    case = Case(np.array([[1.0, 0.0]]), np.array([[0.9, 0.1]]), np.array([[True, False]]))
    assert {type(value) for value in registry.measure(*case).values()} == {float}


def test_decisions_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match=r"targets have shape \(3, 2\), scores or decisions \(2,\)"):
        registry.measure(np.zeros((3, 2)), np.zeros((3, 2)), np.zeros(2, dtype=np.bool_))
