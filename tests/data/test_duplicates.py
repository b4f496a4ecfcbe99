"""Copies of photos: exact, nearly so, mirrored; and what is no copy.

In:  photos drawn here, and the same photos changed.
Out: what ``manylabel.data.duplicates`` makes of them.
"""

import io
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageEnhance

from manylabel.data.duplicates import DuplicateGroups, Fingerprint, find_duplicates, fingerprint
from manylabel.data.formats import read_table
from manylabel.data.sample import sample_photos

FLIP = Image.Transpose.FLIP_LEFT_RIGHT


def draw_photo(seed: int, *, size: tuple[int, int] = (160, 120)) -> Image.Image:
    """Draw a picture of blobs; another seed gives quite another one."""
    generator = np.random.default_rng(seed)
    blobs = Image.fromarray(generator.integers(0, 256, (6, 8, 3), dtype=np.uint8))
    return blobs.resize(size, Image.Resampling.BICUBIC)


def as_jpeg(photo: Image.Image, quality: int) -> Image.Image:
    file = io.BytesIO()
    photo.save(file, "JPEG", quality=quality)
    return Image.open(file).convert("RGB")


def find(*photos: Image.Image) -> DuplicateGroups:
    return find_duplicates([fingerprint(photo) for photo in photos])


def kinds(found: DuplicateGroups) -> list[tuple[int, int, str]]:
    return [(pair.first, pair.second, pair.kind) for pair in found.pairs]


CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "saved again": lambda photo: as_jpeg(photo, 40),
    "smaller": lambda photo: photo.resize((96, 72)),
    "brighter": lambda photo: ImageEnhance.Brightness(photo).enhance(1.2),
    "darker": lambda photo: ImageEnhance.Brightness(photo).enhance(0.8),
    "one border cut": lambda photo: photo.crop((0, 0, 152, 120)),
    "all borders cut": lambda photo: photo.crop((4, 3, 156, 117)),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_copy_is_a_near_copy(change: str) -> None:
    photo, other = draw_photo(0), draw_photo(1)
    found = find(photo, other, CHANGES[change](photo))
    assert found.groups.tolist() == [0, 1, 0]
    assert kinds(found) == [(0, 2, "near")]


def test_the_same_pixels_are_an_exact_copy() -> None:
    found = find(draw_photo(1), draw_photo(0), draw_photo(1), draw_photo(1))
    assert found.groups.tolist() == [0, 1, 0, 0]
    assert kinds(found) == [(0, 2, "exact"), (0, 3, "exact")]


def test_a_mirrored_copy_is_found_and_said_to_be_mirrored() -> None:
    photo = draw_photo(0)
    found = find(as_jpeg(photo.transpose(FLIP), 60), draw_photo(1), photo)
    assert kinds(found) == [(0, 2, "mirrored")]
    assert found.groups.tolist() == [0, 1, 0]


def test_a_photo_that_is_turned_upside_down_is_no_copy() -> None:
    photo = draw_photo(0)
    assert find(photo, photo.transpose(Image.Transpose.ROTATE_180)).pairs == ()


def test_different_photos_are_no_copies() -> None:
    found = find(*(draw_photo(seed) for seed in range(200)))
    assert found.pairs == ()
    assert found.groups.tolist() == list(range(200))


def test_postcards_drawn_after_one_template_are_no_copies() -> None:
    found = find(*map(Image.open, sample_photos(12)))
    assert found.pairs == ()


def test_the_same_drawing_in_another_colour_is_no_copy() -> None:
    photos = []
    for color in ((220, 60, 60), (40, 140, 40)):
        photo = Image.new("RGB", (96, 96), (128, 128, 128))
        ImageDraw.Draw(photo).ellipse((30, 20, 70, 60), fill=color)
        photos.append(photo)
    assert find(*photos).pairs == ()


def test_photos_without_contrast_are_copies_only_where_they_are_equal() -> None:
    plain = [Image.new("RGB", (40, 30), color) for color in ("red", "green", "red", "#fe0000")]
    assert kinds(find(*plain)) == [(0, 2, "exact")]


def test_the_same_colour_in_another_size_is_no_exact_copy() -> None:
    assert find(Image.new("RGB", (40, 30)), Image.new("RGB", (30, 40))).pairs == ()


def test_copies_of_copies_are_one_group() -> None:
    photo = draw_photo(0)
    found = find(photo, draw_photo(1), as_jpeg(photo, 40), as_jpeg(photo, 40), photo.transpose(FLIP))
    assert found.groups.tolist() == [0, 1, 0, 0, 0]


@given(st.lists(st.integers(0, 3), max_size=12))
def test_groups_are_numbered_in_the_order_of_their_first_photos(drawn: list[int]) -> None:
    found = find(*(PHOTOS[number] for number in drawn))
    seen = list(dict.fromkeys(drawn))
    assert found.groups.tolist() == [seen.index(number) for number in drawn]
    assert all(pair.first < pair.second for pair in found.pairs)
    # Without a loop: every photo beyond the first of its group has one pair that ties it to the group.
    assert len(found.pairs) == len(drawn) - len(seen)


PHOTOS = [draw_photo(seed) for seed in range(4)]


def test_no_photo_and_one_photo_are_fine() -> None:
    assert find().groups.tolist() == []
    assert find(draw_photo(0)).groups.tolist() == [0]


def test_photos_of_one_pixel_are_fine() -> None:
    assert find(Image.new("RGB", (1, 1)), Image.new("RGB", (1, 9))).groups.tolist() == [0, 1]


def test_copies_are_found_across_chunks_of_a_large_collection() -> None:
    generator = np.random.default_rng(0)
    coarse = generator.integers(0, 256, (3000, 8, 8, 3), dtype=np.uint8)
    thumbnails = coarse.repeat(4, axis=1).repeat(4, axis=2)
    thumbnails[2500] = thumbnails[7]
    thumbnails[2999] = thumbnails[2000, :, ::-1]
    photos = [Fingerprint(sha256=str(row), thumbnail=each) for row, each in enumerate(thumbnails)]
    started = time.process_time()
    found = find_duplicates(photos)
    # About 0.2 s; the bound leaves room for slow and busy machines.
    assert time.process_time() - started < 5
    assert kinds(found) == [(7, 2500, "near"), (2000, 2999, "mirrored")]


def test_the_frames_of_a_film_are_one_group_and_take_a_moment() -> None:
    generator = np.random.default_rng(0)
    frame = np.asarray(draw_photo(0, size=(32, 32)), dtype=np.int64)
    frames = np.clip(frame + generator.integers(-5, 6, (800, 32, 32, 3)), 0, 255).astype(np.uint8)
    photos = [Fingerprint(sha256=str(row), thumbnail=each) for row, each in enumerate(frames)]
    started = time.process_time()
    found = find_duplicates(photos)
    # About 1 s; every pair of them would take minutes.
    assert time.process_time() - started < 15
    assert found.groups.max() == 0


@pytest.mark.real
def test_neighboring_photos_from_above_are_no_copies(real_data: Path) -> None:
    folder = real_data / "ucmerced"
    table = read_table(folder / "labels.csv", photos=folder / "images")
    found = find(*(Image.open(photo).convert("RGB") for photo in table.photos))
    assert [pair.kind for pair in found.pairs] == ["exact"]
