"""Which things a postcard holds, how large they are and where each may stand.

In:  labels, light, the lie of the land, chance.
Out: items, each with several spots to try, the far ones first.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from tools.postcards import lamps
from tools.postcards.canvas import Canvas, Drawing, Point, Spot, curve
from tools.postcards.light import pick
from tools.postcards.places import Layer, make_spots
from tools.postcards.rules import CLUTTER_RULES, LABEL_RULES, Rule, fitting_rule
from tools.postcards.scene import SAMPLE_LABELS, Setting


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
                generator,
                canvas,
                setting=setting,
                rule=fitting_rule(label, has_water=setting.kind != "land"),
                label=label,
            )
    full = generator.uniform(0.2, 1.3) if setting.kind == "lake" else generator.uniform(0.6, 1.8)
    for rule in CLUTTER_RULES:
        if generator.random() < rule.chance * full:
            items += _some(generator, canvas, setting=setting, rule=rule, label=None)
    return sorted(items, key=lambda item: (item.layer, item.spots[0].base))


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
        items.append(Item(drawing=lamps.draw_lantern, label="lantern", layer=Layer.FRONT, spots=tuple(spots)))
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
