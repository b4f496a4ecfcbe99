"""Show where a network saw the labels that it gave wrongly, and what it made of those that it missed.

In:  both parts of the network that is kept, and the photos of a report that show mistakes.
Out: a small picture per photo, colored where something speaks for the label in question.
"""

from collections.abc import Sequence

from PIL import Image

from manylabel.data.photos import open_photo, to_jpeg
from manylabel.engines.split_model import Locator
from manylabel.errors import PhotoError
from manylabel.explanation.occlusion import explain_photo
from manylabel.explanation.overlay import draw_overlay
from manylabel.preprocess import Preprocessing
from manylabel.results import GalleryPhoto, ScoredLabel
from manylabel.types import LabelTable

_N_PER_KIND = 4
_MOST_VARIANTS = 64
_BOX_PX = (320, 240)
_JPEG_QUALITY = 78


def explain_mistakes(
    locator: Locator,
    preprocessing: Preprocessing,
    gallery: Sequence[GalleryPhoto],
    table: LabelTable,
) -> dict[int, tuple[str, bytes]]:
    """Draw heat maps of the worst mistakes: of up to 4 missed and 4 wrong labels.

    Args:
        locator: Both parts of the network that is kept. Where folds judge, it is not the one that made them.
        preprocessing: How a photo becomes its pixels.
        gallery: Photos of the report.
        table: Where they lie.

    Returns:
        By the photo's row a label and a JPEG file.
    """
    missed, wrong = (
        [photo for photo in gallery if photo.group == group][:_N_PER_KIND] for group in ("missed", "wrong")
    )
    chosen = [(photo, min(photo.missed, key=_score).label) for photo in missed]
    chosen += [(photo, max(photo.wrong, key=_score).label) for photo in wrong]
    pictures = {}
    for entry, label in chosen:
        try:
            side_px = max(min(_BOX_PX), preprocessing.side_px)
            photo = open_photo(table.photos[entry.row], side_px=side_px)
        except PhotoError:
            continue  # it was readable when the run began; the page says so in its place
        maps = explain_photo(locator, photo, preprocessing, most_variants=_MOST_VARIANTS)
        photo.thumbnail(_BOX_PX, Image.Resampling.LANCZOS)
        heat = maps.maps[table.labels.index(label)]
        picture = draw_overlay(photo, heat, box=maps.box)
        pictures[entry.row] = (label, to_jpeg(picture, quality=_JPEG_QUALITY))
    return pictures


def _score(scored: ScoredLabel) -> float:
    return scored.score
