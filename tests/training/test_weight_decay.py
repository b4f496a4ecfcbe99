"""The weight decay of a solved head."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from manylabel.training import weight_decay as decay_module
from manylabel.training.losses import label_weights
from manylabel.training.weight_decay import (
    DECAYS,
    DEFAULT_DECAY,
    Choice,
    choose_decay,
    held_out_logits,
    nearest_good,
    scaled_losses,
    span,
)
from manylabel.types import FloatArray


def unweighted(targets: FloatArray) -> FloatArray:
    """Weigh positives like negatives."""
    return np.ones(targets.shape[1])


def draw(*, noise: float, n_photos: int = 60, n_features: int = 80) -> tuple[torch.Tensor, FloatArray]:
    """Draw features of which the first two decide the labels, with some noise."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(n_photos, n_features))
    features[:, :2] *= 8
    logits = features[:, :2] + noise * rng.normal(size=(n_photos, 2))
    return torch.tensor(features, dtype=torch.float32), (logits > 0).astype(np.float64)


def choose(features: torch.Tensor, targets: FloatArray, seed: int = 0) -> Choice:
    """Choose a decay and a scale from features that are scored as they are learned."""
    return choose_decay(features, features, targets, weigh=unweighted, rng=np.random.default_rng(seed))


def test_noise_asks_for_a_stronger_decay() -> None:
    assert choose(*draw(noise=0.0, n_photos=200)).decay < choose(*draw(noise=1000.0, n_photos=200)).decay


@given(arrays(np.float64, (7, len(DECAYS)), elements=st.floats(0.1, 1.0)))
def test_between_the_usual_decay_and_the_chosen_one_all_are_worse(losses: FloatArray) -> None:
    found, usual = nearest_good(losses), DECAYS.index(DEFAULT_DECAY)
    best = int(np.argmin(losses.mean(axis=0)))
    excess = losses - losses[:, [best]]
    is_good = excess.mean(axis=0) <= excess.std(axis=0) / np.sqrt(7)

    assert is_good[found]
    assert not is_good[abs(np.arange(len(DECAYS)) - usual) < abs(found - usual)].any()


def test_a_seed_gives_the_same_decay() -> None:
    features, targets = draw(noise=10.0)

    assert choose(features, targets, seed=3) == choose(features, targets, seed=3)


def test_few_photos_get_the_usual_decay() -> None:
    features, targets = draw(noise=1.0, n_photos=19)

    assert choose(features, targets) == Choice(decay=DEFAULT_DECAY)


def test_without_a_known_cell_there_is_the_usual_decay() -> None:
    features, targets = draw(noise=1.0)

    assert choose(features, np.full_like(targets, np.nan)) == Choice(decay=DEFAULT_DECAY)


@pytest.mark.parametrize("weigh", [unweighted, lambda t: label_weights(t, name="weighted_bce", cap=20.0)])
def test_a_held_out_photo_does_not_teach_what_judges_it(weigh: Callable[[FloatArray], FloatArray]) -> None:
    features, targets = draw(noise=4.0)
    fold = np.arange(0, 60, 2)
    lies = targets.copy()
    lies[fold] = 1 - lies[fold]
    honest = held_out_logits(features, features, targets, folds=(fold,), weigh=weigh)
    lied_to = held_out_logits(features, features, lies, folds=(fold,), weigh=weigh)

    assert honest.shape == (30, len(DECAYS), 2)
    np.testing.assert_array_equal(honest, lied_to)


def test_unknown_cells_are_neither_learned_nor_judged() -> None:
    features, targets = draw(noise=4.0)
    targets[4], targets[7, 0] = np.nan, np.nan
    others = features.clone()
    others[4] = 100.0
    folds = (np.arange(0, 60, 2), np.arange(1, 60, 2))
    first, second = (
        held_out_logits(rows, rows, targets, folds=folds, weigh=unweighted) for rows in (features, others)
    )
    order = targets[np.concatenate(folds)]

    expected, found = (scaled_losses(logits, order) for logits in (first, second))
    assert np.isfinite(expected).all()
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_timid_logits_are_scaled_up_and_bold_ones_down() -> None:
    targets = np.array([[1.0], [1.0], [1.0], [0.0]])
    right = np.full((4, len(DECAYS), 1), np.log(3))
    for factor, expected in ((0.5, 2.0), (1.0, 1.0), (2.0, 0.5)):
        best = scaled_losses(right * factor, targets).mean(axis=1).argmin(axis=0)
        np.testing.assert_allclose(decay_module._SCALES[best], expected, rtol=0.05)


def test_many_photos_are_judged_in_one_fold(monkeypatch: pytest.MonkeyPatch) -> None:
    features, targets = draw(noise=4.0)
    asked: list[int] = []
    measure = decay_module.held_out_logits

    def count(*args: torch.Tensor, folds: tuple[object, ...], **rest: object) -> FloatArray:
        asked.append(len(folds))
        return measure(*args, folds=folds, **rest)  # type: ignore[arg-type]

    monkeypatch.setattr(decay_module, "held_out_logits", count)
    choose(features, targets)
    monkeypatch.setattr(decay_module, "_MANY_PHOTOS", 60)
    choose(features, targets)

    assert asked == [5, 1]


@pytest.mark.parametrize("n_photos", [5, 100])
def test_seen_through_the_span_photos_have_the_same_products(n_photos: int) -> None:
    features, _ = draw(noise=1.0, n_photos=n_photos)
    basis = span(features)

    assert basis.shape == (80, min(n_photos, 80))
    seen = features @ basis
    torch.testing.assert_close(seen @ seen.T, features @ features.T, atol=1e-3, rtol=1e-4)


def test_photos_that_are_all_the_same_span_nothing() -> None:
    assert span(torch.zeros(5, 80)).shape == (80, 0)
