"""Look for photos without labels and for cells without a value.

In:  the table.
Out: findings: photos of which nothing is known, photos that carry no label, the share of unknown cells.
"""

import numpy as np

from manylabel.data.checks.finding import Finding, name_photos, plain
from manylabel.data.formats.parsing.wording import count
from manylabel.types import LabelTable


def find_empty_cells(table: LabelTable) -> list[Finding]:
    """Find photos and cells that say little.

    Args:
        table: The photos and their labels.
    """
    if not table.targets.size:
        return []
    is_unknown = np.isnan(table.targets)
    findings = []
    unknown = np.flatnonzero(is_unknown.all(axis=1))
    if len(unknown):
        text = (
            f"{count(len(unknown), 'photo')} without any known label, left out of training and of every"
            f" metric: {name_photos(table, unknown)}"
        )
        findings.append(Finding(level="warning", kind="unknown_photos", text=text, photos=plain(unknown)))
    if is_unknown.any():
        text = (
            f"{is_unknown.mean():.1%} of the cells are unknown: they count neither as present nor as absent"
        )
        columns = plain(np.flatnonzero(is_unknown.any(axis=0)))
        findings.append(Finding(level="note", kind="unknown_cells", text=text, labels=columns))
    empty = np.flatnonzero((table.targets == 0).all(axis=1))
    if len(empty):
        text = (
            f"{count(len(empty), 'photo')} without labels, read as 'none applies' and not as unknown:"
            f" {name_photos(table, empty)}"
        )
        findings.append(Finding(level="note", kind="no_label", text=text, photos=plain(empty)))
    return findings
