"""Towers, and the chimneys and masts that are easily taken for them.

In:  a brush whose unit is the height of the tower.
Out: the drawn tower.
"""

from itertools import pairwise
from math import cos, pi, sin

from tools.postcards.canvas import Brush, Drawing, arc, block, curve
from tools.postcards.light import BLACK, WHITE, Color, mix, pick, rgb

_STONE = (rgb("c08a62"), rgb("d8c9a8"), rgb("a9a196"), rgb("b5684a"), rgb("efe6d6"), rgb("c9b08a"))
_FLAGS = (rgb("d8302a"), rgb("e8b83a"), rgb("2f6f9a"))
_WINDOW = rgb("ffd27a")


def _shade_side(brush: Brush, *, half: float, low: float, high: float) -> None:
    """Darken the side of a wall that the light does not reach."""
    left, right = sorted((-brush.lit * half, -brush.lit * half * 0.2))
    brush.polygon(block(left, low, right, high), BLACK, alpha=45)


def _slits(brush: Brush, *, half: float, low: float, high: float, n_slits: int) -> None:
    for step in range(n_slits):
        y = low + (high - low) * (step + 0.5) / n_slits
        slit = block(-half * 0.14, y, half * 0.14, y + (high - low) * 0.32 / n_slits)
        brush.polygon(slit, rgb("2f2624"))
        if brush.darkness > 0.3:
            brush.polygon(slit, _WINDOW, tone="lamp", alpha=200)


def draw_flag_tower(brush: Brush) -> None:
    """Draw a brick flag tower on two terraces, a flag on top."""
    generator = brush.generator
    brick, flag = pick(generator, _STONE), pick(generator, _FLAGS)
    for half, low, high in ((0.36, 0, 0.09), (0.26, 0.09, 0.2)):
        slope = [(-half, low), (-half * 0.93, high), (half * 0.93, high), (half, low)]
        brush.wash(slope, brick, mix(brick, BLACK, 0.25))
        brush.polygon(block(-half * 0.96, high - 0.012, half * 0.96, high), mix(brick, WHITE, 0.25))
    shaft = [(-0.105, 0.2), (-0.075, 0.68), (0.075, 0.68), (0.105, 0.2)]
    brush.wash(shaft, mix(brick, WHITE, 0.12), brick)
    _shade_side(brush, half=0.085, low=0.2, high=0.68)
    _slits(brush, half=0.12, low=0.25, high=0.66, n_slits=4)
    brush.polygon(block(-0.1, 0.67, 0.1, 0.71), mix(brick, WHITE, 0.2))
    brush.polygon([(-0.065, 0.71), (-0.05, 0.8), (0.05, 0.8), (0.065, 0.71)], brick)
    brush.line([(0, 0.8), (0, 1)], rgb("4a4a4a"), width=0.012)
    wave = curve((0, 0.995), (0.07, 1.02), (0.15, 0.98)) + curve((0.15, 0.89), (0.07, 0.93), (0, 0.9))
    brush.polygon(wave, flag)


def draw_clock_tower(brush: Brush) -> None:
    """Draw a clock tower; its face is a disc like the sun."""
    generator = brush.generator
    stone, tile = pick(generator, _STONE), pick(generator, (rgb("5a5f6e"), rgb("8a3a2c"), rgb("4a7a68")))
    half = generator.uniform(0.09, 0.14)
    brush.polygon(block(-half * 1.25, 0, half * 1.25, 0.06), mix(stone, BLACK, 0.2))
    brush.wash(block(-half, 0.06, half, 0.74), mix(stone, WHITE, 0.1), stone)
    for level in (0.28, 0.5, 0.73):
        brush.polygon(block(-half * 1.12, level, half * 1.12, level + 0.018), mix(stone, WHITE, 0.3))
    _slits(brush, half=half * 1.4, low=0.1, high=0.48, n_slits=2)
    _shade_side(brush, half=half, low=0.06, high=0.74)
    face = half * 0.66
    brush.ellipse((0, 0.62), (face * 1.15, face * 1.15), mix(tile, BLACK, 0.3))
    brush.ellipse((0, 0.62), (face, face), rgb("fbf3d8"), tone="lamp")
    for angle, reach in ((generator.uniform(0, 2 * pi), 0.8), (generator.uniform(0, 2 * pi), 0.5)):
        brush.line(
            [(0, 0.62), (face * reach * cos(angle), 0.62 + face * reach * sin(angle))], BLACK, width=0.01
        )
    brush.polygon([(-half * 1.2, 0.748), (0, 0.96), (half * 1.2, 0.748)], tile)
    brush.polygon([(0, 0.748), (0, 0.96), (brush.lit * half * 1.2, 0.748)], mix(tile, WHITE, 0.16))
    brush.line([(0, 0.95), (0, 1)], rgb("c9a84a"), width=0.01)


def draw_round_tower(brush: Brush) -> None:
    """Draw a round stone tower with battlements, or with a pointed roof."""
    generator = brush.generator
    stone, half = pick(generator, _STONE), generator.uniform(0.12, 0.18)
    brush.wash(
        [(-half * 1.1, 0), (-half, 0.75), (half, 0.75), (half * 1.1, 0)], stone, mix(stone, BLACK, 0.22)
    )
    _shade_side(brush, half=half, low=0, high=0.75)
    for _ in range(22):
        x, y = generator.uniform(-0.85, 0.85) * half, generator.uniform(0.02, 0.72)
        brush.polygon(block(x, y, x + half * 0.22, y + 0.014), mix(stone, BLACK, generator.uniform(0.1, 0.3)))
    _slits(brush, half=half, low=0.15, high=0.7, n_slits=3)
    brush.polygon(block(-half * 1.2, 0.73, half * 1.2, 0.8), mix(stone, WHITE, 0.12))
    if generator.random() < 0.5:
        for step in range(5):
            x = -half * 1.2 + half * 2.4 * step / 4.6
            brush.polygon(block(x, 0.8, x + half * 0.32, 0.85), mix(stone, WHITE, 0.12))
        brush.line([(0, 0.8), (0, 1)], rgb("4a4038"), width=0.012)
    else:
        brush.polygon([(-half * 1.35, 0.8), (0, 1), (half * 1.35, 0.8)], rgb("7a3f34"))


def draw_mast(brush: Brush) -> None:
    """Draw a lattice tower with two platforms, as for television."""
    generator = brush.generator
    steel = pick(generator, (rgb("5f6670"), rgb("c4513a"), rgb("8f8a80")))
    half = generator.uniform(0.13, 0.22)

    def reach(height: float) -> float:
        return float(half * (1 - height / 0.9) ** 1.7 + 0.012)

    heights = [0.9 * step / 11 for step in range(12)]
    for side in (-1, 1):
        brush.line([(side * reach(y), y) for y in heights], steel, width=0.018)
        for low, high in pairwise(heights):
            brush.line([(side * reach(low), low), (-side * reach(high), high)], steel, width=0.008)
    for height in (0.26, 0.55):
        brush.polygon(
            block(-reach(height) * 1.4, height, reach(height) * 1.4, height + 0.022), mix(steel, BLACK, 0.2)
        )
    brush.line([(0, 0.86), (0, 1)], steel, width=0.014)
    brush.glow((0, 0.99), radius=0.05, color=rgb("ff5040"), strength=0.9 * brush.darkness)


def draw_lookout(brush: Brush) -> None:
    """Draw a modern tower: a slim shaft and a round deck with lit windows."""
    generator = brush.generator
    concrete = pick(generator, (rgb("d6d4ce"), rgb("b8bcc4"), rgb("e8ddc8")))
    brush.polygon([(-0.05, 0), (-0.024, 0.7), (0.024, 0.7), (0.05, 0)], concrete)
    _shade_side(brush, half=0.035, low=0, high=0.7)
    deck = generator.uniform(0.1, 0.15)
    brush.polygon(
        [
            (-0.03, 0.66),
            (-deck, 0.72),
            (-deck, 0.77),
            (-0.04, 0.82),
            (0.04, 0.82),
            (deck, 0.77),
            (deck, 0.72),
            (0.03, 0.66),
        ],
        concrete,
    )
    brush.polygon(block(-deck, 0.73, deck, 0.76), rgb("34495a"))
    if brush.darkness > 0.3:
        brush.polygon(block(-deck, 0.73, deck, 0.76), _WINDOW, tone="lamp")
    brush.line([(0, 0.82), (0, 1)], rgb("c4513a"), width=0.014)


def draw_lighthouse(brush: Brush) -> None:
    """Draw a small striped lighthouse."""
    stripe = pick(brush.generator, (rgb("c8382e"), rgb("2f5f8a"), rgb("3a3a40")))

    def reach(height: float) -> float:
        return 0.15 - 0.065 * height / 0.75

    for step in range(6):
        low, high = 0.75 * step / 6, 0.75 * (step + 1) / 6
        color = stripe if step % 2 else rgb("f4efe4")
        brush.polygon(
            [(-reach(low), low), (-reach(high), high), (reach(high), high), (reach(low), low)], color
        )
    _shade_side(brush, half=0.11, low=0, high=0.75)
    brush.polygon(block(-0.13, 0.75, 0.13, 0.775), rgb("3f4248"))
    brush.polygon(block(-0.06, 0.775, 0.06, 0.88), rgb("ffe9a8"), tone="lamp")
    brush.polygon([*arc((0, 0.88), (0.09, 0.09), start=0, stop=1)], stripe)
    brush.line([(0, 0.96), (0, 1)], rgb("3f4248"), width=0.015)
    brush.glow((0, 0.83), radius=0.3, color=rgb("ffe9a8"), strength=0.8 * brush.darkness)


TOWERS: dict[str, Drawing] = {
    "flag": draw_flag_tower,
    "clock": draw_clock_tower,
    "round": draw_round_tower,
    "mast": draw_mast,
    "lookout": draw_lookout,
    "lighthouse": draw_lighthouse,
}


def draw_chimney(brush: Brush) -> None:
    """Draw a workshop with a smoking brick chimney: no tower."""
    generator = brush.generator
    brick = pick(generator, (rgb("a8583f"), rgb("8f6a55"), rgb("9a9088")))
    brush.polygon(block(-0.55, 0, 0.3, 0.24), mix(brick, rgb("e0d8c8"), 0.35))
    for step in range(4):
        x = -0.55 + 0.2125 * step
        brush.polygon([(x, 0.24), (x, 0.35), (x + 0.2125, 0.24)], mix(brick, BLACK, 0.3))
    brush.wash([(0.02, 0.2), (0.045, 0.8), (0.125, 0.8), (0.15, 0.2)], brick, mix(brick, BLACK, 0.25))
    for band in (0.62, 0.76):
        brush.polygon(block(0.03, band, 0.14, band + 0.03), rgb("efe6d6"))
    for step in range(7):
        size = 0.035 + 0.02 * step
        centre = (0.085 + 0.055 * step + generator.uniform(-0.03, 0.03), 0.82 + 0.026 * step)
        brush.ellipse(centre, (size, size * 0.7), rgb("efece6"), alpha=120 - 12 * step)


def draw_pylon(brush: Brush) -> None:
    """Draw a power pylon with three pairs of arms and loose wires."""
    steel: Color = rgb("6f757a")
    for side in (-1, 1):
        brush.line([(side * 0.13, 0), (side * 0.03, 0.6), (side * 0.015, 1)], steel, width=0.012)
        for step in range(6):
            low, high = 0.1 * step, 0.1 * (step + 1)
            ends = [(side * (0.13 - 0.165 * low), low), (-side * (0.13 - 0.165 * high), high)]
            brush.line(ends, steel, width=0.006)
        for height, reach in ((0.66, 0.26), (0.78, 0.22), (0.9, 0.16)):
            brush.line([(0, height + 0.03), (side * reach, height)], steel, width=0.01)
            wire = curve(
                (side * reach, height - 0.02), (side * 0.7, height - 0.2), (side * 1.6, height - 0.06)
            )
            brush.line(wire, steel, width=0.004, alpha=190)
