"""Draw augmented views of a photo.

In:  an upright RGB photo, what may vary, a generator.
Out: uint8 pixels [side_px, side_px, 3] of one view, and the colour changes that are applied to a whole batch.

The study flipped photos and varied brightness, contrast and saturation; a random resized crop is added, and
quarter turns of photos that have no upper side.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

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


def plain_view(size: tuple[int, int], *, preprocessing: Preprocessing) -> View:
    """Return the view that an evaluation sees.

    Args:
        size: Width and height of the photo in pixels.
        preprocessing: The part of a photo that an evaluation sees.
    """
    box = evaluation_box(size, preprocessing)
    return View(box=box, is_flipped=False, brightness=1.0, contrast=1.0, saturation=1.0)


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
    """Cut, resize, mirror and turn; colours are left to ``jitter_colours``, which handles a batch at once.

    Returns:
        Pixels [side_px, side_px, 3].
    """
    pixels = resize_photo(photo, preprocessing, box=view.box)
    return turn(pixels, n_quarter_turns=view.n_quarter_turns, is_mirrored=view.is_flipped)


def colour_factors(views: Sequence[View]) -> NDArray[np.float32]:
    """Return the factors of brightness, contrast and saturation of some views [n_views, 3]."""
    factors = [(view.brightness, view.contrast, view.saturation) for view in views]
    return np.array(factors, dtype=np.float32).reshape(-1, 3)


def jitter_colours(pixels: Tensor, factors: Tensor) -> Tensor:
    """Change brightness, then contrast, then saturation, each photo by its own factors.

    Args:
        pixels: [batch, side_px, side_px, 3], 0 to 255, uint8.
        factors: Of brightness, contrast and saturation [batch, 3]; 1 changes nothing.

    Returns:
        Pixels of the same shape, float32, clipped to 0 to 255.
    """
    brightness, contrast, saturation = factors.view(-1, 3, 1, 1, 1).unbind(dim=1)  # [batch, 1, 1, 1] each
    luma = torch.tensor(_LUMA, device=pixels.device)
    jittered = (pixels.float() * brightness).clamp(0, 255)
    mean_grey = (jittered * luma).sum(dim=-1).mean(dim=(1, 2)).view(-1, 1, 1, 1)
    jittered = torch.lerp(mean_grey.expand_as(jittered), jittered, contrast).clamp(0, 255)
    grey = (jittered * luma).sum(dim=-1, keepdim=True)  # [batch, side_px, side_px, 1]
    return torch.lerp(grey.expand_as(jittered), jittered, saturation).clamp(0, 255)
