"""Show where a network saw the labels that it gave wrongly, and what it made of those that it missed.

In:  both parts of the network that is kept, and the photos of a report that show mistakes.
Out: a small picture per photo, colored where something speaks for the label in question.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from PIL import Image

from manylabel.data.photos import open_photo
from manylabel.data.pictures import to_jpeg
from manylabel.engines.openvino import SplitModel
from manylabel.errors import PhotoError
from manylabel.explanation.occlusion import explain_photo
from manylabel.explanation.overlay import draw_overlay
from manylabel.preprocess import Preprocessing
from manylabel.types import LabelTable

_N_PER_KIND = 4
_MOST_VARIANTS = 64
_BOX_PX = (320, 240)
_JPEG_QUALITY = 78


def explain_mistakes(
    locator: SplitModel,
    preprocessing: Preprocessing,
    gallery: Sequence[Mapping[str, Any]],
    table: LabelTable,
) -> dict[int, tuple[str, bytes]]:
    """Draw heat maps of the worst mistakes: of up to 4 missed and 4 wrong labels.

    Args:
        locator: Both parts of the network that is kept. Where folds judge, it is not the one that made them.
        preprocessing: How a photo becomes its pixels.
        gallery: The photos, as ``report.facts`` describes them.
        table: Where they lie.

    Returns:
        By the photo's row a label and a JPEG file.
    """
    chosen = [
        (photo, kind)
        for kind in ("missed", "wrong")
        for photo in [photo for photo in gallery if photo["group"] == kind][:_N_PER_KIND]
    ]
    pictures = {}
    for entry, kind in chosen:
        label = _worst_label(entry[kind], is_missed=kind == "missed")
        try:
            side_px = max(min(_BOX_PX), preprocessing.side_px)
            photo = open_photo(table.photos[entry["row"]], side_px=side_px)
        except PhotoError:
            continue  # it was readable when the run began; the page says so in its place
        maps = explain_photo(locator, photo, preprocessing, max_groups=_MOST_VARIANTS)
        photo.thumbnail(_BOX_PX, Image.Resampling.LANCZOS)
        heat = maps.maps[table.labels.index(label)]
        picture = draw_overlay(photo, heat, box=maps.box)
        pictures[entry["row"]] = (label, to_jpeg(picture, quality=_JPEG_QUALITY))
    return pictures


def _worst_label(scored: Sequence[Mapping[str, Any]], *, is_missed: bool) -> str:
    """Return the label that was missed by the lowest score, or given wrongly by the highest."""
    worst = min(scored, key=lambda cell: cell["score"] if is_missed else -cell["score"])
    return str(worst["label"])
