"""Answer without looking at any photo, to show what a model must beat.

In:  the size of the evaluated part, and the targets of the training part, or how many were present and known.
Out: scores and decisions [n_photos, n_labels], the same for every photo.

Most cells of a multi-label table are 0, so saying "no label" everywhere already has a high binary accuracy.
"""

from dataclasses import dataclass

import numpy as np

from manylabel.metrics.curves import BoolArray
from manylabel.types import FloatArray, IntArray


@dataclass(frozen=True, eq=False, kw_only=True)
class Baseline:
    """Hold the answers of a baseline.

    Attributes:
        name: How tables call it: "all-negative" or "label-prior".
        scores: Probabilities [n_photos, n_labels].
        decisions: Which labels are given [n_photos, n_labels].
    """

    name: str
    scores: FloatArray
    decisions: BoolArray


def all_negative(*, n_photos: int, n_labels: int) -> Baseline:
    """Give no label to any photo, with score 0.

    Args:
        n_photos: Photos to answer for.
        n_labels: Labels.

    Examples:
        >>> all_negative(n_photos=1, n_labels=2).decisions
        array([[False, False]])
    """
    scores = np.zeros((n_photos, n_labels))
    return Baseline(name="all-negative", scores=scores, decisions=scores > 0)


def label_prior(train_targets: FloatArray, *, n_photos: int) -> Baseline:
    """Score every label with its prevalence in training, and give it where that is at least one half.

    Args:
        train_targets: Float array [n_train, n_labels]: 1 present, 0 absent, NaN unknown.
        n_photos: Photos to answer for.

    Returns:
        Scores and decisions [n_photos, n_labels]. A label that is unknown on every training photo gets the
        prevalence of all labels together; 0 where nothing at all is known.

    Examples:
        >>> label_prior(np.array([[1.0, 0.0], [1.0, 1.0], [0.0, np.nan], [1.0, 0.0]]), n_photos=1).scores
        array([[0.75      , 0.33333333]])
    """
    n_positive, n_known = (train_targets == 1).sum(axis=0), (~np.isnan(train_targets)).sum(axis=0)
    return label_prior_of_counts(n_positive, n_known, n_photos=n_photos)


def label_prior_of_counts(n_positive: IntArray, n_known: IntArray, *, n_photos: int) -> Baseline:
    """Answer as ``label_prior`` does, from how often each label was present in training.

    Args:
        n_positive: Training photos that carry each label [n_labels].
        n_known: Training photos on which each label is known [n_labels].
        n_photos: Photos to answer for.

    Examples:
        >>> label_prior_of_counts(np.array([3, 1]), np.array([4, 3]), n_photos=1).scores
        array([[0.75      , 0.33333333]])
    """
    overall = n_positive.sum() / max(int(n_known.sum()), 1)
    prevalence = np.where(n_known > 0, n_positive / np.maximum(n_known, 1), overall)
    scores = np.tile(prevalence, (n_photos, 1))
    return Baseline(name="label-prior", scores=scores, decisions=scores >= 0.5)
