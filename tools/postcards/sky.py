"""The sky and what is in it: sun, moon, stars, clouds, birds, kites, balloons.

In:  a canvas with its light; a brush for every single thing.
Out: the upper part of the picture, without anything that stands on the ground.
"""

from functools import cache
from math import cos, pi, sin

import numpy as np
from PIL import Image, ImageFilter

from tools.postcards.canvas import Brush, Canvas, arc, block, curve, gradient, soft_disc, solid
from tools.postcards.light import WHITE, Color, mix, pick, rgb

_GOLD = (rgb("fff0b0"), rgb("ffe08a"), rgb("ffc44d"), rgb("ffd23f"), rgb("ff8f4a"), rgb("f4583a"))
_LEAST_CONTRAST = 140  # sum over red, green and blue; less is hardly seen
_CLOTH = (rgb("d94f3d"), rgb("f2b632"), rgb("2f7f86"), rgb("f6efdc"), rgb("6a4c93"), rgb("e88aa0"))


def draw_air(canvas: Canvas, generator: np.random.Generator, *, horizon: float) -> None:
    """Fill the picture with the sky: smooth, or in flat bands as on an old poster.

    Args:
        canvas: The picture.
        generator: Chance.
        horizon: Where the sky ends, in pixels from the top.
    """
    rows = max(2, round(horizon * canvas.zoom))
    colors: list[Color] = list(canvas.light.sky)
    if generator.random() < 0.3:
        n_bands = int(generator.integers(6, 14))
        stops = np.linspace(0, 1, n_bands)
        channels = [np.interp(stops, np.linspace(0, 1, 3), channel) for channel in np.array(colors).T]
        bands = Image.fromarray(np.stack(channels, axis=-1)[:, None].astype(np.uint8))
        sky = bands.resize((canvas.image.width, rows), Image.Resampling.NEAREST)
    else:
        sky = gradient(colors, size=(canvas.image.width, rows))
    canvas.image.paste(solid(colors[2])[:3], (0, 0, *canvas.image.size))
    canvas.image.paste(sky, (0, 0))
    if canvas.light.name == "night":
        _draw_stars(canvas, generator, horizon=horizon)


def _draw_stars(canvas: Canvas, generator: np.random.Generator, *, horizon: float) -> None:
    for _ in range(int(generator.integers(0, 140))):
        place = (generator.uniform(0, canvas.width), horizon * generator.random() ** 1.4)
        radius = canvas.unit * generator.uniform(0.0007, 0.0024)
        canvas.ellipse(place, (radius, radius), WHITE, alpha=int(generator.integers(60, 230)))


def draw_clouds(canvas: Canvas, generator: np.random.Generator, *, horizon: float, densest: float) -> None:
    """Draw no cloud, some heaps of cloud, or long thin layers.

    Args:
        canvas: The picture.
        generator: Chance.
        horizon: Where the sky ends, in pixels from the top.
        densest: Opacity of the densest cloud, in [0, 1].
    """
    n_clouds = pick(generator, (0, 1, 2, 3, 4, 6))
    layered = generator.random() < 0.4
    base = mix(canvas.light.paint(WHITE), canvas.light.sky[2], generator.uniform(0.1, 0.6))
    under = mix(base, canvas.light.sky[1], 0.5)
    for _ in range(n_clouds):
        width = canvas.unit * generator.uniform(0.18, 0.75)
        centre = (generator.uniform(0, canvas.width), horizon * generator.uniform(0.05, 0.85))
        mask = _cloud_mask(generator, width=round(width * canvas.zoom / 2), layered=layered)
        size = (mask.width * 2, mask.height * 2)
        left = round(centre[0] * canvas.zoom - size[0] / 2)
        upper = round(centre[1] * canvas.zoom - size[1] / 2)
        faint = mask.resize(size, Image.Resampling.BILINEAR)
        strength = densest * generator.uniform(0.45, 1)
        faint = faint.point([round(value * strength) for value in range(256)])
        canvas.image.paste(gradient((base, base, under), size=size), (left, upper), faint)


def _cloud_mask(generator: np.random.Generator, *, width: int, layered: bool) -> Image.Image:
    flatness = generator.uniform(0.1, 0.18) if layered else generator.uniform(0.28, 0.45)
    height = max(6, round(width * flatness))
    mask = Image.new("L", (max(12, width), height))
    for _ in range(7 if layered else 12):
        wide = width * generator.uniform(0.2, 0.5) * (1.2 if layered else 0.7)
        tall = height * generator.uniform(0.3, 0.6) * (0.6 if layered else 1.2)
        middle = width / 2 + (width - wide) / 2 * generator.uniform(-0.85, 0.85)
        foot = height * (generator.uniform(0.4, 0.9) if layered else 0.86)
        puff = _puff().resize((max(2, round(wide)), max(2, round(tall))), Image.Resampling.BILINEAR)
        mask.paste(255, (round(middle - wide / 2), round(foot - tall)), puff)
    return mask.filter(ImageFilter.GaussianBlur(height * 0.03))


@cache
def _puff() -> Image.Image:
    """Draw a disc with a short soft edge."""
    return soft_disc().point([min(255, value * 5) for value in range(256)])


def draw_sun(brush: Brush) -> None:
    """Draw a sun of diameter 1: a plain disc, a disc in stripes, or a pale disc in mist."""
    generator, light = brush.generator, brush.canvas.light
    color = pick(generator, _GOLD[:4] if light.name == "day" else _GOLD)
    behind = _behind(brush)
    if _contrast(color, behind) < _LEAST_CONTRAST:
        color = max(_GOLD, key=lambda gold: _contrast(gold, behind))
    hazy = light.name == "fog" or generator.random() < 0.15
    halo = mix(color, light.sky[2], 0.25)
    brush.glow((0, 0.5), radius=generator.uniform(1.6, 3.4), color=halo, strength=0.35 if hazy else 0.7)
    disc = mix(color, light.sky[2], 0.2) if hazy else color
    brush.glow((0, 0.5), radius=0.9, color=disc, strength=0.55)
    brush.ellipse((0, 0.5), (0.5, 0.5), disc, tone="pure")
    if generator.random() < 0.18 and not hazy:
        for step in range(3):
            low = 0.1 + 0.13 * step
            brush.polygon(block(-0.5, low, 0.5, low + 0.05 - step * 0.012), light.sky[2], tone="pure")


def _behind(brush: Brush) -> Color:
    """Return the color of the picture where the middle of the disc will be."""
    canvas, spot = brush.canvas, brush.spot
    x = min(max(0.0, spot.x), canvas.width - 1) * canvas.zoom
    y = min(max(0.0, spot.base - 0.5 * spot.size), canvas.height - 1) * canvas.zoom
    red, green, blue = np.asarray(canvas.image.crop((int(x), int(y), int(x) + 1, int(y) + 1)))[0, 0].tolist()
    return (float(red), float(green), float(blue))


def _contrast(first: Color, second: Color) -> float:
    return sum(abs(one - other) for one, other in zip(first, second, strict=True))


def draw_moon(brush: Brush) -> None:
    """Draw a moon of diameter 1: full with dark seas, or a crescent; pale by day."""
    generator, light = brush.generator, brush.canvas.light
    dark = light.name in ("night", "dusk")
    color = mix(
        pick(generator, (rgb("fdf6dc"), rgb("f3f1ea"), rgb("ffe2b0"))), light.sky[1], 0 if dark else 0.35
    )
    shade = mix(color, light.sky[1], 0.35)
    if dark:
        brush.glow((0, 0.5), radius=generator.uniform(1.3, 2.6), color=color, strength=0.6)
    if generator.random() < 0.65:
        _draw_crescent(brush, color, thickness=generator.uniform(0.22, 0.42))
        return
    brush.ellipse((0, 0.5), (0.5, 0.5), color, tone="pure")
    for _ in range(6):
        angle, reach = generator.uniform(0, 2 * pi), generator.uniform(0.05, 0.33)
        radius = generator.uniform(0.04, 0.12)
        centre = (reach * cos(angle), 0.5 + reach * sin(angle))
        brush.ellipse(centre, (radius, radius * 0.85), shade, tone="pure", alpha=150)


def _draw_crescent(brush: Brush, color: Color, *, thickness: float) -> None:
    outer = arc((0, 0.5), (0.5, 0.5), start=-0.5, stop=0.5, n_points=20)
    inner = arc((0, 0.5), (0.5 - thickness, 0.5), start=0.5, stop=-0.5, n_points=20)
    tilt = brush.generator.uniform(-0.25, 0.25) * pi
    turned = []
    for x, y in outer + inner:
        along, up = x, y - 0.5
        turned.append((along * cos(tilt) - up * sin(tilt), 0.5 + along * sin(tilt) + up * cos(tilt)))
    brush.polygon(turned, color, tone="pure")


def draw_rays(canvas: Canvas, generator: np.random.Generator, *, centre: tuple[float, float]) -> None:
    """Draw broad pale rays from a point, as on an old poster."""
    n_rays, start = int(generator.integers(9, 18)), generator.uniform(0, 1)
    reach, alpha = 2.5 * canvas.unit, int(generator.integers(16, 42))
    for ray in range(n_rays):
        wedge = arc(
            centre,
            (reach, reach),
            start=start + 2 * ray / n_rays,
            stop=start + (2 * ray + 1) / n_rays,
            n_points=2,
        )
        canvas.polygon([centre, *wedge], canvas.light.shine(rgb("fff4d0")), alpha=alpha)


def draw_birds(brush: Brush) -> None:
    """Draw a loose flock of far birds."""
    generator = brush.generator
    for _ in range(int(generator.integers(2, 9))):
        x, y, span = generator.uniform(-1.2, 1.2), generator.uniform(0, 1), generator.uniform(0.1, 0.22)
        lift = span * generator.uniform(0.2, 0.5)
        wings = curve((x - span, y + lift), (x - span * 0.3, y + lift * 1.3), (x, y), n_points=5)
        wings += curve((x, y), (x + span * 0.3, y + lift * 1.3), (x + span, y + lift), n_points=5)
        brush.line(wings, rgb("37404a"), width=0.028)


def draw_kite(brush: Brush) -> None:
    """Draw a kite with a tail: a diamond, or a round one that is easily taken for a sun."""
    generator = brush.generator
    first, second = pick(generator, _CLOTH), pick(generator, _CLOTH)
    string = curve((0.0, 0.5), (0.5, -0.6), (1.6, -1.6), n_points=12)
    brush.line(string, rgb("f4f0e6"), width=0.012, alpha=170)
    tail = [(-0.06 * step + 0.08 * sin(2.1 * step), -0.13 * step) for step in range(9)]
    brush.line(tail, second, width=0.05)
    if generator.random() < 0.5:
        brush.ellipse((0, 0.5), (0.5, 0.5), first)
        brush.ellipse((0, 0.5), (0.32, 0.32), second)
    else:
        brush.polygon([(0, 0), (-0.36, 0.62), (0, 1), (0.36, 0.62)], first)
        brush.polygon([(0, 0), (0, 1), (0.36, 0.62)], second)


def draw_balloon(brush: Brush) -> None:
    """Draw a hot-air balloon; at night its burner glows."""
    generator = brush.generator
    first, second = pick(generator, _CLOTH), pick(generator, _CLOTH)
    brush.glow((0, 0.6), radius=0.9, color=rgb("ffcf87"), strength=0.35 * brush.darkness)
    for side in (-0.1, 0.1):
        brush.line([(side * 2.2, 0.34), (side * 0.8, 0.1)], rgb("5a4636"), width=0.012)
    envelope = arc((0, 0.62), (0.38, 0.38), start=-0.12, stop=1.12, n_points=26)
    brush.polygon([(-0.1, 0.18), (0.1, 0.18), *envelope], first)
    for share in (0.72, 0.24):
        gore = arc((0, 0.62), (0.38 * share, 0.38), start=-0.15, stop=1.15, n_points=22)
        brush.polygon([(-0.1 * share, 0.18), (0.1 * share, 0.18), *gore], second if share > 0.5 else first)
    brush.polygon(block(-0.08, 0.0, 0.08, 0.11), rgb("7a5433"))
