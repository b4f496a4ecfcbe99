"""Rank the cells of a table by how likely their given label is wrong.

In:  targets [n_photos, n_labels] (1 present, 0 absent, NaN unknown) and out-of-fold scores of the same shape.
Out: all known cells, the most likely wrong first, each with the probability that it is right, and how many
     are probably wrong.

As in confident learning (Northcutt, Jiang and Chuang 2021, arXiv:1911.00068, section 2), labels are taken to
be wrong at rates that depend on the true label alone: present ones may be forgotten more often than absent
ones are invented. As in its multi-label form (Thyagarajan et al. 2022, arXiv:2211.13895), every cell is a
binary label of its own. Unlike both, which count scores above the mean score of a class, the rates come from
the cells that the model is surest of, of all labels together. With few positives per label this found more
planted errors, distinguished forgotten labels from invented ones, and gave fewer false alarms on clean
tables.
"""

from dataclasses import dataclass

import numpy as np

from manylabel.metrics.curves import known_probabilities
from manylabel.metrics.resamples import BoolArray
from manylabel.types import FloatArray, IntArray

# Cells that rates are estimated from: of a label with n given positives, the 0.3 n highest scores, and the
# like for negatives. On two kinds of real photos, 0.2 to 0.3 found most, 0.5 and 0.7 less.
_SURE_SHARE = 0.3
# Before any cell is seen, one in 20 is wrong; that weighs as much as 20 cells.
_PRIOR_WRONG, _PRIOR_CELLS = 1.0, 20.0
_RATE_RANGE = (0.005, 0.45)
# No score is trusted more than this: a single model does not know better.
_LEAST_DOUBT = 0.002


@dataclass(frozen=True, eq=False, kw_only=True)
class LabelIssues:
    """The known cells of a table, the most likely wrong first.

    Attributes:
        rows: Row number of each cell [n_known].
        columns: Column number of each cell [n_known].
        given: Its label as given, 1 present or 0 absent [n_known].
        score: Its out-of-fold score [n_known].
        quality: Probability that its label is right [n_known], ascending.
        n_expected: How many cells are wrong, the sum of 1 - quality. A model that is unsure of clean labels
            makes it a little more than 0; errors that repeat in all photos of a kind cannot be seen.
        omission_rate: Share of the labels that truly apply which are given as absent, over all labels.
        commission_rate: Share of those that do not apply which are given as present, over all labels.
    """

    rows: IntArray
    columns: IntArray
    given: IntArray
    score: FloatArray
    quality: FloatArray
    n_expected: float
    omission_rate: float
    commission_rate: float


def find_label_issues(targets: FloatArray, scores: FloatArray) -> LabelIssues:
    """Rank the known cells by the probability that their given label is wrong.

    Scores predict given labels. With r the rate at which present labels are given as absent, and a the
    opposite one, a score s means that the label truly applies with probability c = (s - a) / (1 - a - r)
    (class-conditional noise: Natarajan et al. 2013, "Learning with noisy labels"). By Bayes' rule the given
    label is then wrong with odds r c : (1 - a) (1 - c) where absent, and a (1 - c) : (1 - r) c where present.

    The rates are those among the cells that the model is surest of (anchor points: Liu and Tao 2016,
    arXiv:1411.7718), shrunk towards 5 %.

    Args:
        targets: Float array [n_photos, n_labels]: 1 present, 0 absent, NaN unknown.
        scores: Probabilities [n_photos, n_labels] by models that did not learn from these photos.

    Returns:
        All known cells; equally likely ones by photo, then by label.

    Raises:
        ValueError: Targets and scores differ in shape, or a score of a known cell is no probability.

    Examples:
        >>> targets = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, np.nan]])
        >>> scores = np.array([[0.9, 0.1], [0.8, 0.2], [0.9, 0.8], [0.1, 0.9]])
        >>> issues = find_label_issues(targets, scores)
        >>> issues.rows[0], issues.columns[0], issues.given[0], len(issues.rows)
        (np.int64(2), np.int64(0), np.int64(0), 7)
    """
    known = known_probabilities(targets, scores)
    omission, commission = _noise_rates(targets, np.where(known, scores, np.nan))
    rows, columns = np.nonzero(known)
    given, score = targets[known], scores[known]
    quality = _quality(given, score, omission=omission, commission=commission)
    # Scores beyond what noise allows all mean "surely present" or "surely absent": there they decide.
    order = np.lexsort((np.where(given == 1, score, 1 - score), quality))
    return LabelIssues(
        rows=rows[order],
        columns=columns[order],
        given=given[order].astype(np.int64),
        score=score[order],
        quality=quality[order],
        n_expected=float((1 - quality).sum()),
        omission_rate=omission,
        commission_rate=commission,
    )


def _noise_rates(targets: FloatArray, scores: FloatArray) -> tuple[float, float]:
    """Estimate how often present labels are given as absent, and absent ones as present.

    Args:
        targets: [n_photos, n_labels], NaN where unknown.
        scores: The same, NaN where unknown.
    """
    is_present, is_absent = targets == 1, targets == 0
    surely_present = _highest(scores, n_cells=is_present.sum(axis=0))
    surely_absent = _highest(-scores, n_cells=is_absent.sum(axis=0))
    return _rate(surely_present, is_absent), _rate(surely_absent, is_present)


def _highest(scores: FloatArray, *, n_cells: IntArray) -> BoolArray:
    """Find the highest scores of each label, a share of the number of cells; cells that tie count too."""
    n_sure = np.ceil(_SURE_SHARE * n_cells).astype(np.int64)
    descending = -np.sort(-scores, axis=0)  # unknown cells last
    last = np.maximum(n_sure - 1, 0)[None]
    lowest = np.take_along_axis(descending, last, axis=0) if len(scores) else np.zeros((1, len(n_cells)))
    return np.asarray((scores >= lowest) & (n_sure > 0))


def _rate(sure: BoolArray, is_wrong: BoolArray) -> float:
    """Return the share of wrong ones among sure cells."""
    rate = ((sure & is_wrong).sum() + _PRIOR_WRONG) / (sure.sum() + _PRIOR_CELLS)
    return float(np.clip(rate, *_RATE_RANGE))


def _quality(given: FloatArray, score: FloatArray, *, omission: float, commission: float) -> FloatArray:
    """Compute the probability that a given label is right."""
    present = (score - commission) / (1 - commission - omission)
    present = np.clip(present, _LEAST_DOUBT, 1 - _LEAST_DOUBT)
    absent = 1 - present
    is_right = np.where(given == 1, (1 - omission) * present, (1 - commission) * absent)
    is_wrong = np.where(given == 1, commission * absent, omission * present)
    return np.asarray(is_right / (is_right + is_wrong))
