"""What fills a city and carries no label: houses, people, stalls, fences, wires.

In:  a brush whose unit is the height of the thing.
Out: the drawn thing.
"""

from math import cos, pi, sin

from tools.postcards.canvas import Brush, arc, block, curve
from tools.postcards.light import BLACK, WHITE, Color, mix, pick, rgb

_WALLS = (
    rgb("f0d9a8"),
    rgb("e8b87a"),
    rgb("d98f6a"),
    rgb("bcd0c4"),
    rgb("f2ebdc"),
    rgb("9fb8c8"),
    rgb("e6c65a"),
    rgb("d8a8a0"),
)
_TILES = (rgb("a8483a"), rgb("7a4f3f"), rgb("6a6a72"), rgb("b8683f"), rgb("4f6a72"))
_CLOTH = (
    rgb("c8402f"),
    rgb("2f6f8a"),
    rgb("e8b23a"),
    rgb("4f8a5a"),
    rgb("8a5a8a"),
    rgb("f4ecdc"),
    rgb("3f4a5a"),
)
_WINDOW = rgb("ffd27a")


def draw_house(brush: Brush) -> None:
    """Draw a narrow house with shuttered windows and a pitched or a flat roof."""
    generator = brush.generator
    wall, tile = pick(generator, _WALLS), pick(generator, _TILES)
    half, eaves = generator.uniform(0.2, 0.42), generator.uniform(0.7, 0.86)
    brush.wash(block(-half, 0, half, eaves), wall, mix(wall, BLACK, 0.12))
    n_floors = int(generator.integers(2, 5))
    shutter = mix(pick(generator, _CLOTH), BLACK, 0.2)
    for floor in range(n_floors):
        low, tall = eaves * (floor + 0.25) / n_floors, eaves * 0.5 / n_floors
        for x in (-half * 0.5, half * 0.5):
            lit = generator.random() < 0.6
            pane = block(x - half * 0.22, low, x + half * 0.22, low + tall)
            brush.polygon(block(x - half * 0.36, low, x + half * 0.36, low + tall), shutter)
            brush.polygon(pane, rgb("45525c"))
            if lit and brush.darkness > 0.3:
                brush.polygon(pane, _WINDOW, tone="lamp", alpha=225)
        if generator.random() < 0.35:
            brush.polygon(block(-half * 1.05, low - 0.02, half * 1.05, low), mix(wall, BLACK, 0.3))
    match pick(generator, ("pitched", "pitched", "hipped", "flat")):
        case "pitched":
            brush.polygon([(-half * 1.12, eaves - 0.01), (0, 1), (half * 1.12, eaves - 0.01)], tile)
        case "hipped":
            ridge = [(-half * 0.5, eaves + 0.12), (half * 0.5, eaves + 0.12)]
            brush.polygon([(-half * 1.15, eaves - 0.01), *ridge, (half * 1.15, eaves - 0.01)], tile)
        case _:
            brush.polygon(block(-half * 1.06, eaves, half * 1.06, eaves + 0.04), mix(wall, WHITE, 0.3))


def draw_houses(brush: Brush) -> None:
    """Draw a far row of plain houses, 6 units long."""
    generator = brush.generator
    x = -3.0
    while x < 3.0:
        wide, tall = generator.uniform(0.35, 0.8), generator.uniform(0.45, 0.85)
        wall, tile = pick(generator, _WALLS), pick(generator, _TILES)
        brush.polygon(block(x, 0, x + wide, tall), wall)
        if generator.random() < 0.7:
            brush.polygon([(x - 0.03, tall), (x + wide / 2, tall + 0.24), (x + wide + 0.03, tall)], tile)
        for floor in range(int(tall / 0.26)):
            for step in (0.22, 0.62):
                pane = block(
                    x + wide * step, 0.08 + 0.26 * floor, x + wide * (step + 0.18), 0.22 + 0.26 * floor
                )
                glowing = brush.darkness > 0.3 and generator.random() < 0.6
                brush.polygon(pane, _WINDOW if glowing else rgb("4f5a62"), tone="lamp" if glowing else "lit")
        x += wide + generator.uniform(-0.02, 0.12)


def draw_skyline(brush: Brush) -> None:
    """Draw far blocks of flats, 6 units long."""
    generator = brush.generator
    x, concrete = -3.0, pick(generator, (rgb("8f98a6"), rgb("a89a8f"), rgb("7f8a86")))
    while x < 3.0:
        wide, tall = generator.uniform(0.25, 0.6), generator.uniform(0.3, 1)
        brush.polygon(block(x, 0, x + wide, tall), mix(concrete, WHITE, generator.uniform(0, 0.25)))
        for row in range(int(tall / 0.1)):
            if brush.darkness > 0.3 and generator.random() < 0.7:
                left = x + wide * pick(generator, (0.12, 0.4, 0.68))
                pane = block(left, 0.03 + 0.1 * row, left + wide * 0.18, 0.08 + 0.1 * row)
                brush.polygon(pane, _WINDOW, tone="lamp", alpha=200)
        x += wide + generator.uniform(0, 0.25)


def draw_person(brush: Brush) -> None:
    """Draw somebody who stands or walks: with a conical hat, a plain head, or an umbrella."""
    generator = brush.generator
    coat, legs = pick(generator, _CLOTH), mix(pick(generator, _CLOTH), BLACK, 0.4)
    stride = generator.uniform(0, 0.1)
    for side in (-1, 1):
        brush.line([(0, 0.45), (side * stride, 0)], legs, width=0.08)
    brush.polygon([(-0.15, 0.34), (-0.1, 0.78), (0.1, 0.78), (0.15, 0.34)], coat)
    arm = generator.uniform(-0.25, 0.3)
    brush.line([(0.08, 0.74), (0.14, 0.56), (arm, 0.46)], mix(coat, BLACK, 0.15), width=0.06)
    brush.ellipse((0, 0.86), (0.075, 0.085), rgb("c99a74"))
    match pick(generator, ("hat", "hat", "hair", "umbrella")):
        case "hat":
            brush.polygon([(-0.2, 0.87), (0, 1.0), (0.2, 0.87)], rgb("e6cf96"))
        case "hair":
            brush.polygon(arc((0, 0.88), (0.085, 0.08), start=0, stop=1), rgb("2f2622"))
        case _:
            brush.line([(0.12, 0.6), (0.12, 1.1)], rgb("4a4038"), width=0.02)
            brush.polygon(arc((0.12, 1.02), (0.34, 0.2), start=0, stop=1), pick(generator, _CLOTH))


def draw_cyclist(brush: Brush) -> None:
    """Draw somebody on a bicycle, baskets behind."""
    generator = brush.generator
    for x in (-0.34, 0.34):
        rim = arc((x, 0.24), (0.23, 0.23), start=0, stop=2, n_points=22)
        brush.line(rim, rgb("3a3a3e"), width=0.026)
    frame = [(-0.34, 0.24), (-0.08, 0.56), (0.24, 0.56), (0.34, 0.24), (0.0, 0.24), (-0.08, 0.56)]
    brush.line(frame, pick(generator, _CLOTH), width=0.03)
    brush.line([(0.24, 0.56), (0.2, 0.66)], rgb("3a3a3e"), width=0.026)
    coat = pick(generator, _CLOTH)
    brush.polygon([(-0.18, 0.56), (-0.1, 0.92), (0.06, 0.9), (0.02, 0.56)], coat)
    brush.line([(0.0, 0.86), (0.2, 0.68)], coat, width=0.06)
    brush.line([(-0.06, 0.56), (0.1, 0.42), (0.02, 0.2)], rgb("3f4450"), width=0.07)
    brush.ellipse((0.0, 0.98), (0.07, 0.08), rgb("c99a74"))
    brush.polygon([(-0.19, 0.99), (0.0, 1.12), (0.19, 0.99)], rgb("e6cf96"))
    if generator.random() < 0.5:
        for x in (-0.46, -0.3):
            brush.ellipse(
                (x, 0.6), (0.14, 0.12), pick(generator, (rgb("c8a060"), rgb("e88a3a"), rgb("d85a7a")))
            )


def draw_stall(brush: Brush) -> None:
    """Draw a market stall under a striped awning, heaps of fruit on its board."""
    generator = brush.generator
    first, second = pick(generator, _CLOTH), rgb("f6efdf")
    for x in (-0.62, 0.62):
        brush.line([(x, 0), (x, 0.85)], rgb("6a5040"), width=0.035)
    brush.polygon(block(-0.66, 0, 0.66, 0.34), pick(generator, (rgb("8a6a48"), rgb("a8885f"))))
    for step in range(6):
        heap = pick(generator, (rgb("e88a2e"), rgb("d8402f"), rgb("8aa84c"), rgb("f2cf4a"), rgb("7a4a7a")))
        for row, shift in ((0, -0.045), (0, 0.045), (1, 0.0)):
            brush.ellipse((-0.53 + 0.21 * step + shift, 0.37 + 0.065 * row), (0.05, 0.05), heap)
    for step in range(8):
        left = -0.76 + 0.19 * step
        stripe = [(left * 0.86, 1.0), (left, 0.74), (left + 0.19, 0.74), ((left + 0.19) * 0.86, 1.0)]
        brush.polygon(stripe, first if step % 2 else second)
        brush.ellipse((left + 0.095, 0.74), (0.095, 0.05), first if step % 2 else second)


def draw_parasol(brush: Brush) -> None:
    """Draw a parasol and two stools: round and green as the crown of a tree."""
    generator = brush.generator
    cloth = pick(generator, (*_CLOTH, rgb("4f8a4a"), rgb("3f7a4a")))
    brush.line([(0, 0), (0, 0.9)], rgb("8a7a68"), width=0.03)
    dome = arc((0, 0.66), (0.55, 0.32), start=0, stop=1, n_points=16)
    brush.polygon(dome, cloth)
    for share in (0.66, 0.22):
        tone = mix(cloth, WHITE, 0.3) if share > 0.5 else cloth
        brush.polygon(arc((0, 0.66), (0.55 * share, 0.32), start=0, stop=1), tone)
    for x in (-0.35, 0.32):
        brush.polygon(block(x - 0.09, 0.16, x + 0.09, 0.2), rgb("c8503a"))
        for side in (-0.07, 0.07):
            brush.line([(x + side, 0), (x + side, 0.17)], rgb("6a5040"), width=0.02)


def draw_fence(brush: Brush) -> None:
    """Draw a low fence or balustrade, 6 units long."""
    generator = brush.generator
    paint: Color = pick(generator, (rgb("e8e2d4"), rgb("8a6a4a"), rgb("5f6a6a"), rgb("c8503a")))
    for level in (0.35, 0.9):
        brush.line([(-3, level), (3, level)], paint, width=0.12)
    for step in range(25):
        x = -3 + step * 0.25
        brush.line([(x, 0), (x, 1)], paint, width=0.08)


def draw_bench(brush: Brush) -> None:
    """Draw a bench."""
    wood = pick(brush.generator, (rgb("8a5f3c"), rgb("5f7a5a"), rgb("a8845a")))
    for x in (-0.8, 0.8):
        brush.line([(x, 0), (x, 0.95)], rgb("3f4446"), width=0.09)
    for level in (0.42, 0.66, 0.86):
        brush.polygon(block(-0.95, level, 0.95, level + 0.12), wood)


def draw_wires(brush: Brush) -> None:
    """Draw a pole and the tangle of wires that runs from it to both sides."""
    generator = brush.generator
    pole = pick(generator, (rgb("6a5f56"), rgb("8f8a84")))
    brush.line([(0, 0), (0, 1)], pole, width=0.03)
    for height in (0.86, 0.94):
        brush.line([(-0.12, height), (0.12, height)], pole, width=0.022)
    for _ in range(int(generator.integers(4, 9))):
        height, sag = generator.uniform(0.8, 0.96), generator.uniform(0.08, 0.3)
        for side in (-1, 1):
            wire = curve(
                (0, height), (side * 0.9, height - sag), (side * 1.9, height + generator.uniform(-0.06, 0.06))
            )
            brush.line(wire, rgb("33302e"), width=0.007)
    if generator.random() < 0.4:
        for step in range(4):
            brush.ellipse((0.3 + 0.17 * step, 0.86 - 0.05 * step), (0.022, 0.028), rgb("2f3238"))


def draw_boulders(brush: Brush) -> None:
    """Draw a few boulders, about 1 unit high."""
    generator = brush.generator
    stone = pick(generator, (rgb("8f8a84"), rgb("a08f7a"), rgb("6f7478")))
    for _ in range(int(generator.integers(2, 5))):
        x, wide, tall = generator.uniform(-1, 1), generator.uniform(0.35, 0.7), generator.uniform(0.3, 0.8)
        rim = [
            (x + wide * cos(pi * step / 7), tall * sin(pi * step / 7) * generator.uniform(0.8, 1.1))
            for step in range(8)
        ]
        brush.polygon(rim, stone)
        brush.polygon([(x, 0), *(rim[1:4] if brush.lit > 0 else rim[4:7])], mix(stone, WHITE, 0.2))
