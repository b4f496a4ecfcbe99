"""Show records as Markdown tables.

In:  records of the parts.
Out: text. Ratios stand beside absolute numbers: the former are the claims.
"""

from collections.abc import Iterable, Sequence

from benchmarks.busy import NEIGHBORS, WAITS
from benchmarks.goals import JUDGED, Line, Records, find
from benchmarks.latency import ENGINES, NETWORKS
from benchmarks.results import Record

MISSING = "-"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table; columns after the first are set right.

    Examples:
        >>> print(table(["tool", "s"], [["a", "1"]]))
        | tool | s |
        | --- | ---: |
        | a | 1 |
    """
    rules = ["---", *["---:"] * (len(header) - 1)]
    return "\n".join(f"| {' | '.join(words)} |" for words in (header, rules, *rows))


def goals_table(lines: Sequence[Line]) -> str:
    """Show every goal beside what was measured."""
    rows = ([line.goal, line.measured or MISSING, line.verdict] for line in lines)
    return table(["Goal", "Measured", "Reached?"], rows)


def training_tables(records: Records) -> str:
    """Show part (a), a table per photo set and network."""
    pairs = dict.fromkeys(
        (record["key"]["set"], record["key"]["network"]) for record in records.get("training", ())
    )
    sections = []
    for photo_set, network in pairs:
        of_pair = [
            record
            for record in records["training"]
            if (record["key"]["set"], record["key"]["network"]) == (photo_set, network)
        ]
        sections.append(f"**{photo_set}, {network}**\n\n{_training_table(of_pair)}")
    return "\n\n".join(sections)


def _training_table(of_pair: Sequence[Record]) -> str:
    header = ["Tool", "test mAP", "exact match", "exact match at 0.5", "seconds", "times ours", "training s"]
    header += ["peak memory, GiB", "runs"]
    ours = [
        record["medians"]["seconds"]
        for record in of_pair
        if record["medians"] and record["key"]["tool"] == JUDGED
    ]
    return table(header, (_training_row(record, ours) for record in _fastest_first(of_pair)))


def _training_row(record: Record, ours: Sequence[float]) -> list[str]:
    name, values = record["key"]["tool"], record["medians"]
    if not values:
        return [name, "failed", *[MISSING] * 6, "0"]
    return [
        name,
        *(f"{100 * values[metric]:.1f}" for metric in ("mAP", "exact_match", "exact_match_at_half")),
        f"{values['seconds']:.0f}{_spread(record)}",
        f"{values['seconds'] / min(ours):.1f}" if ours else MISSING,
        f"{values['training_seconds']:.0f}",
        f"{values['peak_mib'] / 1024:.1f}",
        str(len(record["runs"])),
    ]


def throughput_table(records: Records) -> str:
    """Show part (b)."""
    bare = find(records, "throughput", tool="bare engine")
    loops = {
        record["key"]["photos"]: record for record in find(records, "throughput", tool="DataLoader loop")
    }
    header = [
        "Photos and tool",
        "photos/s",
        "times the loop",
        "of the bare engine",
        "start, s",
        "peak memory, GiB",
    ]
    rows = []
    for record in find(records, "throughput"):
        values, loop = record["medians"], loops.get(record["key"]["photos"])
        rate = values["photos_per_second"]
        rows.append(
            [
                f"{record['key']['photos']}, {record['key']['tool']}",
                f"{rate:.1f}",
                f"{rate / loop['medians']['photos_per_second']:.1f}" if loop else MISSING,
                f"{100 * rate / bare[0]['medians']['photos_per_second']:.0f} %" if bare else MISSING,
                f"{values['start_seconds']:.1f}" if "start_seconds" in values else MISSING,
                f"{values['peak_mib'] / 1024:.1f}",
            ]
        )
    return table(header, rows)


def latency_table(records: Records) -> str:
    """Show part (c): milliseconds, and in brackets how many times as fast as torch fp32."""
    keys = [record["key"] for record in find(records, "latency")]
    engines = [engine for engine in ENGINES if any(key["engine"] == engine for key in keys)]
    networks = [network for network in NETWORKS if any(key["network"] == network for key in keys)]
    rows = []
    for network in networks:
        found = {
            record["key"]["engine"]: record["medians"]["median_ms"]
            for record in find(records, "latency", network=network)
        }
        slow = found.get("torch fp32")
        rows.append([network, *(_milliseconds(found.get(engine), slow) for engine in engines)])
    return table(["Network", *(f"{engine}, ms" for engine in engines)], rows)


def _milliseconds(value: float | None, slow: float | None) -> str:
    if value is None:
        return MISSING
    return f"{value:.1f}" if slow is None else f"{value:.1f} ({slow / value:.1f} x)"


def study_table(records: Records) -> str:
    """Show part (d): seconds per stage."""
    blocks = []
    for record in find(records, "study"):
        values = dict(record["medians"])
        whole, peak_mib = values.pop("seconds"), values.pop("peak_mib")
        values.pop("best_mAP", None)
        stages = sorted(values.items(), key=lambda stage: -stage[1])
        other = whole - sum(values.values())
        rows = [*stages, ("everything else", other), ("whole process", whole)]
        shown = table(
            ["Stage", "seconds", "share"], ([n, f"{s:.1f}", f"{100 * s / whole:.0f} %"] for n, s in rows)
        )
        blocks.append(f"{shown}\n\nPeak memory: {peak_mib / 1024:.1f} GiB.")
    return "\n\n".join(blocks)


def growth_table(records: Records) -> str:
    """Show part (e): seconds and memory, per photo too."""
    rows = []
    for record in sorted(find(records, "growth"), key=lambda record: int(record["key"]["size"])):
        n_photos, values = int(record["key"]["size"]), record["medians"]
        seconds, peak_mib = values["seconds"], values["peak_mib"]
        rows.append(
            [f"{n_photos:,}", f"{seconds:.0f}", f"{1000 * seconds / n_photos:.1f}", f"{peak_mib / 1024:.2f}"]
        )
    return table(["Photos", "seconds", "ms per photo", "peak memory, GiB"], rows)


def serving_table(records: Records) -> str:
    """Show part (f): photos per second, how long a client waits, and whether memory grows."""
    rows = []
    for record in find(records, "serving"):
        key, values = record["key"], record["medians"]
        bare = find(records, "serving", network=key["network"], clients="bare engine")
        share = MISSING
        if bare:
            share = f"{100 * values['photos_per_second'] / bare[0]['medians']['photos_per_second']:.0f} %"
        is_server = "p99_ms" in values
        rows.append(
            [
                f"{key['network']}, {key['clients']}",
                f"{values['photos_per_second']:.1f}",
                share,
                *(f"{values[name]:.0f}" if is_server else MISSING for name in ("p50_ms", "p99_ms")),
                f"{values['early_mib']:.0f} to {values['late_mib']:.0f}" if is_server else MISSING,
            ]
        )
    header = [
        "Network and clients",
        "photos/s",
        "of the bare engine",
        "median, ms",
        "99th percentile, ms",
        "memory of the server, MiB",
    ]
    return table(header, rows)


def start_table(records: Records) -> str:
    """Show part (g): seconds from the start of a process to its end."""
    rows = [
        [f"`{record['key']['command']}`", f"{record['medians']['median_ms'] / 1000:.2f}"]
        for record in find(records, "start")
    ]
    return table(["Command", "seconds"], rows)


def busy_table(records: Records) -> str:
    """Show part (h): seconds alone and, beside busy processes, how many times as long."""
    seconds = {
        tuple(record["key"].values()): record["medians"]["command_seconds"]
        for record in find(records, "busy")
    }
    header = ["Work"]
    for waits in WAITS:
        header += [f"{waits}: alone, s", *(f"beside {number}" for number in NEIGHBORS[waits][1:])]
    rows = []
    for work in dict.fromkeys(work for work, _, _ in seconds):
        row = [work]
        for waits in WAITS:
            alone = seconds.get((work, waits, "0"))
            row.append(MISSING if alone is None else f"{alone:.0f}")
            for number in NEIGHBORS[waits][1:]:
                there = seconds.get((work, waits, number))
                row.append(MISSING if there is None or alone is None else f"{there / alone:.1f} times")
        rows.append(row)
    return table(header, rows)


def versions_list(records: Records) -> str:
    """Say with which machines, dates and versions the records were made."""
    whole = [record for part in records.values() for record in part]
    machines = sorted({", ".join(f"{k} {v}" for k, v in record["machine"].items()) for record in whole})
    versions = sorted(
        {f"{name} {version}" for record in whole for name, version in record["versions"].items()}
    )
    dates = sorted({record["date"] for record in whole})
    days = f"{dates[0]} to {dates[-1]}" if len(dates) > 1 else "".join(dates)
    return "\n".join([*(f"* {machine}" for machine in machines), f"* {days}", f"* {', '.join(versions)}"])


def _fastest_first(records: Sequence[Record]) -> list[Record]:
    return sorted(records, key=lambda record: (not record["medians"], record["medians"].get("seconds", 0.0)))


def _spread(record: Record) -> str:
    seconds = [run["seconds"] for run in record["runs"]]
    return f" ({min(seconds):.0f} to {max(seconds):.0f})" if len(seconds) > 1 else ""
