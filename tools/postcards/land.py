"""The land: hills, the ground of a picture without a lake, the near bank.

In:  a canvas, chance, and where the land begins.
Out: everything that things stand on, apart from water.
"""

from collections.abc import Callable, Sequence
from math import pi, sin

import numpy as np

from tools.postcards.canvas import Canvas, Point, row_at
from tools.postcards.light import Color, mix, pick, rgb

_HILLS = (rgb("5f8a5a"), rgb("4e7a6e"), rgb("7c8f4c"), rgb("5a7395"), rgb("8a7a5a"), rgb("6d6a8f"))
_GRASS = (rgb("7fae4f"), rgb("5f9a55"), rgb("9bb24e"), rgb("b0a24f"), rgb("6c9a3f"), rgb("c2b06a"))
_STONE = (rgb("c9bda6"), rgb("b9b2a6"), rgb("cfa98a"), rgb("a8a7a6"), rgb("d8c9a0"))
_PETALS = (rgb("e86a8a"), rgb("f6d24a"), rgb("f4f0ea"), rgb("c65fb0"), rgb("e2503a"))


def draw_hills(
    canvas: Canvas, generator: np.random.Generator, *, ridges: Sequence[Sequence[Point]], horizon: float
) -> None:
    """Draw ranges of hills behind the horizon, the farthest first.

    Args:
        canvas: The picture.
        generator: Chance.
        ridges: Crest of each range from left to right, in pixels.
        horizon: Row where the hills end.
    """
    color = pick(generator, _HILLS)
    for step, ridge in enumerate(ridges):
        closed = [(-2.0, horizon + 3), *ridge, (canvas.width + 2.0, horizon + 3)]
        top = canvas.light.paint(color, depth=1.3 - 0.8 * (step + 1) / len(ridges))
        canvas.wash(closed, top, mix(top, canvas.light.haze, 0.55))


def draw_ground(canvas: Canvas, generator: np.random.Generator, *, horizon: float) -> None:
    """Draw one of the grounds that are no lake."""
    grounds: tuple[Callable[..., None], ...] = (
        _draw_lawn,
        _draw_lawn,
        _draw_street,
        _draw_street,
        _draw_paddies,
        _draw_square,
    )
    pick(generator, grounds)(canvas, generator, horizon=horizon)


def _fill(canvas: Canvas, color: Color, *, horizon: float) -> None:
    """Fill everything below the horizon, far away with haze."""
    far, near = canvas.light.paint(color, depth=0.8), canvas.light.paint(mix(color, rgb("30402a"), 0.12))
    corners = [(-2.0, horizon), (canvas.width + 2.0, horizon)]
    canvas.wash([*corners, (canvas.width + 2.0, canvas.height + 2.0), (-2.0, canvas.height + 2.0)], far, near)


def draw_lawn(canvas: Canvas, generator: np.random.Generator, *, horizon: float) -> None:
    """Draw grass in soft stripes."""
    grass = pick(generator, _GRASS)
    _fill(canvas, grass, horizon=horizon)
    span = canvas.height - horizon
    for _ in range(int(generator.integers(4, 11))):
        share = generator.random() ** 1.6
        y, thick = horizon + span * share, span * (0.02 + 0.09 * share)
        shade = mix(grass, pick(generator, _GRASS), 0.5)
        centre = (generator.uniform(0, canvas.width), y)
        radii = (canvas.width * generator.uniform(0.2, 0.7), thick)
        canvas.ellipse(centre, radii, canvas.light.paint(shade, depth=0.7 * (1 - share)), alpha=110)
    _scatter_grass(canvas, generator, upper=horizon + 0.1 * span, color=grass)


def _draw_lawn(canvas: Canvas, generator: np.random.Generator, *, horizon: float) -> None:
    draw_lawn(canvas, generator, horizon=horizon)
    if generator.random() < 0.7:
        _draw_path(canvas, generator, horizon=horizon)


def _draw_path(canvas: Canvas, generator: np.random.Generator, *, horizon: float) -> None:
    start, end = generator.uniform(0.2, 0.8), generator.uniform(0.1, 0.9)
    swing, span = generator.uniform(-0.25, 0.25), canvas.height - horizon
    left, right = [], []
    for step in range(15):
        share = step / 14
        middle = canvas.width * (start + (end - start) * share + swing * sin(pi * 1.6 * share))
        half = canvas.width * (0.008 + 0.13 * share**1.5)
        y = horizon + span * (0.03 + 0.99 * share**1.4)
        left.append((middle - half, y))
        right.append((middle + half, y))
    stone = pick(generator, _STONE)
    canvas.wash(
        [*left, *reversed(right)], canvas.light.paint(stone, depth=0.8), canvas.light.paint(stone, depth=0.0)
    )


def _draw_square(canvas: Canvas, generator: np.random.Generator, *, horizon: float) -> None:
    """Draw a paved square whose joints meet at a far point; after rain it shines like water."""
    stone = pick(generator, (*_STONE, rgb("9fb3bd"), rgb("b6a1a8")))
    _fill(canvas, stone, horizon=horizon)
    joint, span = canvas.light.paint(mix(stone, rgb("5a5048"), 0.4)), canvas.height - horizon
    middle, width = canvas.width * generator.uniform(0.2, 0.8), canvas.unit * 0.004
    for step in range(-14, 15):
        foot = middle + step * canvas.width * 0.16
        canvas.line([(middle + step * 2.0, horizon), (foot, canvas.height)], joint, width=width, alpha=120)
    for step in range(1, 12):
        y = horizon + span * (step / 11) ** 2.1
        canvas.line([(0, y), (canvas.width, y)], joint, width=width, alpha=120)
    if generator.random() < 0.4:
        sheen = canvas.light.sky[2]
        canvas.veil(upper=horizon, lower=canvas.height, color=sheen, alphas=(0.15, 0.45, 0.1))


def _draw_paddies(canvas: Canvas, generator: np.random.Generator, *, horizon: float) -> None:
    """Draw curved fields, row behind row: rice, or flowers."""
    greens = [pick(generator, _GRASS) for _ in range(3)]
    if generator.random() < 0.35:
        greens[1] = pick(generator, _PETALS)
    _fill(canvas, greens[0], horizon=horizon)
    span, n_rows = canvas.height - horizon, int(generator.integers(5, 11))
    bend, phase = generator.uniform(-0.5, 0.5), generator.uniform(0, 2 * pi)
    for row in range(n_rows):
        share = row / n_rows
        top = horizon + span * share**1.5
        edge = []
        for step in range(21):
            x = step / 20
            wave = 0.06 * sin(2 * pi * x * 0.9 + phase + row * 0.4) + bend * (x - 0.5) ** 2
            edge.append((x * canvas.width, top + span * share * wave))
        color = canvas.light.paint(greens[row % 3], depth=0.8 * (1 - share))
        corners = [(canvas.width, canvas.height + 2.0), (0.0, canvas.height + 2.0)]
        canvas.wash([*edge, *corners], color, mix(color, rgb("405030"), 0.1))
        ridge = canvas.light.paint(rgb("6d5f3d"), depth=0.8 * (1 - share))
        canvas.line(edge, ridge, width=canvas.unit * (0.002 + 0.006 * share))


def _draw_street(canvas: Canvas, generator: np.random.Generator, *, horizon: float) -> None:
    """Draw a street that runs away from the viewer, with pavements and a dashed line."""
    _fill(canvas, pick(generator, _STONE), horizon=horizon)
    far, wide = canvas.width * generator.uniform(0.3, 0.7), canvas.width * generator.uniform(0.3, 0.6)
    near, low = canvas.width * generator.uniform(0.3, 0.7), canvas.height + 2.0
    road = [
        (far - wide * 0.05, horizon),
        (far + wide * 0.05, horizon),
        (near + wide, low),
        (near - wide, low),
    ]
    asphalt = pick(generator, (rgb("6f6a70"), rgb("857c78"), rgb("5d6470"), rgb("a08d7a")))
    canvas.wash(road, canvas.light.paint(asphalt, depth=0.8), canvas.light.paint(asphalt))
    for step in range(8):
        begin, end = (step / 8) ** 2, ((step + 0.5) / 8) ** 2
        ends = [(far + (near - far) * t, horizon + (low - horizon) * t) for t in (begin, end)]
        paint = canvas.light.paint(rgb("efe6c8"))
        canvas.line(ends, paint, width=canvas.unit * (0.002 + 0.012 * begin), alpha=170)


def draw_bank(canvas: Canvas, generator: np.random.Generator, *, edge: Sequence[Point]) -> None:
    """Draw the near bank below an edge: grass, or a stone quay."""
    corners = [(canvas.width + 2.0, canvas.height + 2.0), (-2.0, canvas.height + 2.0)]
    paved = generator.random() < 0.35
    color = pick(generator, _STONE if paved else _GRASS)
    rim = [(x, y - canvas.unit * 0.008) for x, y in edge]
    canvas.polygon([*rim, *corners], canvas.light.paint(mix(color, rgb("4a3b28"), 0.5)))
    canvas.wash(
        [*edge, *corners], canvas.light.paint(color), canvas.light.paint(mix(color, rgb("2a3020"), 0.3))
    )
    if not paved:
        _scatter_grass(canvas, generator, upper=min(y for _, y in edge), color=color, edge=edge)


def _scatter_grass(
    canvas: Canvas,
    generator: np.random.Generator,
    *,
    upper: float,
    color: Color,
    edge: Sequence[Point] | None = None,
) -> None:
    """Draw blades of grass and, now and then, flowers among them, below an edge where one is given."""
    tones = [canvas.light.paint(mix(color, other, 0.4)) for other in (rgb("e8e070"), rgb("24401c"))]
    flowers = [canvas.light.paint(pick(generator, _PETALS)) for _ in range(2)]
    flowered = generator.random() < 0.4
    for x, share in generator.random((int(generator.integers(40, 150)), 2)):
        top = upper if edge is None else row_at(edge, x * canvas.width)
        foot = (x * canvas.width, top + (canvas.height - top) * share)
        tall = canvas.unit * (0.004 + 0.016 * share)
        if flowered and generator.random() < 0.35:
            canvas.ellipse(foot, (tall * 0.35, tall * 0.35), pick(generator, flowers))
        else:
            tip = (foot[0] + tall * generator.uniform(-0.5, 0.5), foot[1] - tall)
            canvas.line([foot, tip], pick(generator, tones), width=tall * 0.12)


def draw_island(canvas: Canvas, *, centre: Point, radius: float) -> None:
    """Draw a flat island of grass with a stone rim around a point."""
    flat = radius * 0.22
    canvas.ellipse(
        (centre[0], centre[1] + flat * 0.35), (radius * 1.03, flat), canvas.light.paint(rgb("6b5a44"))
    )
    canvas.ellipse(centre, (radius, flat), canvas.light.paint(rgb("7fa052")))
    light = canvas.light.paint(rgb("a3bd63"))
    canvas.ellipse((centre[0], centre[1] - flat * 0.25), (radius * 0.8, flat * 0.6), light, alpha=150)
