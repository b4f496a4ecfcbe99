"""Write the report of a run.

In:  facts, and the table for the photos of the gallery.
Out: facts.json, table.csv, table.md, plots/*.png, and report.html: one file that opens without a network.
"""

import base64
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from manylabel.data.pictures import data_uri
from manylabel.errors import PhotoError
from manylabel.io.files import write_atomically
from manylabel.metrics.registry import METRICS
from manylabel.report import advice, trust_words, words
from manylabel.report.captions import CAPTIONS
from manylabel.report.gallery import BOX_PX, SMALL_BOX_PX, labels_to_show, make_thumbnail
from manylabel.report.plots.draw import Picture, draw_plots
from manylabel.report.plots.style import color_of
from manylabel.report.tables import (
    UNDEFINED_NOTE,
    format_cell,
    format_interval,
    has_undefined,
    main_columns,
    main_metrics,
    n_ranked_rows,
    table_rows,
    write_table,
)
from manylabel.types import LabelTable

_TEMPLATES = Path(__file__).parent / "templates"
_SHORT_LINE = 100

SECTIONS = {
    "table": "Can I trust it?",
    "labels": "Which labels work?",
    "gallery": "What goes wrong?",
    "suspects": "Labels that are probably wrong",
    "check": "What the check found",
    "honesty": "Are the probabilities honest?",
    "next": "What should I do next?",
    "curves": "Precision against recall",
    "data": "The photos and labels",
    "loss": "The loss function",
    "losses": "How the loss fell",
    "run": "How it was run",
}
"""The parts of the page under the headline, in the order in which people ask: the name of a template, and its
heading."""

Thumbnails = Mapping[int, str | None]
"""Photos of a page as data URIs by their row in the table; None for one that cannot be read any more."""


def write_report(
    facts: Mapping[str, Any],
    table: LabelTable,
    *,
    out: Path,
    heat_maps: Mapping[int, tuple[str, bytes]] | None = None,
) -> Path:
    """Write everything that people read about a run.

    Args:
        facts: What ``collect_facts`` returned.
        table: The table that the facts were collected from; the gallery reads its photos.
        out: Folder to write to; it is made where it is missing, other files in it stay.
        heat_maps: Of photos of the gallery, by their row: a label, and a JPEG of what speaks for it. Not
            given: none is shown.

    Returns:
        The report, ``out / "report.html"``.
    """
    pictures = draw_plots(facts)
    for name, picture in pictures.items():
        write_atomically(out / "plots" / f"{name}.png", picture.png)
    write_atomically(out / "facts.json", to_json(facts).encode())
    write_table(facts, out)
    report = out / "report.html"
    page = render_page(
        facts,
        pictures=pictures,
        thumbnails={row: _photo_uri(table.photos[row]) for row in shown_photos(facts)},
        small_thumbnails={
            row: _photo_uri(table.photos[row], box_px=SMALL_BOX_PX) for row in similar_photos(facts)
        },
        heat_maps={} if heat_maps is None else heat_maps,
    )
    write_atomically(report, page.encode())
    return report


def render_page(
    facts: Mapping[str, Any],
    *,
    pictures: Mapping[str, Picture],
    thumbnails: Thumbnails,
    small_thumbnails: Thumbnails,
    heat_maps: Mapping[int, tuple[str, bytes]],
) -> str:
    """Set the page.

    Args:
        facts: What ``collect_facts`` returned.
        pictures: The plots by name; a plot that is not there is left out.
        thumbnails: The photos that it shows, ``shown_photos``.
        small_thumbnails: Those that look like them, ``similar_photos``.
        heat_maps: As for ``write_report``.

    Returns:
        HTML with style, script and pictures inside.
    """
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": words.percent, "duration": words.duration}
    script = (_TEMPLATES / "sort.js").read_text(encoding="utf-8")
    return environment.get_template("report.html.j2").render(
        facts=facts,
        data=facts["data"],
        models=facts["models"],
        best=facts["models"][facts["best"]],
        rows=table_rows(facts),
        columns=main_columns(),
        shares=main_metrics(),
        metrics=METRICS,
        pictures=pictures,
        thumbnails=thumbnails,
        small_thumbnails=small_thumbnails,
        heat_maps=heat_maps,
        labels_to_show=labels_to_show,
        sections=SECTIONS,
        words=words,
        trust=trust_words,
        advice=advice,
        captions=CAPTIONS,
        cell=format_cell,
        has_undefined=has_undefined,
        n_ranked_rows=n_ranked_rows,
        undefined_note=UNDEFINED_NOTE,
        span=format_interval,
        color_of=color_of,
        data_uri=data_uri,
        style=(_TEMPLATES / "style.css").read_text(encoding="utf-8"),
        script=script,
        # The page may run this script and no other, whatever a label or a file is called.
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def to_json(value: object, *, indent: str = "") -> str:
    """Write JSON for people: what is short, and every list of numbers, stands on one line.

    Args:
        value: Plain JSON values without NaN.
        indent: What stands before the closing bracket.

    Raises:
        ValueError: A number is NaN or infinite.

    Examples:
        >>> print(to_json({"name": "x" * 60, "shares": {"sea": 0.5, "sun": None}, "counts": [1, 2, 3]}))
        {
         "name": "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
         "shares": {"sea": 0.5, "sun": null},
         "counts": [1, 2, 3]
        }
    """
    on_one_line = json.dumps(value, ensure_ascii=False, allow_nan=False)
    deeper = indent + " "
    if len(on_one_line) <= _SHORT_LINE:
        return on_one_line
    if isinstance(value, dict):
        lines = [
            f"{json.dumps(name, ensure_ascii=False)}: {to_json(item, indent=deeper)}"
            for name, item in value.items()
        ]
        brackets = "{}"
    elif isinstance(value, list) and any(isinstance(item, dict | list) for item in value):
        lines = [to_json(item, indent=deeper) for item in value]
        brackets = "[]"
    else:
        return on_one_line
    body = ",\n".join(deeper + line for line in lines)
    return f"{brackets[0]}\n{body}\n{indent}{brackets[1]}"


def shown_photos(facts: Mapping[str, Any]) -> list[int]:
    """Return the rows of all photos that a page shows, each once."""
    copies = [photo for group in facts["copies"] for photo in group["photos"]]
    shown = [*facts["gallery"], *trust_words.suspect_photos(facts), *copies]
    return [*dict.fromkeys(photo["row"] for photo in shown)]


def similar_photos(facts: Mapping[str, Any]) -> list[int]:
    """Return the rows of all photos that a page shows because they look like others, each once."""
    return [*dict.fromkeys(similar["row"] for photo in facts["gallery"] for similar in photo["similar"])]


def _photo_uri(path: Path, *, box_px: tuple[int, int] = BOX_PX) -> str | None:
    try:
        return data_uri(make_thumbnail(path, box_px=box_px), kind="image/jpeg")
    except PhotoError:
        return None  # the photo was readable when the run began; the page says so in its place
