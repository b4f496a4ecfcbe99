"""Look whether labels are as frequent among the training photos as among the test photos.

In:  the table and the split.
Out: findings about labels whose shares differ by more than chance explains.
"""

import numpy as np

from manylabel.data.checks.exact_tests import holm, proportions_differ
from manylabel.data.checks.finding import Finding, per_label
from manylabel.types import IntArray, LabelTable, Split

_LEVEL = 0.05


def find_shift(table: LabelTable, split: Split | None) -> list[Finding]:
    """Find labels that are clearly more frequent in one part than in the other.

    Each label gets Fisher's exact test of two proportions on its known cells, corrected after Holm for the
    number of labels; below 0.05 it is told.

    Args:
        table: The photos and their labels.
        split: Which photos train and judge. Not given, or without test photos: nothing is found.
    """
    if split is None or not len(split.test) or not table.n_labels:
        return []
    hits, sizes = (
        np.array([counted(table, rows) for rows in (split.train, split.test)])
        for counted in (_count_present, _count_known)
    )  # each [2, n_labels]
    p_values = np.array(
        [
            proportions_differ((int(hit[0]), int(hit[1])), (int(size[0]), int(size[1])))
            for hit, size in zip(hits.T, sizes.T, strict=True)
        ]
    )
    corrected = holm(p_values)
    order = np.argsort(corrected, kind="stable")
    shares = hits / np.maximum(sizes, 1)
    return per_label(
        table,
        order[corrected[order] < _LEVEL],
        level="warning",
        kind="label_shift",
        words=(
            lambda column: (
                f"on {shares[0, column]:.0%} of the training photos but {shares[1, column]:.0%} of the test"
                " photos, which is more than chance: the test shows other photos than training"
            ),
            "are clearly more or less frequent among the test photos than among the training photos",
        ),
    )


def _count_present(table: LabelTable, rows: IntArray) -> IntArray:
    """Count the photos that carry each label [n_labels]."""
    return np.asarray((table.targets[rows] == 1).sum(axis=0), dtype=np.int64)


def _count_known(table: LabelTable, rows: IntArray) -> IntArray:
    """Count the photos of which each label is known [n_labels]."""
    return np.asarray((~np.isnan(table.targets[rows])).sum(axis=0), dtype=np.int64)
