"""Look for labels that depend on each other.

In:  the table.
Out: findings: labels on exactly the same photos, labels that never come without another, labels that never
     come together though chance alone would bring them together.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from manylabel.data.checks.exact_tests import log_choose
from manylabel.data.checks.finding import Finding, Level, plain
from manylabel.data.formats.parsing.wording import count, list_some
from manylabel.types import IntArray, LabelTable

_FEWEST_TOGETHER = 3
_FEWEST_IMPLYING = 5
_LEVEL = 0.05
_MOST_SHOWN = 5


def find_relations(table: LabelTable) -> list[Finding]:
    """Find labels that depend on each other.

    Only photos count of which both labels are known. "The same photos" needs at least 3 of them, "never
    without" at least 5. "Never without" and "never together" must also be surprising: if labels fell on
    photos by chance, as often as they do, the probability of this (Fisher's exact test, one-sided) times the
    number of pairs (Bonferroni) must lie below 0.05.

    Args:
        table: The photos and their labels.
    """
    if table.n_labels < 2 or not table.n_photos:
        return []
    present, absent = ((table.targets == value).astype(np.float32) for value in (1, 0))
    both, only_first = _overlap(present, present), _overlap(present, absent)  # [n_labels, n_labels]
    neither = _overlap(absent, absent)
    n_photos = both + only_first + only_first.T + neither
    is_same = (only_first == 0) & (only_first.T == 0) & (both >= _FEWEST_TOGETHER) & (neither > 0)
    implied = np.argwhere((only_first == 0) & ~is_same & (both >= _FEWEST_IMPLYING) & (only_first.T > 0))
    apart = np.argwhere(np.triu((both == 0) & (only_first > 0) & (only_first.T > 0), k=1))
    n_first, n_second = both + only_first, both + only_first.T
    n_pairs = table.n_labels * (table.n_labels - 1)

    def is_surprising(pairs: IntArray, n_overlap: IntArray, n_tests: int) -> NDArray[np.bool_]:
        first, second, total = (numbers[*pairs.T] for numbers in (n_first, n_second, n_photos))
        ways = log_choose(total - first, second - n_overlap) - log_choose(total, second)
        return np.asarray(ways < np.log(_LEVEL / n_tests))

    implied = implied[is_surprising(implied, both[*implied.T], n_pairs)]
    apart = apart[is_surprising(apart, both[*apart.T], n_pairs // 2)]
    return [
        *_same_photos(table, is_same, both),
        *_never_without(table, implied[np.argsort(-both[*implied.T], kind="stable")], both),
        *_never_together(table, _least_expected_first(apart, n_first, n_second, n_photos)),
    ]


def _overlap(some: NDArray[np.float32], others: NDArray[np.float32]) -> IntArray:
    """Count the photos that two columns share, for all pairs of columns [n_labels, n_labels]."""
    return np.asarray(np.rint(some.T @ others), dtype=np.int64)


def _least_expected_first(
    pairs: IntArray, n_first: IntArray, n_second: IntArray, n_photos: IntArray
) -> IntArray:
    """Sort pairs by how many photos chance would have brought together, most of them first."""
    expected = n_first[*pairs.T] * n_second[*pairs.T] / np.maximum(n_photos[*pairs.T], 1)
    return pairs[np.argsort(-expected, kind="stable")]


def _same_photos(table: LabelTable, is_same: NDArray[np.bool_], both: IntArray) -> list[Finding]:
    """Say which labels lie on the same photos, a sentence per set of labels."""
    first = np.where(is_same.any(axis=1), is_same.argmax(axis=1), np.arange(len(is_same)))
    first = np.minimum(first, np.arange(len(is_same)))
    sets = [np.flatnonzero(first == leader) for leader in np.unique(first)]
    sets = [columns for columns in sets if len(columns) > 1]
    phrases = [
        f"{list_some([table.labels[column] for column in columns])}"
        f" ({count(int(both[columns[0], columns[1]]), 'photo')})"
        for columns in sets
    ]
    return _one_finding(
        "warning",
        "same_photos",
        f"labels on exactly the same photos can't be told apart: {_some(phrases)}",
        columns=[int(column) for columns in sets for column in columns],
    )


def _never_without(table: LabelTable, pairs: IntArray, both: IntArray) -> list[Finding]:
    phrases = [
        f"'{table.labels[one]}' never without '{table.labels[other]}'"
        f" ({count(int(both[one, other]), 'photo')})"
        for one, other in pairs[:_MOST_SHOWN]
    ]
    text = f"labels that never come without another: {_some(phrases, n_all=len(pairs))}"
    return _one_finding("note", "never_without", text, columns=np.unique(pairs).tolist())


def _never_together(table: LabelTable, pairs: IntArray) -> list[Finding]:
    phrases = [f"'{table.labels[one]}' and '{table.labels[other]}'" for one, other in pairs[:_MOST_SHOWN]]
    text = (
        "labels that never come together, though chance alone would bring them together:"
        f" {_some(phrases, n_all=len(pairs))}"
    )
    return _one_finding("note", "never_together", text, columns=np.unique(pairs).tolist())


def _one_finding(level: Level, kind: str, text: str, *, columns: Sequence[int]) -> list[Finding]:
    """Return a finding, or none where no label is concerned."""
    return [Finding(level=level, kind=kind, text=text, labels=plain(columns))] if columns else []


def _some(phrases: Sequence[str], *, n_all: int | None = None) -> str:
    """Join the first phrases and count the rest."""
    n_left = (len(phrases) if n_all is None else n_all) - len(phrases[:_MOST_SHOWN])
    return "; ".join(phrases[:_MOST_SHOWN]) + (f"; and {n_left:,} more" if n_left else "")
