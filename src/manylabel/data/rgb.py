"""Make an RGB picture of a decoded photo of any color mode.

In:  a photo whose pixels are loaded.
Out: RGB, transparent parts white, perhaps smaller; beside the photo and the result, little memory is used.
"""

import numpy as np
from PIL import Image

from manylabel.data.wide_pixels import scale_to_8_bits

_PIXELS_AT_ONCE = 1_000_000


def to_rgb(photo: Image.Image, *, factor: int = 1) -> Image.Image:
    """Convert a photo of any color mode to RGB.

    Args:
        photo: The photo. Pixels of more than 8 bits are divided by the smallest usual full scale (1 for
            floats, 8, 12 or 16 bits) that holds the brightest; beyond that, lowest to highest are spread.
        factor: How many times as small the result shall be, at least 1: so many pixels across and down become
            one, their mean.

    Returns:
        A new RGB photo without metadata; what was transparent is white.

    Examples:
        >>> to_rgb(Image.new("RGBA", (1, 1), (255, 0, 0, 0))).getpixel((0, 0))
        (255, 255, 255)
        >>> to_rgb(Image.new("I;16", (4, 3), 65535), factor=2).size
        (2, 2)
    """
    if photo.mode in ("I", "F") or photo.mode.startswith("I;"):
        photo = _scale_to_8_bits(photo)
    rgb = Image.new("RGB", (-(-photo.width // factor), -(-photo.height // factor)))
    n_rows = max(1, _PIXELS_AT_ONCE // (photo.width * factor)) * factor
    for top in range(0, photo.height, n_rows):
        band = photo.crop((0, top, photo.width, min(top + n_rows, photo.height)))
        flat = _lay_on_white(band) if photo.has_transparency_data else band.convert("RGB")
        rgb.paste(flat if factor == 1 else flat.reduce(factor), (0, top // factor))
    return rgb


def _lay_on_white(photo: Image.Image) -> Image.Image:
    white = Image.new("RGBA", photo.size, "white")
    white.alpha_composite(photo.convert("RGBA"))
    return white.convert("RGB")


def _scale_to_8_bits(photo: Image.Image) -> Image.Image:
    """Bring one wide channel to 0..255."""
    grey = scale_to_8_bits(
        lambda top, end: np.asarray(photo.crop((0, top, photo.width, end))),
        size=photo.size,
        is_float=photo.mode == "F",
    )
    return Image.fromarray(grey)
