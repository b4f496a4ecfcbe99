"""Large photos take little memory while they are read."""

import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from manylabel.data.decoding import _BYTES_PER_PIXEL, _USUAL_BYTES_PER_PIXEL

SIDE_PX = 4000
LEAST_MB = 50

MEASURE = """
import resource, sys
from pathlib import Path
from manylabel.data.photos import open_photo
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
open_photo(Path(sys.argv[1]), side_px=224)
before = peak()
open_photo(Path(sys.argv[2]), side_px=224)
print(peak() - before)
"""

KINDS = [
    ("PNG", "RGBA"),
    ("PNG", "P"),
    ("PNG", "LA"),
    ("PNG", "I;16"),
    ("GIF", "P"),
    ("TIFF", "RGBA"),
    ("BMP", "RGB"),
    ("JPEG", "CMYK"),
    ("WEBP", "RGBA"),
    ("AVIF", "RGBA"),
    ("JPEG2000", "RGBA"),
]


@pytest.mark.skipif(sys.platform != "linux", reason="the system tells the peak in KiB on Linux")
@pytest.mark.parametrize(
    ("form", "mode"),
    [kind if kind == KINDS[0] else pytest.param(*kind, marks=pytest.mark.slow) for kind in KINDS],
)
def test_a_large_photo_takes_what_its_format_needs(form: str, mode: str, tmp_path: Path) -> None:
    Image.new("RGB", (300, 300)).save(tmp_path / "small.png")
    Image.new(mode, (SIDE_PX, SIDE_PX)).save(tmp_path / "large", form)
    words = [sys.executable, "-c", MEASURE, str(tmp_path / "small.png"), str(tmp_path / "large")]
    measured = subprocess.run(words, capture_output=True, text=True, check=True)
    peak_mb = int(measured.stdout) * 1024 / 1e6
    # The decoders of some formats keep copies of all pixels; for the others 4 bytes are the picture itself.
    per_pixel = _BYTES_PER_PIXEL.get(form, 4)
    assert per_pixel == 4 or per_pixel > _USUAL_BYTES_PER_PIXEL
    assert peak_mb <= per_pixel * SIDE_PX**2 / 1e6 + LEAST_MB
