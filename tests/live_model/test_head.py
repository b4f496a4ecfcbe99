"""A linear head that is fitted while people label."""

import numpy as np
import pytest
from numpy.typing import NDArray

from manylabel.live_model.head import FEWEST_PHOTOS, fit_head
from manylabel.metrics.registry import measure
from manylabel.types import FloatArray


def draw(
    n_photos: int, *, n_features: int = 40, noise: float = 0.5
) -> tuple[NDArray[np.float32], FloatArray]:
    """Draw features of which the first two decide two labels, with some noise."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(n_photos, n_features))
    logits = features[:, :2] + noise * rng.normal(size=(n_photos, 2))
    return features.astype(np.float32), (logits > 0).astype(np.float64)


def mean_average_precision(targets: FloatArray, scores: FloatArray) -> float:
    return measure(targets, scores, scores >= 0.5)["mAP"]


def test_photos_without_labels_are_scored_by_what_labeled_ones_teach() -> None:
    features, truth = draw(400)
    targets = truth.copy()
    targets[100:] = np.nan

    head = fit_head(features, targets, groups=np.arange(400))

    assert head is not None
    assert mean_average_precision(truth[100:], head.probabilities[100:]) > 0.8
    assert np.isnan(head.out_of_fold[100:]).all()
    assert not np.isnan(head.out_of_fold[:100]).any()


@pytest.mark.parametrize("n_photos", [15, 120, 1200])
def test_out_of_fold_scores_of_chance_are_those_of_chance(n_photos: int) -> None:
    features, _ = draw(n_photos, n_features=300)
    targets = np.random.default_rng(1).integers(0, 2, (n_photos, 4)).astype(np.float64)

    head = fit_head(features, targets, groups=np.arange(n_photos))

    assert head is not None
    learned = measure(targets, head.probabilities, head.probabilities >= 0.5)["auroc_macro"]
    unseen = measure(targets, head.out_of_fold, head.out_of_fold >= 0.5)["auroc_macro"]
    assert learned > 0.65
    assert unseen < 0.6


def test_every_labeled_photo_is_in_one_fold_with_its_near_duplicates() -> None:
    features, targets = draw(60)
    groups = np.arange(60) // 2

    head = fit_head(features, targets, groups=groups)

    assert head is not None
    assert sorted(np.concatenate(head.folds).tolist()) == list(range(60))
    for fold in head.folds:
        assert np.isin(groups[fold], groups[np.setdiff1d(np.arange(60), fold)]).sum() == 0


def test_too_few_photos_teach_nothing() -> None:
    features, targets = draw(30)
    few = targets.copy()
    few[FEWEST_PHOTOS - 1 :] = np.nan

    assert fit_head(features, few, groups=np.arange(30)) is None
    assert fit_head(features, targets, groups=np.arange(30) // 4) is None  # 8 groups of near-duplicates


def test_a_label_that_no_photo_has_gets_low_probabilities() -> None:
    features, targets = draw(50)
    targets = np.column_stack([targets, np.zeros(50), np.full(50, np.nan)])

    head = fit_head(features, targets, groups=np.arange(50))

    assert head is not None
    assert head.probabilities[:, 2].max() < 0.1
    assert np.isfinite(head.probabilities).all()
