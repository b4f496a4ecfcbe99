"""List given labels that are probably wrong.

In:  the table and what training gave.
Out: ``LabelIssues`` for the report, all of them for ``label_issues.csv``.
"""

from dataclasses import replace

import numpy as np

from manylabel.results import LabelIssue, LabelIssues
from manylabel.review.label_issues import LabelErrors, rank_label_errors
from manylabel.types import IntArray, LabelTable, Trial

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
    rows, errors = found
    return LabelIssues(
        n_photos=len(rows),
        n_present=int((table.targets[rows] == 1).sum()),
        n_expected=errors.n_expected,
        n_listed=_n_listed(errors),
        cells=_collect_cells(table, rows, _spread_over_labels(errors), most=_MOST_ISSUES),
    )


def list_label_issues(table: LabelTable, trial: Trial) -> tuple[LabelIssue, ...] | None:
    """List the issues of ``label_issues.csv``: as many as are expected, but at least 40.

    Returns:
        The issues; None where no photo was scored by a fit that did not see it.
    """
    found = _rank_given_labels(table, trial)
    return None if found is None else _collect_cells(table, *found, most=_n_listed(found[1]))


def _rank_given_labels(table: LabelTable, trial: Trial) -> tuple[IntArray, LabelErrors] | None:
    """Return the rows of the table that were looked at, and their cells, the most suspicious first."""
    calibrating = None if trial.calibration_set is None else trial.calibration_set.evaluated
    scored = [evaluated for evaluated in (trial.out_of_fold, calibrating) if evaluated is not None]
    if not scored:
        return None
    rows, first = np.unique(np.concatenate([evaluated.rows for evaluated in scored]), return_index=True)
    scores = np.concatenate([evaluated.scores for evaluated in scored])[first]
    return rows, rank_label_errors(table.targets[rows], scores)


def _spread_over_labels(errors: LabelErrors) -> LabelErrors:
    """Put cells into the order in which they are shown: 3 of a label, then others first.

    A label that is wrong on many photos would fill what is shown. A cell that is probably right never comes
    before one that is probably wrong.
    """
    n_cells = np.bincount(errors.columns)  # [n_labels]
    number = np.empty(len(errors.columns), dtype=np.int64)  # of each cell among those of its label
    number[np.argsort(errors.columns, kind="stable")] = np.arange(len(number)) - np.repeat(
        np.cumsum(n_cells) - n_cells, n_cells
    )
    order = np.lexsort((np.arange(len(number)), number // _PER_TURN, errors.quality >= 0.5))
    return replace(
        errors,
        rows=errors.rows[order],
        columns=errors.columns[order],
        given=errors.given[order],
        score=errors.score[order],
        quality=errors.quality[order],
    )


def _n_listed(errors: LabelErrors) -> int:
    return min(len(errors.rows), max(_MOST_ISSUES, round(errors.n_expected)))


def _collect_cells(
    table: LabelTable, rows: IntArray, errors: LabelErrors, *, most: int
) -> tuple[LabelIssue, ...]:
    return tuple(
        LabelIssue(
            row=int(rows[errors.rows[position]]),
            name=table.names[rows[errors.rows[position]]],
            label=table.labels[errors.columns[position]],
            given=int(errors.given[position]),
            score=round(float(errors.score[position]), 4),
            quality=round(float(errors.quality[position]), 4),
        )
        for position in range(min(most, len(errors.rows)))
    )
