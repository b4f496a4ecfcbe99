"""Where things may stand: candidate spots on every layer of a postcard.

In:  the lie of the land, a layer, a size, chance.
Out: spots of one distance at several columns.
"""

from enum import IntEnum

import numpy as np

from tools.postcards.canvas import Canvas, Spot
from tools.postcards.light import pick
from tools.postcards.scene import Setting

_N_SPOTS = 24


class Layer(IntEnum):
    """Name the layers of a picture in the order in which they are drawn."""

    SKY = 0
    FAR = 1
    CROSSING = 2
    ISLAND = 3
    WATER = 4
    NEAR = 5
    FRONT = 6


def make_spots(
    generator: np.random.Generator, canvas: Canvas, *, setting: Setting, layer: Layer, size: float
) -> tuple[Spot, ...]:
    """Choose spots for one thing; the later ones are smaller, so that one of them fits.

    Args:
        generator: Chance.
        canvas: The picture, for its size.
        setting: The lie of the land.
        layer: Where the thing stands.
        size: Its unit in pixels where it stands neither far nor near.
    """
    share, facing, seed = generator.random(), pick(generator, (-1, 1)), int(generator.integers(2**32))
    spots = []
    for attempt in range(_N_SPOTS):
        here = _bounded(canvas, setting, layer=layer, size=size * 0.95**attempt)
        x = _column(generator, canvas, setting=setting, layer=layer, size=here)
        base, depth, scale = _stand(canvas, setting, layer=layer, x=x, share=share)
        if layer is Layer.SKY:
            base = min(base, setting.skyline(x) + 0.35 * here)
        spots.append(Spot(x=x, base=base, size=here * scale, depth=depth, facing=facing, seed=seed))
    return tuple(spots)


def _bounded(canvas: Canvas, setting: Setting, *, layer: Layer, size: float) -> float:
    """Make a thing on a pond fit the pond; a bridge spans it."""
    if not setting.outline or layer not in (Layer.CROSSING, Layer.WATER):
        return size
    wide = _pond_width(setting)
    return 1.12 * wide if layer is Layer.CROSSING else min(size, 0.5 * wide)


def _pond_width(setting: Setting) -> float:
    across = [x for x, _ in setting.outline]
    return max(across) - min(across)


def _column(
    generator: np.random.Generator, canvas: Canvas, *, setting: Setting, layer: Layer, size: float
) -> float:
    width = canvas.width
    if setting.outline and layer in (Layer.CROSSING, Layer.WATER):
        left, wide = min(x for x, _ in setting.outline), _pond_width(setting)
        return left + wide * (0.5 if layer is Layer.CROSSING else generator.uniform(0.25, 0.75))
    if layer is not Layer.CROSSING:
        return width * generator.uniform(0.04, 0.96)
    if size >= width:
        return width / 2 + (size - width) * generator.uniform(-0.45, 0.45)
    # A bridge that does not cross the whole picture starts at one of its sides and leads to an island.
    inset = size / 2 - 0.03 * width
    return pick(generator, (inset, width - inset))


def _stand(
    canvas: Canvas, setting: Setting, *, layer: Layer, x: float, share: float
) -> tuple[float, float, float]:
    """Return base row, depth and scale of a thing; share in [0, 1] goes from far to near."""
    height, span = canvas.height, canvas.height - setting.shore
    is_lake = setting.kind == "lake"
    match layer:
        case Layer.SKY:
            return setting.horizon * (0.2 + 0.78 * share), 0.4, 1.0
        case Layer.FAR if is_lake:
            return setting.horizon + (setting.shore - setting.horizon) * (0.2 + 0.8 * share), 0.9, 1.0
        case Layer.FAR:
            return setting.shore + span * (0.01 + 0.06 * share), 0.9 - 0.15 * share, 1.0
        case Layer.CROSSING | Layer.WATER if setting.outline:
            down = [y for _, y in setting.outline]
            base = min(down) + (max(down) - min(down)) * (0.3 + 0.5 * share)
            return base, 0.5 - 0.3 * share, 1.0 if layer is Layer.CROSSING else 0.55 + 0.3 * share
        case Layer.CROSSING:
            return setting.shore + span * (0.05 + 0.33 * share), 0.65 - 0.3 * share, 1.0
        case Layer.ISLAND:
            reach = 0.3 if is_lake else 0.1
            return setting.shore + span * (0.06 + reach * share), 0.65 - 0.25 * share, 0.8 + 0.4 * share
        case Layer.WATER:
            low = min(setting.near(x, height=height), height * 1.02)
            base = setting.shore + (low - setting.shore) * (0.12 + 0.8 * share)
            return base, 0.7 - 0.6 * share, 0.5 + 0.75 * share
        case Layer.NEAR:
            top = min(setting.near(x, height=height), height * 0.97)
            return (
                top + (height * 1.03 - top) * (0.15 + 0.85 * share),
                0.12 - 0.1 * share,
                0.75 + 0.35 * share,
            )
        case _:
            return height * (0.05 + 0.25 * share), 0.0, 1.0
