"""Baselines know nothing but the training labels; two models are compared on the same resamples.

In:  small tables with unknown cells, and simulated photos.
Out: failed tests where a baseline knows more, or less, or where models are wrongly told apart.
"""

import numpy as np
import pytest

from manylabel.metrics.bootstrap import bootstrap_metrics
from manylabel.metrics.comparison import PairedDifference, all_negative, compare_pairs, label_prior
from manylabel.metrics.registry import measure, measure_labels
from tests.metrics.test_bootstrap import simulated, simulated_bootstrap

NAN = float("nan")


def test_all_negative_is_right_on_every_absent_cell() -> None:
    targets = np.array([[1.0, 0.0, 0.0, NAN], [0.0, 0.0, 0.0, 0.0]])
    baseline = all_negative(n_photos=2, n_labels=4)
    measured = measure(targets, baseline.scores, baseline.decisions)
    assert baseline.name == "all-negative"
    assert measured["binary_accuracy"] == pytest.approx(6 / 7)
    assert measured["exact_match"] == 0.5
    assert measured["f1_macro"] == 0.0


def test_label_prior_scores_with_the_prevalence_among_known_cells() -> None:
    baseline = label_prior(np.array([[1.0, 0.0], [1.0, 1.0], [0.0, 0.0], [NAN, 0.0]]), n_photos=2)
    assert baseline.name == "label-prior"
    np.testing.assert_allclose(baseline.scores, [[2 / 3, 0.25], [2 / 3, 0.25]])
    np.testing.assert_array_equal(baseline.decisions, [[True, False], [True, False]])


def test_label_prior_gives_a_label_from_one_half_on() -> None:
    assert label_prior(np.array([[1.0], [0.0]]), n_photos=1).decisions.all()


def test_label_prior_cannot_rank_photos() -> None:
    targets = np.array([[1.0, 1.0], [0.0, 1.0], [0.0, 1.0], [0.0, 0.0]])
    baseline = label_prior(targets, n_photos=4)
    labels = measure_labels(targets, baseline.scores, baseline.decisions)
    np.testing.assert_allclose(labels["auroc"], [0.5, 0.5])
    np.testing.assert_allclose(labels["average_precision"], [0.25, 0.75])


def test_an_unknown_label_gets_the_prevalence_of_all_labels() -> None:
    baseline = label_prior(np.array([[1.0, NAN], [0.0, NAN], [0.0, NAN]]), n_photos=1)
    np.testing.assert_allclose(baseline.scores, [[1 / 3, 1 / 3]])


@pytest.mark.parametrize("n_train", [0, 2])
def test_without_anything_known_nothing_is_given(n_train: int) -> None:
    baseline = label_prior(np.full((n_train, 2), NAN), n_photos=3)
    np.testing.assert_array_equal(baseline.scores, np.zeros((3, 2)))
    assert not baseline.decisions.any()


def test_the_interval_of_a_difference_is_paired() -> None:
    bootstrap = simulated_bootstrap(0, 100)
    (comparison,) = compare_pairs(bootstrap, names=("better", "worse"), metrics=("mAP",))
    better, worse = (model.metrics["mAP"] for model in bootstrap.models)
    apart = np.hypot(better.high - better.low, worse.high - worse.low)
    assert comparison.high - comparison.low < 0.8 * apart


def test_every_two_models_are_compared_in_every_metric() -> None:
    generator = np.random.default_rng(0)
    targets, evaluated = simulated(generator, 400)
    bootstrap = bootstrap_metrics(targets, [*evaluated, evaluated[0]], groups=np.arange(400), rng=generator)
    comparisons = compare_pairs(bootstrap, names=("a", "b", "c"))
    assert [(one.metric, one.first, one.second) for one in comparisons] == [
        (metric, *pair) for metric in ("mAP", "exact_match") for pair in (("a", "b"), ("a", "c"), ("b", "c"))
    ]
    assert [one.is_distinguishable for one in comparisons[:3]] == [True, False, True]
    assert comparisons[2].difference == -comparisons[0].difference
    assert [one.better for one in comparisons[:3]] == ["a", None, "c"]


@pytest.mark.parametrize(
    ("metric", "difference", "better"),
    [
        ("mAP", 0.031, "a"),
        ("mAP", -0.031, "b"),
        ("hamming_loss", 0.2, "b"),
        ("coverage_error", -1.5, "a"),
        ("mAP", 0.0, None),
        ("mAP", np.nan, None),
    ],
)
def test_the_better_model_has_the_lower_value_of_an_error(
    metric: str, difference: float, better: str | None
) -> None:
    comparison = PairedDifference(
        first="a",
        second="b",
        metric=metric,
        difference=difference,
        low=-0.1,
        high=0.3,
        n_photos=40,
        n_groups=36,
    )
    assert comparison.better == better


def test_a_name_per_model_is_needed() -> None:
    with pytest.raises(ValueError, match="1 names for 2 models"):
        compare_pairs(simulated_bootstrap(0, 5), names=("a",))


@pytest.mark.parametrize("metric", ["map", "average_precision"])
def test_a_metric_that_was_not_measured_is_named_with_those_that_were(metric: str) -> None:
    with pytest.raises(ValueError, match=f"metric '{metric}' was not measured; known: .*mAP"):
        compare_pairs(simulated_bootstrap(0, 5), names=("a", "b"), metrics=("mAP", metric))
