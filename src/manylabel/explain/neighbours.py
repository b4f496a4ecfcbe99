"""Find the photos that look most alike to a network.

In:  what photos look like to it [n_photos, n_features].
Out: the nearest, by the angle between these vectors.
"""

import numpy as np

from manylabel.types import FloatArray, IntArray


def nearest(features: FloatArray, among: FloatArray, *, n_nearest: int) -> tuple[IntArray, FloatArray]:
    """Find the photos that are most alike to one.

    Args:
        features: Of the photo [n_features].
        among: Of the others [n_photos, n_features].
        n_nearest: How many to find, at least 1.

    Returns:
        Their rows, the most alike first, and the cosine of the angle to each, in [-1, 1]; fewer where there
        are fewer.

    Examples:
        >>> rows, cosines = nearest(np.array([1.0, 0.0]), np.array([[0.0, 2.0], [3.0, 0.0]]), n_nearest=1)
        >>> rows.tolist(), cosines.tolist()
        ([1], [1.0])
    """
    lengths = np.linalg.norm(among, axis=1) * np.linalg.norm(features)
    cosines = (among @ features) / np.maximum(lengths, 1e-12)
    rows = np.argsort(-cosines, kind="stable")[:n_nearest]
    return rows.astype(np.int64), cosines[rows]
