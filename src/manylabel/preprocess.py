"""Turn a photo into the numbers that a model reads.

In:  upright RGB photos of any size (Pillow).
Out: uint8 pixels [side_px, side_px, 3]; mean and standard deviation are applied inside the model.

One definition for training, prediction, export and serving; it travels inside every bundle.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, assert_never, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from manylabel.config import FitName, OrientationName

PixelArray = NDArray[np.uint8]
Box = tuple[float, float, float, float]

_RESAMPLING = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}

_VIEWS = (
    ((0.0, 0.0, 1.0), False),
    ((0.0, 0.0, 1.0), True),
    ((0.1, 0.1, 0.8), False),
    ((0.0, 0.0, 0.8), True),
    ((0.2, 0.0, 0.8), False),
    ((0.0, 0.2, 0.8), True),
    ((0.2, 0.2, 0.8), False),
    ((0.1, 0.1, 0.8), True),
)
"""Left, upper and side as shares of what an evaluation sees, and whether the view is mirrored."""

MAX_VIEWS = len(_VIEWS)
MAX_SIDE_PX = 4096
N_QUARTER_TURNS = 4


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """Describe how photos become numbers for one model.

    Attributes:
        side_px: Side of the square picture in pixels, 1 to 4096.
        mean: Mean of each channel, of pixels in [0, 1].
        std: Standard deviation of each channel, above 0.
        interpolation: How pixels are resampled; always with anti-aliasing.
        fit: "squash" keeps the whole photo and changes its shape, "crop" keeps the shape and cuts the centre.
        crop_fraction: Share of the shorter side that "crop" keeps, in (0, 1].
        n_views: Views of a photo whose logits are averaged into its scores, 1 to 8.
        orientation: "upright", or "any" where photos have no upper side: views are turned and mirrored.

    Raises:
        ValueError: A value is none of these.
    """

    side_px: int = 224
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    interpolation: Literal["bilinear", "bicubic"] = "bilinear"
    fit: FitName = "squash"
    crop_fraction: float = 0.875
    n_views: int = 1
    orientation: OrientationName = "upright"

    def __post_init__(self) -> None:
        """Check the values: they may come from a file."""
        orientations = get_args(OrientationName)
        checks: dict[str, tuple[bool, str]] = {
            "side_px": (_is_whole(self.side_px, most=MAX_SIDE_PX), f"1 to {MAX_SIDE_PX}"),
            "n_views": (_is_whole(self.n_views, most=MAX_VIEWS), f"1 to {MAX_VIEWS}"),
            "mean": (np.shape(self.mean) == (3,) and all(map(math.isfinite, self.mean)), "three numbers"),
            "std": (np.shape(self.std) == (3,) and min(self.std) > 0, "three numbers above 0"),
            "crop_fraction": (0 < self.crop_fraction <= 1, "a number in (0, 1]"),
            "interpolation": (self.interpolation in _RESAMPLING, " or ".join(_RESAMPLING)),
            "fit": (self.fit in get_args(FitName), " or ".join(get_args(FitName))),
            "orientation": (self.orientation in orientations, " or ".join(orientations)),
        }
        for name, (is_right, expected) in checks.items():
            if not is_right:
                raise ValueError(f"preprocessing: {name} is {getattr(self, name)!r}; expected {expected}")

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Preprocessing":
        """Read what ``to_dict`` returned.

        Examples:
            >>> Preprocessing.from_dict(Preprocessing(side_px=256).to_dict()) == Preprocessing(side_px=256)
            True
        """
        triples = {name: tuple(values[name]) for name in ("mean", "std")}
        return cls(**{**values, **triples})


def _is_whole(value: object, *, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= most


def evaluation_box(size: tuple[int, int], preprocessing: Preprocessing) -> Box:
    """Return the part of a photo that an evaluation looks at.

    Args:
        size: Width and height of the photo in pixels.
        preprocessing: All of the photo is used with "squash", a centred square with "crop".

    Returns:
        Left, upper, right, lower in pixels.

    Examples:
        >>> evaluation_box((400, 300), Preprocessing())
        (0.0, 0.0, 400.0, 300.0)
        >>> evaluation_box((400, 200), Preprocessing(fit="crop", crop_fraction=1.0))
        (100.0, 0.0, 300.0, 200.0)
    """
    width, height = size
    if preprocessing.fit == "squash":
        return (0.0, 0.0, float(width), float(height))
    side = min(size) * preprocessing.crop_fraction
    left, upper = (width - side) / 2, (height - side) / 2
    return (left, upper, left + side, upper + side)


def resize_photo(photo: Image.Image, preprocessing: Preprocessing, *, box: Box | None = None) -> PixelArray:
    """Resample a part of a photo to the square that a model sees.

    Args:
        photo: Upright RGB photo.
        preprocessing: Side and interpolation.
        box: Left, upper, right, lower in pixels; not given: ``evaluation_box``.

    Returns:
        Pixels [side_px, side_px, 3].
    """
    if box is None:
        box = evaluation_box(photo.size, preprocessing)
    side = preprocessing.side_px
    resized = photo.resize((side, side), _RESAMPLING[preprocessing.interpolation], box=box)
    return np.asarray(resized, dtype=np.uint8)


def turn(pixels: PixelArray, *, n_quarter_turns: int, is_mirrored: bool) -> PixelArray:
    """Mirror square pixels [side_px, side_px, 3] left to right, then turn them counter-clockwise; no copy."""
    mirrored = pixels[:, ::-1] if is_mirrored else pixels
    return np.rot90(mirrored, n_quarter_turns)


def resize_views(photo: Image.Image, preprocessing: Preprocessing) -> PixelArray:
    """Resample a photo to all the views that its scores are averaged over.

    First comes the plain photo, then its mirror image. Of upright photos follow the middle and the four
    corners, every other one mirrored, and the mirrored middle; of photos without an upper side the other six
    ways to lay the whole photo down.

    Args:
        photo: Upright RGB photo.
        preprocessing: How many views, their side and interpolation.

    Returns:
        Pixels [n_views, side_px, side_px, 3].
    """
    n_views = preprocessing.n_views
    match preprocessing.orientation:
        case "any":
            pixels = resize_photo(photo, preprocessing)
            ways = [(n, is_mirrored) for n in (0, 2, 1, 3) for is_mirrored in (False, True)]
            turned = [turn(pixels, n_quarter_turns=n, is_mirrored=mirrored) for n, mirrored in ways[:n_views]]
            return np.stack(turned)
        case "upright":
            return np.stack(_upright_views(photo, preprocessing))
        case _:
            assert_never(preprocessing.orientation)


def _upright_views(photo: Image.Image, preprocessing: Preprocessing) -> list[PixelArray]:
    left, upper, right, lower = evaluation_box(photo.size, preprocessing)
    width, height = right - left, lower - upper
    views = []
    for (x, y, scale), is_mirrored in _VIEWS[: preprocessing.n_views]:
        box = (left + x * width, upper + y * height, left + (x + scale) * width, upper + (y + scale) * height)
        # Rounding must not leave the photo: Pillow refuses a box that does.
        inside = (box[0], box[1], min(box[2], right), min(box[3], lower))
        pixels = resize_photo(photo, preprocessing, box=inside)
        views.append(turn(pixels, n_quarter_turns=0, is_mirrored=is_mirrored))
    return views


VIEWS_TOGETHER = 4
"""Views that an engine on a CPU best computes at a time, where there are many: its caches hold what more
would push out. On two cores, models from MobileNetV2 to VGG16 came within a tenth of their best size."""


def fill_up(pixels: PixelArray, *, n_rows: int) -> PixelArray:
    """Repeat the last photo until there are ``n_rows``, for engines that take one size of batches.

    Examples:
        >>> fill_up(np.zeros((3, 8, 8, 3), np.uint8), n_rows=4).shape
        (4, 8, 8, 3)
    """
    n_more = n_rows - len(pixels)
    assert n_more >= 0, "a batch is larger than what the engine takes"
    return np.concatenate([pixels, np.repeat(pixels[-1:], n_more, axis=0)]) if n_more else pixels
