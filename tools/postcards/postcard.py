"""Draw one postcard.

In:  chance.
Out: a picture, its labels, and where each labeled thing is.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from tools.postcards.canvas import Box, Canvas
from tools.postcards.finish import develop, draw_weather, mount
from tools.postcards.items import Item, choose_items
from tools.postcards.land import draw_bank, draw_ground, draw_hills, draw_lawn
from tools.postcards.light import Light, make_light
from tools.postcards.places import Layer
from tools.postcards.scene import (
    SAMPLE_LABELS,
    Setting,
    choose_labels,
    choose_light,
    choose_setting,
    choose_size,
)
from tools.postcards.sky import draw_air, draw_clouds, draw_rays
from tools.postcards.stage import Stage, clip
from tools.postcards.water import draw_glitter, draw_streaks, draw_water

_BORDERED = 0.2


@dataclass(frozen=True, eq=False, kw_only=True)
class Postcard:
    """Hold a drawn postcard and everything that is known about it.

    Attributes:
        image: The picture, RGB, sides between 224 and 800 pixels.
        labels: The labels that apply, in the order of ``SAMPLE_LABELS``; may be empty.
        boxes: For each of these labels the places where it is seen: left, upper, right, lower in pixels.
    """

    image: Image.Image
    labels: tuple[str, ...]
    boxes: dict[str, list[Box]]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Hold what is decided about a postcard before anything is drawn.

    Attributes:
        size: Width and height of the drawn picture in pixels.
        margin: Width of the paper around it in pixels.
        light: The light.
        labels: The labels that will apply.
    """

    size: tuple[int, int]
    margin: int
    light: Light
    labels: frozenset[str]


def plan_postcard(generator: np.random.Generator) -> Plan:
    """Decide format, light and labels of a postcard, the first thing that ``draw_postcard`` does.

    Args:
        generator: Chance.
    """
    width, height = choose_size(generator)
    bordered = generator.random() < _BORDERED
    margin = round(min(width, height) * generator.uniform(0.025, 0.06)) if bordered else 0
    light = make_light(generator, name=choose_light(generator))
    labels = choose_labels(generator, light=light.name)
    return Plan(size=(width - 2 * margin, height - 2 * margin), margin=margin, light=light, labels=labels)


def draw_postcard(generator: np.random.Generator) -> Postcard:
    """Draw a postcard from a lake city.

    Args:
        generator: Chance; the same state gives the same picture.

    Examples:
        >>> postcard = draw_postcard(np.random.default_rng(3))
        >>> postcard.image.mode, postcard.labels == tuple(postcard.boxes)
        ('RGB', True)
    """
    plan = plan_postcard(generator)
    canvas = Canvas(plan.size, plan.light)
    setting = choose_setting(generator, canvas, has_lake="lake" in plan.labels)
    items = choose_items(generator, canvas, setting=setting, labels=plan.labels)
    boxes = _draw_picture(canvas, generator, setting=setting, items=items)
    image = mount(develop(canvas, generator), generator, margin=plan.margin)
    shifted = {
        label: [_shift(box, plan.margin) for box in boxes[label]] for label in SAMPLE_LABELS if label in boxes
    }
    return Postcard(image=image, labels=tuple(shifted), boxes=shifted)


def _shift(box: Box, margin: int) -> Box:
    return (box[0] + margin, box[1] + margin, box[2] + margin, box[3] + margin)


def _draw_picture(
    canvas: Canvas, generator: np.random.Generator, *, setting: Setting, items: list[Item]
) -> dict[str, list[Box]]:
    """Draw everything from far to near; return the boxes of the labels."""
    stage = Stage(canvas, setting, generator)
    _draw_sky(stage, items)
    _draw_far(stage, items)
    if setting.kind != "land":
        _draw_lake(stage)
    for layer in (Layer.CROSSING, Layer.ISLAND, Layer.WATER):
        _put_layer(stage, items, layer)
    if setting.edge:
        draw_bank(canvas, generator, edge=setting.edge)
    _put_layer(stage, items, Layer.NEAR)
    draw_weather(canvas, generator, horizon=setting.horizon)
    _put_layer(stage, items, Layer.FRONT)
    return stage.boxes


def _put_layer(stage: Stage, items: list[Item], layer: Layer) -> None:
    stage.put_all([item for item in items if item.layer is layer])


def _draw_sky(stage: Stage, items: list[Item]) -> None:
    canvas, generator, horizon = stage.canvas, stage.generator, stage.setting.horizon
    draw_air(canvas, generator, horizon=horizon)
    sun = next((item for item in items if item.label == "sun"), None)
    if sun is not None and generator.random() < 0.22:
        draw_rays(canvas, generator, centre=(sun.spots[0].x, sun.spots[0].base - sun.spots[0].size / 2))
    draw_clouds(canvas, generator, horizon=horizon, densest=0.95)
    _put_layer(stage, items, Layer.SKY)
    if generator.random() < 0.3:
        draw_clouds(canvas, generator, horizon=horizon, densest=0.45)


def _draw_far(stage: Stage, items: list[Item]) -> None:
    canvas, generator, setting = stage.canvas, stage.generator, stage.setting
    draw_hills(canvas, generator, ridges=setting.ridges, horizon=setting.horizon)
    if setting.kind == "land":
        draw_ground(canvas, generator, horizon=setting.horizon)
    else:
        draw_lawn(canvas, generator, horizon=setting.horizon)
    _put_layer(stage, items, Layer.FAR)


def _draw_lake(stage: Stage) -> None:
    canvas, generator, setting = stage.canvas, stage.generator, stage.setting
    draw_water(canvas, generator, shore=setting.shore, outline=setting.outline)
    if setting.outline:
        across, down = zip(*setting.outline, strict=True)
        water = (min(across), min(down), max(across), max(down))
    else:
        draw_streaks(canvas, generator, upper=setting.shore)
        _draw_light_path(stage)
        water = (0.0, setting.shore, canvas.width, max(y for _, y in setting.edge))
    stage.boxes["lake"] = [clip(water, size=(canvas.width, canvas.height))]


def _draw_light_path(stage: Stage) -> None:
    """Draw the light of sun or moon on the water."""
    light = stage.canvas.light
    for label in ("sun", "moon"):
        for left, _, right, _ in stage.boxes.get(label, []):
            color = light.sky[2] if light.name != "night" else (250.0, 244.0, 220.0)
            draw_glitter(
                stage.canvas,
                stage.generator,
                x=(left + right) / 2,
                shore=stage.setting.shore,
                width=right - left,
                color=color,
            )
