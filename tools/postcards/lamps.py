"""Paper lanterns, and the lights and balls that are easily taken for them.

In:  a brush whose unit is the height of the hanging or standing thing.
Out: the drawn thing.
"""

from collections.abc import Sequence
from math import sin

from tools.postcards.canvas import Brush, Point, arc, block, curve
from tools.postcards.light import BLACK, WHITE, Color, mix, pick, rgb

_SILK = (
    rgb("d8302a"),
    rgb("d8302a"),
    rgb("f0a52e"),
    rgb("e86f3a"),
    rgb("f4d35e"),
    rgb("8a4fa0"),
    rgb("4f9a6a"),
    rgb("4a86c0"),
)
_GAY = (rgb("d8402f"), rgb("f2c53a"), rgb("4a9ac0"), rgb("5aa66a"), rgb("e88aa8"), rgb("f6f0e2"))
_WARM = rgb("ffc46a")


def _body(shape: str) -> list[Point]:
    """Return the outline of a lantern of height 0.62 and its middle at height 0.46."""
    match shape:
        case "round":
            return arc((0, 0.46), (0.34, 0.28), start=0, stop=2, n_points=26)
        case "long":
            return arc((0, 0.46), (0.22, 0.31), start=0, stop=2, n_points=26)
        case "onion":
            half = [(0.1, 0.76), *curve((0.16, 0.72), (0.5, 0.6), (0.12, 0.2), n_points=10)]
        case _:
            half = [(0.2, 0.74), *curve((0.24, 0.7), (0.29, 0.46), (0.24, 0.22), n_points=8), (0.2, 0.18)]
    return [*half, *[(-x, y) for x, y in reversed(half)]]


def draw_lantern(brush: Brush) -> None:
    """Draw a silk lantern that hangs: cap, ribs, tassel; it glows in the dark."""
    generator = brush.generator
    silk, shape = pick(generator, _SILK), pick(generator, ("round", "round", "long", "onion", "drum"))
    outline = _body(shape)
    warm = mix(silk, rgb("fff0b0"), 0.35)
    brush.glow((0, 0.46), radius=1.0, color=mix(silk, _WARM, 0.6), strength=0.75 * brush.darkness)
    brush.line([(0, 0.74), (0, 1)], rgb("4a3a30"), width=0.02)
    brush.polygon(outline, silk, tone="lamp")
    inner = [(x * 0.62, 0.46 + (y - 0.46) * 0.86) for x, y in outline]
    brush.polygon(inner, warm if brush.darkness > 0.3 else mix(silk, WHITE, 0.14), tone="lamp", alpha=190)
    for share in (-0.72, -0.36, 0.0, 0.36, 0.72):
        rib = [(x * share, y) for x, y in outline[: len(outline) // 2 + 1] if x >= 0]
        brush.line(rib, mix(silk, BLACK, 0.3), width=0.012, alpha=190)
    trim = rgb("e8b84a")
    for low in (0.13, 0.73):
        brush.polygon(block(-0.12, low, 0.12, low + 0.05), trim)
    tassel = pick(generator, (trim, silk))
    for x in (-0.04, 0.0, 0.04):
        brush.line([(x * 0.5, 0.13), (x, 0)], tassel, width=0.028)


def draw_cord(brush: Brush, *, points: Sequence[Point]) -> None:
    """Draw the cord that lanterns hang from; points in units of the brush."""
    brush.line(points, rgb("4a3a30"), width=0.003)


def draw_street_lamp(brush: Brush) -> None:
    """Draw an iron street lamp with one to three milk-glass globes."""
    generator = brush.generator
    iron: Color = pick(generator, (rgb("33413d"), rgb("3a3a42"), rgb("4a4036")))
    brush.polygon([(-0.05, 0), (-0.02, 0.1), (0.02, 0.1), (0.05, 0)], iron)
    brush.line([(0, 0.05), (0, 0.88)], iron, width=0.022)
    globes = pick(
        generator, (((0.0, 0.93),), ((-0.14, 0.84), (0.14, 0.84)), ((-0.15, 0.82), (0.15, 0.82), (0.0, 0.94)))
    )
    glass = pick(generator, (rgb("fff3d0"), rgb("ffe0a0"), rgb("f4f4ec")))
    for x, y in globes:
        if x:
            brush.line(curve((0, y - 0.1), (x, y - 0.12), (x, y - 0.05)), iron, width=0.014)
        brush.glow((x, y), radius=0.32, color=_WARM, strength=0.8 * brush.darkness)
        brush.ellipse((x, y), (0.055, 0.055), glass, tone="lamp")
        brush.polygon(block(x - 0.03, y - 0.065, x + 0.03, y - 0.045), iron)
        brush.line([(x, y + 0.05), (x, y + 0.075)], iron, width=0.012)


def draw_bunting(brush: Brush) -> None:
    """Draw a string of small flags, 2 units long and hung in a bow."""
    generator = brush.generator
    sag = generator.uniform(0.2, 0.5)
    cord = curve((-1, 0), (0, -2 * sag), (1, generator.uniform(-0.1, 0.1)), n_points=19)
    brush.line(cord, rgb("5a5048"), width=0.008)
    flags = [pick(generator, _GAY) for _ in range(3)]
    for step, (x, y) in enumerate(cord[1:-1]):
        brush.polygon([(x - 0.035, y), (x + 0.035, y), (x, y - 0.1)], flags[step % 3])


def draw_fairy_lights(brush: Brush) -> None:
    """Draw a string of bulbs, 2 units long and hung in a bow."""
    generator = brush.generator
    sag = generator.uniform(0.15, 0.5)
    cord = curve((-1, 0), (0, -2 * sag), (1, generator.uniform(-0.1, 0.1)), n_points=23)
    brush.line(cord, rgb("3f3a36"), width=0.007)
    for x, y in cord[1:-1]:
        brush.glow((x, y - 0.02), radius=0.07, color=_WARM, strength=0.9 * brush.darkness)
        brush.ellipse((x, y - 0.022), (0.014, 0.019), rgb("ffe6a0"), tone="lamp")


def draw_balloons(brush: Brush) -> None:
    """Draw a bunch of toy balloons: round and red as a lantern, but no lantern."""
    generator = brush.generator
    for step in range(int(generator.integers(3, 8))):
        x, y = 0.24 * sin(2.3 * step), 0.7 + 0.2 * sin(1.7 * step + 1)
        color = pick(generator, _GAY)
        brush.line(curve((0, 0), (x * 0.2, 0.4), (x, y - 0.12)), rgb("f0ece0"), width=0.006, alpha=180)
        brush.ellipse((x, y), (0.105, 0.125), color)
        brush.ellipse((x + brush.lit * 0.035, y + 0.045), (0.025, 0.035), mix(color, WHITE, 0.6))
