"""Batches that the loop learns from."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from manylabel.config import AugmentationConfig
from manylabel.preprocess import Preprocessing, resize_photo
from manylabel.training.batches import FeatureBatches, PhotoBatches, as_tensor, evaluation_batches
from manylabel.training.photo_store import PhotoStore, store_of_images

PREPROCESSING = Preprocessing(side_px=16)
NOTHING_VARIES = AugmentationConfig(
    horizontal_flip=0.0, brightness=0.0, contrast=0.0, saturation=0.0, crop_scale=1.0
)


def feature_batches(*, n_photos: int = 10, batch_size: int = 4, seed: int = 0) -> FeatureBatches:
    """Return features [n_photos, 3, 2] whose values are the photo and the view; targets are the photo."""
    features = torch.tensor([[[photo, view] for view in range(3)] for photo in range(n_photos)])
    return FeatureBatches(
        features=features,
        views=np.arange(3),
        rows=np.arange(n_photos),
        targets=torch.arange(n_photos)[:, None],
        batch_size=batch_size,
        rng=np.random.default_rng(seed),
    )


@pytest.fixture
def store() -> PhotoStore:
    """Return photos of 0, 20, ... 220 grey."""
    return store_of_images(
        [Image.new("RGB", (30, 20), (grey, grey, grey)) for grey in range(0, 240, 20)], side_px=16
    )


def photo_batches(store: PhotoStore, *, seed: int = 0, **changes: object) -> PhotoBatches:
    """Return batches of photos 2 to 8 of the store; their target is their grey."""
    rows = np.arange(2, 9)
    batches = PhotoBatches(
        store=store,
        rows=rows,
        targets=torch.from_numpy(20.0 * rows)[:, None],
        preprocessing=PREPROCESSING,
        augmentation=NOTHING_VARIES,
        batch_size=3,
        rng=np.random.default_rng(seed),
    )
    return replace(batches, **changes)  # type: ignore[arg-type]


def join(batches: Iterator[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """Return all inputs and targets of an epoch."""
    inputs, targets = zip(*batches, strict=True)
    return torch.cat(inputs), torch.cat(targets)


@pytest.mark.parametrize(
    ("n_photos", "batch_size", "sizes"),
    [(10, 4, [4, 3, 3]), (9, 4, [3, 3, 3]), (8, 4, [4, 4]), (3, 32, [3]), (33, 32, [17, 16]), (2, 1, [1, 1])],
)
def test_batches_of_an_epoch_are_about_equal(n_photos: int, batch_size: int, sizes: list[int]) -> None:
    batches = feature_batches(n_photos=n_photos, batch_size=batch_size)

    assert [len(inputs) for inputs, _ in batches.epoch()] == sizes
    assert batches.n_batches == len(sizes)


def test_every_photo_comes_once_per_epoch_with_its_own_targets() -> None:
    batches = feature_batches()
    for _ in range(3):
        inputs, targets = join(batches.epoch())

        assert sorted(inputs[:, 0].tolist()) == list(range(10))
        assert torch.equal(inputs[:, :1], targets)


def test_order_and_views_change_from_epoch_to_epoch() -> None:
    batches = feature_batches(n_photos=50)
    (first, _), (second, _) = join(batches.epoch()), join(batches.epoch())

    assert not torch.equal(first[:, 0], second[:, 0])
    assert set(first[:, 1].tolist()) == {0, 1, 2}
    views_of_first, views_of_second = dict(first.tolist()), dict(second.tolist())
    assert views_of_first != views_of_second


def test_a_photo_shows_every_view_before_any_comes_again() -> None:
    batches = feature_batches(n_photos=7)
    epochs = [dict(join(batches.epoch())[0].tolist()) for _ in range(6)]

    for photo in range(7):
        views = [views_of_epoch[photo] for views_of_epoch in epochs]
        assert set(views[:3]) == set(views[3:]) == {0, 1, 2}


def test_only_some_views_are_learned_from() -> None:
    batches = replace(feature_batches(), views=np.array([0, 2]))

    views = [set(join(batches.epoch())[0][:, 1].tolist()) for _ in range(4)]
    assert set.union(*views) == {0, 2}


def test_a_seed_decides_order_and_views() -> None:
    first, second, third = (join(feature_batches(seed=seed).epoch())[0] for seed in (5, 5, 6))

    assert torch.equal(first, second)
    assert not torch.equal(first, third)


def test_photos_come_once_per_epoch_with_their_own_targets(store: PhotoStore) -> None:
    batches = photo_batches(store)
    epoch = list(batches.epoch())
    pixels, targets = join(iter(epoch))

    assert [len(batch) for batch, _ in epoch] == [3, 2, 2]
    assert batches.n_batches == 3
    assert sorted(targets[:, 0].tolist()) == [40, 60, 80, 100, 120, 140, 160]
    assert pixels.shape == (7, 16, 16, 3)
    assert torch.equal(pixels, targets[:, :, None, None].byte().expand_as(pixels))


def test_photos_are_seen_in_another_view_in_every_epoch(store: PhotoStore) -> None:
    batches = photo_batches(store, augmentation=AugmentationConfig(brightness=0.5))
    first, second = (
        {float(target): float(photo[0, 0, 0]) for photo, target in zip(*join(batches.epoch()), strict=True)}
        for _ in range(2)
    )

    # Greys are whole numbers: one of seven may be drawn twice.
    assert sum(first[photo] != second[photo] for photo in first) >= 5


def test_a_seed_decides_order_and_pixels_of_photos(store: PhotoStore) -> None:
    first, second, third = (
        join(photo_batches(store, seed=seed, augmentation=AugmentationConfig()).epoch())[0]
        for seed in (5, 5, 6)
    )

    assert torch.equal(first, second)
    assert not torch.equal(first, third)


def test_evaluation_batches_hold_what_an_evaluation_sees_in_the_order_of_the_rows() -> None:
    noise = np.random.default_rng(0).integers(256, size=(40, 20, 30, 3), dtype=np.uint8)
    images = [Image.fromarray(pixels) for pixels in noise]
    rows = np.random.default_rng(1).permutation(40)[:35]

    batches = list(evaluation_batches(store_of_images(images, side_px=16), rows, PREPROCESSING))

    assert [len(batch) for batch in batches] == [32, 3]
    assert batches[0].dtype == torch.uint8
    expected = np.stack([resize_photo(images[row], PREPROCESSING) for row in rows])
    np.testing.assert_array_equal(torch.cat(batches).numpy(), expected)


def test_views_of_a_photo_follow_each_other(store: PhotoStore) -> None:
    preprocessing = replace(PREPROCESSING, n_views=3)

    (batch,) = evaluation_batches(store, np.array([4, 2]), preprocessing)

    assert batch[:, 0, 0, 0].tolist() == [80, 80, 80, 40, 40, 40]


def test_no_rows_give_no_batches(store: PhotoStore) -> None:
    assert not list(evaluation_batches(store, np.empty(0, dtype=np.int64), PREPROCESSING))


def test_targets_become_a_tensor_of_their_own_with_unknown_cells_kept() -> None:
    targets = np.array([[1.0, np.nan]])
    targets.flags.writeable = False

    tensor = as_tensor(targets)

    assert tensor.dtype == torch.float32
    assert tensor.isnan().tolist() == [[False, True]]
    tensor[0, 0] = 0
    assert targets[0, 0] == 1
