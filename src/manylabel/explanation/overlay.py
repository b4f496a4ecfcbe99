"""Lay a heat map over a photo.

In:  a photo, the map of one label.
Out: the photo, colored where something speaks for the label, the strongest part outlined.

The colors are "viridis" of matplotlib, by Nathaniel Smith, Stefan van der Walt and Eric Firing, who put it in
the public domain (CC0): from dark to bright, evenly as people see it, also people with red-green blindness.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageFilter

from manylabel.preprocess import Box
from manylabel.types import FloatArray

OUTLINED_SHARE = 0.5
"""The outline encloses what speaks for the label at least this much, as a share of the strongest patch."""

COLORS = bytes.fromhex(
    """
    44015444025645045745055946075a46085c460a5d460b5e470d60470e61471063471164471365481467481668481769
    48186a481a6c481b6d481c6e481d6f481f70482071482173482374482475482576482677482878482979472a7a472c7a
    472d7b472e7c472f7d46307e46327e46337f463480453581453781453882443983443a83443b84433d84433e85423f85
    4240864241864142874144874045884046883f47883f48893e49893e4a893e4c8a3d4d8a3d4e8a3c4f8a3c508b3b518b
    3b528b3a538b3a548c39558c39568c38588c38598c375a8c375b8d365c8d365d8d355e8d355f8d34608d34618d33628d
    33638d32648e32658e31668e31678e31688e30698e306a8e2f6b8e2f6c8e2e6d8e2e6e8e2e6f8e2d708e2d718e2c718e
    2c728e2c738e2b748e2b758e2a768e2a778e2a788e29798e297a8e297b8e287c8e287d8e277e8e277f8e27808e26818e
    26828e26828e25838e25848e25858e24868e24878e23888e23898e238a8d228b8d228c8d228d8d218e8d218f8d21908d
    21918c20928c20928c20938c1f948c1f958b1f968b1f978b1f988b1f998a1f9a8a1e9b8a1e9c891e9d891f9e891f9f88
    1fa0881fa1881fa1871fa28720a38620a48621a58521a68522a78522a88423a98324aa8325ab8225ac8226ad8127ad81
    28ae8029af7f2ab07f2cb17e2db27d2eb37c2fb47c31b57b32b67a34b67935b77937b87838b9773aba763bbb753dbc74
    3fbc7340bd7242be7144bf7046c06f48c16e4ac16d4cc26c4ec36b50c46a52c56954c56856c66758c7655ac8645cc863
    5ec96260ca6063cb5f65cb5e67cc5c69cd5b6ccd5a6ece5870cf5773d05675d05477d1537ad1517cd2507fd34e81d34d
    84d44b86d54989d5488bd6468ed64590d74393d74195d84098d83e9bd93c9dd93ba0da39a2da37a5db36a8db34aadc32
    addc30b0dd2fb2dd2db5de2bb8de29bade28bddf26c0df25c2df23c5e021c8e020cae11fcde11dd0e11cd2e21bd5e21a
    d8e219dae319dde318dfe318e2e418e5e419e7e419eae51aece51befe51cf1e51df4e61ef6e620f8e621fbe723fde725
    """
)
"""Red, green and blue of color 0, of color 1, and so on: 3 * 256 bytes."""

_DARK, _LIGHT = 254, 255
_N_LEVELS = 254
_LOWEST_COLOR = 60  # darker ones are invisible on a dark photo
_MOST_OPAQUE = 0.65
_UNSEEN = (10, 14, 40, 140)
_LINES_PER_SIDE = 240


def draw_layer(heat: FloatArray, *, size: tuple[int, int]) -> Image.Image:
    """Draw a heat map by itself, to be laid over a photo.

    The more a patch speaks for the label, the brighter and the less transparent it is. Other patches are
    transparent. The outline is a light line beside a dark one: one of them is visible on any photo.

    Args:
        heat: How much each patch speaks for the label [rows, columns].
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
        heat: How much each patch speaks for the label [rows, columns].
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
