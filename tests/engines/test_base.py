"""What models give is checked before anybody believes it."""

import numpy as np
import pytest

from manylabel.engines.base import logits_to_scores
from manylabel.errors import EngineError
from manylabel.types import FloatArray


@pytest.mark.parametrize("shape", [(3, 2), (4, 3), (4,), (4, 2, 1), (0, 2), ()])
def test_outputs_of_another_shape_are_one_sentence(shape: tuple[int, ...]) -> None:
    with pytest.raises(EngineError, match=r"gives outputs of shape \[.*\], expected \[4, 2\] for 4 views"):
        logits_to_scores(np.zeros(shape), n_rows=4, n_labels=2, n_views=2)


@pytest.mark.parametrize("pair", [(np.nan, 0.0), (np.inf, -np.inf)])
def test_outputs_that_are_no_numbers_are_one_sentence(pair: tuple[float, float]) -> None:
    logits: FloatArray = np.zeros((4, 2))
    logits[2:, 1] = pair

    with pytest.raises(EngineError, match=r"gives no number \(NaN\) for 1 of 2 photos"):
        logits_to_scores(logits, n_rows=4, n_labels=2, n_views=2)


def test_logits_without_end_are_certain() -> None:
    scores = logits_to_scores(np.array([[np.inf, -np.inf]]), n_rows=1, n_labels=2, n_views=1)

    np.testing.assert_array_equal(scores, [[1.0, 0.0]])
