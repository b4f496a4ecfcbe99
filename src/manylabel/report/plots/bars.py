"""Lay out one horizontal bar per label so that 1, 17, 54 and 200 labels stay readable.

In:  how many labels there are, and how one row is drawn.
Out: a figure of one or two columns of rows.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from manylabel.report.plots.style import INK, new_figure, plain_text, quiet_axes

DrawRows = Callable[[Axes, Sequence[int]], None]
"""Draws labels (their positions) at heights 0, 1, 2, ... of some axes."""


def new_label_columns(
    order: Sequence[int], *, names: Sequence[str], draw_rows: DrawRows, head_inches: float
) -> Figure:
    """Draw labels from top to bottom, then on to the next column.

    Args:
        order: Positions of the labels, the first one on top.
        names: Names of all labels.
        draw_rows: Draws the rows of one column.
        head_inches: Room above and below the rows.
    """
    n_columns = 1 if len(order) <= 30 else 2
    n_rows = -(-len(order) // n_columns)
    row_inches = 0.235 if n_rows <= 40 else 0.2
    figure = new_figure(height_inches=n_rows * row_inches + head_inches)
    columns: Any = figure.subplots(1, n_columns, sharex=True, squeeze=False)[0]
    for axes, labels in zip(columns, np.array_split(np.asarray(order), n_columns), strict=True):
        draw_rows(axes, [int(label) for label in labels])
        quiet_axes(axes, grid="x")
        letters = 34 if n_columns == 1 else 22
        axes.set_yticks(range(len(labels)), [plain_text(names[label], n_letters=letters) for label in labels])
        axes.tick_params(axis="y", labelcolor=INK)
        axes.set_ylim(n_rows - 0.4, -0.6)
    return figure
