"""Say where in a photo a network saw what speaks for a label.

In:  both parts of a network; an upright RGB photo.
Out: a map per label: how much its logit falls where a place is silenced.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from manylabel.engines.openvino import SplitModel
from manylabel.patch_grid import group_patches, occlude_patches, occlusion_maps
from manylabel.preprocess import Box, Preprocessing, evaluation_box, resize_photo
from manylabel.types import FloatArray

_VARIANTS_PER_BATCH = 32


@dataclass(frozen=True, eq=False, kw_only=True)
class HeatMaps:
    """Hold what the places of a photo say.

    Attributes:
        maps: How much each place speaks for each label, in logits [n_labels, rows, columns]; below 0 where it
            speaks against it.
        box: The part of the photo that the network saw: left, upper, right, lower as shares of its width and
            height.
        features: What the photo looks like to the network [n_features].
    """

    maps: FloatArray
    box: Box
    features: FloatArray


def explain_photo(
    locator: SplitModel, photo: Image.Image, preprocessing: Preprocessing, *, max_groups: int
) -> HeatMaps:
    """Compute the heat maps of a photo as it is, in one view.

    Args:
        locator: Both parts of the network.
        photo: The photo, of any size.
        preprocessing: How it becomes pixels.
        max_groups: Places to silence one by one, at least 4; where there are more, neighbors are silenced
            together. Time grows with it.
    """
    # [1, *shape], [1, n_features]
    activations, features = locator.lower(resize_photo(photo, preprocessing)[None])
    whole = locator.upper(activations)[0]
    blocks = group_patches(locator.grid, max_groups=max_groups)
    variants = occlude_patches(activations[0], locator.grid, blocks, batch_size=_VARIANTS_PER_BATCH)
    silenced = np.concatenate([locator.upper(batch) for batch in variants])  # [n_blocks, n_labels]
    return HeatMaps(
        maps=occlusion_maps(whole, silenced),
        box=_seen_part(photo, preprocessing),
        features=features[0],
    )


def _seen_part(photo: Image.Image, preprocessing: Preprocessing) -> Box:
    left, upper, right, lower = evaluation_box(photo.size, preprocessing)
    return (left / photo.width, upper / photo.height, right / photo.width, lower / photo.height)
