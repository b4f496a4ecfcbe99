"""Walk through folds and what lies outside of them.

In:  row numbers of each fold.
Out: each fold with the rows of all others; where the photos of folds stand among sorted rows.
"""

from collections.abc import Sequence

import numpy as np

from manylabel.types import IntArray


def with_others(folds: Sequence[IntArray], *, n_photos: int) -> list[tuple[IntArray, IntArray]]:
    """Return each fold and the sorted rows of all other folds.

    Args:
        folds: Row numbers of each fold, a partition of the photos.
        n_photos: Photos that have scores.

    Raises:
        ValueError: The folds are not a partition of the photos.

    Examples:
        >>> with_others([np.array([2, 0]), np.array([1])], n_photos=3)
        [(array([2, 0]), array([1])), (array([1]), array([0, 2]))]
    """
    rows = np.concatenate([np.empty(0, dtype=np.int64), *folds])
    if not np.array_equal(np.sort(rows), np.arange(n_photos)):
        raise ValueError(f"the folds are not a partition of the {n_photos} photos that have scores")
    return [(fold, np.setdiff1d(rows, fold)) for fold in folds]


def positions(rows: IntArray, folds: Sequence[IntArray]) -> tuple[IntArray, ...]:
    """Return where the photos of each fold stand among sorted rows."""
    return tuple(np.searchsorted(rows, np.sort(fold)) for fold in folds)
