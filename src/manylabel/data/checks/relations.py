"""Check how labels depend on each other and on the split, and whether they break the constraints of the user.

In:  the table, the split, the constraints.
Out: findings: labels on exactly the same photos, labels that never occur without another or never together,
     labels that are more frequent in one part of the split than chance explains, broken constraints.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from manylabel.constraints import LabelConstraints, Violation, violations
from manylabel.data.checks.finding import Finding, Level, name_photos, per_label, plain
from manylabel.data.wording import count, list_some
from manylabel.types import FloatArray, IntArray, LabelTable, Split

_FEWEST_TOGETHER = 3
_FEWEST_IMPLYING = 5
_LEVEL = 0.05
_MOST_SHOWN = 5


def find_relations(table: LabelTable) -> list[Finding]:
    """Find labels that depend on each other.

    Only photos on which both labels are known count. "The same photos" needs at least 3 of them, "never
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
    """Describe labels on exactly the same photos, one phrase per set of labels."""
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
    text = f"labels that never occur without another: {_some(phrases, n_all=len(pairs))}"
    return _one_finding("note", "never_without", text, columns=np.unique(pairs).tolist())


def _never_together(table: LabelTable, pairs: IntArray) -> list[Finding]:
    phrases = [f"'{table.labels[one]}' and '{table.labels[other]}'" for one, other in pairs[:_MOST_SHOWN]]
    text = (
        "labels that never occur together, though by chance some photos would have both:"
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


def find_shift(table: LabelTable, split: Split | None) -> list[Finding]:
    """Find labels that are clearly more frequent in one part than in the other.

    Each label gets Fisher's exact test of two proportions on its known cells, corrected after Holm for the
    number of labels; values below 0.05 are findings.

    Args:
        table: The photos and their labels.
        split: The split. Not given, or without test photos: nothing is found.
    """
    if split is None or not len(split.test) or not table.n_labels:
        return []
    hits, sizes = (
        np.array([counted(table, rows) for rows in (split.train, split.test)])
        for counted in (_count_present, _count_known)
    )  # each [2, n_labels]
    p_values = np.array(
        [
            proportions_differ((int(hit[0]), int(hit[1])), (int(size[0]), int(size[1])))
            for hit, size in zip(hits.T, sizes.T, strict=True)
        ]
    )
    corrected = holm(p_values)
    order = np.argsort(corrected, kind="stable")
    shares = hits / np.maximum(sizes, 1)
    return per_label(
        table,
        order[corrected[order] < _LEVEL],
        level="warning",
        kind="label_shift",
        words=(
            lambda column: (
                f"on {shares[0, column]:.0%} of the training photos but {shares[1, column]:.0%} of the test"
                " photos, which is more than chance: the test photos differ from the training photos"
            ),
            "are clearly more or less frequent among the test photos than among the training photos",
        ),
    )


def _count_present(table: LabelTable, rows: IntArray) -> IntArray:
    """Count the photos that carry each label [n_labels]."""
    return np.asarray((table.targets[rows] == 1).sum(axis=0), dtype=np.int64)


def _count_known(table: LabelTable, rows: IntArray) -> IntArray:
    """Count the photos on which each label is known [n_labels]."""
    return np.asarray((~np.isnan(table.targets[rows])).sum(axis=0), dtype=np.int64)


_MOST_SENTENCES = 5


def find_broken_constraints(table: LabelTable, constraints: LabelConstraints | None) -> list[Finding]:
    """Find photos whose known cells break a constraint whatever their unknown cells are.

    Args:
        table: The photos and their labels.
        constraints: The constraints. Not given: nothing is found.

    Returns:
        The constraints that most photos break first, a finding for each of 5, one for all others.
    """
    if constraints is None:
        return []
    by_constraint: dict[str, list[Violation]] = {}
    for violation in violations(constraints, table.targets):
        by_constraint.setdefault(violation.constraint, []).append(violation)
    most_broken = sorted(by_constraint.items(), key=lambda item: -len(item[1]))
    findings = [
        _broken_constraint(table, f"constraint '{constraint}'", broken)
        for constraint, broken in most_broken[:_MOST_SENTENCES]
    ]
    rest = most_broken[_MOST_SENTENCES:]
    if rest:
        names = list_some([constraint for constraint, _ in rest])
        findings.append(
            _broken_constraint(
                table,
                f"{len(rest)} more constraints ({names})",
                [one for _, broken in rest for one in broken],
            )
        )
    return findings


def _broken_constraint(table: LabelTable, what: str, broken: list[Violation]) -> Finding:
    rows = sorted({violation.row for violation in broken})
    cells = sorted(
        {(violation.row, table.labels.index(label)) for violation in broken for label in violation.labels}
    )
    text = f"{what}: broken by the labels of {count(len(rows), 'photo')}: {name_photos(table, rows)}"
    return Finding(
        level="warning",
        kind="constraint_broken",
        text=text,
        photos=plain(rows),
        labels=plain(sorted({column for _, column in cells})),
        cells=tuple(cells),
    )


_ROUNDING = 1e-7


def log_choose(n: IntArray, k: IntArray) -> FloatArray:
    """Compute the logarithm of the number of ways to choose k of n.

    Args:
        n: How many there are, of any shape.
        k: How many are chosen, from 0 to n, of the same shape.

    Examples:
        >>> np.exp(log_choose(np.array([5, 4]), np.array([2, 0]))).round(6)
        array([10.,  1.])
    """
    factors = np.arange(1, int(np.max(n, initial=0)) + 1)
    log_factorial = np.append(0.0, np.cumsum(np.log(factors)))
    return np.asarray(log_factorial[n] - log_factorial[k] - log_factorial[n - k])


def proportions_differ(hits: tuple[int, int], sizes: tuple[int, int]) -> float:
    """Compute how probable shares at least as different would be by chance alone.

    Fisher's exact test of two proportions, two-sided: the probabilities of all tables that are no more
    probable than the given one are summed (Fisher, 1935, "The logic of inductive inference"), as in
    ``scipy.stats.fisher_exact``.

    Args:
        hits: Photos with the label in two parts.
        sizes: Photos in the two parts.

    Returns:
        The p-value in (0, 1]; 1 where a part is empty.

    Examples:
        >>> round(proportions_differ((8, 1), (10, 6)), 6)
        0.034965
    """
    n_hits, n_photos = sum(hits), sum(sizes)
    in_first = np.arange(max(0, n_hits - sizes[1]), min(n_hits, sizes[0]) + 1)
    ways = log_choose(np.full_like(in_first, sizes[0]), in_first)
    ways = ways + log_choose(np.full_like(in_first, sizes[1]), n_hits - in_first)
    probability = np.exp(ways - log_choose(np.array(n_photos), np.array(n_hits)))
    given = probability[hits[0] - in_first[0]]
    return float(min(probability[probability <= given * (1 + _ROUNDING)].sum(), 1.0))


def holm(p_values: FloatArray) -> FloatArray:
    """Correct p-values for the number of questions asked.

    Holm (1979), "A simple sequentially rejective multiple test procedure": with a limit of 0.05 on corrected
    values, the chance of any false alarm at all is at most 5 %.

    Args:
        p_values: One per question [n].

    Returns:
        Corrected p-values [n] in [0, 1].

    Examples:
        >>> holm(np.array([0.01, 0.04, 0.03]))
        array([0.03, 0.06, 0.06])
    """
    order = np.argsort(p_values, kind="stable")
    factors = np.arange(len(p_values), 0, -1)
    corrected = np.empty(len(p_values))
    corrected[order] = np.minimum(np.maximum.accumulate(p_values[order] * factors), 1.0)
    return corrected
