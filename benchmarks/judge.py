"""Judge the scores that a tool wrote, the same way for every tool, manylabel included.

In:  a CSV of scores (image, one column per label, perhaps "part" and "predicted"), a table of labels.
Out: mAP and exact match on the test photos. Nobody grades himself.
"""

import csv
from pathlib import Path

import numpy as np

from benchmarks.cases import Values
from benchmarks.peers.common import read_rows
from manylabel.metrics.registry import measure


def judge(scores: Path, labels: Path) -> Values:
    """Judge scores on the test photos of a table.

    Decisions are those of the column ``predicted``, labels joined by ``;``, where a tool wrote one, through
    thresholds of its own. Without it a label counts as present from 0.5 on.

    Args:
        scores: A row per photo. A column ``part`` keeps the rows that say "test".
        labels: Columns image, labels (joined by ``;``), split.

    Returns:
        ``mAP``, ``exact_match`` and ``exact_match_at_half``, all in [0, 1].

    Raises:
        ValueError: A test photo has no scores.
    """
    table = [row for row in read_rows(labels) if row.part == "test"]
    with scores.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row.get("part", "test") == "test"]
    columns = [name for name in rows[0] if name not in ("image", "part", "given", "predicted")]
    by_name = {Path(row["image"]).name: row for row in rows}
    missing = [row.image for row in table if Path(row.image).name not in by_name]
    if missing:
        raise ValueError(
            f"{scores}: {len(missing)} of {len(table)} test photos have no scores, e.g. {missing[0]}"
        )
    found = [by_name[Path(row.image).name] for row in table]
    targets = np.array([[float(name in row.labels) for name in columns] for row in table])
    values = np.array([[float(row[name]) for name in columns] for row in found])
    at_half = values >= 0.5
    decisions = at_half
    if "predicted" in rows[0]:
        decisions = np.array([[name in row["predicted"].split(";") for name in columns] for row in found])
    measured = measure(targets, values, decisions)
    return {
        "mAP": measured["mAP"],
        "exact_match": measured["exact_match"],
        "exact_match_at_half": measure(targets, values, at_half)["exact_match"],
    }
