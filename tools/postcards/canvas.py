"""A picture that is drawn several times too large, and the brush that draws things on it.

In:  shapes in picture coordinates (canvas) or in units of the drawn thing (brush).
Out: an antialiased picture, and the box around every thing drawn.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from math import cos, pi, sin
from typing import Literal, assert_never

import numpy as np
from PIL import Image, ImageDraw

from tools.postcards.light import Color, Light, mix

Point = tuple[float, float]
Box = tuple[float, float, float, float]
Mode = Literal["draw", "measure", "mirror"]
Tone = Literal["lit", "lamp", "pure"]


class Canvas:
    """Hold the picture while it is drawn.

    Args:
        size: Width and height of the finished picture in pixels.
        light: Light of the whole picture.
    """

    def __init__(self, size: tuple[int, int], light: Light) -> None:
        """Start with an empty picture."""
        self.width, self.height = size
        self.light = light
        self.zoom = 3 if self.width * self.height < 130_000 else 2
        self.image = Image.new("RGB", (self.width * self.zoom, self.height * self.zoom))
        self.pen = ImageDraw.Draw(self.image, "RGBA")

    @property
    def unit(self) -> float:
        """Return the length in pixels that sizes are measured by: the side of a square of equal area."""
        return float((self.width * self.height) ** 0.5)

    def polygon(self, points: Sequence[Point], color: Color, *, alpha: int = 255) -> None:
        """Fill a polygon.

        Args:
            points: Corners in pixels of the finished picture.
            color: Color on the picture.
            alpha: Opacity, 0 to 255.
        """
        self.pen.polygon(self.enlarged(points), fill=solid(color, alpha))

    def ellipse(self, centre: Point, radii: Point, color: Color, *, alpha: int = 255) -> None:
        """Fill an ellipse with upright axes; centre and radii in pixels."""
        (x, y), (across, up), zoom = centre, radii, self.zoom
        box = ((x - across) * zoom, (y - up) * zoom, (x + across) * zoom, (y + up) * zoom)
        self.pen.ellipse(box, fill=solid(color, alpha))

    def line(self, points: Sequence[Point], color: Color, *, width: float, alpha: int = 255) -> None:
        """Draw a line through points; width in pixels, drawn at least half a pixel wide."""
        wide = max(1, round(width * self.zoom))
        joint = "curve" if wide > 3 and len(points) > 2 else None
        self.pen.line(self.enlarged(points), fill=solid(color, alpha), width=wide, joint=joint)

    def wash(self, points: Sequence[Point], top: Color, bottom: Color) -> None:
        """Fill a polygon with a gradient from its top to its bottom."""
        corners = self.enlarged(points)
        across, down = zip(*corners, strict=True)
        left, upper, right, lower = int(min(across)), int(min(down)), int(max(across)) + 1, int(max(down)) + 1
        mask = Image.new("L", (right - left, lower - upper))
        ImageDraw.Draw(mask).polygon([(x - left, y - upper) for x, y in corners], fill=255)
        self.image.paste(gradient((top, bottom), size=mask.size), (left, upper), mask)

    def veil(self, *, upper: float, lower: float, color: Color, alphas: Sequence[float]) -> None:
        """Lay mist over a band of the picture.

        Args:
            upper: Top of the band in pixels.
            lower: Bottom of the band in pixels.
            color: Color of the mist.
            alphas: Opacities from top to bottom, each in [0, 1], evenly spread.
        """
        size = (self.image.width, max(1, round((lower - upper) * self.zoom)))
        stops = np.linspace(0, 1, len(alphas))
        column = np.interp(np.linspace(0, 1, size[1]), stops, np.array(alphas) * 255)
        mask = Image.fromarray(column.astype(np.uint8)[:, None]).resize(size)
        self.image.paste(solid(color)[:3], (0, round(upper * self.zoom)), mask)

    def glow(self, centre: Point, *, radius: float, color: Color, strength: float) -> None:
        """Lay a soft round light over the picture.

        Args:
            centre: Its middle in pixels.
            radius: Distance in pixels at which nothing of it is left.
            color: Its color.
            strength: Opacity in the middle, in [0, 1].
        """
        side = max(2, round(2 * radius * self.zoom))
        mask = soft_disc().resize((side, side), Image.Resampling.BILINEAR)
        left, upper = round((centre[0] - radius) * self.zoom), round((centre[1] - radius) * self.zoom)
        faint = mask.point([round(value * strength) for value in range(256)])
        self.image.paste(solid(color)[:3], (left, upper), faint)

    def enlarged(self, points: Sequence[Point]) -> list[Point]:
        """Return points in the coordinates of the enlarged picture."""
        return [(x * self.zoom, y * self.zoom) for x, y in points]


def solid(color: Color, alpha: int = 255) -> tuple[int, int, int, int]:
    """Round a color for Pillow."""
    return (int(color[0]), int(color[1]), int(color[2]), alpha)


def gradient(colors: Sequence[Color], *, size: tuple[int, int]) -> Image.Image:
    """Draw colors from top to bottom, evenly spread and blended."""
    stops, rows = np.linspace(0, 1, len(colors)), np.linspace(0, 1, size[1])
    channels = [np.interp(rows, stops, channel) for channel in np.array(colors).T]
    column = np.stack(channels, axis=-1)[:, None]  # [height, 1, 3]
    return Image.fromarray(column.astype(np.uint8)).resize(size, Image.Resampling.NEAREST)


@cache
def soft_disc() -> Image.Image:
    """Draw a disc that fades from white in the middle to black at its edge."""
    ramp = np.linspace(-1, 1, 128)
    distance = np.minimum(1, np.hypot(ramp[:, None], ramp[None, :]))
    return Image.fromarray((255 * (1 - distance) ** 2).astype(np.uint8))


@dataclass(frozen=True, kw_only=True)
class Spot:
    """Say where a thing stands.

    Attributes:
        x: Its middle in pixels.
        base: Its foot in pixels from the top.
        size: Length of its unit in pixels; mostly its height.
        depth: How far away it is: 0 near, 1 at the horizon.
        facing: 1 as drawn, -1 turned left to right.
        seed: Seed of its chance: one spot gives the same thing every time it is drawn.
    """

    x: float
    base: float
    size: float
    depth: float
    facing: int
    seed: int


class Brush:
    """Draw one thing in its own coordinates: (0, 0) is the middle of its foot, (0, 1) one unit above.

    Args:
        canvas: The picture.
        spot: Where the thing stands.
        mode: "draw" draws it, "mirror" its reflection in water, "measure" nothing: it only finds the box.
    """

    def __init__(self, canvas: Canvas, spot: Spot, *, mode: Mode = "draw") -> None:
        """Start with an empty box."""
        self.canvas = canvas
        self.spot = spot
        self.mode = mode
        self.generator = np.random.default_rng(spot.seed)
        self.lit = canvas.light.side * spot.facing
        self.darkness = canvas.light.darkness
        self._across: list[float] = []
        self._down: list[float] = []

    @property
    def box(self) -> Box:
        """Return left, upper, right, lower in pixels around everything measured so far."""
        return (min(self._across), min(self._down), max(self._across), max(self._down))

    def polygon(self, points: Sequence[Point], color: Color, *, tone: Tone = "lit", alpha: int = 255) -> None:
        """Fill a polygon.

        Args:
            points: Corners in units of the thing.
            color: Its color in white light.
            tone: "lit" by the light of the picture, a "lamp" that the dark spares, or "pure": taken as it is.
            alpha: Opacity, 0 to 255.
        """
        placed = self._placed(points)
        if self.mode != "measure":
            self.canvas.polygon(placed, self._ink(color, tone), alpha=self._opacity(alpha))

    def wash(self, points: Sequence[Point], top: Color, bottom: Color) -> None:
        """Fill a polygon with a gradient; a reflection is filled with its middle."""
        placed = self._placed(points)
        if self.mode == "mirror":
            middle = self._ink(mix(top, bottom, 0.5), "lit")
            self.canvas.polygon(placed, middle, alpha=self._opacity(255))
        elif self.mode == "draw":
            self.canvas.wash(placed, self._ink(top, "lit"), self._ink(bottom, "lit"))

    def ellipse(
        self, centre: Point, radii: Point, color: Color, *, tone: Tone = "lit", alpha: int = 255
    ) -> None:
        """Fill an ellipse with upright axes; see ``polygon``."""
        across, up = radii[0] * self.spot.size, radii[1] * self.spot.size
        (x, y) = self._placed([centre], margin=(across, up))[0]
        if self.mode != "measure":
            ink = self._ink(color, tone)
            self.canvas.ellipse((x, y), (across, up), ink, alpha=self._opacity(alpha))

    def line(
        self,
        points: Sequence[Point],
        color: Color,
        *,
        width: float,
        tone: Tone = "lit",
        alpha: int = 255,
    ) -> None:
        """Draw a line through points; width in units of the thing."""
        wide = width * self.spot.size
        placed = self._placed(points, margin=(wide / 2, wide / 2))
        if self.mode != "measure":
            ink = self._ink(color, tone)
            self.canvas.line(placed, ink, width=wide, alpha=self._opacity(alpha))

    def glow(self, centre: Point, *, radius: float, color: Color, strength: float) -> None:
        """Light up the air around a point; this adds nothing to the box."""
        if self.mode == "draw" and strength > 0:
            spot = self.spot
            place = (spot.x + spot.facing * centre[0] * spot.size, spot.base - centre[1] * spot.size)
            self.canvas.glow(place, radius=radius * spot.size, color=color, strength=strength)

    def _placed(self, points: Sequence[Point], margin: Point = (0.0, 0.0)) -> list[Point]:
        spot = self.spot
        across, up = spot.facing * spot.size, -spot.size if self.mode != "mirror" else 0.85 * spot.size
        placed = [(spot.x + u * across, spot.base + v * up) for u, v in points]
        if self.mode == "measure":
            for x, y in placed:
                self._across += (x - margin[0], x + margin[0])
                self._down += (y - margin[1], y + margin[1])
        return placed

    def _ink(self, color: Color, tone: Tone) -> Color:
        light, depth = self.canvas.light, self.spot.depth
        match tone:
            case "lit":
                ink = light.paint(color, depth=depth)
            case "lamp":
                ink = light.shine(color, depth=depth)
            case "pure":
                ink = color
            case _:
                assert_never(tone)
        return mix(ink, light.water, 0.35) if self.mode == "mirror" else ink

    def _opacity(self, alpha: int) -> int:
        return alpha * 3 // 5 if self.mode == "mirror" else alpha


Drawing = Callable[[Brush], None]
"""What draws one kind of thing, in units of that thing."""


def arc(centre: Point, radii: Point, *, start: float, stop: float, n_points: int = 12) -> list[Point]:
    """Return points on an arc of an ellipse; angles in half turns, anticlockwise from the right.

    Examples:
        >>> [(round(x, 3), round(y, 3)) for x, y in arc((0, 0), (2, 1), start=0, stop=1, n_points=3)]
        [(2.0, 0.0), (0.0, 1.0), (-2.0, 0.0)]
    """
    steps = [start + (stop - start) * step / (n_points - 1) for step in range(n_points)]
    return [(centre[0] + radii[0] * cos(pi * s), centre[1] + radii[1] * sin(pi * s)) for s in steps]


def curve(first: Point, control: Point, last: Point, *, n_points: int = 10) -> list[Point]:
    """Return points on a quadratic Bézier curve.

    Examples:
        >>> curve((0, 0), (1, 2), (2, 0), n_points=3)
        [(0.0, 0.0), (1.0, 1.0), (2.0, 0.0)]
    """
    points = []
    for step in range(n_points):
        t = step / (n_points - 1)
        a, b, c = (1 - t) ** 2, 2 * t * (1 - t), t**2
        points.append(
            (a * first[0] + b * control[0] + c * last[0], a * first[1] + b * control[1] + c * last[1])
        )
    return points


def block(left: float, bottom: float, right: float, top: float) -> list[Point]:
    """Return the corners of an upright rectangle."""
    return [(left, bottom), (left, top), (right, top), (right, bottom)]


def row_at(line: Sequence[Point], x: float) -> float:
    """Return how far down a line from left to right is at column x; both in pixels.

    Examples:
        >>> row_at([(0, 10), (4, 30)], 1)
        15.0
    """
    across, down = zip(*line, strict=True)
    return float(np.interp(x, across, down))
