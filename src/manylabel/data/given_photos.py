"""Take photos as Python gives them.

In:  a file, a folder, a Pillow image, an array, or several of them.
Out: a list of them; a Pillow image or an array as the upright RGB photo that its file would give.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from manylabel.data.decoding import to_rgb
from manylabel.data.photos import DECODER_ERRORS, choose_reduction, turn_upright
from manylabel.errors import InputError, TableError, kind_of


def list_given(photos: object, *, name: str = "photos") -> list[Any]:
    """Return what was given as a list; one photo becomes a list of one.

    Args:
        photos: A file, a folder, a Pillow image or an array [height, width, 3], or several of them: a list, a
            column of a data frame, an array [n_photos] of paths or [n_photos, height, width, 3] of pixels.
        name: The argument, in errors.

    Raises:
        InputError: It is something else.

    Examples:
        >>> list_given("a.jpg"), list_given(np.array(["a.jpg", "b.jpg"])) == ["a.jpg", "b.jpg"]
        (['a.jpg'], True)
    """
    if isinstance(photos, Path | str | Image.Image):
        return [photos]
    if isinstance(photos, np.ndarray):
        return list(photos) if photos.ndim == 4 or photos.dtype.kind in "OUT" else [photos]
    if isinstance(photos, Mapping | bytes) or hasattr(photos, "columns") or not isinstance(photos, Iterable):
        raise InputError(
            f"{name}: given {kind_of(photos)}, expected photo files, folders, Pillow images or uint8 arrays;"
            " of a data frame, pass the column with the paths"
        )
    return list(photos)


def list_given_files(photos: object) -> list[Path | str]:
    """Return photo files and folders as a list; one becomes a list of one.

    Raises:
        InputError: Something else is among them.
    """
    given = list_given(photos)
    for photo in given:
        if not isinstance(photo, Path | str):
            raise InputError(f"photos: given {kind_of(photo)}, expected photo files and folders")
    return given


def as_photo(photo: object, *, where: str, side_px: int | None = None) -> Image.Image:
    """Return a Pillow image or an array as an RGB photo.

    Args:
        photo: A Pillow image of any mode, which is turned upright where its EXIF data say so; or a uint8
            array [height, width] or [height, width, n_channels] with 1 (gray), 3 (RGB) or 4 (RGBA) channels.
        where: Its name in errors.
        side_px: Pixels that the shorter side needs. A photo that has more is reduced to 1/2, 1/4 or 1/8, as
            its file would be when it is read. Not given: all.

    Raises:
        TableError: It is neither, has no pixel, or cannot be read.

    Examples:
        >>> as_photo(np.zeros((4, 6, 3), dtype=np.uint8), where="photos[0]").size
        (6, 4)
    """
    image = photo if isinstance(photo, Image.Image) else _as_image(photo)
    if image is None:
        is_file = isinstance(photo, Path | str)
        raise TableError(
            [
                f"{where}: expected a Pillow image or a uint8 array [height, width, 3], given"
                f" {kind_of(photo)}{'; files and images cannot be mixed' if is_file else ''}"
            ]
        )
    if not image.width * image.height:
        raise TableError([f"{where}: it has no pixels"])
    try:
        image.load()
        factor = 1 if side_px is None else choose_reduction(image.size, side_px)
        return turn_upright(to_rgb(image, factor=factor), image)
    except DECODER_ERRORS as error:
        raise TableError([f"{where}: the image cannot be read: {error}"]) from error


def _as_image(photo: object) -> Image.Image | None:
    """Return an array as an image; None where its shape or type is none of an image."""
    if not isinstance(photo, np.ndarray) or photo.dtype != np.uint8:
        return None
    if photo.ndim == 3 and photo.shape[2] == 1:
        photo = photo[:, :, 0]
    if photo.ndim == 2 or (photo.ndim == 3 and photo.shape[2] in (3, 4)):
        return Image.fromarray(photo)
    return None
