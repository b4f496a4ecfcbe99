"""Augmented views, and the batches of the loop."""

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor
from torchvision.transforms import functional

from manylabel.config import AugmentationConfig, OrientationName
from manylabel.preprocess import Preprocessing, resize_photo
from manylabel.training.batches import (
    FeatureBatches,
    PhotoBatches,
    View,
    as_tensor,
    change_colors,
    draw_box,
    draw_view,
    evaluation_batches,
    prefetch,
    render_view,
)
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


def noise(height: int, width: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Draw pixels [height, width, 3] that differ everywhere."""
    return np.random.default_rng(0).integers(256, size=(height, width, 3), dtype=np.uint8)


def view(**changes: Any) -> View:
    """Return a view of all of a photo of 30 x 20 pixels."""
    factors = {"brightness": 1.0, "contrast": 1.0, "saturation": 1.0, **changes}
    return View(box=(0, 0, 30, 20), is_flipped=False, **factors)


@given(
    seed=st.integers(0, 2**32),
    min_scale=st.floats(0.01, 1),
    size=st.tuples(st.integers(1, 5000), st.integers(1, 5000)),
)
def test_a_crop_lies_inside_and_keeps_its_share_of_area_and_shape(
    seed: int, min_scale: float, size: tuple[int, int]
) -> None:
    width, height = size
    whole = (3.0, 5.0, 3.0 + width, 5.0 + height)

    left, upper, right, lower = draw_box(whole, min_scale=min_scale, rng=np.random.default_rng(seed))

    assert whole[0] <= left < right <= whole[2]
    assert whole[1] <= upper < lower <= whole[3]
    share_of_width, share_of_height = (right - left) / width, (lower - upper) / height
    assert min_scale - 1e-9 <= share_of_width * share_of_height <= 1 + 1e-9
    assert 3 / 4 - 1e-9 <= share_of_width / share_of_height <= 4 / 3 + 1e-9


def test_crops_take_all_places_and_both_shapes() -> None:
    rng = np.random.default_rng(0)
    boxes = np.array([draw_box((0, 0, 100, 100), min_scale=0.3, rng=rng) for _ in range(200)])
    widths, heights = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]

    assert boxes[:, :2].min() < 2
    assert boxes[:, 2:].max() > 98
    assert (widths > heights).mean() == pytest.approx(0.5, abs=0.15)


def test_where_nothing_may_vary_a_view_is_what_a_predictor_sees() -> None:
    photo, crop = Image.fromarray(noise(20, 30)), Preprocessing(side_px=16, fit="crop")
    drawn = draw_view(
        photo.size, preprocessing=crop, augmentation=NOTHING_VARIES, rng=np.random.default_rng(0)
    )

    pixels = render_view(photo, drawn, preprocessing=crop)

    np.testing.assert_array_equal(pixels, resize_photo(photo, crop))


def test_the_same_generator_draws_the_same_view() -> None:
    first, second, third = (
        draw_view(
            (300, 200),
            preprocessing=PREPROCESSING,
            augmentation=AugmentationConfig(),
            rng=np.random.default_rng(seed),
        )
        for seed in (7, 7, 8)
    )

    assert first == second != third


def test_factors_stay_within_what_may_vary() -> None:
    augmentation = AugmentationConfig(brightness=0.1, contrast=0.2, saturation=0.3, horizontal_flip=0.25)
    rng = np.random.default_rng(0)
    views = [
        draw_view((30, 20), preprocessing=PREPROCESSING, augmentation=augmentation, rng=rng)
        for _ in range(400)
    ]

    for name, most in (("brightness", 0.1), ("contrast", 0.2), ("saturation", 0.3)):
        factors = np.array([getattr(drawn, name) for drawn in views])
        assert np.abs(factors - 1).max() <= most
        assert factors.min() < 1 - 0.9 * most
        assert factors.max() > 1 + 0.9 * most
    assert np.mean([drawn.is_flipped for drawn in views]) == pytest.approx(0.25, abs=0.07)


@pytest.mark.parametrize(("orientation", "turns"), [("upright", {0}), ("any", {0, 1, 2, 3})])
def test_only_photos_without_an_upper_side_are_turned(orientation: OrientationName, turns: set[int]) -> None:
    preprocessing = replace(PREPROCESSING, orientation=orientation)
    rng = np.random.default_rng(0)
    drawn = [
        draw_view((30, 20), preprocessing=preprocessing, augmentation=NOTHING_VARIES, rng=rng)
        for _ in range(50)
    ]

    assert {view.n_quarter_turns for view in drawn} == turns


def test_a_turned_view_is_mirrored_first() -> None:
    photo = Image.fromarray(noise(16, 16))
    drawn = replace(view(), box=(0, 0, 16, 16), is_flipped=True, n_quarter_turns=1)

    pixels = render_view(photo, drawn, preprocessing=replace(PREPROCESSING, side_px=16))

    np.testing.assert_array_equal(pixels, np.rot90(np.asarray(photo)[:, ::-1]))


def test_a_flipped_view_is_mirrored_left_to_right() -> None:
    photo = Image.fromarray(noise(20, 30))
    plain = view()
    flipped = View(box=plain.box, is_flipped=True, brightness=1, contrast=1, saturation=1)

    mirrored = render_view(photo, flipped, preprocessing=PREPROCESSING)

    np.testing.assert_array_equal(mirrored[:, ::-1], render_view(photo, plain, preprocessing=PREPROCESSING))


@pytest.mark.parametrize("factor", [0.6, 1.0, 1.7])
@pytest.mark.parametrize("name", ["brightness", "contrast", "saturation"])
def test_colours_change_as_in_torchvision(name: str, factor: float) -> None:
    pixels = noise(20, 30)
    adjust = getattr(functional, f"adjust_{name}")
    expected = 255 * adjust(torch.from_numpy(pixels).permute(2, 0, 1) / 255, factor).permute(1, 2, 0)

    changed = change_colors(pixels, view(**{name: factor}))

    assert changed.dtype == np.uint8
    np.testing.assert_allclose(changed, expected, atol=1)


def test_brightness_contrast_and_saturation_follow_one_another() -> None:
    pixels = 100 + noise(20, 30) // 8  # far from both ends: nothing is clipped on the way
    expected = torch.from_numpy(pixels).permute(2, 0, 1) / 255
    expected = functional.adjust_brightness(expected, 1.2)
    expected = functional.adjust_contrast(expected, 0.7)
    expected = functional.adjust_saturation(expected, 1.4)

    changed = change_colors(pixels, view(brightness=1.2, contrast=0.7, saturation=1.4))

    np.testing.assert_allclose(changed, 255 * expected.permute(1, 2, 0), atol=1)


def test_items_come_in_the_order_of_the_jobs_whatever_takes_longest() -> None:
    def render(job: int) -> int:
        time.sleep(0.01 if job % 3 == 0 else 0)
        return 10 * job

    batches = [[0, 1, 2], [3], [], [4, 5], [6, 7, 8, 9]]

    assert list(prefetch(batches, render=render)) == [[10 * job for job in batch] for batch in batches]


def test_an_error_comes_at_the_batch_of_the_job_that_raised_it() -> None:
    def render(job: int) -> int:
        if job == 3:
            raise ValueError("job 3 is damaged")
        return job

    items = prefetch([[0, 1], [2], [3, 4], [5]], render=render)

    assert [next(items), next(items)] == [[0, 1], [2]]
    with pytest.raises(ValueError, match="job 3 is damaged"):
        next(items)


def test_only_a_few_batches_are_prepared_ahead() -> None:
    asked: list[int] = []

    def batches() -> Iterator[list[int]]:
        for number in range(100):
            asked.append(number)
            yield [number]

    items = prefetch(batches(), render=lambda job: job)
    next(items)

    assert len(asked) < 10
    items.close()  # type: ignore[attr-defined]


def test_who_stops_early_leaves_no_thread_at_work() -> None:
    before, rendered = set(threading.enumerate()), list[int]()

    def render(job: int) -> None:
        time.sleep(0.001)
        rendered.append(job)

    items = prefetch([range(5), range(2000)], render=render)
    next(items)
    items.close()  # type: ignore[attr-defined]

    for thread in set(threading.enumerate()) - before:
        thread.join(timeout=5)
        assert not thread.is_alive()
    assert len(rendered) < 1000
