"""Name the columns of labels in a table that has other columns, too.

In:  label names; the names of the other columns.
Out: a column name per label, all names different.
"""

import logging
from collections.abc import Sequence

from manylabel.errors import visible

_SUFFIX = " (score)"
_logger = logging.getLogger(__name__)


def label_columns(labels: Sequence[str], *, others: Sequence[str]) -> list[str]:
    """Return what the columns of labels are called; a label called as another column gets a suffix.

    Args:
        labels: The label names, all different.
        others: Names of the other columns.

    Examples:
        >>> label_columns(["sea", "error", "error (score)"], others=["image", "error"])
        ['sea', 'error (score) (score)', 'error (score)']
    """
    taken = {*labels, *others}
    columns = []
    for label in labels:
        column = label
        if label in others:
            while column in taken:
                column += _SUFFIX
            taken.add(column)
            names = visible(label), visible(column)
            _logger.info("label '%s' is called as another column: its column is '%s'", *names)
        columns.append(column)
    return columns
