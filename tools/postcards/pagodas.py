"""Pagodas and temples, and the gates that are easily taken for them.

In:  a brush whose unit is the height of the building.
Out: the drawn building.
"""

from tools.postcards.canvas import Brush, Drawing, Point, arc, block, curve
from tools.postcards.light import BLACK, WHITE, Color, mix, pick, rgb

_WALLS = (rgb("b5573c"), rgb("e8d9b0"), rgb("d9a441"), rgb("a89f92"), rgb("c9705a"), rgb("f0e6d2"))
_ROOFS = (rgb("8a2f26"), rgb("5c5a5e"), rgb("3f6f5a"), rgb("a8552f"), rgb("4a4f6a"), rgb("c49a3a"))
_WINDOW = rgb("ffd27a")


def roof(brush: Brush, *, foot: float, half: float, top_half: float, rise: float, color: Color) -> None:
    """Draw a roof that sweeps out to raised corners.

    Args:
        brush: The brush.
        foot: Height of the eaves.
        half: Half the width between the corners.
        top_half: Half the width of the ridge.
        rise: Height from the eaves to the ridge.
        color: Color of the tiles.
    """
    lift = rise * 0.35
    left: list[Point] = curve((-half, foot + lift), (-half * 0.72, foot), (-half * 0.4, foot), n_points=6)
    right = [(-x, y) for x, y in reversed(left)]
    slope = curve(
        (half, foot + lift), (top_half * 1.15, foot + rise * 0.4), (top_half, foot + rise), n_points=7
    )
    back = [(-x, y) for x, y in reversed(slope)]
    brush.polygon([*left, *right, *slope, *back], color)
    lit = [(0.0, foot), *[(brush.lit * x, y) for x, y in right], *[(brush.lit * x, y) for x, y in slope]]
    brush.polygon([*lit, (0.0, foot + rise)], mix(color, rgb("ffe9b0"), 0.16))
    eaves = [(x, y - rise * 0.03) for x, y in [*left, *right]]
    brush.line(eaves, mix(color, BLACK, 0.4), width=rise * 0.1)
    brush.line([(-top_half, foot + rise), (top_half, foot + rise)], mix(color, BLACK, 0.3), width=rise * 0.09)


def _storey(brush: Brush, *, foot: float, half: float, rise: float, wall: Color) -> None:
    """Draw walls with windows or a dark arch."""
    brush.polygon(block(-half, foot, half, foot + rise), wall)
    shade = sorted((0.0, -brush.lit * half))
    brush.polygon(block(shade[0], foot, shade[1], foot + rise), BLACK, alpha=34)
    glass = mix(wall, rgb("2a1a18"), 0.7)
    n_windows = 1 if half < 0.06 else 3
    for step in range(n_windows):
        x = (step - (n_windows - 1) / 2) * half * 0.62
        wide, tall = half * (0.17 if n_windows > 1 else 0.3), rise * 0.62
        arch = arc((x, foot + tall * 0.7), (wide, tall * 0.3), start=0, stop=1, n_points=7)
        brush.polygon([(x + wide, foot), *arch, (x - wide, foot)], glass)
        if brush.darkness > 0.3:
            brush.polygon([(x + wide, foot), *arch, (x - wide, foot)], _WINDOW, tone="lamp", alpha=210)


def draw_storeyed(brush: Brush) -> None:
    """Draw a pagoda of three to nine storeys, each under its own roof."""
    generator = brush.generator
    wall, tile = pick(generator, _WALLS), pick(generator, _ROOFS)
    n_storeys = int(generator.integers(3, 10))
    half, shrink = generator.uniform(0.1, 0.22), generator.uniform(0.25, 0.6)
    eaves = generator.uniform(1.3, 1.75)
    brush.polygon(block(-half * 1.5, 0, half * 1.5, 0.035), rgb("a89c8a"))
    brush.polygon(block(-half * 1.3, 0.035, half * 1.3, 0.055), rgb("c2b7a2"))
    step = 0.79 / n_storeys
    for storey in range(n_storeys):
        foot, here = 0.055 + storey * step, half * (1 - shrink * storey / n_storeys)
        _storey(brush, foot=foot, half=here, rise=step * 0.62, wall=wall)
        top = here * (0.75 if storey < n_storeys - 1 else 0.12)
        rise = step * (0.48 if storey < n_storeys - 1 else 0.75)
        roof(brush, foot=foot + step * 0.52, half=here * eaves, top_half=top, rise=rise, color=tile)
    brush.line([(0, 0.83), (0, 1)], rgb("b89a4a"), width=0.012)
    for height in (0.89, 0.925, 0.955):
        brush.ellipse((0, height), (0.016, 0.008), rgb("d9b95a"))


def draw_temple(brush: Brush) -> None:
    """Draw a temple hall with columns under one or two sweeping roofs."""
    generator = brush.generator
    wall, tile = pick(generator, _WALLS), pick(generator, _ROOFS)
    half, double = generator.uniform(0.55, 0.85), generator.random() < 0.6
    body = 0.36 if double else 0.5
    brush.polygon(block(-half * 1.15, 0, half * 1.15, 0.07), rgb("b8ad99"))
    brush.polygon(block(-half * 0.25, 0, half * 0.25, 0.05), rgb("d0c6b2"))
    brush.polygon(block(-half, 0.07, half, body), mix(wall, BLACK, 0.35))
    if brush.darkness > 0.3:
        brush.polygon(block(-half * 0.8, 0.09, half * 0.8, body), _WINDOW, tone="lamp", alpha=120)
    column = pick(generator, (rgb("a8342a"), rgb("7a4a30"), rgb("d9c9a8")))
    for step in range(7):
        x = half * (step - 3) / 3.2
        brush.line([(x, 0.07), (x, body)], column, width=0.045)
    roof(
        brush,
        foot=body - 0.02,
        half=half * 1.35,
        top_half=half * (0.75 if double else 0.6),
        rise=0.3,
        color=tile,
    )
    if double:
        brush.polygon(block(-half * 0.6, 0.63, half * 0.6, 0.74), wall)
        roof(brush, foot=0.7, half=half * 0.98, top_half=half * 0.42, rise=0.26, color=tile)
    ridge = 0.95 if double else 0.77
    for side in (-1, 1):
        horn = curve(
            (side * half * 0.4, ridge - 0.02), (side * half * 0.5, ridge), (side * half * 0.46, ridge + 0.07)
        )
        brush.line(horn, mix(tile, rgb("e8c060"), 0.4), width=0.025)
    brush.ellipse((0, ridge + 0.03), (0.03, 0.035), rgb("e8b04a"))


def draw_pillar_pagoda(brush: Brush) -> None:
    """Draw a small square temple on a single pillar."""
    generator = brush.generator
    wall, tile = pick(generator, _WALLS), pick(generator, _ROOFS)
    brush.wash(block(-0.1, 0, 0.1, 0.34), rgb("c4b8a2"), rgb("8d8272"))
    for side in (-1, 1):
        brush.line(
            curve((side * 0.08, 0.16), (side * 0.2, 0.22), (side * 0.33, 0.36)), rgb("6a4630"), width=0.04
        )
    brush.polygon(block(-0.42, 0.35, 0.42, 0.4), rgb("7a4f34"))
    for step in range(9):
        brush.line([(-0.4 + 0.1 * step, 0.4), (-0.4 + 0.1 * step, 0.48)], rgb("8a5a3a"), width=0.02)
    brush.line([(-0.42, 0.48), (0.42, 0.48)], rgb("8a5a3a"), width=0.025)
    _storey(brush, foot=0.4, half=0.27, rise=0.22, wall=wall)
    roof(brush, foot=0.6, half=0.52, top_half=0.16, rise=0.28, color=tile)
    brush.line([(0, 0.86), (0, 1)], rgb("b89a4a"), width=0.03)


def draw_stupa(brush: Brush) -> None:
    """Draw a stone stupa: stacked squares with arches under a small roof, as on Turtle Island."""
    generator = brush.generator
    stone = pick(generator, (rgb("b7ab93"), rgb("a09a8e"), rgb("c9b08a"), rgb("e2d8c0")))
    tile, foot = pick(generator, _ROOFS), 0.0
    for storey, (half, rise) in enumerate(((0.34, 0.3), (0.26, 0.22), (0.18, 0.18))):
        brush.wash(block(-half, foot, half, foot + rise), stone, mix(stone, rgb("4a5038"), 0.3))
        brush.polygon(
            block(-half * 1.07, foot + rise - 0.02, half * 1.07, foot + rise + 0.012), mix(stone, WHITE, 0.2)
        )
        for step in range(3 - storey):
            x, wide = (step - (2 - storey) / 2) * half * 0.62, half * 0.17 + 0.008 * storey
            arch = arc((x, foot + rise * 0.5), (wide, rise * 0.24), start=0, stop=1, n_points=8)
            brush.polygon([(x + wide, foot + 0.02), *arch, (x - wide, foot + 0.02)], rgb("2f2a26"))
            if brush.darkness > 0.3:
                brush.polygon(
                    [(x + wide, foot + 0.02), *arch, (x - wide, foot + 0.02)], _WINDOW, tone="lamp", alpha=170
                )
        foot += rise
    roof(brush, foot=foot, half=0.26, top_half=0.05, rise=0.2, color=tile)
    brush.line([(0, 0.88), (0, 1)], rgb("8a7a5a"), width=0.02)


PAGODAS: dict[str, Drawing] = {
    "storeyed": draw_storeyed,
    "temple": draw_temple,
    "pillar": draw_pillar_pagoda,
    "stupa": draw_stupa,
}


def draw_gate(brush: Brush) -> None:
    """Draw an old city gate: walls with an arch and battlements, no sweeping roof."""
    generator = brush.generator
    stone = pick(generator, (rgb("b09a7a"), rgb("9c9488"), rgb("c08a62"), rgb("d8c294")))
    half = generator.uniform(0.6, 0.95)
    brush.wash(block(-half, 0, half, 0.8), stone, mix(stone, BLACK, 0.25))
    for step in range(7):
        x = -half + half * 2 * (step + 0.1) / 6.8
        brush.polygon(block(x, 0.8, x + half * 0.16, 0.9), stone)
    arch = arc((0, 0.34), (0.24, 0.24), start=0, stop=1, n_points=12)
    brush.polygon([(0.24, 0), *arch, (-0.24, 0)], rgb("3a302a"))
    brush.polygon(block(-half * 0.5, 0.64, half * 0.5, 0.74), rgb("8a2f26"))
    brush.line([(0, 0.9), (0, 1)], rgb("5a4a3a"), width=0.02)
