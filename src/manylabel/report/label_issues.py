"""List given labels that are probably wrong.

In:  the table and what training gave.
Out: ``LabelIssues`` for the report, all of them for ``label_issues.csv``.
"""

from dataclasses import replace

import numpy as np

from manylabel.results import LabelIssue, LabelIssues
from manylabel.review.label_issues import LabelIssues as RankedLabels
from manylabel.review.label_issues import find_label_issues
from manylabel.trials import Trial
from manylabel.types import IntArray, LabelTable

_MOST_ISSUES = 40
_PER_TURN = 3


def collect_label_issues(table: LabelTable, trial: Trial) -> LabelIssues | None:
    """Rank the given labels that are probably wrong, by probabilities of fits that did not see the photos.

    Test photos are left out: labels that are corrected by what a model says of them would make it look
    better.
    """
    found = _rank_given_labels(table, trial)
    if found is None:
        return None
    rows, ranked = found
    return LabelIssues(
        n_photos=len(rows),
        n_present=int((table.targets[rows] == 1).sum()),
        n_expected=ranked.n_expected,
        n_listed=_n_listed(ranked),
        cells=_collect_cells(table, rows, _spread_over_labels(ranked), most=_MOST_ISSUES),
    )


def list_label_issues(table: LabelTable, trial: Trial) -> tuple[LabelIssue, ...] | None:
    """List the issues of ``label_issues.csv``: as many as are expected, but at least 40.

    Returns:
        The issues; None where no photo was scored by a fit that did not see it.
    """
    found = _rank_given_labels(table, trial)
    return None if found is None else _collect_cells(table, *found, most=_n_listed(found[1]))


def _rank_given_labels(table: LabelTable, trial: Trial) -> tuple[IntArray, RankedLabels] | None:
    """Return the rows of the table that were looked at, and their cells, the most suspicious first."""
    calibrating = None if trial.calibration_set is None else trial.calibration_set.evaluated
    scored = [evaluated for evaluated in (trial.out_of_fold, calibrating) if evaluated is not None]
    if not scored:
        return None
    rows, first = np.unique(np.concatenate([evaluated.rows for evaluated in scored]), return_index=True)
    scores = np.concatenate([evaluated.scores for evaluated in scored])[first]
    return rows, find_label_issues(table.targets[rows], scores)


def _spread_over_labels(ranked: RankedLabels) -> RankedLabels:
    """Put cells into the order in which they are shown: 3 of a label, then others first.

    A label that is wrong on many photos would fill what is shown. A cell that is probably right never comes
    before one that is probably wrong.
    """
    n_cells = np.bincount(ranked.columns)  # [n_labels]
    number = np.empty(len(ranked.columns), dtype=np.int64)  # of each cell among those of its label
    number[np.argsort(ranked.columns, kind="stable")] = np.arange(len(number)) - np.repeat(
        np.cumsum(n_cells) - n_cells, n_cells
    )
    order = np.lexsort((np.arange(len(number)), number // _PER_TURN, ranked.quality >= 0.5))
    return replace(
        ranked,
        rows=ranked.rows[order],
        columns=ranked.columns[order],
        given=ranked.given[order],
        score=ranked.score[order],
        quality=ranked.quality[order],
    )


def _n_listed(ranked: RankedLabels) -> int:
    return min(len(ranked.rows), max(_MOST_ISSUES, round(ranked.n_expected)))


def _collect_cells(
    table: LabelTable, rows: IntArray, ranked: RankedLabels, *, most: int
) -> tuple[LabelIssue, ...]:
    return tuple(
        LabelIssue(
            row=int(rows[ranked.rows[position]]),
            name=table.names[rows[ranked.rows[position]]],
            label=table.labels[ranked.columns[position]],
            given=int(ranked.given[position]),
            score=round(float(ranked.score[position]), 4),
            quality=round(float(ranked.quality[position]), 4),
        )
        for position in range(min(most, len(ranked.rows)))
    )
