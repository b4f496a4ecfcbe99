"""Show part (i) in docs/scale.md: rates, memory over time, nodes, and what they mean for a large cluster.

In:  records of the part "scale", the words of benchmarks/notes.toml.
Out: the section "Measured" of the page, between two marks, and its plot.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from benchmarks.goals import Records, find
from benchmarks.results import Record
from benchmarks.scale import IN_PARTS, KILLED, MILLION, NODES, ONE_FILE, ROWS_PER_PART, WAYS
from benchmarks.sections import replace_section
from benchmarks.tables import MISSING, table, versions_list

PLOT = "images/scale.png"

_NODES, _CORES_PER_NODE, _CORES_MEASURED = 100, 16, 2
_PHOTOS = 1_000_000_000
_MIB_PER_GIB = 1024


def write_scale(page: Path, records: Records, notes: Mapping[str, Any]) -> None:
    """Replace the measured section of a page, if there is one; draw its plot beside the page."""
    if records.get("scale") and replace_section(page, lambda: render_scale(records, notes)):
        draw_memory(page.parent / PLOT, records)


def render_scale(records: Records, notes: Mapping[str, Any]) -> str:
    """Return the section."""
    words = notes["scale"]
    blocks = [
        words["ways"],
        ways_table(records),
        words["million"],
        million_table(records),
        f"![Memory while a million photos are scored]({PLOT})",
        words["nodes"],
        nodes_table(records),
        *killed_blocks(records, words),
        words["paper"],
        paper_table(records),
        words["first"],
        versions_list({"scale": records["scale"]}),
    ]
    return "\n\n".join(block.strip() for block in blocks)


def ways_table(records: Records) -> str:
    """Show photos per second of every way to score."""
    first = _values(records, ONE_FILE)
    rows = []
    for way in WAYS:
        values = _values(records, way)
        if values is None or first is None:
            rows.append([way, *[MISSING] * 4])
            continue
        share = values["photos_per_second"] / first["photos_per_second"]
        rows.append(
            [
                way,
                f"{values['photos_per_second']:.0f}",
                f"{100 * share:.0f} %",
                f"{values['peak_mib'] / _MIB_PER_GIB:.2f}",
                _is_same(values, first),
            ]
        )
    return table(["Way", "photos/s", "of one process", "peak memory, GiB", "same rows"], rows)


def million_table(records: Records) -> str:
    """Show whether rates and memory stay the same over a million rows."""
    rows, first = [], _values(records, f"{MILLION}, {IN_PARTS}")
    for record in _million(records):
        values = record["medians"]
        moments = _moments(values)
        rows.append(
            [
                _way_of(record),
                f"{values['scoring_seconds'] / 60:.1f}",
                f"{ROWS_PER_PART / values['early_per_second']:.1f}",
                f"{ROWS_PER_PART / values['late_per_second']:.1f}",
                f"{moments[1]:.0f}",
                f"{moments[-2]:.0f}",
                _is_same(values, first),
            ]
        )
    header = [
        "Way",
        "minutes",
        "s per part, early",
        "s per part, late",
        "MiB, early",
        "MiB, late",
        "same rows",
    ]
    return table(header, rows)


def nodes_table(records: Records) -> str:
    """Show how long a comparison takes on some nodes."""
    measured = {n: _values(records, f"compare, nodes: {n}") for n in NODES}
    first = measured[NODES[0]]
    rows = []
    for n_nodes, values in measured.items():
        if values is None or first is None:
            rows.append([n_nodes, *[MISSING] * 3])
            continue
        seconds = values["comparison_seconds"]
        times = first["comparison_seconds"] / seconds
        rows.append([n_nodes, f"{seconds:.0f}", f"{times:.2f}", _is_same(values, first)])
    return table(["Nodes", "seconds", "times as fast", "same predictions"], rows)


def killed_blocks(records: Records, words: Mapping[str, str]) -> list[str]:
    """Show what a killed run leaves for the next one; nothing before it was measured."""
    if all(_values(records, f"killed: {command}") is None for command in KILLED):
        return []
    rows = []
    for command in KILLED:
        values = _values(records, f"killed: {command}")
        if values is None:
            rows.append([f"`{command}`", *[MISSING] * 5])
            continue
        before, resumed = values["killed_after_seconds"], values["resumed_seconds"]
        saved = (values["undisturbed_seconds"] - resumed) / before
        rows.append(
            [
                f"`{command}`",
                f"{values['undisturbed_seconds']:.1f}",
                f"{before:.1f}",
                f"{resumed:.1f}",
                f"{100 * saved:.0f} %",
                f"{values['n_same']:.0f} of {values['n_kills']:.0f}",
            ]
        )
    header = ["Command", "undisturbed, s", "killed after, s", "resumed, s", "saved", "same files"]
    return [words["killed"], table(header, rows)]


def paper_table(records: Records) -> str:
    """Compute what a large cluster would need, from what was measured."""
    scored, million = _values(records, IN_PARTS), _values(records, f"{MILLION}, {IN_PARTS}")
    if scored is None or million is None:
        return ""
    n_parts, bytes_per_name = _PHOTOS / ROWS_PER_PART, million["list_bytes_per_row"]
    rate = scored["photos_per_second"] * _NODES * _CORES_PER_NODE / _CORES_MEASURED
    seconds_per_listed_part = million["again_seconds"] / million["n_parts"]
    rows = [
        ["photos per second", f"{rate:,.0f}"],
        ["hours", f"{_PHOTOS / rate / 3600:.1f}"],
        ["node hours", f"{_PHOTOS / rate / 3600 * _NODES:,.0f}"],
        ["parts", f"{n_parts:,.0f}"],
        ["list of photos, GB", f"{_PHOTOS * bytes_per_name / 1e9:.0f}"],
        ["predictions as CSV, GB", f"{_PHOTOS * million['bytes_per_row'] / 1e9:.0f}"],
        ["records of the parts, MB", f"{n_parts * million['bytes_per_record'] / 1e6:.0f}"],
        [
            "names in the object store, MB",
            f"{_NODES * ROWS_PER_PART * bytes_per_name / 1e6:.0f}",
        ],
        ["parts per second that nodes take", f"{rate / ROWS_PER_PART:.2f}"],
        [
            "parts per second that the driver lists and checks, without reading them",
            f"{1 / seconds_per_listed_part:.0f}",
        ],
        [
            "minutes to find all parts complete, without reading them",
            f"{n_parts * seconds_per_listed_part / 60:.0f}",
        ],
    ]
    return table([f"{_NODES} nodes of {_CORES_PER_NODE} cores, {_PHOTOS:,} photos", "computed"], rows)


def draw_memory(path: Path, records: Records) -> None:
    """Draw memory over the time of a million rows."""
    with mpl.rc_context({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(6.5, 3.0), layout="constrained")
        axes = figure.subplots()
        for record in _million(records):
            values = record["medians"]
            moments = _moments(values)
            minutes = [
                values["scoring_seconds"] / 60 * number / (len(moments) - 1) for number in range(len(moments))
            ]
            axes.plot(minutes, moments, label=_way_of(record))
        axes.set_ylim(0, 1.3 * axes.get_ylim()[1])
        axes.set_xlabel("minutes")
        axes.set_ylabel("memory of all processes, MiB")
        axes.legend(frameon=False)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=130, facecolor="white")


def _million(records: Records) -> list[Record]:
    return [record for record in find(records, "scale") if record["key"]["work"].startswith(MILLION)]


def _way_of(record: Record) -> str:
    return str(record["key"]["work"].removeprefix(f"{MILLION}, "))


def _is_same(values: Mapping[str, float], first: Mapping[str, float] | None) -> str:
    """Tell whether two runs gave the same predictions."""
    return "yes" if first is not None and values["digest"] == first["digest"] else "no"


def _moments(values: Mapping[str, float]) -> Sequence[float]:
    return [value for name, value in sorted(values.items()) if name.startswith("mib_")]


def _values(records: Records, work: str) -> Mapping[str, float] | None:
    found = find(records, "scale", work=work)
    return found[0]["medians"] if found else None
