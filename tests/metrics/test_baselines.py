"""Baselines look at no photo, and know nothing but the training labels.

In:  small tables with unknown cells.
Out: failed tests where a baseline knows more, or less.
"""

import numpy as np
import pytest

from manylabel.metrics.baselines import all_negative, label_prior
from manylabel.metrics.metrics import measure, measure_labels

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
