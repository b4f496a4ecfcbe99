"""Learn from the answers of people what to show them next.

In:  features of photos [n_photos, n_features]; answers as targets [n_photos, n_labels].
Out: probabilities of all photos, how good they are, answers that are probably wrong, photos to label next.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from manylabel.live_model.head import FittedHead, fit_head
from manylabel.live_model.messages import Estimate, Issue, Scores
from manylabel.metrics.bootstrap import bootstrap_metrics
from manylabel.metrics.comparison import label_prior
from manylabel.review.active_learning import choose_to_label
from manylabel.review.label_issues import find_label_issues
from manylabel.review.neighbors import find_neighbors, nearest_neighbors
from manylabel.types import FloatArray, IntArray

_MOST_ISSUES = 200
_MOST_SUGGESTED = 100
_N_NEIGHBORS = 3
_N_RESAMPLES = 500
_SURELY_RIGHT = 0.9


class Photos(Protocol):
    """Photos, as far as they have been read.

    Attributes:
        values: Their features [n_photos, n_features].
        is_known: Which of these are known [n_photos].
        labels: The labels that a trained model knows.
        probabilities: Of that model [n_photos, n_labels].
    """

    values: NDArray[np.float32]
    is_known: NDArray[np.bool_]
    labels: Sequence[str]
    probabilities: FloatArray


@dataclass(frozen=True, eq=False, kw_only=True)
class _Known:
    """The photos whose features are known.

    Attributes:
        rows: Their numbers among all photos.
        features: [n_rows, n_features].
        targets: [n_rows, n_labels], NaN where unknown.
        groups: Number of the group of near-duplicates of each [n_rows].
    """

    rows: IntArray
    features: NDArray[np.float32]
    targets: FloatArray
    groups: IntArray


def learn(
    photos: Photos, labels: list[str], targets: FloatArray, *, groups: IntArray, revision: int
) -> Scores:
    """Fit a head on the answers, and use it.

    Labels that the trained model has get its probabilities; the others get those of the head.

    Args:
        photos: The photos, as far as they have been read.
        labels: The labels.
        targets: The answers [n_photos, n_labels]: 1 present, 0 absent, NaN unknown.
        groups: Number of the group of near-duplicates of each photo [n_photos].
        revision: The revision of the answers.
    """
    began = time.perf_counter()
    rows = np.flatnonzero(photos.is_known)
    known = _Known(rows=rows, features=photos.values[rows], targets=targets[rows], groups=groups[rows])
    head = fit_head(known.features, known.targets, groups=known.groups) if labels else None
    probabilities = np.full(targets.shape, np.nan)
    if head is not None:
        probabilities[rows] = head.probabilities
    for column, label in enumerate(labels):
        if label in photos.labels:
            probabilities[:, column] = photos.probabilities[:, photos.labels.index(label)]
    return Scores(
        revision=revision,
        labels=labels,
        probabilities=probabilities.astype("<f4").tobytes(),
        estimate=None if head is None else _estimate(head, known),
        issues=[] if head is None else _find_issues(head, known, labels),
        suggested=_suggest(known, probabilities[rows]),
        seconds=time.perf_counter() - began,
    )


def find_similar(photos: Photos, row: int) -> list[int]:
    """Return the numbers of all photos whose features are known, the most similar to one of them first."""
    rows = np.flatnonzero(photos.is_known)
    if not photos.is_known[row]:
        return []
    found = find_neighbors(photos.values[[row]], photos.values[rows], n_neighbors=len(rows))
    return [int(number) for number in rows[found.rows[0]]]


def _estimate(head: FittedHead, known: _Known) -> Estimate | None:
    """Compare the head with baselines; None where no label is present on one photo and absent on another."""
    labeled = np.sort(np.concatenate(head.folds))
    targets = known.targets[labeled]
    if not ((targets == 1).any(axis=0) & (targets == 0).any(axis=0)).any():
        return None
    scores = [
        head.out_of_fold[labeled],
        _out_of_fold_neighbors(head, known)[labeled],
        label_prior(targets, n_photos=len(labeled)).scores,
    ]
    measured = bootstrap_metrics(
        targets,
        [(one, one >= 0.5) for one in scores],
        groups=known.groups[labeled],
        n_resamples=_N_RESAMPLES,
        rng=np.random.default_rng(0),
    ).models
    own, neighbors, prior = (model.measured["mAP"] for model in measured)
    interval = measured[0].metrics["mAP"]
    return Estimate(
        n_photos=len(labeled),
        mean_average_precision=own,
        low=interval.low,
        high=interval.high,
        nearest_neighbors=neighbors,
        label_prior=prior,
    )


def _out_of_fold_neighbors(head: FittedHead, known: _Known) -> FloatArray:
    """Score labeled photos by the nearest photos of the other folds [n_rows, n_labels]."""
    labeled = np.concatenate(head.folds)
    scores = np.full(known.targets.shape, np.nan)
    for fold in head.folds:
        others = np.setdiff1d(labeled, fold)
        scores[fold] = nearest_neighbors(
            known.features[others], known.targets[others], known.features[fold]
        ).scores
    return scores


def _find_issues(head: FittedHead, known: _Known, labels: list[str]) -> list[Issue]:
    """Return the answers that are wrong with a chance of one in ten or more, the most suspicious first."""
    found = find_label_issues(known.targets, head.out_of_fold)
    n_issues = min(int((found.quality < _SURELY_RIGHT).sum()), _MOST_ISSUES)
    rows, columns = found.rows[:n_issues], found.columns[:n_issues]
    neighbors = _similar_answered(known, rows, columns)
    return [
        Issue(
            row=int(known.rows[row]),
            label=labels[column],
            given=int(given),
            probability=float(score),
            neighbors=similar,
        )
        for row, column, given, score, similar in zip(
            rows, columns, found.given[:n_issues], found.score[:n_issues], neighbors, strict=True
        )
    ]


def _similar_answered(known: _Known, rows: IntArray, columns: IntArray) -> list[list[int]]:
    """Return, for each photo and label, the most similar photos with an answer, without near-duplicates."""
    similar: list[list[int]] = [[] for _ in rows]
    largest_group = int(np.unique(known.groups, return_counts=True)[1].max(initial=0))
    for column in np.unique(columns):  # a search per label: all of its issues at once
        asked = np.flatnonzero(columns == column)
        answered = np.flatnonzero(~np.isnan(known.targets[:, column]))
        found = find_neighbors(
            known.features[rows[asked]],
            known.features[answered],
            n_neighbors=_N_NEIGHBORS + largest_group,
        )
        for number, nearest in zip(asked, answered[found.rows], strict=True):
            others = nearest[known.groups[nearest] != known.groups[rows[number]]]
            similar[number] = known.rows[others[:_N_NEIGHBORS]].tolist()
    return similar


def _suggest(known: _Known, probabilities: FloatArray) -> list[int]:
    """Return the numbers of the photos most worth labeling next among those that lack an answer.

    Args:
        known: The photos.
        probabilities: Of these photos [n_rows, n_labels]; where NaN, nothing is known of them.
    """
    is_open = np.isnan(known.targets).any(axis=1)
    if not is_open.any():
        return []
    guesses = np.where(np.isnan(probabilities), 0.5, probabilities)
    scores = np.where(np.isnan(known.targets), guesses, known.targets)
    chosen = choose_to_label(
        scores[is_open],
        known.features[is_open],
        n=min(_MOST_SUGGESTED, int(is_open.sum())),
        labeled_features=known.features[~is_open],
    )
    return [int(number) for number in known.rows[np.flatnonzero(is_open)[chosen]]]
