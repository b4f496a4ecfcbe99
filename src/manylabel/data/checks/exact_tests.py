"""Tell chance from more than chance, exactly, however few photos there are.

In:  counts.
Out: probabilities under chance.
"""

import numpy as np

from manylabel.types import FloatArray, IntArray

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
    """Compute how probable two shares at least as different would be if chance alone dealt out the hits.

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

    Holm (1979), "A simple sequentially rejective multiple test procedure": whoever acts on corrected values
    below 0.05 makes any false alarm at all with a chance of at most 5 %.

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
