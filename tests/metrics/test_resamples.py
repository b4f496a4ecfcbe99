"""Resamples measure what the repeated rows measure.

In:  small random tables with ties, unknown cells, single labels and single photos, and counts per photo.
Out: failed tests where a resample differs from ``measure`` on the rows that it stands for.
"""

from time import perf_counter
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from manylabel.metrics import resamples
from manylabel.metrics.registry import METRICS, list_metrics, measure, measure_labels
from manylabel.metrics.resamples import BoolArray, Resamples
from manylabel.types import FloatArray, IntArray

NAN = float("nan")
SCORES = st.one_of(st.sampled_from((0.0, 0.25, 0.5, 1.0)), st.floats(0, 1))

few_examples = settings(max_examples=60)


class Case(NamedTuple):
    targets: FloatArray
    scores: FloatArray
    decisions: BoolArray

    def repeated(self, counts: IntArray) -> "Case":
        rows = np.repeat(np.arange(len(counts)), counts)
        return Case(self.targets[rows], self.scores[rows], self.decisions[rows])


@st.composite
def cases(draw: st.DrawFn) -> Case:
    shape = (draw(st.integers(1, 9)), draw(st.integers(1, 4)))
    targets = draw(arrays(np.float64, shape, elements=st.sampled_from((0.0, 1.0, NAN))))
    scores = draw(arrays(np.float64, shape, elements=SCORES))
    return Case(targets, scores, draw(arrays(np.bool_, shape)))


def drawn(n_photos: int, n_labels: int) -> Case:
    generator = np.random.default_rng(0)
    shape = (n_photos, n_labels)
    targets = (generator.random(shape) < 0.2).astype(np.float64)
    targets[generator.random(shape) < 0.05] = NAN
    scores = np.round(0.3 * (targets == 1) + 0.7 * generator.random(shape), 2)
    return Case(targets, scores, scores > 0.4)


def measure_resamples(case: Case, counts: IntArray) -> dict[str, FloatArray]:
    """Compute every metric of every resample: [n_resamples], or [n_resamples, n_labels]."""
    photos = Resamples(case.targets, scores=case.scores, decisions=case.decisions, counts=counts)
    return {name: metric.compute(photos) for name, metric in METRICS.items()}


def assert_equals_repeated_rows(case: Case, counts: IntArray) -> None:
    measured = measure_resamples(case, counts)
    for resample, row in enumerate(counts):
        repeated = case.repeated(row)
        metrics, labels = measure(*repeated), measure_labels(*repeated)
        of_all, per_label = (
            [metric.name for metric in list_metrics(is_per_label=each)] for each in (False, True)
        )
        assert [*metrics, *labels] == [*of_all, "n_positive", "n_known", *per_label]
        assert set(measured) == {*of_all, *per_label}
        of_resample = {name: values[resample] for name, values in measured.items() if name in metrics}
        assert of_resample == pytest.approx(metrics, rel=1e-12, abs=1e-12, nan_ok=True)
        for name in per_label:
            np.testing.assert_allclose(measured[name][resample], labels[name], rtol=1e-12, atol=1e-12)


@few_examples
@given(cases())
def test_counting_every_photo_once_gives_the_metrics_themselves(case: Case) -> None:
    assert_equals_repeated_rows(case, np.ones((1, len(case.targets)), dtype=np.int64))


@few_examples
@given(cases(), st.data())
def test_a_resample_gives_what_the_rows_give_when_repeated(case: Case, data: st.DataObject) -> None:
    shape = (data.draw(st.integers(1, 4)), len(case.targets))
    assert_equals_repeated_rows(case, data.draw(arrays(np.int64, shape, elements=st.integers(0, 4))))


@few_examples
@given(cases(), st.data())
def test_values_under_unknown_cells_change_nothing(case: Case, data: st.DataObject) -> None:
    hidden = np.isnan(case.targets)
    other = data.draw(arrays(np.float64, hidden.shape, elements=st.one_of(SCORES, st.just(NAN))))
    counts = data.draw(arrays(np.int64, (3, len(hidden)), elements=st.integers(0, 3)))
    scores = np.where(hidden, other, case.scores)
    changed = measure_resamples(Case(case.targets, scores, case.decisions ^ hidden), counts)
    np.testing.assert_equal(changed, measure_resamples(case, counts))


def test_a_larger_table_gives_what_its_repeated_rows_give() -> None:
    counts = np.random.default_rng(1).poisson(1.0, size=(20, 150))
    assert_equals_repeated_rows(drawn(150, 6), counts)


def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    case, counts = drawn(30, 3), np.random.default_rng(1).poisson(1.0, size=(20, 30))
    whole = measure_resamples(case, counts)
    monkeypatch.setattr(resamples, "_CHUNK_BYTES", 3 * 30 * 8)
    chunked = measure_resamples(case, counts)
    assert chunked.keys() == whole.keys()
    for name, values in chunked.items():
        np.testing.assert_allclose(values, whole[name], rtol=1e-12)


@pytest.mark.parametrize("shape", [(0, 3), (2, 0), (2, 3)])
def test_where_nothing_is_known_everything_is_nan(shape: tuple[int, int]) -> None:
    case = Case(np.full(shape, NAN), np.zeros(shape), np.zeros(shape, dtype=np.bool_))
    measured = measure_resamples(case, np.ones((2, shape[0]), dtype=np.int64))
    overall = [measured.pop(metric.name) for metric in list_metrics()]
    assert np.isnan(overall).all()
    assert {values.shape for values in measured.values()} == {(2, shape[1])}
    assert all(np.isnan(values).all() for values in measured.values())


def test_two_thousand_resamples_cost_less_than_a_hundred_single_measurements() -> None:
    case = drawn(40, 10)
    counts = np.random.default_rng(1).poisson(1.0, size=(2000, 40))
    measure_resamples(case, counts)

    def fastest_of_five(n_single: int) -> float:
        times = []
        for _ in range(5):
            start = perf_counter()
            if n_single:
                for _ in range(n_single):
                    measure(*case)
            else:
                measure_resamples(case, counts)
            times.append(perf_counter() - start)
        return min(times)

    assert fastest_of_five(0) < fastest_of_five(100)


@pytest.mark.parametrize("shape", [(4, 2), (3,)])
def test_counts_of_other_photos_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"expected \(n_resamples, 3\)"):
        measure_resamples(drawn(3, 2), np.ones(shape, dtype=np.int64))


def test_negative_counts_are_refused() -> None:
    with pytest.raises(ValueError, match="a negative one was given"):
        measure_resamples(drawn(3, 2), np.array([[1, 1, -1]]))


def test_scores_of_another_shape_are_refused() -> None:
    case = drawn(3, 2)
    with pytest.raises(ValueError, match=r"targets have shape \(3, 2\), scores or decisions \(3, 1\)"):
        Resamples(case.targets, scores=case.scores[:, :1])
    with pytest.raises(ValueError, match=r"targets have shape \(3, 2\), scores or decisions \(2,\)"):
        Resamples(case.targets, decisions=case.decisions[0, :])


def test_what_a_metric_needs_must_be_given() -> None:
    case = drawn(3, 2)
    with pytest.raises(ValueError, match="needs scores"):
        Resamples(case.targets, decisions=case.decisions).average_precision  # noqa: B018
    with pytest.raises(ValueError, match="needs decisions"):
        Resamples(case.targets, scores=case.scores).by_label  # noqa: B018
