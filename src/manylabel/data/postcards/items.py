"""Which things a postcard holds, how large they are and where each may stand.

In:  labels, light, the lie of the land, chance.
Out: items, each with several spots to try, the far ones first.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from manylabel.data.postcards import clutter, crossings, lamps, pagodas, plants, sky, towers
from manylabel.data.postcards.canvas import Canvas, Drawing, Point, Spot, curve
from manylabel.data.postcards.light import pick
from manylabel.data.postcards.places import Layer, make_spots
from manylabel.data.postcards.scene import SAMPLE_LABELS, Setting


@dataclass(frozen=True, kw_only=True)
class Item:
    """Hold one thing to draw.

    Attributes:
        drawing: What draws it.
        label: Its label; None where it has none.
        layer: Where it stands.
        spots: Spots to try, the best first.
        solid: It hides what is behind it.
        forced: It is drawn even where it hides too much.
    """

    drawing: Drawing
    label: str | None
    layer: Layer
    spots: tuple[Spot, ...]
    solid: bool = True
    forced: bool = False


@dataclass(frozen=True, kw_only=True)
class Rule:
    """Say how one kind of thing is placed.

    Attributes:
        drawings: Its shapes.
        sizes: Smallest and largest size per layer, as a share of ``Canvas.unit``.
        counts: Smallest and largest number of it.
        chance: How likely clutter of this kind is; labelled things are asked for by name.
        solid: It hides what is behind it; wires and strings of flags do not.
    """

    drawings: tuple[Drawing, ...]
    sizes: dict[Layer, tuple[float, float]]
    counts: tuple[int, int] = (1, 1)
    chance: float = 0.0
    solid: bool = True


_TREES, _BRIDGES = tuple(plants.TREES.values()), tuple(crossings.BRIDGES.values())
# The first kinds stand for the city and come more often.
_PAGODAS = (*pagodas.PAGODAS.values(), pagodas.draw_storeyed, pagodas.draw_storeyed, pagodas.draw_temple)
_TOWERS = (*towers.TOWERS.values(), *2 * (towers.draw_flag_tower, towers.draw_clock_tower))
_BOATS = (*crossings.BOATS.values(), crossings.draw_sampan, crossings.draw_junk)

LABEL_RULES: dict[str, Rule] = {
    "sun": Rule(drawings=(sky.draw_sun,), sizes={Layer.SKY: (0.12, 0.3)}),
    "moon": Rule(drawings=(sky.draw_moon,), sizes={Layer.SKY: (0.12, 0.26)}),
    "tree": Rule(
        drawings=_TREES,
        sizes={Layer.FAR: (0.16, 0.34), Layer.ISLAND: (0.24, 0.45), Layer.NEAR: (0.35, 0.9)},
        counts=(1, 4),
    ),
    "pagoda": Rule(
        drawings=_PAGODAS,
        sizes={Layer.FAR: (0.24, 0.5), Layer.ISLAND: (0.3, 0.55), Layer.NEAR: (0.42, 0.75)},
    ),
    "tower": Rule(drawings=_TOWERS, sizes={Layer.FAR: (0.4, 0.7), Layer.NEAR: (0.6, 0.95)}),
    "bridge": Rule(drawings=_BRIDGES, sizes={Layer.FAR: (0.7, 1.3), Layer.CROSSING: (0.7, 1.5)}),
    "boat": Rule(drawings=_BOATS, sizes={Layer.WATER: (0.28, 0.62)}, counts=(1, 3)),
    "lotus": Rule(drawings=(plants.draw_lotus,), sizes={Layer.WATER: (0.3, 0.6)}, counts=(1, 2)),
    "lantern": Rule(drawings=(lamps.draw_lantern,), sizes={Layer.FRONT: (0.12, 0.27)}),
}

CLUTTER_RULES: tuple[Rule, ...] = (
    Rule(drawings=(sky.draw_birds,), sizes={Layer.SKY: (0.05, 0.16)}, chance=0.3, solid=False),
    Rule(drawings=(sky.draw_kite,), sizes={Layer.SKY: (0.05, 0.12)}, counts=(1, 2), chance=0.1),
    Rule(drawings=(sky.draw_balloon,), sizes={Layer.SKY: (0.08, 0.2)}, counts=(1, 3), chance=0.09),
    Rule(drawings=(clutter.draw_houses, clutter.draw_skyline), sizes={Layer.FAR: (0.05, 0.16)}, counts=(1, 2), chance=0.5),
    Rule(drawings=(clutter.draw_house,), sizes={Layer.FAR: (0.14, 0.3), Layer.NEAR: (0.45, 0.75)}, counts=(1, 2), chance=0.18),
    Rule(drawings=(towers.draw_chimney, towers.draw_pylon), sizes={Layer.FAR: (0.15, 0.4)}, chance=0.16),
    Rule(drawings=(pagodas.draw_gate,), sizes={Layer.FAR: (0.12, 0.25), Layer.ISLAND: (0.2, 0.35)}, chance=0.1),
    Rule(drawings=(plants.draw_bush,), sizes={Layer.FAR: (0.03, 0.08), Layer.NEAR: (0.08, 0.2)}, counts=(1, 4), chance=0.5),
    Rule(drawings=(clutter.draw_fence,), sizes={Layer.FAR: (0.015, 0.04), Layer.NEAR: (0.05, 0.12)}, chance=0.13),
    Rule(
        drawings=(crossings.draw_ducks, crossings.draw_log, crossings.draw_jetty),
        sizes={Layer.WATER: (0.1, 0.3)},
        counts=(1, 3),
        chance=0.32,
    ),
    Rule(drawings=(plants.draw_duckweed,), sizes={Layer.WATER: (0.15, 0.4)}, counts=(1, 2), chance=0.22),
    Rule(drawings=(crossings.draw_fountain,), sizes={Layer.WATER: (0.1, 0.25)}, chance=0.06),
    Rule(drawings=(clutter.draw_boulders,), sizes={Layer.WATER: (0.02, 0.06), Layer.NEAR: (0.04, 0.12)}, chance=0.15),
    Rule(drawings=(lamps.draw_street_lamp,), sizes={Layer.FAR: (0.12, 0.2), Layer.NEAR: (0.4, 0.75)}, counts=(1, 3), chance=0.22),
    Rule(drawings=(clutter.draw_person,), sizes={Layer.FAR: (0.04, 0.07), Layer.NEAR: (0.12, 0.4)}, counts=(1, 5), chance=0.4),
    Rule(drawings=(clutter.draw_cyclist, clutter.draw_bench), sizes={Layer.NEAR: (0.1, 0.24)}, chance=0.2),
    Rule(drawings=(clutter.draw_stall, clutter.draw_parasol), sizes={Layer.NEAR: (0.2, 0.42)}, counts=(1, 3), chance=0.22),
    Rule(drawings=(plants.draw_reeds, plants.draw_flower_bed), sizes={Layer.NEAR: (0.06, 0.2)}, counts=(1, 3), chance=0.3),
    Rule(drawings=(lamps.draw_balloons,), sizes={Layer.NEAR: (0.3, 0.5)}, chance=0.07),
    Rule(drawings=(clutter.draw_wires,), sizes={Layer.NEAR: (0.5, 0.9)}, chance=0.12, solid=False),
    Rule(drawings=(lamps.draw_bunting, lamps.draw_fairy_lights), sizes={Layer.FRONT: (0.3, 0.6)}, counts=(1, 2), chance=0.14, solid=False),
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
            items += _some(
                generator, canvas, setting=setting, rule=_fitting_rule(label, setting), label=label
            )
    full = generator.uniform(0.2, 1.3) if setting.kind == "lake" else generator.uniform(0.6, 1.8)
    for rule in CLUTTER_RULES:
        if generator.random() < rule.chance * full:
            items += _some(generator, canvas, setting=setting, rule=rule, label=None)
    return sorted(items, key=lambda item: (item.layer, item.spots[0].base))


def _fitting_rule(label: str, setting: Setting) -> Rule:
    """Return the rule of a label; lotus without water grows in pots."""
    if label == "lotus" and setting.kind == "land":
        return Rule(drawings=(plants.draw_potted_lotus,), sizes={Layer.NEAR: (0.22, 0.38)})
    return LABEL_RULES[label]


def _some(
    generator: np.random.Generator, canvas: Canvas, *, setting: Setting, rule: Rule, label: str | None
) -> list[Item]:
    """Choose one or several things of a kind, on one layer."""
    layer = pick(generator, tuple(rule.sizes))
    sizes = rule.sizes[layer]
    if setting.kind == "land" and layer in (Layer.WATER, Layer.CROSSING):
        if label is None:
            return []
        # A bridge without water is a far viaduct; a boat without water lies on the ground.
        layer, sizes = (Layer.NEAR, (0.25, 0.5)) if layer is Layer.WATER else (Layer.FAR, (0.4, 1.0))
    drawing, usual, items = pick(generator, rule.drawings), canvas.unit * generator.uniform(*sizes), []
    for _ in range(int(generator.integers(rule.counts[0], rule.counts[1] + 1))):
        if generator.random() < 0.3:
            drawing = pick(generator, rule.drawings)
        size = usual * generator.uniform(0.85, 1.15)
        spots = make_spots(generator, canvas, setting=setting, layer=layer, size=size)
        items.append(Item(drawing=drawing, label=label, layer=layer, spots=spots, solid=rule.solid))
    return items


def _garland(generator: np.random.Generator, canvas: Canvas) -> list[Item]:
    """Return lanterns on a cord across the picture, or single ones that hang into it from above."""
    size = canvas.unit * generator.uniform(*LABEL_RULES["lantern"].sizes[Layer.FRONT])
    n_lanterns = int(generator.integers(1, 7))
    strung = n_lanterns > 2 and generator.random() < 0.75
    hooks = _cord(generator, canvas, n_hooks=n_lanterns)
    items = [_cord_item(hooks)] if strung else []
    for hook in hooks[1:-1]:
        here, seed = size * generator.uniform(0.8, 1.15), int(generator.integers(2**32))
        places = [hook] if strung else [_hanging(generator, canvas) for _ in range(10)]
        spots = [Spot(x=x, base=y + here, size=here, depth=0.0, facing=1, seed=seed) for x, y in places]
        items.append(
            Item(drawing=lamps.draw_lantern, label="lantern", layer=Layer.FRONT, spots=tuple(spots))
        )
    return items


def _hanging(generator: np.random.Generator, canvas: Canvas) -> Point:
    """Return a place from which a single lantern hangs, near the top of the picture."""
    return (generator.uniform(0.06, 0.94) * canvas.width, generator.uniform(-0.02, 0.2) * canvas.height)


def _cord(generator: np.random.Generator, canvas: Canvas, *, n_hooks: int) -> Sequence[Point]:
    """Return both ends of a cord between the sides of the picture, and the hooks between them."""
    ends = canvas.height * generator.uniform(-0.05, 0.3, size=2)
    sag = canvas.height * generator.uniform(0.05, 0.3)
    middle = (canvas.width / 2, float(ends.mean()) + sag)
    return curve((0.0, float(ends[0])), middle, (float(canvas.width), float(ends[1])), n_points=n_hooks + 2)


def _cord_item(hooks: Sequence[Point]) -> Item:
    # One unit is the width of the picture, so that the cord is as thick as its drawing wants it.
    unit = hooks[-1][0]
    drawing = partial(lamps.draw_cord, points=[(x / unit, -y / unit) for x, y in hooks])
    spot = Spot(x=0.0, base=0.0, size=unit, depth=0.0, facing=1, seed=0)
    return Item(drawing=drawing, label=None, layer=Layer.FRONT, spots=(spot,), solid=False, forced=True)
