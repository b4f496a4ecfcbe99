"""Intervals hold the truth as often as they say, and never claim what the photos cannot show.

In:  simulated photos whose true metrics are known, small random tables with unknown cells, copies of photos.
Out: failed tests where an interval covers too seldom or too often, collapses, or is no interval.
"""

from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from manylabel.metrics import bootstrap as bootstrap_module
from manylabel.metrics.bootstrap import (
    Bootstrap,
    Interval,
    affordable_resamples,
    bootstrap_metrics,
    draw_resamples,
    student_quantile,
)
from manylabel.metrics.comparison import compare_pairs
from manylabel.metrics.registry import measure, measure_labels
from manylabel.metrics.resamples import BoolArray
from manylabel.types import FloatArray, IntArray

NAN = float("nan")
SCORES = st.one_of(st.sampled_from((0.0, 0.25, 0.5, 1.0)), st.floats(0, 1))

few_examples = settings(max_examples=40)


class Case(NamedTuple):
    targets: FloatArray
    scores: FloatArray
    decisions: BoolArray
    groups: IntArray

    def bootstrap(self, *, n_resamples: int = 200, level: float = 0.95) -> Bootstrap:
        generator = np.random.default_rng(0)
        pair = (self.scores, self.decisions)
        return bootstrap_metrics(
            self.targets, [pair], groups=self.groups, n_resamples=n_resamples, level=level, rng=generator
        )


@st.composite
def cases(draw: st.DrawFn) -> Case:
    shape = (draw(st.integers(1, 9)), draw(st.integers(1, 4)))
    targets = draw(arrays(np.float64, shape, elements=st.sampled_from((0.0, 1.0, NAN))))
    scores = draw(arrays(np.float64, shape, elements=SCORES))
    groups = draw(arrays(np.int64, shape[0], elements=st.integers(0, 9)))
    return Case(targets, scores, draw(arrays(np.bool_, shape)), groups)


def simulated(
    generator: np.random.Generator, n_photos: int
) -> tuple[FloatArray, list[tuple[FloatArray, BoolArray]]]:
    """Draw targets and the answers of a better and a worse model that share most of their mistakes."""
    shape = (n_photos, 4)
    targets = (generator.random(shape) < 0.35).astype(np.float64)
    shared = generator.normal(size=shape)
    answers = [
        signal * (targets - 0.5) + 0.8 * shared + 0.6 * generator.normal(size=shape) for signal in (2.0, 1.6)
    ]
    return targets, [(answer, answer > 0) for answer in answers]


def simulated_bootstrap(seed: int, n_photos: int, *, level: float = 0.95) -> Bootstrap:
    generator = np.random.default_rng(seed)
    targets, evaluated = simulated(generator, n_photos)
    groups = np.arange(n_photos)
    return bootstrap_metrics(targets, evaluated, groups=groups, n_resamples=200, level=level, rng=generator)


def holds(interval: Interval, truth: float) -> bool:
    return interval.low <= truth <= interval.high


@pytest.mark.parametrize("level", [0.5, 0.95])
def test_intervals_hold_the_truth_as_often_as_they_say(level: float) -> None:
    targets, evaluated = simulated(np.random.default_rng(1), 200_000)
    exact_match, map_difference = (
        measure(targets, *evaluated[0])["exact_match"],
        measure(targets, *evaluated[0])["mAP"] - measure(targets, *evaluated[1])["mAP"],
    )
    n_repeats, hits = 150, np.zeros(2)
    for repeat in range(n_repeats):
        bootstrap = simulated_bootstrap(repeat, 60, level=level)
        (comparison,) = compare_pairs(bootstrap, names=("better", "worse"), metrics=("mAP",))
        hits += (
            holds(bootstrap.models[0].metrics["exact_match"], exact_match),
            comparison.low <= map_difference <= comparison.high,
        )
    # Three standard errors of that many repeats, and 2 points for what 60 photos and 200 draws leave open.
    tolerance = 3 * np.sqrt(level * (1 - level) / n_repeats) + 0.02
    np.testing.assert_allclose(hits / n_repeats, level, atol=tolerance)


@pytest.mark.slow
def test_intervals_of_all_main_metrics_and_of_labels_hold_the_truth_as_often_as_they_say() -> None:
    names, n_repeats = ("binary_accuracy", "exact_match", "mAP", "f1_macro", "f1_micro", "auroc_macro"), 400
    targets, evaluated = simulated(np.random.default_rng(1), 200_000)
    truth, of_labels = measure(targets, *evaluated[0]), measure_labels(targets, *evaluated[0])
    hits = np.zeros(len(names) + 2)
    for repeat in range(n_repeats):
        (model, _) = simulated_bootstrap(1000 + repeat, 60).models
        hits += [
            *(holds(model.metrics[name], truth[name]) for name in names),
            *(holds(model.labels[name][0], of_labels[name][0]) for name in ("average_precision", "f1")),
        ]
    tolerance = 3 * np.sqrt(0.95 * 0.05 / n_repeats) + 0.01
    np.testing.assert_allclose(hits / n_repeats, 0.95, atol=tolerance)


@few_examples
@given(cases())
def test_every_interval_holds_what_was_measured_and_is_possible(case: Case) -> None:
    (model,) = case.bootstrap(n_resamples=50).models
    measured = measure(case.targets, case.scores, case.decisions)
    assert model.measured == pytest.approx(measured, nan_ok=True)
    assert list(model.metrics) == list(measured)
    by_label = measure_labels(case.targets, case.scores, case.decisions)
    pairs = [(model.metrics[name], value, name) for name, value in measured.items()]
    for name, intervals in model.labels.items():
        pairs += [(interval, value, name) for interval, value in zip(intervals, by_label[name], strict=True)]
    for interval, value, name in pairs:
        top = case.targets.shape[1] if name == "coverage_error" else 1
        if np.isnan(value):
            assert np.isnan([interval.low, interval.high]).all()
        else:
            assert 0 <= interval.low <= value + 1e-9
            assert value - 1e-9 <= interval.high <= top
            assert interval.high > interval.low


@few_examples
@given(cases(), st.data())
def test_values_under_unknown_cells_change_nothing(case: Case, data: st.DataObject) -> None:
    hidden = np.isnan(case.targets)
    other = data.draw(arrays(np.float64, hidden.shape, elements=st.one_of(SCORES, st.just(NAN))))
    changed = case._replace(scores=np.where(hidden, other, case.scores), decisions=case.decisions ^ hidden)
    (one,), (two,) = case.bootstrap(n_resamples=20).models, changed.bootstrap(n_resamples=20).models
    np.testing.assert_equal(
        [(interval.low, interval.high) for interval in one.metrics.values()],
        [(interval.low, interval.high) for interval in two.metrics.values()],
    )


def test_copies_of_photos_in_one_group_make_no_interval_narrower() -> None:
    targets, ((scores, decisions), _) = simulated(np.random.default_rng(3), 40)
    single = Case(targets, scores, decisions, np.arange(40))
    rows = np.repeat(np.arange(40), 3)
    tripled = Case(targets[rows], scores[rows], decisions[rows], rows)
    once, thrice = single.bootstrap().models[0].metrics, tripled.bootstrap().models[0].metrics
    for name, interval in once.items():
        assert (thrice[name].low, thrice[name].high) == pytest.approx((interval.low, interval.high))


@pytest.mark.parametrize("is_right", [True, False])
def test_no_interval_collapses_at_0_and_100_percent(is_right: bool) -> None:
    targets = np.tile([[1.0, 0.0], [0.0, 1.0]], (20, 1))
    decisions = (targets == 1) == is_right
    metrics = (
        Case(targets, decisions.astype(np.float64), decisions, np.arange(40)).bootstrap().models[0].metrics
    )
    for name in ("exact_match", "binary_accuracy", "f1_macro", "mAP", "auroc_macro"):
        assert metrics[name].high - metrics[name].low > 0.05
    expected = (40 / (40 + 2.0227**2), 1.0) if is_right else (0.0, 2.0227**2 / (40 + 2.0227**2))
    assert (metrics["exact_match"].low, metrics["exact_match"].high) == pytest.approx(expected, abs=1e-4)


def test_a_higher_level_and_fewer_photos_make_intervals_wider() -> None:
    def width(n_photos: int, level: float) -> float:
        interval = simulated_bootstrap(0, n_photos, level=level).models[0].metrics["mAP"]
        return interval.high - interval.low

    assert width(400, 0.95) < width(40, 0.95) < width(40, 0.99)


def test_a_label_without_a_positive_could_be_anything() -> None:
    targets, ((scores, decisions), _) = simulated(np.random.default_rng(3), 40)
    targets[:, 0] = 0.0
    (model,) = Case(targets, scores, decisions, np.arange(40)).bootstrap().models
    assert model.labels["f1"][0] == Interval(low=0.0, high=1.0)
    assert np.isnan(model.labels["average_precision"][0].low)
    assert model.metrics["f1_macro"].high > model.measured["f1_macro"] + 0.25


def test_one_positive_says_little_of_a_label() -> None:
    targets = np.zeros((40, 1))
    targets[0] = 1.0
    (model,) = Case(targets, targets, targets == 1, np.arange(40)).bootstrap().models
    (interval,) = model.labels["average_precision"]
    assert interval.low < 0.25
    assert interval.high == 1.0


@pytest.mark.parametrize("n_photos", [1, 3])
def test_a_single_group_says_nothing_of_other_photos(n_photos: int) -> None:
    targets = np.tile([[1.0, 0.0]], (n_photos, 1))
    case = Case(targets, targets, targets == 1, np.zeros(n_photos, dtype=np.int64))
    metrics = case.bootstrap().models[0].metrics
    assert metrics["exact_match"] == Interval(low=0.0, high=1.0)
    assert metrics["coverage_error"] == Interval(low=0.0, high=2.0)


@pytest.mark.parametrize("shape", [(0, 2), (3, 2), (3, 0)])
def test_where_nothing_is_known_everything_is_nan(shape: tuple[int, int]) -> None:
    targets = np.full(shape, NAN)
    pair = (np.zeros(shape), np.zeros(shape, dtype=np.bool_))
    groups = np.arange(shape[0])
    bootstrap = bootstrap_metrics(targets, [pair, pair], groups=groups, rng=np.random.default_rng(0))
    assert bootstrap.n_photos == 0
    assert np.isnan(
        [(interval.low, interval.high) for interval in bootstrap.models[0].metrics.values()]
    ).all()
    (comparison,) = compare_pairs(bootstrap, names=("a", "b"), metrics=("mAP",))
    assert not comparison.is_distinguishable
    assert comparison.better is None


def test_groups_are_drawn_as_a_whole_and_as_many_as_there_are() -> None:
    groups = np.array([5, 2, 5, 9, 2, 5])
    counts = draw_resamples(groups, n_resamples=4000, rng=np.random.default_rng(0))
    assert counts.shape == (4001, 6)
    assert (counts[0] == 1).all()
    assert (counts[:, 0] == counts[:, 2]).all()
    assert (counts[:, 0] == counts[:, 5]).all()
    assert (counts[:, [0, 1, 3]].sum(axis=1) == 3).all()
    np.testing.assert_allclose(counts.mean(axis=0), 1.0, atol=0.06)


def test_the_same_seed_gives_the_same_intervals() -> None:
    assert simulated_bootstrap(4, 30).models[0].metrics == simulated_bootstrap(4, 30).models[0].metrics


def test_huge_tables_get_fewer_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap_module, "_AFFORDABLE_CELLS", 300 * 30 * 4)
    targets, evaluated = simulated(np.random.default_rng(0), 30)
    bootstrap = bootstrap_metrics(targets, evaluated, groups=np.arange(30), rng=np.random.default_rng(0))
    assert bootstrap.models[0].resampled["mAP"].shape == (300,)


@pytest.mark.parametrize(("freedom", "quantile"), [(2, 4.3027), (9, 2.2622), (39, 2.0227), (199, 1.9720)])
def test_quantiles_are_those_of_student(freedom: int, quantile: float) -> None:
    assert student_quantile(0.95, freedom) == pytest.approx(quantile, rel=0.01)


@pytest.mark.parametrize("level", [0.0, 1.0, 95])
def test_a_level_that_is_no_share_is_refused(level: float) -> None:
    with pytest.raises(ValueError, match="expected a share between 0 and 1"):
        simulated_bootstrap(0, 5, level=level)


def test_groups_of_other_photos_are_refused() -> None:
    targets, evaluated = simulated(np.random.default_rng(0), 5)
    with pytest.raises(ValueError, match=r"groups have shape \(4,\), expected one per photo, \(5,\)"):
        bootstrap_metrics(targets, evaluated, groups=np.arange(4), rng=np.random.default_rng(0))


@pytest.mark.parametrize(
    ("n_photos", "n_labels", "wanted", "affordable"),
    [(200, 10, 2000, 2000), (20_000, 54, 2000, 370), (1_000_000, 54, 2000, 200), (1_000_000, 54, 50, 50)],
)
def test_huge_tables_get_fewer_resamples_but_at_least_two_hundred(
    n_photos: int, n_labels: int, wanted: int, affordable: int
) -> None:
    assert affordable_resamples(n_photos=n_photos, n_labels=n_labels, wanted=wanted) == affordable
