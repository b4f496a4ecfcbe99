"""Scores of photos by fits that did not see them, and what is learned from those."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from manylabel.config import EvaluationConfig, RunConfig, TrainingConfig
from manylabel.decisions import policy as decision_rule
from manylabel.models.classifier import Classifier
from manylabel.models.weights import Provenance
from manylabel.training import cross_validation as held_out
from manylabel.training import learning_curve
from manylabel.training.cross_validation import Experiment
from manylabel.training.methods import PartialFineTuning
from manylabel.training.methods.base import InnerFolds
from manylabel.training.methods.interpolation import ALPHAS, DEFAULT_ALPHA
from manylabel.training.photo_store import read_store
from manylabel.training.trial import TrainedModel, run_trial
from manylabel.types import FloatArray, IntArray, LabelTable, Split, ignore_progress

OFFICIAL = Provenance(init="official", note="official weights tiny.pth", sha256="0")
NONE: IntArray = np.empty(0, dtype=np.int64)
HOLD_OUT = Split(train=np.arange(24), val=NONE, test=np.arange(24, 32))
TOP: dict[str, Any] = {"tune": "top", "split_layer": "2", "head_first": True}

Run = Callable[..., TrainedModel]


@pytest.fixture
def run(tiny_classifier: Classifier, shapes_table: LabelTable, feature_cache: Path) -> Run:
    """Return a function that runs the trial of the tiny model on the photos of shapes."""
    store, *_ = read_store(shapes_table.photos, side_px=16)
    quick = TrainingConfig(epochs=2, n_views=2, batch_size=8, precision="fp32", device="cpu", engine="torch")

    def run_tiny(
        *,
        split: Split = HOLD_OUT,
        training: dict[str, Any],
        targets: FloatArray = shapes_table.targets,
        **evaluation: Any,
    ) -> TrainedModel:
        experiment = Experiment(
            store=store,
            targets=targets,
            split=split,
            config=RunConfig(training=replace(quick, **training), evaluation=EvaluationConfig(**evaluation)),
            cache=feature_cache,
            on_progress=ignore_progress,
        )
        return run_trial(tiny_classifier, OFFICIAL, experiment)

    return run_tiny


@pytest.mark.parametrize(("training", "n_folds"), [({"tune": "head"}, 5), (TOP, 3)])
def test_without_folds_and_validation_photos_inner_folds_choose(
    training: dict[str, Any], n_folds: int, run: Run
) -> None:
    told = run(training=training).trial

    assert told.out_of_fold is not None
    assert told.calibration_set is not None
    np.testing.assert_array_equal(told.out_of_fold.rows, HOLD_OUT.train)
    assert told.calibration_set.origin == "out-of-fold scores of the training photos"
    assert "best F1 per label on out-of-fold scores of the training photos" in told.thresholds.origin
    assert {epoch.fold for epoch in told.history} == {*range(n_folds), None}


@pytest.mark.parametrize(("training", "evaluation"), [({"tune": "full"}, {}), (TOP, {"inner_folds": False})])
def test_where_fits_cost_much_or_are_not_wanted_nothing_is_chosen(
    training: dict[str, Any], evaluation: dict[str, Any], run: Run
) -> None:
    told = run(training=training, **evaluation).trial

    assert (told.out_of_fold, told.calibration_set) == (None, None)
    assert (told.thresholds.values == 0.5).all()
    assert told.calibration is None
    assert told.alpha == (DEFAULT_ALPHA if training["tune"] == "top" else 1.0)


def test_fits_of_inner_folds_stop_once_enough_photos_have_a_score(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    folds = InnerFolds(n_folds=4, n_photos=8)
    monkeypatch.setattr(PartialFineTuning, "inner_folds", lambda initial: folds)
    told = run(training=TOP).trial

    assert told.calibration_set is not None
    assert {epoch.fold for epoch in told.history} == {0, 1, None}
    assert len(told.calibration_set.evaluated.rows) == 12
    assert told.out_of_fold is not None
    np.testing.assert_array_equal(np.sort(np.concatenate(told.folds)), told.out_of_fold.rows)
    assert len(told.folds) == 2


def test_copies_stay_in_one_inner_fold(run: Run) -> None:
    groups = np.arange(32) // 2

    told = run(training={"tune": "head"}, split=replace(HOLD_OUT, groups=groups)).trial

    assert told.calibration_set is not None
    fold_of = np.empty(24, dtype=np.int64)
    for number, places in enumerate(told.calibration_set.folds):
        fold_of[places] = number
    np.testing.assert_array_equal(fold_of[::2], fold_of[1::2])


def test_out_of_fold_scores_choose_how_much_of_the_top_is_kept(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    shares = []
    learn = decision_rule.learn_policy

    def remember(scores: Any, **options: Any) -> Any:
        assert len(scores.scores) == len(ALPHAS)
        policy = learn(scores, **options)
        shares.append(ALPHAS[policy.variant])
        return policy

    monkeypatch.setattr(held_out, "learn_policy", remember)
    monkeypatch.setattr(decision_rule, "_MIN_PHOTOS", 15)
    told = run(training=TOP).trial

    assert [told.alpha] == shares


@pytest.mark.parametrize("is_hidden", [False, True])
def test_few_or_unknown_validation_photos_leave_the_usual_share(
    run: Run, shapes_table: LabelTable, *, is_hidden: bool
) -> None:
    targets = shapes_table.targets.copy()
    targets[16:24] = np.nan if is_hidden else targets[16:24]
    with_val = Split(train=np.arange(16), val=np.arange(16, 24), test=np.arange(24, 32))

    told = run(training=TOP, split=with_val, targets=targets).trial

    assert told.alpha == DEFAULT_ALPHA
    assert told.calibration_set is not None
    assert told.calibration_set.origin == "the validation photos"


def test_folds_and_early_stopping_keep_the_network_that_the_folds_chose(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decision_rule, "_MIN_PHOTOS", 15)
    folds = tuple(np.arange(fold, 24, 3) for fold in range(3))
    variants = []
    learn = decision_rule.learn_policy

    def remember(scores: Any, **options: Any) -> Any:
        policy = learn(scores, **options)
        variants.append((len(scores.scores), ALPHAS[policy.variant]))
        return policy

    monkeypatch.setattr(held_out, "learn_policy", remember)
    told = run(training={**TOP, "patience": 1}, split=replace(HOLD_OUT, folds=folds)).trial

    assert variants == [(len(ALPHAS), told.alpha)]


@pytest.mark.parametrize("n_groups", [1, 3])
def test_copies_of_few_photos_are_borne(run: Run, monkeypatch: pytest.MonkeyPatch, *, n_groups: int) -> None:
    monkeypatch.setattr(learning_curve, "_MIN_PHOTOS", 24)
    groups = np.arange(32) % n_groups
    with_val = Split(train=np.arange(16), val=np.arange(16, 24), test=np.arange(24, 32), groups=groups)

    for split in (replace(HOLD_OUT, groups=groups), with_val):
        told = run(training={"tune": "head", "patience": 1}, split=split).trial
        assert told.learning_curve is None
        assert np.isfinite(told.evaluated.scores).all()


@pytest.mark.parametrize("training", [{"tune": "head"}, TOP])
def test_the_kept_network_is_calibrated(
    training: dict[str, Any], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run_with(*, slope: float) -> TrainedModel:
        learn = decision_rule.learn_policy

        def distort(scores: Any, **options: Any) -> Any:
            policy = learn(scores, **options)
            calibration = replace(
                policy.calibration.calibration, slopes=np.full(3, slope), offsets=np.full(3, 0.5)
            )
            return replace(policy, calibration=replace(policy.calibration, calibration=calibration))

        with monkeypatch.context() as patch:
            patch.setattr(held_out, "learn_policy", distort)
            return run(training=training)

    plain, steep = (run_with(slope=slope).trial.test for slope in (1.0, 3.0))

    assert plain is not None
    assert steep is not None
    odds, steep_odds = (np.log(evaluated.scores / (1 - evaluated.scores)) for evaluated in (plain, steep))
    np.testing.assert_allclose(steep_odds - 0.5, 3 * (odds - 0.5), atol=1e-4)


def test_the_nearest_neighbors_are_asked_about_the_judged_photos(run: Run) -> None:
    alone = run(training={"tune": "head"}).trial.neighbors
    folds = tuple(np.arange(fold, 32, 4) for fold in range(4))
    cv = run(training=TOP, split=Split(train=np.arange(32), val=NONE, test=NONE, folds=folds)).trial.neighbors

    assert alone is not None
    assert cv is not None
    np.testing.assert_array_equal(alone.rows, HOLD_OUT.test)
    np.testing.assert_array_equal(cv.rows, np.arange(32))
    assert alone.similar.shape == (len(HOLD_OUT.test), 3)
    assert np.isin(alone.similar, HOLD_OUT.train).all()
    fold_of = np.arange(32) % 4
    assert (fold_of[cv.similar] != fold_of[cv.rows][:, None]).all()


def test_where_inner_folds_judge_the_neighbors_answer_them(run: Run) -> None:
    trial = run(training={"tune": "head"}, split=Split(train=np.arange(32), val=NONE, test=NONE)).trial

    assert trial.neighbors is not None
    assert trial.neighbors_out_of_fold is None
    np.testing.assert_array_equal(trial.neighbors.rows, trial.evaluated.rows)


def test_the_nearest_neighbors_are_asked_about_out_of_fold_photos_where_others_judge(run: Run) -> None:
    trial = run(training={"tune": "head"}).trial
    asked = trial.neighbors_out_of_fold

    assert trial.out_of_fold is not None
    assert trial.calibration_set is not None
    assert asked is not None
    np.testing.assert_array_equal(asked.rows, trial.out_of_fold.rows)
    assert asked.scores.shape == trial.out_of_fold.scores.shape
    for places in trial.calibration_set.folds:
        assert not np.isin(asked.similar[places], asked.rows[places]).any()
    assert np.isin(asked.similar, HOLD_OUT.train).all()


@pytest.mark.parametrize("training", [{"tune": "head"}, TOP])
def test_a_learning_curve_tells_what_more_photos_brought(
    training: dict[str, Any], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learning_curve, "_MIN_PHOTOS", 24)
    curve = run(training=training).trial.learning_curve
    none = run(training=training, learning_curve=False).trial.learning_curve

    assert none is None
    assert curve is not None
    assert curve.n_photos.tolist() == [5, 10, 14, 19]
    assert curve.label_values.shape == (4, 3)
    assert (curve.label_bands[..., 0] <= curve.label_values).all()
    assert (curve.label_values <= curve.label_bands[..., 1]).all()
    assert (curve.bands[:, 0] <= curve.values).all()
    assert (curve.values <= curve.bands[:, 1]).all()
    assert curve.gain == pytest.approx(curve.values[3] - curve.values[1])
    assert curve.gain_band[0] <= curve.gain <= curve.gain_band[1]


def test_without_features_there_is_no_learning_curve(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learning_curve, "_MIN_PHOTOS", 24)

    without, known = (
        run(training={"tune": "full", "head_first": head_first}).trial for head_first in (False, True)
    )

    assert (without.learning_curve, without.neighbors) == (None, None)
    assert known.learning_curve is not None
    assert known.neighbors is not None


def test_too_few_photos_have_no_learning_curve(run: Run) -> None:
    assert run(training={"tune": "head"}).trial.learning_curve is None
