"""What the baselines say about the photos of a run."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from manylabel.report.baselines import answer_evaluated, answer_out_of_fold
from manylabel.trials import NeighborPredictions, Trial
from manylabel.types import LabelTable
from tests.report import test_html as pages
from tests.report.conftest import results_of
from tests.report.test_collect import RUN, TARGETS, judge, make_split, make_table, make_trial

FOLDS = (np.array([0, 2]), np.array([1, 3]))
UNSURE = judge([0, 1, 2, 3], np.full((4, 3), 0.4))

# Photos 0 and 2 are decided by 1 and 3 (boat 1, lake 1, moon 0), photos 1 and 3 by 0 and 2 (1/2, 0, 0).
BY_OTHERS = [[True, True, False], [True, False, False], [True, True, False], [True, False, False]]


def who_are_right(rows: list[int]) -> NeighborPredictions:
    """Return neighbors that answer as the table does."""
    return NeighborPredictions(
        rows=np.array(rows),
        scores=np.nan_to_num(TARGETS[rows]),
        decisions=TARGETS[rows] == 1,
        similar=np.zeros((len(rows), 1), dtype=np.int64),
    )


def test_baselines_answer_the_judged_photos_from_training_prevalences() -> None:
    nothing, prior = results_of(make_table(), make_split(), [make_trial()], RUN).baselines
    assert [nothing.model, prior.model] == ["all-negative", "label-prior"]
    assert (nothing.metrics["binary_accuracy"], nothing.metrics["exact_match"]) == (0.6, 0.0)
    assert (prior.metrics["binary_accuracy"], prior.metrics["exact_match"]) == (0.6, 0.5)


def test_where_folds_judge_the_prior_decides_by_the_others_and_scores_by_all() -> None:
    trial = replace(make_trial(), test=None, out_of_fold=UNSURE, folds=FOLDS)

    prior = answer_evaluated(make_table(), make_split(), trial)["label-prior"]

    assert prior.decisions.tolist() == BY_OTHERS
    np.testing.assert_allclose(prior.scores, np.tile([3 / 4, 1 / 3, 0], (4, 1)))
    assert answer_out_of_fold(make_table(), make_split(), trial) == {}


def test_photos_that_only_some_fits_held_out_are_answered_by_all_others() -> None:
    held_out = judge([0, 2], np.full((2, 3), 0.4))
    trial = replace(make_trial(), out_of_fold=held_out, folds=FOLDS[:1])

    answers = answer_out_of_fold(make_table(), make_split(), trial)

    assert answers["label-prior"].rows.tolist() == [0, 2]
    assert answers["label-prior"].decisions.tolist() == BY_OTHERS[::2]
    assert not answers["all-negative"].decisions.any()


def test_the_out_of_fold_photos_have_baselines_of_their_own_in_the_facts() -> None:
    alone = make_trial()
    crossed = replace(alone, out_of_fold=UNSURE, folds=FOLDS, neighbors=who_are_right([4, 5]))
    known = replace(crossed, neighbors_out_of_fold=who_are_right([0, 1, 2, 3]))

    def told(trial: Trial) -> dict[str, Any]:
        baselines = results_of(make_table(), make_split(), [trial], RUN).baselines
        return {baseline.model: baseline.out_of_fold for baseline in baselines}

    assert told(alone) == {"all-negative": None, "label-prior": None}
    assert told(crossed)["nearest-neighbors"] is None
    assert told(known)["nearest-neighbors"]["exact_match"] == 1.0
    # 4 of the 11 known cells are present; the prior gives 6, of which 3 are.
    assert told(known)["all-negative"]["f1_micro"] == 0.0
    assert told(known)["label-prior"]["f1_micro"] == pytest.approx(2 * 3 / (6 + 4))


def test_the_table_of_a_cross_validation_shows_them(shapes_table: LabelTable) -> None:
    trial = pages.make_trial(shapes_table)
    rows = pages.split_in_half(shapes_table).train.tolist()
    crossed = replace(trial, out_of_fold=judge(rows, np.full((len(rows), 3), 0.4)))
    without, with_folds = (
        pages.set_page(pages.make_results(shapes_table, [each])) for each in (trial, crossed)
    )

    for baseline in ("all-negative", "label-prior"):
        cell = f'<th scope="row">{baseline}</th>'
        assert with_folds.count(cell) == without.count(cell) + 1
