"""Show part (j) in docs/labeling.md: what suggestions are worth, and what people wait for.

In:  records of the part "labeling", the words of benchmarks/notes.toml.
Out: the section "Measured" of the page, between two marks.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.goals import Records, find
from benchmarks.labeling import GRID, PAGE, REPAIR, SETS
from benchmarks.sections import replace_section
from benchmarks.tables import table, versions_list
from benchmarks.workers.labeling_order import CHECKPOINTS, ORDERS, WAYS

_GOALS = {
    "server, 99th percentile per change": ("server_ms_p99", "{:.0f} ms ({n_changes:.0f} changes)", "50 ms"),
    "refit, longest": ("refit_seconds_max", "{:.2f} s", "1 s"),
    "first paint": ("paint_ms", "{:.0f} ms", "1000 ms"),
    "keys per photo": ("keys_per_photo", "{:.1f}", "-"),
}
_GRID_GOALS = {
    "photos laid out, the slowest of 40 screens": ("first_laid_out_ms_max", "{:.0f} ms", "100 ms"),
    "small pictures shown, not yet cached": ("first_shown_ms_p50", "{:.0f} ms", "-"),
    "small pictures shown, cached": ("again_shown_ms_p50", "{:.0f} ms", "-"),
}


def write_labeling(page: Path, records: Records, notes: Mapping[str, Any]) -> None:
    """Replace the measured section of a page, if there is one and something was measured."""
    if records.get("labeling"):
        replace_section(page, lambda: render_labeling(records, notes))


def render_labeling(records: Records, notes: Mapping[str, Any]) -> str:
    """Return the section."""
    words = notes["labeling"]
    blocks = [words["orders"]]
    for name in SETS:
        blocks += [f"**{name}**", orders_table(_values(records, f"order, {name}"))]
    blocks += [words["repair"], repair_table(_values(records, REPAIR))]
    if page := _values(records, PAGE):
        blocks += [words["page"], waits_table(page, _GOALS)]
    if grid := _values(records, GRID):
        blocks += [words["grid"].format(n_tiles=grid["n_tiles"]), waits_table(grid, _GRID_GOALS)]
    blocks.append(versions_list(records))
    return "\n\n".join(block.strip() for block in blocks if block)


def orders_table(values: Mapping[str, float]) -> str:
    """Show mAP and clicks after some labeled photos."""
    rows = []
    for n_photos in CHECKPOINTS:
        if f"{ORDERS[0]} mAP {n_photos}" not in values:
            continue
        scores = [f"{100 * values[f'{order} mAP {n_photos}']:.1f}" for order in ORDERS]
        clicks = [f"{values[f'{ORDERS[0]} {way} {n_photos}']:.0f}" for way in WAYS]
        rows.append([str(n_photos), *scores, *clicks])
    header = ["Photos", "mAP, random order", "mAP, suggested order", "keys", "keys, preselected"]
    return table([*header, "clicks, grid"], rows)


def repair_table(values: Mapping[str, float]) -> str:
    """Show what turned labels cost, and what the queue gives back."""
    shown = {"true": "true labels", "turned": "some flipped", "repaired": "after the queue"}
    rows = [
        [words, *(f"{100 * values[f'{name} {metric}']:.1f}" for metric in ("mAP", "exact_match"))]
        for name, words in shown.items()
        if f"{name} mAP" in values
    ]
    text = table(["Labels", "test mAP", "test exact match"], rows)
    if not rows:
        return text
    found = f"{values['n_found']:.1f} of {values['n_turned']:.0f} flipped labels were right again"
    return f"{text}\n\n{found} after {values['n_decided']:.0f} questions, on average."


def waits_table(values: Mapping[str, float], goals: Mapping[str, tuple[str, str, str]]) -> str:
    """Show what people wait for."""
    rows = [
        [what, form.format(values[name], **values), goal]
        for what, (name, form, goal) in goals.items()
        if name in values
    ]
    return table(["What", "measured", "at most"], rows)


def _values(records: Records, work: str) -> Mapping[str, float]:
    found = find(records, "labeling", work=work)
    return found[0]["medians"] if found else {}
