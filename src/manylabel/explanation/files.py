"""Explanations as files.

In:  explanations.
Out: a folder with a PNG per photo and label, and index.html, which opens offline and also shows the plain
     photos.
"""

import re
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader
from PIL import Image

from manylabel.data.photos import open_photo
from manylabel.errors import PhotoError
from manylabel.explanation.explained import Explanation, Explanations, Neighbor, as_uri
from manylabel.explanation.overlay import draw_overlay, scale_colors
from manylabel.io.files import printable
from manylabel.io.folders import check_free, new_folder

_NEIGHBOR_PX = 160
_OWN_FILES = re.compile(r"index\.html|\d{3,}\.[^/]*\.png")


def check_output(folder: Path, *, overwrite: bool) -> None:
    """Check that a folder may be written; call it before long work.

    Raises:
        OutputError: It has something in it that must not be replaced.
    """
    check_free(folder, replaces=_OWN_FILES if overwrite else None)


def write_explanations(folder: Path, explanations: Explanations, *, overwrite: bool = False) -> None:
    """Write all heat maps.

    Args:
        folder: Folder to make.
        explanations: What to write.
        overwrite: Replace what an earlier call wrote there.

    Raises:
        OutputError: The folder is taken or cannot be written to.
    """
    with new_folder(folder, replaces=_OWN_FILES if overwrite else None) as unfinished:
        described = [
            _write_photo(unfinished, number, photo)
            for number, photo in enumerate(explanations.photos, start=1)
        ]
        failures = [f"{printable(failure.name)}: {failure.reason}" for failure in explanations.failures]
        page = _template().render(photos=described, failures=failures, scale=scale_colors())
        (unfinished / "index.html").write_text(page, encoding="utf-8")


def _write_photo(folder: Path, number: int, explained: Explanation) -> dict[str, Any]:
    """Write the pictures of a photo, and return what the page shows of it."""
    labels = []
    for order, label in enumerate(explained.labels, start=1):
        # Numbered: "C++" and "C#" have the same letters.
        name = f"{number:03}.{order}.{_as_file_name(label.label)}.png"
        draw_overlay(explained.photo, label.heat, box=explained.box).save(folder / name)
        labels.append(
            {
                "name": label.label,
                "score": label.score,
                "is_given": label.is_given,
                "file": name,
                "speaks": bool(label.heat.max() > 0),
            }
        )
    return {
        "name": printable(explained.path.name),
        "photo": as_uri(explained.photo),
        "size": explained.photo.size,
        "labels": labels,
        "neighbors": [_describe_neighbor(neighbor) for neighbor in explained.neighbors],
    }


def _describe_neighbor(neighbor: Neighbor) -> dict[str, Any]:
    try:
        photo = open_photo(neighbor.path, side_px=_NEIGHBOR_PX)
        photo.thumbnail((_NEIGHBOR_PX, _NEIGHBOR_PX), Image.Resampling.LANCZOS)
        picture = as_uri(photo)
    except PhotoError:
        picture = ""
    return {"name": neighbor.name, "words": neighbor.words, "cosine": neighbor.cosine, "photo": picture}


def _as_file_name(label: str) -> str:
    """Return the letters and digits of a label.

    Examples:
        >>> _as_file_name("sea / lake")
        'sea-lake'
    """
    return re.sub(r"\W+", "-", label).strip("-")[:60] or "label"


def _template() -> Any:
    environment = Environment(
        loader=PackageLoader("manylabel.explanation"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("explain.html.j2")
