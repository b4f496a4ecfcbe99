"""Check labels: is there enough of each to train and to evaluate, and what is unknown?

In:  the table, and the split if there is one.
Out: findings: too few photos; labels that are never, always or rarely present, or missing from a part; photos
     and cells that are unknown; labels that training refuses.
"""

import math
from dataclasses import dataclass
from functools import partial

import numpy as np

from manylabel.data.checks.finding import Finding, Level, name_photos, per_label, plain
from manylabel.data.wording import count
from manylabel.types import IntArray, LabelTable, Split

# A recall measured on n positives has a standard error of up to 0.5 / sqrt(n): 0.22 for 5 and 0.16 for 10.
_CANNOT_BE_TRUSTED = 5
_ROUGH = 10
_STEP = 5
_FEW_PHOTOS = 20
_AP = "measured quality (AP)"


def find_count_problems(table: LabelTable, split: Split | None) -> list[Finding]:
    """Find photos and labels that are too few, the most serious first.

    Args:
        table: The photos and their labels; only known cells count.
        split: The split. Not given: all photos train.
    """
    return [
        *_too_few_photos(table, split),
        *_find_drawn_test(table, split),
        *_constant_labels(table),
        *_missing_from_parts(table, split),
        *(
            finding
            for photo_set in _list_photo_sets(table, split)
            for finding in _rare(table, photo_set, value=1)
        ),
        *(
            finding
            for photo_set in _list_photo_sets(table, split)
            for finding in _rare(table, photo_set, value=0)
        ),
        *_single_label(table),
    ]


def _too_few_photos(table: LabelTable, split: Split | None) -> list[Finding]:
    rows = np.arange(table.n_photos) if split is None else split.train
    n_photos = int((~np.isnan(table.targets[rows])).any(axis=1).sum())
    has = f"{count(n_photos, 'photo')} with a known label to train on"
    if n_photos < 2:
        text = f"{has}: nothing can be learned from fewer than 2; about 100 are a good start"
        return [Finding(level="error", kind="too_few_photos", text=text)]
    if n_photos < _FEW_PHOTOS:
        text = (
            f"{has}: a model can only memorize them; thresholds, folds and metrics mean little"
            f" with fewer than {_FEW_PHOTOS}, and about 100 are a good start"
        )
        return [Finding(level="warning", kind="too_few_photos", text=text)]
    return []


def _find_drawn_test(table: LabelTable, split: Split | None) -> list[Finding]:
    """Report test photos that were drawn because the table marks training photos but no test photos."""
    is_given = any(part is not None for part in table.parts) and "test" not in table.parts
    if split is None or not is_given or not len(split.test):
        return []
    text = (
        f"the table names no test photo, so {len(split.test)} of its training photos were drawn as test "
        "photos; --folds 5 evaluates on all of them instead"
    )
    return [Finding(level="warning", kind="drawn_test", text=text)]


def _constant_labels(table: LabelTable) -> list[Finding]:
    n_present, n_absent = _count_cells(table, 1), _count_cells(table, 0)
    n_known = n_present + n_absent
    unknown = per_label(
        table,
        np.flatnonzero(n_known == 0),
        level="warning",
        kind="only_unknown",
        words=(
            lambda column: "unknown on every photo: it can't be learned; fill it in or leave it out",
            "are unknown on every photo and can't be learned",
        ),
    )
    never = per_label(
        table,
        np.flatnonzero((n_present == 0) & (n_known > 0)),
        level="warning",
        kind="never_present",
        words=(
            lambda column: (
                f"on none of {n_known[column]:,} photos: it can't be learned; add photos that show it"
            ),
            "are on no photo and can't be learned",
        ),
    )
    always = per_label(
        table,
        np.flatnonzero((n_absent == 0) & (n_known > 0)),
        level="warning",
        kind="always_present",
        words=(
            lambda column: (
                f"on all of {n_known[column]:,} photos: it can't be learned; add photos without it"
            ),
            "are on every photo and can't be learned",
        ),
    )
    return [*unknown, *never, *always]


def _missing_from_parts(table: LabelTable, split: Split | None) -> list[Finding]:
    """Find labels that are on some photos, but on no training photo or on no test photo."""
    if split is None:
        return []
    n_present = _count_cells(table, 1)
    findings = []
    for rows, part, verb in ((split.train, "training", "learned"), (split.test, "test", "evaluated")):
        is_missing = (n_present > 0) & ((table.targets[rows] == 1).sum(axis=0) == 0)
        findings += per_label(
            table,
            np.flatnonzero(is_missing & (len(rows) > 0)),
            level="warning",
            kind=f"not_in_{part}",
            words=(
                # The loop's values are bound here: a function in a loop sees the last ones.
                lambda column, part=part, verb=verb: (  # type: ignore[misc]
                    f"{count(int(n_present[column]), 'photo')} with this label, none of them among the {part}"
                    f" photos: it can't be {verb}"
                ),
                f"are on none of the {part} photos and can't be {verb}",
            ),
        )
    return findings


@dataclass(frozen=True, eq=False, kw_only=True)
class _PhotoSet:
    """Photos of one part of the split, and what is computed from them.

    Attributes:
        rows: The photos.
        photo: Noun for one of them.
        kind: Beginning of the codes of findings.
        decides: What is computed from them.
        share: Share of new photos that would come to this part.
    """

    rows: IntArray
    photo: str
    kind: str
    decides: str
    share: float = 1.0


def _list_photo_sets(table: LabelTable, split: Split | None) -> tuple[_PhotoSet, ...]:
    """Return the photos for thresholds and those for evaluation; they are the same without test photos."""
    if split is None or not len(split.test):
        return (
            _PhotoSet(
                rows=np.arange(table.n_photos), photo="photo", kind="few", decides=f"threshold and {_AP}"
            ),
        )
    others = np.concatenate([split.train, split.val])
    is_drawn = all(part is None for part in table.parts)
    share = len(split.test) / table.n_photos if is_drawn else 1.0
    return (
        _PhotoSet(rows=others, photo="training photo", kind="few", decides="threshold"),
        _PhotoSet(rows=split.test, photo="test photo", kind="few_test", decides=_AP, share=share),
    )


def _rare(table: LabelTable, photo_set: _PhotoSet, *, value: int) -> list[Finding]:
    """Find labels that few photos have (value 1) or few photos lack (value 0), but some do both."""
    targets = table.targets[photo_set.rows]
    n_cells, n_others = (targets == value).sum(axis=0), (targets == 1 - value).sum(axis=0)
    varies = (n_cells > 0) & (n_others > 0) & ((n_cells < n_others) | ((n_cells == n_others) & (value == 1)))
    order = np.argsort(n_cells, kind="stable")
    order = order[varies[order]]
    thing, which = ("positives", "with this label") if value == 1 else ("negatives", "without this label")

    def sentence(column: int, verdict: str) -> str:
        n_cell, n_known = int(n_cells[column]), int(n_cells[column] + n_others[column])
        more = _STEP * math.ceil((_ROUGH - n_cell) / photo_set.share / _STEP)
        return (
            f"{count(n_cell, photo_set.photo)} {which}, of {n_known:,}: its {photo_set.decides} {verdict};"
            f" about {more} more would help{', or --folds 5' if photo_set.share < 1 else ''}"
        )

    bounds: tuple[tuple[int, int, Level, str, str], ...] = (
        (1, _CANNOT_BE_TRUSTED, "warning", f"fewer than {_CANNOT_BE_TRUSTED}", "can't be trusted"),
        (_CANNOT_BE_TRUSTED, _ROUGH, "note", f"{_CANNOT_BE_TRUSTED} to {_ROUGH - 1}", _rough(photo_set)),
    )
    findings = []
    for least, below, level, amount, verdict in bounds:
        findings += per_label(
            table,
            order[(n_cells[order] >= least) & (n_cells[order] < below)],
            level=level,
            kind=f"{photo_set.kind}_{thing}",
            words=(
                partial(sentence, verdict=verdict),
                f"have {amount} {photo_set.photo}s {which.replace('this', 'the')}; the {photo_set.decides} of"
                f" each {verdict}",
            ),
        )
    return findings


def _rough(photo_set: _PhotoSet) -> str:
    return "are rough" if " and " in photo_set.decides else "is rough"


def _single_label(table: LabelTable) -> list[Finding]:
    if table.n_labels != 1:
        return []
    text = f"'{table.labels[0]}' is the only label: that is fine, every photo has it or not"
    return [Finding(level="note", kind="one_label", text=text, labels=(0,))]


def _count_cells(table: LabelTable, value: int) -> IntArray:
    """Count the photos on which each label is present (1) or absent (0) [n_labels]."""
    return np.asarray((table.targets == value).sum(axis=0), dtype=np.int64)


def find_empty_cells(table: LabelTable) -> list[Finding]:
    """Find photos without labels and unknown cells.

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


def find_refused(table: LabelTable) -> list[Finding]:
    """Find labels that training refuses."""
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
