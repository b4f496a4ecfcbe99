"""Draw augmented views of a photo.

In:  an upright RGB photo, what may vary, a generator.
Out: uint8 pixels [side_px, side_px, 3] of one view.

The study flipped photos and varied brightness, contrast and saturation; a random resized crop is added, and
quarter turns of photos that have no upper side.
"""

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageStat

from manylabel.config import AugmentationConfig
from manylabel.preprocess import (
    N_QUARTER_TURNS,
    Box,
    PixelArray,
    Preprocessing,
    evaluation_box,
    resize_photo,
    turn,
)

_LONGEST = 4 / 3
_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, as Pillow and torchvision weigh red, green and blue


@dataclass(frozen=True, kw_only=True)
class View:
    """Hold the random choices of one view.

    Attributes:
        box: Part of the photo: left, upper, right, lower in pixels.
        is_flipped: Whether it is mirrored left to right.
        brightness: Factor of all values, 1 for no change.
        contrast: Factor of the distance to the mean grey, 1 for no change.
        saturation: Factor of the distance to the pixel's own grey, 1 for no change.
        n_quarter_turns: Quarter turns counter-clockwise, after mirroring.
    """

    box: Box
    is_flipped: bool
    brightness: float
    contrast: float
    saturation: float
    n_quarter_turns: int = 0


def draw_view(
    size: tuple[int, int],
    *,
    preprocessing: Preprocessing,
    augmentation: AugmentationConfig,
    rng: np.random.Generator,
) -> View:
    """Draw the random choices of one view.

    Args:
        size: Width and height of the photo in pixels.
        preprocessing: The part that an evaluation sees; crops are taken inside it.
        augmentation: What may vary, and how far.
        rng: Source of chance.
    """
    return View(
        box=draw_box(evaluation_box(size, preprocessing), min_scale=augmentation.crop_scale, rng=rng),
        is_flipped=bool(rng.random() < augmentation.horizontal_flip),
        brightness=1 + augmentation.brightness * rng.uniform(-1, 1),
        contrast=1 + augmentation.contrast * rng.uniform(-1, 1),
        saturation=1 + augmentation.saturation * rng.uniform(-1, 1),
        n_quarter_turns=int(rng.integers(N_QUARTER_TURNS)) if preprocessing.orientation == "any" else 0,
    )


def draw_box(whole: Box, *, min_scale: float, rng: np.random.Generator) -> Box:
    """Draw a random part of a photo, of random area and of a shape within 3:4 and 4:3 of the whole's.

    Args:
        whole: Left, upper, right, lower of what may be used, in pixels.
        min_scale: Smallest share of the area, in (0, 1]; 1 returns the whole.
        rng: Source of chance.
    """
    if min_scale >= 1:
        return whole
    left, upper, right, lower = whole
    width, height = right - left, lower - upper
    scale = rng.uniform(min_scale, 1)
    # A large part cannot be as long and narrow as a small one: it would not fit.
    longest = math.log(min(_LONGEST, 1 / scale))
    stretch = math.exp(rng.uniform(-longest, longest))
    part_width, part_height = width * math.sqrt(scale * stretch), height * math.sqrt(scale / stretch)
    # Rounding must not leave the photo: Pillow refuses a box that does.
    x = left + rng.uniform(0, max(0.0, width - part_width))
    y = upper + rng.uniform(0, max(0.0, height - part_height))
    return (x, y, min(x + part_width, right), min(y + part_height, lower))


def render_view(photo: Image.Image, view: View, *, preprocessing: Preprocessing) -> PixelArray:
    """Cut, resize, change colors, mirror and turn.

    Returns:
        Pixels [side_px, side_px, 3].
    """
    pixels = resize_photo(photo, preprocessing, box=view.box)
    return turn(
        change_colours(pixels, view), n_quarter_turns=view.n_quarter_turns, is_mirrored=view.is_flipped
    )


def change_colours(pixels: PixelArray, view: View) -> PixelArray:
    """Change brightness, then contrast, then saturation, as torchvision defines each.

    The three are one linear map of red, green and blue, which Pillow applies while other threads go on: in
    the graph of a frozen MobileNetV2 they took as long as the network. Values are clipped once, after it.

    Args:
        pixels: [height, width, 3].
        view: The factors.

    Returns:
        Pixels of the same shape.
    """
    if view.brightness == view.contrast == view.saturation == 1:
        return pixels
    photo = Image.fromarray(pixels)
    [mean_grey] = ImageStat.Stat(photo.convert("L")).mean
    scale = view.brightness * view.contrast
    # Row by row for red, green, blue: three weights of the old values, and what is added.
    weights = scale * (view.saturation * np.eye(3) + (1 - view.saturation) * np.array(_LUMA))  # [3, 3]
    added = np.full((3, 1), view.brightness * (1 - view.contrast) * mean_grey)
    return np.asarray(photo.convert("RGB", tuple(np.hstack([weights, added]).ravel().tolist())))
