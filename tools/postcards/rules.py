"""How every kind of thing is placed: its shapes, its sizes, its numbers.

In:  nothing.
Out: a rule per label, and rules for the clutter, among it whatever is easily taken for a labeled thing.
"""

from dataclasses import dataclass

from tools.postcards import clutter, crossings, lamps, pagodas, plants, sky, towers
from tools.postcards.canvas import Drawing
from tools.postcards.places import Layer


@dataclass(frozen=True, kw_only=True)
class Rule:
    """Say how one kind of thing is placed.

    Attributes:
        drawings: Its shapes.
        sizes: Smallest and largest size per layer, as a share of ``Canvas.unit``.
        counts: Smallest and largest number of it.
        chance: How likely clutter of this kind is; labeled things are asked for by name.
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
    Rule(
        drawings=(clutter.draw_houses, clutter.draw_skyline),
        sizes={Layer.FAR: (0.05, 0.16)},
        counts=(1, 2),
        chance=0.5,
    ),
    Rule(
        drawings=(clutter.draw_house,),
        sizes={Layer.FAR: (0.14, 0.3), Layer.NEAR: (0.45, 0.75)},
        counts=(1, 2),
        chance=0.18,
    ),
    Rule(drawings=(towers.draw_chimney, towers.draw_pylon), sizes={Layer.FAR: (0.15, 0.4)}, chance=0.16),
    Rule(
        drawings=(pagodas.draw_gate,), sizes={Layer.FAR: (0.12, 0.25), Layer.ISLAND: (0.2, 0.35)}, chance=0.1
    ),
    Rule(
        drawings=(plants.draw_bush,),
        sizes={Layer.FAR: (0.03, 0.08), Layer.NEAR: (0.08, 0.2)},
        counts=(1, 4),
        chance=0.5,
    ),
    Rule(
        drawings=(clutter.draw_fence,),
        sizes={Layer.FAR: (0.015, 0.04), Layer.NEAR: (0.05, 0.12)},
        chance=0.13,
    ),
    Rule(
        drawings=(crossings.draw_ducks, crossings.draw_log, crossings.draw_jetty),
        sizes={Layer.WATER: (0.1, 0.3)},
        counts=(1, 3),
        chance=0.32,
    ),
    Rule(drawings=(plants.draw_duckweed,), sizes={Layer.WATER: (0.15, 0.4)}, counts=(1, 2), chance=0.22),
    Rule(drawings=(crossings.draw_fountain,), sizes={Layer.WATER: (0.1, 0.25)}, chance=0.06),
    Rule(
        drawings=(clutter.draw_boulders,),
        sizes={Layer.WATER: (0.02, 0.06), Layer.NEAR: (0.04, 0.12)},
        chance=0.15,
    ),
    Rule(
        drawings=(lamps.draw_street_lamp,),
        sizes={Layer.FAR: (0.12, 0.2), Layer.NEAR: (0.4, 0.75)},
        counts=(1, 3),
        chance=0.22,
    ),
    Rule(
        drawings=(clutter.draw_person,),
        sizes={Layer.FAR: (0.04, 0.07), Layer.NEAR: (0.12, 0.4)},
        counts=(1, 5),
        chance=0.4,
    ),
    Rule(drawings=(clutter.draw_cyclist, clutter.draw_bench), sizes={Layer.NEAR: (0.1, 0.24)}, chance=0.2),
    Rule(
        drawings=(clutter.draw_stall, clutter.draw_parasol),
        sizes={Layer.NEAR: (0.2, 0.42)},
        counts=(1, 3),
        chance=0.22,
    ),
    Rule(
        drawings=(plants.draw_reeds, plants.draw_flower_bed),
        sizes={Layer.NEAR: (0.06, 0.2)},
        counts=(1, 3),
        chance=0.3,
    ),
    Rule(drawings=(lamps.draw_balloons,), sizes={Layer.NEAR: (0.3, 0.5)}, chance=0.07),
    Rule(drawings=(clutter.draw_wires,), sizes={Layer.NEAR: (0.5, 0.9)}, chance=0.12, solid=False),
    Rule(
        drawings=(lamps.draw_bunting, lamps.draw_fairy_lights),
        sizes={Layer.FRONT: (0.3, 0.6)},
        counts=(1, 2),
        chance=0.14,
        solid=False,
    ),
)


def fitting_rule(label: str, *, has_water: bool) -> Rule:
    """Return the rule of a label; lotus without water grows in pots."""
    if label == "lotus" and not has_water:
        return Rule(drawings=(plants.draw_potted_lotus,), sizes={Layer.NEAR: (0.22, 0.38)})
    return LABEL_RULES[label]
