"""Sentences on calibration, thresholds and guarantees tell what their codes and numbers mean."""

from dataclasses import asdict

import numpy as np
import pytest

from manylabel.decisions.policy import measure_threshold_gain
from manylabel.decisions.thresholds import ThresholdObjective, cross_fit_thresholds
from manylabel.report import trust_words
from manylabel.types import CalibrationGain, CalibrationOutcome, MissedGuarantee

NAN = float("nan")
FOLDS = (np.array([0, 2]), np.array([1, 3]))


@pytest.mark.parametrize(
    ("outcome", "before", "after", "words"),
    [
        (
            "used",
            0.5,
            0.4,
            "calibrated: log loss 0.500 → 0.400 on photos that the calibration did not see",
        ),
        ("off", 0.5, 0.5, "not calibrated, as asked for"),
        (
            "unknown",
            NAN,
            NAN,
            "calibration left out: of no photo is it known which labels it carries",
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
            "calibration left out: it takes 20 photos to tell that it helps (0.500 → 0.400)",
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
    gain = CalibrationGain(outcome=outcome, log_loss_before=before, log_loss_after=after)
    assert trust_words.calibration_note(asdict(gain)) == words


@pytest.mark.parametrize(
    ("missed", "words"),
    [
        (
            MissedGuarantee(label="car", metric="recall", target=0.875, n_positive=0, n_needed=7),
            "label 'car': 0 positives are too few to promise 87.5 % recall; 7 would do",
        ),
        (
            MissedGuarantee(
                label="sea", metric="precision", target=0.8, n_positive=1, n_needed=11, reached=0.024
            ),
            "label 'sea': 1 positive is too few to promise 80 % precision; it takes at least 11"
            " (on these photos: 2 %)",
        ),
        (
            MissedGuarantee(
                label="boat", metric="precision", target=0.8, n_positive=21, n_needed=11, reached=0.51
            ),
            "label 'boat': its scores do not tell it apart well enough to promise 80 % precision"
            " from 21 positives (on these photos: 51 %)",
        ),
        (
            MissedGuarantee(label=None, metric="recall", target=0.9),
            "a recall of 90% was asked for and can't be promised: no photos were kept from training to"
            " choose thresholds on; validation photos or --folds would be",
        ),
    ],
)
def test_a_missed_guarantee_tells_what_is_missing(missed: MissedGuarantee, words: str) -> None:
    assert trust_words.missed_guarantee(asdict(missed)) == words


def told(objective: ThresholdObjective, targets: list[float], scores: tuple[float, ...]) -> str:
    columns = np.array(targets).reshape(4, 1), np.array(scores).reshape(4, 1)
    decisions = cross_fit_thresholds(*columns, FOLDS, objective=objective)
    return trust_words.threshold_gain(
        asdict(measure_threshold_gain(*columns, decisions=decisions, objective=objective))
    )


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
            "leave macro-F1 at 66.7 on photos they did not see",
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
    assert "photos they did not see; on their own photos it looks like " in sentence


@pytest.mark.parametrize("method", ["f1", "accuracy", "half"])
def test_a_gain_without_known_labels_says_so(method: str) -> None:
    objective = {name: ThresholdObjective(method=name) for name in ("f1", "accuracy", "half")}[method]
    assert told(objective, [NAN] * 4, (0.5,) * 4).endswith("no photo has a known label")
