"""Water: a mirror of what stands behind it, ripples, glitter.

In:  the picture so far, everything above the shore drawn.
Out: the lake below the shore, or a pond within an outline.
"""

from collections.abc import Sequence
from math import pi

import numpy as np
from PIL import Image, ImageDraw

from manylabel.preprocess import PixelArray
from manylabel.types import FloatArray, IntArray
from tools.postcards.canvas import Canvas, Point
from tools.postcards.light import WHITE, Color, mix


def draw_water(
    canvas: Canvas,
    generator: np.random.Generator,
    *,
    shore: float,
    outline: Sequence[Point] = (),
) -> None:
    """Draw water that mirrors the picture above the shore.

    Args:
        canvas: The picture.
        generator: Chance.
        shore: Line in pixels from the top that is mirrored at.
        outline: Outline of a pond; empty: everything below the shore is water.
    """
    mirrored = _mirrored(canvas, generator, shore=shore)
    rows = canvas.image.height - round(shore * canvas.zoom)
    water = Image.fromarray(mirrored).resize((canvas.image.width, rows), Image.Resampling.BILINEAR)
    place = (0, canvas.image.height - rows)
    if not outline:
        canvas.image.paste(water, place)
        rim = mix(canvas.light.haze, canvas.light.water, 0.3)
        canvas.line([(0, shore), (canvas.width, shore)], rim, width=canvas.unit * 0.003, alpha=150)
    else:
        mask = Image.new("L", water.size)
        ImageDraw.Draw(mask).polygon([(x, y - place[1]) for x, y in canvas.enlarged(outline)], fill=255)
        canvas.image.paste(water, place, mask)


def _mirrored(canvas: Canvas, generator: np.random.Generator, *, shore: float) -> PixelArray:
    """Return the mirrored, rippled picture [rows, columns, 3] at the size of the finished picture."""
    n_rows, n_columns = max(2, round(canvas.height - shore)), canvas.width
    reach = min(shore, n_rows * 1.15)
    above = canvas.image.resize(
        (n_columns, n_rows),
        Image.Resampling.BILINEAR,
        box=(0, (shore - reach) * canvas.zoom, canvas.image.width, shore * canvas.zoom),
    )
    pixels = np.asarray(above.transpose(Image.Transpose.FLIP_TOP_BOTTOM))
    near = np.linspace(0, 1, n_rows)  # 0 at the shore, 1 at the viewer
    columns = np.clip(_ripples(canvas, generator, near=near), 0, n_columns - 1)  # [rows, columns]
    rippled = pixels[np.arange(n_rows)[:, None], columns].astype(np.float32)
    clarity = generator.uniform(0.35, 0.85)
    share = (1 - clarity * (1 - 0.75 * near))[:, None, None].astype(np.float32)
    deep = np.array(mix(canvas.light.water, canvas.light.sky[1], 0.25), dtype=np.float32)
    shade = (1 - 0.22 * near)[:, None, None].astype(np.float32)
    return np.clip((rippled * (1 - share) + deep * share) * shade, 0, 255).astype(np.uint8)


def _ripples(canvas: Canvas, generator: np.random.Generator, *, near: FloatArray) -> IntArray:
    """Return which column of the calm mirror each pixel shows, unbounded [rows, columns]."""
    rough = canvas.unit * generator.uniform(0.002, 0.016)
    distance = 1 / (0.06 + near)
    swing = np.sin(distance * generator.uniform(6, 11) * pi) + 0.6 * np.sin(distance * 17 + 1.3)
    swing += generator.normal(0, 0.35, size=near.shape)
    shift = rough * (0.15 + near) * swing
    columns: IntArray = np.arange(canvas.width)[None, :] + np.rint(shift).astype(np.int64)[:, None]
    return columns


def draw_streaks(canvas: Canvas, generator: np.random.Generator, *, upper: float) -> None:
    """Draw bright and dark streaks where the wind touches the water, longer towards the viewer."""
    bright, dark = mix(canvas.light.sky[2], WHITE, 0.2), mix(canvas.light.water, (0, 0, 0), 0.25)
    span = canvas.height - upper
    for share in generator.random(int(generator.integers(5, 70))) ** 1.4:
        centre = (generator.uniform(0, canvas.width), upper + span * share)
        radii = (
            canvas.unit * (0.01 + 0.09 * share) * generator.uniform(0.4, 1.2),
            canvas.unit * 0.0035 * (share + 0.2),
        )
        color = bright if generator.random() < 0.6 else dark
        canvas.ellipse(centre, radii, color, alpha=int(generator.integers(25, 95)))


def draw_glitter(
    canvas: Canvas, generator: np.random.Generator, *, x: float, shore: float, width: float, color: Color
) -> None:
    """Draw the broken path of light under a sun or moon.

    Args:
        canvas: The picture.
        generator: Chance.
        x: Column below the light, in pixels.
        shore: Where the path begins, in pixels from the top.
        width: Width of the light in pixels.
        color: Color of the light on the picture.
    """
    for _ in range(70):
        share = generator.random()
        reach = width * (0.35 + 0.9 * share)
        centre = (x + generator.normal(0, 0.45) * reach, shore + (canvas.height - shore) * share * 0.95)
        radii = (reach * generator.uniform(0.12, 0.5), canvas.unit * (0.0012 + 0.0035 * share))
        canvas.ellipse(centre, radii, color, alpha=int(generator.integers(60, 190)))


def soften_mirror(
    canvas: Canvas, generator: np.random.Generator, *, box: tuple[float, float, float, float]
) -> None:
    """Break a fresh reflection with streaks of water; box in pixels."""
    left, upper, right, lower = box
    color = mix(canvas.light.water, canvas.light.sky[2], 0.4)
    for _ in range(7):
        centre = (generator.uniform(left, right), generator.uniform(upper, lower))
        radii = ((right - left) * generator.uniform(0.1, 0.4), canvas.unit * generator.uniform(0.001, 0.0025))
        canvas.ellipse(centre, radii, color, alpha=int(generator.integers(50, 130)))
