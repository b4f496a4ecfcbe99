"""Compute every metric, for one or for many weightings of the same photos.

In:  evaluated photos, and how often each resample counts each of them; plain values count every photo once.
Out: one value per resample [n_resamples], or per resample and label [n_resamples, n_labels]. What is
     undefined is NaN.

Unknown cells take no part anywhere. A photo or label without any known cell is left out of every mean; a
mean over nothing is NaN. Apart from that, values are equal to scikit-learn's with ``zero_division=0``: a
precision, recall or F1 whose denominator is 0 counts as 0, so a photo without labels that rightly gets none
adds 0 to ``f1_samples`` but a full hit to ``exact_match``.
"""

import numpy as np

from manylabel.metrics.resamples import Resamples, divide
from manylabel.types import FloatArray


def average_precision(photos: Resamples) -> FloatArray:
    """Compute the average precision of each label [n_resamples, n_labels]; NaN without a known positive.

    AP is the sum over all distinct scores of (recall gained there) x (precision there), as in
    ``sklearn.metrics.average_precision_score``; nothing is interpolated.

    Examples:
        >>> targets = np.array([[1.0, 0.0], [0.0, 0.0], [1.0, np.nan]])
        >>> average_precision(Resamples(targets, scores=np.array([[0.9, 0.1], [0.6, 0.2], [0.4, 0.3]])))
        array([[0.83333333,        nan]])
    """
    return photos.average_precision


def auroc(photos: Resamples) -> FloatArray:
    """Compute the area under the ROC curve of each label [n_resamples, n_labels].

    It is the chance that a photo with the label scores higher than one without it; a tie counts half. NaN
    where a label has no known positive or no known negative.
    """
    return photos.auroc


def precision(photos: Resamples) -> FloatArray:
    """Compute the share of right ones among the photos given each label [n_resamples, n_labels]."""
    return photos.by_label.precision()


def recall(photos: Resamples) -> FloatArray:
    """Compute the share of photos with each label that were given it [n_resamples, n_labels]."""
    return photos.by_label.recall()


def f1(photos: Resamples) -> FloatArray:
    """Compute the harmonic mean of precision and recall of each label [n_resamples, n_labels]."""
    return photos.by_label.f_beta()


def binary_accuracy(photos: Resamples) -> FloatArray:
    """Compute the share of known cells that are right."""
    return divide(photos.overall.right, photos.overall.known)


def hamming_loss(photos: Resamples) -> FloatArray:
    """Compute the share of known cells that are wrong."""
    return divide(photos.overall.known - photos.overall.right, photos.overall.known)


def exact_match(photos: Resamples) -> FloatArray:
    """Compute the share of photos whose known cells are all right (subset accuracy)."""
    return photos.mean_over_photos(photos.by_photo.right == photos.by_photo.known)


def f1_macro(photos: Resamples) -> FloatArray:
    """Compute the mean over the labels of their F1; labels without a positive count as 0."""
    return mean_over_labels(f1(photos))


def f1_micro(photos: Resamples) -> FloatArray:
    """Compute the F1 of all known cells thrown together."""
    return photos.overall.f_beta()


def f1_samples(photos: Resamples) -> FloatArray:
    """Compute the mean over the photos of their F1; photos without a label count as 0."""
    return photos.mean_over_photos(photos.by_photo.f_beta())


def class_precision(photos: Resamples) -> FloatArray:
    """Compute CP, the mean over the labels of their precision (Wang et al., arXiv:1604.04573)."""
    return mean_over_labels(precision(photos))


def class_recall(photos: Resamples) -> FloatArray:
    """Compute CR, the mean over the labels of their recall (Wang et al., arXiv:1604.04573)."""
    return mean_over_labels(recall(photos))


def class_f1(photos: Resamples) -> FloatArray:
    """Compute CF1, the harmonic mean of CP and CR; it is not the mean of the F1 scores, ``f1_macro``."""
    return _harmonic_mean(class_precision(photos), class_recall(photos))


def overall_precision(photos: Resamples) -> FloatArray:
    """Compute OP, the precision of all known cells thrown together (Wang et al., arXiv:1604.04573)."""
    return photos.overall.precision()


def overall_recall(photos: Resamples) -> FloatArray:
    """Compute OR, the recall of all known cells thrown together (Wang et al., arXiv:1604.04573)."""
    return photos.overall.recall()


def overall_f1(photos: Resamples) -> FloatArray:
    """Compute OF1, the harmonic mean of OP and OR; the literature's name for ``f1_micro``."""
    return _harmonic_mean(overall_precision(photos), overall_recall(photos))


def mean_average_precision(photos: Resamples) -> FloatArray:
    """Compute the mean of the average precisions of the labels that have a known positive."""
    return mean_over_labels(average_precision(photos))


def auroc_macro(photos: Resamples) -> FloatArray:
    """Compute the mean area under the ROC curve of the labels that have known positives and negatives."""
    return mean_over_labels(auroc(photos))


def coverage_error(photos: Resamples) -> FloatArray:
    """Compute how many labels one must go down a photo's ranking to meet all of its true ones.

    It is a mean over the photos; labels that tie with the last true one count, a photo without labels adds 0
    (``sklearn.metrics.coverage_error``).

    Examples:
        >>> targets = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]])
        >>> coverage_error(Resamples(targets, scores=np.eye(3)[:2]))
        array([2.])
    """
    true_scores = np.where(photos.targets == 1, photos.scores, np.inf)
    lowest = true_scores.min(axis=1, initial=np.inf, keepdims=True)
    return photos.mean_over_photos((photos.is_known & (photos.scores >= lowest)).sum(axis=1))


def ranking_loss(photos: Resamples) -> FloatArray:
    """Compute the share of a photo's pairs (true label, false label) that are ranked the wrong way round.

    It is a mean over the photos; a tie counts as wrong, a photo without a pair adds 0
    (``sklearn.metrics.label_ranking_loss``).

    Examples:
        >>> targets = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]])
        >>> ranking_loss(Resamples(targets, scores=np.eye(3)[:2]))
        array([0.25])
    """
    targets = photos.targets
    order = np.lexsort((targets, -photos.scores), axis=1)  # best score first; in a tie the false label first
    ranked = np.take_along_axis(targets, order, axis=1)
    n_wrong_pairs = np.where(ranked == 1, np.cumsum(ranked == 0, axis=1), 0).sum(axis=1)
    n_pairs = (targets == 1).sum(axis=1) * (targets == 0).sum(axis=1)
    return photos.mean_over_photos(n_wrong_pairs / np.maximum(n_pairs, 1))


def mean_over_labels(values: FloatArray) -> FloatArray:
    """Average values [n_resamples, n_labels] over the labels that define one [n_resamples]; else NaN."""
    is_defined = ~np.isnan(values)
    return divide(np.where(is_defined, values, 0.0).sum(axis=1), is_defined.sum(axis=1, dtype=np.float64))


def _harmonic_mean(first: FloatArray, second: FloatArray) -> FloatArray:
    """Combine two shares; 0 where both are 0."""
    total = first + second
    return np.divide(2 * first * second, total, out=np.zeros_like(total), where=total != 0)
