"""Bridges and boats, and what is easily taken for them on the water.

In:  a brush whose unit is the length of the bridge or boat.
Out: the drawn thing.
"""

from itertools import pairwise
from math import cos, pi, sin

from tools.postcards.canvas import Brush, Drawing, arc, block, curve
from tools.postcards.light import BLACK, WHITE, Color, mix, pick, rgb

_STONE = (rgb("b9ad98"), rgb("a39b90"), rgb("d0bd98"), rgb("b08a6c"))
_STEEL = (rgb("5f6a72"), rgb("8a5a48"), rgb("3f6a5e"), rgb("a8483a"))
_HULLS = (rgb("6a4630"), rgb("8a5a38"), rgb("3f4f5e"), rgb("a83f30"), rgb("2f6f6a"), rgb("e2dccb"))
_SAILS = (rgb("b5522f"), rgb("f0e6cf"), rgb("d89a4a"), rgb("7a2f2c"), rgb("e8d2a0"))
_WINDOW = rgb("ffd27a")


def draw_footbridge(brush: Brush) -> None:
    """Draw a wooden footbridge that rises in an arc, railings on it and posts below it."""
    generator = brush.generator
    paint = pick(generator, (rgb("c8352a"), rgb("c8352a"), rgb("8a5a3a"), rgb("e8e2d4"), rgb("3f6f5a")))
    rise, foot = generator.uniform(0.03, 0.16), generator.uniform(0.02, 0.06)
    rail = generator.uniform(0.04, 0.07)

    def deck(x: float) -> float:
        return foot + rise * (1 - (2 * x) ** 2)

    steps = [step / 24 - 0.5 for step in range(25)]
    for x in steps[2:-2:3]:
        brush.line([(x, 0), (x, deck(x))], mix(paint, rgb("3a2a20"), 0.55), width=0.018)
    brush.line([(x, deck(x)) for x in steps], mix(paint, BLACK, 0.25), width=0.026)
    for level in (0.55, 1.0):
        brush.line([(x, deck(x) + rail * level) for x in steps], paint, width=0.01)
    for x in steps:
        brush.line([(x, deck(x)), (x, deck(x) + rail)], paint, width=0.008)


def draw_stone_bridge(brush: Brush) -> None:
    """Draw a stone bridge on one to six arches."""
    generator = brush.generator
    stone, n_arches = pick(generator, _STONE), int(generator.integers(1, 7))
    rise, crest = generator.uniform(0.0, 0.14), generator.uniform(0.1, 0.16)
    pitch = 0.92 / n_arches
    below = [(-0.5, 0.0)]
    for step in range(n_arches):
        middle = -0.46 + pitch * (step + 0.5)
        radius = (pitch * 0.42, min(pitch * 0.5, (crest + rise * (1 - (2 * middle) ** 2)) * 0.78))
        below += arc((middle, 0), radius, start=1, stop=0, n_points=14)
    xs = [0.5 - step / 20 for step in range(21)]
    above = [(x, crest + rise * (1 - (2 * x) ** 2)) for x in xs]
    brush.wash([*below, (0.5, 0.0), *above], mix(stone, WHITE, 0.1), mix(stone, BLACK, 0.25))
    brush.line(above, mix(stone, WHITE, 0.3), width=0.012)
    brush.line([(x, y - 0.025) for x, y in above], mix(stone, BLACK, 0.3), width=0.004)
    for _ in range(16):
        x, y = generator.uniform(-0.48, 0.48), crest * generator.uniform(0.7, 0.9)
        brush.polygon(block(x, y, x + 0.022, y + 0.008), mix(stone, BLACK, 0.22))


def draw_truss(brush: Brush) -> None:
    """Draw an iron truss bridge on piers, as the Long Bien bridge."""
    generator = brush.generator
    steel, n_spans = pick(generator, _STEEL), int(generator.integers(2, 6))
    deck, tall, span = 0.07, generator.uniform(0.06, 0.13), 1.0 / n_spans
    for step in range(n_spans + 1):
        x = -0.5 + step * span
        brush.polygon([(x - 0.014, 0), (x - 0.009, deck), (x + 0.009, deck), (x + 0.014, 0)], rgb("a39b90"))
    brush.line([(-0.5, deck), (0.5, deck)], mix(steel, BLACK, 0.2), width=0.018)
    for step in range(n_spans):
        left = -0.5 + step * span
        chord = [
            (left + span * t, deck + tall * sin(pi * t) ** 0.7) for t in (0, 0.17, 0.33, 0.5, 0.67, 0.83, 1)
        ]
        brush.line(chord, steel, width=0.013)
        for (x, y), (next_x, _) in pairwise(chord[1:]):
            brush.line([(x, deck), (x, y)], steel, width=0.009)
            brush.line([(x, y), (next_x, deck)], steel, width=0.009)
            brush.line([(x, y), (2 * x - next_x, deck)], steel, width=0.009)


def draw_suspension(brush: Brush) -> None:
    """Draw a suspension bridge with two portals."""
    generator = brush.generator
    steel, tall = pick(generator, (*_STEEL, rgb("e8e2d4"))), generator.uniform(0.2, 0.34)
    deck, portal = 0.06, generator.uniform(0.24, 0.3)
    for side in (-1, 1):
        brush.polygon(block(side * portal - 0.018, 0, side * portal + 0.018, tall), steel)
        outer = curve((side * portal, tall), (side * 0.4, deck + 0.05), (side * 0.5, deck))
        brush.line(outer, steel, width=0.009)
        for x, y in outer[2:-1]:
            brush.line([(x, deck), (x, y)], steel, width=0.005)
    middle = curve((-portal, tall), (0, 2 * (deck + 0.02) - tall), (portal, tall), n_points=17)
    brush.line(middle, steel, width=0.009)
    for x, y in middle[1:-1]:
        brush.line([(x, deck), (x, y)], steel, width=0.005)
    brush.line([(-0.5, deck), (0.5, deck)], mix(steel, BLACK, 0.25), width=0.024)
    for step in range(9):
        brush.glow(
            (-0.4 + 0.1 * step, deck + 0.02), radius=0.03, color=_WINDOW, strength=0.9 * brush.darkness
        )


BRIDGES: dict[str, Drawing] = {
    "footbridge": draw_footbridge,
    "stone": draw_stone_bridge,
    "truss": draw_truss,
    "suspension": draw_suspension,
}


def _hull(brush: Brush, *, deck: float, sheer: float, color: Color) -> None:
    """Draw a hull that rises to both ends."""
    top = curve((-0.5, deck + sheer), (0, deck - sheer), (0.5, deck + sheer))
    keel = curve((0.5, deck + sheer), (0.36, -0.02), (0.2, -0.02), n_points=6)
    keel += curve((-0.2, -0.02), (-0.36, -0.02), (-0.5, deck + sheer), n_points=6)
    brush.wash([*top, *keel], color, mix(color, BLACK, 0.4))
    brush.line(top, mix(color, WHITE, 0.3), width=0.014)


def draw_rower(brush: Brush, *, x: float, foot: float, size: float) -> None:
    """Draw a person in a conical hat."""
    cloth = pick(brush.generator, (rgb("7a4a6a"), rgb("3f5f7a"), rgb("a8483a"), rgb("4a4a48")))
    brush.polygon(
        [
            (x - size * 0.17, foot),
            (x - size * 0.12, foot + size * 0.62),
            (x + size * 0.12, foot + size * 0.62),
            (x + size * 0.17, foot),
        ],
        cloth,
    )
    brush.ellipse((x, foot + size * 0.72), (size * 0.1, size * 0.11), rgb("c99a74"))
    brush.polygon(
        [(x - size * 0.27, foot + size * 0.74), (x, foot + size), (x + size * 0.27, foot + size * 0.74)],
        rgb("e6cf96"),
    )


def draw_sampan(brush: Brush) -> None:
    """Draw a sampan: a low hull, a round mat roof, somebody who rows."""
    generator = brush.generator
    _hull(brush, deck=0.08, sheer=0.06, color=pick(generator, _HULLS))
    if generator.random() < 0.65:
        mat = pick(generator, (rgb("b08a54"), rgb("8a6a44"), rgb("4f6a5a")))
        brush.polygon([(0.18, 0.07), *arc((0, 0.07), (0.18, 0.15), start=0, stop=1), (-0.18, 0.07)], mat)
        brush.line(arc((0, 0.07), (0.09, 0.15), start=0, stop=1), mix(mat, BLACK, 0.3), width=0.008)
    if generator.random() < 0.8:
        draw_rower(brush, x=0.3, foot=0.08, size=0.26)
        brush.line([(0.24, 0.22), (0.46, -0.03)], rgb("6a4a30"), width=0.012)


def draw_junk(brush: Brush) -> None:
    """Draw a junk with one to three ribbed sails."""
    generator = brush.generator
    _hull(brush, deck=0.13, sheer=0.07, color=pick(generator, _HULLS[:4]))
    brush.polygon(block(0.14, 0.12, 0.38, 0.23), rgb("8a6238"))
    sail = pick(generator, _SAILS)
    masts = pick(
        generator, (((0.0, 0.9),), ((-0.16, 0.7), (0.12, 0.95)), ((-0.32, 0.55), (-0.02, 0.95), (0.3, 0.6)))
    )
    for x, tall in masts:
        brush.line([(x, 0.1), (x, tall)], rgb("5a4030"), width=0.014)
        wide = tall * 0.36
        luff = [(x + 0.02, 0.2), (x + 0.02, tall * 0.97)]
        leech = curve((x - wide * 0.5, tall * 0.93), (x - wide * 1.15, tall * 0.55), (x - wide, 0.22))
        brush.wash([*luff, *leech], mix(sail, WHITE, 0.12), mix(sail, BLACK, 0.15))
        for step in range(1, 6):
            share = step / 6
            height = 0.21 + (tall * 0.95 - 0.21) * share
            reach = wide * (1.02 - 0.45 * share**2)
            brush.line([(x + 0.02, height), (x - reach, height - 0.02)], mix(sail, BLACK, 0.4), width=0.008)


def draw_rowing_boat(brush: Brush) -> None:
    """Draw an open rowing boat, empty or with one or two people."""
    generator = brush.generator
    _hull(brush, deck=0.16, sheer=0.07, color=pick(generator, _HULLS))
    n_people = int(generator.integers(0, 3))
    for step in range(n_people):
        draw_rower(brush, x=-0.14 + 0.3 * step, foot=0.12, size=0.4)
    for side in (-1, 1):
        brush.line([(side * 0.05, 0.16), (side * 0.34, -0.02)], rgb("c9a878"), width=0.016)


def draw_cruiser(brush: Brush) -> None:
    """Draw a tour boat with a row of windows and a roof."""
    generator = brush.generator
    trim = pick(generator, (rgb("c8352a"), rgb("2f6f9a"), rgb("d9a63a"), rgb("3f7a5a")))
    _hull(brush, deck=0.11, sheer=0.03, color=pick(generator, (rgb("f2ede2"), trim)))
    brush.polygon(block(-0.32, 0.1, 0.34, 0.25), rgb("f2ede2"))
    for step in range(6):
        x = -0.29 + 0.105 * step
        brush.polygon(block(x, 0.14, x + 0.075, 0.22), rgb("3a5566"))
        if brush.darkness > 0.3:
            brush.polygon(block(x, 0.14, x + 0.075, 0.22), _WINDOW, tone="lamp", alpha=230)
    brush.polygon([(-0.37, 0.25), (-0.34, 0.3), (0.36, 0.3), (0.39, 0.25)], trim)
    brush.line([(0.2, 0.3), (0.2, 0.46)], rgb("5a5a5a"), width=0.01)
    brush.polygon([(0.2, 0.46), (0.2, 0.39), (0.32, 0.425)], trim)


def draw_swan_boat(brush: Brush) -> None:
    """Draw a pedal boat in the shape of a swan, with a canopy."""
    color = pick(brush.generator, (rgb("f8f5ee"), rgb("f8f5ee"), rgb("f2b8c6"), rgb("f4d46a")))
    shade = mix(color, rgb("6a7a8a"), 0.3)
    body = curve((-0.5, 0.22), (-0.3, -0.1), (0.1, -0.02)) + curve((0.1, -0.02), (0.42, 0.0), (0.4, 0.26))
    brush.wash(body, color, shade)
    neck = curve((0.36, 0.14), (0.2, 0.42), (0.34, 0.62)) + curve((0.34, 0.62), (0.44, 0.68), (0.45, 0.56))
    brush.line(neck, color, width=0.07)
    brush.polygon([(0.44, 0.6), (0.56, 0.54), (0.44, 0.53)], rgb("e8862f"))
    for x in (-0.22, 0.16):
        brush.line([(x, 0.14), (x, 0.46)], shade, width=0.018)
    brush.polygon([(-0.34, 0.45), (-0.02, 0.57), (0.27, 0.45)], pick(brush.generator, _SAILS))
    brush.ellipse((-0.05, 0.26), (0.055, 0.06), rgb("c99a74"))
    brush.polygon(block(-0.12, 0.06, 0.03, 0.21), rgb("3f5f7a"))


BOATS: dict[str, Drawing] = {
    "sampan": draw_sampan,
    "junk": draw_junk,
    "rowing": draw_rowing_boat,
    "cruiser": draw_cruiser,
    "swan": draw_swan_boat,
}


def draw_jetty(brush: Brush) -> None:
    """Draw a jetty that ends in the water: no bridge."""
    wood = pick(brush.generator, (rgb("8a6a4a"), rgb("a08a70"), rgb("6a5a50")))
    for step in range(7):
        x = -0.5 + step / 6
        brush.line([(x, 0), (x, 0.13 if step % 3 else 0.19)], mix(wood, BLACK, 0.35), width=0.018)
    brush.polygon(block(-0.52, 0.09, 0.5, 0.12), wood)


def draw_ducks(brush: Brush) -> None:
    """Draw a family of ducks or swans on the water: no boats."""
    generator = brush.generator
    white = generator.random() < 0.5
    body = rgb("f6f2e8") if white else pick(generator, (rgb("7a5a3c"), rgb("9a8a74")))
    for step in range(int(generator.integers(1, 6))):
        x, y, size = -0.4 + 0.24 * step, generator.uniform(-0.02, 0.08), generator.uniform(0.09, 0.15)
        brush.polygon(
            [
                *arc((x, y + size * 0.2), (size, size * 0.45), start=1, stop=2),
                (x - size * 1.25, y + size * 0.55),
            ],
            body,
        )
        head = (x + size * 0.9, y + size * (1.15 if white else 0.75))
        brush.line([(x + size * 0.75, y + size * 0.1), head], body, width=size * 0.3)
        brush.ellipse(head, (size * 0.24, size * 0.21), body if white else rgb("2f5f44"))
        brush.polygon(
            [
                (head[0] + size * 0.15, head[1] + size * 0.08),
                (head[0] + size * 0.5, head[1] - size * 0.04),
                (head[0] + size * 0.15, head[1] - size * 0.1),
            ],
            rgb("e8962f"),
        )


def draw_log(brush: Brush) -> None:
    """Draw a drifting log or a buoy: no boats."""
    generator = brush.generator
    if generator.random() < 0.5:
        bark = pick(generator, (rgb("6a4a34"), rgb("55463c")))
        brush.polygon([(-0.5, 0.0), *curve((-0.5, 0.06), (0, 0.13), (0.46, 0.08)), (0.5, 0.0)], bark)
        brush.line([(0.1, 0.08), (0.2, 0.24)], bark, width=0.03)
        return
    paint = pick(generator, (rgb("d8402f"), rgb("e8b23a")))
    brush.polygon([(-0.16, 0), (-0.08, 0.3), (0.08, 0.3), (0.16, 0)], paint)
    brush.ellipse((0, 0.38), (0.06, 0.08), rgb("f4efe4"))


def draw_fountain(brush: Brush) -> None:
    """Draw a fountain in the water, arcs of spray to both sides."""
    for step in range(9):
        angle = pi * (0.5 + 0.035 * (step - 4))
        reach = (cos(angle) * 1.3, sin(angle))
        fall = curve((0, 0), (reach[0] * 0.6, reach[1] * 1.25), (reach[0] * 1.4, 0.02), n_points=12)
        brush.line(fall, WHITE, width=0.014, alpha=120)
