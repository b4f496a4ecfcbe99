"""Sentences on calibration, thresholds and guarantees tell what their codes and numbers mean."""

import numpy as np
import pytest

from manylabel.decisions.policy import measure_threshold_gain
from manylabel.decisions.thresholds import ThresholdObjective, cross_fit_thresholds
from manylabel.report.collect_models import threshold_gain_result
from manylabel.report.text.decisions import (
    calibration_note,
    describe_missed_guarantee,
    describe_threshold_gain,
)
from manylabel.results import CalibrationResult, ProbabilityQuality, Reliability
from manylabel.trials import CalibrationOutcome, MissedGuarantee

NAN = float("nan")
FOLDS = (np.array([0, 2]), np.array([1, 3]))


@pytest.mark.parametrize(
    ("outcome", "before", "after", "words"),
    [
        (
            "used",
            0.5,
            0.4,
            "calibrated: log loss 0.500 → 0.400 on photos that the calibration was not fitted to",
        ),
        ("off", 0.5, 0.5, "not calibrated, as asked"),
        (
            "unknown",
            NAN,
            NAN,
            "calibration left out: no label of these photos is known",
        ),
        (
            "no_change",
            0.693,
            0.693,
            "calibration left out: it would not have changed the log loss (0.693)",
        ),
        (
            "too_few_photos",
            0.5,
            0.4,
            "calibration left out: fewer than 20 photos cannot show that it helps (0.500 → 0.400)",
        ),
        (
            "within_chance",
            0.69312,
            0.69305,
            "calibration left out: it would have changed the log loss by no more than chance"
            " (0.69312 → 0.69305)",
        ),
        (
            "worse",
            0.1,
            0.2,
            "calibration left out: it would have made the log loss worse (0.100 → 0.200)",
        ),
    ],
)
def test_every_outcome_of_a_calibration_has_its_words(
    outcome: CalibrationOutcome, before: float, after: float, words: str
) -> None:
    nothing = Reliability(mean_score=(), share_present=(), n_cells=(), low=(), high=())
    quality = ProbabilityQuality(
        log_loss=None, brier=(), calibration_error=(), reliability=nothing, label_reliability=()
    )
    found = CalibrationResult(
        outcome=outcome,
        log_loss_before=None if np.isnan(before) else before,
        log_loss_after=None if np.isnan(after) else after,
        is_used=outcome == "used",
        origin="the validation photos",
        n_photos=20,
        before=quality,
        after=quality,
    )
    assert calibration_note(found) == words


@pytest.mark.parametrize(
    ("missed", "words"),
    [
        (
            MissedGuarantee(label="car", metric="recall", target=0.875, n_positive=0, n_needed=7),
            "label 'car': 0 positives are too few to guarantee 87.5 % recall; 7 are needed",
        ),
        (
            MissedGuarantee(
                label="sea", metric="precision", target=0.8, n_positive=1, n_needed=11, reached=0.024
            ),
            "label 'sea': 1 positive is too few to guarantee 80 % precision; at least 11 are needed"
            " (here: 2 %)",
        ),
        (
            MissedGuarantee(
                label="boat", metric="precision", target=0.8, n_positive=21, n_needed=11, reached=0.51
            ),
            "label 'boat': its probabilities do not separate it well enough to guarantee 80 % precision"
            " (21 positives) (here: 51 %)",
        ),
        (
            MissedGuarantee(label=None, metric="recall", target=0.9),
            "a recall of 90% cannot be guaranteed: no photos were held out from training to"
            " choose thresholds on; use validation photos or --folds",
        ),
    ],
)
def test_a_missed_guarantee_tells_what_is_missing(missed: MissedGuarantee, words: str) -> None:
    assert describe_missed_guarantee(missed) == words


def told(objective: ThresholdObjective, targets: list[float], scores: tuple[float, ...]) -> str:
    columns = np.array(targets).reshape(4, 1), np.array(scores).reshape(4, 1)
    decisions = cross_fit_thresholds(*columns, FOLDS, objective=objective)
    gain = measure_threshold_gain(*columns, decisions=decisions, objective=objective)
    return describe_threshold_gain(threshold_gain_result(gain))


@pytest.mark.parametrize(
    ("objective", "scores", "words"),
    [
        (
            ThresholdObjective(method="f1"),
            (0.4, 0.4, 0.2, 0.1),
            "raise macro-F1 from 0.0 to 100.0 on photos they",
        ),
        (ThresholdObjective(method="f1", beta=3.0), (0.4, 0.4, 0.2, 0.1), "raise macro-F3 from"),
        (
            ThresholdObjective(method="half"),
            (0.6, 0.4, 0.2, 0.1),
            "leave macro-F1 at 66.7 on photos they were not chosen on",
        ),
        (
            ThresholdObjective(method="accuracy"),
            (0.9, 0.6, 0.7, 0.1),
            "lower binary accuracy from 75.0 to 50.0 on",
        ),
        (
            ThresholdObjective(method="cost", cost_missed=4, cost_false=1),
            (0.4, 0.4, 0.2, 0.1),
            "lower the cost of a photo from 2.00 to",
        ),
        (
            ThresholdObjective(method="recall", target=0.8),
            (0.4, 0.4, 0.2, 0.1),
            "raise macro-recall from 0.0 to 100.0 on photos",
        ),
        (
            ThresholdObjective(method="precision", target=0.6),
            (0.4, 0.4, 0.6, 0.1),
            "raise macro-precision from 0.0 to",
        ),
    ],
)
def test_the_gain_of_thresholds_is_told_in_a_sentence(
    objective: ThresholdObjective, scores: tuple[float, ...], words: str
) -> None:
    sentence = told(objective, [1.0, 1.0, 0.0, 0.0], scores)
    assert sentence.startswith(f"thresholds {words}")
    assert "photos they were not chosen on; on their own photos it looks like " in sentence


@pytest.mark.parametrize("method", ["f1", "accuracy", "half"])
def test_a_gain_without_known_labels_says_so(method: str) -> None:
    objective = {name: ThresholdObjective(method=name) for name in ("f1", "accuracy", "half")}[method]
    assert told(objective, [NAN] * 4, (0.5,) * 4).endswith("no photo has a known label")
