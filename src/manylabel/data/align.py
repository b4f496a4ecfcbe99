"""Bring a table of labels to the labels of a model.

In:  a table, the labels of a model.
Out: targets [n_photos, n_labels] in the model's order, NaN where the table does not say.
"""

from collections.abc import Sequence

import numpy as np

from manylabel.data.formats.parsing.wording import list_some
from manylabel.errors import TableError
from manylabel.types import FloatArray, LabelTable


def align_targets(table: LabelTable, labels: Sequence[str]) -> tuple[FloatArray, list[str]]:
    """Bring the columns of a table into the order of a bundle's labels.

    Args:
        table: May lack labels (they become unknown) and have others (they are left out).
        labels: The label names of the bundle.

    Returns:
        Targets [n_photos, n_labels], and what the user should know.

    Raises:
        TableError: No label is shared, or nothing is known of those that are.
    """
    shared = [label for label in labels if label in table.labels]
    if not shared:
        raise TableError(
            [
                f"{table.source}: none of its labels ({', '.join(table.labels[:10])}) is known to the bundle "
                f"({', '.join(labels[:10])})"
            ]
        )
    targets = np.full((table.n_photos, len(labels)), np.nan)
    for column, label in enumerate(labels):
        if label in table.labels:
            targets[:, column] = table.targets[:, table.labels.index(label)]
    if np.isnan(targets).all():
        raise TableError(
            [f"{table.source}: no cell says whether a photo carries {list_some(shared)}; fill some in"]
        )
    notes = []
    missing = [label for label in labels if label not in table.labels]
    if missing:
        notes.append(f"the table does not have {', '.join(missing)}: they are unknown and not evaluated")
    extra = [label for label in table.labels if label not in labels]
    if extra:
        notes.append(f"the bundle does not know {', '.join(extra)}: left out")
    return targets, notes
