"""What printing, weather and age do to a postcard.

In:  the drawn picture, enlarged.
Out: the finished picture: reduced, graded, grained, perhaps with a paper border.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from tools.postcards.canvas import Canvas
from tools.postcards.light import WHITE, Color, mix, pick, rgb

_PAPERS = (rgb("f7f1e1"), rgb("fbf8f0"), rgb("efe4cc"), rgb("e9e6df"))
FloatPixels = NDArray[np.float32]


def draw_weather(canvas: Canvas, generator: np.random.Generator, *, horizon: float) -> None:
    """Draw mist over the horizon, and now and then rain, snow or falling petals."""
    thick = {"day": 0.22, "dusk": 0.25, "night": 0.18, "fog": 0.5}[canvas.light.name] * generator.uniform(
        0.2, 1.2
    )
    spread = canvas.height * generator.uniform(0.1, 0.3)
    canvas.veil(
        upper=horizon - spread, lower=horizon + spread * 0.8, color=canvas.light.haze, alphas=(0, thick, 0)
    )
    kind = generator.random()
    if kind < 0.06:
        _draw_rain(canvas, generator)
    elif kind < 0.13:
        petal = pick(generator, (WHITE, WHITE, rgb("f6c0cf"), rgb("e8b84a")))
        _draw_flakes(canvas, generator, color=petal)


def _draw_rain(canvas: Canvas, generator: np.random.Generator) -> None:
    slant, color = generator.uniform(-0.25, 0.25), mix(canvas.light.haze, WHITE, 0.4)
    for x, y in generator.random((180, 2)):
        long = canvas.unit * generator.uniform(0.02, 0.05)
        start = (x * canvas.width, y * canvas.height)
        canvas.line(
            [start, (start[0] + slant * long, start[1] + long)], color, width=canvas.unit * 0.0016, alpha=90
        )


def _draw_flakes(canvas: Canvas, generator: np.random.Generator, *, color: Color) -> None:
    for x, y in generator.random((int(generator.integers(50, 160)), 2)):
        size = canvas.unit * generator.uniform(0.0015, 0.006)
        paint = canvas.light.shine(color)
        canvas.ellipse((x * canvas.width, y * canvas.height), (size, size * 0.8), paint, alpha=190)


def develop(canvas: Canvas, generator: np.random.Generator) -> Image.Image:
    """Reduce the drawn picture to its size and print it: grade, paper, grain, vignette, a slight blur."""
    picture = canvas.image.reduce(canvas.zoom)
    if generator.random() < 0.25:
        picture = picture.filter(ImageFilter.GaussianBlur(canvas.unit * generator.uniform(0.0008, 0.0028)))
    picture = picture.convert("RGB", _grading(generator, is_dark=canvas.light.name == "night"))
    pixels = np.asarray(picture, dtype=np.float32)
    pixels = pixels * _shading(generator, size=picture.size)[..., None]
    pixels += _grain(generator, size=picture.size)[..., None]
    return Image.fromarray(np.clip(pixels, 0, 255, out=pixels).astype(np.uint8))


def _grading(generator: np.random.Generator, *, is_dark: bool) -> tuple[float, ...]:
    """Choose brightness, color strength and warmth; a few prints by day are sepia or grey.

    Returns:
        Three rows of four numbers, as Pillow takes them: shares of red, green and blue, and what is added.
    """
    style = 1.0 if is_dark else generator.random()
    strength = generator.uniform(0.75, 1.2)
    if style < 0.05:
        strength = generator.uniform(0.0, 0.15)
    warmth = generator.normal(0, 0.035, size=3) + 1
    if style < 0.03:
        warmth = np.array([1.1, 0.98, 0.8])
    gain = warmth * (generator.uniform(1.0, 1.25) if is_dark else generator.uniform(0.86, 1.1))
    lift = generator.uniform(0, 26) if generator.random() < 0.35 else 0.0
    grey = np.tile([0.299, 0.587, 0.114], (3, 1))
    mixing = (strength * np.eye(3) + (1 - strength) * grey) * gain[:, None] * (255 - lift) / 255
    return tuple(np.hstack([mixing, np.full((3, 1), lift)]).ravel().tolist())


def _shading(generator: np.random.Generator, *, size: tuple[int, int]) -> FloatPixels:
    """Return brightness [height, width] around 1: mottled paper, and darker corners."""
    mottle = generator.normal(1, generator.uniform(0.004, 0.022), size=(23, 23)).astype(np.float32)
    smooth = np.asarray(Image.fromarray(mottle).resize(size, Image.Resampling.BICUBIC))
    across, down = (
        np.linspace(-1, 1, size[0], dtype=np.float32),
        np.linspace(-1, 1, size[1], dtype=np.float32),
    )
    corner = np.float32(generator.uniform(0, 0.17) if generator.random() < 0.6 else 0.0)
    return np.asarray(smooth * (1 - corner * (across[None, :] ** 2 + down[:, None] ** 2)), dtype=np.float32)


def _grain(generator: np.random.Generator, *, size: tuple[int, int]) -> FloatPixels:
    """Return noise [height, width] in grey levels, fine as film or coarse as paper."""
    coarse = pick(generator, (1, 1, 2))
    shape = (-(-size[1] // coarse), -(-size[0] // coarse))
    noise = generator.standard_normal(shape, dtype=np.float32) * np.float32(8 * generator.random() ** 2 + 0.5)
    grown = Image.fromarray(noise).resize((shape[1] * coarse, shape[0] * coarse), Image.Resampling.BILINEAR)
    return np.asarray(grown)[: size[1], : size[0]]


def mount(picture: Image.Image, generator: np.random.Generator, *, margin: int) -> Image.Image:
    """Lay a picture on paper so that a margin in pixels is left on all sides."""
    if margin == 0:
        return picture
    paper = pick(generator, _PAPERS)
    sheet = Image.new(
        "RGB", (picture.width + 2 * margin, picture.height + 2 * margin), tuple(map(int, paper))
    )
    sheet.paste(picture, (margin, margin))
    return sheet
