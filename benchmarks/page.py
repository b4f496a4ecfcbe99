"""Write docs/benchmarks.md and its plot from the results alone.

In:  benchmarks/results/*.json, the remarks of benchmarks/notes.toml.
Out: the page. No number on it is written by hand.
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.cases import ROOT
from benchmarks.goals import Line, Records, find, judge_goals
from benchmarks.labeling_section import write_labeling
from benchmarks.plot import draw_plot
from benchmarks.results import read_records
from benchmarks.scale_page import write_scale
from benchmarks.tables import (
    busy_table,
    goals_table,
    growth_table,
    latency_table,
    serving_table,
    start_table,
    study_table,
    throughput_table,
    training_tables,
    versions_list,
)

PAGE = ROOT / "docs" / "benchmarks.md"
PLOT = "images/benchmarks.png"
NOTES = Path(__file__).parent / "notes.toml"

PARTS = {
    "training": "Training beside other tools",
    "throughput": "Photos per second, from JPEG files to probabilities",
    "latency": "One photo, from pixels to probabilities",
    "study": "The whole study, stage by stage",
    "growth": "Growth with the number of photos",
    "serving": "Photos per second over HTTP",
    "start": "From a cold process",
    "busy": "Beside other work on the same cores",
}
"""Every part and its heading."""

_TABLES = {
    "training": training_tables,
    "throughput": throughput_table,
    "latency": latency_table,
    "study": study_table,
    "growth": growth_table,
    "serving": serving_table,
    "start": start_table,
    "busy": busy_table,
}


def write_page(results: Path, *, notes: Path = NOTES, page: Path = PAGE) -> None:
    """Write the page and, where training was measured, its plot.

    Args:
        results: Folder of the results.
        notes: What was tried, and how every tool was run, in words.
        page: The Markdown file; the plot goes into images/ beside it.
    """
    records = {part: read_records(results / f"{part}.json") for part in PARTS}
    page.parent.mkdir(parents=True, exist_ok=True)
    words = tomllib.loads(notes.read_text(encoding="utf-8"))
    has_plot = bool(find(records, "training"))
    if has_plot:
        draw_plot(page.parent / PLOT, records)
    page.write_text(render(records, words, has_plot=has_plot), encoding="utf-8")


def write_scale_page(results: Path, *, page: Path, notes: Path = NOTES) -> None:
    """Write what was measured into docs/scale.md."""
    records = {"scale": read_records(results / "scale.json")}
    write_scale(page, records, tomllib.loads(notes.read_text(encoding="utf-8")))


def write_labeling_page(results: Path, *, page: Path, notes: Path = NOTES) -> None:
    """Write what was measured into docs/labeling.md."""
    records = {"labeling": read_records(results / "labeling.json")}
    write_labeling(page, records, tomllib.loads(notes.read_text(encoding="utf-8")))


def render(records: Records, notes: Mapping[str, Any], *, has_plot: bool) -> str:
    """Return the page.

    Args:
        records: Records by part.
        notes: ``intro``; ``parts``, ``tools`` and ``tried``: texts by name.
        has_plot: Whether there is a plot to show.
    """
    lines = judge_goals(records)
    sections = [
        f"# Benchmarks\n\n{notes['intro'].strip()}",
        f"## Goals\n\n{goals_table(lines)}",
        tried(lines, notes["tried"]),
        f"![Seconds and test mAP of every tool]({PLOT})" if has_plot else "",
        *(section(part, records, notes) for part in PARTS if records.get(part)),
        f"## Made with\n\n{versions_list(records)}",
        f"## Repeat it\n\n{notes['repeat'].strip()}\n\n{commands(records)}",
    ]
    return "\n\n".join(text for text in sections if text) + "\n"


def tried(lines: list[Line], notes: Mapping[str, str]) -> str:
    """Say what was tried for the goals that were missed."""
    missed = dict.fromkeys(line.name for line in lines if line.miss)
    remarks = [f"* {notes[name].strip()}" for name in missed if name in notes]
    return "What was tried where a goal is missed:\n\n" + "\n".join(remarks) if remarks else ""


def section(part: str, records: Records, notes: Mapping[str, Any]) -> str:
    """Show one part: its table, how it was measured, what failed."""
    texts = [f"## {PARTS[part]}", notes["parts"].get(part, "").strip(), _TABLES[part](records)]
    if part == "training":
        texts.append("\n".join(f"* **{tool}**: {text.strip()}" for tool, text in notes["tools"].items()))
    failures = [
        f"* {' '.join(record['key'].values())} failed: `{record['failure'].splitlines()[-1][:200]}`"
        for record in records[part]
        if record["failure"]
    ]
    return "\n\n".join(text for text in [*texts, "\n".join(failures)] if text)


def commands(records: Records) -> str:
    """List the commands that were measured."""
    whole = dict.fromkeys(record["command"] for part in records.values() for record in part)
    return "\n".join(f"* `{command}`" for command in whole)
