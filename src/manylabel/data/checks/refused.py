"""Look for what training refuses, so that a check tells it together with everything else.

In:  the table as it was read, photos that cannot be read among it.
Out: findings, all of them errors: labels that no photo carries or that nobody filled in, tables that never
     say "absent".
"""

import numpy as np

from manylabel.data.checks.finding import Finding, per_label
from manylabel.types import LabelTable


def find_refused(table: LabelTable) -> list[Finding]:
    """Find what nothing can be learned from."""
    is_unknown = np.isnan(table.targets).all(axis=0)
    unknown = per_label(
        table,
        np.flatnonzero(is_unknown),
        level="error",
        kind="refused_label",
        words=(
            lambda _: "unknown on every photo, so training would stop; fill it in or leave it out",
            "are unknown on every photo, so training would stop; fill them in or leave them out",
        ),
    )
    never = per_label(
        table,
        np.flatnonzero(~(table.targets == 1).any(axis=0) & ~is_unknown),
        level="error",
        kind="refused_label",
        words=(
            lambda _: "no photo carries it, so training would stop; leave it out or add photos that show it",
            "are on no photo, so training would stop; leave them out or add photos that show them",
        ),
    )
    if (table.targets == 0).any() or not np.isnan(table.targets).any():
        return [*unknown, *never]
    text = (
        "no cell says that a label is absent, so training would stop; blank means unknown, write 0 for absent"
    )
    return [*unknown, *never, Finding(level="error", kind="never_absent", text=text)]
