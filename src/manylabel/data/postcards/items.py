"""Which things a postcard holds, how large they are and where each may stand.

In:  labels, light, the lie of the land, chance.
Out: items, each with several spots to try, the far ones first.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from manylabel.data.postcards import clutter, crossings, lamps, pagodas, plants, sky, towers
from manylabel.data.postcards.canvas import Canvas, Drawing, Point, Spot, curve
from manylabel.data.postcards.light import pick
from manylabel.data.postcards.scene import SAMPLE_LABELS, Setting


class Layer(IntEnum):
    """Name the layers of a picture in the order in which they are drawn."""

    SKY = 0
    FAR = 1
    ISLAND = 2
    WATER = 3
    NEAR = 4
    FRONT = 5


@dataclass(frozen=True, kw_only=True)
class Item:
    """Hold one thing to draw.

    Attributes:
        drawing: What draws it.
        label: Its label; None where it has none.
        layer: Where it stands.
        spots: Spots to try, the best first.
    """

    drawing: Drawing
    label: str | None
    layer: Layer
    spots: tuple[Spot, ...]


@dataclass(frozen=True, kw_only=True)
class Rule:
    """Say how one kind of thing is placed.

    Attributes:
        drawings: Its shapes.
        sizes: Smallest and largest size per layer, as a share of ``Canvas.unit``.
        counts: Smallest and largest number of it.
        chance: How likely clutter of this kind is; labelled things are asked for by name.
    """

    drawings: tuple[Drawing, ...]
    sizes: dict[Layer, tuple[float, float]]
    counts: tuple[int, int] = (1, 1)
    chance: float = 0.0


_TREES, _PAGODAS, _TOWERS = tuple(plants.TREES.values()), tuple(pagodas.PAGODAS.values()), tuple(towers.TOWERS.values())
_BRIDGES, _BOATS = tuple(crossings.BRIDGES.values()), tuple(crossings.BOATS.values())

LABEL_RULES: dict[str, Rule] = {
    "sun": Rule(drawings=(sky.draw_sun,), sizes={Layer.SKY: (0.06, 0.2)}),
    "moon": Rule(drawings=(sky.draw_moon,), sizes={Layer.SKY: (0.05, 0.16)}),
    "tree": Rule(
        drawings=_TREES, sizes={Layer.FAR: (0.12, 0.3), Layer.ISLAND: (0.2, 0.4), Layer.NEAR: (0.35, 0.9)}, counts=(1, 4)
    ),
    "pagoda": Rule(
        drawings=_PAGODAS, sizes={Layer.FAR: (0.12, 0.36), Layer.ISLAND: (0.18, 0.42), Layer.NEAR: (0.35, 0.7)}
    ),
    "tower": Rule(drawings=_TOWERS, sizes={Layer.FAR: (0.2, 0.5), Layer.NEAR: (0.45, 0.8)}),
    "bridge": Rule(drawings=_BRIDGES, sizes={Layer.FAR: (0.5, 1.2), Layer.ISLAND: (0.45, 1.3)}),
    "boat": Rule(drawings=_BOATS, sizes={Layer.WATER: (0.12, 0.45)}, counts=(1, 3)),
    "lotus": Rule(drawings=(plants.draw_lotus,), sizes={Layer.WATER: (0.14, 0.32)}, counts=(1, 2)),
    "lantern": Rule(drawings=(lamps.draw_lantern,), sizes={Layer.FRONT: (0.08, 0.22)}),
}

CLUTTER_RULES: tuple[Rule, ...] = (
    Rule(drawings=(sky.draw_birds,), sizes={Layer.SKY: (0.05, 0.16)}, chance=0.3),
    Rule(drawings=(sky.draw_kite,), sizes={Layer.SKY: (0.05, 0.12)}, counts=(1, 2), chance=0.13),
    Rule(drawings=(sky.draw_balloon,), sizes={Layer.SKY: (0.08, 0.2)}, counts=(1, 3), chance=0.12),
    Rule(drawings=(clutter.draw_houses, clutter.draw_skyline), sizes={Layer.FAR: (0.05, 0.16)}, counts=(1, 2), chance=0.5),
    Rule(drawings=(clutter.draw_house,), sizes={Layer.FAR: (0.14, 0.3), Layer.NEAR: (0.5, 0.9)}, counts=(1, 3), chance=0.25),
    Rule(drawings=(towers.draw_chimney, towers.draw_pylon), sizes={Layer.FAR: (0.15, 0.4)}, chance=0.22),
    Rule(drawings=(pagodas.draw_gate,), sizes={Layer.FAR: (0.12, 0.25), Layer.ISLAND: (0.2, 0.35)}, chance=0.1),
    Rule(drawings=(plants.draw_bush,), sizes={Layer.FAR: (0.03, 0.08), Layer.NEAR: (0.08, 0.2)}, counts=(1, 4), chance=0.5),
    Rule(drawings=(clutter.draw_fence,), sizes={Layer.FAR: (0.015, 0.04), Layer.NEAR: (0.05, 0.12)}, chance=0.2),
    Rule(
        drawings=(crossings.draw_ducks, crossings.draw_log, crossings.draw_jetty),
        sizes={Layer.WATER: (0.1, 0.3)},
        counts=(1, 3),
        chance=0.4,
    ),
    Rule(drawings=(plants.draw_duckweed,), sizes={Layer.WATER: (0.15, 0.4)}, counts=(1, 3), chance=0.3),
    Rule(drawings=(crossings.draw_fountain,), sizes={Layer.WATER: (0.1, 0.25)}, chance=0.06),
    Rule(drawings=(clutter.draw_boulders,), sizes={Layer.WATER: (0.02, 0.06), Layer.NEAR: (0.04, 0.12)}, chance=0.15),
    Rule(drawings=(lamps.draw_street_lamp,), sizes={Layer.ISLAND: (0.2, 0.35), Layer.NEAR: (0.4, 0.75)}, counts=(1, 3), chance=0.25),
    Rule(drawings=(clutter.draw_person,), sizes={Layer.ISLAND: (0.06, 0.1), Layer.NEAR: (0.12, 0.4)}, counts=(1, 5), chance=0.4),
    Rule(drawings=(clutter.draw_cyclist, clutter.draw_bench), sizes={Layer.NEAR: (0.1, 0.24)}, chance=0.2),
    Rule(drawings=(clutter.draw_stall, clutter.draw_parasol), sizes={Layer.NEAR: (0.2, 0.42)}, counts=(1, 3), chance=0.22),
    Rule(drawings=(plants.draw_reeds, plants.draw_flower_bed), sizes={Layer.NEAR: (0.06, 0.2)}, counts=(1, 3), chance=0.3),
    Rule(drawings=(lamps.draw_balloons,), sizes={Layer.NEAR: (0.3, 0.5)}, chance=0.07),
    Rule(drawings=(clutter.draw_wires,), sizes={Layer.NEAR: (0.5, 0.9)}, chance=0.12),
    Rule(drawings=(lamps.draw_bunting, lamps.draw_fairy_lights), sizes={Layer.FRONT: (0.3, 0.6)}, counts=(1, 2), chance=0.14),
)  # fmt: skip


def choose_items(
    generator: np.random.Generator, canvas: Canvas, *, setting: Setting, labels: frozenset[str]
) -> list[Item]:
    """Choose everything that stands, floats, flies or hangs on a postcard, the far things first.

    Args:
        generator: Chance.
        canvas: The picture, for its size.
        setting: The lie of the land.
        labels: The labels to show; "lake" is part of the setting.
    """
    items: list[Item] = []
    for label in SAMPLE_LABELS:  # not the set itself: its order changes from run to run
        if label == "lantern" and label in labels:
            items += _garland(generator, canvas)
        elif label != "lake" and label in labels:
            items += _some(generator, canvas, setting=setting, rule=_fitting_rule(label, setting), label=label)
    full = generator.uniform(0.3, 1.7)
    for rule in CLUTTER_RULES:
        if generator.random() < rule.chance * full:
            items += _some(generator, canvas, setting=setting, rule=rule, label=None)
    return sorted(items, key=lambda item: (item.layer, item.spots[0].base))


def _fitting_rule(label: str, setting: Setting) -> Rule:
    """Return the rule of a label; lotus without water grows in pots."""
    if label == "lotus" and setting.kind == "land":
        return Rule(drawings=(plants.draw_potted_lotus,), sizes={Layer.NEAR: (0.16, 0.3)})
    return LABEL_RULES[label]


def _some(
    generator: np.random.Generator, canvas: Canvas, *, setting: Setting, rule: Rule, label: str | None
) -> list[Item]:
    """Choose one or several things of a kind, on one layer."""
    layer = pick(generator, tuple(rule.sizes))
    if layer is Layer.WATER and setting.kind == "land":
        if label is None:
            return []
        layer_drawn, sizes = Layer.NEAR, (0.25, 0.5)
    else:
        layer_drawn, sizes = layer, rule.sizes[layer]
    drawing = pick(generator, rule.drawings)
    items = []
    for _ in range(int(generator.integers(rule.counts[0], rule.counts[1] + 1))):
        if generator.random() < 0.3:
            drawing = pick(generator, rule.drawings)
        spots = _spots(generator, canvas, setting=setting, layer=layer_drawn, sizes=sizes)
        items.append(Item(drawing=drawing, label=label, layer=layer_drawn, spots=spots))
    return items


def _spots(
    generator: np.random.Generator, canvas: Canvas, *, setting: Setting, layer: Layer, sizes: tuple[float, float]
) -> tuple[Spot, ...]:
    """Return spots of one depth at several columns; the later ones are smaller, so that one of them fits."""
    share, size = generator.random(), canvas.unit * generator.uniform(*sizes)
    facing, seed = pick(generator, (-1, 1)), int(generator.integers(2**32))
    spots = []
    for attempt in range(14):
        x = generator.uniform(0.04, 0.96) * canvas.width
        base, depth, scale = _stand(canvas, setting, layer=layer, x=x, share=share)
        if layer is Layer.WATER and setting.kind == "pond":
            across = [point[0] for point in setting.outline]
            x = min(across) + (max(across) - min(across)) * generator.uniform(0.25, 0.75)
        here = size * scale * 0.95**attempt
        spots.append(Spot(x=x, base=base, size=here, depth=depth, facing=facing, seed=seed))
    return tuple(spots)


def _stand(canvas: Canvas, setting: Setting, *, layer: Layer, x: float, share: float) -> tuple[float, float, float]:
    """Return base row, depth and scale of a thing on a layer; share in [0, 1] goes from far to near."""
    height, span = canvas.height, canvas.height - setting.shore
    match layer:
        case Layer.SKY:
            return setting.horizon * (0.2 + 0.78 * share), 0.4, 1.0
        case Layer.FAR:
            step = 0.01 if setting.kind == "lake" else 0.06
            return setting.shore + height * 0.012 + span * step * share, 0.9 - 0.15 * share, 1.0
        case Layer.ISLAND:
            reach = 0.3 if setting.kind == "lake" else 0.12
            return setting.shore + span * (0.06 + reach * share), 0.65 - 0.25 * share, 0.8 + 0.4 * share
        case Layer.WATER if setting.outline:
            down = [point[1] for point in setting.outline]
            return min(down) + (max(down) - min(down)) * (0.3 + 0.5 * share), 0.5 - 0.3 * share, 0.5 + 0.3 * share
        case Layer.WATER:
            low = min(setting.near(x, height=height), height * 1.02)
            return setting.shore + (low - setting.shore) * (0.12 + 0.8 * share), 0.7 - 0.6 * share, 0.5 + 0.75 * share
        case Layer.NEAR:
            top = min(setting.near(x, height=height), height * 0.97)
            return top + (height * 1.03 - top) * (0.15 + 0.85 * share), 0.12 - 0.1 * share, 0.75 + 0.35 * share
        case _:
            return height * (0.05 + 0.25 * share), 0.0, 1.0


def _garland(generator: np.random.Generator, canvas: Canvas) -> list[Item]:
    """Return lanterns on a cord across the picture, or single ones that hang into it from above."""
    size = canvas.unit * generator.uniform(*LABEL_RULES["lantern"].sizes[Layer.FRONT])
    n_lanterns = int(generator.integers(1, 7))
    strung = n_lanterns > 2 and generator.random() < 0.75
    hooks = _cord(generator, canvas, n_hooks=n_lanterns)
    items = []
    for hook_x, hook_y in hooks:
        here = size * generator.uniform(0.8, 1.15)
        x = hook_x if strung else generator.uniform(0.06, 0.94) * canvas.width
        low = hook_y + here if strung else here * generator.uniform(0.9, 1.0) + canvas.height * generator.uniform(0, 0.2)
        spot = Spot(x=x, base=low, size=here, depth=0.0, facing=1, seed=int(generator.integers(2**32)))
        items.append(Item(drawing=lamps.draw_lantern, label="lantern", layer=Layer.FRONT, spots=(spot,)))
    return items


def _cord(generator: np.random.Generator, canvas: Canvas, *, n_hooks: int) -> Sequence[Point]:
    """Return hooks along a cord that hangs between the two sides."""
    ends = canvas.height * generator.uniform(-0.05, 0.3, size=2)
    sag = canvas.height * generator.uniform(0.05, 0.3)
    middle = (canvas.width / 2, float(ends.mean()) + sag)
    return curve((0.0, float(ends[0])), middle, (canvas.width, float(ends[1])), n_points=n_hooks + 2)[1:-1]
