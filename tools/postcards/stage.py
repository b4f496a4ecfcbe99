"""Put things onto a postcard so that no labeled thing is hidden, and remember where they are.

In:  a canvas, the lie of the land, items from far to near.
Out: the items drawn, with their reflections and islands, and the box of every labeled one.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tools.postcards.canvas import Box, Brush, Canvas, Spot
from tools.postcards.items import Item
from tools.postcards.land import draw_island
from tools.postcards.places import Layer
from tools.postcards.scene import Setting
from tools.postcards.water import soften_mirror

_MOST_HIDDEN = 0.4
_LEAST_INSIDE = 0.6


class Stage:
    """Draw items and keep their boxes.

    Args:
        canvas: The picture.
        setting: The lie of the land.
        generator: Chance.
    """

    def __init__(self, canvas: Canvas, setting: Setting, generator: np.random.Generator) -> None:
        """Start empty."""
        self.canvas = canvas
        self.setting = setting
        self.generator = generator
        self.boxes: dict[str, list[Box]] = {}
        self._hidden: dict[tuple[str, Box], float] = {}

    def put_all(self, items: Sequence[Item]) -> None:
        """Draw items of one layer, each at the first spot where it hides little and is well inside.

        What fits nowhere is left out, unless it is the last chance of its label or must be there: then
        it takes the spot that is least bad.
        """
        for index, item in enumerate(items):
            still_to_come = any(later.label == item.label for later in items[index + 1 :])
            last_chance = item.label is not None and item.label not in self.boxes and not still_to_come
            self._put(item, needed=item.forced or last_chance)

    def _put(self, item: Item, *, needed: bool) -> None:
        shape = measure(self.canvas, item)
        boxes = [place(shape, spot) for spot in item.spots]
        badness = [self._badness(item, box) for box in boxes]
        best = next((index for index, bad in enumerate(badness) if bad <= 0), None)
        if best is None and not needed:
            return
        best = int(np.argmin(badness)) if best is None else best
        box = clip(boxes[best], size=(self.canvas.width, self.canvas.height))
        self._draw(item, item.spots[best], box=box)
        self._remember(item, box=box)

    def _badness(self, item: Item, box: Box) -> float:
        """Return how far an item in a box breaks the rules; 0 or less where it keeps them."""
        seen = clip(box, size=(self.canvas.width, self.canvas.height))
        bad = (_LEAST_INSIDE if item.label else 0.3) - area(seen) / max(1.0, area(box))
        if item.solid:
            for (label, other), hidden in self._hidden.items():
                if label != item.label:
                    bad = max(bad, hidden + overlap(seen, other) - _MOST_HIDDEN)
        return bad

    def _draw(self, item: Item, spot: Spot, *, box: Box) -> None:
        floats = item.layer in (Layer.CROSSING, Layer.WATER) or (
            item.layer is Layer.ISLAND and self.setting.kind == "lake"
        )
        if floats and self.setting.kind != "land":
            item.drawing(Brush(self.canvas, spot, mode="mirror"))
            mirrored = (box[0], spot.base, box[2], min(self.canvas.height, 2 * spot.base - box[1]))
            soften_mirror(self.canvas, self.generator, box=mirrored)
            self._draw_shoal(item, spot, box=box)
        item.drawing(Brush(self.canvas, spot))

    def _draw_shoal(self, item: Item, spot: Spot, *, box: Box) -> None:
        """Draw the island that a thing stands on, or that a bridge leads to."""
        if item.layer is Layer.ISLAND:
            radius = max(0.62 * (box[2] - box[0]), 0.3 * spot.size)
            draw_island(self.canvas, centre=(spot.x, spot.base), radius=radius)
        elif item.layer is Layer.CROSSING and self.setting.kind == "lake" and spot.size < self.canvas.width:
            inner = spot.x + spot.size / 2 * (1 if spot.x < self.canvas.width / 2 else -1)
            draw_island(self.canvas, centre=(inner, spot.base), radius=0.16 * spot.size)

    def _remember(self, item: Item, *, box: Box) -> None:
        if item.solid:
            for label, other in self._hidden:
                self._hidden[label, other] += overlap(box, other)
        if item.label is not None:
            self.boxes.setdefault(item.label, []).append(box)
            self._hidden[item.label, box] = 0.0


def measure(canvas: Canvas, item: Item) -> Box:
    """Return the box of an item in units of the item, without drawing it; the same at all its spots."""
    spot = replace(item.spots[0], x=0.0, base=0.0, size=1.0)
    brush = Brush(canvas, spot, mode="measure")
    item.drawing(brush)
    return brush.box


def place(shape: Box, spot: Spot) -> Box:
    """Return the box in pixels of a thing at a spot; it may reach out of the picture."""
    left, upper, right, lower = (side * spot.size for side in shape)
    return (spot.x + left, spot.base + upper, spot.x + right, spot.base + lower)


def clip(box: Box, *, size: tuple[float, float]) -> Box:
    """Return the part of a box inside a picture of a width and height.

    Examples:
        >>> clip((-5, 2, 8, 20), size=(10, 10))
        (0.0, 2.0, 8.0, 10.0)
    """
    left, upper, right, lower = box
    width, height = size

    def within(value: float, most: float) -> float:
        return float(min(max(value, 0.0), most))

    return (within(left, width), within(upper, height), within(right, width), within(lower, height))


def area(box: Box) -> float:
    """Return the area of a box.

    Examples:
        >>> area((1, 1, 3, 4))
        6
    """
    return (box[2] - box[0]) * (box[3] - box[1])


def overlap(front: Box, back: Box) -> float:
    """Return the share of the back box that the front box covers.

    Examples:
        >>> overlap((0, 0, 2, 2), (1, 1, 3, 3))
        0.25
    """
    across = min(front[2], back[2]) - max(front[0], back[0])
    down = min(front[3], back[3]) - max(front[1], back[1])
    return max(0.0, across) * max(0.0, down) / max(1e-9, area(back))
