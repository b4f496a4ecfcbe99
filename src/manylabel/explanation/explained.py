"""Explanations of the predictions for some photos.

In:  nothing; ``explain`` makes them.
Out: a value per photo, with its heat maps and the most similar photos; they show themselves in a notebook.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path

from PIL import Image

from manylabel.data.photos import data_uri, to_jpeg
from manylabel.data.wording import count
from manylabel.errors import PhotoError
from manylabel.explanation.overlay import draw_overlay
from manylabel.preprocess import Box
from manylabel.types import FloatArray

_JPEG_QUALITY = 85


@dataclass(frozen=True, kw_only=True)
class Neighbor:
    """A photo that looks like the one that is explained.

    Attributes:
        name: Its name in the table.
        path: Its file.
        labels: The labels that it carries.
        words: The same in words, or that they are unknown.
        cosine: Cosine similarity, at most 1.
    """

    name: str
    path: Path
    labels: tuple[str, ...]
    words: str
    cosine: float


@dataclass(frozen=True, eq=False, kw_only=True)
class ExplainedLabel:
    """The explanation of one label.

    Attributes:
        label: The label.
        score: Its probability, as ``predict`` gives it.
        is_given: Whether ``predict`` gives it.
        heat: How much each patch speaks for it, in logits [rows, columns].
    """

    label: str
    score: float
    is_given: bool
    heat: FloatArray


@dataclass(frozen=True, eq=False, kw_only=True)
class Explanation:
    """The explanation of the predictions for a photo.

    Attributes:
        path: The photo's file.
        photo: The photo, upright, at most 640 pixels a side.
        box: The part of it that the model saw, as shares of its width and height.
        labels: The labels that are explained.
        neighbors: The most similar photos, the most similar first.
    """

    path: Path
    photo: Image.Image
    box: Box
    labels: tuple[ExplainedLabel, ...]
    neighbors: tuple[Neighbor, ...]


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Explanations:
    """The explanations of some photos.

    Attributes:
        photos: One per photo that could be read.
        failures: An error for each other one.
    """

    photos: tuple[Explanation, ...]
    failures: tuple[PhotoError, ...]

    def __len__(self) -> int:
        """Return the number of photos."""
        return len(self.photos)

    def __iter__(self) -> Iterator[Explanation]:
        """Iterate over the photos."""
        return iter(self.photos)

    def __repr__(self) -> str:
        """Describe the explanations in one line."""
        n_maps = sum(len(explained.labels) for explained in self.photos)
        return f"Explanations({count(len(self), 'photo')}, {count(n_maps, 'heat map')})"

    def _repr_html_(self) -> str:
        """Show the heat maps in a notebook."""
        figures = (
            f'<figure style="display:inline-block"><img src="{_overlay_uri(explained, label)}">'
            f"<figcaption>{escape(label.label)} {label.score:.0%}</figcaption></figure>"
            for explained in self.photos
            for label in explained.labels
        )
        return "".join(figures)


def _overlay_uri(explained: Explanation, label: ExplainedLabel) -> str:
    return as_uri(draw_overlay(explained.photo, label.heat, box=explained.box))


def as_uri(photo: Image.Image) -> str:
    """Return a photo as a data URI, for pages that need no other file."""
    return data_uri(to_jpeg(photo, quality=_JPEG_QUALITY), kind="image/jpeg")
