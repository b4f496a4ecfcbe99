"""Preprocessing: from a photo of any size to the pixels that a model sees, the same in every place.

In:  photos drawn here, of ordinary and absurd sizes.
Out: what ``manylabel.preprocess`` makes of them.
"""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from manylabel.preprocess import MAX_VIEWS, Preprocessing, evaluation_box, resize_photo, resize_views

RED, BLUE = (255, 0, 0), (0, 0, 255)
SIDES = st.integers(1, 400) | st.sampled_from([1, 2, 3, 5000])
any_preprocessing = st.builds(
    Preprocessing,
    side_px=st.sampled_from([1, 7, 32]),
    fit=st.sampled_from(["squash", "crop"]),
    interpolation=st.sampled_from(["bilinear", "bicubic"]),
    crop_fraction=st.floats(0.1, 1.0),
    n_views=st.integers(1, MAX_VIEWS),
    orientation=st.sampled_from(["upright", "any"]),
)


def draw_smooth(width: int, height: int) -> Image.Image:
    """Draw a photo whose red rises to the right and whose green rises downwards."""
    red, green = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    return Image.fromarray(np.stack([red, green, np.full_like(red, 128)], axis=2).astype(np.uint8))


def test_the_settings_come_back_from_json() -> None:
    given_settings = Preprocessing(
        side_px=256,
        mean=(0.5, 0.5, 0.5),
        std=(0.25, 0.25, 0.25),
        interpolation="bicubic",
        fit="crop",
        n_views=3,
        orientation="any",
    )
    back = Preprocessing.from_dict(json.loads(json.dumps(given_settings.to_dict())))
    assert back == given_settings


def test_settings_from_before_there_was_an_orientation_mean_upright_photos() -> None:
    old = Preprocessing().to_dict()
    del old["orientation"]
    assert Preprocessing.from_dict(old) == Preprocessing(orientation="upright")


def test_an_unknown_setting_is_not_ignored() -> None:
    with pytest.raises(TypeError, match="color"):
        Preprocessing.from_dict({**Preprocessing().to_dict(), "color": "grey"})


def test_the_defaults_are_those_of_imagenet() -> None:
    assert Preprocessing().mean == (0.485, 0.456, 0.406)
    assert Preprocessing().std == (0.229, 0.224, 0.225)
    assert (Preprocessing().side_px, Preprocessing().crop_fraction) == (224, 0.875)


# --- what is looked at


def test_squash_looks_at_the_whole_photo() -> None:
    assert evaluation_box((400, 300), Preprocessing(fit="squash", crop_fraction=0.5)) == (0, 0, 400, 300)


@pytest.mark.parametrize(
    ("size", "fraction", "box"),
    [
        ((400, 200), 1.0, (100, 0, 300, 200)),
        ((200, 400), 1.0, (0, 100, 200, 300)),
        ((400, 200), 0.5, (150, 50, 250, 150)),
        ((101, 101), 1.0, (0, 0, 101, 101)),
    ],
)
def test_crop_looks_at_a_centred_square(
    size: tuple[int, int], fraction: float, box: tuple[float, float, float, float]
) -> None:
    assert evaluation_box(size, Preprocessing(fit="crop", crop_fraction=fraction)) == box


# --- what comes out


@settings(deadline=None, max_examples=60)
@given(SIDES, SIDES, any_preprocessing)
def test_a_photo_of_any_shape_becomes_a_square(width: int, height: int, preprocessing: Preprocessing) -> None:
    photo = Image.new("RGB", (width, height), RED)
    side = preprocessing.side_px
    pixels = resize_photo(photo, preprocessing)
    assert pixels.shape == (side, side, 3)
    assert pixels.dtype == np.uint8
    assert (pixels == RED).all()
    views = resize_views(photo, preprocessing)
    assert views.shape == (preprocessing.n_views, side, side, 3)
    assert views.dtype == np.uint8
    assert (views == RED).all()


def test_squash_keeps_what_lies_at_the_borders() -> None:
    photo = Image.new("RGB", (400, 100), BLUE)
    photo.paste(RED, (0, 0, 40, 100))
    pixels = resize_photo(photo, Preprocessing(side_px=40))
    assert (pixels[:, :3] == RED).all()
    assert (pixels[:, 5:] == BLUE).all()


def test_crop_sees_what_resizing_the_shorter_side_and_cutting_the_centre_sees() -> None:
    photo = draw_smooth(600, 400)
    pixels = resize_photo(photo, Preprocessing(side_px=224, fit="crop", crop_fraction=0.875))
    resized = photo.resize((384, 256), Image.Resampling.BILINEAR)
    cut = np.asarray(resized.crop((80, 16, 304, 240)), dtype=int)
    assert np.abs(pixels - cut).max() <= 2


def test_a_box_replaces_what_an_evaluation_sees() -> None:
    photo = Image.new("RGB", (100, 100), BLUE)
    photo.paste(RED, (60, 20, 80, 40))
    pixels = resize_photo(photo, Preprocessing(side_px=16, fit="crop"), box=(60, 20, 80, 40))
    # The outermost pixels are mixed with what lies beside the box.
    assert (pixels[1:-1, 1:-1] == RED).all()
    assert (pixels[..., 0] > 128).all()


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_fine_patterns_are_averaged_and_not_picked_from(interpolation: str) -> None:
    board = np.indices((256, 256)).sum(axis=0) % 2 * 255
    photo = Image.fromarray(board.astype(np.uint8)).convert("RGB")
    settings_ = Preprocessing.from_dict(
        {**Preprocessing(side_px=32).to_dict(), "interpolation": interpolation}
    )
    inner = resize_photo(photo, settings_)[2:-2, 2:-2].astype(int)
    assert np.abs(inner - 127.5).max() <= 1


def test_the_two_interpolations_differ() -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    bilinear = resize_photo(noise, Preprocessing(side_px=24, interpolation="bilinear"))
    bicubic = resize_photo(noise, Preprocessing(side_px=24, interpolation="bicubic"))
    assert not np.array_equal(bilinear, bicubic)


# --- several views


def test_the_first_view_is_the_plain_photo_and_the_second_its_mirror_image() -> None:
    photo = draw_smooth(90, 60)
    preprocessing = Preprocessing(side_px=32, n_views=2)
    plain = resize_photo(photo, preprocessing)
    views = resize_views(photo, preprocessing)
    np.testing.assert_array_equal(views[0], plain)
    np.testing.assert_array_equal(views[1], plain[:, ::-1])


def test_every_further_view_shows_another_part_of_what_an_evaluation_sees() -> None:
    photo = draw_smooth(300, 200)
    preprocessing = Preprocessing(side_px=32, n_views=MAX_VIEWS, fit="crop", crop_fraction=1.0)
    views = resize_views(photo, preprocessing)
    whole = resize_photo(photo, preprocessing)
    assert len({view.tobytes() for view in views}) == MAX_VIEWS
    assert views[..., 0].min() >= whole[..., 0].min() - 1
    assert views[..., 0].max() <= whole[..., 0].max() + 1


def test_more_views_start_with_the_same_ones() -> None:
    photo = draw_smooth(90, 60)
    few = resize_views(photo, Preprocessing(side_px=16, n_views=3))
    many = resize_views(photo, Preprocessing(side_px=16, n_views=MAX_VIEWS))
    np.testing.assert_array_equal(many[:3], few)


def test_a_photo_without_an_upper_side_is_seen_in_all_eight_ways_to_lay_it_down() -> None:
    photo = draw_smooth(32, 32)
    lying = Preprocessing(side_px=32, n_views=MAX_VIEWS, orientation="any")

    seen = resize_views(photo, lying)

    np.testing.assert_array_equal(seen[0], np.asarray(photo))
    np.testing.assert_array_equal(seen[1], np.asarray(photo)[:, ::-1])
    assert len({view.tobytes() for view in seen}) == MAX_VIEWS
    turned = resize_views(photo.transpose(Image.Transpose.ROTATE_90), lying)
    assert {view.tobytes() for view in turned} == {view.tobytes() for view in seen}
