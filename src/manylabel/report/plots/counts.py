"""Draw what the photos show, before any model: how often each label occurs, and with which others.

In:  results.
Out: bars of counts per label, bars of labels per photo, a heat map of labels that occur together.
"""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from manylabel.report.plots.labels import new_label_columns
from manylabel.report.plots.style import INK, MUTED, PALE, new_figure, plain_text, quiet_axes
from manylabel.results import LabelCounts, RunResults
from manylabel.types import FloatArray, IntArray, Part

MAX_HEAT_LABELS = 60
"""Labels that the heat map shows; with more labels, the most frequent ones."""

_PART_COLORS: dict[Part, str] = {"train": "#35618f", "val": "#8a9bb0", "test": "#e0a030"}
_PART_WORDS: dict[Part, str] = {"train": "training", "val": "validation", "test": "test"}
_BLUES = LinearSegmentedColormap.from_list(
    "paper to blue", ["#ffffff", "#b9d3ea", "#4d8fc4", "#0b4a80"]
).with_extremes(bad=PALE)


def draw_label_counts(results: RunResults) -> Figure:
    """Draw how many photos carry each label, the most frequent on top."""
    labels = results.data.labels
    order = sorted(range(len(labels)), key=lambda label: (-labels[label].n_positive, label))
    largest = max(label.n_positive for label in labels)

    def draw_rows(axes: Axes, chosen: Sequence[int]) -> None:
        _draw_count_bars(axes, [labels[label] for label in chosen], largest=largest)

    names = [label.name for label in labels]
    figure = new_label_columns(order, names=names, draw_rows=draw_rows, head_inches=0.9)
    handles, words = figure.axes[0].get_legend_handles_labels()
    if len(handles) > 1:
        figure.legend(handles, words, loc="outside upper left", ncols=4)
    return figure


def draw_labels_per_photo(results: RunResults) -> Figure:
    """Draw how many photos carry no, one, two, ... labels."""
    counts = results.data.labels_per_photo
    figure = new_figure(height_inches=3.2, width_inches=float(np.clip(0.42 * len(counts) + 0.8, 3.3, 10.0)))
    axes = figure.subplots()
    bars = axes.bar(range(len(counts)), counts, color=_PART_COLORS["train"], width=0.72)
    if len(counts) <= 20:
        axes.bar_label(bars, fontsize=8, color=INK, padding=2)
        axes.set_xticks(range(len(counts)))
    quiet_axes(axes)
    axes.set_xlabel("labels on one photo")
    axes.set_ylabel("photos")
    return figure


def draw_co_occurrence(results: RunResults) -> Figure | None:
    """Draw, for the photos with one label, which share has the other one too; None with a single label."""
    counts = np.array(results.data.co_occurrence)
    order = order_by_company(counts)
    if len(order) < 2:
        return None
    shares = conditional_shares(counts)[np.ix_(order, order)]
    side = float(np.clip(0.4 * len(order) + 1.8, 4.6, 10.0))
    figure = new_figure(height_inches=side, width_inches=min(side + 0.9, 10.0))
    axes = figure.subplots()
    image = axes.imshow(100 * shares, cmap=_BLUES, vmin=0, vmax=100)
    names = [plain_text(results.data.labels[label].name, n_letters=22) for label in order]
    letters = 8.5 if len(order) <= 30 else 6
    axes.set_xticks(range(len(order)), names, rotation=90, fontsize=letters, color=INK)
    axes.set_yticks(range(len(order)), names, fontsize=letters, color=INK)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("... have this label too, %")
    axes.set_ylabel("Of the photos with this label ...")
    if len(order) <= 20:
        _write_shares(axes, shares)
    else:
        bar = figure.colorbar(image, ax=axes, shrink=0.4, aspect=30, pad=0.01, format="%d %%")
        bar.outline.set_visible(False)
    return figure


def conditional_shares(counts: IntArray) -> FloatArray:
    """Divide each row by its diagonal: of the photos with the row's label, the share with the column's.

    Args:
        counts: Photos with both labels [n_labels, n_labels].

    Returns:
        Shares [n_labels, n_labels] in [0, 1]; NaN on the diagonal and in rows without a photo.
    """
    own = np.diag(counts).astype(np.float64)[:, None]
    shares: FloatArray = np.divide(counts, own, out=np.full(counts.shape, np.nan), where=own > 0)
    np.fill_diagonal(shares, np.nan)
    return shares


def order_by_company(counts: IntArray) -> list[int]:
    """Order labels so that those seen together stand side by side; drop those without a photo.

    Starts with the most frequent label and goes on to the one with the largest overlap (photos with both
    over photos with either) with the last.

    Args:
        counts: Photos with both labels [n_labels, n_labels].
    """
    own = np.diag(counts)
    by_count = [int(label) for label in np.argsort(-own, kind="stable") if own[label] > 0]
    waiting, order = by_count[:MAX_HEAT_LABELS], list[int]()
    while waiting:
        last = order[-1] if order else waiting[0]
        overlap = [counts[last, label] / (own[last] + own[label] - counts[last, label]) for label in waiting]
        order.append(waiting.pop(int(np.argmax(overlap))))
    return order


def _draw_count_bars(axes: Axes, labels: Sequence[LabelCounts], *, largest: int) -> None:
    heights = np.arange(len(labels))
    left = np.zeros(len(labels))
    for part, color in _PART_COLORS.items():
        widths = np.array([label.n_in(part) for label in labels], dtype=np.float64)
        if part == "train" or widths.any():
            axes.barh(
                heights, widths, left=left, height=0.7, color=color, label=f"{_PART_WORDS[part]} photos"
            )
        left += widths
    for height, label in enumerate(labels):
        axes.text(label.n_positive + 0.012 * largest, height, _count_words(label), va="center", fontsize=8)
    has_unknown = any(label.n_unknown for label in labels)
    axes.set_xlim(0, max(largest, 1) * (1.6 if has_unknown else 1.27))
    axes.set_xlabel("photos")


def _count_words(label: LabelCounts) -> str:
    n_known = label.n_positive + label.n_negative
    share = f" ({label.n_positive / n_known:.0%})".replace("%", " %") if n_known else ""
    unknown = f", {label.n_unknown} unknown" if label.n_unknown else ""
    return f"{label.n_positive}{share}{unknown}"


def _write_shares(axes: Axes, shares: FloatArray) -> None:
    for row, column in np.ndindex(*shares.shape):
        share = shares[row, column]
        if not np.isnan(share):
            color = "white" if share > 0.55 else INK if share > 0 else MUTED
            axes.text(column, row, f"{100 * share:.0f}", ha="center", va="center", fontsize=8, color=color)
