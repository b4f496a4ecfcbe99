"""The weight decay of a solved head."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from manylabel.training import decay as decay_module
from manylabel.training.decay import DECAYS, DEFAULT_DECAY, choose_decay, held_out_losses, lowest, span
from manylabel.training.losses import label_weights
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


def choose(features: torch.Tensor, targets: FloatArray, seed: int = 0) -> float:
    """Choose a decay from features that are scored as they are learned."""
    return choose_decay(features, features, targets, weigh=unweighted, rng=np.random.default_rng(seed))


def test_noise_asks_for_a_stronger_decay() -> None:
    assert choose(*draw(noise=0.0)) < choose(*draw(noise=1000.0)) == max(DECAYS)


@given(st.lists(st.floats(0.1, 1.0), min_size=len(DECAYS), max_size=len(DECAYS)))
def test_the_lowest_point_lies_beside_the_lowest_loss(losses: list[float]) -> None:
    best = int(np.argmin(losses))
    found = lowest(np.array(losses))

    assert DECAYS[max(best - 1, 0)] < found or best == 0
    assert found < DECAYS[min(best + 1, len(DECAYS) - 1)] or best == len(DECAYS) - 1


def test_a_seed_gives_the_same_decay() -> None:
    features, targets = draw(noise=10.0)

    assert choose(features, targets, seed=3) == choose(features, targets, seed=3)


def test_few_photos_get_the_usual_decay() -> None:
    features, targets = draw(noise=1.0, n_photos=19)

    assert choose(features, targets) == DEFAULT_DECAY


def test_without_a_known_cell_there_is_the_usual_decay() -> None:
    features, targets = draw(noise=1.0)

    assert choose(features, np.full_like(targets, np.nan)) == DEFAULT_DECAY


@pytest.mark.parametrize("weigh", [unweighted, lambda t: label_weights(t, name="weighted_bce", cap=20.0)])
def test_a_held_out_photo_does_not_teach_what_judges_it(weigh: Callable[[FloatArray], FloatArray]) -> None:
    features, targets = draw(noise=4.0)
    fold = np.arange(0, 60, 2)
    lies = targets.copy()
    lies[fold[3]] = 1 - lies[fold[3]]
    honest = held_out_losses(features, features, targets, folds=(fold,), weigh=weigh)
    lied_to = held_out_losses(features, features, lies, folds=(fold,), weigh=weigh)

    changed = (honest != lied_to).any(axis=1)
    assert np.flatnonzero(changed).tolist() == [3]


def test_unknown_cells_are_neither_learned_nor_judged() -> None:
    features, targets = draw(noise=4.0)
    folds = (np.arange(0, 60, 2), np.arange(1, 60, 2))
    targets[4], targets[7, 0] = np.nan, np.nan
    losses = held_out_losses(features, features, targets, folds=folds, weigh=unweighted)

    assert losses.shape == (59, len(DECAYS))
    assert np.isfinite(losses).all()


def test_many_photos_are_judged_in_one_fold(monkeypatch: pytest.MonkeyPatch) -> None:
    features, targets = draw(noise=4.0)
    asked: list[int] = []
    measure = decay_module.held_out_losses

    def count(*args: torch.Tensor, folds: tuple[object, ...], **rest: object) -> FloatArray:
        asked.append(len(folds))
        return measure(*args, folds=folds, **rest)  # type: ignore[arg-type]

    monkeypatch.setattr(decay_module, "held_out_losses", count)
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
