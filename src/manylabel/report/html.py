"""Write the report of a run.

In:  results, and the table for the photos of the gallery.
Out: results.json, table.csv, table.md, plots/*.png, and report.html: one file that opens without a network.
"""

import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from manylabel.data.photos import data_uri
from manylabel.errors import PhotoError
from manylabel.io.files import write_atomically
from manylabel.metrics.registry import METRICS
from manylabel.report import tables
from manylabel.report.gallery import BOX_PX, SMALL_BOX_PX, labels_to_show, make_thumbnail
from manylabel.report.plots.registry import PLOTS, Picture, draw_plots
from manylabel.report.plots.style import color_of, ignored_missing_glyphs
from manylabel.report.text import advice, comparison, decisions, glossary, summary, wording
from manylabel.results import RESULTS_FILE, RunResults
from manylabel.results.table import (
    COSTS,
    TableRow,
    has_undefined,
    main_columns,
    main_metrics,
    n_ranked_rows,
    table_rows,
)
from manylabel.types import LabelTable

_TEMPLATES = Path(__file__).parent / "templates"

SECTIONS = {
    "table": "Can I trust it?",
    "labels": "Which labels work?",
    "gallery": "What goes wrong?",
    "issues": "Given labels that may be wrong",
    "check": "What the check found",
    "calibration": "Are the probabilities calibrated?",
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

HeatMaps = Mapping[int, tuple[str, bytes]]
"""Of photos of the gallery, by their row: a label, and a JPEG of what speaks for it."""


def write_report(
    results: RunResults, table: LabelTable, *, out: Path, draw_heat_maps: Callable[[], HeatMaps] | None = None
) -> Path:
    """Write everything that people read about a run.

    Args:
        results: What the run measured.
        table: The table of the run; the gallery reads its photos.
        out: Folder to write to; it is made where it is missing, other files in it stay.
        draw_heat_maps: Returns the heat maps; called while another thread draws the plots. Not given: there
            are none.

    Returns:
        The report, ``out / "report.html"``.
    """
    # matplotlib needs the lock of Python, the model hardly does: together they take less time.
    with ignored_missing_glyphs(), ThreadPoolExecutor(1) as beside:
        drawn = beside.submit(draw_plots, results)
        heat_maps = {} if draw_heat_maps is None else draw_heat_maps()
        pictures = drawn.result()
    for name, picture in pictures.items():
        write_atomically(out / "plots" / f"{name}.png", picture.png)
    write_atomically(out / RESULTS_FILE, results.to_json().encode())
    tables.write_table(results, out)
    page = render_page(
        results,
        pictures=pictures,
        thumbnails={row: _photo_uri(table.photos[row]) for row in shown_photos(results)},
        small_thumbnails={
            row: _photo_uri(table.photos[row], box_px=SMALL_BOX_PX) for row in similar_photos(results)
        },
        heat_maps=heat_maps,
    )
    report = out / "report.html"
    write_atomically(report, page.encode())
    return report


def render_page(
    results: RunResults,
    *,
    pictures: Mapping[str, Picture],
    thumbnails: Thumbnails,
    small_thumbnails: Thumbnails,
    heat_maps: HeatMaps,
) -> str:
    """Render the page.

    Args:
        results: What the run measured.
        pictures: The plots by name; a plot that is not there is left out.
        thumbnails: The photos that it shows, ``shown_photos``.
        small_thumbnails: Those that look like them, ``similar_photos``.
        heat_maps: As for ``write_report``.

    Returns:
        HTML with style, script and pictures inside.
    """
    rows = table_rows(results)
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": wording.percent, "duration": wording.duration}
    script = (_TEMPLATES / "sort.js").read_text(encoding="utf-8")
    return environment.get_template("report.html.j2").render(
        results=results,
        data=results.data,
        models=results.models,
        best=results.best,
        rows=rows,
        best_values=_best_values(rows[: len(results.models)]),
        columns=main_columns(),
        shares=main_metrics(),
        heading=glossary.heading,
        plots=PLOTS,
        pictures=pictures,
        thumbnails=thumbnails,
        small_thumbnails=small_thumbnails,
        heat_maps=heat_maps,
        labels_to_show=labels_to_show,
        sections=SECTIONS,
        summary=summary,
        comparison=comparison,
        decisions=decisions,
        advice=advice,
        wording=wording,
        cell=tables.format_cell,
        span=tables.format_interval,
        has_undefined=has_undefined,
        n_ranked_rows=n_ranked_rows,
        undefined_note=glossary.UNDEFINED_NOTE,
        color_of=color_of,
        data_uri=data_uri,
        style=(_TEMPLATES / "style.css").read_text(encoding="utf-8"),
        script=script,
        # The page may run this script and no other, whatever a label or a file is called.
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def _best_values(rows: Sequence[TableRow]) -> dict[str, float | None]:
    """Return the best value of each main column: the lowest cost or error, the highest of anything else."""
    known = {
        column: [value for row in rows if (value := row.numbers[column]) is not None]
        for column in (*main_metrics(), *COSTS)
    }
    lowest = {*COSTS, *(name for name in main_metrics() if METRICS[name].direction == "lower")}
    return {
        column: (min if column in lowest else max)(values) if values else None
        for column, values in known.items()
    }


def shown_photos(results: RunResults) -> list[int]:
    """Return the rows of all photos that a page shows, each once."""
    rows = [photo.row for photo in results.gallery]
    rows += [photo.row for photo in decisions.issue_photos(results)]
    rows += [photo.row for group in results.near_duplicates for photo in group.photos]
    return [*dict.fromkeys(rows)]


def similar_photos(results: RunResults) -> list[int]:
    """Return the rows of all photos that a page shows because they look like others, each once."""
    return [*dict.fromkeys(similar.row for photo in results.gallery for similar in photo.similar)]


def _photo_uri(path: Path, *, box_px: tuple[int, int] = BOX_PX) -> str | None:
    try:
        return data_uri(make_thumbnail(path, box_px=box_px), kind="image/jpeg")
    except PhotoError:
        return None  # the photo was readable when the run began; the page tells that it is gone
