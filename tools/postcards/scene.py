"""What a postcard shows: its shape, its light, its labels, the lie of its land.

In:  chance.
Out: plain values; nothing is drawn here.
"""

from dataclasses import dataclass
from math import cos, pi, sin
from typing import Literal

import numpy as np

from manylabel.types import FloatArray
from tools.postcards.canvas import Canvas, Point, row_at
from tools.postcards.light import LightName, pick

SAMPLE_LABELS = ("lake", "bridge", "pagoda", "tower", "boat", "lotus", "tree", "lantern", "sun", "moon")
"""The labels of the sample set, in the order of its tables."""

_MOST_LABELS = 6
_SIZES = (
    *((800, 600), (640, 480), (480, 640), (600, 800), (720, 480), (480, 720)),
    *((512, 384), (400, 300), (300, 400), (640, 400), (360, 480), (224, 224)),
    *((320, 240), (240, 320), (448, 336), (800, 450), (500, 500), (336, 448)),
)
_LIGHTS: dict[LightName, float] = {"day": 0.4, "dusk": 0.24, "night": 0.19, "fog": 0.17}
_SUN: dict[LightName, float] = {"day": 0.36, "dusk": 0.55, "night": 0.0, "fog": 0.14}
_MOON: dict[LightName, float] = {"day": 0.04, "dusk": 0.1, "night": 0.46, "fog": 0.03}
_LANTERN: dict[LightName, float] = {"day": 0.09, "dusk": 0.2, "night": 0.4, "fog": 0.1}


def choose_size(generator: np.random.Generator) -> tuple[int, int]:
    """Choose width and height in pixels, each between 224 and 800."""
    width, height = pick(generator, _SIZES)
    stretch = generator.uniform(0.94, 1.06)
    return (min(800, max(224, round(width * stretch))), height)


def choose_light(generator: np.random.Generator) -> LightName:
    """Choose the kind of light."""
    names = list(_LIGHTS)
    return names[int(generator.choice(len(names), p=list(_LIGHTS.values())))]


def choose_labels(generator: np.random.Generator, *, light: LightName) -> frozenset[str]:
    """Choose which labels appear together, at most six.

    Args:
        generator: Chance.
        light: The kind of light; there is no sun at night.
    """
    while True:
        labels = _draw_labels(generator, light=light)
        if len(labels) <= _MOST_LABELS:
            return labels


def _draw_labels(generator: np.random.Generator, *, light: LightName) -> frozenset[str]:
    present: set[str] = set()
    busy = generator.uniform(0.65, 1.35)  # some pictures are full, some are nearly empty

    def add(label: str, chance: float) -> None:
        if generator.random() < chance * busy:
            present.add(label)

    add("lake", 0.5)
    lake = "lake" in present
    add("tree", 0.57 if lake else 0.6)
    add("pagoda", 0.26 if lake else 0.2)
    add("tower", 0.08 if "pagoda" in present else 0.2)
    add("bridge", 0.3 if lake else 0.04)
    add("boat", 0.42 if lake else 0.04)
    add("lotus", 0.09 if lake else 0.02)
    add("lantern", _LANTERN[light] + (0.12 if "pagoda" in present else 0.0))
    add("sun", _SUN[light])
    add("moon", _MOON[light] * (0.15 if "sun" in present else 1.0))
    return frozenset(present)


@dataclass(frozen=True, kw_only=True)
class Setting:
    """Hold the lie of the land, in pixels of the finished picture.

    Attributes:
        kind: "lake" reaches from the far shore to the near bank, "pond" lies in a lawn, "land" has no water.
        horizon: Row where the sky ends.
        shore: Row where far things stand.
        edge: Upper edge of the near bank from left to right; only of a lake.
        outline: Outline of the water of a pond.
        ridges: Crests of the hills behind the horizon, each from left to right, the farthest first.
    """

    kind: Literal["lake", "pond", "land"]
    horizon: float
    shore: float
    edge: tuple[Point, ...] = ()
    outline: tuple[Point, ...] = ()
    ridges: tuple[tuple[Point, ...], ...] = ()

    def skyline(self, x: float) -> float:
        """Return the row in column x where the sky meets the land."""
        return min([self.horizon, *(row_at(ridge, x) for ridge in self.ridges)])

    def near(self, x: float, *, height: float) -> float:
        """Return the row where the near bank begins in column x; without one, halfway down the land."""
        if not self.edge:
            return self.horizon + 0.55 * (height - self.horizon)
        return row_at(self.edge, x)


def choose_setting(generator: np.random.Generator, canvas: Canvas, *, has_lake: bool) -> Setting:
    """Choose the lie of the land.

    Args:
        generator: Chance.
        canvas: The picture, for its size.
        has_lake: There is a lake or a pond.
    """
    horizon = canvas.height * generator.uniform(0.33, 0.68)
    span = canvas.height - horizon
    ridges = _ridges(generator, canvas, horizon=horizon)
    if not has_lake:
        return Setting(kind="land", horizon=horizon, shore=horizon + 0.03 * span, ridges=ridges)
    if generator.random() < 0.28:
        outline = _pond(generator, canvas, horizon=horizon)
        return Setting(kind="pond", horizon=horizon, shore=horizon, outline=outline, ridges=ridges)
    shore, edge = horizon + span * generator.uniform(0.0, 0.1), _edge(generator, canvas, span=span)
    return Setting(kind="lake", horizon=horizon, shore=shore, edge=edge, ridges=ridges)


def _ridges(
    generator: np.random.Generator, canvas: Canvas, *, horizon: float
) -> tuple[tuple[Point, ...], ...]:
    """Return none to four ranges of hills or of steep karst peaks."""
    n_ranges = pick(generator, (0, 1, 1, 2, 2, 3, 4))
    steep, ridges = generator.random() < 0.3, []
    for step in range(n_ranges):
        height = canvas.unit * generator.uniform(0.05, 0.22) * (0.6 + 0.5 * (n_ranges - step) / n_ranges)
        up = _ridge(generator, steep=steep) * height
        across = np.linspace(-2, canvas.width + 2, len(up))
        ridges.append(tuple((float(x), horizon - float(y)) for x, y in zip(across, up, strict=True)))
    return tuple(ridges)


def _ridge(generator: np.random.Generator, *, steep: bool) -> FloatArray:
    """Return heights [90] in [0, 1] from left to right."""
    across = np.linspace(0, 1, 90)
    up = np.zeros_like(across)
    for octave in range(1, 6):
        share, phase = generator.uniform(0.5, 1) / octave, generator.uniform(0, 2 * pi)
        up += share * np.sin(2 * pi * across * octave * generator.uniform(0.5, 1.3) + phase)
    if steep:
        for _ in range(int(generator.integers(3, 8))):
            peak, width = generator.uniform(0, 1), generator.uniform(0.03, 0.1)
            up += 2.2 * generator.random() * np.exp(-(np.abs((across - peak) / width) ** 3))
    up += generator.normal(0, 0.03, size=across.shape)
    return np.asarray((up - up.min()) / (np.ptp(up) + 1e-9))


def _pond(generator: np.random.Generator, canvas: Canvas, *, horizon: float) -> tuple[Point, ...]:
    span = canvas.height - horizon
    centre = (canvas.width * generator.uniform(0.3, 0.7), horizon + span * generator.uniform(0.42, 0.6))
    radii = (canvas.width * generator.uniform(0.3, 0.5), span * generator.uniform(0.2, 0.3))
    waves = generator.uniform(0, 2 * pi, size=2)
    points = []
    for step in range(48):
        angle = 2 * pi * step / 48
        reach = 1 + 0.1 * sin(2 * angle + waves[0]) + 0.07 * sin(3 * angle + waves[1])
        points.append((centre[0] + radii[0] * reach * cos(angle), centre[1] + radii[1] * reach * sin(angle)))
    return tuple(points)


def _edge(generator: np.random.Generator, canvas: Canvas, *, span: float) -> tuple[Point, ...]:
    """Return a bank that is flat, a slope to one side, or a bay."""
    shape = pick(generator, ("flat", "left", "right", "bay", "low"))
    tall = span * generator.uniform(0.08, 0.38)
    phase = generator.uniform(0, 2 * pi)
    points = []
    for step in range(31):
        x = step / 30
        share = {
            "flat": 0.6,
            "left": (1 - x) ** 2 * 1.2,
            "right": x**2 * 1.2,
            "bay": (2 * x - 1) ** 2,
            "low": 0.18,
        }[shape]
        wave = 0.06 * sin(5 * x + phase)
        points.append((x * canvas.width, canvas.height + 4 - tall * (share + wave)))
    return tuple(points)
