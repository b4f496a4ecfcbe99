"""Augmented views of a photo."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torchvision.transforms import functional

from manylabel.config import AugmentationConfig, OrientationName
from manylabel.preprocess import Preprocessing, resize_photo
from manylabel.training.augment import (
    View,
    change_colours,
    draw_box,
    draw_view,
    render_view,
)

PREPROCESSING = Preprocessing(side_px=16)
NOTHING_VARIES = AugmentationConfig(
    horizontal_flip=0.0, brightness=0.0, contrast=0.0, saturation=0.0, crop_scale=1.0
)


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

    changed = change_colours(pixels, view(**{name: factor}))

    assert changed.dtype == np.uint8
    np.testing.assert_allclose(changed, expected, atol=1)


def test_brightness_contrast_and_saturation_follow_one_another() -> None:
    pixels = 100 + noise(20, 30) // 8  # far from both ends: nothing is clipped on the way
    expected = torch.from_numpy(pixels).permute(2, 0, 1) / 255
    expected = functional.adjust_brightness(expected, 1.2)
    expected = functional.adjust_contrast(expected, 0.7)
    expected = functional.adjust_saturation(expected, 1.4)

    changed = change_colours(pixels, view(brightness=1.2, contrast=0.7, saturation=1.4))

    np.testing.assert_allclose(changed, 255 * expected.permute(1, 2, 0), atol=1)
