"""The light of a postcard: what time it is and what every color becomes in it.

In:  a kind of light and chance.
Out: a Light, which turns the color of a thing (as it is in white light) into the color on the picture.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal, TypeVar

import numpy as np

Color = tuple[float, float, float]
LightName = Literal["day", "dusk", "night", "fog"]
Choice = TypeVar("Choice")

BLACK: Color = (0.0, 0.0, 0.0)
WHITE: Color = (255.0, 255.0, 255.0)


@cache
def rgb(text: str) -> Color:
    """Read a color of six hexadecimal digits.

    Examples:
        >>> rgb("ff8000")
        (255.0, 128.0, 0.0)
    """
    return (float(int(text[0:2], 16)), float(int(text[2:4], 16)), float(int(text[4:6], 16)))


def mix(first: Color, second: Color, share: float) -> Color:
    """Blend two colors.

    Args:
        first: Color where ``share`` is 0.
        second: Color where ``share`` is 1.
        share: Share of the second color, in [0, 1].

    Examples:
        >>> mix(BLACK, WHITE, 0.5)
        (127.5, 127.5, 127.5)
    """
    keep = 1.0 - share
    return (
        first[0] * keep + second[0] * share,
        first[1] * keep + second[1] * share,
        first[2] * keep + second[2] * share,
    )


def pick(generator: np.random.Generator, choices: Sequence[Choice]) -> Choice:
    """Pick one of several things, each as likely."""
    return choices[int(generator.integers(len(choices)))]


@dataclass(frozen=True, kw_only=True)
class Light:
    """Hold the light of one postcard.

    Attributes:
        name: The kind of light.
        sky: Colors of the sky at the top, in the middle and at the horizon.
        tint: What white paint looks like in this light.
        haze: Color that far things fade into.
        density: How much of a thing at the horizon is haze, in [0, 1].
        water: Color of deep water.
        darkness: How brightly lamps stand out, in [0, 1].
        side: Where the light comes from: -1 left, 1 right.
    """

    name: LightName
    sky: tuple[Color, Color, Color]
    tint: Color
    haze: Color
    density: float
    water: Color
    darkness: float
    side: int

    def paint(self, color: Color, *, depth: float = 0.0) -> Color:
        """Return the color that a thing has on the picture.

        Args:
            color: Its color in white light.
            depth: How far away it is: 0 near, 1 at the horizon.
        """
        tint = self.tint
        lit = (color[0] * tint[0] / 255, color[1] * tint[1] / 255, color[2] * tint[2] / 255)
        return mix(lit, self.haze, self.density * depth)

    def shine(self, color: Color, *, depth: float = 0.0) -> Color:
        """Return the color of a lamp, which the dark does not darken."""
        lamp = mix(color, self.haze, 0.4 * self.density * depth)
        return mix(self.paint(color, depth=depth), lamp, self.darkness)


# Sky top, middle and horizon, white paint, haze, water.
_PALETTES: dict[LightName, tuple[str, ...]] = {
    "day": (
        "3f8fce 8cc6e6 e4f3f0 fffaf0 d5e9ee 4793b4",
        "4aa6a0 a5d6c3 f6ecc9 fff2d6 dfe9d3 4f9f97",
        "8fbac4 d5dccb fbe9c6 fff0d4 efe3c8 7ba6a5",
        "7aa7e0 b9d1f2 fbe7ea fffafa e3e4f2 729cca",
        "2a7fc9 6fbbea d3effa ffffff cfe6f2 2f86b0",
        "9fc9d6 f3dfb8 f9c98f ffe9c9 f1d9b0 8fae9f",
    ),
    "dusk": (
        "3b2f6b c1567a ffb45e f0b79a dd9482 7a5080",
        "2f5d7c d98f9b ffd9a8 f2c6b4 e3b3a6 5f8090",
        "7a2b3a e0653a ffce5c f2ae7c ec9f66 a35a3f",
        "6d6fae d3a5c6 ffe1cf e9cbd6 dcbccb 8c85b3",
        "24466e 8c7fa0 f7a76c d9ad9d c99a8d 4d5f86",
    ),
    "night": (
        "0b1033 1d2a5e 3d4a86 7c86c6 2b3668 16204a",
        "06202b 0f3c4a 2d6a70 70a4b0 1d4a55 0d3340",
        "160c2e 3a1f57 6d3f7c 9682c2 43295f 2a1a48",
        "101820 24364a 5a5f73 8e9ab2 364257 1a2838",
    ),
    "fog": (
        "b4c2cb ccd6da e3e7e6 d6dcde dbe1e2 a9bac1",
        "b3c4b6 cbd8c8 e4ebdc dbe3d5 d8e2d3 9db3a4",
        "d6c7ae e2d7c3 efe8da eee3d0 e6dcc9 c2b69d",
        "6f7f8c 96a3ab b9c2c4 b3bcc4 a7b2b8 6f808b",
        "c9b3b8 dccccb efe2da ece0dd e6d8d5 b5a2a8",
    ),
}
_DENSITY: dict[LightName, float] = {"day": 0.4, "dusk": 0.46, "night": 0.42, "fog": 0.74}
_DARKNESS: dict[LightName, float] = {"day": 0.0, "dusk": 0.55, "night": 1.0, "fog": 0.2}


def make_light(generator: np.random.Generator, *, name: LightName) -> Light:
    """Choose a palette for a kind of light and vary it a little.

    Args:
        generator: Chance.
        name: The kind of light.
    """
    drift = generator.normal(0, 7, size=3)

    def vary(text: str) -> Color:
        red, green, blue = np.clip(np.array(rgb(text)) + drift, 0, 255)
        return (float(red), float(green), float(blue))

    top, middle, horizon, tint, haze, water = map(vary, pick(generator, _PALETTES[name]).split())
    return Light(
        name=name,
        sky=(top, middle, horizon),
        tint=tint,
        haze=haze,
        density=_DENSITY[name] * float(generator.uniform(0.75, 1.08)),
        water=water,
        darkness=_DARKNESS[name],
        side=pick(generator, (-1, 1)),
    )
