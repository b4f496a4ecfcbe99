"""Give all plots one look: size, colors, letters, file form.

In:  what a figure needs to know: how many panels, which model, which label.
Out: figures, colors that stay with their model, PNG bytes with few colors and so few bytes.
"""

import io
import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import numpy as np
from matplotlib import font_manager, style
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from PIL import Image, ImageChops

from manylabel.results import Interval, ModelResults
from manylabel.types import FloatArray

WIDTH_INCHES = 10.0
INK, MUTED, GRID, PALE = "#1c2430", "#66707d", "#dfe3e8", "#eef1f4"

# Okabe and Ito's colors, which people with any kind of color vision tell apart, without the yellow that
# white paper swallows; each also has a marker of its own.
_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#5B4FA2", "#4D4D4D")
_MARKERS = ("o", "s", "^", "D", "v", "<", ">", "p")
_DPI = 150
_BORDER_PX = 6
# Letters that the first font lacks are looked for in the next ones, where they are installed.
_FONTS = (
    "DejaVu Sans",
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Noto Sans",
    "PingFang SC",
    "Hiragino Sans",
    "Microsoft YaHei",
    "Arial Unicode MS",
    "Noto Emoji",
)


def color_of(position: int) -> str:
    """Return the color of the model at this position of the results."""
    return _COLORS[position % len(_COLORS)]


def marker_of(position: int) -> str:
    """Return the marker of the model at this position of the results."""
    return _MARKERS[position % len(_MARKERS)]


def display_name(model: ModelResults, *, n_letters: int = 34, joint: str = " ") -> str:
    """Return a model's name as plots show it; random weights are never left out.

    Args:
        model: A model.
        n_letters: Longest name.
        joint: What stands between the name and the remark about random weights.

    """
    name = plain_text(model.model, n_letters=n_letters)
    return f"{name}{joint}(random weights)" if not model.is_pretrained else name


def plain_text(text: str, *, n_letters: int = 26) -> str:
    r"""Shorten a name in its middle and keep matplotlib from reading it as a formula.

    Args:
        text: Any name, also one with dollar signs or line breaks.
        n_letters: Longest result.

    Examples:
        >>> plain_text("a label of the kind that people who describe everything like", n_letters=21)
        'a label of…thing like'
        >>> plain_text("5$ or 6$")
        '5\\$ or 6\\$'
    """
    text = " ".join(text.split())
    if len(text) > n_letters:
        n_start = n_letters // 2
        text = f"{text[:n_start].rstrip()}…{text[-(n_letters - n_start - 1) :].lstrip()}"
    return text.replace("$", r"\$")


def ends_of(intervals: Sequence[Interval]) -> FloatArray:
    """Return the ends of intervals [n, 2], NaN where they are undefined."""
    return np.array([[interval.low, interval.high] for interval in intervals], dtype=np.float64)


def new_figure(*, height_inches: float, width_inches: float = WIDTH_INCHES) -> Figure:
    """Make an empty figure that draws itself without any window or global state."""
    return Figure(figsize=(width_inches, height_inches), dpi=_DPI, layout="constrained")


def grid_shape(n_panels: int, *, max_columns: int) -> tuple[int, int]:
    """Return rows and columns that hold all panels, as even as they get.

    Examples:
        >>> grid_shape(5, max_columns=4), grid_shape(10, max_columns=5)
        ((2, 3), (2, 5))
    """
    n_rows = math.ceil(n_panels / max_columns)
    return n_rows, math.ceil(n_panels / n_rows)


def small_panels(n_panels: int, *, panel_inches: float, margin_inches: float) -> tuple[Figure, list[Axes]]:
    """Make a figure of small plots with the same axes, five in a row.

    Args:
        n_panels: Plots, at least 1; rows of fewer than three keep the width of three.
        panel_inches: Height of a row.
        margin_inches: Height of what stands above and below the rows.
    """
    n_rows, n_columns = grid_shape(n_panels, max_columns=5)
    figure = new_figure(height_inches=panel_inches * n_rows + margin_inches)
    grid: Any = figure.subplots(n_rows, max(n_columns, 3), sharex=True, sharey=True, squeeze=False)
    panels = list(grid.ravel())
    for unused in panels[n_panels:]:
        unused.set_visible(False)
    return figure, panels[:n_panels]


def model_legend(figure: Figure, models: Sequence[ModelResults], extra: Sequence[Line2D] = ()) -> None:
    """Write the models with their colors and markers above a figure."""
    handles = [
        Line2D([], [], color=color_of(position), marker=marker_of(position), label=display_name(model))
        for position, model in enumerate(models)
    ]
    handles += extra
    n_letters = [len(str(handle.get_label())) for handle in handles]
    n_columns = _fitting_columns(n_letters, width_inches=figure.get_figwidth())
    figure.legend(handles=handles, loc="outside upper left", ncols=n_columns)


def _fitting_columns(n_letters: Sequence[int], *, width_inches: float) -> int:
    """Return the most columns that entries of these lengths fit into, filled column by column."""
    for n_columns in range(len(n_letters), 1, -1):
        n_rows = math.ceil(len(n_letters) / n_columns)
        longest = [max(n_letters[start : start + n_rows]) for start in range(0, len(n_letters), n_rows)]
        if sum(0.55 + 0.068 * letters for letters in longest) < width_inches:
            return n_columns
    return 1


def quiet_axes(axes: Axes, *, grid: Literal["x", "y", "both"] = "y") -> None:
    """Take away what carries no information: frame, ticks, heavy grid lines."""
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(GRID)
    axes.tick_params(length=0)
    axes.grid(visible=True, axis=grid, color=GRID, linewidth=0.7)
    axes.set_axisbelow(True)


@contextmanager
def plot_style() -> Iterator[None]:
    """Use manylabel's look inside a ``with``, whatever the user's own matplotlib settings are."""
    installed = set(font_manager.get_font_names())
    look = {
        "font.family": [name for name in _FONTS if name in installed],
        "font.size": 9,
        "text.color": INK,
        "axes.labelcolor": MUTED,
        "axes.edgecolor": GRID,
        "axes.titlesize": 9.5,
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        "xtick.color": MUTED,
        "ytick.color": MUTED,
        "xtick.labelsize": 8,
        "ytick.labelsize": 8,
        "legend.frameon": False,
        "legend.fontsize": 8.5,
        "lines.solid_capstyle": "round",
    }
    with style.context(["default", look]):
        yield


@contextmanager
def ignored_missing_glyphs() -> Iterator[None]:
    """Draw letters that no installed font has as boxes, without a warning; the report has the names in words.

    Filters of warnings are those of all threads: enter this where no other thread changes them.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
        yield


def to_png(figure: Figure) -> bytes:
    """Draw a figure, cut its empty margins off and keep 256 colors of it, a third of the bytes."""
    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    picture = _cut_margins(Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB"))
    # Median cut keeps white exactly white, which the faster octree does not.
    small = picture.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    packed = io.BytesIO()
    small.save(packed, "PNG", optimize=True, dpi=(_DPI, _DPI))
    return packed.getvalue()


def _cut_margins(picture: Image.Image) -> Image.Image:
    """Cut off what is white all around, but for a narrow border."""
    is_white = Image.new("RGB", picture.size, "white")
    left, upper, right, lower = ImageChops.difference(picture, is_white).getbbox() or (0, 0, *picture.size)
    width, height = picture.size
    box = (max(left - _BORDER_PX, 0), max(upper - _BORDER_PX, 0))
    return picture.crop((*box, min(right + _BORDER_PX, width), min(lower + _BORDER_PX, height)))
