"""Lay a heat map over a photo.

In:  a photo, the map of one label.
Out: the photo, dimmed where nothing speaks for the label.
"""

import numpy as np
from PIL import Image

from manylabel.preprocess import Box
from manylabel.types import FloatArray

_STRONGEST_VEIL = 0.72
_VEIL = (10, 14, 40)


def draw_overlay(photo: Image.Image, heat: FloatArray, *, box: Box) -> Image.Image:
    """Dim a photo where nothing speaks for a label.

    What speaks most for it is as bright as the photo; what does not, or speaks against it, is dark. Where no
    place speaks for it, the photo is dark all over.

    Args:
        photo: Upright RGB photo.
        heat: How much each place speaks for the label [rows, columns].
        box: The part of the photo that the map covers, as shares of its width and height; outside it is dark.

    Returns:
        A picture of the photo's size.

    Examples:
        >>> picture = draw_overlay(Image.new("RGB", (90, 60), "white"), np.eye(3), box=(0.0, 0.0, 1.0, 1.0))
        >>> picture.size, picture.getpixel((0, 0)), picture.getpixel((89, 0))
        ((90, 60), (255, 255, 255), (81, 84, 102))
    """
    most = float(heat.max())
    share = np.clip(heat, 0, None) / most if most > 0 else np.zeros_like(heat)  # [rows, columns]
    veil = Image.fromarray(np.rint(255 * _STRONGEST_VEIL * (1 - share)).astype(np.uint8))
    left, upper, right, lower = (
        round(end * side) for end, side in zip(box, (*photo.size, *photo.size), strict=True)
    )
    mask = Image.new("L", photo.size, round(255 * _STRONGEST_VEIL))
    mask.paste(veil.resize((right - left, lower - upper), Image.Resampling.BICUBIC), (left, upper))
    return Image.composite(Image.new("RGB", photo.size, _VEIL), photo, mask)
