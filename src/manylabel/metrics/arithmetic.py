"""Divide, and change between probabilities and log-odds, where the plain formula would break down.

In:  numbers, or arrays of them.
Out: the same in other terms; NaN where a quotient is undefined, finite log-odds of 0 and 1.
"""

import numpy as np

from manylabel.types import FloatArray, IntArray

_FLOATS = np.finfo(np.float64)


def divide(numerator: FloatArray, denominator: FloatArray | IntArray | np.float64) -> FloatArray:
    """Divide, with NaN where the denominator is 0.

    Examples:
        >>> divide(np.array([1.0, 1.0]), np.array([2, 0]))
        array([0.5, nan])
    """
    return np.divide(numerator, denominator, out=np.full_like(numerator, np.nan), where=denominator > 0)


def logit(probability: FloatArray, *, least: float = float(_FLOATS.tiny)) -> FloatArray:
    """Turn probabilities into log-odds.

    Args:
        probability: In [0, 1]; NaN stays NaN.
        least: What is nearer to 0 or to 1 counts as this near, in (0, 0.5). By default the floats next to
            them.

    Examples:
        >>> logit(np.array([0.5, 1.0])), logit(np.array([0.0]), least=1e-12)
        (array([ 0.        , 36.73680057]), array([-27.63102112]))
    """
    clipped = np.clip(probability, least, 1 - max(least, float(_FLOATS.epsneg)))
    return np.asarray(np.log(clipped) - np.log1p(-clipped))


def sigmoid(log_odds: FloatArray) -> FloatArray:
    """Turn log-odds of any size into probabilities; NaN stays NaN.

    Examples:
        >>> sigmoid(np.array([0.0, -800.0]))
        array([0.5, 0. ])
    """
    odds_against = np.exp(-np.abs(log_odds))  # at most 1, so that nothing overflows
    return np.asarray(np.where(log_odds >= 0, 1.0, odds_against) / (1 + odds_against))
