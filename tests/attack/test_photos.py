"""Photos that are damaged at random: each is read, or refused in one sentence.

In:  a small photo of every format and of the modes it knows, and a seed.
Out: an upright RGB photo within the limits, or a ``PhotoError``; no other error, no process that ends.
"""

import random
from collections.abc import Callable
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from manylabel.data.photos import open_photo_bytes
from manylabel.errors import PhotoError
from tests.attack.damage import cut, repeat

SIZE = (24, 17)
SIDE_PX = 8
KINDS = [
    *[("JPEG", mode) for mode in ("RGB", "L", "CMYK")],
    *[("PNG", mode) for mode in ("RGB", "RGBA", "P", "LA", "1", "I;16")],
    *[("GIF", mode) for mode in ("P", "L")],
    *[("BMP", mode) for mode in ("RGB", "P", "1")],
    *[("PPM", mode) for mode in ("RGB", "L")],
    *[("WEBP", mode) for mode in ("RGB", "RGBA")],
    *[("TIFF", mode) for mode in ("RGB", "CMYK", "I;16", "F", "1")],
    *[("AVIF", mode) for mode in ("RGB", "RGBA")],
    *[("JPEG2000", mode) for mode in ("RGB", "RGBA")],
    ("HEIF", "RGB"),
]
FEW, MANY = 20, 1000
"""Damaged files of each kind: in every run of the tests, and in the slow ones."""


def photo_of(form: str, mode: str) -> bytes:
    """Return a photo of noise; its orientation is turned where the format can say that."""
    pixels = np.random.default_rng(0).integers(256, size=(SIZE[1], SIZE[0], 3), dtype=np.uint8)
    photo = Image.fromarray(pixels).convert("L" if mode == "I;16" else mode)
    if mode == "I;16":
        photo = Image.fromarray(np.asarray(photo, dtype=np.uint16) * 257)
    exif = Image.Exif()
    exif[274] = 6
    packed = BytesIO()
    if form == "HEIF":
        pytest.importorskip("pillow_heif").from_pillow(photo).save(packed)
    else:
        photo.save(packed, form, **({"exif": exif} if form in ("JPEG", "PNG", "WEBP", "AVIF") else {}))
    return packed.getvalue()


def flip(content: bytes, chance: random.Random) -> bytes:
    """Change some bytes, most of them near the beginning, where sizes and lengths stand."""
    changed = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 5, 30))):
        end = len(changed) if chance.random() < 0.4 else min(len(changed), 200)
        changed[chance.randrange(end)] = chance.choice((0, 1, 127, 128, 255, chance.randrange(256)))
    return bytes(changed)


def join(content: bytes, chance: random.Random) -> bytes:
    """Let another format go on where this one stops."""
    other = photo_of(*chance.choice(KINDS))
    return content[: chance.randrange(len(content))] + other[chance.randrange(len(other)) :]


DAMAGES: tuple[Callable[[bytes, random.Random], bytes], ...] = (flip, flip, flip, cut, repeat, join)


def refusal_of(damaged: bytes, *, side_px: int | None) -> str | None:
    """Read a photo; return why it is refused, or check what was read."""
    try:
        photo = open_photo_bytes(damaged, name="damaged", side_px=side_px, max_pixels=10**6)
    except PhotoError as error:
        return str(error)
    assert photo.mode == "RGB"
    assert photo.width * photo.height <= 10**6
    return None


@pytest.mark.filterwarnings("ignore")  # of Pillow, about what it makes of damaged files
@pytest.mark.parametrize("n_files", [FEW, pytest.param(MANY, marks=pytest.mark.slow)])
@pytest.mark.parametrize(("form", "mode"), KINDS)
def test_a_damaged_photo_is_read_or_refused(form: str, mode: str, n_files: int) -> None:
    whole = photo_of(form, mode)
    assert sorted(open_photo_bytes(whole, name="whole").size) == sorted(SIZE)
    refusals = []
    for seed in range(n_files):
        chance = random.Random(f"{form} {mode} {seed}")
        damaged = chance.choice(DAMAGES)(whole, chance)
        refusals.append(refusal_of(damaged, side_px=chance.choice((None, SIDE_PX))))

    told = [refusal for refusal in refusals if refusal is not None]
    assert told
    assert len(told) < n_files or n_files == FEW
    assert all(refusal.startswith("damaged: ") and "\n" not in refusal for refusal in told)
