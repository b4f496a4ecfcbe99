"""Plants: trees of many kinds, lotus, and what is easily taken for them.

In:  a brush whose unit is the height of the tree, or half the width of a patch on the water.
Out: the drawn plant.
"""

from collections.abc import Sequence
from math import cos, pi, sin

from tools.postcards.canvas import Brush, Drawing, Point, arc, curve
from tools.postcards.light import BLACK, WHITE, Color, mix, pick, rgb

_BARK = (rgb("6b4a34"), rgb("5a4a42"), rgb("7d6248"), rgb("8a7f74"))
_GREEN = (rgb("4f8a3c"), rgb("3c6e46"), rgb("7a9a3a"), rgb("5c8f6a"), rgb("8aa84c"), rgb("2f5d3e"))
_LEAVES = (*_GREEN, *_GREEN, rgb("d8842f"), rgb("c4502e"), rgb("e0b040"), rgb("e79ab4"), rgb("d8433a"))
_LOTUS = (rgb("e86f9a"), rgb("f3a3bf"), rgb("f7e3e6"), rgb("d9588a"))


def _trunk(brush: Brush, *, top: Point, width: float) -> Color:
    bark = pick(brush.generator, _BARK)
    left = curve((-width, 0), (-width * 0.4, top[1] * 0.3), (top[0] - width * 0.35, top[1]), n_points=6)
    right = curve((top[0] + width * 0.35, top[1]), (width * 0.4, top[1] * 0.3), (width, 0), n_points=6)
    brush.polygon([*left, *right], bark)
    shade = mix(bark, BLACK, 0.3)
    brush.line(
        [(-brush.lit * width * 0.4, 0), (top[0] - brush.lit * width * 0.2, top[1])], shade, width=width * 0.5
    )
    return bark


def _crown(brush: Brush, blobs: Sequence[tuple[Point, Point]], leaf: Color) -> None:
    """Draw clumps of leaves: dark ones first, then smaller and lighter ones towards the light."""
    generator, lit = brush.generator, brush.lit
    dark, light = mix(leaf, rgb("10241c"), 0.38), mix(leaf, rgb("fff2a0"), 0.28)
    for centre, radii in blobs:
        brush.ellipse(centre, radii, dark)
    for tone, shift, share, n_leaves in ((dark, 0.0, 0.34, 7), (leaf, 0.2, 0.4, 8), (light, 0.42, 0.2, 7)):
        for (x, y), (across, up) in blobs:
            for angle, reach, size in generator.random((n_leaves, 3)).tolist():
                far = (0.35 + 0.6 * reach) * (1 - 0.7 * shift)
                along, lift = far * cos(2 * pi * angle) + lit * shift, far * sin(2 * pi * angle) + shift
                leaves = share * (0.6 + 0.8 * size)
                brush.ellipse(
                    (x + across * along, y + up * lift), (across * leaves, up * leaves * 0.85), tone
                )


def draw_broadleaf(brush: Brush) -> None:
    """Draw a tree with a round crown; some carry fruit that looks like small lanterns."""
    generator = brush.generator
    leaf, lean = pick(generator, _LEAVES), generator.uniform(-0.08, 0.08)
    bark = _trunk(brush, top=(lean, 0.55), width=generator.uniform(0.03, 0.05))
    for side in (-1, 1):
        brush.line([(lean * 0.6, 0.36), (lean + side * 0.14, 0.62)], bark, width=0.022)
    wide = generator.uniform(0.75, 1.35)
    blobs = []
    for step in range(int(generator.integers(9, 15))):
        angle, reach = 2.4 * step, 0.26 * (step / 14) ** 0.5 + 0.05
        size = generator.uniform(0.1, 0.17)
        centre = (lean + reach * cos(angle) * wide, 0.68 + 0.75 * reach * sin(angle))
        blobs.append((centre, (size * wide**0.5, size)))
    _crown(brush, blobs, leaf)
    if generator.random() < 0.15:
        fruit = pick(generator, (rgb("f08a24"), rgb("d8342c"), rgb("f2c53a")))
        for _ in range(int(generator.integers(6, 22))):
            (x, y), (across, up) = pick(generator, blobs)
            place = (x + across * generator.uniform(-0.7, 0.7), y + up * generator.uniform(-0.8, 0.5))
            brush.ellipse(place, (0.016, 0.017), fruit)


def draw_willow(brush: Brush) -> None:
    """Draw a willow whose strands hang towards the ground."""
    generator = brush.generator
    leaf, lean = pick(generator, _GREEN), generator.uniform(-0.15, 0.15)
    _trunk(brush, top=(lean, 0.7), width=0.045)
    blobs = [
        ((lean + 0.27 * cos(a), 0.79 + 0.09 * sin(a)), (0.15, 0.11)) for a in (0.2, 1.2, 2.0, 3.0, 4.4, 5.4)
    ]
    _crown(brush, blobs, leaf)
    for _ in range(46):
        x, top = lean + generator.uniform(-0.42, 0.42), generator.uniform(0.66, 0.86)
        length = generator.uniform(0.25, 0.62) * (0.75 + 0.5 * abs(x - lean))
        low = (x + 0.09 * (x - lean) + generator.uniform(-0.02, 0.05), max(0.05, top - length))
        tone = mix(leaf, pick(generator, (BLACK, rgb("e8f0a0"))), generator.uniform(0.05, 0.35))
        brush.line(curve((x, top), (x + 0.25 * (x - lean), top - 0.1), low, n_points=6), tone, width=0.011)


def draw_palm(brush: Brush) -> None:
    """Draw a palm."""
    generator = brush.generator
    lean = generator.uniform(-0.3, 0.3)
    stem = curve((0, 0), (lean * 0.15, 0.5), (lean, 0.78), n_points=12)
    brush.line(stem, pick(generator, _BARK), width=0.038)
    leaf = pick(generator, _GREEN)
    for _ in range(int(generator.integers(9, 14))):
        angle = generator.uniform(-0.25, 1.25) * pi
        reach = generator.uniform(0.24, 0.36)
        tip = (lean + reach * cos(angle) * 1.15, 0.78 + reach * sin(angle) * 0.75 - 0.1)
        bow = (lean + 0.55 * reach * cos(angle), 0.84 + 0.65 * reach * abs(sin(angle)))
        upper = curve((lean, 0.79), bow, tip, n_points=8)
        lower = curve(tip, (bow[0], bow[1] - 0.075), (lean, 0.765), n_points=8)
        brush.polygon(
            [*upper, *lower], mix(leaf, pick(generator, (BLACK, rgb("f0f0a0"))), generator.uniform(0, 0.35))
        )
    for _ in range(3):
        brush.ellipse((lean + generator.uniform(-0.04, 0.04), 0.76), (0.022, 0.024), rgb("8a5f2c"))


def draw_pine(brush: Brush) -> None:
    """Draw a leaning pine with flat clouds of needles, as in a garden."""
    generator = brush.generator
    leaf, lean = pick(generator, _GREEN), generator.uniform(-0.25, 0.25)
    bend = (-lean, 0.45)
    stem = curve((0, 0), bend, (lean, 0.86), n_points=10)
    brush.line(stem, pick(generator, _BARK), width=0.045)
    for x, y in stem[3::1]:
        side = pick(generator, (-1, 1)) * generator.uniform(0.06, 0.24)
        across = generator.uniform(0.13, 0.24) * (1.15 - 0.5 * y)
        brush.line([(x, y - 0.03), (x + side, y + 0.03)], rgb("5a4336"), width=0.016)
        for tone, lift, share in ((0.35, 0.0, 1.0), (0.0, 0.018, 0.86), (-0.25, 0.034, 0.55)):
            ink = mix(leaf, BLACK, tone) if tone >= 0 else mix(leaf, rgb("e8f0a0"), -tone)
            brush.ellipse((x + side, y + 0.05 + lift), (across * share, 0.055 * share), ink)


def draw_fir(brush: Brush) -> None:
    """Draw a fir, or a slim cypress."""
    generator = brush.generator
    leaf, wide = mix(pick(generator, _GREEN), rgb("1d3b32"), 0.3), generator.uniform(0.1, 0.3)
    _trunk(brush, top=(0, 0.3), width=0.025)
    if wide < 0.17:
        spindle = [*curve((0, 0.08), (-wide, 0.3), (0, 1.0)), *curve((0, 1.0), (wide, 0.3), (0, 0.08))]
        brush.polygon(spindle, leaf)
        sunny = [*curve((0, 0.1), (brush.lit * wide * 0.8, 0.35), (0, 0.97)), (0, 0.1)]
        brush.polygon(sunny, mix(leaf, rgb("f0f0a0"), 0.2))
        return
    n_tiers = int(generator.integers(4, 7))
    for tier in range(n_tiers):
        low, half = 0.12 + 0.8 * tier / n_tiers, wide * (1 - 0.8 * tier / n_tiers)
        tip = (0, min(1.0, low + 0.36 - 0.02 * tier))
        brush.polygon(
            [(-half, low), tip, (half, low), (half * 0.4, low + 0.03), (-half * 0.4, low + 0.03)], leaf
        )
        side = brush.lit * half
        brush.polygon([(side, low), tip, (side * 0.15, low + 0.03)], mix(leaf, rgb("f0f0a0"), 0.18))


def draw_branching(brush: Brush) -> None:
    """Draw a tree whose branches are seen: bare, or in blossom."""
    generator = brush.generator
    bark = pick(generator, _BARK)
    blossom = pick(generator, (None, rgb("f2a8bf"), rgb("f7e6ea"), rgb("e23c34"), rgb("f0c040")))
    ends: list[Point] = []

    def grow(foot: Point, angle: float, length: float, level: int) -> None:
        tip = (foot[0] + length * cos(angle), foot[1] + length * sin(angle))
        brush.line([foot, tip], bark, width=0.008 + 0.011 * level)
        ends.append(tip)
        if level > 0:
            for turn in (-1, 1):
                bend = turn * generator.uniform(0.22, 0.6)
                grow(tip, angle + bend, length * generator.uniform(0.66, 0.84), level - 1)

    grow((0, 0), pi / 2 + generator.uniform(-0.12, 0.12), 0.3, 4)
    if blossom is not None:
        for x, y in ends[4:]:
            for _ in range(3):
                place = (x + generator.normal(0, 0.03), y + generator.normal(0, 0.025))
                size, tone = (
                    generator.uniform(0.012, 0.03),
                    mix(blossom, pick(generator, (WHITE, BLACK)), 0.18),
                )
                brush.ellipse(place, (size, size), tone)


def draw_bamboo(brush: Brush) -> None:
    """Draw a clump of bamboo: tall bent stems with leaves along them."""
    generator = brush.generator
    leaf = pick(generator, _GREEN)
    for _ in range(int(generator.integers(6, 12))):
        foot, tip = generator.uniform(-0.1, 0.1), generator.uniform(-0.38, 0.38)
        stem = curve((foot, 0), (foot, 0.7), (foot + tip, generator.uniform(0.75, 1)), n_points=9)
        brush.line(stem, mix(leaf, rgb("e0d070"), 0.35), width=0.016)
        for x, y in stem[3:]:
            for _ in range(4):
                reach, drop = generator.uniform(-0.13, 0.13), generator.uniform(0.02, 0.1)
                tone = mix(leaf, pick(generator, (BLACK, rgb("f0f0a0"))), generator.uniform(0, 0.3))
                brush.polygon([(x, y), (x + reach * 0.5, y), (x + reach, y - drop)], tone)


TREES: dict[str, Drawing] = {
    "broadleaf": draw_broadleaf,
    "willow": draw_willow,
    "palm": draw_palm,
    "pine": draw_pine,
    "fir": draw_fir,
    "branching": draw_branching,
    "bamboo": draw_bamboo,
}


def draw_bush(brush: Brush) -> None:
    """Draw a bush without a trunk, often in flower."""
    generator = brush.generator
    leaf = pick(generator, _LEAVES)
    blobs = []
    for _ in range(int(generator.integers(4, 8))):
        size = generator.uniform(0.25, 0.42)
        blobs.append(((generator.uniform(-0.75, 0.75), size * 0.75), (size * 1.2, size)))
    _crown(brush, blobs, leaf)
    if generator.random() < 0.4:
        petal = pick(generator, (*_LOTUS, rgb("f4d24a"), rgb("e2453a")))
        for _ in range(26):
            place = (generator.uniform(-0.9, 0.9), generator.uniform(0.08, 0.7))
            brush.ellipse(place, (0.035, 0.035), petal)


def draw_reeds(brush: Brush) -> None:
    """Draw reeds: blades and a few brown heads."""
    generator = brush.generator
    leaf = mix(pick(generator, _GREEN), rgb("c8b060"), generator.uniform(0, 0.6))
    for blade in range(int(generator.integers(14, 30))):
        foot, lean = generator.uniform(-0.5, 0.5), generator.uniform(-0.3, 0.3)
        tall = generator.uniform(0.5, 1)
        tip = (foot + lean, tall)
        tone = mix(leaf, pick(generator, (BLACK, rgb("f0f0a0"))), generator.uniform(0, 0.35))
        brush.line(curve((foot, 0), (foot, tall * 0.6), tip, n_points=6), tone, width=0.022)
        if blade % 7 == 0:
            brush.line([tip, (tip[0] + lean * 0.1, tall - 0.16)], rgb("6d4526"), width=0.05)


def _pad(brush: Brush, *, centre: Point, radius: float, leaf: Color) -> None:
    """Draw a floating leaf with a notch, seen from the side."""
    start = brush.generator.uniform(0, 2)
    rim = arc(centre, (radius, radius * 0.3), start=start + 0.08, stop=start + 1.92, n_points=16)
    brush.polygon([centre, *rim], leaf)
    shine = [(centre[0], centre[1]), *rim[3:8]]
    brush.polygon(shine, mix(leaf, rgb("e8ffd0"), 0.25))


def _flower(brush: Brush, *, foot: Point, size: float, petal: Color) -> None:
    """Draw an open lotus flower or a bud on a short stem."""
    generator = brush.generator
    x, y = foot
    rise = size * generator.uniform(0.1, 1.1)
    brush.line([(x, y), (x, y + rise)], rgb("5f8a4a"), width=size * 0.09)
    spread = 0.15 if generator.random() < 0.2 else generator.uniform(0.75, 1.15)
    for turn in (-1.0, 1.0, -0.62, 0.62, -0.28, 0.28, 0.0):
        angle = pi / 2 + turn * spread * 1.15
        tip = (x + size * cos(angle) * 0.95, y + rise + size * (0.12 + 0.8 * sin(angle)))
        flank = (-sin(angle) * size * 0.34, cos(angle) * size * 0.34)
        middle = ((x + tip[0]) / 2, (y + rise + tip[1]) / 2)
        one = curve((x, y + rise), (middle[0] + flank[0], middle[1] + flank[1]), tip, n_points=6)
        other = curve(tip, (middle[0] - flank[0], middle[1] - flank[1]), (x, y + rise), n_points=6)
        brush.polygon([*one, *other], mix(petal, WHITE, 0.55 * abs(turn)))
    if spread > 0.5:
        brush.ellipse((x, y + rise + size * 0.14), (size * 0.16, size * 0.08), rgb("f2cf5a"))


def draw_lotus(brush: Brush) -> None:
    """Draw a patch of lotus on the water, 2 units wide: leaves and two to six flowers or buds."""
    generator = brush.generator
    leaf, petal = pick(generator, _GREEN), pick(generator, _LOTUS)
    places = [
        (generator.uniform(-0.9, 0.9), generator.uniform(0, 0.42))
        for _ in range(int(generator.integers(7, 20)))
    ]
    for centre in sorted(places, key=lambda place: -place[1]):
        tone = mix(leaf, pick(generator, (BLACK, rgb("d0e8b0"))), generator.uniform(0, 0.3))
        _pad(brush, centre=centre, radius=generator.uniform(0.12, 0.25), leaf=tone)
    size = generator.uniform(0.18, 0.3)
    for x, y in sorted(places[: int(generator.integers(2, 7))], key=lambda place: -place[1]):
        _flower(brush, foot=(x * 0.85, y), size=size * generator.uniform(0.75, 1.2), petal=petal)


def draw_potted_lotus(brush: Brush) -> None:
    """Draw a glazed bowl with lotus, about 1 unit high."""
    generator = brush.generator
    glaze = pick(generator, (rgb("3f6f9a"), rgb("8a4a34"), rgb("4a7a5c"), rgb("d8d2c0")))
    leaf, petal = pick(generator, _GREEN), pick(generator, _LOTUS)
    bowl = [
        (-0.45, 0.42),
        *curve((-0.42, 0.4), (-0.36, 0.0), (-0.2, 0)),
        *curve((0.2, 0), (0.36, 0), (0.42, 0.4)),
        (0.45, 0.42),
    ]
    brush.wash(bowl, glaze, mix(glaze, BLACK, 0.35))
    brush.ellipse((0, 0.42), (0.45, 0.07), mix(glaze, BLACK, 0.5))
    for _ in range(6):
        centre = (generator.uniform(-0.4, 0.4), generator.uniform(0.42, 0.66))
        brush.line([(centre[0] * 0.3, 0.42), centre], rgb("5f8a4a"), width=0.02)
        _pad(brush, centre=centre, radius=generator.uniform(0.15, 0.26), leaf=leaf)
    for _ in range(int(generator.integers(1, 4))):
        _flower(
            brush, foot=(generator.uniform(-0.3, 0.3), 0.55), size=generator.uniform(0.2, 0.28), petal=petal
        )


def draw_duckweed(brush: Brush) -> None:
    """Draw small leaves and fallen petals on the water: no lotus, though green and pink as one."""
    generator = brush.generator
    leaf, petal = pick(generator, _GREEN), pick(generator, _LOTUS)
    for _ in range(int(generator.integers(25, 70))):
        place = (generator.normal(0, 0.42), 0.2 + generator.normal(0, 0.09))
        size = generator.uniform(0.012, 0.032)
        color = petal if generator.random() < 0.35 else mix(leaf, WHITE, generator.uniform(0, 0.3))
        brush.ellipse(place, (size, size * 0.35), color)


def draw_flower_bed(brush: Brush) -> None:
    """Draw tulips in a row on the bank, pink or red as a lotus is."""
    generator = brush.generator
    petal, leaf = pick(generator, (*_LOTUS, rgb("e2453a"), rgb("f4c63a"))), pick(generator, _GREEN)
    for step in range(int(generator.integers(7, 16))):
        x, tall = -1 + step * 0.17 + generator.uniform(-0.04, 0.04), generator.uniform(0.5, 0.85)
        brush.line([(x, 0), (x, tall)], leaf, width=0.03)
        brush.polygon([(x, 0), (x - 0.1, tall * 0.7), (x - 0.02, 0.1)], leaf)
        cup = [(x - 0.07, tall + 0.15), *arc((x, tall + 0.05), (0.08, 0.09), start=1, stop=2, n_points=6)]
        brush.polygon([*cup, (x + 0.07, tall + 0.15), (x, tall + 0.06)], petal)
