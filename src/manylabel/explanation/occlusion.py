"""Compute heat maps by occlusion.

In:  a split model; an upright RGB photo, or the photos of a report that show mistakes.
Out: a map per label: how much its logit falls where a patch is occluded; small pictures for the report.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from manylabel.data.photos import open_photo, to_jpeg
from manylabel.engines.openvino import SplitModel
from manylabel.errors import PhotoError
from manylabel.explanation.overlay import draw_overlay
from manylabel.patch_grid import group_patches, occlude_patches, occlusion_maps
from manylabel.preprocess import Box, Preprocessing, evaluation_box, resize_photo
from manylabel.results import GalleryPhoto, ScoredLabel
from manylabel.types import FloatArray, LabelTable

_BATCH_SIZE = 32

# Of the pictures of mistakes.
_N_PER_KIND = 4
_MAX_GROUPS = 64
_BOX_PX = (320, 240)
_JPEG_QUALITY = 78


@dataclass(frozen=True, eq=False, kw_only=True)
class HeatMaps:
    """The heat maps of a photo.

    Attributes:
        maps: How much each patch speaks for each label, in logits [n_labels, rows, columns]; below 0 where it
            speaks against it.
        box: The part of the photo that the model saw: left, upper, right, lower as shares of its width and
            height.
        features: Output of the backbone for the photo [n_features].
    """

    maps: FloatArray
    box: Box
    features: FloatArray


def explain_photo(
    model: SplitModel, photo: Image.Image, preprocessing: Preprocessing, *, max_groups: int
) -> HeatMaps:
    """Compute the heat maps of a photo as it is, in one view.

    Args:
        model: The model in two parts.
        photo: The photo, of any size.
        preprocessing: How it becomes pixels.
        max_groups: Patches to occlude one by one, at least 4; where there are more, neighbors are occluded
            together. Time grows with it.
    """
    # [1, *shape], [1, n_features]
    activations, features = model.lower(resize_photo(photo, preprocessing)[None])
    whole = model.upper(activations)[0]
    groups = group_patches(model.grid, max_groups=max_groups)
    batches = occlude_patches(activations[0], model.grid, groups, batch_size=_BATCH_SIZE)
    occluded = np.concatenate([model.upper(batch) for batch in batches])  # [n_groups, n_labels]
    return HeatMaps(
        maps=occlusion_maps(whole, occluded),
        box=_seen_part(photo, preprocessing),
        features=features[0],
    )


def _seen_part(photo: Image.Image, preprocessing: Preprocessing) -> Box:
    left, upper, right, lower = evaluation_box(photo.size, preprocessing)
    return (left / photo.width, upper / photo.height, right / photo.width, lower / photo.height)


def explain_mistakes(
    model: SplitModel,
    preprocessing: Preprocessing,
    gallery: Sequence[GalleryPhoto],
    table: LabelTable,
) -> dict[int, tuple[str, bytes]]:
    """Draw heat maps of the worst mistakes: of up to 4 missed and 4 wrong labels.

    Args:
        model: The trained model in two parts. The mistakes of a cross-validation were made by other fits.
        preprocessing: How a photo becomes its pixels.
        gallery: Photos of the report.
        table: Their files.

    Returns:
        A label and a JPEG file by the row of the photo.
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
            continue  # it was readable when the run began; the report shows that it is not
        maps = explain_photo(model, photo, preprocessing, max_groups=_MAX_GROUPS)
        photo.thumbnail(_BOX_PX, Image.Resampling.LANCZOS)
        heat = maps.maps[table.labels.index(label)]
        picture = draw_overlay(photo, heat, box=maps.box)
        pictures[entry.row] = (label, to_jpeg(picture, quality=_JPEG_QUALITY))
    return pictures


def _score(scored: ScoredLabel) -> float:
    return scored.score
