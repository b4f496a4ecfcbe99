"""Lay a heat map over a photo.

In:  a photo, the map of one label.
Out: the photo, colored where something speaks for the label, the strongest part outlined.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageFilter

from manylabel.explanation.colors import COLORS
from manylabel.preprocess import Box
from manylabel.types import FloatArray

OUTLINED_SHARE = 0.5
"""The outline holds what speaks at least this much as strongly as the strongest place."""

_DARK, _LIGHT = 254, 255
_N_LEVELS = 254
_LOWEST_COLOR = 60  # those below are so dark that they are lost on a dark photo
_MOST_OPAQUE = 0.65
_UNSEEN = (10, 14, 40, 140)
_LINES_PER_SIDE = 240


def draw_layer(heat: FloatArray, *, size: tuple[int, int]) -> Image.Image:
    """Draw a heat map by itself, to be laid over a photo.

    The more a place speaks for the label, the brighter and the less transparent it is. What speaks for
    nothing, or against the label, is transparent. The outline is a light line beside a dark one: one of them
    is seen on any photo.

    Args:
        heat: How much each place speaks for the label [rows, columns].
        size: Width and height of the picture.

    Returns:
        A picture with a palette and transparency.

    Examples:
        >>> layer = draw_layer(np.eye(3), size=(90, 60)).convert("RGBA")
        >>> layer.getpixel((0, 0)), layer.getpixel((89, 0))
        ((253, 231, 37, 166), (61, 78, 138, 0))
    """
    most = float(heat.max())
    share = np.clip(heat, 0, None) / most if most > 0 else np.zeros_like(heat)  # [rows, columns]
    levels = Image.fromarray(np.rint((_N_LEVELS - 1) * share).astype(np.uint8))
    layer = levels.resize(size, Image.Resampling.BICUBIC).point(lambda level: min(level, _N_LEVELS - 1))
    if most > 0:
        _outline(layer)
    layer.putpalette(_palette().tobytes(), "RGBA")
    return layer


def draw_overlay(photo: Image.Image, heat: FloatArray, *, box: Box) -> Image.Image:
    """Color a photo where something speaks for a label; see ``draw_layer``.

    Args:
        photo: Upright RGB photo.
        heat: How much each place speaks for the label [rows, columns].
        box: The part of the photo that the map covers, as shares of its width and height; outside it is dark.

    Returns:
        A picture of the photo's size.

    Examples:
        >>> picture = draw_overlay(Image.new("RGB", (90, 60), "white"), np.eye(3), box=(0.0, 0.0, 1.0, 1.0))
        >>> picture.size, picture.getpixel((0, 0)), picture.getpixel((89, 0))
        ((90, 60), (254, 239, 113), (255, 255, 255))
    """
    left, upper, right, lower = (
        round(end * side) for end, side in zip(box, (*photo.size, *photo.size), strict=True)
    )
    whole = Image.new("RGBA", photo.size, _UNSEEN)
    whole.paste(draw_layer(heat, size=(right - left, lower - upper)).convert("RGBA"), (left, upper))
    return Image.alpha_composite(photo.convert("RGBA"), whole).convert("RGB")


def scale_colors() -> list[str]:
    """Return five colors of a map from weak to strong, as style sheets write them.

    Examples:
        >>> scale_colors()[-1]
        '#fde725'
    """
    colors = _palette()[[0, 63, 126, 190, _N_LEVELS - 1], :3]
    return [f"#{bytes(color).hex()}" for color in colors]


def _palette() -> NDArray[np.uint8]:
    """Return the colors of all levels, and those of both lines [256, 4]."""
    share = np.arange(_N_LEVELS) / (_N_LEVELS - 1)
    colors = np.frombuffer(COLORS, dtype=np.uint8).reshape(-1, 3)
    chosen = colors[np.rint(_LOWEST_COLOR + share * (255 - _LOWEST_COLOR)).astype(int)]
    opaque = np.rint(255 * _MOST_OPAQUE * share**0.75).astype(np.uint8)
    lines = np.array([[0, 0, 0, 255], [255, 255, 255, 255]], dtype=np.uint8)
    return np.concatenate([np.column_stack([chosen, opaque]), lines])


def _outline(layer: Image.Image) -> None:
    """Draw a line around the strongest part into a picture of levels."""
    inside = layer.point(lambda level: 255 if level >= OUTLINED_SHARE * (_N_LEVELS - 1) else 0)
    width = max(1, round(max(layer.size) / _LINES_PER_SIDE))
    for color in (_LIGHT, _DARK):
        outside = inside
        for _ in range(width):
            outside = outside.filter(ImageFilter.MaxFilter(3))
        layer.paste(color, mask=ImageChops.subtract(outside, inside))
        inside = outside
