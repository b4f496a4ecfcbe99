"""Weighted logistic regressions, many at once."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from manylabel.training.linear_solver import MAX_STEPS, Problems, Step, join_problems, label_problems, solve
from manylabel.types import FloatArray

CPU = torch.device("cpu")


def draw(
    seed: int, *, n_photos: int = 40, n_views: int = 1, n_features: int = 6, n_labels: int = 3
) -> tuple[torch.Tensor, FloatArray]:
    """Draw features [n_photos, n_views, n_features] and targets [n_photos, n_labels] that depend on them."""
    rng = np.random.default_rng(seed)
    photos = rng.normal(size=(n_photos, 1, n_features))
    views = photos + 0.3 * rng.normal(size=(n_photos, n_views, n_features))
    logits = photos[:, 0] @ rng.normal(size=(n_features, n_labels)) + rng.normal(size=(n_photos, n_labels))
    return torch.tensor(views, dtype=torch.float32), (logits > 0.3).astype(np.float64)


def problems(targets: FloatArray, *, decay: float = 0.1, pos_weight: FloatArray | None = None) -> Problems:
    """Return the problems of some labels, unweighted unless told otherwise."""
    weights = np.ones(targets.shape[1]) if pos_weight is None else pos_weight
    return label_problems(targets, pos_weight=weights, decay=decay, device=CPU)


def assert_same(found: Step, expected: Step) -> None:
    """Compare two minima; float32 tells them apart by a ten-thousandth at most."""
    atol = 1e-4 * max(1.0, float(expected.weights.abs().max()))
    torch.testing.assert_close(found.weights, expected.weights, atol=atol, rtol=0)
    torch.testing.assert_close(found.bias, expected.bias, atol=atol, rtol=0)


@pytest.mark.parametrize("decay", [0.003, 0.1, 3.0])
@pytest.mark.parametrize("pos_weight", [1.0, 4.0])
def test_the_minimum_is_that_of_scikit_learn(decay: float, pos_weight: float) -> None:
    features, targets = draw(0)
    found = solve(features, problems(targets, decay=decay, pos_weight=np.full(3, pos_weight)))

    for label in range(3):
        weights = np.where(targets[:, label] == 1, pos_weight, 1.0)
        theirs = LogisticRegression(C=1 / (decay * len(targets)), tol=1e-10, max_iter=10_000)
        theirs.fit(features[:, 0].numpy(), targets[:, label], sample_weight=weights)
        np.testing.assert_allclose(found.weights[:, label], theirs.coef_[0], rtol=1e-3, atol=5e-4)
        np.testing.assert_allclose(found.bias[label], theirs.intercept_[0], rtol=1e-3, atol=5e-4)


def test_views_count_as_parts_of_their_photo() -> None:
    features, targets = draw(1, n_views=3)
    found = solve(features, problems(targets))
    apart = solve(features.flatten(end_dim=1)[:, None], problems(targets.repeat(3, axis=0)))

    assert_same(found, apart)


@settings(max_examples=20)
@given(st.integers(0, 10_000), st.sampled_from([0.01, 0.1, 1.0]))
def test_together_is_as_one_at_a_time(seed: int, decay: float) -> None:
    features, targets = draw(seed, n_views=2)
    hidden = targets.copy()
    hidden[::4] = np.nan
    parts = [problems(targets, decay=decay), problems(hidden, decay=1.0)]
    together = solve(features, join_problems(parts))

    first, second = (solve(features, part) for part in parts)
    n_labels = targets.shape[1]
    assert_same(
        Step(weights=together.weights[:, :n_labels], bias=together.bias[:n_labels], losses=first.losses),
        first,
    )
    assert_same(
        Step(weights=together.weights[:, n_labels:], bias=together.bias[n_labels:], losses=second.losses),
        second,
    )


@settings(max_examples=20)
@given(st.integers(0, 10_000), st.sampled_from([0.01, 0.3, 10.0]), st.sampled_from([1.0, 20.0]))
def test_no_step_raises_the_loss_and_the_gradient_ends_at_zero(
    seed: int, decay: float, pos_weight: float
) -> None:
    features, targets = draw(seed, n_photos=12, n_features=20, n_labels=2)
    given_problems = problems(targets, decay=decay, pos_weight=np.full(2, pos_weight))
    courses: list[Any] = []
    found = solve(
        features,
        given_problems,
        on_step=lambda s: courses.append(s.losses + decay / 2 * (s.weights**2).sum(0)),
    )

    falls = torch.stack(courses).diff(dim=0)
    assert (falls <= 1e-5).all()
    rows = features[:, 0]
    errors = given_problems.weights * ((rows @ found.weights + found.bias).sigmoid() - given_problems.targets)
    has_both = (targets == 1).any(axis=0) & (targets == 0).any(axis=0)
    gradient = rows.T @ errors + decay * found.weights
    assert gradient[:, torch.from_numpy(has_both)].abs().sum() < 1e-3


def test_a_problem_changes_no_other_by_a_single_bit() -> None:
    features, targets = draw(2)
    lies = targets.copy()
    lies[:, 2] = 1 - lies[::-1, 2]
    honest, lied_to = solve(features, problems(targets)), solve(features, problems(lies))

    assert torch.equal(honest.weights[:, :2], lied_to.weights[:, :2])
    assert torch.equal(honest.bias[:2], lied_to.bias[:2])
    assert not torch.equal(honest.weights[:, 2], lied_to.weights[:, 2])


def test_the_features_of_unknown_cells_teach_nothing() -> None:
    features, targets = draw(3)
    targets[5:9] = np.nan
    others = features.clone()
    others[5:9] = 7.0

    is_known = ~np.isnan(targets[:, 0])
    known = solve(features[is_known], problems(targets[is_known]))
    assert_same(solve(features, problems(targets)), known)
    assert_same(solve(others, problems(targets)), known)


@pytest.mark.parametrize("value", [0.0, 1.0, np.nan])
def test_a_label_that_says_nothing_stays_at_its_frequency(value: float) -> None:
    features, targets = draw(4)
    targets[:, 1] = value
    heard: list[Step] = []
    found = solve(features, problems(targets), on_step=heard.append)

    assert (found.weights[:, 1] == 0).all()
    expected = {0.0: np.log(0.5 / 40.5), 1.0: np.log(40.5 / 0.5)}.get(value, 0.0)
    assert float(found.bias[1]) == pytest.approx(expected, abs=1e-5)
    assert found.weights[:, [0, 2]].abs().min() > 0
    assert all(step.losses.isfinite().all() for step in heard)


@pytest.mark.parametrize("n_photos", [1, 2])
def test_one_photo_and_one_label_are_enough(n_photos: int) -> None:
    targets = np.array([[1.0], [0.0]])[:n_photos]
    found = solve(torch.tensor([[[1.0]], [[-1.0]]])[:n_photos], problems(targets))

    assert found.weights.isfinite().all()
    assert (float(found.weights[0, 0]) > 0) == (n_photos == 2)


def test_without_decay_it_stops_at_last() -> None:
    heard: list[Step] = []
    features = torch.tensor([[[-1.0]], [[1.0]]])
    found = solve(features, problems(np.array([[0.0], [1.0]]), decay=0.0), on_step=heard.append)

    assert len(heard) <= MAX_STEPS
    assert found.weights.isfinite().all()
    assert float(found.losses[0]) < 1e-3


def test_a_rare_label_with_few_photos_gets_away_from_its_start() -> None:
    # A Newton step from the prior of a rare label goes far beyond the minimum.
    features, targets = draw(5, n_photos=128, n_features=300, n_labels=1)
    targets[:] = 0
    targets[0] = 1
    found = solve(features, problems(targets, decay=0.3))

    assert found.weights.abs().max() > 1e-3
